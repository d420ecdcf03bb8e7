"""Velero's behaviour over time, and across two clusters on one bucket."""

from __future__ import annotations

import copy
import gzip
import json
from datetime import timedelta
from typing import Any

import pytest

from drctl.neighbours.kubernetes.api import KubeApi, seed
from drctl.neighbours.kubernetes.velero.shared import duration
from drctl.neighbours.kubernetes.velero.store import BackupStore
from drctl.neighbours.kubernetes.velero.taken import take_backup
from tests.neighbours.kubernetes.world import MERGE, VELERO, Clock, call, cluster, config, make, shop, status_of

NONE: dict[str, Any] = {}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store() -> BackupStore:
    return BackupStore("backups-east", "backups-west")


@pytest.fixture
def east(clock: Clock, store: BackupStore) -> KubeApi:
    api = cluster(clock, store, "east", nodes=2)
    shop(api)
    return api


@pytest.fixture
def west(clock: Clock, store: BackupStore, east: KubeApi) -> KubeApi:
    take_backup(east, "hourly-1", at=clock.now - timedelta(hours=1), schedule="hourly")
    return cluster(clock, store, "west", bucket="backups-west", read_only=True)


def results(api: KubeApi, clock: Clock, restore: str) -> dict[str, Any]:
    make(api, "DownloadRequest", f"dl-{restore}", target={"kind": "RestoreResults", "name": restore})
    clock.move(1)
    url = status_of(api, "downloadrequests", f"dl-{restore}")["downloadURL"]
    path, _, query = url.partition("?")
    answer = api.request("GET", path, [tuple(p.split("=", 1)) for p in query.split("&")], NONE, b"")
    assert answer.status == 200
    return dict(json.loads(gzip.decompress(answer.body)))


# --- refusals


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({}, "Either a backup or schedule must be specified as a source for the restore, but not both"),
        ({"backupName": "none"}, "can't find backup velero/none"),
        ({"scheduleName": "none"}, "No backups found for schedule"),
        ({"backupName": "hourly-1", "existingResourcePolicy": "replace"}, "Invalid ExistingResourcePolicy: replace"),
        ({"backupName": "hourly-1", "includedResources": ["nodes"]}, "nodes are non-restorable resources"),
    ],
)
def test_a_restore_that_cannot_be_is_taken_by_the_api_and_fails_validation(
    west: KubeApi, clock: Clock, spec: dict[str, Any], said: str
) -> None:
    make(west, "Restore", "r", **spec)
    clock.move(2)
    status = status_of(west, "restores", "r")
    assert status["phase"] == "FailedValidation"
    assert any(said in text for text in status["validationErrors"])


def test_a_read_only_location_refuses_backups_and_serves_restores(west: KubeApi, clock: Clock) -> None:
    make(west, "Backup", "b")
    make(west, "Restore", "r", backupName="hourly-1")
    clock.move(30)
    assert status_of(west, "backups", "b")["phase"] == "FailedValidation"
    assert status_of(west, "restores", "r")["phase"] == "Completed"


def test_an_unavailable_location_refuses_backups_in_1_18_and_fails_them_in_1_16(clock: Clock) -> None:
    store = BackupStore("gone")
    new, old = (cluster(clock, store, v, velero=v) for v in ("1.18", "1.16"))
    store.reachable = False
    clock.move(15)
    for api in (new, old):
        assert status_of(api, "backupstoragelocations", "default")["phase"] == "Unavailable"
        make(api, "Backup", "b")
    clock.move(10)
    assert status_of(new, "backups", "b")["validationErrors"] == [
        "backup can't be created because BackupStorageLocation default is in Unavailable status."
    ]
    assert "connection refused" in status_of(old, "backups", "b")["failureReason"]


def test_a_restore_whose_bucket_goes_away_fails(west: KubeApi, clock: Clock, store: BackupStore) -> None:
    clock.move(1)
    make(west, "Restore", "r", backupName="hourly-1")
    clock.move(5)
    assert status_of(west, "restores", "r")["phase"] == "InProgress"
    store.reachable = False
    clock.move(20)
    status = status_of(west, "restores", "r")
    assert (status["phase"], "connection refused" in status["failureReason"]) == ("Failed", True)


