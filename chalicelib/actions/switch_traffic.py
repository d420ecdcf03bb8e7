"""Moves the traffic by the switch of policy: a metric, an object or ARC's routing controls (actions/switches/)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import ClassVar, assert_never

from chalicelib.actions.contract import Op, Reader, Target
from chalicelib.actions.copies import is_copy, the_test_record
from chalicelib.actions.switches import arc, metric, position
from chalicelib.actions.switches import object as object_
from chalicelib.actions.switches.arc import Controls
from chalicelib.actions.switches.metric import Alarm
from chalicelib.actions.switches.object import Presence
from chalicelib.actions.switches.stand import AGAIN, Side
from chalicelib.core.outcome import Act, Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.policy import Policy
from chalicelib.policy.platform import ArcSwitch, MetricSwitch, ObjectSwitch

Facts = Alarm | Presence | Controls | Refused | NoData


class SwitchTraffic:
    """Looks at the one switch there is, and says the call that throws it."""

    name: ClassVar[str] = "switch-traffic"
    reads: ClassVar[tuple[Op, ...]] = position.READS
    calls: ClassVar[tuple[Op, ...]] = (*metric.CALLS, *object_.CALLS, *arc.CALLS)

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Facts:
        match switch_of(target, policy):
            case MetricSwitch() as switch:
                return metric.look(switch, target.at, reader)
            case ObjectSwitch() as switch:
                return object_.look(switch, reader)
            case ArcSwitch() as switch:
                return arc.look(switch, reader)
            case unknown:
                assert_never(unknown)

    def next(self, target: Target, policy: Policy, facts: Facts, now: datetime) -> Next:
        to: Side = "standby" if target.params["to"] == "standby" else "primary"
        match facts:
            case NoData(because=because):
                return Wait(because=f"{because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
            case Refused(because=because, code=code):
                return Stuck(because=f"{because} ({code})")
        found = _missing(switch_of(target, policy), to, facts)
        if not isinstance(found, Done):
            return found
        if is_copy(target):
            return replace(found, because=f"{found.because}: {the_test_record(policy).record} goes to the {to}")
        goes_to = side_region(policy, to)
        return replace(found, because=f"{found.because}: traffic goes to {goes_to}", facts={"serves": goes_to})


def switch_of(target: Target, policy: Policy) -> MetricSwitch | ObjectSwitch | ArcSwitch:
    """The platform's, or the test record's."""
    return the_test_record(policy).switch if is_copy(target) else policy.platform.traffic.switch


def side_region(policy: Policy, side: Side) -> str:
    """The region of a side of the switch."""
    regions = policy.platform.regions
    return regions.standby if side == "standby" else regions.primary


def _missing(
    switch: MetricSwitch | ObjectSwitch | ArcSwitch, to: Side, facts: Alarm | Presence | Controls
) -> Done | Wait | Act:
    match switch, facts:
        case MetricSwitch(), Alarm():
            return metric.missing(switch, to, facts)
        case ObjectSwitch(), Presence():
            return object_.missing(switch, to, facts)
        case ArcSwitch(), Controls():
            return arc.missing(switch, to, facts)
        case _:
            raise TypeError(f"the traffic switch is of kind {switch.kind!r}; these facts are of another: {facts}")
