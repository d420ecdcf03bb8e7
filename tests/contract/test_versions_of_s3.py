"""What the restore of S3 versions leans on, as S3's documentation says it, tried on its three stand-ins.

Sources: *copy* https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html, *delete* .../API_DeleteObject.html,
*list* .../API_ListObjectVersions.html, *head* .../API_HeadObject.html, *get* .../API_GetObject.html, *conditions*
https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html, *suspended* .../userguide/
AddingObjectstoVersionSuspendedBuckets.html, *markers* .../userguide/ManagingDelMarkers.html
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from moto import mock_aws

from chalicelib.core.outcome import Done, Stuck
from drctl.neighbours.aws import Aws
from drctl.neighbours.aws_clients import make_client
from tests.actions import buckets
from tests.contract import stands
from tests.crash.versioned import VersionedS3
from tests.world.cloud import eventually

Kind = Literal["moto", "ministack", "ours"]
REGION = "us-east-1"
_numbers = itertools.count()


@pytest.fixture(params=["moto", "ministack", "ours"])
def kind(request: pytest.FixtureRequest) -> Kind:
    name: Kind = request.param
    return name


class Bucket:
    """A versioned bucket of its own."""

    def __init__(self, url: str | None, client: Any = None) -> None:
        self.client = client or boto3.client(
            "s3",
            region_name=REGION,
            endpoint_url=url,
            aws_access_key_id=stands.ACCOUNT,
            aws_secret_access_key="local",
            config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
        )
        self.name = f"versions-{next(_numbers)}"
        self.client.create_bucket(Bucket=self.name)
        self.versioning("Enabled")

    def versioning(self, status: str) -> None:
        self.client.put_bucket_versioning(Bucket=self.name, VersioningConfiguration={"Status": status})

    def put(self, body: bytes, key: str = "k", **more: Any) -> str:
        return str(self.client.put_object(Bucket=self.name, Key=key, Body=body, **more).get("VersionId", "null"))

    def delete(self, key: str = "k", **more: Any) -> Any:
        return self.client.delete_object(Bucket=self.name, Key=key, **more)

    def copy(self, version: str, key: str = "k", **more: Any) -> Any:
        source = {"Bucket": self.name, "Key": key, "VersionId": version}
        return self.client.copy_object(Bucket=self.name, Key=key, CopySource=source, **more)

    def body(self, key: str = "k") -> bytes:
        return bytes(self.client.get_object(Bucket=self.name, Key=key)["Body"].read())

    def listed(self, **more: Any) -> Any:
        return self.client.list_object_versions(Bucket=self.name, **more)


@pytest.fixture
def bucket(kind: Kind, request: pytest.FixtureRequest) -> Iterator[Bucket]:
    if kind == "moto":
        with mock_aws():
            yield Bucket(None)
        return
    if kind == "ours":
        yield Bucket(None, make_client(Aws({"s3": VersionedS3(clock=lambda: datetime.now(UTC))}), "s3", REGION))
        return
    yield Bucket(request.getfixturevalue("ministack"))


def refused(call: Any, *given: Any, **named: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as refusal:
        call(*given, **named)
    said = refusal.value.response
    return said["Error"]["Code"], said["ResponseMetadata"]["HTTPStatusCode"]


# Refusals.


def test_an_object_that_must_not_be_there_yet_is_refused_while_one_is(bucket: Bucket) -> None:
    """*conditions*: 412 for `If-None-Match: *`, as Terraform's lock file asks; a key that was deleted is free again."""
    bucket.put(b"one", IfNoneMatch="*")
    assert refused(bucket.put, b"two", IfNoneMatch="*") == ("PreconditionFailed", 412)
    assert bucket.body() == b"one"
    bucket.delete()
    bucket.put(b"three", IfNoneMatch="*")
    assert bucket.body() == b"three"


def test_a_delete_marker_cannot_be_got(kind: Kind, bucket: Bucket) -> None:
    """*get*: 405 for a marker that is named (404 by moto), NoSuchKey for a current one, NoSuchVersion for one that is
    gone.
    """
    version = bucket.put(b"one")
    bucket.put(b"two")
    marker = bucket.delete()["VersionId"]
    name = {"Bucket": bucket.name, "Key": "k"}
    assert refused(bucket.client.get_object, **name, VersionId=marker)[1] == (404 if kind == "moto" else 405)
    assert refused(bucket.client.get_object, **name) == ("NoSuchKey", 404)
    found = bucket.client.get_object(**name, VersionId=version)
    assert (found["Body"].read(), found["VersionId"]) == (b"one", version)
    bucket.delete(VersionId=version)
    assert refused(bucket.client.get_object, **name, VersionId=version) == ("NoSuchVersion", 404)


