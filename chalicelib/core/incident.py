"""What is kept of one incident: its steps and their approvals, its notices, pages and questions, and a drill's own.

Frozen values of the book, under its rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal

from chalicelib.core.outcome import Call
from chalicelib.core.states import IncidentState
from chalicelib.policy.scenarios import Severity


class StepState(StrEnum):
    """Where a step is. `acting` means that its call was decided and may have been made; `left`, that recovery went on
    without it, and it is a debt now.
    """

    PENDING = "pending"
    RUNNING = "running"
    HELD = "held"
    ASKING = "asking"
    ACTING = "acting"
    STUCK = "stuck"
    DONE = "done"
    LEFT = "left"


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """A person's yes, bound to a plan's structure, valid until `expires_at`. Of two people `by` names both, and `arns`
    are the principals they were proven by; `glass` says that it was given by one person in place of more. `begun_at` is
    when a call that it allowed was first made, as far as is known, and not refused.
    """

    by: str
    at: datetime
    plan: str
    expires_at: datetime
    note: str = ""
    arns: tuple[str, ...] = ()
    glass: bool = False
    begun_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecord:
    """What is known of a step. `call` is the one that is decided or asked for; `calls` how many were made, `refused`
    how many of those were refused and had no effect. `voices` are the yeses of those who have approved so far, where
    more people must; `approval` is what all of them together gave.
    `called_at` is when the newest call was decided; `waits_for` the incident it is held for (claims.py), `waited_at`
    when it first was held for one. `hindered` says that it was held for a reason outside its plan (a pause, the mode, a
    block window, another incident), so that the time it took is no measure of it.
    """

    state: StepState = StepState.PENDING
    because: str = "not started"
    started_at: datetime | None = None
    first_done_at: datetime | None = None
    done_at: datetime | None = None
    look_at: datetime | None = None
    call: Call | None = None
    calls: int = 0
    refused: int = 0
    doubtful: bool = False
    asked_at: datetime | None = None
    approval: Approval | None = None
    voices: tuple[Approval, ...] = ()
    rejected_by: str | None = None
    late_at: datetime | None = None
    stuck_at: datetime | None = None
    facts: Mapping[str, str | float] = field(default_factory=dict)
    called_at: datetime | None = None
    waits_for: str = ""
    waited_at: datetime | None = None
    hindered: bool = False


_FRESH: Final = StepRecord()
"""Of every step of which nothing is known yet; it is asked for more often than anything else."""


class NoticeState(StrEnum):
    """`sending` means that it was decided and may have been delivered; `lapsed`, that what it says stopped being so
    before anybody knew whether it had been.
    """

    SENDING = "sending"
    SENT = "sent"
    DOUBTFUL = "doubtful"
    FAILED = "failed"
    LAPSED = "lapsed"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeRecord:
    """One notice to one channel. `due_at` is its deadline from the matrix."""

    state: NoticeState
    due_at: datetime
    at: datetime
    tries: int = 0
    again_at: datetime | None = None
    because: str = ""
    message_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Paging:
    """One climb of the escalation ladder."""

    rung: int
    at: datetime
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What a proven person chose for the steps, as it is written canonically (choices.py), and who and when."""

    value: str
    by: str
    at: datetime


DrillResult = Literal["", "passed", "failed", "abandoned"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """Somebody answered a tabletop."""

    by: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """What makes an entry a drill (drilling.py). `of_plan` is the hash of the real plan that it rehearses. `over_at` is
    when no further step of it starts, and `result` what it came to then, '' while it goes on. `not_rehearsed` says of
    each step that it leaves out why, by the step's title. `answers` are of a tabletop.
    """

    kind: Literal["copies", "people", "live"]
    of_plan: str
    by: str
    over_at: datetime | None = None
    result: DrillResult = ""
    because: str = ""
    clean_at: datetime | None = None
    not_rehearsed: tuple[tuple[str, str], ...] = ()
    answers: tuple[Answered, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Drilled:
    """What is known of a runbook's last drill. `good_at` is when one last passed, of whatever structure."""

    id: str
    at: datetime
    result: DrillResult
    because: str
    of_plan: str
    kind: Literal["copies", "people", "live"]
    good_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Forewarning:
    """That an RTO was forecast to be missed, when first, and by what: kept, so that it is told once and the same."""

    at: datetime
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One open incident. `plan` is the hash of the plan it follows; `failed_at` the earliest bad observation;
    `rpo_told` the gravest mark of the backups' RPO that was told.

    `gave_way_at` is when a person last let every other incident go first. `overtaken` says of each thing that another
    incident has taken over from this one, by the thing's name, who that was (claims.py). `forewarned` is by the RTO
    that was forecast to be missed, as a person writes it (`15m`).
    """

    id: str
    scenario: str
    scope: str
    severity: Severity
    state: IncidentState
    because: str
    plan: str
    policy: str
    opened_at: datetime
    failed_at: datetime
    confirmed_at: datetime | None = None
    declared_by: str | None = None
    started_at: datetime | None = None
    good_since: datetime | None = None
    bad_since: datetime | None = None
    ending: Literal["", "recovered", "cleared", "aborted", "resolved", "absorbed"] = ""
    ended_at: datetime | None = None
    steps: Mapping[str, StepRecord] = field(default_factory=dict)
    notices: Mapping[str, NoticeRecord] = field(default_factory=dict)
    acknowledged_by: str | None = None
    acknowledged_at: datetime | None = None
    pagings: tuple[Paging, ...] = ()
    absorbed: tuple[str, ...] = ()
    rpo_told: str = ""
    alarms_asked_at: datetime | None = None
    entries: int = 0
    gave_way_at: datetime | None = None
    gave_way_by: str = ""
    overtaken: Mapping[str, str] = field(default_factory=dict)
    speaks_for: tuple[str, ...] = ()
    awaits: tuple[str, ...] = ()
    drill: Drill | None = None
    forewarned: Mapping[str, Forewarning] = field(default_factory=dict)
    choices: Mapping[str, Chosen] = field(default_factory=dict)

    def holds(self, scope: str) -> bool:
        """Whether what fails at `scope` belongs to this incident: it lies at or below it, or policy says that this one
        explains just that. A suspicion leaves alone what it would wait for (waiting.py).
        """
        if self.state is IncidentState.SUSPECTING and any(covers(left, scope) for left in self.awaits):
            return False
        return scope in self.speaks_for or covers(self.scope, scope)

    @property
    def chosen(self) -> Mapping[str, str]:
        """The values of what was chosen, by name: with them policy gives the plan that it follows."""
        return {name: choice.value for name, choice in self.choices.items()}

    def step(self, step_id: str) -> StepRecord:
        """The record of a step; a fresh one when nothing is known of it yet."""
        return self.steps.get(step_id, _FRESH)

    @property
    def moved(self) -> bool:
        """Whether any call was made or may have been."""
        return any(s.calls or s.state is StepState.ACTING for s in self.steps.values())


def covers(ancestor: str, scope: str) -> bool:
    """Whether `scope` is `ancestor` or lies below it; scopes are paths (`us-east-1/us-east-1a`)."""
    return scope == ancestor or scope.startswith(ancestor + "/")
