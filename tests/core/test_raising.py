"""It is worse than thought: a person raises an incident to a graver one, which takes it over with its clocks."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.core.book import Book
from chalicelib.core.commands import IllegalCommandError
from chalicelib.core.happened import Raise
from chalicelib.core.plan import Rules
from chalicelib.core.states import IncidentState
from tests.core.stage import PRIMARY, REGION, STANDBY, at, confirmed, declared, policy_with, rules_for, said, take

OUTAGE = "provider-outage"


def with_graver(raw: dict[str, Any]) -> None:
    """The platform's owner wrote runbooks for more than the region failure."""
    (region,) = [r for r in raw["runbooks"]["runbooks"] if r["scenario"] == REGION]
    for scenario in (OUTAGE, "az-failure"):
        if not any(r["scenario"] == scenario for r in raw["runbooks"]["runbooks"]):
            raw["runbooks"]["runbooks"].append({**region, "scenario": scenario})


RULES: Rules = rules_for(policy_with(with_graver))


def raised(book: Book, scenario: str = OUTAGE, scope: str | None = None) -> Book:
    incident = next(i for i in book.incidents.values() if i.state is not IncidentState.CLOSING)
    command = Raise(said=said("raise", 60, note="Azure it is"), incident=incident.id, scenario=scenario, scope=scope)
    return take(book, command, seconds=60, rules=RULES)


def test_a_region_failure_is_raised_to_the_providers_and_keeps_its_clock() -> None:
    book = raised(confirmed())
    lesser, graver = book.incidents.values()
    assert (lesser.ending, graver.scenario, graver.scope) == ("absorbed", OUTAGE, "neurectomy")
    assert (graver.failed_at, graver.opened_at, graver.declared_by) == (lesser.failed_at, at(60), "ana")
    assert graver.absorbed == (lesser.id,)
    assert "raised from region-failure by ana" in graver.because
    assert graver.because.endswith("Azure it is")


def test_a_zones_failure_is_raised_to_its_region() -> None:
    book = raised(declared("az-failure", f"{PRIMARY}/{PRIMARY}a", rules=RULES), REGION)
    lesser, graver = book.incidents.values()
    assert (lesser.ending, graver.scope) == ("absorbed", PRIMARY)


def test_what_is_not_graver_is_refused_with_what_is() -> None:
    with pytest.raises(IllegalCommandError, match=r"az-failure \(medium\) is not graver than region-failure") as error:
        raised(confirmed(), "az-failure", scope=PRIMARY)
    assert OUTAGE in str(error.value)


def test_the_same_scenario_is_not_graver() -> None:
    with pytest.raises(IllegalCommandError, match="is not graver"):
        raised(confirmed(), REGION)


def test_a_scope_that_does_not_cover_the_lesser_one_is_refused() -> None:
    book = declared("node-failure", f"{STANDBY}/cluster", rules=RULES)
    with pytest.raises(IllegalCommandError, match="does not cover"):
        raised(book, REGION, scope=PRIMARY)


def test_a_region_that_does_not_serve_cannot_be_failed_over() -> None:
    book = declared("node-failure", f"{STANDBY}/cluster", rules=RULES)
    with pytest.raises(IllegalCommandError, match="does not serve"):
        raised(book, REGION)


def test_an_unknown_scenario_is_refused_by_name() -> None:
    with pytest.raises(IllegalCommandError, match="there is no scenario 'meteor'; allowed: "):
        raised(confirmed(), "meteor")


def test_an_incident_that_is_over_cannot_be_raised() -> None:
    book = raised(confirmed())
    lesser = next(iter(book.incidents.values()))
    again = Raise(said=said("again", 61), incident=lesser.id, scenario=OUTAGE)
    with pytest.raises(IllegalCommandError, match="closing already"):
        take(book, again, seconds=61, rules=RULES)


def test_a_zone_is_declared_by_the_path_of_one_that_policy_knows() -> None:
    for scope in (PRIMARY, f"{PRIMARY}/{PRIMARY}z", f"{PRIMARY}/cluster", f"{STANDBY}/{STANDBY}a"):
        with pytest.raises(IllegalCommandError, match=f"allowed: {PRIMARY}/{PRIMARY}a, {PRIMARY}/{PRIMARY}b"):
            declared("az-failure", scope, rules=RULES)
    book = declared("az-failure", f"{PRIMARY}/{PRIMARY}c", rules=RULES)
    assert [i.scope for i in book.incidents.values()] == [f"{PRIMARY}/{PRIMARY}c"]
