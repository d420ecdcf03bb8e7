"""What a restore does to the cluster's objects (*recorded*, 03-restore, 04-existing; *docs*, "Restore reference").

Objects that exist are left alone and counted as warnings, unless the policy is `update`; a Completed restore may thus
have changed nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from drctl.neighbours.kubernetes import native
from drctl.neighbours.kubernetes.kinds import Resource, by_key
from drctl.neighbours.kubernetes.objects import Obj
from drctl.neighbours.kubernetes.trees import copied
from drctl.neighbours.kubernetes.velero import images, modifiers
from drctl.neighbours.kubernetes.velero.filters import chosen, resource_of
from drctl.neighbours.kubernetes.velero.shared import Velero

_FIRST: Final = ("persistentvolumeclaims", "serviceaccounts", "secrets", "configmaps")
_LABELS: Final = ("velero.io/backup-name", "velero.io/restore-name")
_OWN: Final = ("uid", "resourceVersion", "creationTimestamp", "generation", "ownerReferences", "managedFields")
_EXISTS: Final = (
    'could not restore, {kind} "{name}" already exists. '
    "Warning: the in-cluster version is different than the backed-up version"
)


@dataclass(slots=True)
class Outcome:
    """How it went. `warnings` and `errors` are in the shape of the results file; `listed` is the resource list."""

    total: int = 0
    warnings: dict[str, Any] = field(default_factory=dict)
    errors: dict[str, Any] = field(default_factory=dict)
    listed: dict[str, list[str]] = field(default_factory=dict)

    def note(self, where: dict[str, Any], namespace: str, text: str) -> None:
        if namespace:
            where.setdefault("namespaces", {}).setdefault(namespace, []).append(text)
        else:
            where.setdefault("cluster", []).append(text)


def count(found: Mapping[str, Any]) -> int:
    """The number in `status.warnings` or `status.errors`."""
    spaces = found.get("namespaces") or {}
    return len(found.get("cluster") or ()) + len(found.get("velero") or ()) + sum(len(v) for v in spaces.values())


def bring_back(velero: Velero, restore: Obj, objects: list[Obj], rules: list[modifiers.Rule]) -> Outcome:
    """Creates, skips or updates everything the restore's spec chooses; namespaces are made as they are needed. `rules`
    are its resource modifiers, as they were when it was validated.
    """
    spec, outcome = restore["spec"], Outcome()
    spaces = {o["metadata"]["name"]: o for o in objects if o["kind"] == "Namespace"}
    wanted = [(resource_of(o), o) for o in objects if o["kind"] != "Namespace"]
    wanted = [(r, o) for r, o in wanted if chosen(spec, r, o)]
    wanted.sort(key=lambda pair: _order(pair[0]))
    made: set[str] = set()
    for resource, obj in wanted:
        source = obj["metadata"].get("namespace", "")
        target = (spec.get("namespaceMapping") or {}).get(source, source)
        if target and target not in made:
            made.add(target)
            _namespace(velero, spaces.get(source), target, outcome)
        _one(velero, restore, resource, _changed(velero, rules, resource, obj, target, outcome), target, outcome)
    outcome.total = len(wanted) + len(made)
    return outcome


def _order(resource: Resource) -> tuple[int, str]:
    place = _FIRST.index(resource.plural) if resource.plural in _FIRST else len(_FIRST)
    return place, resource.key


def _namespace(velero: Velero, source: Obj | None, target: str, outcome: Outcome) -> None:
    if velero.cluster.get("namespaces", "", target) is not None:
        return
    meta: Obj = {"name": target}
    for part in ("labels", "annotations"):
        kept = ((source or {}).get("metadata") or {}).get(part)
        if kept:
            meta[part] = dict(kept)
    obj: Obj = {"metadata": meta}
    resource = by_key("namespaces")
    native.fill(resource, obj, number=0)
    velero.cluster.create(resource, obj)
    outcome.listed.setdefault("v1/Namespace", []).append(f"{target}(created)")


def _changed(
    velero: Velero, rules: list[modifiers.Rule], resource: Resource, obj: Obj, target: str, outcome: Outcome
) -> Obj | None:
    """Item actions first, then the modifiers, on the object without its status and still in its own namespace
    (*source*, pkg/restore/restore.go, restoreItem). An action that fails leaves the item out; a modifier does not.
    """
    name = obj["metadata"]["name"]
    bare = {k: v for k, v in obj.items() if k != "status"}
    try:
        new = images.changed(velero, resource, bare)
    except images.ActionError as error:
        place = f"{resource.key}/{target}/{name}" if target else f"{resource.key}/{name}"
        outcome.note(outcome.errors, target, f"error preparing {place}: {error}")
        return None
    new, errors = modifiers.modified(rules, resource, new)
    for text in errors:
        outcome.note(outcome.errors, target, text)
    return new


def _one(velero: Velero, restore: Obj, resource: Resource, obj: Obj | None, target: str, outcome: Outcome) -> None:
    if obj is None:
        return
    name = obj["metadata"]["name"]
    place = f"{target}/{name}" if target else name
    listed = outcome.listed.setdefault(f"{resource.api_version}/{resource.kind}", [])
    new = _prepared(restore, obj, target)
    refused = velero.refused.get(f"{resource.plural}/{name}")
    if refused:
        text = f'error restoring {resource.key}/{place}: {resource.key} "{name}" is forbidden: {refused}'
        outcome.note(outcome.errors, target, text)
        listed.append(f"{place}(failed)")
        return
    existing = velero.cluster.get(resource.key, target, name)
    if existing is None:
        if not resource.custom:
            native.fill(resource, new, number=velero.cluster.number())
        velero.cluster.create(resource, new)
        listed.append(f"{place}(created)")
    elif resource.kind == "ServiceAccount" or _same(existing, new, obj):
        listed.append(f"{place}(skipped)")
    elif restore["spec"].get("existingResourcePolicy") == "update":
        velero.cluster.write(resource, _updated(existing, new))
        listed.append(f"{place}(updated)")
    else:
        outcome.note(outcome.warnings, target, _EXISTS.format(kind=resource.kind, name=name))
        listed.append(f"{place}(failed)")


def _prepared(restore: Obj, obj: Obj, target: str) -> Obj:
    """The object as Velero would create it: no identity, no status, its two labels, a Service without its address."""
    new = copied(obj)
    meta = new["metadata"]
    for part in _OWN:
        meta.pop(part, None)
    if target:
        meta["namespace"] = target
    new.pop("status", None)
    if new["kind"] == "Service" and new.get("spec", {}).get("clusterIP") != "None":
        for part in ("clusterIP", "clusterIPs"):
            new["spec"].pop(part, None)
    values = (restore["spec"]["backupName"], restore["metadata"]["name"])
    meta["labels"] = {**(meta.get("labels") or {}), **dict(zip(_LABELS, values, strict=True))}
    return new


def _same(existing: Obj, new: Obj, backed_up: Obj) -> bool:
    """Equal but for identity, status and Velero's labels. The certificate bundle every namespace gets by itself counts
    as different in a mapped namespace (*recorded*: two warnings in a namespace that was new).
    """
    mapped = backed_up["metadata"].get("namespace") != new["metadata"].get("namespace")
    if mapped and new["metadata"]["name"] == "kube-root-ca.crt":
        return False
    return _essence(existing) == _essence(new)


def _essence(obj: Obj) -> Obj:
    meta = obj["metadata"]
    labels = {k: v for k, v in (meta.get("labels") or {}).items() if k not in _LABELS}
    notes = {k: v for k, v in (meta.get("annotations") or {}).items() if not k.startswith("deployment.kubernetes.io/")}
    rest = {k: v for k, v in obj.items() if k not in ("metadata", "status", "apiVersion", "kind")}
    return {**rest, "labels": labels, "annotations": notes}


def _updated(existing: Obj, new: Obj) -> Obj:
    """The backed-up content under the identity of the object in the cluster."""
    meta = copied(existing["metadata"])
    meta["labels"] = new["metadata"]["labels"]
    if new["metadata"].get("annotations"):
        meta["annotations"] = {**meta.get("annotations", {}), **new["metadata"]["annotations"]}
    out = {**new, "metadata": meta}
    if "status" in existing:
        out["status"] = copied(existing["status"])
    if existing["kind"] == "Service":
        out["spec"] = {**out["spec"], "clusterIP": existing["spec"].get("clusterIP")}
    return out
