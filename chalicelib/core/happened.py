"""What can happen to the platform's book: signals and commands from outside, answers from our own work.

Rules. A signal is a *change* somebody observed, with the time it changed, which is its identity together with
its source: delivered ten times, late and out of order, it is one signal. A command is what a person said, with
an id of its own. Both are plain facts: nothing here knows what they will lead to. Never add a default for
a time or an id here: whoever reads the event knows them, or the event cannot be read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal

from chalicelib.policy.platform import Mode


class AlarmState(StrEnum):
    """CloudWatch's own three. INSUFFICIENT_DATA is "no data": never read as down."""

    OK = "OK"
    ALARM = "ALARM"
    INSUFFICIENT_DATA = "INSUFFICIENT_DATA"


class SignalKind(StrEnum):
    """What observed the change."""

    METRIC_ALARM = "metric-alarm"
    COMPOSITE_ALARM = "composite-alarm"
    HEALTH_CHECK_ALARM = "health-check-alarm"
    PROBE = "probe"
    HEARTBEAT = "heartbeat"
    AUDIT = "audit"
    HEALTH_EVENT = "health-event"
    SECURITY_FINDING = "security-finding"


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthEvent:
    """What policy asks of an AWS Health event. `communication` is what AWS said it with, the same in every region and
    on every page; empty when it was not named.
    """

    service: str
    category: str
    communication: str = ""
    what: Literal["health"] = "health"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityFinding:
    """What policy asks of a GuardDuty finding: its type, and its severity from 1 to 10."""

    type: str
    severity: float
    count: int = 1
    what: Literal["finding"] = "finding"


ServiceEvent = HealthEvent | SecurityFinding
"""What an AWS service itself says, by EventBridge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One change of state that one observer saw.

    `source` is the alarm's ARN, `probe:<name>`, `heartbeat:<name>` or `audit:<name>`; `name` is what policy calls it;
    `changed_at` is aware UTC. `region` and `account` are None for what we saw ourselves. What an AWS service said has
    the `event` that policy picks it by, its own code or type as `name`, and one source for all it says of the same
    thing.
    """

    source: str
    name: str
    kind: SignalKind
    state: AlarmState
    changed_at: datetime
    reason: str
    region: str | None = None
    account: str | None = None
    event: ServiceEvent | None = None

    @property
    def id(self) -> str:
        """`source#changed_at#state`: the same change is the same id, by whichever way it came."""
        return f"{self.source}#{self.changed_at.isoformat(timespec='milliseconds')}#{self.state}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What every command carries: its id, who said it, when, and a note.

    `arn` is the principal that STS proved `by` with; None while it is only claimed. `doubt` is why there is no proof
    although one was sent. Nothing but a proof that was verified may ever set `arn`.
    """

    id: str
    by: str
    at: datetime
    note: str = ""
    arn: str | None = None
    doubt: str = ""

    @property
    def who(self) -> str:
        """`ana (arn:…)`, or `ana (unproven: …)`: as it is recorded."""
        return f"{self.by} ({self.arn or ': '.join(part for part in ('unproven', self.doubt) if part)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Declare:
    """Open an incident that no alarm has opened, or confirm one that is only suspected; `choices` as with `Choose`."""

    said: Said
    scenario: str
    scope: str
    choices: Mapping[str, str] = field(default_factory=dict)
    verb: Literal["declare"] = "declare"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choose:
    """Give the incident's steps what only a person can say, by the names of its runbook: a restore point, a list of
    what is restored, a revision. What was approved for another choice must be approved again.
    """

    said: Said
    incident: str
    choices: Mapping[str, str]
    verb: Literal["choose"] = "choose"


@dataclass(frozen=True, slots=True, kw_only=True)
class Approve:
    """Allow the named step, or every step that asks now (`step` None); `plan` is the hash of the plan seen."""

    said: Said
    incident: str
    plan: str
    step: str | None = None
    verb: Literal["approve"] = "approve"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """Refuse the named step; the incident stalls there until somebody approves it, aborts or resolves."""

    said: Said
    incident: str
    step: str
    verb: Literal["reject"] = "reject"


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakGlass:
    """Allow the named step alone, where two people are asked or nobody can be proven; it pages everyone."""

    said: Said
    incident: str
    plan: str
    step: str
    verb: Literal["break-glass"] = "break-glass"


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """Another person has looked at what was done behind a broken glass; `debt` is what is owed."""

    said: Said
    debt: str
    verb: Literal["review"] = "review"


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalate:
    """Page the next rung of the ladder now."""

    said: Said
    incident: str
    verb: Literal["escalate"] = "escalate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledge:
    """Somebody is on it: the ladder stops climbing. Without an incident: the block windows end."""

    said: Said
    incident: str | None = None
    verb: Literal["acknowledge"] = "acknowledge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Abort:
    """Start no further step. What is done stays done."""

    said: Said
    incident: str
    verb: Literal["abort"] = "abort"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolve:
    """A person says it is over."""

    said: Said
    incident: str
    verb: Literal["resolve"] = "resolve"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Stop every call that changes something, for every incident, until `resume`."""

    said: Said
    verb: Literal["pause"] = "pause"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    """End a pause."""

    said: Said
    verb: Literal["resume"] = "resume"


