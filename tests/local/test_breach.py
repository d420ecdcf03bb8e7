"""A security breach and ransomware in the deployed local world, from GuardDuty's finding to what was rebuilt."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
from botocore.exceptions import ClientError

from chalicelib.core.bounds import spelled
from chalicelib.core.incident import Incident, StepState
from chalicelib.policy.platform import DatabaseSide
from drctl.cli.airgap import asking as copy_now
from tests.local.people import approve_all, at, explained, settle_debts
from tests.local.stage import Stage, eventually, up, utc

# Whole cases of minutes each: `make test-long` runs them, `make test` does not.
pytestmark = pytest.mark.long
BREACH, RANSOMWARE = "neurectomy/security", "neurectomy/ransomware"
FOLDER: Final = "neurectomy-mlflow-us-east-1/artifacts/"
SPACE: Final = "ml"
ASKED: Final = ("rds", "secretsmanager", "s3", "ec2", "guardduty")
CONTAINED: Final = (
    *("quarantine-instances", "quarantine-subnets", "quarantine-namespaces", "pause-lifecycles"),
    *("keep-databases", "keep-images"),
    *("keep-backups", "keep-standby-backups", "pause-schedules", "snapshots", "logs", "objects", "copies"),
)
RELEASED: Final = frozenset({"release-instances", "release-subnets", "release-namespaces"})


@pytest.fixture
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A world of its own for each case: what is quarantined stays so."""
    folder: Path = tmp_path_factory.mktemp("breach")
    with up(folder, speed=10.0) as made:
        made.healthy()
        made.say("set-mode", mode="automatic", id="mode")
        copied(made)
        yield made


def copied(stage: Stage) -> None:
    """Returns when each vault has a whole copy: what a breach is answered with was made before it."""
    airgap = stage.policy.backups.airgap
    assert airgap is not None
    said: dict[str, Any] = {}

    def whole() -> bool:
        said.update(stage.invoke("airgap", copy_now(utc())))
        return all(" holds " in said[v.name] or "nothing newer" in said[v.name] for v in airgap.vaults)

    eventually(whole, within=200, what=f"a whole copy in each vault, {said}")


def standing(stage: Stage) -> dict[str, Any]:
    """Everything that a containment moves and may give back, as it is on the real parts."""
    platform, ec2 = stage.world.platform, stage.client("ec2", stage.primary)
    instances = [i for r in ec2.describe_instances()["Reservations"] for i in r["Instances"]]
    primary = platform.clusters[stage.policy.platform.clusters.primary.name]
    return {
        "groups": {i["InstanceId"]: sorted(g["GroupId"] for g in i["SecurityGroups"]) for i in instances},
        "acls": {
            a["SubnetId"]: acl["NetworkAclId"]
            for acl in ec2.describe_network_acls()["NetworkAcls"]
            for a in acl["Associations"]
        },
        "policies": sorted(
            f"{o['metadata']['namespace']}/{o['metadata']['name']}"
            for o in primary.objects("networkpolicies.networking.k8s.io")
        ),
        "rules": {bucket: rules(stage, bucket, region) for bucket, region in expiring(stage)},
        "locations": {
            (name, o["metadata"]["name"]): o["spec"].get("accessMode", "ReadWrite")
            for name, api in platform.clusters.items()
            for o in api.objects("backupstoragelocations.velero.io")
        },
        "databases": {side.instance: kept_for(stage, side) for side in sides(stage)},
        "images": platform.ecr.lifecycles(),
        "schedules": {
            o["metadata"]["name"]: bool(o["spec"].get("paused")) for o in primary.objects("schedules.velero.io")
        },
    }


def sides(stage: Stage) -> tuple[DatabaseSide, DatabaseSide]:
    database = stage.policy.platform.database
    return database.primary, database.replica


def kept_for(stage: Stage, side: DatabaseSide) -> tuple[bool, int]:
    """Whether an instance is protected from deletion, and for how many days its backups are kept."""
    rds = stage.client("rds", side.region)
    (found,) = rds.describe_db_instances(DBInstanceIdentifier=side.instance)["DBInstances"]
    return found["DeletionProtection"], found["BackupRetentionPeriod"]


def expiring(stage: Stage) -> list[tuple[str, str]]:
    """Bucket and region of whatever has lifecycle rules."""
    s3 = stage.client("s3", stage.primary)
    found = []
    for bucket in (b["Name"] for b in s3.list_buckets()["Buckets"]):
        region = s3.get_bucket_location(Bucket=bucket).get("LocationConstraint") or "us-east-1"
        if rules(stage, bucket, region):
            found.append((bucket, region))
    return found


def rules(stage: Stage, bucket: str, region: str) -> dict[str, str]:
    try:
        found = stage.client("s3", region).get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchLifecycleConfiguration":
            return {}
        raise
    return {rule["ID"]: rule["Status"] for rule in found}


