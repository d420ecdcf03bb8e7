"""Cuts namespaces off by a NetworkPolicy that allows nothing, and lets them go again.

Policies only ever add: what any of them allows is allowed. So every other policy of the namespace is made to choose no
pod, by one label that no pod has, and is given back by taking that label out of its selector; the rest of it stays.
It holds where the cluster's network plugin enforces policies, and may let connections of before go on.
Sources: https://kubernetes.io/docs/concepts/services-networking/network-policies/ (additive; deny all),
https://docs.aws.amazon.com/eks/latest/userguide/cni-network-policy.html (to be switched on).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, ClassVar, Final

from chalicelib.actions.contract import KubeOp, Op, Reader, Target
from chalicelib.actions.places import cluster_of
from chalicelib.actions.quarantine import silent
from chalicelib.actions.velero_restore import INCIDENT_LABEL, incident_label
from chalicelib.core.bounds import listed
from chalicelib.core.outcome import Act, Call, Done, Next, NoData, Refused
from chalicelib.policy import Policy

POLICIES: Final = "networking.k8s.io/v1 networkpolicies"
NAME: Final = "dr-quarantine"
MARK: Final = "dr-responder/let-through-again"
"""The label that no pod has. Its value in a selector is the incident that put it there."""


@dataclass(frozen=True, slots=True)
class Space:
    """One namespace: whose quarantine stands in it ('' for none), and its other policies, by whose mark they bear."""

    name: str
    quarantined_for: str
    others: tuple[tuple[str, str], ...]


def _op(verb: Any) -> tuple[KubeOp, ...]:
    group, resource = "networking.k8s.io", "networkpolicies"
    return tuple(KubeOp(verb=verb, group=group, resource=resource, where=w) for w in ("standby", "primary"))


class NamespacesQuarantined:
    """`with: {cluster: …, namespaces: …}`; one object a call."""

    name: ClassVar[str] = "namespaces-quarantined"
    reads: ClassVar[tuple[Op, ...]] = _op("list")
    calls: ClassVar[tuple[Op, ...]] = (*_op("create"), *_op("patch"))

    def observe(self, target: Target, policy: Policy, reader: Reader) -> tuple[Space, ...] | Refused | NoData:
        return spaces(target, policy, reader)

    def next(self, target: Target, policy: Policy, facts: tuple[Space, ...] | Refused | NoData, now: datetime) -> Next:
        if not isinstance(facts, tuple):
            return silent(facts)
        if not facts:
            return Done(because="no namespace was chosen to be quarantined")
        cluster, ours = cluster_of(target, policy), _whose(target)
        for space in facts:
            if not space.quarantined_for:
                because = f"namespace {space.name!r} of cluster {cluster.name!r} has no policy that allows nothing"
                return Act(because=because, call=_create(target, policy, space.name))
            for other, mark in space.others:
                if not mark:
                    because = f"policy {other!r} in namespace {space.name!r} still lets through what it allows"
                    return Act(because=because, call=_mark(target, policy, space.name, other, ours))
        names = ", ".join(s.name for s in facts)
        return Done(because=f"every pod in {names} of cluster {cluster.name!r} is let through by no policy")


class NamespacesReleased:
    """Undoes what this incident has done, and nothing that another has."""

    name: ClassVar[str] = "namespaces-released"
    reads: ClassVar[tuple[Op, ...]] = _op("list")
    calls: ClassVar[tuple[Op, ...]] = (*_op("patch"), *_op("delete"))

    def observe(self, target: Target, policy: Policy, reader: Reader) -> tuple[Space, ...] | Refused | NoData:
        return spaces(target, policy, reader)

    def next(self, target: Target, policy: Policy, facts: tuple[Space, ...] | Refused | NoData, now: datetime) -> Next:
        if not isinstance(facts, tuple):
            return silent(facts)
        cluster, ours = cluster_of(target, policy), _whose(target)
        for space in facts:
            # Their own rules first: while ours stands beside them nothing is allowed that they do not allow.
            for other, mark in space.others:
                if mark == ours:
                    because = f"policy {other!r} in namespace {space.name!r} chooses no pod, by this incident's mark"
                    return Act(because=because, call=_mark(target, policy, space.name, other, None))
            if space.quarantined_for == ours:
                because = f"namespace {space.name!r} of cluster {cluster.name!r} is in quarantine for this incident"
                return Act(because=because, call=_delete(target, policy, space.name))
        return Done(because=f"{target.params['namespaces']}: nothing is in quarantine for this incident any more")


def spaces(target: Target, policy: Policy, reader: Reader) -> tuple[Space, ...] | Refused | NoData:
    """The chosen namespaces as they stand; empty where none was chosen."""
    cluster, found = cluster_of(target, policy), []
    for name in listed(target.params["namespaces"]):
        rows = reader.kube(cluster.name, POLICIES, namespace=name)
        if isinstance(rows, Refused | NoData):
            return rows
        if rows is None or isinstance(rows, Mapping):
            return NoData(because=f"cluster {cluster.name!r} did not list the policies of namespace {name!r}")
        found.append(_space(name, rows))
    return tuple(found)


def _space(name: str, rows: Sequence[Mapping[str, Any]]) -> Space:
    ours = next((r for r in rows if r["metadata"]["name"] == NAME), None)
    others = [
        (str(r["metadata"]["name"]), str(((r["spec"].get("podSelector") or {}).get("matchLabels") or {}).get(MARK, "")))
        for r in rows
        if r is not ours
    ]
    whose = str((ours["metadata"].get("labels") or {}).get(INCIDENT_LABEL, "?")) if ours else ""
    return Space(name, whose, tuple(sorted(others)))


def _whose(target: Target) -> str:
    """The incident, as a label's value; a debt's id is its incident's, with the step behind it."""
    return incident_label(replace(target, incident=target.incident.partition("/")[0]))


def _call(target: Target, policy: Policy, verb: str, params: Mapping[str, Any], until: str) -> Call:
    cluster = cluster_of(target, policy)
    return Call(
        system="kubernetes",
        service=cluster.name,
        region=cluster.region,
        operation=f"{verb} {POLICIES}",
        params=params,
        until=until,
        reversible=True,
    )


def _create(target: Target, policy: Policy, namespace: str) -> Call:
    body = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": NAME, "namespace": namespace, "labels": {INCIDENT_LABEL: _whose(target)}},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
    }
    params = {"namespace": namespace, "name": NAME, "body": body}
    return _call(target, policy, "create", params, f"policy {NAME!r} stands in {namespace!r}")


def _mark(target: Target, policy: Policy, namespace: str, name: str, value: str | None) -> Call:
    # A merge patch: null takes the label out, and leaves the others of the selector.
    body = {"spec": {"podSelector": {"matchLabels": {MARK: value}}}}
    until = f"its selector {'has' if value else 'lacks'} {MARK}"
    return _call(target, policy, "patch", {"namespace": namespace, "name": name, "body": body}, until)


def _delete(target: Target, policy: Policy, namespace: str) -> Call:
    params = {"namespace": namespace, "name": NAME}
    return _call(target, policy, "delete", params, f"policy {NAME!r} is gone from {namespace!r}")
