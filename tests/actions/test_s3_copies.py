"""What a copy of a version on moto takes along, what tells it from another, and what cannot be copied."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from chalicelib.clients import s3_versions
from chalicelib.clients.s3_copies import Cut
from chalicelib.core.outcome import Done, Doubtful, Made, Refused, Stuck, Wait
from chalicelib.core.versions import MARK
from tests.actions import buckets
from tests.actions.buckets import BUCKET, House, act


@pytest.fixture
def house() -> Iterator[House]:
    with buckets.house() as made:
        yield made


def test_metadata_tags_and_storage_come_along(house: House) -> None:
    house.put("m", b"good", -9, ContentType="text/x", CacheControl="no-store", Metadata={"a": "b"}, Tagging="t=1",
              StorageClass="STANDARD_IA")  # fmt: skip
    house.put("m", b"bad", 5)
    house.worker().run()
    head = house.head("m")
    assert (head["ContentType"], head["CacheControl"], head["StorageClass"]) == ("text/x", "no-store", "STANDARD_IA")
    assert head["Metadata"] == {"a": "b"}
    tags = house.client.get_object_tagging(Bucket=BUCKET, Key="artifacts/m")["TagSet"]
    assert tags == [{"Key": "t", "Value": "1"}]


@pytest.mark.parametrize("encryption", ["aws:kms", "AES256"])
def test_where_no_etag_can_tell_the_copy_says_itself_what_it_is_of(encryption: str) -> None:
    with buckets.house(encryption="SSE-KMS", kms_key="arn:aws:kms:us-east-1:111122223333:key/k") as house:
        key = {"SSEKMSKeyId": "arn:aws:kms:us-east-1:111122223333:key/k"} if encryption == "aws:kms" else {}
        wanted = house.put(
            "m", b"good", -9, ServerSideEncryption=encryption, Metadata={"a": "b"}, ContentType="x/y", **key
        )
        house.put("m", b"evil", 5, ServerSideEncryption=encryption, **key)
        worker = house.worker()
        assert isinstance(worker.run(), Done)
        head = house.head("m")
        assert head["Metadata"] == {"a": "b", MARK: wanted}
        assert (head["ServerSideEncryption"], head["ContentType"]) == (encryption, "x/y")
        again = house.worker()
        assert isinstance(again.run(), Done)
        assert again.calls == 0


@pytest.mark.parametrize(("code", "kind"), [("403", Stuck), ("404", Wait), ("SlowDown", Wait)])
def test_a_doubt_is_cleared_by_an_answer_and_never_by_a_refusal(code: str, kind: type[Any]) -> None:
    with buckets.house(encryption="SSE-KMS", kms_key="arn:aws:kms:us-east-1:111122223333:key/k") as house:
        house.put("m", b"good", -9)
        house.put("m", b"evil", 5)
        worker = house.worker()
        worker.look()
        refused = ClientError(
            {
                "Error": {"Code": code, "Message": "no"},
                "ResponseMetadata": {"HTTPStatusCode": 503 if code[0] == "S" else 0},
            },
            "HeadObject",
        )
        worker.wire.refuse = lambda operation, _: refused if operation == "HeadObject" else None
        found = worker.look()
        assert isinstance(found, kind), found
        # A version that is gone meanwhile is no copy of anything; of the others nothing is known.
        assert ("1 objects are to be put back" in found.because) == (code == "404")


def test_a_bucket_that_is_encrypted_otherwise_than_policy_says_is_told_and_not_copied(house: House) -> None:
    house.put("m", b"good", -9, ServerSideEncryption="aws:kms")
    house.put("m", b"bad", 5)
    worker = house.worker()
    outcome = worker.make(act(worker).call)
    assert isinstance(outcome, Refused)
    assert outcome.code == "EncryptedOtherwise"
    assert house.there() == {"m": b"bad"}


def test_a_large_object_is_copied_in_parts_with_all_that_belongs_to_it(house: House) -> None:
    body = b"".join(bytes([i]) * 1024 * 1024 for i in range(11))
    wanted = house.put("big", body, -9, Metadata={"a": "b"}, Tagging="t=1", ContentType="x/y")
    house.put("big", b"small", 5)
    worker = house.worker()
    cut = Cut(above=5 * 1024 * 1024, part=5 * 1024 * 1024)
    outcome = s3_versions.restore(worker.ports.aws, act(worker).call, cut=cut)
    assert isinstance(outcome, Made), outcome
    assert worker.wire.sent.count("UploadPartCopy") == 3
    assert house.there() == {"big": body}
    head = house.head("big")
    assert head["Metadata"] == {"a": "b", MARK: wanted}
    assert head["ContentType"] == "x/y"
    assert house.client.get_object_tagging(Bucket=BUCKET, Key="artifacts/big")["TagSet"] == [{"Key": "t", "Value": "1"}]
    assert isinstance(worker.run(), Done)


def test_parts_that_fail_leave_no_upload_behind(house: House) -> None:
    house.put("big", b"x" * (11 * 1024 * 1024), -9)
    house.put("big", b"small", 5)
    worker = house.worker()
    call = act(worker).call
    worker.wire.refuse = lambda operation, _: (
        ReadTimeoutError(endpoint_url="s3") if operation == "UploadPartCopy" else None
    )
    cut = Cut(above=5 * 1024 * 1024, part=5 * 1024 * 1024)
    outcome = s3_versions.restore(worker.ports.aws, call, cut=cut)
    assert isinstance(outcome, Doubtful)
    assert "'artifacts/big' was not answered" in outcome.because
    assert house.client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []) == []
    assert house.there() == {"big": b"small"}


@pytest.mark.parametrize("knows", [True, False])
def test_a_copy_is_made_only_if_the_key_is_as_it_was_where_boto3_knows_how_to_say_that(
    house: House, monkeypatch: pytest.MonkeyPatch, knows: bool
) -> None:
    house.put("m", b"good", -9)
    house.put("m", b"bad", 5)
    house.put("deleted", b"good", -9)
    house.put("deleted", b"bad", 5)
    house.delete("deleted", 6)
    if not knows:
        monkeypatch.setattr(buckets, "LOADER", buckets.OlderLoader())
    worker = house.worker()
    conditions: dict[str, tuple[str | None, str | None]] = {}

    def see(operation: str, request: Any) -> None:
        if operation == "CopyObject":
            key = request.url.rpartition("/")[2]
            conditions[key] = request.headers.get("If-Match"), request.headers.get("If-None-Match")

    worker.wire.refuse = see
    assert isinstance(worker.run(), Done)
    etag = house.client.head_object(Bucket=BUCKET, Key="artifacts/m", VersionId=house.versions()["m"][1])["ETag"]
    said = {"m": (etag.encode(), None), "deleted": (None, b"*")}
    assert conditions == (said if knows else dict.fromkeys(said, (None, None)))


def test_what_is_archived_is_told_and_everything_else_is_put_back(house: House) -> None:
    house.put("cold", b"good", -9, StorageClass="GLACIER")
    house.put("cold", b"bad", 5)
    house.put("warm", b"good", -9)
    house.put("warm", b"bad", 5)
    worker = house.worker()
    found = worker.run()
    assert isinstance(found, Stuck)
    assert "1 objects were put back, 1 cannot be put back, first 'artifacts/cold' (archived)" in found.because
    assert house.there() == {"cold": b"bad", "warm": b"good"}


def test_a_person_who_mends_what_was_in_the_way_lets_it_end(house: House) -> None:
    house.put("cold", b"good", -9, StorageClass="GLACIER")
    house.put("cold", b"bad", 5)
    worker = house.worker()
    assert isinstance(worker.run(), Stuck)
    assert isinstance(worker.look(), Stuck)
    house.client.delete_object(Bucket=BUCKET, Key="artifacts/cold", VersionId=house.versions()["cold"][1])
    worker.now += timedelta(minutes=3)
    found = worker.run()
    assert isinstance(found, Done)
    assert worker.calls == 0
