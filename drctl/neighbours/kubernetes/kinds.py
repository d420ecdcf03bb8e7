"""The resources this API server serves: which group, scope, subresources, and what validates them.

Custom resources come from the CRDs in `schemas/`; native ones are checked against lightkube's models, which are
generated from the OpenAPI document of Kubernetes.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

SCHEMAS: Final = Path(__file__).parent / "schemas"


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind. `model` is the dotted path of lightkube's class for native kinds, "" for custom ones.

    `counts_changes`: has `metadata.generation`. `details_on_delete`: DELETE answers a `Status` with the uid; the
    kinds without it answer the deleted object (recorded for VolumeAttachment; pods, namespaces and services likewise
    by kubernetes.io/docs/reference/kubernetes-api, "Delete", which gives the object as response).
    """

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    model: str = ""
    status: bool = False
    scale: bool = False
    counts_changes: bool = False
    details_on_delete: bool = True
    short: tuple[str, ...] = ()

    @property
    def custom(self) -> bool:
        return not self.model

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def key(self) -> str:
        """`backups.velero.io`, `pods`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


_NATIVE: Final = (
    Resource(
        "", "v1", "namespaces", "Namespace", False, "core_v1", status=True, details_on_delete=False, short=("ns",)
    ),
    Resource("", "v1", "nodes", "Node", False, "core_v1", status=True, short=("no",)),
    Resource(
        "", "v1", "pods", "Pod", True, "core_v1", True, counts_changes=True, details_on_delete=False, short=("po",)
    ),
    Resource("", "v1", "secrets", "Secret", True, "core_v1"),
    Resource("", "v1", "configmaps", "ConfigMap", True, "core_v1", short=("cm",)),
    Resource("", "v1", "services", "Service", True, "core_v1", status=True, details_on_delete=False, short=("svc",)),
    Resource("", "v1", "serviceaccounts", "ServiceAccount", True, "core_v1", details_on_delete=False, short=("sa",)),
    Resource(
        "",
        "v1",
        "persistentvolumeclaims",
        "PersistentVolumeClaim",
        True,
        "core_v1",
        status=True,
        details_on_delete=False,
        short=("pvc",),
    ),
    Resource(
        "",
        "v1",
        "persistentvolumes",
        "PersistentVolume",
        False,
        "core_v1",
        status=True,
        details_on_delete=False,
        short=("pv",),
    ),
    Resource("apps", "v1", "deployments", "Deployment", True, "apps_v1", True, True, True, short=("deploy",)),
    Resource("batch", "v1", "jobs", "Job", True, "batch_v1", True, counts_changes=True, details_on_delete=False),
    Resource(
        "policy",
        "v1",
        "poddisruptionbudgets",
        "PodDisruptionBudget",
        True,
        "policy_v1",
        True,
        False,
        True,
        short=("pdb",),
    ),
    Resource("", "v1", "events", "Event", True, "core_v1", short=("ev",)),
    Resource(
        "networking.k8s.io",
        "v1",
        "ingresses",
        "Ingress",
        True,
        "networking_v1",
        True,
        counts_changes=True,
        short=("ing",),
    ),
    Resource(
        "networking.k8s.io",
        "v1",
        "networkpolicies",
        "NetworkPolicy",
        True,
        "networking_v1",
        counts_changes=True,
        short=("netpol",),
    ),
    Resource("storage.k8s.io", "v1", "storageclasses", "StorageClass", False, "storage_v1", short=("sc",)),
    Resource("storage.k8s.io", "v1", "csidrivers", "CSIDriver", False, "storage_v1"),
    Resource("rbac.authorization.k8s.io", "v1", "roles", "Role", True, "rbac_v1"),
    Resource("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding", True, "rbac_v1"),
    Resource("rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", False, "rbac_v1"),
    Resource("rbac.authorization.k8s.io", "v1", "clusterrolebindings", "ClusterRoleBinding", False, "rbac_v1"),
    Resource(
        "storage.k8s.io",
        "v1",
        "volumeattachments",
        "VolumeAttachment",
        False,
        "storage_v1",
        status=True,
        details_on_delete=False,
    ),
)


@functools.cache
def _definitions() -> Mapping[str, Mapping[str, Any]]:
    """The CRDs by their name (`backups.velero.io`)."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times faster, where libyaml is there
    loaded = [yaml.load(path.read_text(encoding="utf-8"), loader) for path in sorted(SCHEMAS.glob("*.yaml"))]  # noqa: S506
    return {crd["metadata"]["name"]: crd["spec"] for crd in loaded}


def _custom(spec: Mapping[str, Any]) -> Resource:
    names, version = spec["names"], spec["versions"][0]
    has = version.get("subresources") or {}
    return Resource(
        spec["group"],
        version["name"],
        names["plural"],
        names["kind"],
        spec["scope"] == "Namespaced",
        status="status" in has,
        scale="scale" in has,
        counts_changes=True,
        short=tuple(names.get("shortNames", ())),
    )


@functools.cache
def resources() -> Mapping[tuple[str, str, str], Resource]:
    """Every resource by (group, version, plural)."""
    every = (*_NATIVE, *(_custom(spec) for spec in _definitions().values()))
    return {(r.group, r.version, r.plural): r for r in every}


@functools.cache
def by_kind(api_version: str, kind: str) -> Resource:
    """The resource of an object's `apiVersion` and `kind`; KeyError when this server has none."""
    for resource in resources().values():
        if (resource.api_version, resource.kind) == (api_version, kind):
            return resource
    raise KeyError(f"{api_version} {kind}")


@functools.cache
def by_key(key: str) -> Resource:
    """The resource called `backups.velero.io` or `pods`; KeyError when this server has none."""
    return next(r for r in resources().values() if r.key == key)


@functools.cache
def schema(resource: Resource) -> Mapping[str, Any]:
    """The OpenAPI v3 schema of a custom resource."""
    found: Mapping[str, Any] = _definitions()[resource.key]["versions"][0]["schema"]["openAPIV3Schema"]
    return found


@functools.cache
def model(resource: Resource) -> type:
    """Lightkube's class of a native resource."""
    found: type = getattr(importlib.import_module(f"lightkube.models.{resource.model}"), resource.kind)
    return found