def test_one_bad_duration_stalls_every_backup_and_restore_until_it_is_deleted(west: KubeApi, clock: Clock) -> None:
    clock.move(1)
    make(west, "Backup", "poison", ttl="three days")
    make(west, "Restore", "r", backupName="hourly-1")
    clock.move(120)
    assert status_of(west, "restores", "r") == {}
    assert status_of(west, "backups", "poison") == {}
    assert call(west, "DELETE", VELERO + "/backups/poison")[0] == 200
    clock.move(30)
    assert status_of(west, "restores", "r")["phase"] == "Completed"


@pytest.mark.parametrize("text", ["three days", "", "5", "1d", "h", "1h 2m"])
def test_only_a_go_duration_is_one(text: str) -> None:
    with pytest.raises(ValueError, match="invalid duration"):
        duration(text)


def test_reads_go_durations() -> None:
    assert [duration(t) for t in ("2h0m0s", "1.5h", "0", "-30s")] == [
        timedelta(hours=2),
        timedelta(minutes=90),
        timedelta(0),
        timedelta(seconds=-30),
    ]


# --- backups


def test_backups_of_1_18_queue_and_run_one_at_a_time(east: KubeApi, clock: Clock) -> None:
    seen: list[tuple[str, str]] = []
    make(east, "Backup", "one")
    make(east, "Backup", "two")
    for _ in range(500):
        now = tuple(str(status_of(east, "backups", n).get("phase", "absent")) for n in ("one", "two"))
        if not seen or seen[-1] != now:
            seen.append((now[0], now[1]))
        clock.move(0.1)
    assert seen == [
        ("absent", "absent"),
        ("ReadyToStart", "Queued"),
        ("InProgress", "Queued"),
        ("Finalizing", "Queued"),
        ("Finalizing", "ReadyToStart"),
        ("Finalizing", "InProgress"),
        ("Completed", "InProgress"),
        ("Completed", "Finalizing"),
        ("Completed", "Completed"),
    ]


def test_a_backup_takes_twenty_seconds_divided_by_speed(clock: Clock) -> None:
    fast = cluster(clock, BackupStore("b"), speed=10)
    make(fast, "Backup", "b")
    clock.move(1.8)
    assert status_of(fast, "backups", "b")["phase"] == "InProgress"
    clock.move(0.3)
    assert status_of(fast, "backups", "b")["phase"] == "Completed"


def test_a_backup_named_for_a_fault_is_partially_failed_and_still_restores_to_completed(
    east: KubeApi, clock: Clock
) -> None:
    east.partial_next(3, backup="bad")
    make(east, "Backup", "good", includedNamespaces=["shop"])
    make(east, "Backup", "bad", includedNamespaces=["shop"])
    clock.move(60)
    assert status_of(east, "backups", "good")["phase"] == "Completed"
    assert status_of(east, "backups", "bad") | {"phase": "PartiallyFailed", "errors": 3} == status_of(
        east, "backups", "bad"
    )
    make(east, "Restore", "r", backupName="bad", namespaceMapping={"shop": "copy"})
    clock.move(30)
    assert status_of(east, "restores", "r")["phase"] == "Completed"


def test_a_schedule_makes_backups_while_it_is_not_paused(east: KubeApi, clock: Clock) -> None:
    make(east, "Schedule", "hourly", schedule="0 * * * *", template={"includedNamespaces": ["shop"], "ttl": "24h0m0s"})
    clock.move(2 * 3600 + 60)
    chosen = {"labelSelector": "velero.io/schedule-name=hourly"}
    names = [b["metadata"]["name"] for b in call(east, "GET", VELERO + "/backups", **chosen)[1]["items"]]
    assert names == ["hourly-20261122210000", "hourly-20261122220000"]
    call(east, "PATCH", VELERO + "/schedules/hourly", {"spec": {"paused": True}}, kind=MERGE)
    clock.move(3 * 3600)
    assert len(call(east, "GET", VELERO + "/backups", **chosen)[1]["items"]) == 2


