"""What keeps a pod from running: its image, what its containers refer to, its service account, its claims, its place.

Sources, in github.com/kubernetes/kubernetes: pkg/kubelet/images/types.go and image_manager.go (ErrImagePull and
ImagePullBackOff, from 10 s to 5 min), pkg/kubelet/kuberuntime (CreateContainerConfigError) with the words of
pkg/kubelet/kubelet_pods.go, plugin/pkg/admission/serviceaccount (a pod without its account is not even made),
pkg/controller/volume/persistentvolume (ProvisioningFailed), pkg/scheduler/framework/plugins (volumebinding,
nodeaffinity). What containerd says of an image: github.com/containerd/containerd, remotes/docker/resolver.go.
Known here of volumes is whether a claim's class is there; a claim whose class is there is bound at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from drctl.neighbours.kubernetes.kinds import by_key
from drctl.neighbours.kubernetes.objects import Cluster, Obj, stamp
from drctl.neighbours.kubernetes.trees import copied

Pull = Callable[[str], str | None]
"""`pull(image)` is None when a node gets it, else why it does not, in the container runtime's words."""
IMAGE_WAITS: Final = (10.0, 300.0)
CONFIG_WAITS: Final = 10.0
"""Seconds between two tries: of an image doubling from the first to the last, of a configuration."""
CLAIMS: Final = "persistentvolumeclaims"
VOLUMES: Final = "persistentvolumes"
CLASSES: Final = "storageclasses.storage.k8s.io"
ACCOUNTS: Final = "serviceaccounts"
EVENTS: Final = "events"
UNMATCHED: Final = "node(s) didn't match Pod's node affinity/selector"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A container that does not start."""

    container: str
    reason: str
    message: str


def waiting(cluster: Cluster, pod: Obj, pull: Pull) -> Waiting | None:
    """The first container that would not start now."""
    for container in pod["spec"]["containers"]:
        name, image = container["name"], container.get("image", "")
        why = pull(image)
        if why:
            text = f'Back-off pulling image "{image}": ErrImagePull: {why}'
            return Waiting(name, "ImagePullBackOff", text)
        lacking = next(_lacking(cluster, pod["metadata"]["namespace"], container), None)
        if lacking:
            return Waiting(name, "CreateContainerConfigError", lacking)
    return None


def _lacking(cluster: Cluster, namespace: str, container: Mapping[str, Any]) -> Iterator[str]:
    for source in container.get("envFrom") or ():
        for field, kind in (("secretRef", "secret"), ("configMapRef", "configmap")):
            ref = source.get(field)
            if ref and not ref.get("optional") and cluster.get(f"{kind}s", namespace, ref["name"]) is None:
                yield f'{kind} "{ref["name"]}" not found'
    for variable in container.get("env") or ():
        for field, kind, shown in (("secretKeyRef", "secret", "Secret"), ("configMapKeyRef", "configmap", "ConfigMap")):
            ref = (variable.get("valueFrom") or {}).get(field)
            if not ref or ref.get("optional"):
                continue
            found = cluster.get(f"{kind}s", namespace, ref["name"])
            if found is None:
                yield f'{kind} "{ref["name"]}" not found'
            elif ref["key"] not in (found.get("data") or {}):
                yield f"couldn't find key {ref['key']} in {shown} {namespace}/{ref['name']}"


def creating(pod: Obj, now: str) -> Obj:
    """The pod while its node gets ready for it: every container is ContainerCreating."""
    return not_started(pod, Waiting("", "", ""), now)


def not_started(pod: Obj, found: Waiting, now: str) -> Obj:
    """The pod with the state of a container that waits."""
    new = copied(pod)
    names = [c["name"] for c in pod["spec"]["containers"]]
    unready = f"containers with unready status: [{' '.join(names)}]"
    before = {c["type"]: c for c in new["status"].get("conditions") or ()}
    conditions = [before["PodScheduled"]] if "PodScheduled" in before else []
    conditions.append(before.get("Initialized") or _condition("Initialized", "True", now))
    for kind in ("ContainersReady", "Ready"):
        said = {"reason": "ContainersNotReady", "message": unready}
        conditions.append(before.get(kind) or _condition(kind, "False", now) | said)
    states = {found.container: {"waiting": {"reason": found.reason, "message": found.message}}}
    statuses = [
        {
            "name": c["name"],
            "image": c.get("image", ""),
            "imageID": "",
            "ready": False,
            "restartCount": 0,
            "started": False,
            "state": states.get(c["name"], {"waiting": {"reason": "ContainerCreating"}}),
        }
        for c in pod["spec"]["containers"]
    ]
    new["status"] = {**new["status"], "conditions": conditions, "containerStatuses": statuses}
    new["status"].setdefault("startTime", now)
    return new


def forbidden(cluster: Cluster, deployment: Obj, replicas: str) -> str | None:
    """Why no pod of the Deployment is made at all; `replicas` is its ReplicaSet's name."""
    namespace = deployment["metadata"]["namespace"]
    name = deployment["spec"]["template"]["spec"].get("serviceAccountName", "default")
    # Every namespace gets its account `default` by a controller that is not kept here.
    if name == "default" or cluster.get(ACCOUNTS, namespace, name) is not None:
        return None
    why = f'error looking up service account {namespace}/{name}: serviceaccount "{name}" not found'
    return f'pods "{replicas}-" is forbidden: {why}'


