"""Faults of what is reserved for tier 1: each of one reservation, on a platform whose policy has two zones reserved."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from chalicelib.policy import Policy
from chalicelib.policy.platform import NodeGroup, Reserved, ReservedIn
from tests.crash.platform_in_process import POLICY
from tests.readiness.day import CLUSTERS, Day
from tests.readiness.fault import Change, Fault

TYPE, ZONES = "m7g.large", ("us-west-2a", "us-west-2b")


def with_node_group(group: NodeGroup) -> Policy:
    standby = CLUSTERS.standby.model_copy(update={"node_group": group})
    clusters = CLUSTERS.model_copy(update={"standby": standby})
    return POLICY.model_copy(update={"platform": POLICY.platform.model_copy(update={"clusters": clusters})})


def reserving(type_: str = TYPE) -> Policy:
    """Policy in which three nodes carry tier 1, two of them by what is reserved."""
    group = CLUSTERS.standby.node_group
    assert group is not None
    margin = timedelta(days=7) / POLICY.speed
    kept = Reserved(instance_type=type_, margin=margin, zones=tuple(ReservedIn(zone=zone, count=1) for zone in ZONES))
    return with_node_group(group.model_copy(update={"warm_size": 3, "reserved": kept}))


def reserve(day: Day, type_: str = TYPE) -> None:
    """What policy says is there."""
    day.policy = reserving(type_)
    day.platform.ec2.reservations.every.clear()
    for zone in ZONES:
        day.platform.ec2.reservations.add(CLUSTERS.standby.region, zone, type_, 1, account=POLICY.platform.account)


def changed(**fields: Any) -> Change:
    """The first zone's reservation is not what it was."""

    def done(day: Day) -> None:
        reserve(day)
        for name, value in fields.items():
            setattr(day.platform.ec2.reservations.every[0], name, value)

    return done


def ends_soon(day: Day) -> None:
    reserve(day)
    group = day.policy.platform.clusters.standby.node_group
    assert group is not None
    assert group.reserved is not None
    day.platform.ec2.reservations.every[0].ends = day.platform.clock.now() + group.reserved.margin / 2


def never_made(day: Day) -> None:
    reserve(day)
    day.platform.ec2.reservations.every.pop(0)


def of_another_type(day: Day) -> None:
    """Policy and EC2 agree, and the node group launches something else."""
    reserve(day, "m7i.large")


def _fault(kind: str, done: Change, said: str, type_: str = TYPE) -> Fault:
    subject = f"reserved {type_} in {ZONES[0]}"
    return Fault(kind=kind, done=done, mended=reserve, judge="reserved", subject=subject, said=said, lowers=False)


CAPACITY = (
    _fault("what policy has reserved was never made", never_made, f"no {TYPE} is reserved in {ZONES[0]}, needed: 1"),
    _fault("a reservation was cancelled", changed(state="cancelled"), "is cancelled, expected active"),
    _fault("a reservation ends soon", ends_soon, "UTC, in less than 7d"),
    _fault(
        "somebody else runs in what is reserved",
        changed(used=1),
        "free: 0, needed: 1",
    ),
    _fault("nodes are of another type than what is reserved", of_another_type, "would not be used", "m7i.large"),
)