# --- across clusters


def test_a_fresh_cluster_on_the_bucket_gets_its_backups_but_no_schedules_and_no_restores(
    east: KubeApi, clock: Clock, store: BackupStore
) -> None:
    make(east, "Schedule", "daily", schedule="0 1 * * *", template={})
    make(east, "Backup", "b", includedNamespaces=["shop"])
    clock.move(30)
    make(east, "Restore", "r", backupName="b")
    clock.move(30)
    west = cluster(clock, store, "west", bucket="backups-west")
    clock.move(1)
    found = {p: call(west, "GET", f"{VELERO}/{p}")[1]["items"] for p in ("backups", "schedules", "restores")}
    assert [b["metadata"]["name"] for b in found["backups"]] == ["b"]
    assert found["schedules"] == found["restores"] == []


def test_a_backup_that_is_not_finished_is_not_synced_to_the_standby(
    east: KubeApi, clock: Clock, store: BackupStore
) -> None:
    make(east, "Backup", "b", includedNamespaces=["shop"])
    clock.move(19.5)
    assert status_of(east, "backups", "b")["phase"] == "Finalizing"
    west = cluster(clock, store, "west")
    clock.move(0.3)
    assert call(west, "GET", VELERO + "/backups")[1]["items"] == []
    clock.move(5)
    assert status_of(east, "backups", "b")["phase"] == "Completed"
    clock.move(20)
    assert status_of(west, "backups", "b")["phase"] == "Completed"


def test_a_restore_in_the_standby_brings_the_deployments_which_run_once_there_are_nodes(
    west: KubeApi, clock: Clock
) -> None:
    clock.move(1)
    make(west, "Restore", "r", backupName="hourly-1", includedNamespaces=["shop"])
    clock.move(30)
    status = status_of(west, "restores", "r")
    assert (status["phase"], status.get("errors"), status["warnings"]) == ("Completed", None, 1)
    labels = call(west, "GET", "/apis/apps/v1/namespaces/shop/deployments/web")[1]["metadata"]["labels"]
    assert (labels["velero.io/backup-name"], labels["velero.io/restore-name"]) == ("hourly-1", "r")
    assert call(west, "GET", "/api/v1/namespaces/shop/secrets/db")[1]["data"] == {"p": "cA=="}
    assert not west.ready_deployment("shop", "web")
    west.set_nodes(1)
    clock.move(21)
    assert west.ready_deployment("shop", "web")


def test_restores_run_in_the_order_they_came(west: KubeApi, clock: Clock) -> None:
    clock.move(1)
    for name in ("tier-1", "tier-2"):
        labels = {"matchLabels": {"tier": "2"} if name == "tier-2" else {"app": "web"}}
        make(west, "Restore", name, backupName="hourly-1", labelSelector=labels)
    clock.move(15)
    assert status_of(west, "restores", "tier-1")["phase"] == "InProgress"
    assert status_of(west, "restores", "tier-2") == {}
    clock.move(10)
    assert [d["metadata"]["name"] for d in west.objects("deployments.apps")] == ["web"]
    clock.move(20)
    assert [d["metadata"]["name"] for d in west.objects("deployments.apps")] == ["web", "worker"]


