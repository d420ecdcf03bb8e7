"""Which node a volume is attached to: the attach/detach controller and the attacher of a CSI driver.

Sources, in github.com/kubernetes/kubernetes: pkg/controller/volume/attachdetach/reconciler/reconciler.go (a volume is
detached once no pod on its node wants it and the kubelet has unmounted it; when it has not, after 6 min
(maxWaitForUnmountDuration) on an unhealthy node, and at once on one with node.kubernetes.io/out-of-service; the words
of FailedAttachVolume), .../util/util.go (DetermineVolumeAction: a pod that is being deleted still wants its volumes,
so a pod that hangs in Terminating on a silent node keeps them there however long it takes),
attach_detach_controller.go (nothing is mounted any more on a Node that is gone), pkg/volume/csi/csi_attacher.go (the
VolumeAttachment's name); github.com/kubernetes-csi/external-attacher (its finalizer; deleting a VolumeAttachment is
asking for a detach); kubernetes.io/docs/concepts/cluster-administration/node-shutdown. Volumes here are all
ReadWriteOnce.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any, Final

from drctl.neighbours.kubernetes.kinds import Resource, by_key
from drctl.neighbours.kubernetes.kubelet import CLAIMS, VOLUMES, tell
from drctl.neighbours.kubernetes.nodes import OUT_OF_SERVICE, has_taint, is_ready
from drctl.neighbours.kubernetes.objects import Cluster, Obj, instant, stamp
from drctl.neighbours.kubernetes.trees import copied

ATTACHES: Final = 5.0
DETACHES: Final = 5.0
DELETES: Final = 5.0
UNMOUNT_WAIT: Final = 360.0
"""Seconds: of attaching, detaching, deleting a released volume, and waiting for an unmount that does not come."""
ATTACHMENTS: Final = "volumeattachments.storage.k8s.io"
ATTACHER: Final = "ebs.csi.aws.com"
FINALIZER: Final = "external-attacher/ebs-csi-aws-com"


class Volumes:
    """Settles which attachments there should be whenever a pod, a node or an attachment changes. An attachment that
    it did not make is nothing to it.
    """

    name = "volumes"

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._unwanted: dict[str, str] = {}
        self._ours: set[str] = set()

    def mounted(self, pod: Obj) -> bool:
        """Whether every volume of the pod is attached to its node."""
        node = pod["spec"].get("nodeName")
        return all(
            any(a["spec"]["nodeName"] == node and a["status"]["attached"] for a in self._attachments(volume))
            for volume in self._wanted(pod)
        )

    def forget(self, attachment: str) -> None:
        """The controller knows nothing of this attachment any more, as after a restart that read it wrongly: nobody but
        whoever deletes it will ever detach it.
        """
        self._ours.discard(attachment)

    def changed(self, resource: Resource, obj: Obj, *, gone: bool) -> None:
        if resource.key in ("pods", "nodes", CLAIMS, ATTACHMENTS):
            self.cluster.unsettled.add(self.name)
        if resource.key == CLAIMS and gone:
            self.cluster.after(DELETES, self.name, "released", obj["metadata"].get("uid", ""))
        if resource.key == ATTACHMENTS and not gone and "deletionTimestamp" in obj["metadata"]:
            self.cluster.after(DETACHES, self.name, "detached", obj["metadata"]["name"])

    def wake(self, what: str, key: tuple[str, ...]) -> None:
        match what:
            case "attached":
                found = self.cluster.get(ATTACHMENTS, "", key[0])
                if found is not None and "deletionTimestamp" not in found["metadata"]:
                    self.cluster.write(by_key(ATTACHMENTS), {**found, "status": {"attached": True}})
            case "released":
                self._delete(key[0])
            case "detached":
                found = self.cluster.get(ATTACHMENTS, "", key[0])
                if found is not None:
                    self._ours.discard(key[0])
                    self.cluster.remove(by_key(ATTACHMENTS), found)
            case _:
                self._settle()

    def _settle(self) -> None:
        wanted: dict[tuple[str, str], list[Obj]] = {}
        for pod in self.cluster.every_object("pods"):
            if pod["spec"].get("nodeName"):
                for volume in self._wanted(pod):
                    wanted.setdefault((volume, pod["spec"]["nodeName"]), []).append(pod)
        for attachment in list(self.cluster.every_object(ATTACHMENTS)):
            self._detach(attachment, wanted)
        for (volume, node), pods in wanted.items():
            there = self._attachments(volume)
            elsewhere = [a for a in there if a["spec"]["nodeName"] != node]
            if elsewhere:
                using = [p for a in elsewhere for p in wanted.get((volume, a["spec"]["nodeName"]), [])]
                for pod in pods:
                    if pod not in using and "deletionTimestamp" not in pod["metadata"]:
                        tell(self.cluster, pod, "FailedAttachVolume", _multi(volume, using), "attachdetach-controller")
            elif not there and self.cluster.get("nodes", "", node) is not None:
                self._attach(volume, node)

    def _attach(self, volume: str, node: str) -> None:
        digest = hashlib.sha256(f"{volume}{ATTACHER}{node}".encode()).hexdigest()
        spec = {"attacher": ATTACHER, "nodeName": node, "source": {"persistentVolumeName": volume}}
        made: dict[str, Any] = {
            "metadata": {"name": f"csi-{digest}", "finalizers": [FINALIZER]},
            "spec": spec,
            "status": {"attached": False},
        }
        name = self.cluster.create(by_key(ATTACHMENTS), made)["metadata"]["name"]
        self._ours.add(name)
        self.cluster.after(ATTACHES, self.name, "attached", name)

    def _detach(self, attachment: Obj, wanted: dict[tuple[str, str], list[Obj]]) -> None:
        meta, spec = attachment["metadata"], attachment["spec"]
        if "deletionTimestamp" in meta or meta["name"] not in self._ours:
            return
        if wanted.get((spec["source"]["persistentVolumeName"], spec["nodeName"])):
            self._unwanted.pop(meta["name"], None)
            return
        since = self._unwanted.get(meta["name"])
        if since is None:
            since = self._unwanted[meta["name"]] = self.cluster.now.isoformat()
            self.cluster.after(UNMOUNT_WAIT + 1, self.name, "settle")
        node = self.cluster.get("nodes", "", spec["nodeName"])
        late = self.cluster.now - instant(since) > timedelta(seconds=UNMOUNT_WAIT / self.cluster.speed)
        # A kubelet that answers has unmounted by now; the Node that is gone has nothing mounted.
        unmounted = node is None or spec["nodeName"] not in self.cluster.silent
        if unmounted or (node is not None and (has_taint(node, OUT_OF_SERVICE) or (late and not is_ready(node)))):
            self._unwanted.pop(meta["name"], None)
            new = copied(attachment)
            new["metadata"] |= {"deletionTimestamp": stamp(self.cluster.now), "deletionGracePeriodSeconds": 0}
            self.cluster.write(by_key(ATTACHMENTS), new)

    def _delete(self, claim: str) -> None:
        """A volume that was made for a claim goes with it (reclaim policy Delete, external-provisioner)."""
        for volume in list(self.cluster.every_object(VOLUMES)):
            spec = volume["spec"]
            if (spec.get("claimRef") or {}).get("uid") == claim and spec.get(
                "persistentVolumeReclaimPolicy"
            ) == "Delete":
                self.cluster.remove(by_key(VOLUMES), volume)

    def _attachments(self, volume: str) -> list[Obj]:
        every = self.cluster.every_object(ATTACHMENTS)
        return [a for a in every if a["spec"]["source"].get("persistentVolumeName") == volume]

    def _wanted(self, pod: Obj) -> list[str]:
        """The volumes of the pod's claims that are attached by our driver."""
        found = []
        for mount in pod["spec"].get("volumes") or ():
            name = (mount.get("persistentVolumeClaim") or {}).get("claimName")
            claim = self.cluster.get(CLAIMS, pod["metadata"]["namespace"], name) if name else None
            volume = self.cluster.get(VOLUMES, "", (claim or {"spec": {}})["spec"].get("volumeName", ""))
            if volume is not None and (volume["spec"].get("csi") or {}).get("driver") == ATTACHER:
                found.append(volume["metadata"]["name"])
        return found


def _multi(volume: str, using: list[Obj]) -> str:
    """Recorded in public issues, and reconciler.go's reportMultiAttachError."""
    if using:
        names = ", ".join(p["metadata"]["name"] for p in using)
        return f'Multi-Attach error for volume "{volume}" Volume is already used by pod(s) {names}'
    text = "Volume is already exclusively attached to one node and can't be attached to another"
    return f'Multi-Attach error for volume "{volume}" {text}'
