"""Finds volumes that are stuck on a dead node while a pod waits for them elsewhere, and releases them if a person
says so.

Kubernetes moves a volume by itself once it is unmounted. It does not while a pod hangs in Terminating on a node that
says nothing, since nobody can tell such a node from one that still writes. The documented way is to say that the node
is out of service, which one may only when its machine has been shut down: **EC2's word about the instance decides**,
and an instance that runs, or about which EC2 says nothing, is never taken for dead. Sources:
https://kubernetes.io/docs/concepts/cluster-administration/node-shutdown/#non-graceful-node-shutdown,
https://kubernetes.io/docs/reference/labels-annotations-taints/#node-kubernetes-io-out-of-service,
https://github.com/kubernetes-sigs/aws-ebs-csi-driver/blob/master/docs/faq.md (6-minute delays),
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_InstanceState.html.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from chalicelib.actions.contract import AwsOp, KubeOp, Op, Reader, Target
from chalicelib.actions.listing import lists
from chalicelib.actions.nodes import NODES, OUT_OF_SERVICE, instance_of, is_ready
from chalicelib.actions.places import cluster_of
from chalicelib.actions.pods import PODS
from chalicelib.core.outcome import Act, Call, Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.policy import Policy
from chalicelib.policy.platform import Cluster

AGAIN: Final = timedelta(seconds=10)
ATTACHMENTS: Final = "storage.k8s.io/v1 volumeattachments"
CLAIMS: Final = "v1 persistentvolumeclaims"
DEAD: Final = frozenset({"stopped", "terminated"})
"""Not `stopping` and `shutting-down`: in those the machine still may write."""
UNANSWERED: Final = "unanswered"
"""A fact of a look to which EC2 gave no answer."""
TAINT: Final = {"key": OUT_OF_SERVICE, "value": "nodeshutdown", "effect": "NoExecute"}


@dataclass(frozen=True, slots=True)
class Held:
    """A volume that is attached to a node that is gone or NotReady, while `pod` waits for it elsewhere.

    `node` is the Node object, None when there is none any more. `instance` is EC2's word: the state's name, or why
    there is none.
    """

    volume: str
    attachment: str
    pod: str
    node_name: str
    node: Mapping[str, Any] | None
    instance: str | NoData | Refused
    going: bool = False


@dataclass(frozen=True, slots=True)
class Attachments:
    """`moving`: volumes that Kubernetes is attaching or detaching by itself, a sentence each."""

    held: tuple[Held, ...] = ()
    moving: tuple[str, ...] = ()
    attached: int = 0


class VolumesAttached:
    """At most one call at a time: a taint where there is a Node, a deletion where there is none."""

    name: ClassVar[str] = "volumes-attached"
    reads: ClassVar[tuple[Op, ...]] = (
        KubeOp(verb="list", group="", resource="pods", where="primary"),
        KubeOp(verb="list", group="", resource="persistentvolumeclaims", where="primary"),
        KubeOp(verb="list", group="storage.k8s.io", resource="volumeattachments", where="primary"),
        KubeOp(verb="list", group="", resource="nodes", where="primary"),
        AwsOp(service="ec2", operation="describe_instances", resources=("*",), where="primary"),
    )
    calls: ClassVar[tuple[Op, ...]] = (
        KubeOp(verb="patch", group="", resource="nodes", where="primary"),
        KubeOp(verb="delete", group="storage.k8s.io", resource="volumeattachments", where="primary"),
    )

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Attachments | Refused | NoData:
        cluster = cluster_of(target, policy)
        looked = lists(reader, cluster.name, PODS, CLAIMS, ATTACHMENTS, NODES)
        if isinstance(looked, NoData | Refused):
            return looked
        nodes = {n["metadata"]["name"]: n for n in looked[NODES]}
        by_volume: dict[str, list[Mapping[str, Any]]] = {}
        for attachment in looked[ATTACHMENTS]:
            by_volume.setdefault(attachment["spec"]["source"].get("persistentVolumeName", ""), []).append(attachment)
        held, moving, attached = [], [], 0
        for pod, node, volume in _wanted(looked[PODS], looked[CLAIMS]):
            there = by_volume.get(volume, [])
            if any(a["spec"]["nodeName"] == node and (a.get("status") or {}).get("attached") for a in there):
                attached += 1
                continue
            stuck = [a for a in there if _lost(a["spec"]["nodeName"], node, nodes)]
            held += [_held(cluster, a, volume, pod, nodes, reader) for a in stuck]
            if not stuck:
                moving.append(f"volume {volume!r} is on its way to node {node!r} for pod {pod!r}")
        return Attachments(tuple(held), tuple(moving), attached)

    def next(self, target: Target, policy: Policy, facts: Attachments | Refused | NoData, now: datetime) -> Next:
        cluster = cluster_of(target, policy)
        match facts:
            case NoData(because=because):
                return Wait(because=f"{because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
            case Refused(because=because, code=code):
                return Stuck(because=f"{because} ({code})")
        for held in facts.held:
            if not held.going:
                return _release(cluster, held, target)
        leaving = [f"volume {h.volume!r} leaves node {h.node_name!r} for pod {h.pod!r}" for h in facts.held]
        if leaving or facts.moving:
            said = "; ".join((*leaving, *facts.moving))
            return Wait(because=f"{said}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
        because = f"all {facts.attached} volumes that pods in cluster {cluster.name!r} want are attached where they run"
        return Done(because=because, facts={"attached": float(facts.attached)})


def _release(cluster: Cluster, held: Held, target: Target) -> Next:
    what = f"volume {held.volume!r} still is attached to node {held.node_name!r}, and pod {held.pod!r} waits elsewhere"
    match held.instance:
        case NoData(because=because) if UNANSWERED not in target.facts:
            # One lost answer is nobody's matter yet; the second is a person's.
            said = f"{what}; EC2 said nothing about its instance: {because}; nothing is released, looking again"
            return Wait(because=f"{said} in {AGAIN.seconds} s", again_in=AGAIN, facts={UNANSWERED: 1.0})
        case NoData(because=because) | Refused(because=because):
            return Stuck(
                because=f"{what}; whether its machine still writes is not known: {because}; nothing is released"
            )
        case state if state not in DEAD:
            return Stuck(
                because=f"{what}; EC2 says its instance is {state}, so it may still write; stop it, then look again"
            )
        case state:
            facts: dict[str, str | float] = {"instance": state, "node": held.node_name, "volume": held.volume}
    if held.node is None:
        call = Call(
            system="kubernetes",
            service=cluster.name,
            region=cluster.region,
            operation=f"delete {ATTACHMENTS}",
            params={"name": held.attachment, "instance": state},
            until=f"volume {held.volume!r} is attached to the node of pod {held.pod!r}",
            reversible=False,
        )
        because = f"{what}; the Node is gone and EC2 says its instance is {state}: its attachment is to be deleted"
        return Act(because=because, call=call, facts=facts)
    taints = [t for t in held.node["spec"].get("taints") or () if t.get("key") != OUT_OF_SERVICE]
    version = held.node["metadata"]["resourceVersion"]
    call = Call(
        system="kubernetes",
        service=cluster.name,
        region=cluster.region,
        operation=f"patch {NODES}",
        # A merge replaces the whole list, so it is refused when somebody has changed the node since it was read.
        params={
            "name": held.node_name,
            # For whoever approves it; a body is not shown.
            "taint": f"{OUT_OF_SERVICE}=nodeshutdown:NoExecute",
            "instance": state,
            "body": {"metadata": {"resourceVersion": version}, "spec": {"taints": [*taints, TAINT]}},
        },
        until=f"volume {held.volume!r} is attached to the node of pod {held.pod!r}",
        reversible=False,
    )
    because = (
        f"{what}; EC2 says its instance is {state}: the node is to be tainted {OUT_OF_SERVICE}=nodeshutdown:NoExecute"
    )
    return Act(because=because, call=call, facts=facts)


def _wanted(pods: Sequence[Mapping[str, Any]], claims: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, str]]:
    """(pod, its node, volume) of every pod that has a node and is not on its way out."""
    volumes = {
        (c["metadata"]["namespace"], c["metadata"]["name"]): c["spec"].get("volumeName", "")
        for c in claims
        if "ReadWriteOnce" in (c["spec"].get("accessModes") or ()) or "ReadWriteOncePod" in c["spec"]["accessModes"]
    }
    found = []
    for pod in pods:
        node, meta = pod["spec"].get("nodeName"), pod["metadata"]
        if not node or meta.get("deletionTimestamp"):
            continue
        for mount in pod["spec"].get("volumes") or ():
            name = (mount.get("persistentVolumeClaim") or {}).get("claimName")
            if name and (volume := volumes.get((meta["namespace"], name))):
                found.append((meta["name"], node, volume))
    return found


def _lost(name: str, wanted: str, nodes: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether an attachment's node is another one than the pod's, and gone or NotReady."""
    return name != wanted and (name not in nodes or not is_ready(nodes[name]))


