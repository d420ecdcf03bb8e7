"""What Nodes and NodeClaims say of themselves. Pure.

A node has failed when its Ready condition is not True, unless somebody takes it away on purpose (Karpenter's taint
`karpenter.sh/disrupted`: consolidation, drift, spot; a cordon; a deletion) or it has not been Ready yet.
Sources: https://kubernetes.io/docs/reference/node/node-status/#condition, https://karpenter.sh/docs/concepts/disruption/,
https://karpenter.sh/docs/concepts/nodeclaims/.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

NODES: Final = "v1 nodes"
NODE_CLAIMS: Final = "karpenter.sh/v1 nodeclaims"
DISRUPTED: Final = "karpenter.sh/disrupted"
OUT_OF_SERVICE: Final = "node.kubernetes.io/out-of-service"
STAGES: Final = ("Launched", "Registered", "Initialized")

Obj = Mapping[str, Any]


def condition(obj: Obj, kind: str) -> Obj:
    """The condition of this type; empty when there is none."""
    return next((c for c in (obj.get("status") or {}).get("conditions") or () if c.get("type") == kind), {})


def is_ready(node: Obj) -> bool:
    """Whether its Ready condition is True; for a NodeClaim the same."""
    return bool(condition(node, "Ready").get("status") == "True")


def on_purpose(node: Obj) -> str:
    """Why a node is taken away by somebody; "" when nobody does."""
    taints = {t.get("key"): t for t in (node.get("spec") or {}).get("taints") or ()}
    if DISRUPTED in taints:
        return "disrupted by Karpenter"
    if node["metadata"].get("deletionTimestamp"):
        return "being deleted"
    return "cordoned" if (node.get("spec") or {}).get("unschedulable") else ""


def has_failed(node: Obj, coming: frozenset[str]) -> bool:
    """`coming` are the nodes whose NodeClaims are not initialized yet: those have not failed, they start."""
    return not is_ready(node) and not on_purpose(node) and node["metadata"]["name"] not in coming


def coming(claims: Sequence[Obj]) -> tuple[Obj, ...]:
    """The NodeClaims that are on their way."""
    return tuple(
        c
        for c in claims
        if condition(c, "Initialized").get("status") != "True" and not c["metadata"].get("deletionTimestamp")
    )


def names(claims: Sequence[Obj]) -> frozenset[str]:
    """The nodes of these NodeClaims, as far as they have one."""
    return frozenset(n for c in claims if (n := (c.get("status") or {}).get("nodeName")))


def stands(claim: Obj, now: datetime) -> str:
    """`NodeClaim 'default-x2' is Launched, and waits to be Registered for 34s (NodeNotFound: …)`."""
    reached = [s for s in STAGES if condition(claim, s).get("status") == "True"]
    missing = next((s for s in STAGES if s not in reached), "Ready")
    said = condition(claim, missing)
    since = said.get("lastTransitionTime") or claim["metadata"]["creationTimestamp"]
    why = f" ({said.get('reason')}: {said.get('message')})" if said.get("message") else ""
    at = f"is {reached[-1]}, and" if reached else "is made, and"
    age = max(0, int((now - datetime.fromisoformat(since)).total_seconds()))
    return f"NodeClaim {claim['metadata']['name']!r} {at} waits to be {missing} for {age}s{why}"


def silence(node: Obj) -> str:
    """`node 'x' is NotReady (NodeStatusUnknown: Kubelet stopped posting node status.)`."""
    said = condition(node, "Ready")
    return f"node {node['metadata']['name']!r} is NotReady ({said.get('reason')}: {said.get('message')})"


def instance_of(node: Obj) -> str | None:
    """`i-0abc` of `aws:///us-east-1a/i-0abc` (spec.providerID); None when it is no EC2 instance."""
    provider = str((node.get("spec") or {}).get("providerID", ""))
    name = provider.rpartition("/")[2]
    return name if provider.startswith("aws://") and name.startswith("i-") else None
