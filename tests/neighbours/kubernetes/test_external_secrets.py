"""External Secrets: what its API refuses, when it fetches, and what it keeps when it cannot."""

from __future__ import annotations

import base64
import copy
from typing import Any

import pytest

from drctl.neighbours.kubernetes import kinds, schema
from drctl.neighbours.kubernetes.api import seed
from drctl.neighbours.kubernetes.external_secrets import SECRETS
from drctl.neighbours.kubernetes.velero.store import BackupStore
from tests.neighbours.kubernetes.world import MERGE, Clock, call, cluster, config

PATH = "/apis/external-secrets.io/v1/namespaces/shop/externalsecrets/settings"


def external(**spec: Any) -> dict[str, Any]:
    data = [{"secretKey": "TOKEN", "remoteRef": {"key": "shop/web", "property": "token"}}]
    return {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ExternalSecret",
        "metadata": {"name": "settings", "namespace": "shop"},
        "spec": {"secretStoreRef": {"name": "store", "kind": "ClusterSecretStore"}, "data": data, **spec},
    }


class Stand:
    def __init__(self, **spec: Any) -> None:
        self.clock = Clock()
        self.api = cluster(self.clock, BackupStore("bucket"))
        self.held = self.api.external_secrets.held
        self.held["shop/web"] = {"token": "one"}
        seed(self.api, [config("unrelated"), external(**spec)])
        self.clock.move(5)
        assert self.token() == "one"

    def token(self) -> str:
        secrets = {s["metadata"]["name"]: s for s in self.api.objects("secrets", "shop")}
        return base64.b64decode(secrets["settings"]["data"]["TOKEN"]).decode()

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.api.objects(SECRETS)[0]["status"]
        return found

    def force(self, value: str) -> None:
        said, _ = call(self.api, "PATCH", PATH, {"metadata": {"annotations": {"force-sync": value}}}, kind=MERGE)
        assert said == 200


@pytest.fixture
def stand() -> Stand:
    return Stand()


def test_the_api_refuses_a_policy_that_is_none_and_an_unknown_field(stand: Stand) -> None:
    assert call(stand.api, "PATCH", PATH, {"spec": {"refreshPolicy": "Always"}}, kind=MERGE)[0] == 422
    body = {"spec": {"refreshinterval": "1m"}}
    assert call(stand.api, "PATCH", PATH, body, kind=MERGE, fieldValidation="Strict")[0] == 422


def test_its_object_is_as_the_schema_wants(stand: Stand) -> None:
    found, resource = stand.api.objects(SECRETS)[0], kinds.by_key(SECRETS)
    assert schema.validate(resource, found) == []
    assert schema.prune(resource, copy.deepcopy(found)) == []


def test_a_new_value_comes_with_the_interval_and_not_before(stand: Stand) -> None:
    assert (stand.token(), stand.status()["conditions"][0]["reason"]) == ("one", "SecretSynced")
    stand.held["shop/web"] = {"token": "two"}
    stand.clock.move(3000)
    assert stand.token() == "one"
    stand.clock.move(700)
    assert stand.token() == "two"


def test_a_changed_annotation_fetches_at_once_and_the_same_one_again_does_not(stand: Stand) -> None:
    stand.held["shop/web"] = {"token": "two"}
    stand.force("1")
    stand.clock.move(3)
    assert stand.token() == "two"
    at = stand.status()["refreshTime"]
    stand.force("1")
    stand.clock.move(30)
    assert stand.status()["refreshTime"] == at


def test_what_the_store_has_lost_leaves_the_secret_and_the_time_and_is_told(stand: Stand) -> None:
    at = stand.status()["refreshTime"]
    del stand.held["shop/web"]
    stand.force("1")
    stand.clock.move(3)
    condition = stand.status()["conditions"][0]
    assert (condition["status"], condition["reason"]) == ("False", "SecretSyncedError")
    assert (stand.token(), stand.status()["refreshTime"]) == ("one", at)
    stand.held["shop/web"] = {"token": "three"}
    stand.clock.move(90)
    assert stand.token() == "three"


def test_an_interval_of_nothing_is_never_again() -> None:
    stand = Stand(refreshInterval="0s")
    stand.held["shop/web"] = {"token": "two"}
    stand.clock.move(86400)
    assert stand.token() == "one"
