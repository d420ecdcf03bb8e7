"""What is deployed is what policy and code give: no drift, no permission too many, nothing of another platform."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from chalicelib import names
from chalicelib.actions.contract import AwsOp
from chalicelib.actions.rights import used
from chalicelib.core.airgap_calls import COPY_SPAN, WRITE_MANIFEST
from chalicelib.names import logical
from chalicelib.policy.load import load
from drctl.deployment import generate
from drctl.deployment.agents import witness
from drctl.deployment.permissions import AUDITS, COMMON, STORE, document, iam_action
from drctl.deployment.primary import primary
from drctl.deployment.project import package_of
from drctl.deployment.resources import EVENTS
from drctl.world.package import Package
from tests.deployment.conftest import ROOT, Templates

FOLDER = ROOT / "policies"
POLICY = load(FOLDER)
KNOWS_NO_RESOURCE = {
    "cloudwatch:GetMetricData",
    "cloudwatch:GetMetricStatistics",
    "cloudwatch:PutMetricData",
    "ec2:DescribeCapacityReservations",
    "ec2:DescribeInstances",
    "ec2:DescribeNetworkAcls",
    "ec2:DescribeLockedSnapshots",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSnapshots",
    "guardduty:GetFindings",
    "guardduty:ListDetectors",
    "guardduty:ListFindings",
    "rds:DescribeEvents",
    "rds:DescribeDBInstanceAutomatedBackups",
    "route53:ListHealthChecks",
    "servicequotas:GetServiceQuota",
    "ses:GetAccount",
}
"""By the service authorization reference: CloudWatch, EC2, GuardDuty, RDS, Route 53, Service Quotas, SES."""


def statements(function: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = document(POLICY, function)["Statement"]
    return found


def test_what_is_in_the_repository_is_what_would_be_generated() -> None:
    assert generate.drift(ROOT / ".chalice", POLICY) == []


@pytest.mark.parametrize("change", ["edited", "missing", "strange"])
def test_drift_is_told(tmp_path: Path, change: str) -> None:
    generate.write(tmp_path / ".chalice", POLICY)
    assert generate.drift(tmp_path / ".chalice", POLICY) == []
    match change:
        case "edited":
            (tmp_path / ".chalice" / "config.json").write_text("{}")
        case "missing":
            (tmp_path / ".chalice" / "policy-tick.json").unlink()
        case _:
            (tmp_path / ".chalice" / "policy-nobody.json").write_text("{}")
    assert len(generate.drift(tmp_path / ".chalice", POLICY)) == 1


@pytest.mark.parametrize("function", names.FUNCTIONS)
def test_no_function_may_do_everything_or_to_everything(function: str) -> None:
    for statement in statements(function):
        assert not [action for action in statement["Action"] if "*" in action]
        if "*" in statement["Resource"]:
            assert set(statement["Action"]) <= KNOWS_NO_RESOURCE
        else:
            assert all(resource.startswith("arn:aws:") for resource in statement["Resource"])


def test_a_metric_is_written_in_its_own_namespace_only() -> None:
    """The traffic switch's, and the responder's own, in which the synthetic alarm is sounded."""
    written = [s["Condition"] for s in statements("tick") if s["Action"] == ["cloudwatch:PutMetricData"]]
    allowed = [c["StringEquals"]["cloudwatch:namespace"] for c in written]
    assert sorted(allowed) == ["NeurectomyDR", "neurectomy-dr"]


def test_everything_that_actions_declare_is_granted_and_nothing_that_nobody_declared() -> None:
    granted = {a for s in statements("tick") for a in s["Action"]} - {
        "logs:CreateLogGroup",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
    }
    kind = POLICY.platform.traffic.switch.kind
    declared = {
        granted_as
        for action in used(POLICY)
        for op in (*action.reads, *action.calls)
        if isinstance(op, AwsOp) and op.switch in (None, kind) and op.batch not in (COPY_SPAN, WRITE_MANIFEST)
        for granted_as in (op.iam or (iam_action(op.service, op.operation),))
    }
    others = {(op.iam or (iam_action(op.service, op.operation),))[0] for op in (*STORE, *COMMON)}
    channels = {"ses:SendEmail", "secretsmanager:GetSecretValue", "cloudwatch:DescribeAlarms"}
    assert declared <= granted
    assert granted == declared | others | channels


def test_only_what_compares_the_account_with_policy_reads_how_it_is_configured_and_it_changes_none_of_it() -> None:
    configured = {
        *("s3:GetReplicationConfiguration", "s3:GetEncryptionConfiguration", "s3:GetBucketLocation"),
        *("cloudwatch:GetMetricData", "route53:ListHealthChecks"),
    }
    for function in names.FUNCTIONS:
        mine = {a for s in statements(function) for a in s["Action"]}
        assert mine & configured == (configured if function == AUDITS else set()), function
        # What deletes by itself may be disabled by those that work the desk, for a breach; who looks changes nothing.
        paused = {"s3:PutLifecycleConfiguration"} if function not in (names.READINESS, "airgap") else set()
        assert {a for a in mine if a.startswith("s3:Put") and a.endswith(("Configuration", "Versioning"))} == paused
        assert not {a for a in mine if a.startswith(("route53:", "cloudwatch:"))} - {
            *("route53:ListHealthChecks", "cloudwatch:GetMetricData", "cloudwatch:DescribeAlarms"),
            *("cloudwatch:GetMetricStatistics", "cloudwatch:PutMetricData"),
        }
    replicated = [s["Resource"] for s in statements(AUDITS) if "s3:GetReplicationConfiguration" in s["Action"]]
    row = POLICY.backups.replication[0]
    assert replicated == [sorted(f"arn:aws:s3:::{bucket}" for bucket in (row.source, row.destination))]


def test_only_the_keeper_creates_in_a_vault_and_nobody_can_take_anything_out_of_one() -> None:
    for function in names.FUNCTIONS:
        mine = {a for s in statements(function) for a in s["Action"] if any("-vault-" in r for r in s["Resource"])}
        creating = {"s3:PutObject", "s3:PutObjectRetention"} if function == "airgap" else set()
        assert mine == {"s3:GetObject", "s3:GetObjectRetention", "s3:ListBucket"} | creating, function
    keeper = {a for s in statements("airgap") for a in s["Action"]}
    assert not {a for a in keeper if a.startswith("s3:") and ("Delete" in a or "Bypass" in a or "Abort" in a)}
    assert not {a for a in keeper if a.startswith(("rds:", "ec2:", "route53", "eks:Update", "lambda:"))}


def test_the_primary_region_is_asked_for_what_its_cases_need_and_fenced_and_no_more() -> None:
    there = {a for s in statements("tick") for r in s["Resource"] for a in s["Action"] if ":us-east-1:" in r}
    terraform = {f"dynamodb:{verb}Item" for verb in ("Get", "Put", "Delete")} | {"kms:Decrypt", "kms:GenerateDataKey"}
    acl = {"ec2:CreateNetworkAclEntry", "ec2:DeleteNetworkAclEntry"}
    zone = {f"arc-zonal-shift:{verb}ZonalShift" for verb in ("Start", "Update", "Cancel")}
    zone |= {"arc-zonal-shift:GetManagedResource", "rds:DescribeDBInstances", "rds:RebootDBInstance"}
    restored = {"rds:AddTagsToResource", "rds:ModifyDBInstance", "rds:RestoreDBInstanceToPointInTime"}
    restored |= {"secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue", "rds:DeleteDBInstance"}
    back = {"rds:CreateDBInstanceReadReplica", "rds:PromoteReadReplica", "rds:CreateDBSnapshot"}
    back |= {"kms:CreateGrant", "kms:DescribeKey"}
    quarantine = {"ec2:ModifyInstanceAttribute", "ec2:DescribeInstanceAttribute", "ec2:ReplaceNetworkAclAssociation"}
    quarantine |= {"ec2:ModifyNetworkInterfaceAttribute", "ec2:CreateSnapshots", "ec2:CreateTags", "ec2:LockSnapshot"}
    images = {f"ecr:{verb}LifecyclePolicy" for verb in ("Get", "Delete", "Put")}
    needed = {"cloudwatch:DescribeAlarms", "eks:DescribeCluster"}
    assert there == needed | acl | terraform | zone | restored | back | quarantine | images


def test_of_terraform_s_bucket_only_the_state_is_written_and_only_its_lock_is_deleted() -> None:
    row = POLICY.backups.terraform_states[0]
    state = f"arn:aws:s3:::{row.bucket}/{row.key}"
    by_action = {a: s["Resource"] for s in statements("tick") for a in s["Action"] if state in str(s["Resource"])}
    assert by_action["s3:DeleteObject"] == [f"{state}.tflock"]
    assert by_action["s3:GetObjectVersionTagging"] == [state]
    assert "s3:DeleteObjectVersion" not in by_action


def test_nothing_of_rds_is_deleted_but_what_a_drill_made_and_what_a_failback_has_set_aside() -> None:
    made = [s for s in statements("tick") if any(a.startswith("rds:") for a in s["Action"])]
    deleted = {r for s in made if any("Delete" in a for a in s["Action"]) for r in s["Resource"]}
    assert {r.split(":", 3)[-1] for r in deleted} == {
        f"{region}:{POLICY.platform.account}:{what}"
        for region, what in (
            ("us-east-1", "db:neurectomy-pg-drill-*"),
            ("us-east-1", "db:neurectomy-pg-aside-*"),
            ("us-west-2", "db:neurectomy-pg-west-aside-*"),
            # Its last snapshot is made under these names; to delete a snapshot nobody here has the right.
            ("us-east-1", "snapshot:neurectomy-pg-aside-*"),
            ("us-west-2", "snapshot:neurectomy-pg-west-aside-*"),
        )
    }
    assert not any("DeleteDBSnapshot" in a for s in made for a in s["Action"])
    modified = [r for s in made if "rds:ModifyDBInstance" in s["Action"] for r in s["Resource"]]
    # The two databases themselves are renamed by a failback: IAM knows no right to that alone.
    assert sorted({r.split(":", 5)[-1] for r in modified}) == [
        "db:neurectomy-pg",
        "db:neurectomy-pg-aside-*",
        "db:neurectomy-pg-at-*",
        "db:neurectomy-pg-drill-*",
        "db:neurectomy-pg-west",
        "db:neurectomy-pg-west-aside-*",
        "pg:*",
    ]


@pytest.mark.parametrize("name", ["heart", "witness"])
def test_an_agent_may_touch_only_the_items_that_are_its_own(name: str) -> None:
    template = primary(POLICY) if name == "heart" else witness(POLICY)
    (policy,) = [
        p for p in template["Resources"][f"{name.capitalize()}Role"]["Properties"]["Policies"] if "Fn::If" not in p
    ]
    table = [s for s in policy["PolicyDocument"]["Statement"] if s["Action"][0].startswith("dynamodb:")]
    keys = {
        action: statement["Condition"]["ForAllValues:StringEquals"]["dynamodb:LeadingKeys"]
        for statement in table
        for action in statement["Action"]
    }
    beats, desk, inbox = ["neurectomy#beats"], ["neurectomy#desk"], ["neurectomy#inbox"]
    if name == "heart":
        assert keys == {"dynamodb:GetItem": beats, "dynamodb:UpdateItem": beats}
    else:
        assert keys == {"dynamodb:GetItem": [*beats, *desk], "dynamodb:PutItem": inbox, "dynamodb:UpdateItem": beats}


def test_the_merge_adds_no_function_or_event_that_chalice_does_not_make(made: Package, template: Templates) -> None:
    plain = template()["Resources"]
    for name in names.FUNCTIONS:
        assert plain[logical(name)]["Type"] == "AWS::Serverless::Function"
        if name in EVENTS:
            assert EVENTS[name] in plain[logical(name)]["Properties"]["Events"]
    for name, resource in made.template["Resources"].items():
        assert resource.get("Type"), f"{name} was misspelled: it merged with nothing"


def test_every_function_has_a_place_for_what_it_fails_on(made: Package) -> None:
    functions = [r for r in made.template["Resources"].values() if r["Type"] == "AWS::Serverless::Function"]
    assert len(functions) == len(names.FUNCTIONS)
    for function in functions:
        invoked = function["Properties"]["EventInvokeConfig"]
        assert invoked["DestinationConfig"]["OnFailure"]["Destination"] == {"Fn::GetAtt": ["FailedEvents", "Arn"]}


def test_the_configuration_names_the_functions_that_the_app_has(made: Package) -> None:
    handlers = {
        r["Properties"]["Handler"].removeprefix("app.")
        for r in made.template["Resources"].values()
        if r["Type"] == "AWS::Serverless::Function"
    }
    configured = json.loads((ROOT / ".chalice" / "config.json").read_text())["stages"]
    assert all(set(stage["lambda_functions"]) == handlers == set(names.FUNCTIONS) for stage in configured.values())


def test_the_package_is_small_and_holds_what_it_needs(made: Package) -> None:
    assert made.zip.stat().st_size <= 8_000_000
    held = zipfile.ZipFile(made.zip).namelist()
    assert {"app.py", "policies/platform.yaml"} <= set(held)
    assert not [n for n in held if n.startswith(("boto3/", "botocore/", "drctl/", "tests/"))]
    assert any(n.startswith("chalicelib/__pycache__/desk.") for n in held)
    assert "chalicelib/desk.py" in held
    assert "pydantic/main.pyc" in held
    assert "pydantic/main.py" not in held


def test_the_template_names_the_zip_that_stands_beside_it(made: Package) -> None:
    """`aws cloudformation package` uploads what CodeUri names, relative to the template."""
    functions = [r for r in made.template["Resources"].values() if r["Type"] == "AWS::Serverless::Function"]
    assert {f["Properties"]["CodeUri"] for f in functions} == {"./package.zip"}
    for function in functions:
        assert (made.zip.parent / function["Properties"]["CodeUri"]).resolve() == made.zip.resolve()


def test_the_package_is_the_same_byte_by_byte(made: Package, tmp_path: Path) -> None:
    again = package_of(ROOT, FOLDER, POLICY, "local", tmp_path)
    assert again.zip.read_bytes() == made.zip.read_bytes()


def test_the_package_imports_alone_and_without_the_x_ray_sdk(made: Package, tmp_path: Path) -> None:
    zipfile.ZipFile(made.zip).extractall(tmp_path)
    script = "import app, sys; print(sorted(m for m in sys.modules if 'xray' in m or 'drctl' in m))"
    done = subprocess.run(
        [sys.executable, "-c", script],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "AWS_DEFAULT_REGION": "us-west-2", "DR_STAGE": "local"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_the_primary_hands_events_of_aws_services_to_the_responder_s_bus_and_its_role_can_do_nothing_else() -> None:
    template = primary(POLICY)["Resources"]
    bus = "arn:aws:events:us-west-2:111122223333:event-bus/default"
    rule, role = template["ServiceEvents"]["Properties"], template["ServiceEventsRole"]["Properties"]
    (target,) = rule["Targets"]
    assert target["Arn"] == bus
    assert rule["EventPattern"]["source"] == ["aws.health", "aws.guardduty"]
    (document,) = [p["PolicyDocument"] for p in role["Policies"]]
    assert document["Statement"] == [{"Effect": "Allow", "Action": "events:PutEvents", "Resource": bus}]
    senders = template["UndeliveredAlarmsPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    rules = [s["Condition"]["ArnEquals"]["aws:SourceArn"] for s in senders]
    assert rules[1] == f"arn:aws:events:us-east-1:111122223333:rule/{rule['Name']}"
    # Its policy could not name whose rule may publish.
    topic = template["AlarmTopicPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert [s["Principal"] for s in topic] == [{"Service": "cloudwatch.amazonaws.com"}]


def test_nothing_is_handed_on_where_policy_names_no_events() -> None:
    signals = POLICY.signals.model_copy(update={"health": (), "findings": ()})
    assert "ServiceEvents" not in primary(POLICY.model_copy(update={"signals": signals}))["Resources"]
