"""The switch that fails in place: a metric in the standby region, and the alarm over it.

The primary's record hangs on a health check over that alarm's metric (`CLOUDWATCH_METRIC`, `LastKnownStatus`). The
responder publishes the metric through a data plane of the standby region; nothing here speaks to Route 53.
Sources: https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/health-checks-types.html,
https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from chalicelib.actions.contract import AwsOp, Op, Reader
from chalicelib.actions.switches.stand import AGAIN, Position, Side
from chalicelib.core.outcome import Act, Call, Done, NoData, Refused, Wait
from chalicelib.policy.platform import MetricSwitch

PERIOD: Final = timedelta(minutes=1)
WINDOW: Final = timedelta(minutes=2)
STATES: Final[dict[str, Side]] = {"OK": "primary", "ALARM": "standby"}
NO_DATA_YET: Final = "INSUFFICIENT_DATA"
"""What the alarm is in until its first datapoint; from then on it keeps its state (TreatMissingData is ignore)."""
VALUES: Final[dict[Side, float]] = {"primary": 0.0, "standby": 1.0}

READS: Final[tuple[Op, ...]] = (
    AwsOp(
        service="cloudwatch",
        operation="describe_alarms",
        resources=(
            "arn:aws:cloudwatch:{standby}:{account}:alarm:{switch_alarm}",
            "arn:aws:cloudwatch:{standby}:{account}:alarm:{drill_alarm}",
        ),
        switch="metric",
    ),
    AwsOp(service="cloudwatch", operation="get_metric_statistics", resources=("*",), switch="metric"),
)
# Neither knows a resource (CloudWatch's service authorization reference); the write has its namespace as condition.
CALLS: Final[tuple[Op, ...]] = (
    AwsOp(
        service="cloudwatch",
        operation="put_metric_data",
        resources=("*",),
        condition=("cloudwatch:namespace", "{switch_namespace}"),
        switch="metric",
    ),
)


@dataclass(frozen=True, slots=True)
class Alarm:
    """The switch's alarm (in ALARM the primary's record is unhealthy), and the newest datapoint under it."""

    state: str
    published: float | None


def state(switch: MetricSwitch, reader: Reader) -> str | Refused | NoData:
    """The state of the switch's alarm."""
    found = reader.aws("cloudwatch", switch.region, "describe_alarms", AlarmNames=[switch.alarm])
    if not isinstance(found, Mapping):
        return found
    alarms = found.get("MetricAlarms") or []
    if not alarms:
        # CloudWatch answers with an empty list where other operations of it say ResourceNotFound.
        because = f"alarm {switch.alarm!r} does not exist in {switch.region}; deploy the stack"
        return Refused(code="ResourceNotFound", because=because)
    return str(alarms[0]["StateValue"])


def look(switch: MetricSwitch, at: datetime, reader: Reader) -> Alarm | Refused | NoData:
    """The alarm, and what was published under it of late."""
    found = state(switch, reader)
    if not isinstance(found, str):
        return found
    points = reader.aws(
        "cloudwatch",
        switch.region,
        "get_metric_statistics",
        Namespace=switch.namespace,
        MetricName=switch.metric,
        StartTime=at - WINDOW,
        EndTime=at + PERIOD,
        Period=int(PERIOD.total_seconds()),
        Statistics=["Maximum"],
    )
    if not isinstance(points, Mapping):
        return points
    newest = max(points["Datapoints"], key=lambda p: p["Timestamp"], default=None)
    return Alarm(found, None if newest is None else float(newest["Maximum"]))


def stands(switch: MetricSwitch, alarm_state: str) -> Position | NoData:
    """An alarm without data says nothing: the check keeps its last known status, which the alarm does not know."""
    at = STATES.get(alarm_state)
    if at is None:
        return NoData(because=f"the switch {switch.alarm!r} is in {alarm_state}")
    return Position(at=at, because=f"the switch {switch.alarm!r} is in {alarm_state}")


def missing(switch: MetricSwitch, to: Side, alarm: Alarm) -> Done | Wait | Act:
    """One datapoint; the alarm's state says whether it was done. The last known status holds it."""
    found, value = stands(switch, alarm.state), VALUES[to]
    wanted = next(name for name, side in STATES.items() if side == to)
    if isinstance(found, Position) and found.at == to:
        return Done(because=found.because)
    if alarm.published == value:
        because = f"{switch.metric} is published as {value:g}; the switch {switch.alarm!r} is still in {alarm.state}"
        return Wait(because=because, again_in=AGAIN)
    call = Call(
        system="aws",
        service="cloudwatch",
        region=switch.region,
        operation="put_metric_data",
        params={
            "Namespace": switch.namespace,
            "MetricData": [{"MetricName": switch.metric, "Value": value, "Unit": "None"}],
        },
        until=f"alarm {switch.alarm!r} is in {wanted}",
        reversible=True,
    )
    return Act(because=f"the switch {switch.alarm!r} is in {alarm.state}, expected {wanted}", call=call)
