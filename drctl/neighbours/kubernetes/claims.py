"""The shapes of Karpenter's objects, as its CRDs want them (schemas/karpenter.sh_nodeclaims.yaml,
..._nodepools.yaml).
"""

from __future__ import annotations

from typing import Any, Final

from drctl.neighbours.kubernetes.objects import Obj

NODE_CLASS: Final = {"group": "karpenter.k8s.aws", "kind": "EC2NodeClass", "name": "default"}
AWAITING: Final = ("AwaitingReconciliation", "object is awaiting reconciliation")


def pool_object(cpu_limit: int) -> Obj:
    """The NodePool `default`."""
    on_demand = {"key": "karpenter.sh/capacity-type", "operator": "In", "values": ["on-demand", "spot"]}
    template = {"spec": {"nodeClassRef": NODE_CLASS, "requirements": [on_demand], "expireAfter": "720h"}}
    disruption = {
        "budgets": [{"nodes": "10%"}],
        "consolidateAfter": "0s",
        "consolidationPolicy": "WhenEmptyOrUnderutilized",
    }
    spec = {"disruption": disruption, "limits": {"cpu": str(cpu_limit)}, "template": template}
    return {"metadata": {"name": "default"}, "spec": spec, "status": {"nodes": 0, "resources": {"cpu": "0"}}}


def claim_of(zone: str, now: str) -> Obj:
    """A NodeClaim of that NodePool, of which nothing has been done yet."""
    key = "topology.kubernetes.io/zone"
    wanted: list[dict[str, Any]] = [{"key": "karpenter.sh/nodepool", "operator": "In", "values": ["default"]}]
    wanted += [{"key": key, "operator": "In", "values": [zone]}] if zone else []
    labels = {"karpenter.sh/nodepool": "default", **({key: zone} if zone else {})}
    conditions = [condition(kind, "Unknown", *AWAITING, now) for kind in ("Initialized", "Launched", "Registered")]
    text = "Initialized=Unknown, Launched=Unknown, Registered=Unknown"
    conditions.append(condition("Ready", "Unknown", "UnhealthyDependents", text, now))
    return {
        "metadata": {
            "generateName": "default-",
            "labels": labels,
            "finalizers": ["karpenter.sh/termination"],
        },
        "spec": {"expireAfter": "720h", "nodeClassRef": NODE_CLASS, "requirements": wanted},
        "status": {"conditions": sorted(conditions, key=lambda c: str(c["type"]))},
    }


def condition(kind: str, status: str, reason: str, message: str, now: str) -> dict[str, Any]:
    """One condition of a NodeClaim."""
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": now,
        "observedGeneration": 1,
    }


def said(claim: Obj, kind: str) -> str:
    """What a NodeClaim says of a condition: True, False or Unknown."""
    found = (c["status"] for c in claim["status"].get("conditions") or () if c["type"] == kind)
    return next(found, "Unknown")
