"""Rules about traffic: nothing but the switch moves it, and a thrown switch stays where it is."""

from __future__ import annotations

import re
from collections.abc import Iterator

from chalicelib.policy.lint.finding import Flaw, Whole, error, repeats, warning
from chalicelib.policy.lint.times import SWITCH
from chalicelib.policy.platform import ArcSwitch, MetricSwitch, ObjectSwitch

_SWITCH = ("platform", "traffic", "switch")
# docs.aws.amazon.com/service-authorization/latest/reference/list_amazonroute53recoverycontrols.html
_CONTROL = re.compile(
    r"arn:aws:route53-recovery-control::(?P<account>\d{12}):controlpanel/(?P<panel>\w+)/routingcontrol/\w+"
)


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
    if not isinstance(switch, ArcSwitch):
        return
    urls = {e.url for e in switch.endpoints}
    if len(urls) != 5:
        yield error(
            *(*_SWITCH, "endpoints"),
            allowed="the cluster's five endpoints, each once",
            found=f"{len(urls)} of them",
            because="endpoints rotate through maintenance and at least three of five are up: with fewer written down,"
            " there may be none to throw the switch by",
        )


def arc_endpoints_outlive_the_primary(whole: Whole) -> Iterator[Flaw]:
    """A cluster has one endpoint in each of five regions; with the failed one's alone the switch cannot be thrown."""
    switch, primary = whole.policy.platform.traffic.switch, whole.policy.platform.regions.primary
    if not isinstance(switch, ArcSwitch):
        return
    regions = [e.region for e in switch.endpoints]
    if set(regions) <= {primary}:
        yield error(
            *(*_SWITCH, "endpoints"),
            allowed=f"endpoints outside {primary} too",
            found=", ".join(regions) or "none",
            because=f"the switch can only be thrown through {primary!r}, the region that failed",
        )
    for i, first, region in repeats(regions):
        yield error(
            *(*_SWITCH, "endpoints", i, "region"),
            allowed="one endpoint a region",
            found=region,
            because=f"{region!r} already has endpoints[{first}]; the other is signed for the wrong place",
        )


def arc_controls_are_known(whole: Whole) -> Iterator[Flaw]:
    """Two routing controls of this account, in one control panel, where one safety rule can hold both."""
    switch, account = whole.policy.platform.traffic.switch, whole.policy.platform.account
    if not isinstance(switch, ArcSwitch):
        return
    panels = {}
    for name in ("primary_control", "standby_control"):
        arn = str(getattr(switch, name))
        found = _CONTROL.fullmatch(arn)
        if found is None or found["account"] != account:
            yield error(
                *(*_SWITCH, name),
                allowed=f"arn:aws:route53-recovery-control::{account}:controlpanel/<id>/routingcontrol/<id>",
                found=arn,
                because=f"{arn!r} is no routing control of account {account}, so nothing can be thrown by it",
            )
        else:
            panels[name] = found["panel"]
    if switch.primary_control == switch.standby_control:
        yield error(
            *(*_SWITCH, "standby_control"),
            allowed="a control other than the primary's",
            found=switch.standby_control,
            because="one control cannot be Off for the primary and On for the standby",
        )
    elif len(set(panels.values())) > 1:
        yield error(
            *(*_SWITCH, "standby_control"),
            allowed=f"a control of the panel {panels['primary_control']}",
            found=panels["standby_control"],
            because="the two controls stand in two panels, so no safety rule holds them together",
        )


def name_servers_are_written_down(whole: Whole) -> Iterator[Flaw]:
    """After a move they are asked; one alone proves little, and a zone has at least two (RFC 1034, section 4.1)."""
    servers = [s.lower().rstrip(".") for s in whole.policy.platform.traffic.name_servers]
    if len(set(servers)) < 2:
        yield error(
            *("platform", "traffic", "name_servers"),
            allowed="at least two, each once",
            found=", ".join(servers) or "none",
            because="whether traffic has moved is asked of the zone's name servers, and they are not known",
        )
    for i, first, server in repeats(servers):
        yield error(
            *("platform", "traffic", "name_servers", i),
            allowed="each name server once",
            found=server,
            because=f"{server!r} already is name_servers[{first}]",
        )


def moved_traffic_is_asked_for(whole: Whole) -> Iterator[Flaw]:
    """A thrown switch is a wish; what the name servers answer is where people go."""
    for i, runbook in enumerate(whole.policy.runbooks.runbooks):
        asked = {need for step in runbook.steps if step.action == "verify-traffic" for need in step.needs}
        for j, step in enumerate(runbook.steps):
            if step.action == SWITCH and step.id not in asked:
                yield warning(
                    *("runbooks", "runbooks", i, "steps", j, "action"),
                    allowed=f"a step verify-traffic that needs {step.id!r}",
                    found=step.action,
                    because=f"after {step.id!r} nobody asks the zone's name servers whether traffic has moved",
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