def contents(stage: Stage) -> dict[str, bytes]:
    """What users read below the folder."""
    s3, bucket = stage.client("s3", stage.primary), FOLDER.partition("/")[0]
    keys = stage.world.platform.folders.keys(FOLDER)
    return {key: s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}


def moment(stage: Stage) -> str:
    """A second that is over, and to which RDS can restore."""
    as_of = datetime.now(UTC)
    side = stage.policy.platform.database.primary
    rds = stage.client("rds", side.region)

    def restorable() -> bool:
        (found,) = rds.describe_db_instances(DBInstanceIdentifier=side.instance)["DBInstances"]
        return bool(found.get("LatestRestorableTime", as_of.replace(year=2000)) > as_of)

    eventually(restorable, within=120, what="a restorable moment")
    return spelled(as_of)


def intruded(made: Mapping[str, Any], stage: Stage) -> tuple[str, str]:
    """The instance that a break names, and its subnet."""
    ec2 = stage.client("ec2", stage.primary)
    every = {i["InstanceId"]: i for r in ec2.describe_instances()["Reservations"] for i in r["Instances"]}
    instance = next(i for i in every if i in json.dumps(made))
    return instance, every[instance]["SubnetId"]


def done(stage: Stage, scope: str, *steps: str) -> Incident | None:
    found = at(stage, scope)
    return found if found and all(found.step(s).state is StepState.DONE for s in steps) else None


def confirmed(stage: Stage, scope: str) -> Incident | None:
    found = at(stage, scope)
    return found if found and found.confirmed_at else None


def assert_contained(stage: Stage, instance: str, subnet: str) -> None:
    containment = stage.policy.platform.containment
    assert containment is not None
    now = standing(stage)
    assert now["groups"][instance] == [containment.quarantine_group]
    assert now["acls"][subnet] == containment.quarantine_acl
    assert f"{SPACE}/dr-quarantine" in now["policies"]
    assert {status for of in now["rules"].values() for status in of.values()} == {"Disabled"}
    assert set(now["locations"].values()) == {"ReadOnly"}
    primary, replica = sides(stage)
    assert now["databases"] == {primary.instance: (True, 35), replica.instance: (True, 0)}
    assert now["images"] == {}
    for side in (primary, replica):
        with pytest.raises(ClientError, match="protected DB Instance"):
            stage.client("rds", side.region).delete_db_instance(
                DBInstanceIdentifier=side.instance, SkipFinalSnapshot=True
            )
    assert all(now["schedules"].values())


def assert_evidence(stage: Stage, incident: Incident, instance: str) -> None:
    """It is there, and nobody takes it away: not the platform's own root."""
    containment = stage.policy.platform.containment
    assert containment is not None
    row = containment.evidence
    s3 = stage.client("s3", row.region)
    versions = s3.list_object_versions(Bucket=row.bucket).get("Versions", [])
    mine = [v for v in versions if incident.id in v["Key"]]
    assert any("/logs/" in v["Key"] for v in mine)
    assert any("/clusters/" in v["Key"] for v in mine)
    for version in mine[:3]:
        held = s3.get_object_retention(Bucket=row.bucket, Key=version["Key"], VersionId=version["VersionId"])
        assert held["Retention"]["Mode"] == row.lock.mode
        with pytest.raises(ClientError) as refused:
            s3.delete_object(Bucket=row.bucket, Key=version["Key"], VersionId=version["VersionId"])
        assert refused.value.response["Error"]["Code"] == "AccessDenied"
    ec2 = stage.client("ec2", stage.primary)
    snapshots = [
        s
        for s in ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]
        if {"Key": "dr-responder/instance", "Value": instance} in s.get("Tags", [])
    ]
    assert snapshots
    locks = {lock["SnapshotId"]: lock["LockState"] for lock in ec2.describe_locked_snapshots()["Snapshots"]}
    assert {locks.get(s["SnapshotId"]) for s in snapshots} == {row.lock.mode.lower()}


