"""How long recoveries took: the last runs of one scenario, step by step, as the forecast draws from them.

Rules. All figures are seconds of real time, whatever speed they were measured at. A run is one incident or one drill
that has ended; only what it brought to its end is in it. The newest `KEPT` runs of a scenario are kept and no more, so
that they are one small item and one read; the archives keep everything. A run is known by its source and is taken in
once, however often it is offered. Never put a written or guessed time here: what was not measured is not in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Literal

KEPT: Final = 30
"""Runs of one scenario. With fifty steps in each that is some 40 KB; an item of DynamoDB holds 400."""

Kind = Literal["incident", "drill"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One recovery as it was measured. `source` is the incident's or drill's id.

    `steps` is each step's own time, from when it could begin until it was first done, without what people took to
    answer; `answers` what they took for the steps that may ask, 0 where one did not ask. `detected` is how long the
    failure was there before its incident was confirmed, None where a person declared it. `services` are the recovery
    times of the services that came back, and `whole` is the time from the failure to the end of the last step.
    """

    source: str
    kind: Kind
    ended_at: datetime
    steps: Mapping[str, float]
    answers: Mapping[str, float] = field(default_factory=dict)
    detected: float | None = None
    services: Mapping[str, float] = field(default_factory=dict)
    whole: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """The runs of one scenario, newest first."""

    runs: tuple[Run, ...] = ()

    def with_run(self, run: Run) -> Times:
        """These and that one, or the same where it is known already."""
        if any(r.source == run.source for r in self.runs):
            return self
        newest = sorted((run, *self.runs), key=lambda r: r.ended_at, reverse=True)
        return replace(self, runs=tuple(newest[:KEPT]))

    def works(self, step: str) -> tuple[float, ...]:
        """What the step took itself, in incidents and drills alike."""
        return tuple(r.steps[step] for r in self.runs if step in r.steps)

    def answers(self, step: str) -> tuple[float, ...]:
        """What people took to answer for this step, 0 where it did not ask. That it did not ask in a drill says nothing
        of an incident, in which more is at stake; how long it took them when it did, does.
        """
        return tuple(
            r.answers[step] for r in self.runs if step in r.answers and (r.kind == "incident" or r.answers[step])
        )

    def any_answers(self) -> tuple[float, ...]:
        """What people took to answer, whatever they were asked."""
        return tuple(took for r in self.runs for took in r.answers.values() if took)

    def detections(self) -> tuple[float, ...]:
        """How long failures were there before they were confirmed."""
        return tuple(r.detected for r in self.runs if r.detected is not None)

    def count(self, kind: Kind) -> int:
        """How many of the runs are incidents, or drills."""
        return sum(r.kind == kind for r in self.runs)


NONE: Final = Times()
"""Nothing was measured yet."""
