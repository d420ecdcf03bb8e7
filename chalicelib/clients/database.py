"""PostgreSQL through pg8000: named statements only, each with a time limit of its own.

Credentials come from the secret that policy names, in the standby region. Over TLS unless the settings say off (the
local world). SQLSTATE codes: https://www.postgresql.org/docs/current/errcodes-appendix.html.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Final
from urllib.parse import urlsplit

from chalicelib.clients.aws import AwsClients, read
from chalicelib.clients.postgres import connected
from chalicelib.core.outcome import Doubtful, Made, NoData, Outcome, Refused
from chalicelib.policy import Policy
from chalicelib.policy.platform import Database

CONNECT_S: Final = 3
CHECK_S: Final = 10
"""A check reads whole tables; what takes longer is asked anew, and is no verdict."""
STATEMENTS: Final[Mapping[str, str]] = {
    # Reads
    "role": "SELECT pg_is_in_recovery()",
    "clock": "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint",
    "proof": (
        "SELECT extract(epoch FROM (clock_timestamp() - written_at))::float8 FROM {table} "
        "WHERE source = %s ORDER BY written_at DESC LIMIT 1"
    ),
    "check": "",  # policy's own, by its name: `checks`
    # Per source, for what two databases have not in common: how many rows, and when the newest was written.
    "proofs": (
        "SELECT source, count(*), (extract(epoch FROM max(written_at)) * 1000)::bigint FROM {table} "
        "GROUP BY source ORDER BY source"
    ),
    "beats": "SELECT source, n, (extract(epoch FROM written_at) * 1000)::bigint FROM {table}_beat ORDER BY source",
    "beat": "SELECT n, (extract(epoch FROM written_at) * 1000)::bigint FROM {table}_beat WHERE source = %s",
    # Before a check: PostgreSQL itself then refuses every write (SQLSTATE 25006).
    "read-only": "SET TRANSACTION READ ONLY",
    # Writes
    "prepare-heartbeat": (
        "CREATE TABLE IF NOT EXISTS {table} "
        "(source text NOT NULL, written_at timestamptz NOT NULL DEFAULT clock_timestamp())"
    ),
    "write-heartbeat": "INSERT INTO {table} (source) VALUES (%s)",
    "prepare-beat": (
        "CREATE TABLE IF NOT EXISTS {table}_beat "
        "(source text PRIMARY KEY, n bigint NOT NULL, written_at timestamptz NOT NULL)"
    ),
    # One row a source, so that it never has to be cleaned; it counts, so that a replica's distance is known in rows.
    "write-beat": (
        "INSERT INTO {table}_beat AS b VALUES (%s, 1, clock_timestamp()) "
        "ON CONFLICT (source) DO UPDATE SET n = b.n + 1, written_at = clock_timestamp() "
        "RETURNING n, (extract(epoch FROM written_at) * 1000)::bigint"
    ),
}


def checks(policy: Policy) -> Mapping[str, str]:
    """Policy's integrity checks by name, as they are asked."""
    return {c.name: c.sql for c in policy.platform.integrity.checks} if policy.platform.integrity else {}


