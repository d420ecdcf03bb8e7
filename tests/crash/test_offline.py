"""A provider outage run to its end from an operator's machine, whole, and with the engine stopped at its calls; and
what AWS's side does when it comes back and finds the marker.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from chalicelib.actions.dumps import taken_at
from chalicelib.core.book import Book, Pause
from chalicelib.core.bounds import spelled
from chalicelib.core.incident import StepState
from chalicelib.policy.platform import Mode
from chalicelib.store.codec import dump_book
from chalicelib.store.memory import MemoryStore
from drctl.offline.book import Copy, NoCopy, newest, take
from drctl.offline.store import SqliteStore
from tests.crash.ending import effects
from tests.crash.outside import When
from tests.crash.outside_aws import ANA, BOB, STRANGER, Outage
from tests.crash.platform_in_process import POLICY, START
from tests.crash.stops import all_of_them, assert_alike, assert_every_call
from tests.crash.story import Story
from tests.crash.sweep import sweep


@pytest.fixture(scope="module")
def told() -> Outage:
    return Outage().tell()


def test_the_platform_runs_outside_aws_when_people_have_said_so(told: Outage) -> None:
    (incident,) = told.closed()
    assert (incident.scenario, incident.ending) == ("provider-outage", "recovered")
    assert {r.state for r in incident.steps.values()} == {StepState.DONE}
    ended = told.ending()
    assert ended["record"] == "api.westus2.neurectomy.io"
    assert ended["markers"] == 1
    assert ended["dump"] == (max(told.tertiary.dumps.names), 1)
    assert ended["effects"]["kubernetes POST restores"] == 10
    assert ended["effects"]["kubernetes POST jobs"] == 2
    assert ended["effects"]["cloudflare PATCH " + path(told)] == 1


def path(told: Outage) -> str:
    names = told.tertiary.outage.cloudflare
    return f"api.cloudflare.com/client/v4/zones/{names.zone}/dns_records/{names.record}"


def test_nothing_of_aws_is_asked(told: Outage) -> None:
    assert not [c for c in told.outside.calls if "." in c.partition(" ")[0]]
    assert {c.partition(" ")[0] for c in told.outside.calls} == {
        *("store", "kubernetes", "cloudflare", "dns", "http", "postgres"),
    }


def test_leaving_and_moving_the_traffic_take_two_people_whom_the_cluster_there_has_proven(told: Outage) -> None:
    (incident,) = told.closed()
    for step in ("leave", "traffic"):
        given = incident.step(step).approval
        assert given is not None
        assert given.arns == (
            f"kubernetes:{told.tertiary.row.name}:{ANA}@neurectomy.io",
            f"kubernetes:{told.tertiary.row.name}:{BOB}@neurectomy.io",
        )


def test_it_says_how_much_of_the_data_is_not_there(told: Outage) -> None:
    (incident,) = told.closed()
    assert "is not in it" in incident.step("find-dump").because
    assert str(incident.step("restore-database").facts["dump"]) in told.tertiary.dumps.names


def test_whom_the_cluster_knows_by_a_shared_name_is_nobody() -> None:
    outage = Outage()
    answer = outage.say(STRANGER, command="declare", scenario="provider-outage", scope=POLICY.platform.name)
    assert not answer["ok"]
    assert "masterclient is nobody's principal in people.yaml" in answer["because"]
    assert outage.say(STRANGER, command="pause", note="wait")["ok"]


def test_one_person_says_yes_once() -> None:
    outage = Outage(answers=False)
    outage.begin()
    outage.turn()
    incident = outage.incident()
    wanted = {"command": "approve", "incident": incident.id, "plan": incident.plan, "step": "leave"}
    assert "1 of 2 people" in outage.say(ANA, **wanted)["because"]
    assert "counts once" in outage.say(ANA, **wanted)["because"]
    assert outage.say(BOB, **wanted)["because"] == "approved: leave"


def test_nothing_is_called_before_two_people_have_decided_to_leave() -> None:
    outage = Outage(answers=False)
    outage.begin()
    for _ in range(3):
        outage.turn()
    assert outage.asking() == ["leave"]
    assert "is not known" in outage.incident().step("leave").because
    assert not [k for k in outage.outside.effects if k.startswith(("cloudflare P", "kubernetes PATCH"))]


def test_a_torn_dump_is_passed_over() -> None:
    outage = Outage()
    newest_dump, second = sorted(outage.tertiary.dumps.names, reverse=True)[:2]
    outage.tertiary.dumps.torn = {newest_dump}
    assert outage.tell().tertiary.dumps.restored == second


def test_no_copy_is_taken_that_is_later_than_a_person_allows() -> None:
    """As after ransomware that has reached the backups in AWS: the newest copies hold what it wrote."""

    class Bounded(Outage):
        def begin(self, copy: Copy | NoCopy = NoCopy("there is no copy of the book")) -> None:  # noqa: B008  # frozen
            super().begin(copy)
            incident = self.incident().id
            self.say(ANA, command="choose", incident=incident, choices={"until": spelled(until)})

    until = START - timedelta(minutes=130) / POLICY.speed
    outage = Bounded()
    taken = {n: taken_at(n) for n in outage.tertiary.dumps.names}
    newest_allowed = max(n for n, at in taken.items() if at is not None and at <= until)
    assert newest_allowed != max(taken)
    outage.tell()
    assert outage.tertiary.dumps.restored == newest_allowed
    (incident,) = outage.closed()
    assert f"the newest dump of those until {spelled(until)} that can be read" in incident.step("find-dump").because
    api = outage.tertiary.cluster
    completed = {
        b["metadata"]["name"]: datetime.fromisoformat(b["status"]["completionTimestamp"])
        for b in api.objects("backups.velero.io")
    }
    assert max(completed.values()) > until
    taken_from = {r["spec"]["backupName"] for r in api.objects("restores.velero.io")}
    assert taken_from
    assert all(completed[name] <= until for name in taken_from)


def test_name_servers_of_aws_that_still_answer_keep_it_from_being_over(told: Outage) -> None:
    outage = Outage()
    outage.platform.traffic.silent.clear()
    with pytest.raises(AssertionError, match="out of the zone's delegation at the registrar"):
        outage.tell(told.clock.now() - START + timedelta(minutes=2))
    assert outage.incident().step("traffic").state is StepState.DONE


def test_the_same_on_a_file(told: Outage, tmp_path: Path) -> None:
    again = Outage(store=SqliteStore(tmp_path / "desk.db", platform=POLICY.platform.name)).tell()
    assert again.ending() == told.ending()
    assert again.outside.calls == told.outside.calls


def test_a_pause_in_the_copy_is_kept_and_what_was_open_is_left_to_aws(tmp_path: Path) -> None:
    story = Story(answers=False)
    story.begin()
    for _ in range(8):
        story.tick()
    there = story.platform.book()
    assert there is not None
    paused = Book(
        **{f: getattr(there, f) for f in there.__slots__} | {"paused": Pause(by="bob", at=START, because="x")}
    )
    aws = MemoryStore()
    aws.stamp(1)
    aws.save(1, 0, dump_book(paused))
    at = story.platform.clock.now()
    assert take(aws, tmp_path, POLICY.platform.name, whence="stage prod", now=at)
    outage = Outage(answers=False)
    outage.clock.pass_to(at + timedelta(minutes=9))
    outage.begin(newest(tmp_path, POLICY.platform.name))
    book = outage.book()
    assert book is not None
    assert (book.mode, book.paused and book.paused.by) == (Mode.APPROVE, "bob")
    assert [i.scenario for i in book.incidents.values()] == ["provider-outage"]
    said = " ".join(str(e["text"]) for e in outage.kept.timeline("platform"))
    assert "1h30m ago" in said
    assert "all of that may have changed since" in said
    assert "us-east-1-region-failure-" in said
    assert "left to AWS's side" in said


def test_without_a_copy_it_says_so() -> None:
    outage = Outage(answers=False)
    outage.begin()
    said = " ".join(str(e["text"]) for e in outage.kept.timeline("platform"))
    assert "the book begins empty; what is open, paused or owed in AWS is not known" in said


CHANGES = (
    *(
        "cloudflare POST",
        "cloudflare PATCH",
        "kubernetes POST jobs",
        "kubernetes POST restores",
        "kubernetes POST configmaps",
    ),
    *("kubernetes PATCH secrets", "kubernetes PATCH backupstoragelocations", "postgres write-heartbeat"),
)


def judged(outage: Outage) -> tuple[list[str], Any]:
    """An ending, and what of a timeline is missing."""
    kept = cast("MemoryStore", outage.kept)
    torn = [
        f"timeline {n}: {sorted(rows)}" for n, rows in kept.timelines.items() if sorted(rows) != list(range(len(rows)))
    ]
    return torn, outage.ending()


def test_the_first_of_each_call_that_changes_something_outside(told: Outage, tmp_path: Path) -> None:
    first: dict[str, int] = {}
    for number, kind in enumerate(told.outside.calls):
        if kind.startswith(CHANGES) and not kind.endswith("reviews"):
            first.setdefault(kind, number)
    assert len(first) == len(CHANGES)
    faults = (When.BEFORE, When.AFTER, When.LOST)
    picked = {number: faults[turn % len(faults)] for turn, number in enumerate(first.values())}
    found = sweep(lambda n, _: (picked[n],) if n in picked else (), told.ending(), tmp_path, Outage, judged)
    assert_alike(found)


@pytest.mark.long
def test_every_call(told: Outage, tmp_path: Path) -> None:
    found = sweep(all_of_them, told.ending(), tmp_path, Outage, judged)
    assert_every_call(found, told.outside.calls)
    assert_alike(found)


class Returned(Story):
    """AWS's side, with the marker at Cloudflare when the region's failure comes."""

    def __init__(self, outage: Outage, **more: Any) -> None:
        super().__init__(answers=False, **more)
        self.platform.traffic.outside = outage.tertiary.cloudflare


def test_aws_s_side_pauses_by_the_marker_before_it_calls_anything(told: Outage) -> None:
    story = Returned(told)
    story.begin()
    for _ in range(10):
        story.tick()
    book = story.platform.book()
    assert book is not None
    assert book.paused is not None
    assert book.paused.by == "the marker"
    assert "ana acts for neurectomy-provider-outage-" in book.paused.because
    assert f"from outside since {START:%Y-%m-%dT%H:%M}" in book.paused.because
    assert effects(story.platform) == {}
    assert story.platform.serving() == POLICY.platform.regions.primary
    story.say("resume", {"command": "resume", "note": "both sides were compared"})
    for _ in range(3):
        story.tick()
    book = story.platform.book()
    assert book is not None
    assert book.paused is None, "a person who resumes while the marker stands has decided so"


def test_a_marker_that_nobody_can_read_is_not_an_absent_one(told: Outage) -> None:
    story = Story(answers=False)
    story.platform.traffic.silent.update(told.tertiary.outage.cloudflare.servers)
    story.begin()
    for _ in range(10):
        story.tick()
    book = story.platform.book()
    assert book is not None
    assert book.paused is None
    assert effects(story.platform) == {}
    asks = [r.because for i in book.incidents.values() for r in i.steps.values() if r.state is StepState.ASKING]
    assert asks
    assert all("whether somebody else acts for the platform from outside is not known" in because for because in asks)
