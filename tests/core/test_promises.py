"""What policy promises of the account: broken is told once, silence neither breaks nor keeps, and nothing opens."""

from __future__ import annotations

import pytest

from chalicelib.account.promises import LOOKS
from chalicelib.core.book import Book
from chalicelib.core.findings import standing
from chalicelib.core.fold import fold
from chalicelib.core.happened import AlarmState, Signal
from chalicelib.core.promises import PROMISES, kind, news, source
from chalicelib.intake.probe import from_audit
from chalicelib.policy.scenarios import Severity
from tests.core.stage import RULES, at, empty, reread

BROKEN, KEPT, NOBODY_LOOKED = False, True, None


def heard(book: Book, healthy: bool | None, seconds: float, reason: str = "said so", name: str = "replication") -> Book:
    signal = from_audit(name, healthy=healthy, changed_at=at(seconds), reason=reason)
    return reread(fold(book, signal, rules=RULES, now=at(seconds)))


def test_every_promise_is_looked_at_and_every_look_is_a_promise() -> None:
    assert set(LOOKS) == set(PROMISES)


@pytest.mark.parametrize("name", PROMISES)
def test_a_broken_promise_is_a_finding_and_opens_no_incident(name: str) -> None:
    book = heard(empty(), BROKEN, 0, "the rule is Disabled", name)
    found = standing(book, kind(name))
    assert found is not None
    assert found.because == "the rule is Disabled"
    assert found.severity is PROMISES[name].severity
    assert book.incidents == {}


def test_a_promise_that_is_kept_again_settles_its_own_finding_only() -> None:
    book = heard(heard(empty(), BROKEN, 0), BROKEN, 1, name="alarms")
    book = heard(book, KEPT, 300)
    assert standing(book, kind("replication")) is None
    assert standing(book, kind("alarms")) is not None


def test_that_nobody_could_look_neither_raises_nor_settles() -> None:
    assert heard(empty(), NOBODY_LOOKED, 0).findings == {}
    book = heard(heard(empty(), BROKEN, 0), NOBODY_LOOKED, 300)
    assert standing(book, kind("replication")) is not None


def test_a_look_that_comes_late_or_twice_changes_nothing() -> None:
    once = heard(empty(), BROKEN, 300)
    assert heard(once, BROKEN, 300) == once
    assert heard(once, KEPT, 0) == once


def test_what_is_broken_otherwise_is_the_same_finding_with_another_sentence() -> None:
    before = heard(empty(), BROKEN, 0, "the rule is Disabled")
    after = heard(before, BROKEN, 300, "3 operations failed")
    one, other = standing(before, kind("replication")), standing(after, kind("replication"))
    assert one is not None
    assert other is not None
    assert (one.id, one.since) == (other.id, other.since)
    assert other.because == "3 operations failed"


def test_the_desk_is_told_of_changes_only() -> None:
    ok, bad, silent = AlarmState.OK, AlarmState.ALARM, AlarmState.INSUFFICIENT_DATA
    assert news(None, "replication", ok, "")
    assert not news(empty(), "replication", silent, "nobody answered"), "nothing was ever seen, and nothing is"
    book = heard(empty(), BROKEN, 0, "it is 960 s behind")
    assert not news(book, "replication", bad, "it is 1020 s behind"), "it only counts on"
    assert news(book, "replication", bad, "the rule is Disabled")
    assert news(book, "replication", silent, "nobody answered")
    assert news(book, "replication", ok, "")
    book = heard(book, KEPT, 300, "40 properties")
    assert not news(book, "replication", ok, "41 properties, and one more")


def test_a_signal_that_only_calls_itself_so_is_none_of_ours() -> None:
    real = from_audit("replication", healthy=False, changed_at=at(0), reason="said so")
    false = Signal(
        source="arn:aws:cloudwatch:us-east-1:111122223333:alarm:replication",
        name="replication",
        kind=real.kind,
        state=real.state,
        changed_at=real.changed_at,
        reason=real.reason,
    )
    assert real.source == source("replication")
    assert fold(empty(), false, rules=RULES, now=at(0)).findings == {}


def test_people_are_told_of_every_severity_that_a_promise_has() -> None:
    rows = [row for row in RULES.policy.notifications.matrix if row.event == "finding-raised"]
    wanted: set[Severity] = {promise.severity for promise in PROMISES.values()}
    assert wanted <= {severity for row in rows for severity in row.severities}
