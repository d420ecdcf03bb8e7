"""Data as of a moment on the real desk: a corruption and a deletion, whole, and with the worker stopped at its calls.

`make test` tries a few calls of every kind; all of them are tried by `make test-long`. S3 objects are swept in
tests/actions/test_s3_crashes.py.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from chalicelib.core.incident import Incident, StepState
from chalicelib.core.plan import plan
from chalicelib.policy.people import Person
from tests.crash.datapoint import (
    BESIDE,
    BUCKET,
    CHECK,
    CHOICES,
    PREFIX,
    REVISION,
    SPACE,
    CorruptionStory,
    DeletionStory,
    artifacts,
    configured,
    database,
)
from tests.crash.deployments import application
from tests.crash.ending import archive, effects, ending, untrue
from tests.crash.failures import primary
from tests.crash.platform_in_process import POLICY, Platform
from tests.crash.stops import all_of_them, assert_alike, assert_every_call, some_of_each
from tests.crash.story import PERSON, Story
from tests.crash.sweep import sweep
from tests.crash.test_failures import only

CASES: Final[dict[str, Callable[[], Story]]] = {"corruption": CorruptionStory, "deletion": DeletionStory}


def some_minutes(story: Story, count: int) -> Incident:
    story.begin()
    for _ in range(count):
        story.tick()
    return only(story.platform)


def new_one(platform: Platform) -> Any:
    return platform.rds.instance(POLICY.platform.regions.primary, BESIDE, POLICY.platform.account)


def test_the_database_is_restored_beside_the_old_one_and_two_people_let_the_applications_move() -> None:
    platform = CorruptionStory().tell()
    incident = archive(platform)
    assert (incident.scenario, incident.ending) == ("data-corruption", "recovered")
    assert {r.state for r in incident.steps.values()} == {StepState.DONE}
    assert not untrue(platform, faults=0)
    assert effects(platform) == {
        "kubernetes POST restores": 1,
        "rds.RestoreDBInstanceToPointInTime": 1,
        "postgres write-heartbeat": 1,
        "kubernetes PATCH externalsecrets/*": 3,
    }
    where = new_one(platform).address
    assert f"was read back from {where.host}:{where.port}" in incident.step("prove").because
    new = new_one(platform)
    assert platform.engine.run_inside(new.resource_id, "check", [CHECK]) == [[0]]
    assert platform.engine.run_inside(database(platform), "check", [CHECK]) == [[12]], "the old one is left as it is"
    secret = POLICY.platform.primary_secret
    assert secret is not None
    assert platform.secrets.value(secret.region, secret.name)["port"] == str(new.address.port)
    approval = incident.step("switch").approval
    assert approval is not None
    assert len(approval.arns) == 2
    assert primary(platform).ready_deployment(SPACE, "redis")


def test_a_restored_instance_has_the_settings_of_the_old_one() -> None:
    new = new_one(CorruptionStory().tell())
    assert (new.multi_az, new.deletion_protection, new.copy_tags, new.backup_retention) == (True, True, True, 14)
    assert (new.security_groups, new.parameter_group, new.subnet_group) == (("sg-database",), "tuned", "private")


def test_what_is_proposed_is_the_last_moment_that_the_agent_found_whole() -> None:
    incident = some_minutes(CorruptionStory(choices={}), 6)
    point = incident.step("point")
    assert point.state is StepState.DONE
    assert "every integrity check found it whole at 2026-11-23T03:00:00Z" in point.because
    assert f"{CHECK} found 12 runs of MLflow" in point.because
    assert point.facts["proposed"] == "2026-11-23T03:00:00Z"
    restore = incident.step("restore")
    assert restore.state is StepState.ASKING
    assert restore.because.endswith(f"drctl choose {incident.id} as_of=2026-11-23T03:00:00Z")


def test_nothing_moves_before_a_person_has_chosen() -> None:
    story = CorruptionStory(choices={})
    some_minutes(story, 10)
    assert effects(story.platform) == {}
    assert not [i for i in story.platform.rds.instances() if i.identifier == BESIDE]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"as_of": "2099-01-01T00:00:00Z"}, "which is to come; allowed: until now"),
        ({"as_of": "2020-01-01T00:00:00Z"}, "as_of is 2020-01-01T00:00:00Z; allowed: from "),
        ({"as_of": "2026-11-23T02:00:00Z"}, "the earliest that point found restorable"),
        ({"as_of": "2026-11-23T03:00:02"}, "allowed: a time with its zone"),
        ({"namespaces": "cash"}, "namespaces holds 'cash', did you mean 'cache'?"),
        ({"folder": "somebody-elses-bucket/artifacts/"}, "allowed: what begins with neurectomy-mlflow-us-east-1/"),
        ({"as_off": CHOICES["as_of"]}, "data-corruption has no choice 'as_off'"),
        (CHOICES | {"namespaces": "cash"}, "did you mean 'cache'?"),
    ],
)
def test_a_wrong_choice_is_refused_with_a_sentence_and_moves_nothing(wrong: dict[str, str], says: str) -> None:
    story = CorruptionStory(choices=wrong)
    incident = some_minutes(story, 8)
    book = story.platform.book()
    assert book is not None
    (refused,) = [r for r in book.replies if not r.ok]
    assert says in refused.because
    assert incident.choices == {}
    assert incident.plan == plan("data-corruption", policy=POLICY).hash
    assert effects(story.platform) == {}


def test_an_approval_for_another_plan_is_refused_and_moves_nothing() -> None:
    class Hasty(CorruptionStory):
        def _say(self, name: str, payload: Any, person: Any = PERSON) -> None:
            other = plan("accidental-deletion", policy=POLICY).hash
            super()._say(name, {**payload, "plan": other} if payload["command"] == "approve" else payload, person)

    story = Hasty()
    some_minutes(story, 8)
    book = story.platform.book()
    assert book is not None
    refused = [r.because for r in book.replies if not r.ok]
    assert refused
    assert all("look at it again (drctl show) and approve what it is now" in because for because in refused)
    assert effects(story.platform) == {}


def test_one_person_alone_moves_no_application() -> None:
    class Alone(CorruptionStory):
        def answering(self, incident: Incident, step: str) -> Person:
            del incident, step
            return PERSON

    story = Alone()
    incident = some_minutes(story, 20)
    assert incident.step("check").state is StepState.DONE
    assert incident.step("switch").state is StepState.ASKING
    assert "1 of 2 people have approved it" in incident.step("switch").because
    assert "secrets-manager.PutSecretValue" not in story.platform.outside.effects


def test_what_was_deleted_comes_back_and_nothing_else_changes() -> None:
    story = DeletionStory()
    platform = story.tell()
    incident = archive(platform)
    assert artifacts(platform) == story.before
    assert (incident.scenario, incident.ending) == ("accidental-deletion", "recovered")
    assert incident.chosen == {**CHOICES, "folder": f"{BUCKET}/{PREFIX}", "revision": REVISION}
    assert effects(platform) == {"kubernetes POST restores": 1, "kubernetes PATCH applications/*": 1}
    assert incident.step("configuration").because.startswith("application 'platform-configuration' went back to")
    assert configured(platform) == story.configuration
    # Git still holds the commit that deleted it.
    assert "automated" not in application(platform, "platform-configuration")["spec"]["syncPolicy"]
    book = platform.book()
    assert book is not None
    assert [d.what for d in book.debts] == [
        "Give the configuration's automated sync back once Git holds another commit",
    ]
    assert primary(platform).ready_deployment(SPACE, "redis")
    (restore,) = primary(platform).objects("restores.velero.io")
    assert restore["spec"]["existingResourcePolicy"] == "none"
    assert restore["spec"]["includedNamespaces"] == [SPACE]


@pytest.mark.parametrize("case", CASES)
def test_observing_touches_nothing(case: str) -> None:
    story = {"corruption": CorruptionStory, "deletion": DeletionStory}[case](mode="observe")
    some_minutes(story, 12)
    assert effects(story.platform) == {}


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
