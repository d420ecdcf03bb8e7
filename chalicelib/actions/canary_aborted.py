"""Aborts the canaries that have gone bad: the pods of before serve alone again, at once.

Done as `kubectl argo rollouts abort` does it: a merge of `{"status":{"abort":true}}` into the subresource status
(github.com/argoproj/argo-rollouts, pkg/kubectl-argo-rollouts/cmd/abort/abort.go). Git is not changed by it: the Rollout
stays Degraded, and does not try again until its template is another one, or the one of before. A canary that
goes forward, or waits at a pause, is left alone. Sources: .../utils/rollout/rolloututil.go (phases),
https://argo-rollouts.readthedocs.io/en/stable/features/canary/.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from chalicelib.actions.contract import KubeOp, Op, Reader, Target
from chalicelib.actions.places import cluster_of, namespace_of
from chalicelib.core.outcome import Act, Call, Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.policy import Policy

ROLLOUTS: Final = "argoproj.io/v1alpha1 rollouts"
AGAIN: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Canary:
    """A Rollout. `canary`, that another template than the stable one is on its way; `ready` of `wanted` pods serve."""

    name: str
    namespace: str
    version: str
    phase: str
    message: str
    canary: bool
    aborted: bool
    ready: int
    wanted: int


class CanaryAborted:
    """One patch a canary."""

    name: ClassVar[str] = "canary-aborted"
    reads: ClassVar[tuple[Op, ...]] = (
        KubeOp(verb="list", group="argoproj.io", resource="rollouts", version="v1alpha1", where="primary"),
    )
    calls: ClassVar[tuple[Op, ...]] = (
        KubeOp(verb="patch", group="argoproj.io", resource="rollouts/status", version="v1alpha1", where="primary"),
    )

    def observe(self, target: Target, policy: Policy, reader: Reader) -> tuple[Canary, ...] | Refused | NoData:
        return canaries(cluster_of(target, policy).name, policy, reader)

    def next(self, target: Target, policy: Policy, facts: tuple[Canary, ...] | Refused | NoData, now: datetime) -> Next:
        cluster = cluster_of(target, policy)
        match facts:
            case NoData(because=because):
                return Wait(because=f"{because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
            case Refused(because=because, code=code):
                return Stuck(because=f"{because} ({code})")
        for one in facts:
            if one.canary and not one.aborted and one.phase == "Degraded":
                return _abort(one, cluster.name, cluster.region)
        coming = [c for c in facts if c.aborted and c.ready < c.wanted]
        if coming:
            short = "; ".join(f"{_named(c)} is aborted, and {c.ready} of {c.wanted} pods serve" for c in coming)
            return Wait(because=f"{short}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
        said = [
            f"{_named(c)} is aborted and {c.ready} pods of before serve; Git still holds the bad one, revert it there"
            for c in facts
            if c.aborted
        ]
        said += [f"{_named(c)} goes forward ({c.phase}) and is left alone" for c in facts if c.canary and not c.aborted]
        return Done(because="; ".join(said) or f"no canary of cluster {cluster.name!r} has gone bad")


def canaries(cluster: str, policy: Policy, reader: Reader) -> tuple[Canary, ...] | Refused | NoData:
    """The Rollouts that the service table names, in its order. One that is not there is Refused `NotFound`."""
    rows = [(namespace_of(s), s.managed_by.rollout) for s in policy.services.services if s.managed_by]
    wanted = [(namespace, name) for namespace, name in rows if name]
    if not wanted:
        return ()
    found = reader.kube(cluster, ROLLOUTS)
    if isinstance(found, NoData | Refused):
        return found
    every = {(o["metadata"]["namespace"], o["metadata"]["name"]): o for o in found or () if isinstance(o, Mapping)}
    for namespace, name in wanted:
        if (namespace, name) not in every:
            because = f"cluster {cluster!r} has no rollout {name!r} in namespace {namespace!r}"
            return Refused(code="NotFound", because=because)
    return tuple(_read(every[place]) for place in wanted)


def _read(obj: Mapping[str, Any]) -> Canary:
    meta, status = obj["metadata"], obj.get("status") or {}
    stable = status.get("stableRS")
    return Canary(
        name=meta["name"],
        namespace=meta["namespace"],
        version=meta["resourceVersion"],
        phase=status.get("phase", "Progressing"),
        message=str(status.get("message", ""))[:200],
        canary=bool(stable) and stable != status.get("currentPodHash"),
        aborted=bool(status.get("abort")),
        # All that is available but the canary's own, which an abort takes away.
        ready=int(status.get("availableReplicas", 0)),
        wanted=int((obj.get("spec") or {}).get("replicas", 1)),
    )


def _abort(one: Canary, cluster: str, region: str) -> Act:
    call = Call(
        system="kubernetes",
        service=cluster,
        region=region,
        operation=f"patch {ROLLOUTS}/status",
        params={
            "namespace": one.namespace,
            "name": one.name,
            "abort": "true",
            # Refused when the rollout is another one by now.
            "body": {"metadata": {"resourceVersion": one.version}, "status": {"abort": True}},
        },
        until="its status.abort is true and the pods of before serve alone",
        reversible=True,
    )
    because = f"{_named(one)} is Degraded: {one.message}; the canary is to be aborted, the pods of before go on"
    return Act(because=because, call=call, facts={"rollout": one.name})


def _named(one: Canary) -> str:
    return f"rollout {one.name!r} in {one.namespace!r}"
