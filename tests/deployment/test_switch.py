"""Each kind of traffic switch brings what it needs to the templates and the permissions, and nothing of the others."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from chalicelib import names
from chalicelib.policy import Policy
from chalicelib.policy.load import load
from chalicelib.policy.platform import ArcSwitch
from drctl.deployment.permissions import document
from drctl.deployment.resources import resources
from drctl.world.package import Package
from tests.deployment.conftest import Templates
from tests.policy.broken import Broken
from tests.policy.switches import METRIC, OBJECT, platform_with

KINDS = ("metric", "object", "arc")
THROWN_BY = {
    "metric": {"cloudwatch:PutMetricData", "cloudwatch:GetMetricStatistics"},
    "object": {"s3:ListBucket", "s3:DeleteObject"},
    "arc": {"route53-recovery-cluster:GetRoutingControlState", "route53-recovery-cluster:UpdateRoutingControlStates"},
}


@pytest.fixture(params=KINDS)
def policy(request: pytest.FixtureRequest, tmp_path: Path) -> Policy:
    return platform_with(request.param, tmp_path / "policies")


@pytest.fixture
def of(tmp_path: Path) -> Any:
    return lambda kind: platform_with(kind, tmp_path / f"of-{kind}")


def config(policy: Policy, name: str = "TrafficSwitchCheck") -> dict[str, Any]:
    found: dict[str, Any] = resources(policy)["Resources"][name]["Properties"]["HealthCheckConfig"]
    return found


def test_only_the_kind_in_policy_is_granted(policy: Policy) -> None:
    # Terraform's state, the air gap's copies and evidence lie in S3 too, and so do the objects that are put back below
    # policy's prefixes, whatever the switch is; and the test record's switch is a metric whatever the traffic's is.
    none = {"terraform_states": (), "airgap": None}
    drills = policy.drills.model_copy(update={"test_record": None})
    backups, platform = policy.backups.model_copy(update=none), policy.platform.model_copy(update={"containment": None})
    plain = policy.model_copy(update={"backups": backups, "platform": platform, "drills": drills})
    below = tuple(f"arn:aws:s3:::{row.bucket}" for row in policy.backups.restorable)
    made = [s for s in document(plain, "tick")["Statement"] if not all(r.startswith(below) for r in s["Resource"])]
    # The metric of the synthetic alarm, of a namespace of its own.
    made = [s for s in made if names.metrics_namespace(policy) not in str(s.get("Condition"))]
    granted = {a for s in made for a in s["Action"]}
    for kind, actions in THROWN_BY.items():
        assert (actions <= granted) == (kind == policy.platform.traffic.switch.kind)
        assert actions.isdisjoint(granted) or kind == policy.platform.traffic.switch.kind
    assert not {a for a in granted if a.startswith(("route53:", "route53-recovery-control-config:"))}


def test_arc_s_permissions_name_the_two_controls(of: Any) -> None:
    policy = of("arc")
    switch = policy.platform.traffic.switch
    assert isinstance(switch, ArcSwitch)
    (statement,) = [
        s for s in document(policy, "tick")["Statement"] if any("recovery-cluster" in action for action in s["Action"])
    ]
    assert statement["Resource"] == sorted([switch.primary_control, switch.standby_control])


def test_arc_s_checks_watch_the_controls_and_are_of_no_other_kind(of: Any) -> None:
    policy = of("arc")
    switch = policy.platform.traffic.switch
    assert config(policy) == {"Type": "RECOVERY_CONTROL", "RoutingControlArn": switch.primary_control}
    assert config(policy, "StandbyControlCheck")["RoutingControlArn"] == switch.standby_control


def test_an_object_is_watched_by_an_inverted_check_of_its_own_address(of: Any) -> None:
    found = config(of("object"))
    assert found["Inverted"] is True
    assert found["FullyQualifiedDomainName"] == "neurectomy-switch.s3.us-west-2.amazonaws.com"
    assert found["ResourcePath"] == "/standby-takes-over"


def bucket_policy(policy: Policy) -> list[dict[str, Any]]:
    made = resources(policy)["Resources"]["SwitchBucketPolicy"]["Properties"]
    found: list[dict[str, Any]] = made["PolicyDocument"]["Statement"]
    return found


def test_deletion_is_denied_to_all_but_the_responder_s_own_roles(of: Any, made: Package) -> None:
    (deny,) = [s for s in bucket_policy(of("object")) if s["Effect"] == "Deny"]
    assert {"s3:DeleteObject", "s3:DeleteObjectVersion", "s3:PutLifecycleConfiguration"} <= set(deny["Action"])
    assert deny["Principal"] == "*"
    excepted = {arn["Fn::GetAtt"][0] for arn in deny["Condition"]["ArnNotEquals"]["aws:PrincipalArn"]}
    roles = {name for name, r in made.template["Resources"].items() if r["Type"] == "AWS::IAM::Role"}
    # Who only looks, and who only copies, never throws the switch.
    assert excepted == roles - {f"{names.logical(name)}Role" for name in set(names.FUNCTIONS) - set(names.DESK)}
    assert excepted == {f"{names.logical(name)}Role" for name in names.DESK}


def test_where_policy_does_not_deny_deletion_the_template_does_not_either(tmp_path: Path) -> None:
    broken = Broken.copied(tmp_path / "policies").edit("platform", METRIC, OBJECT)
    broken.edit("platform", "deletion_denied: true", "deletion_denied: false")
    assert [s["Effect"] for s in bucket_policy(load(broken.folder))] == ["Allow"]


def test_everybody_may_read_the_object_and_nothing_else(of: Any) -> None:
    (allow,) = [s for s in bucket_policy(of("object")) if s["Effect"] == "Allow"]
    assert allow["Action"] == "s3:GetObject"
    assert allow["Resource"] == "arn:aws:s3:::neurectomy-switch/standby-takes-over"


# The shipped kind is judged with the whole package by `make check`.
@pytest.mark.parametrize("kind", ["object", "arc"])
def test_the_merged_template_of_another_kind_is_one_that_cloudformation_would_take(
    of: Any, template: Templates, kind: str, tmp_path: Path
) -> None:
    target = tmp_path / "template.json"
    target.write_text(json.dumps(template(resources(of(kind)))))
    command = [str(Path(sys.executable).with_name("cfn-lint")), "--non-zero-exit-code", "warning", str(target)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
