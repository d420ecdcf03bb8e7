"""Rules about traffic: nothing but the switch moves it, and a thrown switch stays where it is."""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.policy.lint.finding import Flaw, Whole, error, warning
from chalicelib.policy.platform import ArcSwitch, MetricSwitch, ObjectSwitch

_SWITCH = ("platform", "traffic", "switch")


def records_are_a_pair(whole: Whole) -> Iterator[Flaw]:
    """A failover pair is one PRIMARY and one SECONDARY, inside the zone."""
    traffic = whole.policy.platform.traffic
    roles = [r.role for r in traffic.records]
    if sorted(roles) != ["PRIMARY", "SECONDARY"]:
        yield error(
            *("platform", "traffic", "records"),
            allowed="one PRIMARY and one SECONDARY",
            found=", ".join(roles) or "none",
            because="Route 53 fails over within a pair; anything else has nowhere to go, or nowhere to come from",
        )
    if traffic.record != traffic.zone and not traffic.record.endswith(f".{traffic.zone}"):
        yield error(
            *("platform", "traffic", "record"),
            allowed=f"a name in {traffic.zone}",
            found=traffic.record,
            because=f"{traffic.record!r} is not in the zone {traffic.zone!r}, so switching there moves nobody",
        )


def record_hangs_on_the_switch_alone(whole: Whole) -> Iterator[Flaw]:
    """Route 53 must not move traffic by itself: the primary carries the switch, the secondary nothing."""
    for i, record in enumerate(whole.policy.platform.traffic.records):
        path = ("platform", "traffic", "records", i, "health_check")
        if record.role == "PRIMARY" and record.health_check != "switch":
            moved = (
                "Route 53 would move traffic by itself, before the database is there"
                if record.health_check
                else "throwing the switch would move nothing"
            )
            yield error(
                *path,
                allowed="switch, on the primary's record",
                found=record.health_check,
                because=f"the primary's record carries {record.health_check or 'no check'}: {moved}",
            )
        if record.role == "SECONDARY" and record.health_check is not None:
            yield error(
                *path,
                allowed="nothing, on the secondary's record",
                found=record.health_check,
                because=f"the secondary's record carries the {record.health_check} check: when that is unhealthy,"
                " Route 53 sends everyone back to the primary",
            )


def metric_switch_keeps_its_position(whole: Whole) -> Iterator[Flaw]:
    """Without data, the check keeps its last word; a new one is healthy and starts at the primary."""
    switch = whole.policy.platform.traffic.switch
    if isinstance(switch, MetricSwitch) and switch.insufficient_data != "LastKnownStatus":
        moved = {"Healthy": "back to the primary", "Unhealthy": "to the standby"}[switch.insufficient_data]
        yield error(
            *(*_SWITCH, "insufficient_data"),
            allowed="LastKnownStatus",
            found=switch.insufficient_data,
            because=f"without data the check becomes {switch.insufficient_data}, and everyone is sent {moved}",
        )


def object_switch_cannot_fall_back(whole: Whole) -> Iterator[Flaw]:
    """A switch that is an object goes back by itself when the object is gone: two conditions make that harmless."""
    switch = whole.policy.platform.traffic.switch
    if not isinstance(switch, ObjectSwitch):
        return
    for field, kept, missing in (
        ("deletion_denied", switch.deletion_denied, "whoever deletes the object sends everyone back"),
        (
            "primary_ingress_closed",
            switch.primary_ingress_closed,
            f"when S3 in {switch.region} is gone, everyone is sent to the old primary, which takes them",
        ),
    ):
        if not kept:
            yield error(
                *(*_SWITCH, field),
                allowed="true, for a switch of kind object",
                found=kept,
                because=f"an object as switch falls back by itself: {missing}",
            )


def arc_switch_has_five_endpoints(whole: Whole) -> Iterator[Flaw]:
    """ARC keeps at least three of a cluster's five endpoints up (ARC developer guide): fewer may all be out."""
    switch = whole.policy.platform.traffic.switch
    if isinstance(switch, ArcSwitch) and len(set(switch.endpoints)) != 5:
        yield error(
            *(*_SWITCH, "endpoints"),
            allowed="the cluster's five endpoints, each once",
            found=f"{len(set(switch.endpoints))} of them",
            because="endpoints rotate through maintenance and at least three of five are up: with fewer written down,"
            " there may be none to throw the switch by",
        )


def switch_stands_in_the_standby(whole: Whole) -> Iterator[Flaw]:
    """The switch is thrown through the standby's own data plane."""
    switch, regions = whole.policy.platform.traffic.switch, whole.policy.platform.regions
    if isinstance(switch, ArcSwitch) or switch.region == regions.standby:
        return
    failed = switch.region == regions.primary
    yield (error if failed else warning)(
        *(*_SWITCH, "region"),
        allowed=f"{regions.standby}, the standby",
        found=switch.region,
        because=f"the switch is thrown in {switch.region!r}, "
        + ("the region that failed" if failed else "so moving traffic needs a region that is not the standby"),
    )
