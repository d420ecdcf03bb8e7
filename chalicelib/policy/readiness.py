"""policies/readiness.yaml: how often it is judged whether each runbook could succeed, and who mends what is found."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field

from chalicelib.policy.base import Duration, Name, Row
from chalicelib.policy.drills import Hour, Weekday


class JudgeRow(Row):
    """What policy says of one judge (chalicelib/readiness): what it leaves out is as the judge says itself."""

    name: Name
    owner: str | None = Field(default=None, description="who mends what this judge finds")
    mend: str | None = Field(default=None, description="the command that mends it, or begins to")
    lowers: bool | None = Field(
        default=None, description="whether what it finds makes a runbook not ready, or only ready with findings"
    )
    unknown_for: Duration | None = Field(
        default=None,
        description="how long it may be unknown before that makes a runbook not ready; left out, for ever",
    )


class Synthetic(Row):
    """A synthetic alarm goes the whole way of a real one every day."""

    hour: Hour = Field(description="of the day, in UTC, at which it is sent; fast clocks send it no oftener")
    within: Duration = Field(default=timedelta(minutes=10), description="how long it may take to arrive")
    channels_on: Weekday | None = Field(
        default=None, description="the day of the week on which every channel is tried; left out, none is"
    )


class Readiness(Row):
    """The rounds. A period is a whole number of minutes: the schedule knows no less."""

    every: Duration = timedelta(minutes=30)
    stale: Literal["say", "lower"] = Field(
        default="lower",
        description="what a newest round older than two periods does: `lower` has every step of a runbook ask",
    )
    owner: str = Field(default="platform on-call", description="who mends what no row names anybody for")
    judges: tuple[JudgeRow, ...] = ()
    synthetic: Synthetic | None = Field(default=None, description="left out: none is sent")

    def row(self, judge: str) -> JudgeRow:
        """What policy says of a judge; an empty row where it says nothing."""
        return next((row for row in self.judges if row.name == judge), JudgeRow(name=judge))

    @property
    def stale_after(self) -> timedelta:
        """Two periods: one round that came late is no reason to wake anybody."""
        return 2 * self.every