def test_existing_objects_are_left_and_counted_unless_the_policy_is_update(
    west: KubeApi, east: KubeApi, clock: Clock
) -> None:
    seed(west, [config("conf", a="drifted")])
    clock.move(1)
    make(west, "Restore", "plain", backupName="hourly-1", includedResources=["configmaps"])
    clock.move(25)
    conf = "/api/v1/namespaces/shop/configmaps/conf"
    assert call(west, "GET", conf)[1]["data"] == {"a": "drifted"}
    assert status_of(west, "restores", "plain")["phase"] == "Completed"
    warned = results(west, clock, "plain")["warnings"]["namespaces"]["shop"]
    assert warned[0].startswith('could not restore, ConfigMap "conf" already exists.')
    make(west, "Restore", "mend", backupName="hourly-1", includedResources=["cm"], existingResourcePolicy="update")
    clock.move(25)
    assert call(west, "GET", conf)[1]["data"] == {"a": "1"}
    assert "warnings" not in status_of(west, "restores", "mend")
    assert east.name == "east"


def test_an_or_selector_and_a_mapping_bring_a_part_under_another_name(west: KubeApi, clock: Clock) -> None:
    clock.move(1)
    either = [{"matchLabels": {"tier": "2"}}, {"matchLabels": {"app": "none"}}]
    make(west, "Restore", "drill", backupName="hourly-1", orLabelSelectors=either, namespaceMapping={"shop": "drill"})
    clock.move(25)
    found = [(d["metadata"]["namespace"], d["metadata"]["name"]) for d in west.objects("deployments.apps")]
    assert found == [("drill", "worker")]
    assert call(west, "GET", "/api/v1/namespaces/shop")[0] == 404


def test_restoring_from_a_schedule_takes_its_newest_completed_backup(
    west: KubeApi, east: KubeApi, clock: Clock
) -> None:
    at = clock.now
    take_backup(east, "hourly-2", at=at - timedelta(minutes=30), schedule="hourly")
    take_backup(east, "hourly-3", at=at - timedelta(minutes=5), schedule="hourly", phase="PartiallyFailed")
    clock.move(25)
    make(west, "Restore", "r", scheduleName="hourly")
    clock.move(5)
    assert call(west, "GET", VELERO + "/restores/r")[1]["spec"]["backupName"] == "hourly-2"


def test_a_restart_fails_what_runs_and_goes_on_with_what_waits(west: KubeApi, clock: Clock) -> None:
    clock.move(1)
    for name in ("running", "waiting"):
        make(west, "Restore", name, backupName="hourly-1")
    clock.move(5)
    west.restart_velero()
    assert status_of(west, "restores", "running")["phase"] == "Failed"
    clock.move(30)
    assert status_of(west, "restores", "waiting")["phase"] == "Completed"


def test_a_deleted_backup_comes_back_from_the_bucket_and_a_delete_request_ends_it(
    east: KubeApi, clock: Clock, store: BackupStore
) -> None:
    make(east, "Backup", "b")
    clock.move(30)
    assert call(east, "DELETE", VELERO + "/backups/b")[0] == 200
    clock.move(25)
    assert status_of(east, "backups", "b")["phase"] == "Completed"
    make(east, "DeleteBackupRequest", "del", backupName="b")
    clock.move(30)
    assert call(east, "GET", VELERO + "/backups/b")[0] == 404
    assert store.backups("velero") == {}


def test_a_copy_of_a_cluster_goes_its_own_way(west: KubeApi, clock: Clock) -> None:
    clock.move(1)
    make(west, "Restore", "r", backupName="hourly-1")
    twin = copy.deepcopy(west, {id(clock): clock})
    call(west, "DELETE", "/api/v1/namespaces/velero")
    clock.move(30)
    assert status_of(twin, "restores", "r")["phase"] == "Completed"
    assert call(west, "GET", VELERO + "/restores/r")[0] == 404


def test_a_long_silence_is_played_in_order(east: KubeApi, clock: Clock) -> None:
    make(east, "Backup", "b")
    clock.move(30 * 86400)
    status = status_of(east, "backups", "b")
    assert status["completionTimestamp"] == "2026-11-22T20:00:20Z"


