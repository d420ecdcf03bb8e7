"""Rows for the actions of a pod and of a node failure: facts → next."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chalicelib.actions.infrastructure_sound import Soundness
from chalicelib.actions.nodes_replaced import Fleet
from chalicelib.actions.pods_recovered import Pods
from chalicelib.actions.volumes_attached import Attachments, Held
from chalicelib.core.outcome import Act, Done, Next, Stuck, Wait
from tests.actions.stage import DENIED, SILENT

PRIMARY: dict[str, str] = {"cluster": "primary"}
VOLUMES: dict[str, str] = PRIMARY | {"infrastructure": "ebs-volumes"}
WELL = Pods(deployments=10, ready=18, wanted=18)
SHORT = replace(WELL, ready=17, lacking=("deployment 'redis' in 'cache' has 0 of 1 pods available",))
LOOP = "container 'main' of pod 'redis-1' crashes in a loop (OOMKilled, exit code 137, 4 restarts)"
TAKEN = ("i-1 is disrupted by Karpenter",)
FLEET = Fleet(ready=6)
DEAD_NODE = ("node 'i-2' is NotReady (NodeStatusUnknown: Kubelet stopped posting node status.)",)
COMING = ("NodeClaim 'default-x' is Launched, and waits to be Registered for 34s (NodeNotFound: not yet)",)
NODE: dict[str, Any] = {
    "metadata": {"name": "i-2.ec2.internal", "resourceVersion": "17"},
    "spec": {"taints": [{"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"}]},
}
HELD = Held("pvc-1", "csi-1", "redis-2", "i-2.ec2.internal", NODE, "stopped")


def held(**more: Any) -> Attachments:
    return Attachments(held=(replace(HELD, **more),), attached=2)


ROWS: list[tuple[str, dict[str, str], Any, type[Next], str]] = [
    ("pods-recovered", PRIMARY, SILENT, Wait, "looking again"),
    ("pods-recovered", PRIMARY, DENIED, Stuck, "AccessDenied"),
    ("pods-recovered", PRIMARY, WELL, Done, "are available (18 pods), and no disruption budget"),
    ("pods-recovered", PRIMARY, SHORT, Wait, "17 of 18 pods are ready: deployment 'redis'"),
    ("pods-recovered", PRIMARY, replace(SHORT, broken=(LOOP,)), Stuck, "exit code 137"),
    ("pods-recovered", PRIMARY, replace(WELL, broken=(LOOP,)), Stuck, "4 restarts"),
    (
        "pods-recovered",
        PRIMARY,
        replace(SHORT, unplaced=("0/6 nodes are available: 6 Too many pods.",)),
        Wait,
        "they wait for capacity: 0/6 nodes",
    ),
    ("pods-recovered", PRIMARY, replace(WELL, violated=("budget 'x' wants 1",)), Wait, "budget 'x' wants 1"),
    ("pods-recovered", PRIMARY, replace(SHORT, taken=TAKEN), Wait, "on purpose, which is no fault: i-1"),
    ("pods-recovered", PRIMARY, replace(WELL, taken=TAKEN), Done, "on purpose, which is no fault: i-1"),
    ("nodes-replaced", PRIMARY, SILENT, Wait, "looking again"),
    ("nodes-replaced", PRIMARY, DENIED, Stuck, "AccessDenied"),
    ("nodes-replaced", PRIMARY, FLEET, Done, "are Ready and no pod waits for room"),
    ("nodes-replaced", PRIMARY, replace(FLEET, failed=DEAD_NODE, left=3), Wait, "it still holds 3 pods"),
    ("nodes-replaced", PRIMARY, replace(FLEET, failed=DEAD_NODE), Done, "nothing of ours runs there any more"),
    ("nodes-replaced", PRIMARY, replace(FLEET, waiting=2, coming=COMING), Wait, "is Launched, and waits to be Reg"),
    ("nodes-replaced", PRIMARY, replace(FLEET, coming=COMING), Wait, "for 34s"),
    ("nodes-replaced", PRIMARY, replace(FLEET, waiting=2), Wait, "2 pods wait for room"),
    ("nodes-replaced", PRIMARY, replace(FLEET, waiting=2, refused=("no m7i",)), Stuck, "no node comes for them: no m7"),
    ("nodes-replaced", PRIMARY, replace(FLEET, refused=("no m7i",)), Done, "are Ready"),
    ("nodes-replaced", PRIMARY, replace(FLEET, waiting=2, full=("24 of 24 cpu",)), Stuck, "may make no node: 24 of 24"),
    ("nodes-replaced", PRIMARY, replace(FLEET, waiting=2, full=("24",), coming=COMING), Wait, "Launched"),
    ("nodes-replaced", PRIMARY, replace(FLEET, taken=TAKEN), Done, "on purpose, which is no fault: i-1"),
    ("volumes-attached", PRIMARY, SILENT, Wait, "looking again"),
    ("volumes-attached", PRIMARY, DENIED, Stuck, "AccessDenied"),
    ("volumes-attached", PRIMARY, Attachments(attached=3), Done, "all 3 volumes"),
    ("volumes-attached", PRIMARY, Attachments(moving=("volume 'v' is on its way",)), Wait, "is on its way"),
    ("volumes-attached", PRIMARY, held(), Act, "EC2 says its instance is stopped: the node is to be tainted"),
    ("volumes-attached", PRIMARY, held(instance="terminated", node=None), Act, "its attachment is to be deleted"),
    ("volumes-attached", PRIMARY, held(instance="running"), Stuck, "is running, so it may still write"),
    ("volumes-attached", PRIMARY, held(instance="stopping"), Stuck, "is stopping, so it may still write"),
    ("volumes-attached", PRIMARY, held(instance="shutting-down", node=None), Stuck, "may still write"),
    ("volumes-attached", PRIMARY, held(instance=SILENT), Wait, "nobody answered within 4 s; nothing is released"),
    ("volumes-attached", PRIMARY, held(instance=SILENT, node=None), Wait, "nothing is released"),
    ("volumes-attached", PRIMARY, held(instance=DENIED), Stuck, "not for you; nothing is released"),
    ("volumes-attached", PRIMARY, held(going=True, instance=SILENT), Wait, "leaves node"),
    ("infrastructure-sound", VOLUMES, SILENT, Wait, "looking again"),
    ("infrastructure-sound", VOLUMES, DENIED, Stuck, "AccessDenied"),
    ("infrastructure-sound", VOLUMES, Soundness("EBS volumes", 2), Done, "all 2 are sound"),
    (
        "infrastructure-sound",
        VOLUMES,
        Soundness("EBS volumes", 1, ("claim 'c' of Redis is Lost, expected Bound",), ("velero-restore",)),
        Wait,
        "is Lost, expected Bound; the way back is velero-restore",
    ),
]
