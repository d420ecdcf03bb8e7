"""What a vault in S3 is leaned on for, held against MiniStack: another account's bucket, its policy and its lock."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from chalicelib.clients.vault_s3 import VaultInS3
from chalicelib.clients.vaults import PART, Content, VaultError
from chalicelib.policy.airgap import S3Vault
from drctl.world.deploy import client
from drctl.world.vaults import bucket_policy

OURS, THEIRS, OTHERS = "111122223333", "888899990000", "222233334444"


def now() -> datetime:
    return datetime.now(UTC)


class House:
    def __init__(self, url: str, bucket: str) -> None:
        self.row = S3Vault.model_validate(
            {"kind": "s3", "name": "v", "account": THEIRS, "region": "us-west-2", "bucket": bucket}
            | {"lock": {"mode": "COMPLIANCE", "days": 90}}
        )
        self.owner, self.ours, self.stranger = (client(url, "s3", "us-west-2", a) for a in (THEIRS, OURS, OTHERS))
        where = {"CreateBucketConfiguration": {"LocationConstraint": "us-west-2"}}
        self.owner.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True, **where)
        self.owner.put_bucket_policy(Bucket=bucket, Policy=json.dumps(bucket_policy(self.row, OURS)))
        self.vault = self.seen_by(self.ours)

    def seen_by(self, who: Any) -> VaultInS3:
        return VaultInS3(self.row, who, lambda: who, now)


@pytest.fixture
def house(ministack: str, request: pytest.FixtureRequest) -> House:
    name = "".join(c if c.isalnum() else "-" for c in request.node.name)[:40].strip("-").lower()
    return House(ministack, f"vault-{name}")


def code(refused: pytest.ExceptionInfo[ClientError]) -> str:
    return str(refused.value.response["Error"]["Code"])


def test_ours_creates_and_deletes_nothing(house: House) -> None:
    assert house.vault.create("a", Content.of(b"whole"))
    (version,) = house.owner.list_object_versions(Bucket=house.row.bucket)["Versions"]
    for more in ({}, {"VersionId": version["VersionId"]}):
        with pytest.raises(ClientError) as refused:
            house.ours.delete_object(Bucket=house.row.bucket, Key="a", **more)
        assert code(refused) == "AccessDenied"
    with pytest.raises(ClientError) as refused:
        house.ours.delete_bucket(Bucket=house.row.bucket)
    assert code(refused) == "AccessDenied"


def test_under_compliance_the_owner_deletes_and_shortens_nothing(house: House) -> None:
    house.vault.create("a", Content.of(b"whole"))
    (version,) = house.owner.list_object_versions(Bucket=house.row.bucket)["Versions"]
    place = {"Bucket": house.row.bucket, "Key": "a", "VersionId": version["VersionId"]}
    with pytest.raises(ClientError) as refused:
        house.owner.delete_object(**place, BypassGovernanceRetention=True)
    assert code(refused) == "AccessDenied"
    sooner = {"Mode": "COMPLIANCE", "RetainUntilDate": now() + timedelta(days=1)}
    with pytest.raises(ClientError) as refused:
        house.owner.put_object_retention(**place, Retention=sooner, BypassGovernanceRetention=True)
    assert code(refused) == "AccessDenied"


def test_a_name_that_is_taken_stays_as_it_is(house: House) -> None:
    assert house.vault.create("a", Content.of(b"first"))
    assert not house.vault.create("a", Content.of(b"second"))
    assert house.vault.document("a") == "first"
    assert len(house.owner.list_object_versions(Bucket=house.row.bucket)["Versions"]) == 1


def test_what_stands_says_its_digest_and_its_lock(house: House) -> None:
    content = Content.of(b"whole")
    house.vault.create("a", content)
    stands = house.vault.stands("a")
    assert stands is not None
    assert (stands.size, stands.sha256, stands.lock) == (5, content.sha256.hex(), "COMPLIANCE")
    assert stands.locked_until is not None
    assert stands.locked_until > now() + timedelta(days=89)
    assert house.vault.stands("b") is None
    assert house.vault.document("b") is None


def test_a_large_one_goes_up_in_parts_and_is_there_once(house: House) -> None:
    body = bytes(range(256)) * (2 * PART // 256) + b"the rest"
    pieces = [body[at : at + PART] for at in range(0, len(body), PART)]
    content = Content.read(lambda: iter(pieces))
    assert house.vault.create("a", content)
    assert not house.vault.create("a", content)
    assert house.ours.get_object(Bucket=house.row.bucket, Key="a")["Body"].read() == body
    stands = house.vault.stands("a")
    assert stands is not None
    assert (stands.sha256, stands.lock) == (content.sha256.hex(), "COMPLIANCE")


def test_names_come_in_order_and_folders_apart(house: House) -> None:
    for name in ("m/b.json", "m/b/1.json", "m/a.json", "x"):
        house.vault.create(name, Content.of(b"1"))
    assert [k.name for k in house.vault.names("m/")] == ["m/a.json", "m/b.json", "m/b/1.json"]
    assert [k.name for k in house.vault.names("m/", after="m/a.json", through="m/b.json")] == ["m/b.json"]
    assert sorted(house.vault.top("m/")) == ["m/a.json", "m/b.json", "m/b/"]


def test_a_stranger_sees_and_creates_nothing(house: House) -> None:
    theirs = house.seen_by(house.stranger)
    with pytest.raises(VaultError) as refused:
        theirs.create("a", Content.of(b"1"))
    assert (refused.value.code, refused.value.silent) == ("AccessDenied", False)
    with pytest.raises(VaultError):
        list(theirs.names(""))


def test_bytes_that_are_not_what_was_said_create_nothing(house: House) -> None:
    true = Content.of(b"whole")
    torn = Content(size=true.size, sha256=true.sha256, md5=true.md5, pieces=lambda: iter([b"whola"]))
    with pytest.raises(VaultError):
        house.vault.create("a", torn)
    assert house.vault.stands("a") is None
