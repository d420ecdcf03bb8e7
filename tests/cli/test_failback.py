"""`drctl failback` as a person types it: what it shows of a move, in text and as JSON, and what it says when it cannot
begin. Looking goes by the store of this machine; a word goes to the responder's own way in, which asks STS who said it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from moto import mock_aws
from typer.testing import CliRunner
from urllib3.response import HTTPResponse

from chalicelib import ways_in
from chalicelib.bootstrap import Responder, WallClock
from chalicelib.core.book import Book, Failover, Setting
from chalicelib.desk import Desk
from chalicelib.policy.load import load
from chalicelib.settings import Settings
from chalicelib.store.codec import dump_book, dump_incident, dump_plan, read_book
from chalicelib.store.contract import Store
from chalicelib.store.dynamodb import DynamoStore
from chalicelib.tools import Tools
from drctl.cli.main import app
from drctl.neighbours.sts import Sts
from drctl.offline.store import SqliteStore
from drctl.world.people import credentials_of, keys
from tests.app.test_hearing import ROOT, Web
from tests.app.test_ways_in import Hands
from tests.contract.stands import table
from tests.core.stage import PRIMARY, REGION, STANDBY, at, confirmed, done, empty, only, rules_for

POLICY = load(ROOT / "policies")
PERSON = POLICY.people.people[0]
RULES = rules_for(POLICY)
CAPACITY, PAUSED = "capacity", "pause-primary-schedules"


def moved() -> tuple[Book, Any]:
    """A platform that serves from the standby after a failover, and the failover's archive."""
    steps = {
        CAPACITY: replace(done(100, before="1/1/12"), calls=1),
        PAUSED: replace(done(110, before="daily,hourly"), calls=1),
        "promote": replace(done(150), calls=1),
    }
    case = replace(only(confirmed()), policy=POLICY.digest, steps=steps)
    plan = RULES.plan_of(case.plan, REGION)
    settings = tuple(
        Setting(
            incident=case.id,
            step=step.id,
            action=step.action,
            cluster=step.params.get("cluster", ""),
            before=str(steps[step.id].facts["before"]),
        )
        for step in plan.steps
        if step.id in (CAPACITY, PAUSED)
    )
    away = Failover(incident=case.id, scenario=REGION, at=at(200))
    return replace(empty(serving=STANDBY), failover=away, settings=settings), case


def put(store: Store, book: Book, archive: Any = None) -> None:
    """A worker has left it so."""
    now = datetime.now(UTC)
    claimed = cast("Any", store.claim("before", now=now, until=now + timedelta(seconds=5)))
    rev = cast("Any", store.stamp(claimed.epoch)).rev
    store.save(claimed.epoch, rev, dump_book(book))
    store.release("before", claimed.epoch)
    if archive is not None:
        plan = RULES.plan_of(archive.plan, REGION)
        store.put_document("plan", plan.hash, dump_plan(plan))
        store.put_document("closed", archive.id, dump_incident(archive))


@dataclass
class Said:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """What went wrong, as one line of words."""
        return " ".join(self.err.split())


def run(*words: str) -> Said:
    done_ = CliRunner().invoke(app, ["failback", *words])
    return Said(done_.exit_code, done_.stdout, done_.stderr)


# Looking


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SqliteStore:
    names = {"DR_OFFLINE": tmp_path, "DR_POLICIES": ROOT / "policies", "DR_STAGE": "offline", "COLUMNS": "200"}
    for name, value in names.items():
        monkeypatch.setenv(name, str(value))
    return SqliteStore(tmp_path / f"{POLICY.platform.name}.db", platform=POLICY.platform.name)


def test_it_shows_what_the_move_has_set_who_decides_and_how_it_begins(kept: SqliteStore) -> None:
    book, archive = moved()
    put(kept, book, archive)
    shown = run()
    assert shown.code == 0, shown.err
    assert f"{STANDBY} serves since 2026-11-23 03:03:20 UTC, by {archive.id}" in " ".join(shown.out.split())
    assert "The way back may begin: drctl failback --begin --at now" in shown.out
    assert "1 nodes (1 to 12)" in shown.out
    assert "daily, hourly" in shown.out
    assert "2 people" in shown.out
    assert "the loss was not known, because no look before the promotion measured it; it is listed" in shown.out


