"""policies/drills.yaml: which runbooks are rehearsed, how often, and what a rehearsal may use."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from chalicelib.policy.base import Duration, Name, Row
from chalicelib.policy.platform import MetricSwitch

Hour = Annotated[int, Field(ge=0, le=23)]
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


class DrillRow(Row):
    """How one runbook is rehearsed. A runbook without a row is never due, and held to nothing.

    copies: its plan, aimed at copies. people: a tabletop, in which people answer and nothing is touched. live: the
    planned move itself, which a person begins. By the clock begin only the first two.
    """

    runbook: Name
    kind: Literal["copies", "people", "live"] = "copies"
    every: Duration = Field(description="how old the last good drill may be before the runbook's steps ask")
    maintenance: bool = Field(default=False, description="whether the status page shows Maintenance meanwhile")


class Window(Row):
    """When the clock may begin a drill, in UTC: on these days, from one hour until before the other."""

    days: Annotated[tuple[Weekday, ...], Field(min_length=1)]
    from_: Hour = Field(alias="from")
    until: Annotated[int, Field(ge=1, le=24)]


class LeftOut(Row):
    """A service of which no copy is started, and why."""

    service: Name
    because: str


class TestRecord(Row):
    """A failover pair that nobody uses, its primary half behind a switch of its own. That one is a metric's alarm in
    every platform: an object's bucket and ARC's controls are not to be had twice for nothing.
    """

    __test__ = False
    record: str
    primary: str = Field(description="the set identifier of its primary half")
    standby: str = Field(description="the set identifier of its standby half")
    switch: MetricSwitch


class TestFolder(Row):
    """Where a drill writes objects, harms them, and puts them back: a folder that nobody uses, and each drill has one
    of its own below it. The bucket is one of backups.yaml `restorable`, so that what is proven is that bucket's
    versions, its key, and the rights to them.
    """

    __test__ = False
    bucket: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
    prefix: Annotated[str, Field(pattern=r"^[^/*?$][^*?$]*/$")] = Field(
        description="ends with a slash; no prefix of policy in that bucket lies in it, and it lies in none"
    )


class Drills(Row):
    """All of it. Without rows nothing is rehearsed by the clock, and nothing asks because it was not."""

    rows: tuple[DrillRow, ...] = ()
    window: Window | None = Field(default=None, description="left out, drills begin by people's word only")
    throw_away: Duration = Field(
        default=timedelta(minutes=45), description="how long the throw-away database usually takes to be restored"
    )
    throw_away_within: Duration = Field(default=timedelta(hours=3), description="when that is a failure of the drill")
    clean_within: Duration = Field(
        default=timedelta(minutes=30), description="after how long a clean-up that is not done is told to people"
    )
    answer_within: Duration = Field(default=timedelta(minutes=15), description="how long a tabletop waits for people")
    left_out: tuple[LeftOut, ...] = ()
    test_record: TestRecord | None = Field(default=None, description="left out, the switch is not rehearsed")
    test_folder: TestFolder | None = Field(default=None, description="left out, no object of S3 is put back in a drill")

    def row(self, runbook: str) -> DrillRow | None:
        """The row of a runbook, None where it has none."""
        return next((r for r in self.rows if r.runbook == runbook), None)

    def without(self, service: str) -> str:
        """Why no copy of the service is started; '' where one is."""
        return next((r.because for r in self.left_out if r.service == service), "")
