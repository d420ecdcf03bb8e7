"""The deployed responder with a right taken away: it is refused, it says so, and `drctl rights` tells it beforehand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from chalicelib import names
from chalicelib.actions.rights import PLACES, kube_rights
from drctl.deployment.compare import DEPLOYED
from drctl.neighbours.kubernetes.api import KubeApi
from drctl.world.rights import keys, principals, roles
from tests.local.stage import Stage, up


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("rights")
    with up(folder, speed=10) as found:
        yield found


def rights(stage: Stage) -> tuple[int, dict[tuple[str, str], dict[str, Any]]]:
    """Exit code, and what `drctl rights` says by (where, right)."""
    done = stage.drctl("rights", "--json")
    assert done.stdout, done.stderr
    return done.returncode, {(r["where"], r["right"]): r for r in json.loads(done.stdout)["rights"]}


def missing(stage: Stage) -> dict[tuple[str, str], dict[str, Any]]:
    code, found = rights(stage)
    lacking = {what: r for what, r in found.items() if r["allowed"] is not True}
    assert code == (1 if lacking else 0)
    return lacking


def cluster(stage: Stage) -> KubeApi:
    return stage.world.platform.clusters[stage.policy.platform.clusters.standby.name]


def without(stage: Stage, function: str, action: str) -> dict[str, Any]:
    """Takes an action out of a deployed role's policy, and answers the policy that it had."""
    iam, held = stage.client("iam", stage.standby), roles(stage.client, stage.policy)
    role = held[names.logical(function)].rpartition("/")[2]
    (name,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
    before: dict[str, Any] = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
    kept = [s for s in before["Statement"] if action not in s["Action"]]
    assert len(kept) < len(before["Statement"])
    put(stage, role, name, before | {"Statement": kept})
    return {"role": role, "name": name, "document": before}


def put(stage: Stage, role: str, name: str, document: dict[str, Any]) -> None:
    iam, gate = stage.client("iam", stage.standby), stage.world.world.gate
    iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(document))
    assert gate.authority is not None
    gate.authority.principals = principals(stage.client, stage.policy, roles(stage.client, stage.policy))


def test_as_deployed_nothing_is_missing(stage: Stage) -> None:
    code, found = rights(stage)
    assert {r["because"] for r in found.values() if r["allowed"] is not True} == set()
    assert code == 0
    standby = stage.policy.platform.clusters.standby.name
    for right in kube_rights(stage.policy, "standby"):
        assert found[standby, right.sentence()]["because"].startswith("RBAC: allowed by ")


def test_a_role_without_a_statement_is_denied_by_the_gate_and_the_responder_says_so(stage: Stage) -> None:
    """`eks:DescribeCluster` is asked of a neighbour, so MiniStack cannot refuse it."""
    was = without(stage, "command", "eks:DescribeCluster")
    try:
        lacking = missing(stage)
        in_iam = [r for (where, right), r in lacking.items() if right.startswith("eks:DescribeCluster")]
        assert len(in_iam) == len(PLACES)
        told = {r["because"] for (where, _), r in lacking.items() if where == cluster(stage).name}
        assert len(told) == 1
        assert "is not authorized to perform: eks:DescribeCluster on resource: " in told.pop()
    finally:
        put(stage, was["role"], was["name"], was["document"])


@pytest.mark.parametrize(
    ("agent", "action"), [(names.HEART, "rds:DescribeDBInstances"), (names.WITNESS, "dynamodb:PutItem")]
)
def test_a_right_that_an_agent_lacks_is_named(stage: Stage, agent: str, action: str) -> None:
    was = without(stage, agent, action)
    try:
        ((where, right),) = missing(stage)
        assert where == names.function(stage.policy, agent)
        assert right.startswith(action)
        told = next(
            f for f in json.loads(stage.drctl("permissions", "--json").stdout)["functions"] if f["function"] == agent
        )
        assert told["missing"] == [action]
    finally:
        put(stage, was["role"], was["name"], was["document"])