def test_a_delete_marker_cannot_be_copied(bucket: Bucket) -> None:
    """*copy*: a marker that is named as the source's version is refused."""
    bucket.put(b"one")
    marker = bucket.delete()["VersionId"]
    code, status = refused(bucket.copy, marker)
    assert 400 <= status < 500, code


def test_a_version_that_is_gone_cannot_be_copied(bucket: Bucket) -> None:
    version = bucket.put(b"one")
    bucket.put(b"two")
    bucket.delete(VersionId=version)
    assert refused(bucket.copy, version)[1] == 404


def test_an_archived_version_cannot_be_copied(kind: Kind, bucket: Bucket) -> None:
    """*copy*: the source must be restored first. MiniStack keeps the class and copies all the same."""
    version = bucket.put(b"one", StorageClass="GLACIER")
    if kind == "ministack":
        assert bucket.copy(version)["CopyObjectResult"]["ETag"]
        return
    assert refused(bucket.copy, version)[0] in ("ObjectNotInActiveTierError", "InvalidObjectState")


def test_the_head_of_a_delete_marker_is_refused(bucket: Bucket) -> None:
    """*head*: 405 for a marker that is named, 404 for a current one."""
    bucket.put(b"one")
    marker = bucket.delete()["VersionId"]
    name = {"Bucket": bucket.name, "Key": "k"}
    assert refused(bucket.client.head_object, **name, VersionId=marker)[1] == 405
    assert refused(bucket.client.head_object, **name)[1] == 404


def test_an_upload_in_parts_ends_only_if_the_key_is_as_it_was(ministack: str) -> None:
    """*conditions*, of CompleteMultipartUpload: an ETag that is another, an object where none may be. moto judges
    neither, as it judges none of a copy.
    """
    bucket = Bucket(ministack)
    bucket.put(b"one")
    name = {"Bucket": bucket.name, "Key": "k"}
    upload = bucket.client.create_multipart_upload(**name)["UploadId"]
    part = bucket.client.upload_part(**name, UploadId=upload, PartNumber=1, Body=b"two")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    complete = bucket.client.complete_multipart_upload
    for condition in ({"IfMatch": '"0123"'}, {"IfNoneMatch": "*"}):
        said = refused(complete, **name, UploadId=upload, MultipartUpload=parts, **condition)
        assert said == ("PreconditionFailed", 412)
    bucket.delete()
    # A current delete marker is no object.
    complete(**name, UploadId=upload, MultipartUpload=parts, IfNoneMatch="*")
    assert bucket.body() == b"two"


def test_only_our_own_stand_in_judges_the_condition_of_a_copy(kind: Kind, bucket: Bucket) -> None:
    """S3 does (*copy*, If-Match and If-None-Match of the destination, 412). When another one does too, this says so:
    until then that a key which was written meanwhile is not copied over is S3's documentation's word alone.
    """
    version = bucket.put(b"one")
    bucket.put(b"two")
    if kind == "ours":
        for condition in ({"IfMatch": '"0123"'}, {"IfNoneMatch": "*"}):
            assert refused(bucket.copy, version, **condition) == ("PreconditionFailed", 412)
        bucket.delete()
        bucket.copy(version, IfNoneMatch="*")
        assert bucket.body() == b"one"
        return
    bucket.copy(version, IfMatch='"0123"')
    bucket.copy(version, IfNoneMatch="*")


def test_while_versioning_is_suspended_a_copy_destroys_the_null_version(ministack: str) -> None:
    """*suspended*. That is why nothing is put back then. moto forgets the other versions too."""
    bucket = Bucket(ministack)
    version = bucket.put(b"one")
    bucket.versioning("Suspended")
    bucket.put(b"null")
    bucket.copy(version)
    ids = [v["VersionId"] for v in bucket.listed()["Versions"]]
    assert sorted(ids) == sorted([version, "null"])
    assert bucket.body() == b"one"


# What it does.


def test_a_copy_is_a_new_version_with_the_same_etag_and_takes_nothing_away(bucket: Bucket) -> None:
    first, second = bucket.put(b"one"), bucket.put(b"two")
    bucket.copy(first)
    versions = bucket.listed()["Versions"]
    assert {first, second} < {v["VersionId"] for v in versions}
    etags = {v["VersionId"]: v["ETag"] for v in versions}
    latest = next(v for v in versions if v["IsLatest"])
    assert latest["ETag"] == etags[first]
    assert latest["VersionId"] not in (first, second)
    assert bucket.body() == b"one"


