"""The alarms by which a case is known: each is there and has data. One without data is no data and never bad, so that
the case it speaks for is opened by nobody but a person, and nothing shows it until the day.

States: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import ClassVar, Final

from chalicelib.actions.contract import AwsOp, Op, Where
from chalicelib.core.judging import Lacking, Ready, Verdict
from chalicelib.core.outcome import NoData, Refused
from chalicelib.policy import Policy
from chalicelib.readiness.contract import Around, Said

TYPES: Final = ("MetricAlarm", "CompositeAlarm")
NO_DATA: Final = "INSUFFICIENT_DATA"
States = Mapping[str, str]
"""Alarm → its state, of those that are there."""


class EvidenceJudge:
    """A verdict a region that alarms of rules stand in. A person may still declare, so none lowers anything."""

    name: ClassVar[str] = "evidence"
    actions: ClassVar[frozenset[str]] = frozenset()
    place: ClassVar[Where | None] = None
    reads: ClassVar[tuple[Op, ...]] = (
        AwsOp(service="cloudwatch", operation="describe_alarms", resources=("{alarms}",)),
    )
    lowers: ClassVar[bool] = False
    mend: ClassVar[str] = "drctl verify-account; look at what publishes the alarm's metric (docs/deploying.md)"

    def look(self, around: Around) -> Mapping[str, States | Refused | NoData]:
        return {region: _states(region, names, around) for region, names in _alarms(around.policy).items()}

    def judge(self, facts: Mapping[str, States | Refused | NoData], policy: Policy, now: datetime) -> Iterator[Said]:
        for region, names in _alarms(policy).items():
            yield f"alarms of evidence in {region}", _verdict(facts[region], names)


def _alarms(policy: Policy) -> dict[str, dict[str, list[str]]]:
    """Region → alarm → the scenarios that it speaks for."""
    found: dict[str, dict[str, list[str]]] = {}
    for rule in policy.signals.rules:
        for name in (a for observer in rule.observers for a in observer.alarms):
            speaks = found.setdefault(policy.signals.regions[name], {}).setdefault(name, [])
            if rule.scenario not in speaks:
                speaks.append(rule.scenario)
    return found


def _states(region: str, names: Mapping[str, list[str]], around: Around) -> States | Refused | NoData:
    asked = {"AlarmNames": list(names), "AlarmTypes": list(TYPES)}
    found = around.reader.aws("cloudwatch", region, "describe_alarms", **asked)
    if isinstance(found, Refused | NoData):
        return found
    rows = (*found.get("MetricAlarms", ()), *found.get("CompositeAlarms", ()))
    return {row["AlarmName"]: row["StateValue"] for row in rows}


def _verdict(states: States | Refused | NoData, names: Mapping[str, list[str]]) -> Verdict:
    match states:
        case NoData():
            return states
        case Refused(because=because, code=code):
            return NoData(because=f"they cannot be looked at: {because} ({code})")
    wrong = [
        f"{name} {'has no data' if name in states else 'is not there'} ({', '.join(cases)})"
        for name, cases in names.items()
        if states.get(name, NO_DATA) == NO_DATA
    ]
    if wrong:
        return Lacking(because=f"{'; '.join(wrong)}: what has no data opens nothing")
    return Ready(because=f"all {len(names)} are there and have data")