def test_as_json_it_says_the_same_in_fields(kept: SqliteStore) -> None:
    book, archive = moved()
    put(kept, book, archive)
    found = json.loads(run("--json").out)
    assert (found["serving"], found["may_begin"], found["why_not"]) == (STANDBY, True, None)
    assert found["failover"] == {"incident": archive.id, "scenario": REGION, "at": at(200).isoformat()}
    # How the database was before its promotion needs no saying.
    assert [line["before"] for line in found["set"]].count(None) == 1
    assert {line["before"] for line in found["set"]} == {None, "1 nodes (1 to 12)", "daily, hourly"}
    assert all(line["taken_back_by"] for line in found["set"])
    assert (found["owed"], found["incident"], found["wrong_side"]["rows"]) == ([], None, None)
    (stop,) = [s for s in found["steps"] if s["step"] == "drain"]
    assert stop["people"] >= 1
    assert found["scenario"] == "failback"


def test_a_move_whose_archive_is_gone_still_shows_what_the_journal_says_it_set(kept: SqliteStore) -> None:
    """The journal, which a way back goes by, names it; only its archive is not there."""
    book, archive = moved()
    put(kept, book)
    found = json.loads(run("--json").out)
    assert found["failover"]["incident"] == archive.id
    assert {line["before"] for line in found["set"]} == {"1 nodes (1 to 12)", "daily, hourly"}


def test_where_nothing_was_moved_it_says_so_and_when_that_will_change(kept: SqliteStore) -> None:
    put(kept, empty())
    shown = run()
    assert shown.code == 0
    assert f"{PRIMARY} serves. Nothing is to be taken back." in shown.out
    assert "after a failover or a planned move has ended" in shown.out
    found = json.loads(run("--json").out)
    assert (found["may_begin"], found["failover"], found["set"]) == (False, None, [])
    assert found["why_not"].startswith("there is nothing to take back")


def test_a_stage_where_nothing_ever_happened_is_no_error_to_look_at(kept: SqliteStore) -> None:
    assert kept.read_book().body is None
    assert run().out.strip() == "stage offline: nothing has ever happened here"
    assert json.loads(run("--json").out) is None


def test_an_open_incident_holds_it_back_by_its_name(kept: SqliteStore) -> None:
    book, archive = moved()
    other = only(confirmed())
    put(kept, replace(book, incidents={other.id: replace(other, policy=POLICY.digest)}), archive)
    assert f"The way back cannot begin yet: incident {other.id} is open; allowed: once it is closed" in run().out
    assert json.loads(run("--json").out)["may_begin"] is False


# Saying


class Now(WallClock):
    """The machine's time, in which nobody waits: what a person says is answered in one visit."""

    def sleep(self, seconds: float) -> None:
        raise AssertionError(f"the answer was waited for ({seconds} s)")


@pytest.fixture
def deployed(monkeypatch: pytest.MonkeyPatch) -> Iterator[DynamoStore]:
    """The responder behind its function's name: commands that are invoked come to its own way in."""
    own = credentials_of(PERSON)
    for name, value in {
        "AWS_ACCESS_KEY_ID": own.access_key,
        "AWS_SECRET_ACCESS_KEY": own.secret_key,
        "AWS_SESSION_TOKEN": own.token,
        "DR_POLICIES": str(ROOT / "policies"),
        "DR_STAGE": "prod",
        "COLUMNS": "200",
    }.items():
        monkeypatch.setenv(name, str(value))
    with mock_aws():
        # mock_aws has keys of its own in the environment; the person's are what proves them.
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", str(own.access_key))
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", str(own.secret_key))
        monkeypatch.setenv("AWS_SESSION_TOKEN", str(own.token))
        boto3.setup_default_session()
        dynamodb = boto3.client("dynamodb", region_name=POLICY.platform.responder.region)
        store = DynamoStore(
            dynamodb, table=table(dynamodb, POLICY.platform.responder.table), platform=POLICY.platform.name
        )
        responder = _responder(store)

        def invoked(request: Any, **_: Any) -> AWSResponse:
            payload = json.loads(request.body)
            answer = ways_in.command(responder, payload, until=datetime.now(UTC) + timedelta(seconds=30))
            return _answer(request.url, json.dumps(answer).encode())

        cast("Any", boto3.DEFAULT_SESSION).events.register_first("before-send.lambda.Invoke", invoked)
        yield store
        boto3.DEFAULT_SESSION = None


