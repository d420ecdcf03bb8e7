"""The rights that the declared operations need in each cluster: what RBAC is generated from, and what is asked for.

Objects of Velero and of Argo CD lie in their namespaces, so a right to them is one of that namespace. Workloads lie in
namespaces that a restore creates, so before the disaster there is nothing that a Role could stand in: a right to them
is the cluster's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from chalicelib.actions.contract import Action, KubeOp, Where
from chalicelib.actions.copies import drill_namespaces, room_namespaces
from chalicelib.actions.registry import ACTIONS, AIRGAP, DRILLS
from chalicelib.actions.rewriting import modifiers_name
from chalicelib.actions.workloads_gone import rewrites
from chalicelib.core.bounds import namespaces
from chalicelib.core.plan import PlanError, Step, plan
from chalicelib.core.rehearsal import rehearsal
from chalicelib.policy import Policy

PLACES: Final[tuple[Where, ...]] = ("primary", "standby")
VELERO: Final = "velero.io"
IN_NO_NAMESPACE: Final = frozenset(
    {
        *("nodes", "namespaces", "persistentvolumes", "storageclasses", "csidrivers", "volumeattachments"),
        *("nodeclaims", "nodepools"),
    }
)


@dataclass(frozen=True, slots=True, order=True)
class KubeRight:
    """One verb on one resource. `namespace` empty: everywhere in the cluster. `names`: of these objects only."""

    namespace: str
    group: str
    resource: str
    verb: str
    names: tuple[str, ...] = ()

    def sentence(self) -> str:
        """`create restores.velero.io in namespace 'velero'`."""
        what = f"{self.resource}.{self.group}" if self.group else self.resource
        what += f" {', '.join(self.names)}" if self.names else ""
        return f"{self.verb} {what} " + (f"in namespace {self.namespace!r}" if self.namespace else "in the cluster")


def kube_rights(policy: Policy, place: Where, actions: Mapping[str, Action] = ACTIONS) -> tuple[KubeRight, ...]:
    """Every right that the responder needs in the cluster of a place, in order."""
    namespace = policy.platform.cluster(place).velero_namespace
    ops = _declared(policy, place, actions)
    airgap = policy.backups.airgap
    places: dict[str, tuple[str, ...]] = {"velero": (namespace,), "argocd": policy.services.application_namespaces}
    places["dumps"] = (airgap.dump.namespace,) if airgap else ()
    found = {
        KubeRight(where, op.group, op.resource, op.verb, _names(policy, op))
        for op in ops
        for where in places.get(_within(op), ("",))
    }
    return tuple(sorted(found))


READING: Final = frozenset({"get", "list"})


def reading_rights(
    policy: Policy, place: Where, more: Iterable[object] = (), actions: Mapping[str, Action] = ACTIONS
) -> tuple[KubeRight, ...]:
    """The rights of a function that only looks: the reads among those above, and what is declared beside them. It
    looks at runbooks' steps, and the air gap's actions are in none.
    """
    namespace = policy.platform.cluster(place).velero_namespace
    ops = (op for op in _kube(more) if op.where == place and op.verb in READING)
    places = {"velero": (namespace,), "argocd": policy.services.application_namespaces}
    found = {KubeRight(where, op.group, op.resource, op.verb) for op in ops for where in places.get(_within(op), ("",))}
    steps = {name: action for name, action in actions.items() if name not in AIRGAP}
    return tuple(sorted({*found, *(r for r in kube_rights(policy, place, steps) if r.verb in READING)}))


def used(policy: Policy, actions: Mapping[str, Action] = ACTIONS) -> tuple[Action, ...]:
    """The actions that a runbook names, and the air gap's where policy has one: nobody needs the others' rights."""
    named = {step.action for runbook in policy.runbooks.runbooks for step in runbook.steps}
    named |= set(AIRGAP) if policy.backups.airgap else set()
    named |= {step.action for step in drilled(policy)} & set(DRILLS)
    return tuple(action for name, action in actions.items() if name in named)


def drilled(policy: Policy) -> tuple[Step, ...]:
    """Every step of every drill with copies that policy has, its clean-up included."""
    found: list[Step] = []
    for row in policy.drills.rows:
        if row.kind != "copies" or policy.runbook(row.runbook) is None:
            continue
        try:
            its = rehearsal(plan(row.runbook, policy=policy), policy).plan
        except PlanError:
            continue
        found += (*its.steps, *its.undos)
    return tuple(found)


def _names(policy: Policy, op: KubeOp) -> tuple[str, ...]:
    if op.only is None:
        return ()
    if op.only == "services":
        return tuple(namespaces(policy)) if op.resource == "namespaces" else rewrites(policy)
    if op.only == "rooms":
        return room_namespaces(policy)
    if op.resource == "namespaces":
        return drill_namespaces(policy)
    return tuple(filter(None, (modifiers_name(policy, drill=True),)))


def _declared(policy: Policy, place: Where, actions: Mapping[str, Action]) -> Iterator[KubeOp]:
    """The operations that say they go there, and those of every step that a runbook aims at that cluster."""
    for action in used(policy, actions):
        yield from (op for op in _kube(action.reads, action.calls) if op.where == place)
    for runbook in policy.runbooks.runbooks:
        for step in runbook.steps:
            if step.with_.get("cluster") == place and step.action in actions:
                yield from _kube(actions[step.action].reads, actions[step.action].calls)
    for drill in drilled(policy):
        if drill.params.get("cluster") == place and drill.action in actions:
            yield from _kube(actions[drill.action].reads, actions[drill.action].calls)


def _kube(*declared: Iterable[object]) -> Iterator[KubeOp]:
    return (op for ops in declared for op in ops if isinstance(op, KubeOp))


def _within(op: KubeOp) -> Literal["velero", "workloads", "cluster", "argocd", "dumps"]:
    if op.within is not None:
        return op.within
    if op.group == VELERO:
        return "velero"
    return "cluster" if op.resource in IN_NO_NAMESPACE else "workloads"
