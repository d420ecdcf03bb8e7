"""Faults of the alarms by which a case is known."""

from __future__ import annotations

from tests.crash.platform_in_process import POLICY
from tests.readiness.day import Day
from tests.readiness.fault import Change, Fault

PODS = next(a for a in POLICY.signals.alarms if a.name == "PodAvailability")
WHERE = PODS.region, PODS.name


def state(word: str) -> Change:
    def done(day: Day) -> None:
        day.platform.cloudwatch.alarms[WHERE].state = word

    return done


def gone(day: Day) -> None:
    day.kept["alarm"] = day.platform.cloudwatch.alarms.pop(WHERE)


def back(day: Day) -> None:
    day.platform.cloudwatch.alarms[WHERE] = day.kept["alarm"]


EVIDENCE = (
    Fault(
        kind="nobody publishes the metric of an alarm",
        done=state("INSUFFICIENT_DATA"),
        mended=state("ALARM"),
        judge="evidence",
        subject=f"alarms of evidence in {PODS.region}",
        said="PodAvailability has no data (pod-failure): what has no data opens nothing",
        lowers=False,
    ),
    Fault(
        kind="an alarm of evidence is not there",
        done=gone,
        mended=back,
        judge="evidence",
        subject=f"alarms of evidence in {PODS.region}",
        said="PodAvailability is not there (pod-failure)",
        lowers=False,
    ),
)