def _held(
    cluster: Cluster,
    attachment: Mapping[str, Any],
    volume: str,
    pod: str,
    nodes: Mapping[str, Mapping[str, Any]],
    reader: Reader,
) -> Held:
    name, meta = attachment["spec"]["nodeName"], attachment["metadata"]
    node = nodes.get(name)
    tainted = node is not None and any(
        t.get("key") == OUT_OF_SERVICE for t in (node.get("spec") or {}).get("taints") or ()
    )
    going = bool(meta.get("deletionTimestamp")) or tainted
    word = NoData(because="not asked, since it is on its way") if going else _instance(cluster, name, node, reader)
    return Held(volume, meta["name"], pod, name, node, word, going)


def _instance(cluster: Cluster, name: str, node: Mapping[str, Any] | None, reader: Reader) -> str | NoData | Refused:
    """EC2's word about a node's instance. Of a Node that is gone only its name is left: it holds the instance's id,
    where EC2 makes names of those, else it is looked for by its private DNS name, which a terminated instance no
    longer has.
    """
    known = instance_of(node) if node is not None else name.partition(".")[0]
    if known and known.startswith("i-"):
        found = reader.aws("ec2", cluster.region, "describe_instances", InstanceIds=[known])
    else:
        named = [{"Name": "private-dns-name", "Values": [name]}]
        found = reader.aws("ec2", cluster.region, "describe_instances", Filters=named)
    if not isinstance(found, Mapping):
        return found
    states = [i["State"]["Name"] for r in found.get("Reservations") or () for i in r.get("Instances") or ()]
    if len(states) != 1:
        because = f"EC2 in {cluster.region} knows {len(states)} instances for node {name!r}, expected 1"
        return Refused(code="NotOneInstance", because=because)
    return str(states[0])