def test_a_breach_is_contained_evidence_is_kept_and_two_people_let_a_clean_room_be_made(stage: Stage) -> None:
    with explained(stage, BREACH, *ASKED):
        before, as_of = standing(stage), moment(stage)
        instance, subnet = intruded(stage.told("break", "breach"), stage)
        doubt = eventually(lambda: at(stage, BREACH), within=60, what="an incident in doubt")
        assert doubt.state == "suspecting"
        assert standing(stage) == before
        choices = {"instances": instance, "subnets": subnet, "namespaces": SPACE, "as_of": as_of}
        chosen = [part for name, value in choices.items() for part in ("--choose", f"{name}={value}")]
        assert stage.told("declare", "security-breach", BREACH, *chosen, "--by", "ana")["ok"]

        def contained() -> Incident | None:
            approve_all(stage, BREACH, but=("rebuild",))
            return done(stage, BREACH, *CONTAINED, "room-runs", "switch-database")

        incident = eventually(contained, within=240, what="everything contained and restored")
        assert_contained(stage, instance, subnet)
        assert_evidence(stage, incident, instance)
        for step in ("restore-database", "switch-database", "room-restore"):
            approval = incident.step(step).approval
            assert approval is not None
            assert len(set(approval.arns)) == 2, step
        standby = stage.world.platform.clusters[stage.policy.platform.clusters.standby.name]
        (wall,) = standby.objects("networkpolicies.networking.k8s.io", f"clean-{SPACE}")
        assert wall["spec"]["policyTypes"] == ["Ingress", "Egress"]
        assert standby.ready_deployment(f"clean-{SPACE}", "ml-service")

        def over() -> Incident | None:
            approve_all(stage, BREACH)
            return stage.archive(BREACH)

        closed = eventually(over, within=180, what="the archive")
        assert closed.ending == "recovered"
        assert standing(stage) == before
        assert not any(o["metadata"]["name"].startswith("clean-") for o in standby.objects("namespaces"))


def test_a_breach_that_is_called_off_is_taken_back_debt_by_debt(stage: Stage) -> None:
    with explained(stage, BREACH, *ASKED):
        before, as_of = standing(stage), moment(stage)
        instance, subnet = intruded(stage.told("break", "breach"), stage)
        choices = {"instances": instance, "subnets": subnet, "namespaces": SPACE, "as_of": as_of}
        eventually(lambda: at(stage, BREACH), within=60, what="an incident in doubt")
        chosen = [part for name, value in choices.items() for part in ("--choose", f"{name}={value}")]
        assert stage.told("declare", "security-breach", BREACH, *chosen, "--by", "ana")["ok"]
        restores = ("restore-database", "switch-database", "room-restore", "rebuild")

        def contained() -> Incident | None:
            approve_all(stage, BREACH, but=restores, by=("ana",))
            return done(stage, BREACH, *CONTAINED)

        incident = eventually(contained, within=180, what="everything contained")
        assert_contained(stage, instance, subnet)
        assert stage.told("abort", incident.id, "--by", "ana", "--note", "a test of our own")["ok"]
        closed = eventually(lambda: stage.archive(BREACH), within=60, what="the archive")
        assert closed.ending == "aborted"

        def asked() -> set[str]:
            book = stage.book()
            assert book is not None
            cases = [d.case for d in book.debts if d.case]
            return {s for c in cases for s, r in c.steps.items() if r.state is StepState.ASKING}

        eventually(lambda: asked() >= RELEASED, within=60, what="what is owed asking")
        assert "drctl approve" in stage.drctl("status").stdout
        book = stage.book()
        assert book is not None
        told = [f for f in book.findings.values() if f.kind.startswith("debt-")]
        assert {f.kind.rpartition("release-")[2] for f in told} >= {"instances", "subnets", "namespaces"}
        assert_contained(stage, instance, subnet)
        eventually(lambda: settle_debts(stage), within=120, what="nothing owed")
        assert standing(stage) == before


def test_what_was_encrypted_is_put_back_as_it_was_before(stage: Stage) -> None:
    with explained(stage, RANSOMWARE, *ASKED):
        before, whole, as_of = standing(stage), contents(stage), moment(stage)
        instance, subnet = intruded(stage.told("break", "ransomware", "--folder", FOLDER), stage)
        spoiled = contents(stage)
        assert len(spoiled) < len(whole)
        assert not any(spoiled[key] == whole[key] for key in spoiled)
        found = eventually(lambda: confirmed(stage, RANSOMWARE), within=120, what="a confirmed incident")
        assert found.declared_by is None
        choices = {"instances": instance, "subnets": subnet, "namespaces": SPACE, "as_of": as_of, "folder": FOLDER}
        chosen = [f"{name}={value}" for name, value in choices.items()]
        assert stage.told("choose", found.id, *chosen, "--by", "ana")["ok"]

        def restored() -> Incident | None:
            approve_all(stage, RANSOMWARE, but=("rebuild",))
            return done(stage, RANSOMWARE, *CONTAINED, "artifacts")

        eventually(restored, within=240, what="the objects put back")
        assert contents(stage) == whole
        assert_contained(stage, instance, subnet)

        def over() -> Incident | None:
            approve_all(stage, RANSOMWARE)
            return stage.archive(RANSOMWARE)

        closed = eventually(over, within=180, what="the archive")
        assert closed.ending == "recovered"
        assert contents(stage) == whole
        assert standing(stage) == before
