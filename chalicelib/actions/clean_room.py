"""The clean room: namespaces in the standby's cluster that reach nothing but themselves, what runs in them, their end.

They are shut before anything is restored into them, so that what an intruder may have left in a backup speaks to
nobody; pods of one namespace reach each other, and no name is resolved. Their names are fixed, `clean-` and the
namespace: Kubernetes grants a deletion by name only. One of that name that is not this incident's is left alone.
Sources: https://kubernetes.io/docs/concepts/services-networking/network-policies/,
https://kubernetes.io/docs/reference/access-authn-authz/rbac/#referring-to-resources.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from chalicelib.actions.contract import KubeOp, Op, Reader, Target
from chalicelib.actions.copies import cleaned
from chalicelib.actions.namespaces_quarantined import POLICIES
from chalicelib.actions.places import cluster_of
from chalicelib.actions.quarantine import silent
from chalicelib.actions.velero_restore import INCIDENT_LABEL, incident_label
from chalicelib.actions.workload_ready import DEPLOYMENTS, lacks
from chalicelib.core.bounds import listed
from chalicelib.core.outcome import Act, Call, Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.policy import Policy

NAMESPACES: Final = "v1 namespaces"
WALL: Final = "dr-clean-room"
AGAIN: Final = timedelta(seconds=10)
_GET: Final = KubeOp(verb="get", group="", resource="namespaces", only="rooms")
_WALLS: Final = KubeOp(verb="list", group="networking.k8s.io", resource="networkpolicies")


@dataclass(frozen=True, slots=True)
class Room:
    """One namespace of the clean room: whose it is ('' where there is none), whether it is shut, and is ending."""

    name: str
    whose: str
    shut: bool = False
    ending: bool = False


class CleanRoomMade:
    """`with: {cluster: …, namespaces: …}`; a namespace, then its wall, one a call."""

    name: ClassVar[str] = "clean-room-made"
    reads: ClassVar[tuple[Op, ...]] = (_GET, _WALLS)
    calls: ClassVar[tuple[Op, ...]] = (
        KubeOp(verb="create", group="", resource="namespaces"),
        KubeOp(verb="create", group="networking.k8s.io", resource="networkpolicies"),
    )

    def observe(self, target: Target, policy: Policy, reader: Reader) -> tuple[Room, ...] | Refused | NoData:
        return _rooms(target, policy, reader)

    def next(self, target: Target, policy: Policy, facts: tuple[Room, ...] | Refused | NoData, now: datetime) -> Next:
        if not isinstance(facts, tuple):
            return silent(facts)
        if not facts:
            return Done(because="no namespace was chosen, so no clean room is made")
        cluster, ours = cluster_of(target, policy), _whose(target)
        for room in facts:
            if room.whose not in ("", ours):
                because = f"namespace {room.name!r} of cluster {cluster.name!r} is there and is not this incident's"
                return Stuck(because=f"{because}: look whose it is, and take it away")
            if room.ending:
                return Wait(because=f"namespace {room.name!r} is ending, and must be gone first", again_in=AGAIN)
            if not room.whose:
                because = f"cluster {cluster.name!r} has no namespace {room.name!r}"
                return Act(
                    because=because, call=_call(target, policy, "create", NAMESPACES, _namespace(room.name, ours))
                )
            if not room.shut:
                because = f"namespace {room.name!r} of cluster {cluster.name!r} is not shut"
                return Act(because=because, call=_call(target, policy, "create", POLICIES, _wall(room.name, ours)))
        names = ", ".join(r.name for r in facts)
        return Done(because=f"{names} in cluster {cluster.name!r} are there, and reach nothing but themselves")


@dataclass(frozen=True, slots=True)
class Running:
    """How many Deployments are in the clean room, and what each of those lacks that are not ready."""

    count: int
    lacking: tuple[str, ...]


class CleanRoomRuns:
    """Looks until everything that was restored into the clean room is ready."""

    name: ClassVar[str] = "clean-room-runs"
    reads: ClassVar[tuple[Op, ...]] = (KubeOp(verb="list", group="apps", resource="deployments"),)
    calls: ClassVar[tuple[Op, ...]] = ()

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Running | Refused | NoData:
        cluster, count, lacking = cluster_of(target, policy), 0, []
        for namespace in listed(target.params["namespaces"]):
            rows = reader.kube(cluster.name, DEPLOYMENTS, namespace=cleaned(namespace))
            if isinstance(rows, Refused | NoData):
                return rows
            if rows is None or isinstance(rows, Mapping):
                return NoData(because=f"cluster {cluster.name!r} did not list deployments of {cleaned(namespace)!r}")
            count += len(rows)
            lacking += [f"{cleaned(namespace)}/{r['metadata']['name']} {why}" for r in rows if (why := lacks(r))]
        return Running(count, tuple(lacking))

    def next(self, target: Target, policy: Policy, facts: Running | Refused | NoData, now: datetime) -> Next:
        if not isinstance(facts, Running):
            return silent(facts)
        if facts.lacking:
            more = f"; and {len(facts.lacking) - 1} more" if len(facts.lacking) > 1 else ""
            return Wait(because=f"deployment {facts.lacking[0]}{more}", again_in=AGAIN)
        return Done(because=f"all {facts.count} deployments in the clean room are ready; nobody outside reaches them")


class CleanRoomGone:
    """Takes the clean room away, and looks until it is gone."""

    name: ClassVar[str] = "clean-room-gone"
    reads: ClassVar[tuple[Op, ...]] = (_GET, _WALLS)
    calls: ClassVar[tuple[Op, ...]] = (KubeOp(verb="delete", group="", resource="namespaces", only="rooms"),)

    def observe(self, target: Target, policy: Policy, reader: Reader) -> tuple[Room, ...] | Refused | NoData:
        return _rooms(target, policy, reader)

    def next(self, target: Target, policy: Policy, facts: tuple[Room, ...] | Refused | NoData, now: datetime) -> Next:
        if not isinstance(facts, tuple):
            return silent(facts)
        cluster, ours = cluster_of(target, policy), _whose(target)
        left = [room for room in facts if room.whose == ours]
        for room in left:
            if not room.ending:
                because = f"namespace {room.name!r} of cluster {cluster.name!r} is of this incident's clean room"
                call = _call(target, policy, "delete", NAMESPACES, {"name": room.name})
                return Act(because=because, call=replace(call, reversible=False))
        if left:
            return Wait(because=f"{', '.join(r.name for r in left)} are ending", again_in=AGAIN)
        return Done(because=f"nothing of this incident's clean room is in cluster {cluster.name!r}")


def _rooms(target: Target, policy: Policy, reader: Reader) -> tuple[Room, ...] | Refused | NoData:
    cluster, found = cluster_of(target, policy), []
    for name in (cleaned(n) for n in listed(target.params["namespaces"])):
        there = reader.kube(cluster.name, NAMESPACES, name=name)
        if isinstance(there, Refused | NoData):
            return there
        if not isinstance(there, Mapping):
            found.append(Room(name, ""))
            continue
        walls = reader.kube(cluster.name, POLICIES, namespace=name)
        if isinstance(walls, Refused | NoData):
            return walls
        shut = not (walls is None or isinstance(walls, Mapping)) and any(w["metadata"]["name"] == WALL for w in walls)
        meta = there["metadata"]
        whose = str((meta.get("labels") or {}).get(INCIDENT_LABEL, "somebody else's"))
        found.append(Room(name, whose, shut, ending=bool(meta.get("deletionTimestamp"))))
    return tuple(found)


def _whose(target: Target) -> str:
    """The incident, as a label's value; a debt's id is its incident's, with the step behind it."""
    return incident_label(replace(target, incident=target.incident.partition("/")[0]))


def _namespace(name: str, incident: str) -> Mapping[str, Any]:
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {INCIDENT_LABEL: incident}}}
    return {"name": name, "body": body}


def _wall(namespace: str, incident: str) -> Mapping[str, Any]:
    everybody: list[Mapping[str, Any]] = [{"podSelector": {}}]
    body = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": WALL, "namespace": namespace, "labels": {INCIDENT_LABEL: incident}},
        "spec": {
            "podSelector": {},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"from": everybody}],
            "egress": [{"to": everybody}],
        },
    }
    return {"namespace": namespace, "name": WALL, "body": body}


def _call(target: Target, policy: Policy, verb: str, resource: str, params: Mapping[str, Any]) -> Call:
    cluster = cluster_of(target, policy)
    return Call(
        system="kubernetes",
        service=cluster.name,
        region=cluster.region,
        operation=f"{verb} {resource}",
        params=params,
        until=f"{params['name']!r} {'is gone' if verb == 'delete' else 'stands'}",
        reversible=True,
    )
