"""A bad deployment and a configuration error in the deployed local world: one command breaks it, and it goes back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.core.incident import StepState
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


def test_an_overwritten_terraform_state_is_put_back_when_a_person_says_so(stage: Stage) -> None:
    eventually(lambda: not stage.open(), within=60, what="a quiet platform")
    stage.told("break", "configuration", "--state")
    row = stage.policy.backups.terraform_states[0]
    s3 = stage.client("s3", row.region)

    def resources() -> bytes:
        body: bytes = s3.get_object(Bucket=row.bucket, Key=row.key)["Body"].read()
        return body

    assert b'"resources": []' in resources()
    stage.say("declare", scenario="configuration-error", scope=CONFIGURATION, id="state", note="the plan wants it all")
    asking = eventually(
        lambda: [i for i in stage.open() if i.step("terraform-state").state is StepState.ASKING],
        within=120,
        what="a question",
    )[0]
    stage.say(
        "approve", incident=asking.id, step="terraform-state", plan=asking.plan, id="yes-state", note="nobody applies"
    )
    eventually(lambda: b"aws_eks_cluster" in resources(), within=120, what="the state of before")
    secrets = eventually(
        lambda: [i for i in stage.open() if i.step("secrets").state is StepState.ASKING], within=120, what="a question"
    )[0]
    stage.say(
        "approve", incident=secrets.id, step="secrets", plan=secrets.plan, id="yes-secrets", note="they are right"
    )
    closed = eventually(lambda: stage.archive(CONFIGURATION), within=180, what="the end")
    assert closed.ending == "recovered"
    keys = [o["Key"] for o in s3.list_objects_v2(Bucket=row.bucket)["Contents"]]
    assert keys == [row.key]
    table = stage.client("dynamodb", row.region)
    assert [i["LockID"]["S"] for i in table.scan(TableName=str(row.lock_table))["Items"]] == [
        f"{row.bucket}/{row.key}-md5"
    ]
