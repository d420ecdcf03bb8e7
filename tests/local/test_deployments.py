"""A bad deployment and a configuration error in the deployed local world: one command breaks it, and it goes back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.core.incident import Incident, StepState
from tests.local.stage import Stage, eventually, up

# Whole cases of one to two minutes each: `make test-long` runs them, `make test` does not.
pytestmark = pytest.mark.long
DEPLOYMENTS, CONFIGURATION = "us-east-1/cluster/deployments", "us-east-1/cluster/configuration"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder: Path = tmp_path_factory.mktemp("deployments")
    with up(folder, speed=10.0) as made:
        made.healthy()
        made.say("set-mode", mode="automatic", id="mode")
        yield made


def application(stage: Stage, name: str) -> dict[str, Any]:
    api = stage.world.platform.clusters[stage.policy.platform.clusters.primary.name]
    found = api.objects("applications.argoproj.io", "argocd")
    return next(a for a in found if a["metadata"]["name"] == name)


def test_a_bad_deployment_goes_back_by_itself_and_its_sync_is_given_back_with_the_revert(stage: Stage) -> None:
    made = stage.told("break", "deployment", "redis")
    assert (made["kind"], made["what"]) == ("deployment", "redis")
    closed = eventually(lambda: stage.archive(DEPLOYMENTS), within=240, what="the end")
    assert (closed.scenario, closed.ending) == ("bad-deployment", "recovered")
    assert closed.step("rollback").calls == 1
    held = application(stage, "redis")
    assert "automated" not in held["spec"]["syncPolicy"]
    assert held["status"]["health"]["status"] == "Healthy"
    assert [f["kind"] for f in stage.told("mend")] == ["deployment"]
    eventually(
        lambda: "automated" in application(stage, "redis")["spec"]["syncPolicy"], within=120, what="automated sync"
    )


def known(stage: Stage) -> set[str]:
    """The closed incidents, by id."""
    return {i.id for scope in (DEPLOYMENTS, CONFIGURATION) for i in stage.closed(scope)}


def another(stage: Stage, scope: str, before: set[str]) -> Incident | None:
    """The incident of this scope that has closed since, except suspicions that cleared."""
    return next((i for i in stage.closed(scope) if i.id not in before and i.ending != "cleared"), None)


def asking(stage: Stage, step: str, within: float = 120) -> Incident:
    """The open incident, once it asks for this step."""
    found = eventually(
        lambda: [i for i in stage.open() if i.step(step).state is StepState.ASKING], within=within, what=f"{step} asks"
    )
    return found[0]


def test_a_bad_canary_is_aborted_by_itself_and_nothing_else_goes_back(stage: Stage) -> None:
    eventually(lambda: not stage.open(), within=60, what="a quiet platform")
    stage.say("acknowledge", id="window-canary")
    before = known(stage)
    stage.told("break", "deployment", "ml-service", "--canary")
    closed = eventually(lambda: another(stage, DEPLOYMENTS, before), within=240, what="the end")
    assert (closed.scenario, closed.ending) == ("bad-deployment", "recovered")
    assert (closed.step("canary").calls, closed.step("rollback").calls) == (1, 0)
    assert closed.step("rollback").because == "the canary of application 'ml-service' is aborted"
    api = stage.world.platform.clusters[stage.policy.platform.clusters.primary.name]
    (rollout,) = [r for r in api.objects("rollouts.argoproj.io") if r["metadata"]["name"] == "ml-inference"]
    assert rollout["status"]["abort"] is True
    assert "automated" in application(stage, "ml-service")["spec"]["syncPolicy"]
    assert [f["kind"] for f in stage.told("mend")] == ["deployment"]


def test_where_git_is_right_a_person_says_none_and_a_lost_secret_is_fetched_once_it_is_back(stage: Stage) -> None:
    eventually(lambda: not stage.open(), within=60, what="a quiet platform")
    stage.say("acknowledge", id="window-secret")
    before = known(stage)
    stage.told("break", "configuration", "--secret")
    said = stage.told(
        *("declare", "configuration-error", CONFIGURATION, "--choose", "revision=none"),
        *("--note", "the store lost it", "--by", "ana"),
    )
    assert said["ok"], said
    secrets = asking(stage, "secrets")
    assert secrets.step("revision").because.startswith("nothing is to go back, as was chosen")
    stage.say("approve", incident=secrets.id, step="secrets", plan=secrets.plan, id="yes-lost", note="fetch them")
    stuck = eventually(
        lambda: next((i for i in stage.open() if i.step("secrets").state is StepState.STUCK), None),
        within=120,
        what="a secret that cannot be fetched",
    )
    assert "cannot fetch, and its Secret is as it was" in stuck.step("secrets").because
    assert [f["kind"] for f in stage.told("mend")] == ["configuration"]
    closed = eventually(lambda: another(stage, CONFIGURATION, before), within=180, what="the end")
    assert (closed.ending, closed.step("revision").calls) == ("recovered", 0)


def test_an_overwritten_terraform_state_is_put_back_when_a_person_says_so(stage: Stage) -> None:
    eventually(lambda: not stage.open(), within=60, what="a quiet platform")
    stage.say("acknowledge", id="window-state")
    before = known(stage)
    stage.told("break", "configuration", "--state")
    row = stage.policy.backups.terraform_states[0]
    s3 = stage.client("s3", row.region)

    def resources() -> bytes:
        body: bytes = s3.get_object(Bucket=row.bucket, Key=row.key)["Body"].read()
        return body

    assert b'"resources": []' in resources()
    stage.say("declare", scenario="configuration-error", scope=CONFIGURATION, id="state", note="the plan wants it all")
    found = asking(stage, "terraform-state")
    stage.say(
        "approve", incident=found.id, step="terraform-state", plan=found.plan, id="yes-state", note="nobody applies"
    )
    eventually(lambda: b"aws_eks_cluster" in resources(), within=120, what="the state of before")
    secrets = asking(stage, "secrets")
    stage.say(
        "approve", incident=secrets.id, step="secrets", plan=secrets.plan, id="yes-secrets", note="they are right"
    )
    closed = eventually(lambda: another(stage, CONFIGURATION, before), within=180, what="the end")
    assert closed.ending == "recovered"
    keys = [o["Key"] for o in s3.list_objects_v2(Bucket=row.bucket)["Contents"]]
    assert keys == [row.key]
    table = stage.client("dynamodb", row.region)
    assert [i["LockID"]["S"] for i in table.scan(TableName=str(row.lock_table))["Items"]] == [
        f"{row.bucket}/{row.key}-md5"
    ]
