"""The switch of ARC: two routing controls in a cluster with five endpoints, read and set through its data plane alone.

Endpoints go through maintenance in turn, so they are asked one after another; both controls are set by one atomic call,
at the endpoint that has just answered. Sources:
https://docs.aws.amazon.com/r53recovery/latest/dg/routing-control.update.api.html,
https://docs.aws.amazon.com/routing-control/latest/APIReference/API_UpdateRoutingControlStates.html.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from chalicelib.actions.contract import AwsOp, Op, Reader
from chalicelib.actions.switches.stand import Position, Side
from chalicelib.core.outcome import Act, Call, Done, NoData, Refused
from chalicelib.policy.platform import ArcSwitch

SERVICE: Final = "route53-recovery-cluster"
CONTROLS: Final = ("{primary_control}", "{standby_control}")
READS: Final[tuple[Op, ...]] = (
    AwsOp(service=SERVICE, operation="get_routing_control_state", resources=CONTROLS, switch="arc"),
)
CALLS: Final[tuple[Op, ...]] = (
    AwsOp(service=SERVICE, operation="update_routing_control_states", resources=CONTROLS, switch="arc"),
)
WANTED: Final[dict[Side, tuple[str, str]]] = {"primary": ("On", "Off"), "standby": ("Off", "On")}
"""Side → the states of the primary's and the standby's control."""


@dataclass(frozen=True, slots=True)
class Controls:
    """Both controls' states, `On` or `Off`, and the region of the endpoint that told them."""

    primary: str
    standby: str
    told_by: str


def look(switch: ArcSwitch, reader: Reader) -> Controls | Refused | NoData:
    """Both from one endpoint, so that they are of one moment as nearly as ARC can tell."""
    regions = [e.region for e in switch.endpoints]
    first = reader.aws_any(SERVICE, regions, "get_routing_control_state", RoutingControlArn=switch.primary_control)
    if not isinstance(first, tuple):
        return first
    region, primary = first
    standby = reader.aws(SERVICE, region, "get_routing_control_state", RoutingControlArn=switch.standby_control)
    if not isinstance(standby, Mapping):
        return standby
    return Controls(primary["RoutingControlState"], standby["RoutingControlState"], region)


def stands(controls: Controls) -> Position:
    """The primary's control alone moves people: its check is the one that a record hangs on."""
    at: Side = "primary" if controls.primary == "On" else "standby"
    return Position(
        at=at,
        because=f"the primary's routing control is {controls.primary}, the standby's {controls.standby}",
        settled=(controls.primary, controls.standby) == WANTED[at],
    )


def missing(switch: ArcSwitch, to: Side, controls: Controls) -> Done | Act:
    """Both controls at once: a safety rule that wants one of them On is never broken on the way."""
    found = stands(controls)
    if found.at == to and found.settled:
        return Done(because=found.because)
    primary, standby = WANTED[to]
    call = Call(
        system="aws",
        service=SERVICE,
        region=controls.told_by,
        operation="update_routing_control_states",
        params={
            "UpdateRoutingControlStateEntries": [
                {"RoutingControlArn": switch.primary_control, "RoutingControlState": primary},
                {"RoutingControlArn": switch.standby_control, "RoutingControlState": standby},
            ]
        },
        until=f"the primary's routing control is {primary}, and the standby's {standby}",
        reversible=True,
    )
    return Act(because=f"{found.because}; expected {primary} and {standby}", call=call)
