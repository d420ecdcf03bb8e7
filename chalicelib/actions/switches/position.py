"""Where the traffic switch stands, whichever way policy throws it: the one place that knows all three."""

from __future__ import annotations

from typing import Final, assert_never

from chalicelib.actions.contract import Op, Reader
from chalicelib.actions.switches import arc, metric
from chalicelib.actions.switches import object as object_
from chalicelib.actions.switches.stand import Position
from chalicelib.core.outcome import NoData, Refused
from chalicelib.core.switch import Found, Stands, Unset
from chalicelib.policy import Policy
from chalicelib.policy.platform import ArcSwitch, MetricSwitch, ObjectSwitch

READS: Final[tuple[Op, ...]] = (*metric.READS, *object_.READS, *arc.READS)
"""What a reader must have declared to be asked for a position."""


def position(policy: Policy, reader: Reader) -> Position | NoData | Refused:
    """Asks the switch itself. NoData when nobody answered, or what was answered says neither; Refused with the
    service's code when it said no, or there is no switch.
    """
    match policy.platform.traffic.switch:
        case MetricSwitch() as switch:
            state = metric.state(switch, reader)
            return metric.stands(switch, state) if isinstance(state, str) else state
        case ObjectSwitch() as switch:
            presence = object_.look(switch, reader)
            return object_.stands(switch, presence) if isinstance(presence, object_.Presence) else presence
        case ArcSwitch() as switch:
            controls = arc.look(switch, reader)
            return arc.stands(controls) if isinstance(controls, arc.Controls) else controls
        case unknown:
            assert_never(unknown)


def found(policy: Policy, reader: Reader) -> Found:
    """The same for the book, which knows regions: asked every tick. An alarm that never had a datapoint is Unset: it is
    there, and its health check keeps what it last knew.
    """
    switch, regions = policy.platform.traffic.switch, policy.platform.regions
    if isinstance(switch, MetricSwitch):
        state = metric.state(switch, reader)
        if state == metric.NO_DATA_YET:
            return Unset(because=f"the switch {switch.alarm!r} is in {state}, and nothing was published under it yet")
        said = metric.stands(switch, state) if isinstance(state, str) else state
    else:
        said = position(policy, reader)
    if not isinstance(said, Position):
        return said
    region = regions.standby if said.at == "standby" else regions.primary
    return Stands(region=region, because=said.because, whole=said.settled)