class DatabaseClients:
    """Opens a connection a statement: recovery asks rarely, and a connection kept open would outlive a promotion."""

    def __init__(
        self,
        aws: AwsClients,
        database: Database,
        region: str,
        *,
        tls: bool,
        checks: Mapping[str, str] | None = None,
        credentials: Callable[[], Mapping[str, Any] | NoData] | None = None,
        resolve: Mapping[str, str] | None = None,
    ) -> None:
        """`credentials` are used where they do not lie in AWS's Secrets Manager: username and password. `resolve` sends
        a host elsewhere (the local world): host → `postgresql://address:port`.
        """
        self._aws = aws
        self._given = credentials
        self._database = database
        self._region = region
        self._tls = tls
        self._checks = checks or {}
        self._resolve = resolve or {}

    def query(
        self, host: str, port: int, statement: str, arguments: Sequence[Any] = ()
    ) -> list[list[Any]] | Refused | NoData:
        """Rows of a named read; `check` asks policy's check of that name, read-only whatever its text. Refused has the
        SQLSTATE as its code; `42P01` means that the table is not there.
        """
        if statement == "check":
            said = self._run(host, port, ("read-only", str(arguments[0])), (), wait_s=CHECK_S)
        else:
            said = self._run(host, port, (statement,), arguments)
        return said if not isinstance(said, Doubtful) else NoData(because=said.because)

    def execute(
        self, host: str, port: int, statements: Sequence[str], arguments: Sequence[Any], *, until: str
    ) -> Outcome:
        """Named statements in one transaction; the arguments are the last one's."""
        said = self._run(host, port, statements, arguments)
        match said:
            case Refused() | Doubtful():
                return said
            case NoData(because=because):
                return Refused(code="Unreachable", because=because)
        return Made(because=f"{statements[-1]} at {host}:{port} was committed; done when {until}")

    def beat(self, host: str, port: int, source: str) -> list[list[Any]] | Refused | NoData | Doubtful:
        """Writes the next row of a heartbeat, and answers [[its number, when it was written in ms since 1970]]."""
        return self._run(host, port, ("prepare-beat", "write-beat"), (source,))

    def _run(
        self, host: str, port: int, statements: Sequence[str], arguments: Sequence[Any], *, wait_s: float = CONNECT_S
    ) -> list[list[Any]] | Refused | NoData | Doubtful:
        # Here, since most invocations never ask the database, and its driver is a fifth of a cold start.
        import pg8000.dbapi

        where = f"database {host}:{port}"
        credentials = self._credentials()
        if not isinstance(credentials, Mapping):
            return credentials
        here = urlsplit(self._resolve.get(host, ""))
        session = connected(
            here.hostname or host,
            here.port or port,
            timeout=wait_s,
            user=credentials["username"],
            password=credentials["password"],
            database=self._database.name,
            ssl_context=self._context(),
            application_name="dr-responder",
        )
        with ExitStack() as left:
            try:
                connection = left.enter_context(session)
            except pg8000.dbapi.DatabaseError as error:
                return _failed(where, "connecting", error)
            except (OSError, pg8000.exceptions.InterfaceError) as error:
                return NoData(because=f"{where} was not reached: {error}")
            try:
                cursor = connection.cursor()
                for statement in statements[:-1]:
                    cursor.execute(self._text(statement))
                cursor.execute(self._text(statements[-1]), tuple(arguments))
                rows = [list(row) for row in cursor.fetchall()] if cursor.description else []
                connection.commit()
            except pg8000.dbapi.DatabaseError as error:
                return _failed(where, statements[-1], error)
            except (OSError, pg8000.exceptions.InterfaceError) as error:
                return Doubtful(because=f"{where} went away during {statements[-1]}: {error}")
        return rows

    def _text(self, statement: str) -> str:
        if statement in self._checks:
            return self._checks[statement]
        return STATEMENTS[statement].format(table=self._database.heartbeat_table)

    def _credentials(self) -> Mapping[str, Any] | NoData:
        if self._given:
            return self._given()
        secret = self._database.credentials_secret
        found = read(self._aws, "secretsmanager", self._region, "get_secret_value", {"SecretId": secret})
        if not isinstance(found, Mapping):
            return NoData(because=f"the database's credentials cannot be read: {found.because}")
        credentials: Mapping[str, Any] = json.loads(found["SecretString"])
        if missing := {"username", "password"} - set(credentials):
            return NoData(because=f"secret {secret!r} lacks {', '.join(sorted(missing))}; allowed: username, password")
        return credentials

    def _context(self) -> ssl.SSLContext | None:
        if not self._tls:
            return None
        # RDS signs with authorities of its own, which no trust store has: encrypted, but the name is not proven here.
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context


def _failed(where: str, doing: str, error: Exception) -> Refused | NoData:
    said = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
    code, text = str(said.get("C", "")), str(said.get("M", error))
    if code.startswith(("57P", "08")) or not code:
        # Starting up, shutting down, connection lost: nobody answered.
        return NoData(because=f"{where}, {doing}: {text} ({code or 'no code'})")
    return Refused(code=code, because=f"{where}, {doing}: {text}")
