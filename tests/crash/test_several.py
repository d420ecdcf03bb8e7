"""Two incidents at once that need the same thing, on the real desk with the real actions: one moves it, the other is
held and says for whom, and both end well; and so they do with the worker stopped at its calls.

`make test` tries a few calls of every kind; all of them are tried by `make test-long`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chalicelib.core.incident import Incident
from tests.crash.ending import archives, effects, ending, untrue
from tests.crash.platform_in_process import Platform
from tests.crash.several import ApplicationsStory, BreachStory, RaisedStory
from tests.crash.stops import all_of_them, assert_alike, assert_every_call, some_of_each
from tests.crash.sweep import sweep


def told(platform: Platform, incident: Incident, kind: str) -> list[str]:
    """The sentences of that kind on an incident's timeline."""
    rows = platform.store.timelines[incident.id].values()
    return [text for row in rows if f'"{kind}"' in (text := str(row).replace("'", '"'))]


def by_scenario(platform: Platform) -> dict[str, Incident]:
    return {i.scenario: i for i in archives(platform)}


@pytest.fixture(scope="module")
def applications() -> Platform:
    return ApplicationsStory().tell()


def test_a_configuration_waits_for_a_deployment_that_goes_back_in_the_same_cluster(applications: Platform) -> None:
    found = by_scenario(applications)
    configuration, deployment = found["configuration-error"], found["bad-deployment"]
    assert (configuration.ending, deployment.ending) == ("recovered", "recovered")
    held = [t for t in told(applications, configuration, "held") if "waits for incident" in t]
    assert held, "it is the older one, and what is on its way is finished first all the same"
    assert f"waits for incident {deployment.id} (Bad deployment, step rollback)" in held[0]
    assert "to let go of applications of cluster neurectomy-use1: that move is on its way" in held[0]
    assert not [t for t in told(applications, deployment, "held") if "waits for incident" in t]
    rollback, revision = deployment.step("rollback"), configuration.step("revision")
    assert revision.called_at is not None
    assert rollback.first_done_at is not None
    assert revision.called_at >= rollback.first_done_at
    assert revision.waits_for == ""
    assert not untrue(applications, faults=0)


def test_a_failure_in_the_middle_of_a_planned_move_takes_it_over_and_nothing_is_done_twice() -> None:
    platform = RaisedStory().tell()
    found = by_scenario(platform)
    move, failure = found["planned-switchover"], found["region-failure"]
    assert (move.ending, failure.ending) == ("absorbed", "recovered")
    assert failure.absorbed == (move.id,)
    assert effects(platform)["rds.PromoteReadReplica"] == 1
    assert failure.step("promote").calls == 0
    (absorbed,) = told(platform, failure, "absorbed")
    assert "promote" in absorbed
    assert "each is looked at before anything else moves what it moves" in absorbed
    assert f"taken over by {failure.id}" in told(platform, move, "absorbed")[0]
    assert platform.serving() == platform.policy.platform.regions.standby
    assert not untrue(platform, faults=0)


def test_a_failover_waits_for_a_breach_that_holds_the_database_and_goes_on_when_that_is_closed() -> None:
    platform = BreachStory().tell()
    found = by_scenario(platform)
    breach, failure = found["security-breach"], found["region-failure"]
    assert (breach.ending, failure.ending) == ("recovered", "recovered")
    (held, *_) = [t for t in told(platform, failure, "held") if "Promote" in t and "waits for incident" in t]
    assert f"waits for incident {breach.id} (Security breach, step contain) to let go of database postgresql" in held
    assert "its scope neurectomy is wider than us-east-1" in held
    promote = failure.step("promote")
    assert promote.called_at is not None
    assert breach.ended_at is not None
    assert promote.called_at > breach.ended_at
    restored = failure.step("restore-api-gateway").first_done_at
    assert restored is not None
    assert restored < breach.ended_at, "what needs no database goes on meanwhile"
    assert not untrue(platform, faults=0)


def test_some_calls_of_every_kind(applications: Platform, tmp_path: Path) -> None:
    expected: Any = ending(applications)
    some = some_of_each(applications.outside.calls)
    own = ("store", "kubernetes")
    swept = sweep(lambda n, kind: some(n, kind) if kind.startswith(own) else (), expected, tmp_path, ApplicationsStory)
    assert swept
    assert_alike(swept)


@pytest.mark.long
def test_every_call(applications: Platform, tmp_path: Path) -> None:
    expected: Any = ending(applications)
    swept = sweep(all_of_them, expected, tmp_path, ApplicationsStory)
    assert_every_call(swept, applications.outside.calls)
    assert_alike(swept)
