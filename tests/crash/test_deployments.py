"""A bad deployment and a bad canary on the real desk, whole, and with the worker stopped at its calls."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from chalicelib.actions.applications import HELD
from chalicelib.core.incident import StepState
from chalicelib.store.codec import read_incident
from tests.crash import terraform
from tests.crash.deployments import (
    BothStory,
    CanaryStory,
    ConfigurationStory,
    DeploymentStory,
    SecretStory,
    StateStory,
    application,
)
from tests.crash.ending import archive, effects, ending, untrue
from tests.crash.failures import primary
from tests.crash.stops import all_of_them, assert_alike, assert_every_call, some_of_each
from tests.crash.story import Story
from tests.crash.sweep import sweep
from tests.crash.test_failures import some_minutes

CASES: Final[dict[str, Callable[[], Story]]] = {
    "deployment": DeploymentStory,
    "canary": CanaryStory,
    "configuration": ConfigurationStory,
    "secret": SecretStory,
    "state": StateStory,
}


def test_a_bad_deployment_goes_back_once_and_gets_its_sync_back_with_the_revert() -> None:
    platform = DeploymentStory().tell()
    incident = archive(platform)
    assert (incident.scenario, incident.ending) == ("bad-deployment", "recovered")
    assert not untrue(platform, faults=0)
    # One goes back, one gives automated sync back.
    assert effects(platform) == {"kubernetes PATCH applications/*": 2}
    found = application(platform, "redis")
    assert found["spec"]["syncPolicy"]["automated"] == {"prune": True, "selfHeal": True}
    assert HELD not in (found["metadata"].get("annotations") or {})
    assert (found["status"]["health"]["status"], found["status"]["sync"]["status"]) == ("Healthy", "Synced")


def test_without_a_revert_it_stays_back_and_its_sync_stays_owed() -> None:
    story = DeploymentStory(reverts=False)
    story.begin()
    for _ in range(30):
        story.tick()
    book = story.platform.book()
    assert book is not None
    assert not book.incidents
    (debt,) = book.debts
    assert debt.what == "Give automated sync back once Git holds another commit"
    found = application(story.platform, "redis")
    assert "automated" not in found["spec"]["syncPolicy"]
    assert found["status"]["sync"]["status"] == "OutOfSync"
    assert effects(story.platform) == {"kubernetes PATCH applications/*": 1}


def test_a_bad_canary_is_aborted_once_and_nothing_else_is_touched() -> None:
    platform = CanaryStory().tell()
    incident = archive(platform)
    assert (incident.scenario, incident.ending) == ("bad-deployment", "recovered")
    assert not untrue(platform, faults=0)
    assert effects(platform) == {"kubernetes PATCH rollouts/*": 1}
    assert incident.step("rollback").because == "the canary of application 'ml-service' is aborted"


def test_the_deployment_s_incident_takes_over_the_one_that_its_own_pods_opened_and_says_so() -> None:
    platform = BothStory().tell()
    closed = {i.scenario: i for i in map(read_incident, platform.store.docs["closed"].values())}
    assert closed["pod-failure"].ending == "absorbed"
    assert closed["pod-failure"].because.endswith(f"taken over by {closed['bad-deployment'].id}")
    assert closed["bad-deployment"].ending == "recovered"
    assert closed["bad-deployment"].absorbed == (closed["pod-failure"].id,)
    assert effects(platform) == {"kubernetes PATCH applications/*": 2}


def test_a_configuration_error_moves_nothing_before_a_person_has_said_yes_and_then_each_thing_once() -> None:
    platform = ConfigurationStory().tell()
    incident = archive(platform)
    assert (incident.scenario, incident.ending) == ("configuration-error", "recovered")
    assert not untrue(platform, faults=0)
    assert effects(platform) == {"kubernetes PATCH applications/*": 1, "kubernetes PATCH externalsecrets/*": 3}
    for step in ("revision", "secrets"):
        approval = incident.step(step).approval
        assert approval is not None
        assert approval.note == "the commit renamed a key"
    alerts = " ".join(str(a.payload) for a in platform.pagerduty.alerts)
    assert "automated_sync=held" in alerts


def test_where_git_is_right_a_person_says_so_and_only_the_secrets_are_fetched_again() -> None:
    story = SecretStory()
    incident = some_minutes(story, 3)
    assert incident.step("secrets").state is StepState.STUCK
    assert "cannot fetch, and its Secret is as it was" in incident.step("secrets").because
    platform = SecretStory().tell()
    incident = archive(platform)
    assert (incident.scenario, incident.ending) == ("configuration-error", "recovered")
    assert not untrue(platform, faults=0)
    assert incident.step("revision").because.startswith("nothing is to go back, as was chosen")
    assert effects(platform) == {"kubernetes PATCH externalsecrets/*": 3}
    assert application(platform, "platform-configuration")["status"]["health"]["status"] == "Healthy"


def test_an_overwritten_state_is_put_back_under_its_lock_once_a_person_has_said_yes() -> None:
    story = StateStory()
    before = terraform.kept(story.platform.policy, story.platform.tables, story.platform.s3)["infrastructure"]
    platform = story.tell()
    incident = archive(platform)
    assert (incident.scenario, incident.ending) == ("configuration-error", "recovered")
    assert not untrue(platform, faults=0)
    approval = incident.step("terraform-state").approval
    assert approval is not None
    assert approval.note == "nobody applies, and that version is the right one"
    # The lock's item and the digest are put, the item is deleted.
    assert effects(platform) == {
        "dynamodb.DeleteItem": 1,
        "dynamodb.PutItem": 2,
        "kubernetes PATCH externalsecrets/*": 3,
    }
    found = terraform.kept(platform.policy, platform.tables, platform.s3)["infrastructure"]
    # What it was overwritten with stays a version, and the one of before was put once.
    assert found == {**before, "versions": before["versions"] + 2}
    assert found["digest is the state's"]
    assert found["locks"] == []


def test_observing_touches_nothing_and_says_what_it_would_do() -> None:
    story = DeploymentStory(mode="observe", reverts=False)
    incident = some_minutes(story, 20)
    assert incident.step("canary").state is StepState.DONE
    assert incident.step("rollback").state is StepState.HELD
    assert "would call kubernetes neurectomy-use1 patch argoproj.io/v1alpha1" in incident.step("rollback").because
    assert effects(story.platform) == {}
    assert primary(story.platform).objects("applications.argoproj.io")


@pytest.mark.parametrize("case", CASES)
def test_two_tellings_are_alike(case: str) -> None:
    first, second = CASES[case]().tell(), CASES[case]().tell()
    assert first.outside.calls == second.outside.calls
    assert ending(first) == ending(second)


@pytest.mark.parametrize("case", CASES)
def test_some_calls_of_every_kind(case: str, tmp_path: Path) -> None:
    platform = CASES[case]().tell()
    expected: Any = ending(platform)
    assert_alike(sweep(some_of_each(platform.outside.calls, desk=False), expected, tmp_path, CASES[case]))


@pytest.mark.long
@pytest.mark.parametrize("case", CASES)
def test_every_call(case: str, tmp_path: Path) -> None:
    platform = CASES[case]().tell()
    expected: Any = ending(platform)
    told = sweep(all_of_them, expected, tmp_path, CASES[case])
    assert_every_call(told, platform.outside.calls)
    assert_alike(told)
