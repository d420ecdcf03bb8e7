"""Which objects a backup takes and a restore brings back: namespaces, resources, labels, scope (*docs*, "Resource
filtering").
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from drctl.neighbours.kubernetes.kinds import Resource, by_kind
from drctl.neighbours.kubernetes.objects import Cluster, Obj
from drctl.neighbours.kubernetes.selectors import selects

Spec = Mapping[str, Any]
_NEVER: Final = (
    "nodes",
    "namespaces",
    "persistentvolumes",
    "volumeattachments.storage.k8s.io",
    "backups.velero.io",
    "restores.velero.io",
    "downloadrequests.velero.io",
    "deletebackuprequests.velero.io",
)
"""Not captured: what no restore brings back; volumes, which are provisioned anew for a restored claim; namespaces,
which go with their objects; requests meant only for now.
"""


def named(resource: Resource, names: Iterable[str]) -> bool:
    """Whether a list of resource names, as people write them, holds `resource`."""
    known = {resource.plural, resource.key, resource.kind.lower(), *resource.short, "*"}
    return any(name.lower() in known for name in names)


def chosen(spec: Spec, resource: Resource, obj: Obj) -> bool:
    """Whether the filters of a backup's or restore's spec choose this object."""
    if named(resource, spec.get("excludedResources") or ()):
        return False
    included = spec.get("includedResources") or ()
    if included and not named(resource, included):
        return False
    scoped = spec.get("includedNamespaces") or ()
    scoped = () if "*" in scoped else scoped
    if resource.namespaced:
        namespace = obj["metadata"]["namespace"]
        if (scoped and namespace not in scoped) or namespace in (spec.get("excludedNamespaces") or ()):
            return False
        newer = ("includedNamespaceScopedResources", "excludedNamespaceScopedResources")
    else:
        wanted = spec.get("includeClusterResources")
        if wanted is False or (wanted is None and scoped):
            return False
        newer = ("includedClusterScopedResources", "excludedClusterScopedResources")
    included, excluded = (spec.get(name) or () for name in newer)
    if (included and not named(resource, included)) or named(resource, excluded):
        return False
    return _labelled(spec, obj["metadata"].get("labels") or {})


def _labelled(spec: Spec, labels: Mapping[str, str]) -> bool:
    either = spec.get("orLabelSelectors")
    if either:
        return any(selects(one, labels) for one in either)
    return selects(spec.get("labelSelector"), labels)


def capture(cluster: Cluster, spec: Spec) -> tuple[list[Obj], list[str]]:
    """The objects a backup takes, each namespace's own object first, and the errors met on the way.

    A pod that a Deployment owns is left out: it comes back with its Deployment. Real Velero takes it along too, so its
    item counts are higher.
    """
    objects = [
        obj
        for resource, obj in cluster.everything()
        if resource.key not in _NEVER and not obj["metadata"].get("ownerReferences") and chosen(spec, resource, obj)
    ]
    spaces = sorted({o["metadata"]["namespace"] for o in objects if "namespace" in o["metadata"]})
    first = [space for name in spaces if (space := cluster.get("namespaces", "", name)) is not None]
    missing = [
        name
        for name in spec.get("includedNamespaces") or ()
        if name != "*" and cluster.get("namespaces", "", name) is None
    ]
    errors = [f'error getting namespace {name}: namespaces "{name}" not found' for name in missing]
    return [*first, *objects], errors


def resource_of(obj: Obj) -> Resource:
    return by_kind(obj["apiVersion"], obj["kind"])


def overlap(included: Iterable[str], excluded: Iterable[str]) -> list[str]:
    """Velero's own words for a name that is on both lists (*recorded*, 05-validation/non-restorable)."""
    excluded = tuple(excluded)
    return [
        f"excludes list cannot contain an item in the includes list: {name}" for name in included if name in excluded
    ]
