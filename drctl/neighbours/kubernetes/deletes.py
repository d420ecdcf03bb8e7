"""DELETE: preconditions, finalizers, and what the server answers. Words and shapes are recorded (08-delete,
13-native).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from drctl.neighbours.kubernetes.asking import Asking, answered, success
from drctl.neighbours.kubernetes.kinds import Resource, by_key
from drctl.neighbours.kubernetes.objects import Cluster, Obj, stamp
from drctl.neighbours.kubernetes.reads import Reads
from drctl.neighbours.kubernetes.status import Answer, conflict, details
from drctl.neighbours.kubernetes.trees import copied

GRACE: Final = 30
"""Seconds; the default of `terminationGracePeriodSeconds`."""


def terminating(cluster: Cluster, pod: Obj, grace: int = GRACE) -> Obj:
    """Marks a pod that its kubelet has yet to end; a mark that is there stays as it is."""
    if "deletionTimestamp" in pod["metadata"]:
        return pod
    new = copied(pod)
    until = cluster.now + timedelta(seconds=grace / cluster.speed)
    new["metadata"] |= {"deletionTimestamp": stamp(until), "deletionGracePeriodSeconds": grace}
    return cluster.write(by_key("pods"), new)


class Deletes:
    """What takes objects away."""

    def __init__(self, cluster: Cluster, reads: Reads) -> None:
        self.cluster = cluster
        self.reads = reads

    def delete(self, resource: Resource, asking: Asking) -> Answer:
        options = asking.options()
        obj = self.reads.find(resource, asking.address)
        self._preconditions(resource, obj, options.get("preconditions") or {})
        if asking.dry_run:
            return answered(200, self._deleted(resource, obj))
        return answered(200, self.take_away(resource, obj, options))

    def delete_all(self, resource: Resource, asking: Asking) -> Answer:
        """DELETE on a collection answers the list of what was there."""
        options = asking.options()
        found = self.reads.selected(resource, asking)
        listed = self.reads.listed(resource, found)
        if not asking.dry_run:
            for obj in found:
                self.take_away(resource, obj, options)
        return answered(200, listed)

    def take_away(self, resource: Resource, obj: Obj, options: Mapping[str, Any]) -> Obj:
        """Deletes, or, where a finalizer holds the object, marks it; what DELETE answers."""
        obj = copied(obj)
        meta = obj["metadata"]
        if options.get("propagationPolicy") == "Foreground":
            meta["finalizers"] = [*meta.get("finalizers", ()), "foregroundDeletion"]
        if meta.get("finalizers") or resource.kind == "Namespace":
            if "deletionTimestamp" in meta:
                return obj
            meta["deletionTimestamp"] = stamp(self.cluster.now)
            if resource.kind == "Namespace":
                obj["status"] = {"phase": "Terminating"}
            else:
                meta["deletionGracePeriodSeconds"] = 0
            return self.cluster.write(resource, obj)
        if resource.kind == "Pod" and obj["spec"].get("nodeName") in self.cluster.silent:
            return self._without_kubelet(resource, obj, options)
        return self._deleted(resource, self.cluster.remove(resource, obj))

    def _without_kubelet(self, resource: Resource, obj: Obj, options: Mapping[str, Any]) -> Obj:
        """Nobody ends the containers, so the pod stays, unless it is deleted with a grace period of 0
        (kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle, "Forced Pod termination").
        """
        grace = options.get("gracePeriodSeconds")
        if grace == 0:
            return self._deleted(resource, self.cluster.remove(resource, obj))
        return terminating(self.cluster, obj, GRACE if grace is None else int(grace))

    @staticmethod
    def _deleted(resource: Resource, obj: Obj) -> Obj:
        meta = obj["metadata"]
        if not resource.details_on_delete:
            return obj
        return success(details=details(meta["name"], resource.group, resource.plural, uid=meta["uid"]))

    @staticmethod
    def _preconditions(resource: Resource, obj: Obj, wanted: Mapping[str, str]) -> None:
        meta = obj["metadata"]
        uid, version = wanted.get("uid"), wanted.get("resourceVersion")
        why = ""
        if uid and uid != meta["uid"]:
            why = (
                f"the UID in the precondition ({uid}) does not match the UID in record ({meta['uid']}). "
                "The object might have been deleted and then recreated"
            )
        elif version and version != meta["resourceVersion"]:
            why = (
                f"the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record "
                f"({meta['resourceVersion']}). The object might have been modified"
            )
        if why:
            raise conflict(resource.kind, resource.group, meta["name"], why)
