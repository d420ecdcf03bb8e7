"""The heart of the primary: what it says, when it fences, and when it must not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from chalicelib.agents.heart import Asked, Heart, Written
from chalicelib.core.outcome import Act, Call, Done, Doubtful, Made, Next, NoData, Outcome, Refused, Stuck
from chalicelib.policy.load import load
from chalicelib.store.beat import Beat, Value, Who, millis
from chalicelib.store.beats import Beats
from chalicelib.store.contract import StoreUnavailableError

POLICY = load(Path(__file__).parents[2] / "policies")
AT = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
LEASE, EVERY = POLICY.signals.heartbeats.lease, POLICY.signals.heartbeats.every


class Clock:
    """Only sleeping moves it."""

    def __init__(self) -> None:
        self.at = AT

    def now(self) -> datetime:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


class Kept(Beats):
    """The items in memory; `answers` False is a table that nobody reaches."""

    def __init__(self) -> None:
        self.items: dict[Who, dict[str, Value]] = {}
        self.answers = True

    def read(self, who: Who) -> Beat:
        self._reach()
        return Beat(self.items.get(who, {}))

    def write(self, who: Who, values: Mapping[str, Value]) -> None:
        self._reach()
        self.items.setdefault(who, {}).update(values)

    def renew(self, until: datetime, now: datetime) -> bool:
        self._reach()
        if "revoked_at" in self.items.get("lease", {}):
            return False
        self.write("lease", {"until": millis(until), "renewed_at": millis(now)})
        return True

    def _reach(self) -> None:
        if not self.answers:
            raise StoreUnavailableError("nobody answers")


@dataclass
class Acls:
    """Two denials are missing at first; each call makes one. `stuck` is an ACL that cannot be mended from here."""

    missing: int = 2
    stuck: bool = False
    made: list[str] = field(default_factory=list)

    def look(self, now: datetime) -> Next:
        del now
        if self.stuck:
            return Stuck(because="acl-1 rule 1 comes before")
        if not self.missing:
            return Done(because="port 5432 is denied by acl-0, acl-1")
        call = Call(
            system="aws",
            service="ec2",
            region="us-east-1",
            operation="create_network_acl_entry",
            until="it denies",
            reversible=True,
        )
        return Act(because="acl lets it through", call=call)

    def make(self, call: Call) -> Outcome:
        self.missing -= 1
        self.made.append(call.operation)
        return Made(because="accepted")


@dataclass
class Stage:
    """One heart and what it meets."""

    clock: Clock = field(default_factory=Clock)
    beats: Kept = field(default_factory=Kept)
    acls: Acls = field(default_factory=Acls)
    third: bool = True
    counts: dict[str, Asked] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    written: Written = field(default_factory=lambda: [[7, millis(AT)]])

    def __post_init__(self) -> None:
        self.heart = Heart(
            policy=POLICY,
            clock=self.clock,
            beats=self.beats,
            write=lambda: self.written,
            hands=self.acls,
            third_answers=lambda: self.third,
            check=self.check,
        )

    def check(self, name: str) -> Asked:
        self.asked.append(name)
        return self.counts.get(name, [[0]])

    def beat(self, after: timedelta = timedelta()) -> Mapping[str, str]:
        self.clock.at += after
        return self.heart.beat(self.clock.at)


def test_a_beat_writes_a_row_says_so_and_renews_the_lease() -> None:
    stage = Stage()
    assert stage.beat()["lease"] == "renewed"
    said = stage.beats.read("primary")
    assert (said.text("write"), said.number("n"), said.moment("at")) == ("ok", 7, AT)
    assert stage.beats.read("lease").moment("until") == AT + LEASE
    assert stage.acls.made == []


@pytest.mark.parametrize(
    ("written", "word"),
    [
        (Refused(code="25006", because="cannot execute INSERT in a read-only transaction"), "refused"),
        (NoData(because="database was not reached: timed out"), "silent"),
        (Doubtful(because="it went away"), "silent"),
    ],
)
def test_what_a_write_met_is_said_since_when_and_the_last_row_stays_known(written: Written, word: str) -> None:
    stage = Stage()
    stage.beat()
    stage.written = written
    stage.beat(EVERY)
    stage.beat(EVERY)
    said = stage.beats.read("primary")
    assert (said.text("write"), said.moment("write_since"), said.number("n")) == (word, AT + EVERY, 7)
    assert said.moment("at") == AT + 2 * EVERY
    assert stage.acls.made == []


def test_a_revoked_lease_makes_it_fence_and_it_is_given_up_only_when_a_write_has_failed() -> None:
    stage = Stage()
    stage.beat()
    stage.beats.write("lease", {"revoked_at": millis(AT)})
    assert stage.beat(EVERY)["lease"].startswith("fenced, since the lease was revoked")
    assert len(stage.acls.made) == 2
    assert stage.beats.read("lease").moment("given_up_at") is None
    stage.written = NoData(because="timed out")
    assert stage.beat(EVERY)["lease"] == "given up"
    assert stage.beats.read("lease").moment("given_up_at") == AT + 2 * EVERY
    stage.beat(EVERY)
    assert stage.beats.read("lease").moment("given_up_at") == AT + 2 * EVERY


def test_a_fence_that_cannot_be_made_gives_nothing_up() -> None:
    stage = Stage(acls=Acls(stuck=True), written=NoData(because="timed out"))
    stage.beats.write("lease", {"revoked_at": millis(AT)})
    assert "not fenced yet" in stage.beat()["lease"]
    assert stage.beats.read("lease").moment("given_up_at") is None


def test_a_standby_that_is_gone_is_no_reason_to_stop() -> None:
    stage = Stage()
    stage.beat()
    stage.beats.answers = False
    for _ in range(10):
        assert "the standby is gone, not we" in stage.beat(LEASE)["lease"]
    assert stage.acls.made == []


def test_a_region_that_nobody_answers_fences_itself_when_the_lease_is_over_and_not_before() -> None:
    stage = Stage(third=False)
    stage.beat()
    stage.beats.answers = False
    assert "nobody has answered" in stage.beat(LEASE - timedelta(seconds=1))["lease"]
    assert stage.acls.made == []
    assert stage.beat(timedelta(seconds=1))["lease"].startswith("fenced, since nobody outside has answered")
    assert len(stage.acls.made) == 2


def test_it_beats_as_often_as_policy_says_until_its_time_is_over() -> None:
    stage = Stage()
    stage.heart.beat_until(AT + timedelta(seconds=55))
    assert stage.clock.at == AT + timedelta(seconds=50)


CHECKS = [c.name for c in POLICY.platform.integrity.checks] if POLICY.platform.integrity else []
MINUTE = timedelta(minutes=1)


def test_it_says_when_every_check_last_found_the_database_whole() -> None:
    stage = Stage()
    stage.beat()
    assert stage.beats.read("integrity").moment("good_at") == AT
    stage.beat(MINUTE)
    assert stage.beats.read("integrity").moment("good_at") == AT + MINUTE
    assert stage.beats.read("integrity").number("bad_at") == 0


def test_the_checks_are_asked_once_a_minute_and_not_at_every_beat() -> None:
    stage = Stage()
    for _ in range(6):
        stage.beat(EVERY)
    assert stage.asked == CHECKS
    stage.beat(EVERY)
    assert stage.asked == CHECKS * 2


def test_the_first_bad_moment_is_kept_with_what_was_found_until_it_is_whole_again() -> None:
    stage = Stage()
    stage.beat()
    stage.counts[CHECKS[0]] = [[12]]
    stage.beat(MINUTE)
    stage.counts[CHECKS[0]] = [[99]]
    stage.beat(MINUTE)
    found = stage.beats.read("integrity")
    assert (found.moment("good_at"), found.moment("bad_at")) == (AT, AT + MINUTE)
    assert found.text("because").startswith(f"{CHECKS[0]} found 12 runs")
    assert found.moment("at") == AT + 2 * MINUTE
    stage.counts.clear()
    stage.beat(MINUTE)
    found = stage.beats.read("integrity")
    assert (found.moment("good_at"), found.number("bad_at")) == (AT + 3 * MINUTE, 0)


@pytest.mark.parametrize(
    "answer",
    [NoData(because="silent"), Refused(code="42P01", because="no such table"), [["many"]], [], [[None]]],
)
def test_a_check_that_is_not_answered_says_nothing_good_or_bad(answer: Asked) -> None:
    stage = Stage()
    stage.beat()
    stage.counts[CHECKS[-1]] = answer
    assert stage.beat(MINUTE)["lease"] == "renewed"
    found = stage.beats.read("integrity")
    assert (found.moment("good_at"), found.number("bad_at")) == (AT, 0)