@dataclass(frozen=True, slots=True, kw_only=True)
class SetMode:
    """observe, approve or automatic, for the whole platform."""

    said: Said
    mode: Mode
    verb: Literal["set-mode"] = "set-mode"


CLOCK_ARN: Final = "the clock"
"""The principal of what the clock says. None that STS proves looks like it, and no payload can set one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearse:
    """Begin a drill of a runbook: with copies, of the people alone, or the planned move itself (`copies`, `people`,
    `live`); left out, as policy has it.
    """

    said: Said
    runbook: str
    kind: str = ""
    verb: Literal["drill"] = "drill"


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Asks only; changes nothing."""

    said: Said
    verb: Literal["status"] = "status"


@dataclass(frozen=True, slots=True, kw_only=True)
class Repin:
    """The incident, or the debt, follows the policy that is deployed now; what was approved must be again."""

    said: Said
    incident: str
    verb: Literal["repin"] = "repin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Raise:
    """It is worse than thought: an incident of this scenario takes over, at a scope that covers the former."""

    said: Said
    incident: str
    scenario: str
    scope: str | None = None
    verb: Literal["raise"] = "raise"


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveWay:
    """Every other incident goes before this one with what both move; what is on its way is finished first."""

    said: Said
    incident: str
    verb: Literal["yield"] = "yield"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepSwitch:
    """The traffic switch stands where it is meant to, although no incident has put it there."""

    said: Said
    region: str
    verb: Literal["keep-switch"] = "keep-switch"


Command = (
    Declare
    | Raise
    | Repin
    | Choose
    | Approve
    | Reject
    | BreakGlass
    | Review
    | Escalate
    | Acknowledge
    | Abort
    | Resolve
    | Pause
    | Resume
    | SetMode
    | GiveWay
    | KeepSwitch
    | Rehearse
    | Status
)
"""Everything a person can say. The `verb` field tells them apart in JSON."""


class Readiness(StrEnum):
    """Whether a runbook could succeed right now. `unknown` is neither of the others: nothing was found against it, and
    something could not be looked at.
    """

    READY = "ready"
    WITH_FINDINGS = "ready-with-findings"
    UNKNOWN = "unknown"
    NOT_READY = "not-ready"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunbookJudged:
    """What one round found of one runbook, in a sentence."""

    scenario: str
    state: Readiness
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadinessJudged:
    """One round of judging whether each runbook could succeed; `at` is when it began, and its identity."""

    at: datetime
    runbooks: tuple[RunbookJudged, ...]

    @property
    def id(self) -> str:
        """The same round is the same id, however often it is told."""
        return self.at.isoformat(timespec="milliseconds")


Incoming = Signal | Command | ReadinessJudged
"""Everything that comes to the desk by its inbox."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """Time went by; nothing else happened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """Something that came in and could not be read; `raw` is kept whole, `reason` says why."""

    raw: str
    reason: str
    received_at: datetime
    way: Literal["sns", "eventbridge", "direct", "command"]
