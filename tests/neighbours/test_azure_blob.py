"""Blob Storage's stand-in refuses what the real one does: the refusals first."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from drctl.neighbours.azure_blob import LARGEST, Answer, BlobStorage

NOW: Final = datetime(2026, 11, 26, 3, 0, tzinfo=UTC)
VERSION: Final = {"x-ms-version": "2021-12-02"}


class House:
    def __init__(self) -> None:
        self.now = NOW
        self.storage = BlobStorage("vault", lambda: self.now, key=b"k", containers={"copies": 90, "open": 0})

    def ask(self, method: str, path: str, sas: str, body: bytes = b"", **headers: str) -> Answer:
        sent = {**VERSION, "Content-Length": str(len(body)), **{k.replace("_", "-"): v for k, v in headers.items()}}
        joined = "&" if "?" in path else "?"
        return self.storage.request(method, f"{path}{joined}{sas}", sent, body)

    def put(self, sas: str, body: bytes = b"whole", **headers: str) -> Answer:
        return self.ask("PUT", "/copies/a", sas, body, **{"x_ms_blob_type": "BlockBlob"} | headers)


@pytest.fixture
def house() -> House:
    return House()


def code(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.headers.get("x-ms-error-code", "")


def test_without_a_sas_of_this_container_and_this_time_nobody_is_let_in(house: House) -> None:
    good = house.storage.sas("copies", "c")
    assert code(house.put("")) == (403, "AuthenticationFailed")
    assert code(house.put(house.storage.sas("open", "c"))) == (403, "AuthenticationFailed")
    assert code(house.put(good.replace("sp=c", "sp=cd"))) == (403, "AuthenticationFailed")
    house.now += timedelta(days=31)
    assert code(house.put(good)) == (403, "AuthenticationFailed")


@pytest.mark.parametrize(("method", "path"), [("GET", "/copies/a"), ("DELETE", "/copies/a")])
def test_a_sas_that_creates_does_nothing_else(house: House, method: str, path: str) -> None:
    sas = house.storage.sas("copies", "c")
    assert house.put(sas).status == 201
    assert code(house.ask(method, path, sas)) == (403, "AuthorizationPermissionMismatch")
    listing = "/copies?restype=container&comp=list"
    assert code(house.ask("GET", listing, sas)) == (403, "AuthorizationPermissionMismatch")
    assert code(house.ask("PUT", "/copies/a?comp=block&blockid=MQ==", sas)) == (403, "AuthorizationPermissionMismatch")
    assert code(house.ask("PUT", "/copies/a?comp=immutabilityPolicies", sas)) == (
        403,
        "AuthorizationPermissionMismatch",
    )


def test_a_sas_that_creates_replaces_nothing(house: House) -> None:
    sas = house.storage.sas("copies", "c")
    house.put(sas)
    assert code(house.put(sas, b"other")) == (403, "UnauthorizedBlobOverwrite")
    assert house.storage.blobs["copies", "a"].body == b"whole"
    wider = house.storage.sas("copies", "cw")
    assert code(house.put(wider, b"other", If_None_Match="*")) == (409, "BlobAlreadyExists")


def test_what_is_immutable_is_deleted_by_nobody_before_its_time(house: House) -> None:
    house.put(house.storage.sas("copies", "c"))
    owner = house.storage.sas("copies", "rwdlci", lasts=timedelta(days=365))
    assert code(house.ask("DELETE", "/copies/a", owner)) == (409, "BlobImmutableDueToPolicy")
    assert code(house.ask("DELETE", "/copies/a?comp=immutabilityPolicies", owner)) == (409, "BlobImmutableDueToPolicy")
    sooner = "Fri, 27 Nov 2026 00:00:00 GMT"
    changed = house.ask("PUT", "/copies/a?comp=immutabilityPolicies", owner, x_ms_immutability_policy_until_date=sooner)
    assert code(changed) == (409, "BlobImmutableDueToPolicy")
    house.now += timedelta(days=91)
    assert house.ask("DELETE", "/copies/a", owner).status == 202


def test_a_body_that_is_not_what_was_said_creates_nothing(house: House) -> None:
    sas = house.storage.sas("copies", "c")
    other = base64.b64encode(hashlib.md5(b"other", usedforsecurity=False).digest()).decode()
    assert code(house.put(sas, Content_MD5=other)) == (400, "Md5Mismatch")
    assert code(house.ask("PUT", "/copies/a", sas, b"whole")) == (400, "MissingRequiredHeader")
    assert code(house.put(sas, Content_Length=str(LARGEST + 1))) == (413, "RequestBodyTooLarge")
    assert house.storage.names("copies") == []


def test_a_listing_says_name_size_metadata_and_lock(house: House) -> None:
    house.put(house.storage.sas("copies", "c"), x_ms_meta_sha256="abc")
    sas = house.storage.sas("copies", "rl")
    listed = house.ask("GET", "/copies?restype=container&comp=list&prefix=a", sas).body.decode()
    assert "<Name>a</Name>" in listed
    assert "<Content-Length>5</Content-Length>" in listed
    assert "<sha256>abc</sha256>" in listed
    assert "<ImmutabilityPolicyUntilDate>Wed, 24 Feb 2027 03:00:00 GMT</ImmutabilityPolicyUntilDate>" in listed
    assert code(house.ask("GET", "/copies/b", sas)) == (404, "BlobNotFound")
