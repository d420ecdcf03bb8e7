"""`drctl verify-account`: an account as claimed has no difference; each kind of difference is told as one row."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from botocore import xform_name
from moto import mock_aws
from typer.testing import CliRunner

from chalicelib import names
from chalicelib.account.endpoint import endpoint_check
from chalicelib.account.verdicts import Verdict
from chalicelib.policy import Policy
from drctl.account.asking import READS, Account, UndeclaredError, iam_policy
from drctl.cli.main import app
from drctl.deployment.primary import alarm_stack
from tests.account.house import PRIMARY, STANDBY, Watched, build, client, differing, lifecycle


@pytest.fixture
def account(policy: Policy) -> Iterator[None]:
    with mock_aws(config={"lambda": {"use_docker": False}}):
        build(policy)
        yield


@pytest.mark.usefixtures("account")
def test_an_account_as_claimed_has_no_difference_and_only_reads_are_made(policy: Policy) -> None:
    watched = Watched(policy)
    assert differing(policy, watched) == []
    # What was really called, by the clients' own record: each listed, each of them once needed, none that changes.
    listed = {(s, o) for s, operations in READS.items() for o in operations}
    assert {(s, xform_name(o)) for s, o in watched.asked} == listed
    assert all(o.startswith(("Describe", "Get", "List")) for _, o in watched.asked)
    assert not {o for _, o in watched.asked if o in ("GetSecretValue", "GetObject")}


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize("other", ["none", "elsewhere"])
def test_versions_that_no_rule_ends_are_kept(policy: Policy, other: str) -> None:
    row = policy.backups.restorable[0]
    if other == "none":
        client("s3", row.region).delete_bucket_lifecycle(Bucket=row.bucket)
    else:
        lifecycle(policy, row.bucket, 1, "logs/")
    assert differing(policy) == []


Change = Callable[[Policy], object]
DIFFERENCES: dict[str, tuple[Change, str, str, str]] = {
    "an instance that is not Multi-AZ": (
        lambda p: client("rds", PRIMARY).modify_db_instance(
            DBInstanceIdentifier=p.platform.database.primary.instance, MultiAZ=False, ApplyImmediately=True
        ),
        "RDS instance acme-pg in eu-west-1",
        "Multi-AZ",
        "no",
    ),
    "a node group that is gone": (
        lambda p: client("eks", STANDBY).delete_nodegroup(
            clusterName=p.platform.clusters.standby.name, nodegroupName="workers"
        ),
        "node group workers of acme-euc1",
        "exists",
        "not there",
    ),
    "a node group that cannot grow": (
        lambda p: client("eks", STANDBY).update_nodegroup_config(
            clusterName=p.platform.clusters.standby.name, nodegroupName="workers", scalingConfig={"maxSize": 7}
        ),
        "node group workers of acme-euc1",
        "largest size",
        "7",
    ),
    "a bucket whose versions are not kept": (
        lambda p: client("s3", STANDBY).put_bucket_versioning(
            Bucket=p.backups.replication[0].destination, VersioningConfiguration={"Status": "Suspended"}
        ),
        "bucket acme-backups-eu-central-1",
        "versioning",
        "Suspended",
    ),
    "replication that is switched off": (
        lambda p: client("s3", PRIMARY).delete_bucket_replication(Bucket=p.backups.replication[0].source),
        "replication of acme-backups-eu-west-1",
        "exists",
        "not there",
    ),
    "an alarm with another threshold": (
        lambda p: _alarm(p, "PodAvailability", Threshold=50),
        "alarm PodAvailability in eu-west-1",
        "Threshold",
        "50.0",
    ),
    "an alarm that reads silence as good": (
        lambda p: _alarm(p, "ClusterHealth", TreatMissingData="notBreaching"),
        "alarm ClusterHealth in eu-west-1",
        "TreatMissingData",
        "notBreaching",
    ),
    "an alarm that tells nobody of its OK": (
        lambda p: _alarm(p, "NodeReadiness", OKActions=[]),
        "alarm NodeReadiness in eu-west-1",
        "OKActions has the topic",
        "no",
    ),
    "an alarm that is gone": (
        lambda _: client("cloudwatch", "us-east-1").delete_alarms(AlarmNames=["acme-endpoint-health"]),
        "alarm acme-endpoint-health in us-east-1",
        "exists",
        "not there",
    ),
    "a topic that CloudWatch may not speak to": (
        lambda p: client("sns", PRIMARY).set_topic_attributes(
            TopicArn=names.alarm_topic_arn(p, PRIMARY),
            AttributeName="Policy",
            AttributeValue=json.dumps({"Version": "2012-10-17", "Statement": []}),
        ),
        "topic acme-dr-alarms in eu-west-1",
        "CloudWatch may publish",
        "no",
    ),
    "a responder that the topic may not invoke": (
        lambda p: client("lambda", STANDBY).remove_permission(
            FunctionName=names.function(p, "on_alarm_sns"), StatementId="topic0"
        ),
        "topic acme-dr-alarms in eu-west-1",
        "may invoke the responder",
        "no",
    ),
    "a secret that will be deleted": (
        lambda _: client("secretsmanager", STANDBY).delete_secret(SecretId="acme/database"),
        "secret acme/database in eu-central-1",
        "will be deleted",
        "yes",
    ),
    "a table without point-in-time recovery": (
        lambda p: client("dynamodb", STANDBY).update_continuous_backups(
            TableName=p.platform.responder.table,
            PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": False},
        ),
        "table acme-dr in eu-central-1",
        "point-in-time recovery",
        "DISABLED",
    ),
    "a lifecycle that keeps versions for less long than is promised": (
        lambda p: lifecycle(p, p.backups.restorable[0].bucket, 14),
        "bucket acme-mlflow-eu-west-1",
        "versions below 'artifacts/' are kept",
        "14 days",
    ),
    "a lifecycle of a part of what is promised": (
        lambda p: lifecycle(p, p.backups.restorable[0].bucket, 7, "artifacts/old/"),
        "bucket acme-mlflow-eu-west-1",
        "versions below 'artifacts/' are kept",
        "7 days",
    ),
    "an artifacts' bucket that keeps no versions": (
        lambda p: client("s3", PRIMARY).put_bucket_versioning(
            Bucket=p.backups.restorable[0].bucket, VersioningConfiguration={"Status": "Suspended"}
        ),
        "bucket acme-mlflow-eu-west-1",
        "versioning",
        "Suspended",
    ),
    "a function with a shorter timeout": (
        lambda p: client("lambda", STANDBY).update_function_configuration(
            FunctionName=names.function(p, "tick"), Timeout=30
        ),
        "function acme-dr-tick in eu-central-1",
        "timeout",
        "30",
    ),
    "a function that loses what fails": (
        lambda p: client("lambda", STANDBY).delete_function_event_invoke_config(
            FunctionName=names.function(p, "probe")
        ),
        "function acme-dr-probe in eu-central-1",
        "what becomes of failed events",
        "not there",
    ),
    "an endpoint check that is turned round": (
        lambda p: _check(p, Inverted=True),
        "health check 'endpoint'",
        "Inverted",
        "yes",
    ),
    "an endpoint check that is switched off": (
        lambda p: _check(p, Disabled=True),
        "health check 'endpoint'",
        "Disabled",
        "yes",
    ),
    "an endpoint check with another patience": (
        lambda p: _check(p, FailureThreshold=9),
        "health check 'endpoint'",
        "FailureThreshold",
        "9",
    ),
    "a secondary record that carries a check": (
        lambda p: _record(p, "standby", "endpoint"),
        "record api.acme.example 'standby'",
        "health check",
        "endpoint",
    ),
    "the name that Cloudflare leads to by day stays where it is": (
        lambda p: _record(p, "primary", "endpoint", zone="aws.acme.example"),
        "record api.aws.acme.example 'primary'",
        "health check",
        "endpoint",
    ),
    "a primary record that carries the wrong check": (
        lambda p: _record(p, "primary", "endpoint"),
        "record api.acme.example 'primary'",
        "health check",
        "endpoint",
    ),
}


def _alarm(policy: Policy, name: str, **other: object) -> None:
    resources = alarm_stack(policy, PRIMARY)["Resources"].values()
    wanted = next(r["Properties"] for r in resources if r["Properties"].get("AlarmName") == name)
    topic = [names.alarm_topic_arn(policy, PRIMARY)]
    wanted = wanted | {key: topic for key in wanted if key.endswith("Actions")} | other
    client("cloudwatch", PRIMARY).put_metric_alarm(**wanted)


def _checks() -> dict[str, str]:
    found = client("route53", STANDBY).list_health_checks()["HealthChecks"]
    return {check["HealthCheckConfig"]["Type"]: check["Id"] for check in found}


def _check(policy: Policy, **other: object) -> None:
    # moto forgets the regions of an update that names none; Route 53 keeps them.
    kept = {"Regions": endpoint_check(policy)["Regions"]}
    client("route53", STANDBY).update_health_check(HealthCheckId=_checks()["HTTPS"], **kept, **other)


def _record(policy: Policy, identifier: str, check: str, zone: str = "") -> None:
    route53 = client("route53", STANDBY)
    name = zone or policy.platform.traffic.zone
    zones = route53.list_hosted_zones_by_name(DNSName=name)["HostedZones"]
    zone = next(z["Id"] for z in zones if z["Name"] == f"{name}.")
    records = route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    record = next(r for r in records if r.get("SetIdentifier") == identifier)
    kind = {"endpoint": endpoint_check(policy)["Type"], "switch": "CLOUDWATCH_METRIC"}[check]
    changed = record | {"HealthCheckId": _checks()[kind]}
    route53.change_resource_record_sets(
        HostedZoneId=zone, ChangeBatch={"Changes": [{"Action": "UPSERT", "ResourceRecordSet": changed}]}
    )


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize("name", DIFFERENCES)
def test_a_difference_is_one_row(policy: Policy, name: str) -> None:
    change, subject, what, found = DIFFERENCES[name]
    change(policy)
    rows = differing(policy)
    assert [(r.subject, r.what, r.found, r.verdict) for r in rows] == [(subject, what, found, Verdict.DIFFERS)]
    assert rows[0].field.split(".")[0].split("[")[0] in {"platform", "signals", "backups", "notifications"}


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize(
    ("said", "what"),
    [
        ({"sandbox": True}, {"out of the sandbox"}),
        ({"verified": False}, {"verified"}),
        ({"markers": "Enabled"}, {"delete markers are copied"}),
        ({"promoted": True}, {"replicates from"}),
        ({"encrypted": "Disabled"}, {"objects under a KMS key"}),
        # A check over another alarm is not the switch: it is missing, and the primary's record carries a stranger.
        ({"alarm": "another"}, {"exists", "health check"}),
    ],
)
def test_differences_that_moto_cannot_hold(policy: Policy, said: dict[str, object], what: set[str]) -> None:
    rows = differing(policy, Watched(policy, **said))  # type: ignore[arg-type] # one of its options
    assert {row.what for row in rows} == what
    assert {row.verdict for row in rows} == {Verdict.DIFFERS}


def test_an_empty_account_lacks_everything_and_nothing_breaks(policy: Policy) -> None:
    with mock_aws(config={"lambda": {"use_docker": False}}):
        rows = differing(policy)
    assert {row.verdict for row in rows} == {Verdict.DIFFERS}
    assert {"exists", "verified", "public zones of this name"} <= {row.what for row in rows}


@pytest.mark.usefixtures("account")
def test_an_operation_that_is_not_listed_is_refused_before_it_is_made(policy: Policy) -> None:
    watched = Watched(policy)
    with pytest.raises(UndeclaredError, match="secretsmanager get_secret_value is not among"):
        Account(watched).ask("secretsmanager", STANDBY, "get_secret_value", SecretId="acme/database")
    assert watched.asked == set()


def test_the_printed_policy_allows_reads_only() -> None:
    (statement,) = iam_policy()["Statement"]
    assert len(statement["Action"]) == sum(map(len, READS.values())) - 1
    assert all(a.split(":")[1].startswith(("Describe", "Get", "List")) for a in statement["Action"])
    assert not {"secretsmanager:GetSecretValue", "s3:GetObject", "dynamodb:GetItem"} & set(statement["Action"])
    printed = CliRunner().invoke(app, ["verify-account", "--print-policy"])
    assert json.loads(printed.output) == iam_policy()
