"""What the recording leaves out: objects made and changed between two recorded exchanges."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from drctl.neighbours.kubernetes.api import KubeApi

MERGE = "application/merge-patch+json"


class Replay(Protocol):
    """What the player lets its gaps be filled with."""

    api: KubeApi
    names: dict[str, str]

    def send(self, method: str, path: str, body: Any = None, *, kind: str = "", query: Any = None) -> Any: ...

    def make(self, shown: Mapping[str, Any], collection: str) -> None: ...

    def pass_time(self, seconds: float) -> None: ...


WEB = {
    "replicas": 1,
    "selector": {"matchLabels": {"app": "web"}},
    "template": {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "nginx", "image": "nginx:1"}]},
    },
}
SHOP: list[dict[str, Any]] = [
    {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "app-conf", "namespace": "shop", "labels": {"tier": "core"}},
        "data": {"a": "1"},
    },
    {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "other", "namespace": "shop"}, "data": {"b": "2"}},
    {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db", "namespace": "shop"}, "data": {"p": "cHc="}},
    {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]},
    },
    {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}},
        "spec": WEB,
    },
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "rec"}},
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "argocd"}},
]

Before = Callable[[Replay, Mapping[str, Any]], None]
V = "/apis/velero.io/v1/namespaces/velero"


def _hook(replay: Replay, _: Mapping[str, Any]) -> None:
    replay.api.partial_next(2, backup="b-hook", hooks=1)


def _denied(replay: Replay, _: Mapping[str, Any]) -> None:
    policy = "ValidatingAdmissionPolicy 'deny-cm' with binding 'deny-cm' denied request: denied by test"
    replay.api.refuse_restored("configmaps/app-conf", policy)


def _allowed(replay: Replay, _: Mapping[str, Any]) -> None:
    replay.api.refuse_restored("configmaps/app-conf")


def _scaled_back(replay: Replay, recorded: Mapping[str, Any]) -> None:
    replay.send("PATCH", recorded["path"], recorded["body"], kind=MERGE)


def _location(replay: Replay, recorded: Mapping[str, Any]) -> None:
    """The default location as it was configured there."""
    shown = recorded["response"]["items"][0]["spec"]
    replay.send("PATCH", f"{V}/backupstoragelocations/default", {"spec": shown}, kind=MERGE)


def _applied(replay: Replay, recorded: Mapping[str, Any]) -> None:
    apply = "application/apply-patch+yaml"
    replay.send("PATCH", recorded["path"], recorded["body"], kind=apply, query={"fieldManager": "rec"})


def _status(replay: Replay, recorded: Mapping[str, Any]) -> None:
    replay.send("PATCH", recorded["path"], {"status": recorded["response"]["status"]}, kind=MERGE)


def _made(replay: Replay, recorded: Mapping[str, Any]) -> None:
    replay.make(recorded["response"], recorded["path"].rpartition("/")[0])


def _watched_backup(replay: Replay, _: Mapping[str, Any]) -> None:
    spec = {"includedNamespaces": ["shop"], "includedResources": ["configmaps"]}
    meta = {"name": "w1", "namespace": "velero"}
    replay.make({"apiVersion": "velero.io/v1", "kind": "Backup", "metadata": meta, "spec": spec}, f"{V}/backups")
    replay.pass_time(30)


def _new_template(replay: Replay, _: Mapping[str, Any]) -> None:
    container = {"name": "c", "image": "registry.example.invalid/web:1", "env": [{"name": "A", "value": "1"}]}
    patch = {"spec": {"template": {"spec": {"containers": [container]}}}}
    replay.send("PATCH", "/apis/apps/v1/namespaces/rec/deployments/web", patch, kind=MERGE)


def _running(replay: Replay, recorded: Mapping[str, Any]) -> None:
    replay.api.set_nodes(1)
    replay.pass_time(30)
    pods = replay.api.objects("pods", "rec")
    replay.names[recorded["path"].split("/")[6]] = pods[0]["metadata"]["name"]


def _looser(replay: Replay, _: Mapping[str, Any]) -> None:
    path = "/apis/policy/v1/namespaces/rec/poddisruptionbudgets/web"
    replay.send("PATCH", path, {"spec": {"minAvailable": 1}}, kind=MERGE)


def _attach_error(replay: Replay, recorded: Mapping[str, Any]) -> None:
    status = recorded["response"]["items"][0]["status"]
    replay.send("PATCH", recorded["path"] + "/csi-1/status", {"status": status}, kind=MERGE)


def _another(replay: Replay, recorded: Mapping[str, Any]) -> None:
    name = recorded["path"].rpartition("/")[2]
    meta = {"name": name, "namespace": "rec"}
    shown = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": WEB}
    replay.make(shown, recorded["path"].rpartition("/")[0])


def _ending(replay: Replay, recorded: Mapping[str, Any]) -> None:
    replay.send("DELETE", recorded["path"])


def _wait(replay: Replay, _: Mapping[str, Any]) -> None:
    replay.pass_time(61)


BEFORE: dict[str, Before] = {
    "01-list/backupstoragelocations-at-start": _location,
    "02-backup/hook-create": _hook,
    "04-existing/partially-failed-create": _denied,
    "06-location/restore-from-readonly-create": _allowed,
    "07-schema/apply-again": _applied,
    "08-delete/request-create": _watched_backup,
    "12-karpenter/nodeclaim-patch-spec-via-status": _status,
    "13-native/deployment-get": _made,
    "13-native/deployment-patch-replicas": _scaled_back,
    "13-native/deployment-patch-status": _new_template,
    "13-native/pdb-get": _made,
    "13-native/eviction-refused-by-pdb": _running,
    "13-native/eviction-allowed": _looser,
    "13-native/volumeattachment-list": _attach_error,
    "13-native/deployment-delete-background": _another,
    "13-native/namespace-get-terminating": _ending,
    "03-restore/schedule-get-after-run": _wait,
}
