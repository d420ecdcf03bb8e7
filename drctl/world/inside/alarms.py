"""How an alarm's state follows from its metric, as CloudWatch computes it.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html: the last N periods are
looked at, M breaching datapoints make ALARM, and what a missing datapoint counts as is the alarm's choice.
CloudWatch looks one period further back than N, so that a late datapoint is not a missing one; so does this. A
period is divided by the world's speed.

One thing is gentler than CloudWatch: an alarm whose metric never had a datapoint keeps the state that
`SetAlarmState` gave it, where CloudWatch would soon take it back to INSUFFICIENT_DATA. Breaking things by hand
is what the local world is for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

State = Literal["OK", "ALARM", "INSUFFICIENT_DATA"]
Point = Mapping[str, Any]

COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": lambda value, threshold: value >= threshold,
    "GreaterThanThreshold": lambda value, threshold: value > threshold,
    "LessThanThreshold": lambda value, threshold: value < threshold,
    "LessThanOrEqualToThreshold": lambda value, threshold: value <= threshold,
}


def datapoints(
    alarm: Mapping[str, Any],
    points: Sequence[Point],
    *,
    now: float,
    speed: float,
    statistic: Callable[..., float | None],
) -> list[float]:
    """The newest datapoints, at most N of them, newest first; `now` and `Timestamp` are seconds since the epoch."""
    length = float(alarm.get("Period") or 60) / speed
    periods = int(alarm.get("EvaluationPeriods") or 1)
    found: list[float] = []
    for back in range(periods + 1):
        until = now - back * length
        inside = [p for p in points if until - length < p["Timestamp"] <= until]
        if inside and (value := statistic(alarm, inside)) is not None:
            found.append(value)
    return found[:periods]


def judge(alarm: Mapping[str, Any], values: Sequence[float], *, ever: bool) -> tuple[State, str] | None:
    """The state an alarm should be in and CloudWatch's kind of reason, or None when it keeps the one it has."""
    compare = COMPARISONS.get(str(alarm.get("ComparisonOperator")))
    if compare is None:
        return None
    periods = int(alarm.get("EvaluationPeriods") or 1)
    needed = int(alarm.get("DatapointsToAlarm") or periods)
    threshold = float(alarm.get("Threshold") or 0)
    missing = periods - len(values)
    breaching = sum(compare(value, threshold) for value in values)
    match alarm.get("TreatMissingData") or "missing":
        case "breaching":
            breaching += missing
        case "ignore" if not values:
            return None
        case "missing" if not values:
            if not ever:
                return None
            return "INSUFFICIENT_DATA", f"Insufficient Data: {periods} datapoints were unknown."
    state: State = "ALARM" if breaching >= needed else "OK"
    count = breaching if state == "ALARM" else periods - breaching
    kind = "" if values else f" {missing} missing datapoints were treated as [{alarm.get('TreatMissingData')}]."
    shown = ", ".join(str(value) for value in values)
    return state, (
        f"Threshold Crossed: {count} out of the last {periods} datapoints [{shown}] "
        f"{'met' if state == 'ALARM' else 'did not meet'} the {alarm.get('ComparisonOperator')} ({threshold}) "
        "condition "
        f"(minimum {needed} datapoint{'s' if needed > 1 else ''} for OK -> ALARM transition).{kind}"
    )
