"""What would not run in the standby, found beforehand from the newest good backup, against the stand-ins."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest

from chalicelib.actions.contract import Op
from chalicelib.actions.reader import LiveReader
from chalicelib.core.outcome import NoData
from chalicelib.readiness.held import unpacked
from drctl.neighbours.aws import AwsError
from drctl.neighbours.eks import issuer
from drctl.neighbours.kubernetes.api import seed
from drctl.neighbours.kubernetes.kinds import by_key
from drctl.neighbours.kubernetes.velero.contents import packed
from drctl.readiness import Row, readiness, rewritten, worst
from drctl.standby_fit import READS, Fits, Kind, Unfit, Want, look, reads, wants
from drctl.world import workloads
from tests.actions.stage import POLICY
from tests.actions.test_life import ACCOUNT, PLATFORM, Stage, stage

__all__ = ["stage"]

STANDBY = PLATFORM.regions.standby
Params = Mapping[str, Any]


class Buckets:
    """GetObject: docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html (NoSuchKey, 404)."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], bytes] = {}

    def get_object(self, _region: str, _account: str, params: Params) -> dict[str, Any]:
        found = self.objects.get((params["Bucket"], params["Key"]))
        if found is None:
            raise AwsError("NoSuchKey", "The specified key does not exist.", 404)
        return {"Body": found, "ContentLength": len(found)}


class Iam:
    """GetRole: docs.aws.amazon.com/IAM/latest/APIReference/API_GetRole.html; the document is URL-encoded JSON."""

    def __init__(self) -> None:
        self.trusts: dict[str, list[str]] = {}
        self.silent = False

    def get_role(self, params: Params) -> dict[str, Any]:
        name = params["RoleName"]
        if self.silent:
            raise AwsError("ServiceFailure", "The request processing has failed because of an unknown error.", 500)
        if name not in self.trusts:
            raise AwsError("NoSuchEntity", f"The role with name {name} cannot be found.", 404)
        statements = [
            {"Effect": "Allow", "Principal": {"Federated": p}, "Action": "sts:AssumeRoleWithWebIdentity"}
            for p in self.trusts[name]
        ]
        document = quote(json.dumps({"Version": "2012-10-17", "Statement": statements}))
        role = {
            "Path": "/",
            "RoleName": name,
            "RoleId": "AROAEXAMPLEEXAMPLE00",
            "Arn": f"arn:aws:iam::{ACCOUNT}:role/{name}",
        }
        return {"Role": {**role, "CreateDate": "2026-01-01T00:00:00Z", "AssumeRolePolicyDocument": document}}


class Kms:
    """DescribeKey: docs.aws.amazon.com/kms/latest/APIReference/API_DescribeKey.html (NotFoundException)."""

    def __init__(self) -> None:
        self.keys: dict[tuple[str, str], str] = {}

    def describe_key(self, region: str, _account: str, params: Params) -> dict[str, Any]:
        state = self.keys.get((region, params["KeyId"]))
        if state is None:
            raise AwsError("NotFoundException", f"Key '{params['KeyId']}' does not exist")
        return {"KeyMetadata": {"KeyId": params["KeyId"], "KeyState": state}}


