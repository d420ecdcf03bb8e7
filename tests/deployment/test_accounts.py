"""What the responder is granted where the platform stands in other accounts: the way in, and there what is declared."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from chalicelib import names
from chalicelib.actions.contract import AwsOp
from chalicelib.policy import Policy
from chalicelib.policy.accounts import Account, holder, named_by
from chalicelib.policy.load import load
from drctl.deployment import accounts, agents, generate, network
from drctl.deployment.permissions import document, operations
from drctl.deployment.resources import resources
from drctl.world.iam import Principal, Request
from tests.deployment.conftest import ROOT
from tests.policy.elsewhere import DATA, SHARED, policy_elsewhere

OWN = "111122223333"
WRITES, READS = (f"arn:aws:iam::{DATA}:role/dr/neurectomy-dr-{what}" for what in ("writes", "reads"))
BOTH = f"arn:aws:iam::{SHARED}:role/neurectomy-dr"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("elsewhere") / "policies"


@pytest.fixture(scope="module")
def policy(folder: Path) -> Policy:
    return policy_elsewhere(folder)


def account(policy: Policy, name: str) -> Account:
    return next(row for row in policy.platform.accounts if row.name == name)


def role(policy: Policy, name: str, which: str) -> dict[str, Any]:
    found: dict[str, Any] = accounts.template(policy, account(policy, name))["Resources"][which]["Properties"]
    return found


def granted(documents: list[dict[str, Any]]) -> set[tuple[str, str]]:
    """(action, resource) of every statement."""
    return {(a, r) for d in documents for s in d["Statement"] for a in s["Action"] for r in s["Resource"]}


def inline(role_: dict[str, Any]) -> list[dict[str, Any]]:
    return [p["PolicyDocument"] for p in role_["Policies"]]


def test_a_function_may_assume_exactly_the_roles_that_policy_names(policy: Policy) -> None:
    for name in names.FUNCTIONS:
        assumed = {r for a, r in granted([document(policy, name)]) if a == "sts:AssumeRole"}
        # Whoever only looks has no way into the role that writes, but where policy has one role for both.
        assert assumed == ({READS, BOTH} if name == names.READINESS else {READS, WRITES, BOTH})


def test_the_heart_may_assume_the_roles_of_the_account_its_part_stands_in_and_the_witness_none(policy: Policy) -> None:
    heart, witness = (granted([agents.document(policy, name)]) for name in (names.HEART, names.WITNESS))
    assert {r for a, r in heart if a == "sts:AssumeRole"} == {READS, WRITES}
    assert not [a for a, _ in witness if a.startswith("sts:")]
    assert not [a for a, _ in heart if a.startswith(("rds:", "ec2:"))]


def test_nothing_of_another_account_is_granted_in_our_own(policy: Policy) -> None:
    for name in names.FUNCTIONS:
        held = granted([document(policy, name)])
        assert not [a for a, _ in held if a.startswith(("rds:", "ec2:", "eks:"))]
        assert {r.split(":")[4] for a, r in held if r != "*" and a != "sts:AssumeRole"} <= {OWN, ""}


def test_what_is_declared_is_granted_there_looks_to_one_role_and_changes_to_the_other(policy: Policy) -> None:
    looks, changes = (granted(inline(role(policy, "data", which))) for which in ("Reads", "Writes"))
    east, west = (f"arn:aws:{{}}:{region}:{DATA}" for region in ("us-east-1", "us-west-2"))
    secret = f"{west.format('secretsmanager')}:secret:neurectomy/database-??????"
    assert looks == {
        ("rds:DescribeDBInstances", f"{west.format('rds')}:db:neurectomy-pg-west"),
        ("rds:DescribeDBInstances", f"{east.format('rds')}:db:neurectomy-pg"),
        ("rds:DescribeEvents", "*"),
        ("rds:DescribeDBInstances", f"{east.format('rds')}:db:neurectomy-pg-at-*"),
        ("rds:DescribeDBInstances", f"{east.format('rds')}:db:neurectomy-pg-drill-*"),
        ("rds:DescribeDBInstances", f"{east.format('rds')}:db:neurectomy-pg-aside-*"),
        ("rds:DescribeDBInstances", f"{west.format('rds')}:db:neurectomy-pg-west-aside-*"),
        ("rds:DescribeDBInstanceAutomatedBackups", "*"),
        ("ec2:DescribeInstances", "*"),
        ("ec2:DescribeNetworkAcls", "*"),
        ("ec2:DescribeLockedSnapshots", "*"),
        ("ec2:DescribeSecurityGroups", "*"),
        ("ec2:DescribeSnapshots", "*"),
        ("ec2:DescribeInstanceAttribute", f"{east.format('ec2')}:instance/*"),
        ("secretsmanager:GetSecretValue", secret),
    }
    sides = ((east, "neurectomy-pg", "neurectomy-pg-west", west), (west, "neurectomy-pg-west", "neurectomy-pg", east))
    back = [
        found
        for here, mine, other, there in sides
        for found in (
            *((here, "ModifyDBInstance", what) for what in (f"db:{mine}", f"db:{mine}-aside-*", "pg:*")),
            *(
                (side, action, what)
                for action in ("CreateDBInstanceReadReplica", "AddTagsToResource")
                for side, what in (
                    (here, f"db:{mine}"),
                    (there, f"db:{other}"),
                    *((here, f"{g}:*") for g in ("og", "pg", "subgrp")),
                )
            ),
            *(
                (here, action, what)
                for action in ("DeleteDBInstance", "CreateDBSnapshot", "AddTagsToResource")
                for what in (f"db:{mine}-aside-*", f"snapshot:{mine}-aside-*")
            ),
        )
    ]
    restored = ("db:neurectomy-pg", "db:neurectomy-pg-at-*", "db:neurectomy-pg-drill-*", "og:*", "pg:*", "subgrp:*")
    assert changes == {
        ("rds:RebootDBInstance", f"{east.format('rds')}:db:neurectomy-pg"),
        *(
            (f"rds:{action}", f"{east.format('rds')}:{resource}")
            for action in ("RestoreDBInstanceToPointInTime", "AddTagsToResource")
            for resource in restored
        ),
        *(
            ("rds:ModifyDBInstance", f"{east.format('rds')}:{resource}")
            for resource in ("db:neurectomy-pg-at-*", "db:neurectomy-pg-drill-*", "pg:*")
        ),
        # What is deleted is a drill's, or what a failback has set aside, by its name.
        ("rds:DeleteDBInstance", f"{east.format('rds')}:db:neurectomy-pg-drill-*"),
        *((f"rds:{action}", f"{side.format('rds')}:{resource}") for side, action, resource in back),
        *(
            ("rds:PromoteReadReplica", f"{side.format('rds')}:db:{name}")
            for side, name in ((west, "neurectomy-pg-west"), (east, "neurectomy-pg"))
        ),
        *(
            (f"ec2:{verb}NetworkAclEntry", f"{side.format('ec2')}:network-acl/*")
            for side in (east, west)
            for verb in ("Create", "Delete")
        ),
        ("ec2:ModifyInstanceAttribute", f"{east.format('ec2')}:instance/*"),
        ("ec2:ModifyNetworkInterfaceAttribute", f"{east.format('ec2')}:network-interface/*"),
        ("ec2:ModifyNetworkInterfaceAttribute", f"{east.format('ec2')}:security-group/*"),
        ("ec2:ReplaceNetworkAclAssociation", f"{east.format('ec2')}:network-acl/*"),
        ("ec2:ReplaceNetworkAclAssociation", f"{east.format('ec2')}:subnet/*"),
        ("ec2:CreateSnapshots", f"{east.format('ec2')}:instance/*"),
        ("ec2:CreateSnapshots", f"{east.format('ec2')}:volume/*"),
        # A snapshot's ARN names no account.
        *((f"ec2:{a}", "arn:aws:ec2:us-east-1::snapshot/*") for a in ("CreateSnapshots", "CreateTags", "LockSnapshot")),
        ("secretsmanager:PutSecretValue", secret),
    }


def test_one_role_has_both_where_policy_names_one(policy: Policy) -> None:
    found = accounts.template(policy, account(policy, "shared"))["Resources"]
    assert list(found) == ["Reads"]
    held = {a for a, _ in granted(inline(found["Reads"]["Properties"]))}
    shifts = {f"arc-zonal-shift:{verb}ZonalShift" for verb in ("Start", "Update", "Cancel")}
    assert held == {
        *("eks:DescribeCluster", "eks:DescribeNodegroup", "eks:UpdateNodegroupConfig"),
        *("arc-zonal-shift:GetManagedResource", *shifts),
    }


def test_every_operation_is_granted_in_the_account_in_which_its_call_is_made(policy: Policy) -> None:
    """The one table, asked by what a call names and by what a statement names."""
    platform = policy.platform
    for side in (platform.database.primary, platform.database.replica):
        asked = holder(platform, *named_by(f"arn:aws:rds:{side.region}:{OWN}:db:{side.instance}"))
        assert asked == holder(platform, "rds", side.region, side.instance) == account(policy, "data")
    for cluster in (platform.clusters.primary, platform.clusters.standby):
        for resource in (f"cluster/{cluster.name}", f"nodegroup/{cluster.name}/workers/*"):
            asked = holder(platform, *named_by(f"arn:aws:eks:{cluster.region}:{OWN}:{resource}"))
            assert asked == holder(platform, "eks", cluster.region, cluster.name) == account(policy, "shared")
    everything = granted(
        [
            *(document(policy, name) for name in names.FUNCTIONS[:1]),
            *(
                d
                for n, w in (("data", "Reads"), ("data", "Writes"), ("shared", "Reads"))
                for d in inline(role(policy, n, w))
            ),
        ]
    )
    actions = {a for a, _ in everything}
    for op in operations(policy):
        assert isinstance(op, AwsOp)
        wanted = op.iam or (f"{op.service.replace('sesv2', 'ses')}:",)
        assert [a for a in actions if a.startswith(wanted[0])], op


def test_the_roles_trust_the_responder_s_own_roles_with_the_external_id_and_nobody_else(policy: Policy) -> None:
    for name, heart in (("data", True), ("shared", False)):
        template = accounts.template(policy, account(policy, name))
        callers = [names.logical(f) for f in (*names.FUNCTIONS, *(("heart",) if heart else ()))]
        assert list(template["Parameters"]) == [f"{c}RoleArn" for c in callers]
        for name_, made in template["Resources"].items():
            # Whoever only looks does not come in by the role that writes.
            trusted = [c for c in callers if name_ != "Writes" or c != names.logical(names.READINESS)]
            (trust,) = made["Properties"]["AssumeRolePolicyDocument"]["Statement"]
            assert trust == {
                "Effect": "Allow",
                "Principal": {"AWS": [{"Ref": f"{c}RoleArn"} for c in trusted]},
                "Action": "sts:AssumeRole",
                "Condition": {"StringEquals": {"sts:ExternalId": account(policy, name).external_id}},
            }


def test_the_roles_have_the_names_and_paths_that_policy_says(policy: Policy) -> None:
    made = role(policy, "data", "Writes")
    assert (made["Path"], made["RoleName"]) == ("/dr/", "neurectomy-dr-writes")
    assert (role(policy, "shared", "Reads")["Path"]) == "/"


def test_iam_lets_the_write_role_promote_and_the_read_role_not(policy: Policy) -> None:
    asked = Request("rds:PromoteReadReplica", f"arn:aws:rds:us-west-2:{DATA}:db:neurectomy-pg-west")
    assert Principal(WRITES, tuple(inline(role(policy, "data", "Writes")))).denial(asked) is None
    assert Principal(READS, tuple(inline(role(policy, "data", "Reads")))).denial(asked)


def test_the_access_entries_of_a_cluster_elsewhere_are_a_template_for_that_account(policy: Policy) -> None:
    files = generate.templates(policy)
    for place, cluster in (("primary", "neurectomy-use1"), ("standby", "neurectomy-usw2")):
        entries = files[f"access-{place}.json"]
        assert {e["Properties"]["ClusterName"] for e in entries["Resources"].values()} == {cluster}
        assert len(entries["Parameters"]) == len(names.FUNCTIONS)
    own = resources(policy)["Resources"].values()
    assert not [r for r in own if r.get("Type") == "AWS::EKS::AccessEntry"]


def test_cfn_lint_finds_nothing_in_them(policy: Policy, tmp_path: Path) -> None:
    files = {n: t for n, t in generate.templates(policy).items() if n.startswith(("account-", "access-", "primary"))}
    assert {"account-data.json", "account-shared.json", "access-standby.json", "primary.json"} <= set(files)
    for name, template in files.items():
        (tmp_path / name).write_text(generate.text(template))
    command = [str(Path(sys.executable).with_name("cfn-lint")), "--non-zero-exit-code", "warning"]
    done = subprocess.run([*command, *(str(tmp_path / n) for n in files)], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_drctl_prints_what_is_to_be_created_and_says_which_accounts_there_are(policy: Policy, folder: Path) -> None:
    command = [str(Path(sys.executable).with_name("drctl")), "rights", "--policies", str(folder), "--account"]
    done = subprocess.run([*command, "data"], check=False, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == accounts.template(policy, account(policy, "data"))
    assert yaml.safe_load(done.stdout)["Outputs"].keys() == {"Reads", "Writes"}
    unknown = subprocess.run([*command, "nobody"], check=False, capture_output=True, text=True, cwd=ROOT)
    assert unknown.returncode == 2
    assert "there are: data, shared" in unknown.stderr


def test_functions_in_a_network_reach_sts_by_an_endpoint_where_roles_are_assumed_and_only_there(policy: Policy) -> None:
    assert "sts" in network.services(policy)
    assert "sts" not in network.services(load(ROOT / "policies"))
