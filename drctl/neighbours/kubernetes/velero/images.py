"""The restore item action `velero.io/change-image-name` (*source*, pkg/restore/actions/change_image_name_action.go).

A ConfigMap in Velero's namespace with the labels `velero.io/plugin-config` (any value) and
`velero.io/change-image-name: RestoreItemAction`; each row of its data is `<part of an image>,<what stands there then>`,
whatever its key. More than one such ConfigMap is an error of every item that the action is for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from drctl.neighbours.kubernetes.kinds import Resource
from drctl.neighbours.kubernetes.objects import Obj
from drctl.neighbours.kubernetes.trees import copied
from drctl.neighbours.kubernetes.velero.shared import NAMESPACE, Velero

SELECTOR: Final = "velero.io/plugin-config,velero.io/change-image-name=RestoreItemAction"
_PODS: Final[Mapping[str, tuple[str, ...]]] = {
    "pods": ("spec",),
    "deployments": ("spec", "template", "spec"),
    "statefulsets": ("spec", "template", "spec"),
    "daemonsets": ("spec", "template", "spec"),
    "replicasets": ("spec", "template", "spec"),
    "replicationcontrollers": ("spec", "template", "spec"),
    "jobs": ("spec", "template", "spec"),
    "cronjobs": ("spec", "jobTemplate", "spec", "template", "spec"),
}


class ActionError(Exception):
    """The action could not run; the text is Velero's."""


def changed(velero: Velero, resource: Resource, obj: Obj) -> Obj:
    """The object with its images replaced; itself where there is nothing to replace."""
    if resource.plural not in _PODS:
        return obj
    maps = [
        m
        for m in velero.cluster.every_object("configmaps", NAMESPACE)
        if (labels := m["metadata"].get("labels") or {}).get("velero.io/change-image-name") == "RestoreItemAction"
        and "velero.io/plugin-config" in labels
    ]
    if len(maps) > 1:
        names = " ".join(m["metadata"]["name"] for m in maps)
        raise ActionError(f'found more than one ConfigMap matching label selector "{SELECTOR}": [{names}]')
    return changed_by(list((maps[0].get("data") or {}).values()) if maps else [], resource, obj)


def changed_by(rows: Sequence[str], resource: Resource, obj: Obj) -> Obj:
    """The same for given rows."""
    if resource.plural not in _PODS:
        return obj
    new = copied(obj)
    spec: Any = new
    for part in _PODS[resource.plural]:
        spec = spec.get(part) or {}
    for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
        container["image"] = replaced(container.get("image", ""), rows)
    return new


def replaced(image: str, rows: Sequence[str]) -> str:
    """The first row that is in the image replaces every occurrence; Go takes rows in no order at all."""
    for row in rows:
        old, comma, new = row.partition(",")
        if comma and new and old.strip() and old.strip() in image:
            return image.replace(old, new)
    return image