def bind(cluster: Cluster, claim: Obj) -> None:
    """Binds a claim whose class is there; says of the others, once, that nothing was provisioned. What has lost its
    volume stays Lost.
    """
    named = claim["spec"].get("storageClassName")
    if not named or (claim.get("status") or {}).get("phase") in ("Bound", "Lost"):
        return
    if cluster.get(CLASSES, "", named) is None:
        tell(cluster, claim, "ProvisioningFailed", f'storageclass.storage.k8s.io "{named}" not found')
        return
    new = copied(claim)
    new["spec"]["volumeName"] = f"pvc-{claim['metadata']['uid']}"
    _provision(cluster, new)
    asked = (claim["spec"].get("resources") or {}).get("requests") or {}
    new["status"] = {"phase": "Bound", "accessModes": claim["spec"].get("accessModes", []), "capacity": asked}
    cluster.write(by_key(CLAIMS), new)


def _provision(cluster: Cluster, claim: Obj) -> None:
    """The volume of a claim, as external-provisioner makes it for a CSI driver. Simplified: it lies in no zone."""
    spec, meta, name = claim["spec"], claim["metadata"], claim["spec"]["volumeName"]
    if cluster.get(VOLUMES, "", name) is not None:
        return
    found = cluster.get(CLASSES, "", spec["storageClassName"]) or {}
    about = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "name": meta["name"], "namespace": meta["namespace"]}
    volume = {
        "accessModes": spec.get("accessModes", []),
        "capacity": (spec.get("resources") or {}).get("requests") or {},
        "claimRef": {**about, "uid": meta["uid"]},
        "csi": {"driver": found.get("provisioner", ""), "volumeHandle": f"vol-{meta['uid'].replace('-', '')[:17]}"},
        "persistentVolumeReclaimPolicy": "Delete",
        "storageClassName": spec["storageClassName"],
        "volumeMode": "Filesystem",
    }
    cluster.create(by_key(VOLUMES), {"metadata": {"name": name}, "spec": volume, "status": {"phase": "Bound"}})


def unbound(cluster: Cluster, pod: Obj) -> str | None:
    """Why the scheduler waits for a volume of the pod."""
    for volume in pod["spec"].get("volumes") or ():
        name = (volume.get("persistentVolumeClaim") or {}).get("claimName")
        if not name:
            continue
        claim = cluster.get(CLAIMS, pod["metadata"]["namespace"], name)
        if claim is None:
            return f'persistentvolumeclaim "{name}" not found'
        if (claim.get("status") or {}).get("phase") != "Bound":
            return "pod has unbound immediate PersistentVolumeClaims"
    return None


def unscheduled(nodes: int, allowed: int, unbound: str | None, tainted: Mapping[str, int]) -> str:
    """What the scheduler says of a pod that no node takes; `tainted` is how many nodes have a taint that keeps it
    out.
    """
    if not nodes:
        return "no nodes available to schedule pods"
    unmatched = nodes - allowed - sum(tainted.values())
    said = [f"{n} node(s) had untolerated taint {{{taint}}}" for taint, n in sorted(tainted.items())]
    said += [f"{unmatched} {UNMATCHED}"] if unmatched else []
    said += [f"{allowed} Too many pods"] if allowed else []
    return f"0/{nodes} nodes are available: {unbound or ', '.join(said)}."


def untolerated(node: Obj) -> str:
    """The first taint that keeps a pod without tolerations out, as the scheduler writes it
    (plugins/tainttoleration); "" when there is none.
    """
    for taint in node["spec"].get("taints") or ():
        if taint["effect"] in ("NoSchedule", "NoExecute"):
            return f"{taint['key']}: {taint.get('value', '')}"
    return ""


def fits(node: Obj, pod: Obj) -> bool:
    """Whether the pod's node selector and required node affinity allow the node."""
    labels, spec = node["metadata"].get("labels") or {}, pod["spec"]
    if not set((spec.get("nodeSelector") or {}).items()) <= set(labels.items()):
        return False
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if not required:
        return True
    terms = required.get("nodeSelectorTerms") or ()
    return any(all(_meets(labels, e) for e in term.get("matchExpressions") or ()) for term in terms)


def _meets(labels: Mapping[str, str], expression: Mapping[str, Any]) -> bool:
    key: str = expression["key"]
    values: list[str] = expression.get("values") or []
    match expression["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case _:
            return key in labels and _compares(expression["operator"], labels[key], values[0])


def _compares(operator: str, found: str, wanted: str) -> bool:
    return int(found) > int(wanted) if operator == "Gt" else int(found) < int(wanted)


def tell(cluster: Cluster, about: Obj, reason: str, message: str, source: str = "persistentvolume-controller") -> None:
    """An Event about an object: one for each thing it says, counted when it is said again. What lies in no namespace
    is told of in `default` (client-go, tools/record/event.go).
    """
    meta, now = about["metadata"], stamp(cluster.now)
    space = meta.get("namespace") or "default"
    for event in cluster.every_object(EVENTS, space):
        if (event["involvedObject"]["uid"], event["reason"], event["message"]) == (meta["uid"], reason, message):
            cluster.write(by_key(EVENTS), {**event, "count": event["count"] + 1, "lastTimestamp": now})
            return
    kind = {"kind": about["kind"], "apiVersion": about["apiVersion"]}
    cluster.create(
        by_key(EVENTS),
        {
            "metadata": {"generateName": f"{meta['name']}.", "namespace": space},
            "involvedObject": {
                **kind,
                "namespace": meta.get("namespace", ""),
                "name": meta["name"],
                "uid": meta["uid"],
            },
            "reason": reason,
            "message": message,
            "type": "Warning",
            "count": 1,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "source": {"component": source},
        },
    )


def _condition(kind: str, status: str, now: str) -> dict[str, Any]:
    return {"type": kind, "status": status, "lastProbeTime": None, "lastTransitionTime": now}
