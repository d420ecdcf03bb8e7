"""What makes backups waits while another incident stops them, and where the platform does not serve."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chalicelib.core.book import Book
from chalicelib.core.gates import Pass, Refuse, Verdict, Wanted, schedules_held
from chalicelib.core.incident import StepRecord
from chalicelib.core.incidents import opened
from chalicelib.core.outcome import Call
from chalicelib.core.plan import Rules
from chalicelib.core.states import IncidentState
from chalicelib.policy.platform import Mode
from tests.actions.stage import AT, POLICY

RULES = Rules(POLICY)
PRIMARY, STANDBY = POLICY.platform.regions.primary, POLICY.platform.regions.standby
EMPTY = Book(mode=Mode.AUTOMATIC, serving=PRIMARY)


def declared(book: Book, scenario: str, scope: str) -> Book:
    return opened(
        book, scenario=scenario, scope=scope, failed_at=AT, declared_by="ana", because="a test", rules=RULES, now=AT
    )


DRIFTED = declared(EMPTY, "backup-drift", f"{PRIMARY}/backups/schedules")


def judged(book: Book, scenario: str = "backup-drift") -> Verdict:
    incident = next(i for i in book.incidents.values() if i.scenario == scenario)
    plan = RULES.plan_of(incident.plan, incident.scenario)
    step = next(s for s in plan.steps if s.action in ("velero-schedules-kept", "backup-now"))
    call = Call(
        system="kubernetes", service="c", region=PRIMARY, operation="patch x", until="it is so", reversible=True
    )
    work = Wanted(incident=incident, step=step, record=StepRecord(), call=call)
    return schedules_held(work, book, RULES, AT)


def test_nothing_holds_it_while_no_other_incident_is_open() -> None:
    assert isinstance(judged(DRIFTED), Pass)


# At a scope that does not cover the drift's: there it would have been absorbed.
@pytest.mark.parametrize("scenario", ["region-failure", "planned-switchover"])
def test_an_open_incident_whose_plan_stops_the_backups_holds_it(scenario: str) -> None:
    verdict = judged(declared(DRIFTED, scenario, "elsewhere"))
    assert isinstance(verdict, Refuse)
    assert f"elsewhere-{scenario}" in verdict.because
    assert "is a step of its plan" in verdict.because


def test_an_incident_that_is_only_suspected_or_is_closing_holds_nothing() -> None:
    book = declared(DRIFTED, "region-failure", "elsewhere")
    other = next(i for i in book.incidents.values() if i.scenario == "region-failure")
    for changed in (replace(other, confirmed_at=None), replace(other, state=IncidentState.CLOSING)):
        assert isinstance(judged(replace(book, incidents={**book.incidents, other.id: changed})), Pass)


def test_an_incident_that_stops_no_backups_holds_nothing() -> None:
    assert isinstance(judged(declared(DRIFTED, "pod-failure", "elsewhere")), Pass)


def test_its_own_plan_may_take_a_backup_and_stop_them_later() -> None:
    assert isinstance(judged(declared(EMPTY, "planned-switchover", PRIMARY), "planned-switchover"), Pass)


def test_where_the_platform_does_not_serve_the_schedules_rest() -> None:
    verdict = judged(replace(DRIFTED, serving=STANDBY))
    assert isinstance(verdict, Refuse)
    assert f"{PRIMARY} does not serve, {STANDBY} does" in verdict.because


def test_a_graver_incident_of_the_region_takes_a_mend_over() -> None:
    book = declared(DRIFTED, "region-failure", PRIMARY)
    drift = next(i for i in book.incidents.values() if i.scenario == "backup-drift")
    assert drift.ending == "absorbed"