def test_an_agent_that_may_touch_other_items_only_is_named(stage: Stage) -> None:
    iam, role = stage.client("iam", stage.standby), roles(stage.client, stage.policy)["Witness"].rpartition("/")[2]
    (name,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
    before = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
    inbox = f"{stage.policy.platform.name}#inbox"
    try:
        put(stage, role, name, json.loads(json.dumps(before).replace(inbox, f"{stage.policy.platform.name}#other")))
        ((_, right),) = missing(stage)
        assert right.startswith("dynamodb:PutItem")
    finally:
        put(stage, role, name, before)


def test_a_role_without_a_statement_is_denied_by_ministack_too(stage: Stage) -> None:
    """The gate, which judges by the leading key before MiniStack does, is told to let everything through."""
    gate = stage.world.world.gate
    authority = gate.authority
    was = without(stage, "command", "dynamodb:PutItem")
    gate.authority = None
    try:
        with pytest.raises(AssertionError, match=r"DynamoDB refused put_item on .*: AccessDeniedException"):
            stage.say("set-mode", mode="observe", id="denied")
    finally:
        gate.authority = authority
        put(stage, was["role"], was["name"], was["document"])


def test_a_request_in_a_function_s_name_that_another_secret_has_signed_is_refused(stage: Stage) -> None:
    """By MiniStack, which verifies what roles sign: the gate only reads the signature."""
    stage.invoke("command", {"look": "rights"})  # MiniStack knows a role's session once its function has run
    held = next(k for k in keys(stage.client, stage.policy) if k.arn.endswith(names.function(stage.policy, "command")))
    platform = stage.policy.platform

    def looks(secret: str) -> Any:
        client = boto3.client(
            "dynamodb",
            region_name=stage.standby,
            endpoint_url=stage.world.world.gate_url,
            aws_access_key_id=held.access_key,
            aws_secret_access_key=secret,
            aws_session_token=held.token,
            config=Config(user_agent_appid=f"{stage.standby}.Command", retries={"total_max_attempts": 1}),
        )
        key = {"pk": {"S": f"{platform.name}#desk"}, "sk": {"S": "lock"}}
        return client.get_item(TableName=platform.responder.table, Key=key)

    assert looks(held.secret)["ResponseMetadata"]["HTTPStatusCode"] == 200
    with pytest.raises(ClientError, match=r"SignatureDoesNotMatch|InvalidSignatureException"):
        looks("another")


def test_a_right_that_no_role_in_the_cluster_gives_is_named(stage: Stage) -> None:
    api = cluster(stage)
    role = api.cluster.get("roles.rbac.authorization.k8s.io", "velero", names.app(stage.policy))
    assert role is not None
    rules = role["rules"]
    try:
        role["rules"] = [r for r in rules if "restores" not in r["resources"]]
        assert {right for _, right in missing(stage)} == {
            "create restores.velero.io in namespace 'velero'",
            "delete restores.velero.io in namespace 'velero'",
            "list restores.velero.io in namespace 'velero'",
        }
    finally:
        role["rules"] = rules


def test_a_function_that_the_cluster_does_not_know_is_named(stage: Stage) -> None:
    eks, held = stage.client("eks", stage.standby), roles(stage.client, stage.policy)
    asked = {"clusterName": cluster(stage).name, "principalArn": held["Tick"]}
    groups = eks.describe_access_entry(**asked)["accessEntry"]["kubernetesGroups"]
    eks.delete_access_entry(**asked)
    try:
        assert {right for _, right in missing(stage)} == {
            f"access entry of {names.function(stage.policy, 'tick')}",
        }
    finally:
        eks.create_access_entry(**asked, kubernetesGroups=groups)


def test_a_cluster_that_lets_the_responder_in_no_more_is_told_in_its_words(stage: Stage) -> None:
    eks, held = stage.client("eks", stage.standby), roles(stage.client, stage.policy)
    asked = {"clusterName": cluster(stage).name, "principalArn": held["Command"]}
    groups = eks.describe_access_entry(**asked)["accessEntry"]["kubernetesGroups"]
    eks.delete_access_entry(**asked)
    try:
        lacking = {right: r["because"] for (_, right), r in missing(stage).items()}
        for right in kube_rights(stage.policy, "standby"):
            assert "Unauthorized" in lacking.pop(right.sentence())
        assert list(lacking) == [f"access entry of {names.function(stage.policy, 'command')}"]
    finally:
        eks.create_access_entry(**asked, kubernetesGroups=groups)


def test_a_cluster_that_does_not_answer_is_unknown_and_not_missing(stage: Stage) -> None:
    api = cluster(stage)
    api.reachable = False
    try:
        silent = {r["allowed"] for (where, _), r in missing(stage).items()}
        assert silent == {None}
    finally:
        api.reachable = True


def test_a_question_that_is_none_is_answered_clearly(stage: Stage) -> None:
    assert stage.invoke("command", {"look": "weather"}) == {
        "ok": False,
        "because": "look is 'weather', allowed is 'rights'",
        "id": None,
    }


def test_what_was_used_was_declared(stage: Stage) -> None:
    found = stage.told("permissions")
    assert found["ok"]
    assert not [f["undeclared"] for f in found["functions"] if f["undeclared"]]
    assert {f["function"] for f in found["functions"]} == set(DEPLOYED)
    heart, witness = (next(f for f in found["functions"] if f["function"] == n) for n in (names.HEART, names.WITNESS))
    assert {"dynamodb:UpdateItem", "rds:DescribeDBInstances", "secretsmanager:GetSecretValue"} <= set(heart["used"])
    assert "ec2:CreateNetworkAclEntry" in heart["unused"]
    assert "dynamodb:UpdateItem" in witness["used"]
    command = next(f for f in found["functions"] if f["function"] == "command")
    assert "eks:DescribeCluster" in command["used"]
    assert "rds:PromoteReadReplica" in command["unused"]
