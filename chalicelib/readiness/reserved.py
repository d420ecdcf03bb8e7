"""Capacity that is reserved for tier 1 in the standby: what does not stand warm can be had on the day, by contract.

When a region fails everybody asks for instances where we do, and EC2 may have none (InsufficientInstanceCapacity). An
On-Demand Capacity Reservation keeps so many of a type in a zone, whether they run or not. What counts of it is what is
free: an instance that runs in it is taken from it, and stands warm if it is one of ours. An `open` one is used by any
instance that matches; a `targeted` one only by whose launch template names it, which nobody can see from here.
Sources: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CapacityReservation.html (State, InstanceType,
AvailabilityZone, AvailableInstanceCount, EndDate), .../UserGuide/capacity-reservations-using.html (matching),
.../UserGuide/ec2-capacity-reservations.html.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final

from chalicelib.actions.contract import AwsOp, Op, Where
from chalicelib.actions.node_capacity import NodeCapacity
from chalicelib.core.judging import Lacking, Ready, Verdict
from chalicelib.core.outcome import NoData, Refused
from chalicelib.policy import Policy
from chalicelib.policy.platform import Reserved, ReservedIn
from chalicelib.readiness.contract import Around, Said

PLATFORM: Final = "Linux/UNIX"
"""What EKS's Amazon Linux and Bottlerocket nodes are billed as; a reservation of another one takes none of them."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The reservations of the type, and the types that the node group launches (none where nobody said)."""

    rows: tuple[Mapping[str, Any], ...]
    types: tuple[str, ...]


class ReservedJudge:
    """A verdict a zone that policy names; none where policy reserves nothing. The runbook can go on without, so that
    none lowers: whether EC2 has instances is known when they are asked for.
    """

    name: ClassVar[str] = "reserved"
    actions: ClassVar[frozenset[str]] = frozenset({"node-capacity"})
    place: ClassVar[Where | None] = "standby"
    reads: ClassVar[tuple[Op, ...]] = (
        *NodeCapacity.reads,
        AwsOp(service="ec2", operation="describe_capacity_reservations", resources=("{capacity_reservations}",)),
    )
    lowers: ClassVar[bool] = False
    mend: ClassVar[str] = (
        "aws ec2 create-capacity-reservation --instance-platform Linux/UNIX --instance-type TYPE --availability-zone "
        "ZONE --instance-count N, or aws ec2 modify-capacity-reservation --end-date-type unlimited"
    )

    def look(self, around: Around) -> Kept | Refused | NoData | None:
        cluster = around.policy.platform.clusters.standby
        group = cluster.node_group
        if group is None or group.reserved is None:
            return None
        wanted = [{"Name": "instance-type", "Values": [group.reserved.instance_type]}]
        found = around.reader.aws("ec2", cluster.region, "describe_capacity_reservations", Filters=wanted)
        if isinstance(found, Refused | NoData):
            return found
        described = around.reader.aws(
            "eks", cluster.region, "describe_nodegroup", clusterName=cluster.name, nodegroupName=group.name
        )
        # That the group is not there is the judge of capacity's to say.
        types = () if isinstance(described, Refused | NoData) else described["nodegroup"].get("instanceTypes") or ()
        return Kept(tuple(found["CapacityReservations"]), tuple(types))

    def judge(self, facts: Kept | Refused | NoData | None, policy: Policy, now: datetime) -> Iterator[Said]:
        group = policy.platform.clusters.standby.node_group
        if facts is None or group is None or group.reserved is None:
            return
        reserved = group.reserved
        for zone in reserved.zones:
            subject = f"reserved {reserved.instance_type} in {zone.zone}"
            match facts:
                case NoData():
                    yield subject, facts
                case Refused(because=because, code=code):
                    yield subject, NoData(because=f"reservations cannot be described: {because} ({code})")
                case Kept(types=(_, *_) as types) if reserved.instance_type not in types:
                    said = f"node group {group.name!r} launches {', '.join(types)} and no {reserved.instance_type}"
                    yield subject, Lacking(because=f"{said}: what is reserved would not be used")
                case Kept(rows=rows):
                    yield subject, _zone(zone, reserved, rows, policy, now)


def _zone(
    zone: ReservedIn, reserved: Reserved, rows: Sequence[Mapping[str, Any]], policy: Policy, now: datetime
) -> Verdict:
    """What is free, lasts, and is used by whatever matches counts; else the nearest miss is told."""
    here = [r for r in rows if r["AvailabilityZone"] == zone.zone and _takes_ours(r)]
    active = [r for r in here if r["State"] == "active"]
    lasting = [r for r in active if r.get("EndDate") is None or r["EndDate"] - now > reserved.margin]
    opened = [r for r in lasting if r["InstanceMatchCriteria"] == "open"]
    said = f"free: {_free(opened)}, needed: {zone.count}"
    if _free(opened) >= zone.count:
        return Ready(because=said)
    if not here:
        return Lacking(because=f"no {reserved.instance_type} is reserved in {zone.zone}, needed: {zone.count}")
    if _free(lasting) >= zone.count:
        targeted = ", ".join(r["CapacityReservationId"] for r in lasting if r["InstanceMatchCriteria"] != "open")
        told = "nodes use it only where their launch template names it, which cannot be seen from here"
        return NoData(because=f"reservation {targeted} is targeted: {told}")
    if ending := [r for r in active if r not in lasting]:
        first = min(ending, key=lambda r: r["EndDate"])
        ends = f"{first['CapacityReservationId']} ends at {first['EndDate']:%Y-%m-%d %H:%M} UTC"
        return Lacking(because=f"{said}: {ends}, in less than {policy.real(reserved.margin)}")
    if idle := [r for r in here if r not in active]:
        states = ", ".join(f"{r['CapacityReservationId']} is {r['State']}" for r in idle)
        return Lacking(because=f"{said}: {states}, expected active")
    return Lacking(because=said)


def _takes_ours(row: Mapping[str, Any]) -> bool:
    return bool(row["InstancePlatform"] == PLATFORM and row["Tenancy"] == "default")


def _free(rows: Sequence[Mapping[str, Any]]) -> int:
    return sum(int(r["AvailableInstanceCount"]) for r in rows)