# --- schedules and garbage collection


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "Schedule must be a non-empty valid Cron expression"),
        ("0 * * *", "invalid schedule: expected exactly 5 fields, found 4: [0 * * *]"),
        ("@fortnightly", "unrecognized descriptor: @fortnightly"),
        ("@every soon", 'time: invalid duration "soon"'),
        ("0 0 * * 7", "above maximum (6)"),
        ("CRON_TZ=Mars/Olympus 0 0 * * *", "unknown time zone Mars/Olympus"),
    ],
)
def test_a_line_that_robfig_cron_refuses_is_never_run_and_never_looked_at_again(
    east: KubeApi, clock: Clock, line: str, said: str
) -> None:
    make(east, "Schedule", "s", schedule=line, template={"ttl": "24h0m0s"})
    clock.move(1)
    status = status_of(east, "schedules", "s")
    assert status["phase"] == "FailedValidation"
    assert said in status["validationErrors"][0]
    call(east, "PATCH", VELERO + "/schedules/s", {"spec": {"schedule": "@hourly"}}, kind=MERGE)
    clock.move(2 * 3600)
    assert status_of(east, "schedules", "s")["phase"] == "FailedValidation"
    again = {"status": {"phase": "New", "validationErrors": None}}
    call(east, "PATCH", VELERO + "/schedules/s", again, kind=MERGE)
    clock.move(3600 + 60)
    assert status_of(east, "schedules", "s")["phase"] == "Enabled"
    # One at once, since it was due when it was looked at again, and the next by the clock.
    assert len(call(east, "GET", VELERO + "/backups")[1]["items"]) == 2


def test_an_enabled_schedule_whose_line_becomes_unreadable_fails_validation(east: KubeApi, clock: Clock) -> None:
    make(east, "Schedule", "s", schedule="@every 90m", template={"ttl": "24h0m0s"})
    clock.move(2 * 3600)
    assert len(call(east, "GET", VELERO + "/backups")[1]["items"]) == 1
    call(east, "PATCH", VELERO + "/schedules/s", {"spec": {"schedule": "every hour"}}, kind=MERGE)
    clock.move(1)
    assert status_of(east, "schedules", "s")["phase"] == "FailedValidation"


def test_an_expired_backup_is_gone_within_the_hour_and_stays_while_the_location_is_read_only(
    east: KubeApi, clock: Clock, store: BackupStore
) -> None:
    make(east, "Backup", "b", ttl="30m0s", includedNamespaces=["shop"])
    clock.move(25 * 60)
    assert status_of(east, "backups", "b")["phase"] == "Completed"
    call(east, "PATCH", VELERO + "/backupstoragelocations/default", {"spec": {"accessMode": "ReadOnly"}}, kind=MERGE)
    clock.move(2 * 3600)
    kept = call(east, "GET", VELERO + "/backups/b")[1]
    assert kept["metadata"]["labels"]["velero.io/gc-failure"] == "BSLReadOnly"
    call(east, "PATCH", VELERO + "/backupstoragelocations/default", {"spec": {"accessMode": "ReadWrite"}}, kind=MERGE)
    clock.move(3600 + 60)
    assert call(east, "GET", VELERO + "/backups/b")[0] == 404
    assert store.backup("velero", "b") is None
    assert call(east, "GET", VELERO + "/deletebackuprequests")[1]["items"] == []


def test_without_a_node_agent_a_backup_of_volumes_is_partially_failed(east: KubeApi, clock: Clock) -> None:
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "namespace": "shop"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "db-0", "namespace": "shop"},
        "spec": {
            "nodeName": "node-1",
            "containers": [{"name": "c", "image": "db:1"}],
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
        },
    }
    seed(east, [claim, pod])
    east.velero.no_node_agent = True
    make(east, "Backup", "with", defaultVolumesToFsBackup=True)
    make(east, "Backup", "without", defaultVolumesToFsBackup=False)
    clock.move(60)
    status = status_of(east, "backups", "with")
    assert (status["phase"], status["errors"]) == ("PartiallyFailed", 1)
    kept = east.location.backup("velero", "with")
    assert kept is not None
    assert "daemonset pod not found in running state in node node-1" in kept.results["errors"]["velero"][0]
    assert status_of(east, "backups", "without")["phase"] == "Completed"
