"""The rights in the clusters and the network, as they are generated: what is declared, and no more."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, ClassVar, Final

import pytest
import yaml
from pydantic import ValidationError

from chalicelib import names
from chalicelib.actions.contract import Action, KubeOp, Op, Where
from chalicelib.actions.registry import ACTIONS
from chalicelib.actions.rights import PLACES, kube_rights, reading_rights
from chalicelib.policy import Policy
from chalicelib.policy.load import load
from chalicelib.policy.platform import Endpoints, Network
from chalicelib.policy.runbooks import RunbookStep
from chalicelib.readiness.registry import READS
from drctl.deployment import access, network, rbac
from drctl.deployment.agents import witness
from drctl.deployment.compare import DEPLOYED, actions, compare, document_of
from drctl.deployment.permissions import INTERFACES, PRIMARY_CLUSTER, declared, document, operations
from drctl.deployment.primary import primary
from drctl.deployment.resources import resources
from tests.deployment.conftest import ROOT, Templates

POLICY = load(ROOT / "policies")
SUBNETS, GROUPS = ("subnet-0a1b2c3d", "subnet-4e5f6a7b"), ("sg-0123abcd",)


def with_network(endpoints: Endpoints | None = None) -> Policy:
    """The shipped policy, with its functions in a VPC."""
    chosen = Network(subnets=SUBNETS, security_groups=GROUPS, endpoints=endpoints)
    responder = POLICY.platform.responder.model_copy(update={"network": chosen})
    platform = POLICY.platform.model_copy(update={"responder": responder})
    return POLICY.model_copy(update={"platform": platform})


def granted(objects: list[dict[str, Any]]) -> set[tuple[str, str, str, str]]:
    """(namespace, group, resource, verb) of every rule."""
    return {
        (o["metadata"].get("namespace", ""), group, resource, verb)
        for o in objects
        for rule in o.get("rules", ())
        for group, resource, verb in product(rule["apiGroups"], rule["resources"], rule["verbs"])
    }


TERTIARY: Final[Where] = "tertiary"


@pytest.mark.parametrize("place", PLACES)
def test_the_manifests_grant_what_is_declared_and_nothing_else(place: Any) -> None:
    made = rbac.manifests(POLICY, place)
    for name, rights in (
        (rbac.group(POLICY), kube_rights(POLICY, place)),
        (rbac.readers(POLICY), reading_rights(POLICY, place, READS)),
    ):
        wanted = {(r.namespace, r.group, r.resource, r.verb) for r in rights}
        assert granted([o for o in made if o["metadata"]["name"] == name]) == wanted


def test_every_declared_operation_is_among_the_rights_of_its_cluster() -> None:
    declared = {
        (op.where, op.group, op.resource, op.verb)
        for action in ACTIONS.values()
        for op in (*action.reads, *action.calls)
        if isinstance(op, KubeOp)
    }
    there = {(place, r.group, r.resource, r.verb) for place in (*PLACES, TERTIARY) for r in kube_rights(POLICY, place)}
    assert declared <= there


def test_velero_s_objects_are_granted_in_velero_s_namespace_only() -> None:
    for place in PLACES:
        for right in kube_rights(POLICY, place):
            wanted = POLICY.platform.cluster(place).velero_namespace if right.group == "velero.io" else right.namespace
            assert right.namespace == wanted


def test_nothing_may_be_done_everywhere_or_to_everything() -> None:
    for place in PLACES:
        assert not [g for g in granted(rbac.manifests(POLICY, place)) if "*" in g[1:]]


def test_all_is_bound_to_the_group_of_the_access_entries_and_to_nobody_else() -> None:
    bindings = [o for o in rbac.manifests(POLICY, "standby") if o["kind"].endswith("Binding")]
    roles = [o for o in rbac.manifests(POLICY, "standby") if not o["kind"].endswith("Binding")]
    assert len(bindings) == len(roles) > 0
    for role, binding in zip(roles, bindings, strict=True):
        assert binding["roleRef"]["kind"] == role["kind"] == binding["kind"].removesuffix("Binding")
        assert binding["metadata"] == role["metadata"]
        assert [s["name"] for s in binding["subjects"]] == [role["metadata"]["name"]]
    assert {o["metadata"]["name"] for o in roles} == {rbac.group(POLICY), rbac.readers(POLICY)}
    entries = access.standby_entries(POLICY)
    assert len(entries) == len(names.FUNCTIONS)
    groups = {name: e["Properties"]["KubernetesGroups"] for name, e in entries.items()}
    assert groups.pop("ReadinessAccess") == [rbac.readers(POLICY)]
    assert all(its == [rbac.group(POLICY)] for its in groups.values())


def test_whoever_judges_readiness_may_only_look_in_the_clusters_and_in_the_account() -> None:
    for place in PLACES:
        roles = [o for o in rbac.manifests(POLICY, place) if o["metadata"]["name"] == rbac.readers(POLICY)]
        verbs = {verb for o in roles for rule in o.get("rules", ()) for verb in rule["verbs"]}
        assert verbs == {"get", "list"}
        resources_ = {r for o in roles for rule in o.get("rules", ()) for r in rule["resources"]}
        assert "secrets" not in resources_
    for statement in document(POLICY, names.READINESS)["Statement"]:
        for action in statement["Action"]:
            verb = action.partition(":")[2]
            if not verb.startswith(("Describe", "Get", "List")):
                assert action in {
                    "logs:CreateLogGroup",
                    "logs:CreateLogStream",
                    "logs:PutLogEvents",
                    "dynamodb:PutItem",
                    "lambda:InvokeFunction",
                    "sqs:SendMessage",
                    "kms:Decrypt",
                    "s3:PutObject",
                }
        if statement["Action"] == ["dynamodb:PutItem"]:
            keys = statement["Condition"]["ForAllValues:StringEquals"]["dynamodb:LeadingKeys"]
            assert keys == ["neurectomy#inbox", "neurectomy#readiness"]
        if "s3:PutObject" in statement["Action"]:
            assert statement["Resource"] == ["arn:aws:s3:::neurectomy-dr-operators/readiness.html"]
        if statement["Action"] == ["lambda:InvokeFunction"]:
            assert [r.rpartition(":")[2] for r in statement["Resource"]] == ["neurectomy-dr-wake"]


def test_the_text_of_the_manifests_reads_back_as_they_are() -> None:
    objects = rbac.manifests(POLICY, "standby")
    assert list(yaml.safe_load_all(rbac.text(objects))) == objects


@dataclass(frozen=True)
class Fencing:
    """An action that works in the primary cluster."""

    name: ClassVar[str] = "fencing"
    reads: ClassVar[tuple[Op, ...]] = ()
    calls: ClassVar[tuple[Op, ...]] = (
        KubeOp(verb="patch", group="apps", resource="deployments", where="primary"),
        KubeOp(verb="create", group="", resource="configmaps", where="primary", within="velero"),
    )

    def observe(self, target: Any, policy: Any, reader: Any) -> Any:
        raise NotImplementedError

    def next(self, target: Any, policy: Any, facts: Any, now: Any) -> Any:
        raise NotImplementedError


WITH_FENCING: dict[str, Action] = {**ACTIONS, Fencing.name: Fencing()}


def plain() -> Policy:
    """The shipped policy, less the runbooks that put objects in S3 back or keep them there, less Terraform's states,
    whose bucket is none that is put back by prefixes, and less the folder in which drills put back.
    """
    actions = ("s3-", "lifecycles-")
    kept = [r for r in POLICY.runbooks.runbooks if not any(s.action.startswith(actions) for s in r.steps)]
    runbooks = POLICY.runbooks.model_copy(update={"runbooks": tuple(kept)})
    backups = POLICY.backups.model_copy(update={"terraform_states": ()})
    drills = POLICY.drills.model_copy(update={"test_folder": None})
    return POLICY.model_copy(update={"runbooks": runbooks, "backups": backups, "drills": drills})


PLAIN = plain()


def using(action: str, of: Policy = POLICY, **with_: str) -> Policy:
    """The shipped policy, or another, with a runbook that has one step more."""
    first, *others = of.runbooks.runbooks
    row = {"id": "one-more", "title": "One more", "action": action, "with": with_, "automatic": True}
    step = RunbookStep.model_validate({**row, "reversible": True, "expected": "1s", "deadline": "1m"})
    runbooks = (first.model_copy(update={"steps": (*first.steps, step)}), *others)
    return of.model_copy(update={"runbooks": of.runbooks.model_copy(update={"runbooks": runbooks})})


FENCED = using(Fencing.name)


def test_what_is_done_in_the_primary_is_granted_there_with_a_stack_of_its_own() -> None:
    primary = {(r.namespace, r.group, r.resource, r.verb) for r in kube_rights(FENCED, "primary", WITH_FENCING)}
    assert ("", "apps", "deployments", "patch") in primary
    assert ("velero", "", "configmaps", "create") in primary
    assert ("", "apps", "deployments", "patch") not in granted(rbac.manifests(FENCED, "standby", WITH_FENCING))
    template = access.template(FENCED, "primary", WITH_FENCING)
    assert template is not None
    assert {e["Properties"]["ClusterName"] for e in template["Resources"].values()} == {"neurectomy-use1"}
    assert PRIMARY_CLUSTER in operations(FENCED, WITH_FENCING)


def test_nothing_is_granted_for_an_action_that_no_runbook_names() -> None:
    assert not [op for op in declared(PLAIN) if op.service == "s3" and "restorable" in op.resources[0]]
    assert declared(POLICY, WITH_FENCING) == declared(POLICY)
    assert kube_rights(POLICY, "primary", WITH_FENCING) == kube_rights(POLICY, "primary")
    granted_now = actions(document(PLAIN, "tick"))
    assert not {"s3:ListBucketVersions", "s3:DeleteObjectVersion", "kms:Decrypt"} & granted_now


def statements(policy: Policy, action: str) -> list[list[str]]:
    """The resources of every statement that allows an action."""
    made: list[dict[str, Any]] = document(policy, "tick")["Statement"]
    return [s["Resource"] for s in made if action in s["Action"]]


def test_a_step_that_counts_may_read_the_buckets_of_policy_and_change_nothing_in_them() -> None:
    policy = using("s3-count", PLAIN, bucket="neurectomy-mlflow-us-east-1", prefix="artifacts/")
    buckets = sorted(f"arn:aws:s3:::{row.bucket}" for row in POLICY.backups.restorable)
    assert statements(policy, "s3:ListBucketVersions") == [buckets]
    assert statements(policy, "s3:GetBucketVersioning") == [buckets]
    more = actions(document(policy, "tick")) - actions(document(PLAIN, "tick"))
    assert more == {"s3:ListBucketVersions", "s3:GetBucketVersioning", "s3:GetObjectVersion"}


def test_a_step_that_restores_may_change_what_lies_below_the_prefixes_of_policy_and_use_its_keys() -> None:
    policy = using("s3-restore", PLAIN, bucket="neurectomy-mlflow-us-east-1", prefix="artifacts/")
    below = ["arn:aws:s3:::neurectomy-backups-us-east-1/" + p for p in ("backups/*", "kopia/*", "restores/*")]
    below.append("arn:aws:s3:::neurectomy-mlflow-us-east-1/artifacts/*")
    for action in ("s3:DeleteObjectVersion", "s3:DeleteObject", "s3:PutObjectTagging", "s3:AbortMultipartUpload"):
        assert statements(policy, action) == [below]
    assert below in statements(policy, "s3:PutObject")
    keys = sorted(str(row.kms_key) for row in POLICY.backups.restorable)
    assert statements(policy, "kms:Decrypt") == statements(policy, "kms:GenerateDataKey") == [keys]
    granted_then = actions(document(policy, "tick"))
    assert not {a for a in granted_then if a.startswith("s3:") and ("Bucket" in a or "Retention" in a)} - {
        "s3:GetBucketVersioning",
        "s3:ListBucketVersions",
        # Of the air gap: what looks at its vaults and at what they are filled from.
        "s3:GetObjectRetention",
        "s3:ListBucket",
    }
    assert statements(policy, "s3:GetObjectRetention") == [["arn:aws:s3:::neurectomy-vault-us-west-2/*"]]


DRILLED = ["arn:aws:s3:::neurectomy-mlflow-us-east-1/dr-drill/drill-*"]


def test_a_drill_may_write_and_delete_in_the_folders_of_drills_and_nowhere_else_and_uses_one_key() -> None:
    folder = {"drills": POLICY.drills}
    policy = using("s3-restore", PLAIN, bucket="neurectomy-mlflow-us-east-1", prefix="artifacts/")
    policy = policy.model_copy(update=folder)
    before = using("s3-restore", PLAIN, bucket="neurectomy-mlflow-us-east-1", prefix="artifacts/")
    for action in ("s3:PutObject", "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:GetObjectVersion"):
        more = [s for s in statements(policy, action) if s not in statements(before, action)]
        (restores,) = [s for s in statements(before, action) if "artifacts/" in str(s)]
        # The restore itself reaches into the folders of drills, and what writes and deletes there reaches nowhere else.
        assert sorted(more) == sorted([[*restores, *DRILLED], DRILLED]), action
    key = POLICY.backups.restorable[0].kms_key
    assert [key] in statements(policy, "kms:GenerateDataKey")
    assert [key] in statements(policy, "kms:Decrypt")
    assert ["arn:aws:s3:::neurectomy-mlflow-us-east-1"] in statements(policy, "s3:ListBucketVersions")


def test_where_no_drill_of_policy_puts_objects_back_nothing_is_granted_in_its_folder() -> None:
    assert "dr-drill" in str(document(POLICY, "tick"))
    rows = tuple(r for r in POLICY.drills.rows if r.runbook != "data-corruption")
    drills = POLICY.drills.model_copy(update={"rows": rows})
    assert "dr-drill" not in str(document(POLICY.model_copy(update={"drills": drills}), "tick"))


def test_a_policy_without_such_buckets_grants_no_statement_without_a_resource() -> None:
    none = PLAIN.backups.model_copy(update={"restorable": ()})
    policy = using("s3-restore", PLAIN).model_copy(update={"backups": none})
    assert document(policy, "tick") == document(PLAIN, "tick")


def test_functions_are_in_no_network_unless_policy_names_one() -> None:
    made = resources(POLICY)["Resources"]
    assert not [r for r in made.values() if "VpcConfig" in r["Properties"]]
    assert not [r for r in made.values() if r.get("Type") == "AWS::EC2::VPCEndpoint"]
    assert not actions(document(POLICY, "tick")) & set(INTERFACES)


def test_every_function_is_in_the_network_that_policy_names_and_may_make_its_interfaces() -> None:
    made = resources(with_network())["Resources"]
    for name in names.FUNCTIONS:
        config = made[names.logical(name)]["Properties"]["VpcConfig"]
        assert config == {"SubnetIds": list(SUBNETS), "SecurityGroupIds": list(GROUPS)}
        assert set(INTERFACES) <= actions(document(with_network(), name))


def test_the_merge_puts_chalice_s_functions_into_the_network(template: Templates) -> None:
    made = template(resources(with_network()))["Resources"]
    functions = [r for r in made.values() if r["Type"] == "AWS::Serverless::Function"]
    assert len(functions) == len(names.FUNCTIONS)
    assert all(f["Properties"]["VpcConfig"]["SubnetIds"] == list(SUBNETS) for f in functions)
    roles = [name for name, r in made.items() if r["Type"] == "AWS::IAM::Role"]
    wanted = [e["Properties"]["PrincipalArn"]["Fn::GetAtt"][0] for e in access.standby_entries(POLICY).values()]
    assert sorted(wanted) == sorted(roles)


def test_each_service_that_is_declared_has_an_endpoint_of_the_kind_it_knows() -> None:
    ends = Endpoints(vpc="vpc-0a1b2c3d", route_tables=("rtb-0a1b2c3d",), security_groups=("sg-4567cdef",))
    made = [r["Properties"] for r in network.endpoints(with_network(ends)).values()]
    kinds = {m["ServiceName"]["Fn::Sub"].rpartition(".")[2]: m["VpcEndpointType"] for m in made}
    assert len(kinds) == len({op.service for op in operations(POLICY) if op.where == "standby"})
    assert {s for s, kind in kinds.items() if kind == "Gateway"} == {"dynamodb", "s3"}
    assert {"eks", "rds", "monitoring", "secretsmanager", "sqs", "email"} <= set(kinds)
    assert all(m.get("PrivateDnsEnabled", True) for m in made)


def test_cfn_lint_finds_nothing_in_what_the_shipped_policy_does_not_need_yet(tmp_path: Path) -> None:
    """The endpoints and the primary cluster's entries: `drctl package --lint` judges them only where they are made."""
    ends = Endpoints(vpc="vpc-0a1b2c3d", route_tables=("rtb-0a1b2c3d",), security_groups=("sg-4567cdef",))
    head = {"AWSTemplateFormatVersion": "2010-09-09"}
    templates = {
        "endpoints.json": {**head, "Resources": network.endpoints(with_network(ends))},
        "access.json": access.template(FENCED, "primary", WITH_FENCING),
    }
    for name, template in templates.items():
        (tmp_path / name).write_text(json.dumps(template))
    command = [str(Path(sys.executable).with_name("cfn-lint")), "--non-zero-exit-code", "warning"]
    done = subprocess.run(
        [*command, *(str(tmp_path / name) for name in templates)], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("wrong", ["subnet-xyz", "sg-0a1b", ""])
def test_a_subnet_that_is_none_is_refused(wrong: str) -> None:
    with pytest.raises(ValidationError, match="subnets"):
        Network(subnets=(wrong,), security_groups=GROUPS)


def test_declared_granted_and_used_are_told_apart() -> None:
    policies = {name: document_of(PLAIN, name) for name in DEPLOYED}
    kept = [s for s in policies["tick"]["Statement"] if "s3:PutObject" not in s["Action"]]
    tick = {"Statement": [*kept, {"Effect": "Allow", "Action": ["s3:DeleteObject"], "Resource": ["*"]}]}
    calls = [("Tick", "monitoring", "PutMetricData"), ("Tick", "ec2", "RunInstances"), ("", "s3", "ListBuckets")]
    found = {f.function: f for f in compare(PLAIN, policies | {"tick": tick}, calls)}
    assert found["tick"].undeclared == ["ec2:RunInstances"]
    assert found["tick"].missing == ["s3:PutObject"]
    assert found["tick"].excess == ["s3:DeleteObject"]
    assert "cloudwatch:PutMetricData" not in found["tick"].unused
    assert not found["tick"].ok
    assert found["probe"].ok
    assert found["probe"].unused == sorted(found["probe"].granted)


@pytest.mark.parametrize(
    ("name", "used", "excess"),
    [
        ("heart", ("ec2", "DescribeSubnets"), "dynamodb:PutItem"),
        ("witness", ("dynamodb", "DeleteItem"), "rds:DescribeDBInstances"),
    ],
)
def test_the_agents_are_told_apart_as_well(name: str, used: tuple[str, str], excess: str) -> None:
    policies = {n: document_of(PLAIN, n) for n in DEPLOYED}
    changed = {
        "Statement": [{"Effect": "Allow", "Action": [excess], "Resource": ["*"]}, *policies[name]["Statement"][2:]]
    }
    found = {f.function: f for f in compare(PLAIN, policies | {name: changed}, [(name.capitalize(), *used)])}
    assert found[name].undeclared == [":".join(used)]
    assert found[name].excess == [excess]
    assert found[name].missing
    assert not found[name].ok
    assert all(found[n].ok for n in DEPLOYED if n != name)


def test_what_the_agents_invoke_is_named_by_its_iam_action() -> None:
    policies = {name: document_of(PLAIN, name) for name in DEPLOYED}
    found = {f.function: f for f in compare(PLAIN, policies, [("Witness", "lambda", "Invoke")])}
    assert found["witness"].used == {"lambda:InvokeFunction"}
    assert found["witness"].ok


def test_a_call_is_named_as_the_function_that_makes_it_declares_it() -> None:
    # Others read versions of objects, and lock what they write: the keeper's read and the tick's write are not that.
    policies = {name: document_of(POLICY, name) for name in DEPLOYED}
    found = {
        f.function: f for f in compare(POLICY, policies, [("Airgap", "s3", "GetObject"), ("Tick", "s3", "PutObject")])
    }
    assert "s3:GetObject" in found["airgap"].used
    assert "s3:PutObject" in found["tick"].used
    assert {f.function: f.undeclared for f in found.values() if f.undeclared} == {}


@pytest.mark.parametrize("name", ["heart", "witness"])
def test_the_template_grants_what_an_agent_declares(name: str) -> None:
    template = primary(POLICY) if name == "heart" else witness(POLICY)
    policies = template["Resources"][f"{name.capitalize()}Role"]["Properties"]["Policies"]
    (plain,) = [p["PolicyDocument"] for p in policies if "Fn::If" not in p]
    assert plain == document_of(PLAIN, name)
