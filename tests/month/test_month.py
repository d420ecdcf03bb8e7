"""A month of schedules, backups and drills, all of it decided by the real responder: what policy says was due was done,
what it keeps is kept, and nothing of production was moved.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app import app
from chalicelib.core import channel_test
from chalicelib.core.drill_report import report, trend
from chalicelib.core.drilling import of
from chalicelib.core.incident import NoticeState
from chalicelib.core.plan import Rules
from chalicelib.policy.notifications import EmailChannel
from chalicelib.vitals import SYNTHETIC_TRAVEL
from tests.crash.drills import aims_at_copies, left, nodes
from tests.month.house import BEGINS, HOUR, Month, expressions, of_a_test

DAYS = 30
END = BEGINS + timedelta(days=DAYS)


def test_every_schedule_of_the_app_is_one_that_the_month_runs() -> None:
    """And as often as policy says, where policy says."""
    month = Month()
    assert set(expressions()) == {s.name for s in app.event_sources if hasattr(s, "schedule_expression")}
    assert expressions()["readiness"] == month.policy.readiness.every
    assert expressions()["backups"] == month.policy.backups.audit.every
    airgap = month.policy.backups.airgap
    assert airgap is not None
    assert expressions()["airgap"] == airgap.every


@pytest.fixture(scope="module")
def month() -> Month:
    """From Monday 23 November, 04:10, to Wednesday 23 December, 04:10."""
    found = Month()
    found.pass_days(DAYS)
    return found


pytestmark = pytest.mark.long


def ran(month: Month, runbook: str) -> list[Any]:
    return [case for case in month.drills() if case.scenario == runbook]


def test_what_is_kept_is_what_policy_promises_and_all_of_it_is_in_the_copy(month: Month) -> None:
    page = month.kept()
    found = {r.schedule: (r.kept, r.wanted, r.copied) for r in page.rows}
    # Sundays 29 November, 6, 13 and 20 December, at 03:30; the first of a month once, at 04:45.
    assert {name: (kept, wanted) for name, (kept, wanted, _) in found.items()} == {
        "hourly": (24, 24),
        "daily": (30, 30),
        "weekly": (4, 4),
        "monthly": (1, 1),
    }
    assert page.whole, [r for r in page.rows if r.gaps or r.uncopied or r.drift]
    assert page.risk == "within"


def test_every_drill_that_was_due_was_run_to_its_end_and_its_result_is_kept_with_the_trend(month: Month) -> None:
    rules = Rules(month.policy)
    for row in month.policy.drills.rows:
        cases = ran(month, row.runbook)
        if row.kind == "live":
            assert cases == [], "a live one moves people, and is begun by one"
            continue
        assert len(cases) == {"copies": 2, "people": 1}[row.kind], (row.runbook, [c.id for c in cases])
        for case in cases:
            assert of(case).result == "passed", (case.id, of(case).because)
            assert of(case).clean_at is not None
        last = month.book().drilled[row.runbook]
        assert (last.id, last.result, last.good_at) == (cases[-1].id, "passed", cases[-1].opened_at)
        if row.kind == "copies":
            found = [report(case, rules, END) for case in cases]
            assert all(c.met for r in found for c in r.services)
            assert all(s.took is not None for r in found for s in r.steps)
            assert trend(found).endswith("than the one before")


def test_the_clock_begins_drills_in_policy_s_window_and_one_a_day(month: Month) -> None:
    window = month.policy.drills.window
    assert window is not None
    began = [case.opened_at for case in month.drills()]
    assert all(f"{at:%A}".lower() in window.days and window.from_ <= at.hour < window.until for at in began)
    assert len({at.date() for at in began}) == len(began)


def test_a_synthetic_alarm_came_through_every_day(month: Month) -> None:
    came = [value for metric, value, _ in month.metrics if metric == SYNTHETIC_TRAVEL]
    # From the first nine o'clock on that comes after the responder has heard of it.
    first = BEGINS.replace(hour=9, minute=0)
    assert len(came) == sum(first + timedelta(days=n) < END for n in range(DAYS))
    assert max(came) < month.policy.readiness.synthetic.within.total_seconds()  # type: ignore[union-attr]
    (ring,) = month.book().rings.values()
    assert (ring.day, ring.state) == ("2026-12-22", "arrived")


def test_every_channel_was_tried_every_week_and_nobody_else_heard(month: Month) -> None:
    mondays = [datetime(2026, 11, 23, 9, tzinfo=UTC) + timedelta(weeks=n) for n in range(5)]
    tested = month.book().tested
    assert tested is not None
    assert tested.id == f"channel-test-{mondays[-1]:%Y%m%d}"
    assert {n.state for n in tested.notices.values()} == {NoticeState.SENT}
    rang = [a for a in month.platform.pagerduty.alerts if of_a_test(a)]
    assert len(rang) == len(mondays)
    assert all(a.status == "resolved" and a.payload["severity"] == "info" for a in rang)
    mail = [c for c in month.policy.notifications.channels if isinstance(c, EmailChannel)]
    tests = [m for m in month.platform.ses.mails if "Test, nothing is wrong" in m.subject]
    assert len(tests) == len(mondays) * len(mail)
    assert {r for m in tests for r in m.recipients} == set(month.policy.notifications.test_mail)
    assert channel_test.untested(Rules(month.policy)) == ()


def test_nobody_was_woken_but_by_tests_and_tabletops(month: Month) -> None:
    others = [a.payload["summary"] for a in month.platform.pagerduty.alerts if not of_a_test(a)]
    assert all("tabletop" in text.lower() or "drill" in text.lower() for text in others), others
    assert all(a.status == "resolved" for a in month.platform.pagerduty.alerts)


def test_nothing_of_production_moved_and_nothing_is_left(month: Month) -> None:
    book, platform = month.book(), month.platform
    assert (left(platform), nodes(platform), platform.serving()) == month.before
    assert (dict(book.incidents), dict(book.drills), dict(book.findings)) == ({}, {}, {})
    assert (book.debts, book.blocks, book.settings, book.failover) == ((), (), (), None)
    assert book.serving == month.policy.platform.regions.primary
    assert not platform.store.docs.get("closed"), "no incident was opened in a month without one"
    assert not platform.store.docs.get("dead")
    assert not platform.store.items
    ring = [c for c in month.calls if c.operation == "put_metric_data" and "SyntheticAlarm" in str(c.params)]
    assert [c.sentence() for c in month.calls if c not in ring and not aims_at_copies(c)] == []


def test_every_runbook_was_ready_in_every_round(month: Month) -> None:
    assert len(month.rounds.kept) >= DAYS * timedelta(days=1) / HOUR
    lacking = {
        (r.scenario, row.subject, row.because)
        for round_ in month.rounds.kept
        for r in round_.runbooks
        for row in r.rows
        if row.state == "lacking" and row.lowers
    }
    assert lacking == set()


def test_what_the_clock_keeps_for_people_to_read_does_not_grow_without_end(month: Month) -> None:
    """The book of a quiet month is as small as that of its first day."""
    assert len(month.platform.store.book.body or "") < 20_000
