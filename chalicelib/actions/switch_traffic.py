"""Moves the traffic by the switch that fails in place: a metric in the standby region, and the alarm over it.

The primary's record hangs on a health check over that alarm's metric (`CLOUDWATCH_METRIC`, `LastKnownStatus`). The
responder publishes the metric through a data plane of the standby region; nothing here speaks to Route 53.
Sources: https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/health-checks-types.html,
https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final

from chalicelib.actions.contract import AwsOp, Op, Reader, Target
from chalicelib.core.outcome import Act, Call, Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.policy import Policy
from chalicelib.policy.platform import MetricSwitch

AGAIN: Final = timedelta(seconds=10)
PERIOD: Final = timedelta(minutes=1)
WINDOW: Final = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Switch:
    """The switch's alarm (in ALARM the primary's record is unhealthy), and the newest datapoint under it."""

    state: str
    published: float | None


class SwitchTraffic:
    """One datapoint; the alarm's state says whether it was done. The last known status holds it."""

    name: ClassVar[str] = "switch-traffic"
    reads: ClassVar[tuple[Op, ...]] = (
        AwsOp(
            service="cloudwatch",
            operation="describe_alarms",
            resources=("arn:aws:cloudwatch:{standby}:{account}:alarm:{switch_alarm}",),
        ),
        AwsOp(service="cloudwatch", operation="get_metric_statistics", resources=("*",)),
    )
    # Neither knows a resource (CloudWatch's service authorization reference); the write has its namespace as condition.
    calls: ClassVar[tuple[Op, ...]] = (
        AwsOp(
            service="cloudwatch",
            operation="put_metric_data",
            resources=("*",),
            condition=("cloudwatch:namespace", "{switch_namespace}"),
        ),
    )

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Switch | Refused | NoData | None:
        switch = _metric(policy)
        found = reader.aws("cloudwatch", switch.region, "describe_alarms", AlarmNames=[switch.alarm])
        if not isinstance(found, Mapping):
            return found
        alarms = found.get("MetricAlarms") or []
        if not alarms:
            return None
        points = reader.aws(
            "cloudwatch",
            switch.region,
            "get_metric_statistics",
            Namespace=switch.namespace,
            MetricName=switch.metric,
            StartTime=target.at - WINDOW,
            EndTime=target.at + PERIOD,
            Period=int(PERIOD.total_seconds()),
            Statistics=["Maximum"],
        )
        if not isinstance(points, Mapping):
            return points
        newest = max(points["Datapoints"], key=lambda p: p["Timestamp"], default=None)
        return Switch(alarms[0]["StateValue"], None if newest is None else float(newest["Maximum"]))

    def next(self, target: Target, policy: Policy, facts: Switch | Refused | NoData | None, now: datetime) -> Next:
        switch, standby = _metric(policy), policy.platform.regions.standby
        to_standby = target.params["to"] == "standby"
        wanted, value = ("ALARM", 1.0) if to_standby else ("OK", 0.0)
        goes_to = standby if to_standby else policy.platform.regions.primary
        match facts:
            case NoData(because=because):
                return Wait(because=f"{because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
            case Refused(because=because, code=code):
                return Stuck(because=f"{because} ({code})")
            case None:
                return Stuck(because=f"alarm {switch.alarm!r} does not exist in {switch.region}; deploy the stack")
            case Switch(state=state) if state == wanted:
                return Done(
                    because=f"the switch {switch.alarm!r} is in {state}: traffic goes to {goes_to}",
                    facts={"serves": goes_to},
                )
        if facts.published == value:
            because = (
                f"{switch.metric} is published as {value:g}; the switch {switch.alarm!r} is still in {facts.state}"
            )
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
        return Act(because=f"the switch {switch.alarm!r} is in {facts.state}, expected {wanted}", call=call)


def _metric(policy: Policy) -> MetricSwitch:
    switch = policy.platform.traffic.switch
    if not isinstance(switch, MetricSwitch):
        raise TypeError(f"the traffic switch is of kind {switch.kind!r}; this action throws only 'metric'")
    return switch