def _answer(url: str, body: bytes) -> AWSResponse:
    """What Lambda sends back."""
    raw = HTTPResponse(body=BytesIO(body), preload_content=False, status=200)
    return AWSResponse(url, 200, {"content-type": "application/json"}, raw)


def _responder(store: Store) -> Responder:
    clock = Now()
    tools = Tools(store=store, hands=cast("Any", Hands()), policy=POLICY, clock=clock)
    web = Web(Sts(keys(POLICY), clock=clock.now))
    return Responder(
        settings=Settings.read({}, root=ROOT),
        policy=POLICY,
        store=store,
        desk=Desk(tools),
        ports=cast("Any", _Ports(web)),
        clock=clock,
    )


@dataclass
class _Ports:
    web: Web


def opened(store: DynamoStore) -> list[Any]:
    return list(read_book(store.read_book().body or "")[0].incidents.values())


def test_a_person_begins_it_with_a_time(deployed: DynamoStore) -> None:
    book, archive = moved()
    put(deployed, book, archive)
    then = f"{datetime.now(UTC) + timedelta(hours=3):%Y-%m-%dT%H:%M:%SZ}"
    said = run("--begin", "--at", then, "--note", "the region is back")
    assert said.code == 0, said.err
    (incident,) = opened(deployed)
    assert incident.id in said.out
    assert (incident.scenario, incident.scope, incident.declared_by) == ("failback", STANDBY, PERSON.name)
    assert incident.chosen["at"] == then
    assert incident.chosen["failover"] == archive.id


def test_begun_as_json_it_answers_who_said_it(deployed: DynamoStore) -> None:
    put(deployed, *moved())
    said = run("--begin", "--json")
    answer = json.loads(said.out)
    assert (said.code, answer["ok"]) == (0, True)
    assert PERSON.name in answer["by"]
    assert "at" not in opened(deployed)[0].chosen, "it is asked for"


@pytest.mark.parametrize(
    ("given", "because"),
    [
        ("2026-01-01T00:00:00Z", "at is 2026-01-01T00:00:00Z, which is over"),
        ("tomorrow", "at is 'tomorrow'"),
        ("2099-01-01T00:00:00Z", "14d ahead is how far policy reaches"),
    ],
)
def test_a_time_that_cannot_be_is_refused_with_what_is_allowed_and_opens_nothing(
    deployed: DynamoStore, given: str, because: str
) -> None:
    put(deployed, *moved())
    said = run("--begin", "--at", given)
    assert said.code == 1
    assert because in said.text
    assert "allowed" in said.text
    assert opened(deployed) == []


def test_nothing_to_take_back_is_a_refusal_that_names_who_serves(deployed: DynamoStore) -> None:
    put(deployed, empty())
    said = run("--begin")
    assert said.code == 1
    assert f"there is nothing to take back: {PRIMARY} serves" in said.text
    as_json = run("--begin", "--json")
    assert (as_json.code, json.loads(as_json.out)["ok"]) == (1, False)
    assert opened(deployed) == []


def test_where_nothing_ever_happened_nothing_is_sent(deployed: DynamoStore) -> None:
    said = run("--begin")
    assert said.code == 1
    assert "nothing has ever happened here, so there is nothing to take back" in said.text
    assert deployed.read_book().body is None


def test_while_its_incident_is_open_it_is_not_begun_again(deployed: DynamoStore) -> None:
    put(deployed, *moved())
    assert run("--begin").code == 0
    said = run("--begin")
    assert said.code == 1
    assert opened(deployed)[0].id in said.text


def test_a_time_without_begin_is_told_where_it_belongs(deployed: DynamoStore) -> None:
    put(deployed, *moved())
    said = run("--at", "now")
    assert said.code == 2
    assert "allowed: with --begin, later drctl choose at=…" in said.text
