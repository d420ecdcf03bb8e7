"""`/status`, `/scale` and `/eviction`: views on an object with rules of their own (recorded, 12-karpenter,
13-native).
"""

from __future__ import annotations

from typing import Any

from drctl.neighbours.kubernetes import budgets, schema
from drctl.neighbours.kubernetes.asking import Asking, answered, success
from drctl.neighbours.kubernetes.deletes import Deletes
from drctl.neighbours.kubernetes.kinds import Resource
from drctl.neighbours.kubernetes.objects import Cluster, Obj
from drctl.neighbours.kubernetes.reads import Reads
from drctl.neighbours.kubernetes.status import Answer, Cause, bad_request, internal, invalid, no_such_path, not_found
from drctl.neighbours.kubernetes.trees import copied
from drctl.neighbours.kubernetes.writes import Writes


class Subresources:
    """A kind without the subresource answers that the *object* is not found, if it is a custom one (recorded)."""

    def __init__(self, cluster: Cluster, reads: Reads, writes: Writes, deletes: Deletes) -> None:
        self.cluster = cluster
        self.reads = reads
        self.writes = writes
        self.deletes = deletes

    def answer(self, resource: Resource, asking: Asking) -> Answer:
        match asking.address.subresource:
            case "status" if resource.status:
                return self._status(resource, asking)
            case "scale" if resource.scale:
                return self._scale(resource, asking)
            case "eviction" if resource.kind == "Pod" and asking.method == "POST":
                return self._evict(resource, asking)
            case "status" | "scale" if resource.custom:
                raise not_found(resource.plural, resource.group, asking.address.name)
            case _:
                raise no_such_path()

    def _status(self, resource: Resource, asking: Asking) -> Answer:
        """Reads the whole object; writes only its status, whatever else is sent."""
        old = self.reads.find(resource, asking.address)
        if asking.method == "GET":
            return answered(200, old)
        if asking.method == "PUT":
            sent = asking.read(resource.kind)
        else:
            _, sent = self.writes.patched(resource, asking, old)
        self.writes.unchanged(resource, old, _part(sent, "metadata", resource.kind), must_say=False)
        new = copied(old) | {"status": _part(sent, "status", resource.kind)}
        if resource.custom and (causes := schema.validate(resource, new)):
            raise invalid(resource.kind, resource.group, asking.address.name, causes)
        if resource.kind == "Deployment":
            conditions = new["status"].get("conditions") or ()
            if not isinstance(conditions, list | tuple) or not all(isinstance(c, dict) for c in conditions):
                raise bad_request(
                    _unmarshalled(conditions, resource.kind, "status.conditions", "[]v1.DeploymentCondition")
                )
            for condition in conditions:
                for time in ("lastUpdateTime", "lastTransitionTime"):
                    condition.setdefault(time, None)  # Go writes its zero time as null (recorded)
        return answered(200, self.cluster.write(resource, new))

    def _scale(self, resource: Resource, asking: Asking) -> Answer:
        old = self.reads.find(resource, asking.address)
        if resource.custom and (old.get("spec") or {}).get("replicas") is None:
            # Recorded for a dynamic NodePool: its specReplicasPath points at nothing, and that is a 500.
            raise internal(
                f'the spec replicas field ".spec.replicas" does not exist in {resource.plural}.{resource.group}'
            )
        if asking.method == "GET":
            return answered(200, _shown(resource, old))
        view = _shown(resource, old)
        sent = asking.read("Scale") if asking.method == "PUT" else self.writes.patched(resource, asking, view)[1]
        self.writes.unchanged(resource, old, _part(sent, "metadata", "Scale"), must_say=False)
        replicas = _part(sent, "spec", "Scale").get("replicas") or 0
        if not isinstance(replicas, int) or isinstance(replicas, bool):
            raise bad_request(_unmarshalled(replicas, "Scale", "spec.replicas", "int32"))
        if replicas < 0:
            text = f"Invalid value: {replicas}: must be greater than or equal to 0"
            cause = Cause("FieldValueInvalid", "spec.replicas", text)
            raise invalid("Scale", "autoscaling", asking.address.name, [cause])
        new = copied(old)
        new["spec"]["replicas"] = replicas
        return answered(200, _shown(resource, self.cluster.write(resource, new), before=old))

    def _evict(self, resource: Resource, asking: Asking) -> Answer:
        """policy/v1 Eviction: 429 when a budget has nothing left (kubernetes.io/docs/concepts/scheduling-eviction)."""
        pod = self.reads.find(resource, asking.address)
        if (refused := budgets.refusal(self.cluster, pod)) is not None:
            raise refused
        self.deletes.take_away(resource, pod, {})
        return answered(201, success(201))


def _part(sent: Obj, name: str, kind: str) -> Obj:
    """That part of what was sent; null is none. 400 for what is no object, as Go's decoder says it."""
    found = sent.get(name)
    if found is not None and not isinstance(found, dict):
        raise bad_request(_unmarshalled(found, kind, name, f"v1.{kind}{name.capitalize()}"))
    return found or {}


def _unmarshalled(value: object, kind: str, place: str, wanted: str) -> str:
    word = {list: "array", dict: "object", str: "string", bool: "bool"}.get(type(value), "number")
    return f"json: cannot unmarshal {word} into Go struct field {kind}.{place} of type {wanted}"


def _shown(resource: Resource, obj: Obj, before: Obj | None = None) -> Obj:
    """The Scale of an object; after a write its status still is the one of before."""
    meta, spec, status = obj["metadata"], obj.get("spec") or {}, (before or obj).get("status") or {}
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    said: dict[str, Any] = {"replicas": status.get("nodes" if resource.kind == "NodePool" else "replicas", 0)}
    labels = (spec.get("selector") or {}).get("matchLabels")
    if labels:
        said["selector"] = ",".join(f"{k}={v}" for k, v in sorted(labels.items()))
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {k: meta[k] for k in kept if k in meta},
        "spec": {"replicas": spec.get("replicas", 0)} if spec.get("replicas") else {},
        "status": said,
    }
