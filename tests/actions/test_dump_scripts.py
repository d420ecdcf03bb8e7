"""What the two Jobs run, in a shell, with PostgreSQL's own programs and a real database on either side."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pg8000.native
import pytest

from chalicelib.actions.dumps import DumpFound, DumpRestored, Restore, taken_at
from chalicelib.actions.jobs import Job
from chalicelib.clients.database import STATEMENTS
from chalicelib.core.outcome import Act, Done
from drctl.neighbours.rds.engine import Address
from drctl.neighbours.rds.postgres import PostgresEngine
from tests.actions.stage import AT, POLICY, target

PASSWORD = "of a test"
OLD, NEW, TORN = (f"neurectomy-20261124T0{hour}0000Z.dump" for hour in range(3))
TABLE = POLICY.platform.database.heartbeat_table


class Place:
    """The volume and the databases, and a shell that plays the container."""

    def __init__(self, engine: PostgresEngine, folder: Path) -> None:
        self.engine = engine
        self.there = engine.create("aws")
        self.folder = folder
        self.dumps = folder / "dumps"
        self.dumps.mkdir()
        self.target = engine.create(folder.name)

    def environment(self, address: Address, more: Mapping[str, str]) -> dict[str, str]:
        at = {"PGHOST": address.host, "PGPORT": str(address.port), "PGDATABASE": POLICY.platform.database.name}
        who = {"PGUSER": "responder", "PGPASSWORD": PASSWORD, "PGSSLMODE": "disable"}
        return {**more, **at, **who, "PATH": f"{self.engine.programs}:{os.environ['PATH']}"}

    def sql(self, address: Address, *statements: str) -> Any:
        name = POLICY.platform.database.name
        connection = pg8000.native.Connection(
            "responder", host=address.host, port=address.port, database=name, password=PASSWORD, timeout=5
        )
        try:
            return [connection.run(s) for s in statements][-1]
        finally:
            connection.close()

    def dump(self, name: str, *more: str) -> Path:
        path = self.dumps / name
        command = ["pg_dump", "-Fc", "-f", str(path), *more]
        subprocess.run(command, env=self.environment(self.there, {}), check=True, capture_output=True)
        return path

    def run(self, act: Any) -> tuple[int, str]:
        """The Job's container, whose volume, scratch place and termination log lie in this test's folder."""
        assert isinstance(act, Act)
        container = act.call.params["body"]["spec"]["template"]["spec"]["containers"][0]
        said = self.folder / "termination-log"
        said.write_text("")
        *shell, script = container["command"]
        script = script.replace("/dumps", str(self.dumps)).replace("/dev/termination-log", str(said))
        script = script.replace("/tmp/dump.sql", str(self.folder / "dump.sql"))  # noqa: S108
        script = script.replace("/tmp/why", str(self.folder / "why"))  # noqa: S108
        given = {e["name"]: e["value"] for e in container["env"] if "value" in e}
        done = subprocess.run(
            [*shell, script], env=self.environment(self.target, given), check=False, capture_output=True
        )
        return done.returncode, said.read_text()

    def find(self) -> tuple[int, str]:
        return self.run(DumpFound().next(target(cluster="tertiary"), POLICY, None, AT))

    def restore(self, found: str) -> tuple[int, str]:
        facts = Restore(Job("j", complete=True, failed="", said=found), None)
        return self.run(DumpRestored().next(target(cluster="tertiary"), POLICY, facts, AT))


@pytest.fixture(scope="module")
def engine() -> Iterator[PostgresEngine]:
    made = PostgresEngine(password=PASSWORD, username="responder", db_name=POLICY.platform.database.name)
    made.create("aws")
    yield made
    made.stop()


@pytest.fixture
def place(engine: PostgresEngine, tmp_path: Path) -> Iterator[Place]:
    made = Place(engine, tmp_path)
    made.sql(
        made.there,
        "DROP SCHEMA IF EXISTS shop CASCADE",
        STATEMENTS["prepare-beat"].format(table=TABLE),
        f"TRUNCATE {TABLE}_beat",
        f"INSERT INTO {TABLE}_beat VALUES ('pg', 41, '2026-11-24 00:59:59.25+00'), ('old', 7, '2026-11-20 00:00+00')",  # noqa: S608
        "CREATE SCHEMA shop",
        "CREATE TABLE shop.orders (id serial PRIMARY KEY, what text)",
        "CREATE VIEW dear AS SELECT * FROM shop.orders WHERE what LIKE 'd%'",
        "INSERT INTO shop.orders (what) SELECT md5(n::text) FROM generate_series(1, 20000) n",
    )
    yield made
    engine.delete(tmp_path.name)


def test_the_newest_dump_that_can_be_read_to_its_end_is_found_and_restored_once(place: Place) -> None:
    place.dump(OLD)
    whole = place.dump(NEW).read_bytes()
    # A copy that broke off: its table of contents, at the head, is there.
    (place.dumps / TORN).write_bytes(whole[: len(whole) // 2])
    listed = subprocess.run(
        ["pg_restore", "--list", place.dumps / TORN],
        env=place.environment(place.there, {}),
        check=False,
        capture_output=True,
    )
    assert listed.returncode == 0
    (place.dumps / "zzz.txt").write_text("no dump")
    code, said = place.find()
    assert (code, said) == (0, f"{NEW} 2026-11-24 00:59:59.25+00")
    facts = Job("j", complete=True, failed="", said=said)
    done = DumpFound().next(target(cluster="tertiary"), POLICY, facts, AT)
    assert isinstance(done, Done)
    assert "after 2026-11-24 00:59:59 UTC (by its heartbeat's last row)" in done.because
    assert place.restore(said) == (0, NEW)
    assert place.sql(place.target, "SELECT count(*) FROM shop.orders") == [[20000]]
    assert place.sql(place.target, "SELECT dump FROM public.dr_restored_from") == [[NEW]]
    place.sql(place.target, "DELETE FROM shop.orders WHERE id > 10")
    assert place.restore(said) == (0, NEW)
    assert place.sql(place.target, "SELECT count(*) FROM shop.orders") == [[10]], "run twice it changes nothing"


def test_no_dump_is_found_that_was_begun_later_than_a_person_allows(place: Place) -> None:
    for name in (OLD, NEW):
        place.dump(name)
    act = DumpFound().next(target(cluster="tertiary", until="2026-11-24T00:59:59Z"), POLICY, None, AT)
    assert "the newest of those until 2026-11-24T00:59:59Z" in act.because
    assert place.run(act)[1].partition(" ")[0] == OLD
    at_once = DumpFound().next(target(cluster="tertiary", until="2026-11-24T01:00:00Z"), POLICY, None, AT)
    assert place.run(at_once)[1].partition(" ")[0] == NEW
    none = DumpFound().next(target(cluster="tertiary", until="2026-11-23T00:00:00Z"), POLICY, None, AT)
    assert place.run(none) == (3, "no dump that can be read and was begun until 20261123T000000Z")


def test_what_is_there_is_never_overwritten_and_a_failure_leaves_nothing(place: Place) -> None:
    place.dump(NEW)
    place.sql(place.target, "CREATE VIEW dear AS SELECT 'mine' AS what")
    code, said = place.restore(NEW)
    assert code == 4
    assert 'relation "dear" already exists' in said
    assert place.sql(place.target, "SELECT what FROM dear") == [["mine"]]
    assert place.sql(place.target, "SELECT count(*) FROM pg_namespace WHERE nspname = 'shop'") == [[0]]


def test_another_dump_than_the_one_that_is_there_is_refused(place: Place) -> None:
    place.dump(OLD)
    shutil.copy(place.dumps / OLD, place.dumps / NEW)
    assert place.restore(OLD) == (0, OLD)
    code, said = place.restore(NEW)
    assert code == 4
    assert "already exists" in said
    assert place.sql(place.target, "SELECT dump FROM public.dr_restored_from") == [[OLD]]


def test_a_dump_without_a_heartbeat_is_found_by_its_name_alone(place: Place) -> None:
    place.dump(NEW, "-T", f"{TABLE}_beat")
    code, said = place.find()
    assert (code, said.strip()) == (0, NEW)
    assert taken_at(said.strip()) is not None


def test_without_a_dump_that_can_be_read_it_says_so(place: Place) -> None:
    (place.dumps / NEW).write_bytes(b"PGDMP and nothing else")
    assert place.find() == (3, "no dump that can be read")
