"""What every namespace gets by itself, and what goes with it when it ends; and objects held for foreground deletion.

The default ServiceAccount and the certificate bundle are made by kube-controller-manager
(kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin, "Root CA certificate publisher").
"""

from __future__ import annotations

from typing import Final

from drctl.neighbours.kubernetes.kinds import Resource, by_key
from drctl.neighbours.kubernetes.objects import Cluster, Obj
from drctl.neighbours.kubernetes.trees import copied

ENDING: Final = 1.0
"""Seconds until a terminating namespace, or an object held for foreground deletion, is gone."""
_BUNDLE_NOTE: Final = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the "
    "internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of "
    "Kubernetes clusters."
)


class Namespaces:
    """Makes and unmakes what belongs to a namespace."""

    name = "namespaces"

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    def changed(self, resource: Resource, obj: Obj, *, gone: bool) -> None:
        meta = obj["metadata"]
        if gone:
            return
        if "foregroundDeletion" in meta.get("finalizers", ()):
            self.cluster.after(ENDING, self.name, "release", resource.key, meta.get("namespace", ""), meta["name"])
        if resource.key != "namespaces":
            return
        if "deletionTimestamp" in meta:
            self.cluster.after(ENDING, self.name, "end", meta["name"])
        elif self.cluster.get("serviceaccounts", meta["name"], "default") is None:
            self._furnish(meta["name"])

    def wake(self, what: str, key: tuple[str, ...]) -> None:
        if what == "release":
            self._release(*key)
            return
        namespace = self.cluster.get("namespaces", "", key[0])
        if namespace is None or "deletionTimestamp" not in namespace["metadata"]:
            return
        for resource, obj in list(self.cluster.everything()):
            if obj["metadata"].get("namespace") == key[0]:
                self.cluster.remove(resource, obj)
        self.cluster.remove(by_key("namespaces"), namespace)

    def _furnish(self, namespace: str) -> None:
        bundle = {
            "metadata": {
                "name": "kube-root-ca.crt",
                "namespace": namespace,
                "annotations": {"kubernetes.io/description": _BUNDLE_NOTE},
            },
            "data": {"ca.crt": f"the certificate authority of {self.cluster.name}\n"},
        }
        self.cluster.create(by_key("serviceaccounts"), {"metadata": {"name": "default", "namespace": namespace}})
        self.cluster.create(by_key("configmaps"), bundle)

    def _release(self, key: str, namespace: str, name: str) -> None:
        obj = self.cluster.get(key, namespace, name)
        if obj is not None and "foregroundDeletion" in obj["metadata"].get("finalizers", ()):
            new = copied(obj)
            new["metadata"]["finalizers"] = [f for f in new["metadata"]["finalizers"] if f != "foregroundDeletion"]
            self.cluster.write(by_key(key), new)