def test_a_null_version_of_a_time_before_versioning_is_copied_by_its_name(bucket: Bucket) -> None:
    bucket.versioning("Suspended")
    bucket.put(b"null")
    bucket.versioning("Enabled")
    bucket.put(b"two")
    bucket.copy("null")
    assert bucket.body() == b"null"
    assert "null" in [v["VersionId"] for v in bucket.listed()["Versions"]]


def test_taking_the_markers_away_brings_the_version_itself_back(bucket: Bucket) -> None:
    """*markers*. As long as one is left the key stays deleted."""
    version = bucket.put(b"one")
    older, newer = bucket.delete()["VersionId"], bucket.delete()["VersionId"]
    assert older != newer
    bucket.delete(VersionId=older)
    assert refused(bucket.body) == ("NoSuchKey", 404)
    bucket.delete(VersionId=newer)
    (there,) = bucket.listed()["Versions"]
    assert (there["VersionId"], there["IsLatest"]) == (version, True)
    assert "DeleteMarkers" not in bucket.listed()


def test_taking_a_marker_away_a_second_time_is_no_error(bucket: Bucket) -> None:
    bucket.put(b"one")
    marker = bucket.delete()["VersionId"]
    for _ in range(2):
        bucket.delete(VersionId=marker)
    assert bucket.body() == b"one"


def test_pages_follow_one_another_by_their_markers_without_a_gap(bucket: Bucket) -> None:
    """*list*: by key, and within a key the newest first."""
    keys = ["p/a b", "p/z", "p/ä+&<x>"]  # in the order of their bytes
    made = {key: [bucket.put(str(n).encode(), key) for n in range(3)] for key in keys}
    bucket.put(b"other", "q/a")
    seen: list[tuple[str, str]] = []
    markers: dict[str, str] = {}
    while True:
        page = bucket.listed(Prefix="p/", MaxKeys=2, **markers)
        seen += [(v["Key"], v["VersionId"]) for v in page.get("Versions", [])]
        if not page["IsTruncated"]:
            break
        markers = {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page["NextVersionIdMarker"]}
    assert [key for key, _ in seen] == [key for key in keys for _ in range(3)]
    assert {key: {v for k, v in seen if k == key} for key in keys} == {k: set(v) for k, v in made.items()}


def test_a_key_marker_alone_starts_after_the_key(kind: Kind, bucket: Bucket) -> None:
    """S3 and MiniStack start after it. moto leaves one version out and goes on within the key."""
    for key in ("a", "a", "a", "b"):
        bucket.put(b"x", key)
    keys = [v["Key"] for v in bucket.listed(KeyMarker="a")["Versions"]]
    assert keys == (["a", "a", "b"] if kind == "moto" else ["b"])


# The restore as a whole, where the clock is nobody's.


def second_after() -> datetime:
    """The first whole second from now on, once it has passed."""
    passed = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)
    eventually(lambda: datetime.now(UTC) > passed + timedelta(milliseconds=50))
    return passed


def test_a_bucket_of_ministack_is_put_back_as_it_was(ministack: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", ministack)
    there = Bucket(ministack)
    for key in ("artifacts/deleted", "artifacts/overwritten", "artifacts/both +ü", "artifacts/stays"):
        there.put(b"good", key)
    as_of = second_after()
    eventually(lambda: datetime.now(UTC) > as_of + timedelta(seconds=1))
    there.delete("artifacts/deleted")
    there.put(b"bad", "artifacts/overwritten")
    there.put(b"bad", "artifacts/both +ü")
    there.delete("artifacts/both +ü")
    there.put(b"new", "artifacts/new")
    worker = buckets.worker(buckets.policy(bucket=there.name), account=stands.ACCOUNT)
    worker.now = second_after()
    given: dict[str, Any] = {"bucket": there.name, "as_of": as_of.isoformat(), "newer": "remove"}
    found = worker.run(**given)
    assert isinstance(found, Done), found
    rows = there.client.list_objects_v2(Bucket=there.name)["Contents"]
    assert {r["Key"]: there.body(r["Key"]) for r in rows} == dict.fromkeys(
        ("artifacts/deleted", "artifacts/overwritten", "artifacts/both +ü", "artifacts/stays"), b"good"
    )
    again = buckets.worker(buckets.policy(bucket=there.name), account=stands.ACCOUNT)
    again.now = worker.now + timedelta(minutes=1)
    assert isinstance(again.run(**given), Done)
    assert again.calls == 0


def test_a_bucket_that_is_not_there_is_refused_in_ministack_s_words(
    ministack: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", ministack)
    worker = buckets.worker(buckets.policy(bucket="never-made"), account=stands.ACCOUNT)
    found = worker.look(bucket="never-made")
    assert isinstance(found, Stuck)
    assert "NoSuchBucket" in found.because