class Beforehand:
    """A good day: the primary answers, images are replicated, roles trust the standby's cluster."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.stage.ecr.dark = frozenset()
        self.buckets, self.iam, self.kms = Buckets(), Iam(), Kms()
        stage.aws.services |= {"s3": self.buckets, "iam": self.iam, "kms": self.kms}
        for row in POLICY.rewrites.rewrites:
            if row.kind == "role":
                self.iam.trusts[row.to.rpartition("/")[2]] = [provider(PLATFORM.clusters.standby.name)]
        kept = stage.store.backup("velero", "hourly-35")
        assert kept is not None
        self.objects = kept.objects
        self.upload()

    def upload(self, name: str = "hourly-35") -> None:
        self.buckets.objects["west", f"velero/backups/{name}/{name}.tar.gz"] = packed(self.objects)

    def rows(self) -> dict[str, Row]:
        found = readiness(POLICY, self.reader, self.stage.now)
        return {row.service: row for row in found}

    def reader(self, declared: tuple[Op, ...]) -> LiveReader:
        return LiveReader(self.stage.ports, declared)

    def change(self, kind: str, name: str, change: Callable[[dict[str, Any]], None]) -> None:
        obj = next(o for o in self.objects if (o["kind"], o["metadata"]["name"]) == (kind, name))
        change(obj)
        self.upload()


def provider(cluster: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:oidc-provider/{issuer(STANDBY, cluster).removeprefix('https://')}"


@pytest.fixture
def day(stage: Stage) -> Beforehand:
    return Beforehand(stage)


def test_on_a_good_day_everything_would_run(day: Beforehand) -> None:
    rows = day.rows()
    assert {name: row.found for name, row in rows.items() if row.found} == {}
    assert len(rows) == 10
    assert {row.backup for row in rows.values()} == {"hourly-35"}
    assert worst(tuple(rows.values())) == 0
    made = [r for r in day.stage.cluster.seen()["requests"] if r["method"] != "GET"]
    assert made == []


def drop_image(day: Beforehand) -> None:
    day.stage.ecr.drop(STANDBY, ACCOUNT, f"{PLATFORM.name}/redis", workloads.TAG)


def drop_repository(day: Beforehand) -> None:
    day.stage.ecr.drop(STANDBY, ACCOUNT, f"{PLATFORM.name}/redis")


def other_registry(day: Beforehand) -> None:
    image = f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com/{PLATFORM.name}/redis:1"
    day.change("Deployment", "redis", lambda o: container(o).update(image=image))


def container(obj: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = obj["spec"]["template"]["spec"]["containers"][0]
    return found


def no_class(day: Beforehand) -> None:
    found = day.stage.cluster.cluster.get("storageclasses.storage.k8s.io", "", "gp3-us-west-2")
    assert found is not None
    day.stage.cluster.cluster.remove(by_key("storageclasses.storage.k8s.io"), found)


def encrypt(day: Beforehand) -> None:
    found = day.stage.cluster.cluster.get("storageclasses.storage.k8s.io", "", "gp3-us-west-2")
    assert found is not None
    parameters = {**found["parameters"], "kmsKeyId": "key-1"}
    day.stage.cluster.cluster.write(by_key("storageclasses.storage.k8s.io"), {**found, "parameters": parameters})


def encrypt_with_a_doomed_key(day: Beforehand) -> None:
    encrypt(day)
    day.kms.keys[STANDBY, "key-1"] = "PendingDeletion"


def other_secret(day: Beforehand) -> None:
    ref = {"secretRef": {"name": "shared"}}
    day.change("Deployment", "redis", lambda o: container(o).update(envFrom=[ref]))


def other_account(day: Beforehand) -> None:
    day.change("Deployment", "redis", lambda o: o["spec"]["template"]["spec"].update(serviceAccountName="other"))


def other_zone(day: Beforehand) -> None:
    zone = {"topology.kubernetes.io/zone": "us-east-1d"}
    day.change("Deployment", "redis", lambda o: o["spec"]["template"]["spec"].update(nodeSelector=zone))


def no_deployment(day: Beforehand) -> None:
    day.objects = [o for o in day.objects if (o["kind"], o["metadata"]["name"]) != ("Deployment", "redis")]
    day.upload()


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        (drop_image, f"image {PLATFORM.name}/redis:{workloads.TAG} is not replicated to us-west-2"),
        (drop_repository, f"repository '{PLATFORM.name}/redis' is not replicated to us-west-2"),
        (other_registry, "is pulled from eu-west-1, not from us-west-2"),
        (no_class, "StorageClass 'gp3-us-west-2' is not in 'neurectomy-usw2'"),
        (encrypt, "encrypts with key-1, and us-west-2 has no such key"),
        (encrypt_with_a_doomed_key, "encrypts with key-1, which is PendingDeletion"),
        (other_secret, "Secret cache/shared is not in the backup and not in 'neurectomy-usw2'"),
        (other_account, "ServiceAccount cache/other is not in the backup"),
        (other_zone, "it still names us-east-1, the region that failed (spec.template.spec.nodeSelector"),
        (no_deployment, "backup 'hourly-35' does not hold it"),
    ],
)
def test_what_would_not_run_is_named_with_its_reason(
    day: Beforehand, trouble: Callable[[Beforehand], None], said: str
) -> None:
    trouble(day)
    rows = day.rows()
    redis = rows["redis"]
    assert redis.runs is False
    assert any(said in verdict.because for _, verdict in redis.found), redis.found
    assert all("redis" in want.by for want, _ in redis.found)
    assert rows["api-gateway"].runs is True
    assert worst(tuple(rows.values())) == 1


def test_what_the_standby_already_has_is_not_missing(day: Beforehand) -> None:
    other_secret(day)
    made = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "shared", "namespace": "cache"}}
    seed(day.stage.cluster, [made])
    assert day.rows()["redis"].runs is True


@pytest.mark.parametrize(
    ("trusts", "said"),
    [
        (None, "role 'neurectomy-mlflow-us-west-2' does not exist"),
        ([], "does not trust the service accounts of 'neurectomy-usw2'"),
        ([provider("another")], "does not trust the service accounts of 'neurectomy-usw2'"),
    ],
)
def test_a_role_must_be_there_and_trust_the_cluster_of_the_standby(
    day: Beforehand, trusts: list[str] | None, said: str
) -> None:
    if trusts is None:
        del day.iam.trusts["neurectomy-mlflow-us-west-2"]
    else:
        day.iam.trusts["neurectomy-mlflow-us-west-2"] = trusts
    rows = day.rows()
    ((want, verdict),) = rows["mlflow"].found
    assert said in verdict.because
    assert (want.kind, want.by) == (Kind.ROLE, "ServiceAccount ml/mlflow")
    assert rows["ml-service"].runs is True


def test_what_could_not_be_looked_at_is_neither_there_nor_missing(day: Beforehand) -> None:
    day.iam.silent = True
    rows = day.rows()
    assert (rows["mlflow"].runs, rows["redis"].runs) == (None, True)
    assert worst(tuple(rows.values())) == 3


def test_a_backup_that_cannot_be_read_says_nothing_about_what_it_holds(day: Beforehand) -> None:
    day.buckets.objects.clear()
    rows = day.rows()
    assert {row.runs for row in rows.values()} == {None}
    assert all("NoSuchKey" in v.because or "does not exist" in v.because for r in rows.values() for _, v in r.found)


def test_without_a_good_backup_nothing_would_run(day: Beforehand) -> None:
    for kept in day.stage.store.backups("velero").values():
        kept.backup["status"]["phase"] = "PartiallyFailed"
    for obj in day.stage.cluster.cluster.every_object("backups.velero.io"):
        day.stage.cluster.velero.save(obj, phase="PartiallyFailed")
    rows = day.rows()
    assert {row.runs for row in rows.values()} == {False}
    assert "there is no good backup" in rows["redis"].found[0][1].because


def test_an_image_of_a_registry_that_is_not_ours_is_not_known(day: Beforehand) -> None:
    want = Want("Deployment a/b", Kind.IMAGE, "registry.k8s.io/pause:3.10")
    assert isinstance(look(want, POLICY, day.reader(READS)), NoData)


def test_a_kind_that_the_standby_does_not_serve_would_not_come_back(day: Beforehand) -> None:
    want = Want("CronJob a/b", Kind.KIND, "batch/v1beta1 cronjobs", "a")
    assert look(want, POLICY, day.reader(reads((want,)))) == Unfit(
        "cluster 'neurectomy-usw2' serves no batch/v1beta1 cronjobs"
    )
    served = replace(want, name="apps/v1 deployments")
    assert look(served, POLICY, day.reader(reads((served,)))) == Fits()


def test_a_digest_is_asked_for_as_one(day: Beforehand) -> None:
    image = f"{ACCOUNT}.dkr.ecr.{STANDBY}.amazonaws.com/{PLATFORM.name}/redis@sha256:{'0' * 64}"
    found = look(Want("Deployment a/b", Kind.IMAGE, image), POLICY, day.reader(READS))
    assert isinstance(found, Unfit)
    assert day.stage.aws.seen()[-1]["params"]["imageIds"] == [{"imageDigest": f"sha256:{'0' * 64}"}]


def test_every_seeded_object_leaves_the_failed_region_behind() -> None:
    """Velero's own rules, by the stand-in that applies them, on everything the local world seeds."""
    held = [(o["kind"], o) for o in workloads.objects(POLICY) if o["kind"] != "Namespace"]
    assert PLATFORM.regions.primary in str(held)
    new = []
    for kind, obj in held:
        found, errors = rewritten(obj, POLICY)
        assert errors == []
        new.append((kind, found))
    assert PLATFORM.regions.primary not in str(new)
    assert [w for w in wants(new, POLICY) if w.kind is Kind.PLACE] == []


def test_secrets_are_not_looked_into() -> None:
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s", "namespace": "a"},
        "stringData": {"k": "us-east-1"},
    }
    assert [w.kind for w in wants([("v1 secrets", secret)], POLICY)] == [Kind.KIND]


def test_a_backup_s_file_is_read_as_it_was_packed() -> None:
    held = [o for o in workloads.objects(POLICY) if o["kind"] != "Namespace"]
    found = list(unpacked(packed(held)))
    assert [obj for _, obj in found] == held
    assert {resource for resource, _ in found} >= {"apps/v1 deployments", "networking.k8s.io/v1 ingresses"}
