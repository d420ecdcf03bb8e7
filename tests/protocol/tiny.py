"""The smallest platform that still has everything the protocol is about: one alarm that opens an incident, one step
that wants one call, one notice. Policy is the shipped one, cut down, so that each thing is read by the real models.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from chalicelib.core.elsewhere import Absent, Heeded
from chalicelib.core.happened import Abort, AlarmState, Command, Declare, Pause, Said, Signal, SignalKind
from chalicelib.core.incident import Incident
from chalicelib.core.message import Message, StatusPage
from chalicelib.core.outcome import Act, Call, Done, Made, Next, Outcome
from chalicelib.core.plan import Step
from chalicelib.core.switch import Found
from chalicelib.policy import Policy
from tests.core.stage import arn_of, policy_with

START: Final = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
SHIFT: Final = timedelta(seconds=55)
SCENARIO: Final = "region-failure"
SCOPE: Final = "us-east-1"
INCIDENT: Final = f"{SCOPE}-{SCENARIO}-{START:%Y%m%dT%H%M%S}"
AT_ONCE: Final = 1e7
"""A speed at which the 2 s before the look after a call round to nothing, and the 60 s of a held step do not: a whole
incident fits into one moment, and a step that is held is not looked at again and again.
"""


def step(name: str, **more: Any) -> dict[str, Any]:
    """One row of the runbook."""
    row = {"id": name, "title": name, "action": "dump-found", "automatic": True, "reversible": True}
    return {**row, "expected": "1m", "deadline": "12h", **more}


def tiny_policy(
    *steps: dict[str, Any], notices: Sequence[str] = ("incident-detected",), channels: int = 1, speed: float = AT_ONCE
) -> Policy:
    """One scenario with these steps (one when none are given), each of these notices to so many channels."""
    names = [f"channel-{n}" for n in range(channels)]

    def edit(raw: dict[str, Any]) -> None:
        raw["platform"]["responder"] |= {"initial_mode": "automatic", "block_window": "0s"}
        scenario = next(s for s in raw["scenarios"]["scenarios"] if s["name"] == SCENARIO)
        raw["scenarios"]["scenarios"] = [{**scenario, "automatic": "yes"}]
        raw["services"]["services"] = []
        rule = {"scenario": SCENARIO, "scope": SCOPE, "hold": "0s", "clear_after": "1m"}
        raw["signals"]["rules"] = [{**rule, "observers": [{"name": "probe", "probe": "standby-probe"}]}]
        rows = list(steps) or [step("move")]
        raw["runbooks"]["runbooks"] = [{"scenario": SCENARIO, "title": "tiny", "steps": rows}]
        severities = ["low", "medium", "high", "critical"]
        told = [{"event": n, "internal": names, "within": "1h", "severities": severities} for n in notices]
        kept = [{"name": n, "kind": "slack", "secret": "none", "channel": "#none"} for n in names]
        ladder = [{"who": "on-call", "after": "0s", "channels": names[:1]}]
        raw["notifications"] |= {"channels": kept, "matrix": told, "ladder": ladder}

    return policy_with(edit).model_copy(update={"speed": speed})


def alarm(seconds: float = 0) -> Signal:
    """The change that opens the incident."""
    changed_at = START + timedelta(seconds=seconds)
    return Signal(
        source="probe:standby-probe",
        name="standby-probe",
        kind=SignalKind.PROBE,
        state=AlarmState.ALARM,
        changed_at=changed_at,
        reason="3 of 3 tries failed",
    )


def said(name: str) -> Said:
    return Said(id=name, by="ana", at=START, arn=arn_of("ana"))


def declare() -> Command:
    return Declare(said=said("declare"), scenario=SCENARIO, scope=SCOPE)


def pause() -> Command:
    return Pause(said=said("pause"))


def abort() -> Command:
    return Abort(said=said("abort"), incident=INCIDENT)


class StillClock:
    """A clock that moves only when somebody sleeps, or lets it pass."""

    def __init__(self, now: datetime = START) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def sleep(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)


def wanted(incident: str, step_id: str) -> Call:
    """The one call that a step is missing."""
    params = {"incident": incident, "step": step_id}
    return Call(
        system="aws", service="any", region="us-west-2", operation="do", params=params, until="done", reversible=True
    )


def seen(incident: str, step_id: str, *, there: bool) -> Next:
    """What a look finds."""
    if there:
        return Done(because=f"{step_id} is there")
    return Act(because=f"{step_id} is missing", call=wanted(incident, step_id))


class TinyHands:
    """Hands over a world of counters: `effects` by (incident, step), `told` by message id."""

    def __init__(self) -> None:
        self.effects: Counter[tuple[str, str]] = Counter()
        self.told: Counter[str] = Counter()

    def look(self, step: Step, incident: Incident, policy: Policy, now: datetime) -> Next:  # noqa: ARG002  # the port's signature
        return seen(incident.id, step.id, there=self.effects[incident.id, step.id] > 0)

    def copies(self, policy: Policy) -> dict[str, str]:  # noqa: ARG002  # the port's signature
        return {}

    def switch(self, policy: Policy) -> Found:  # noqa: ARG002  # the port's signature
        raise AssertionError("a visit that does not linger begins nothing beside its rounds")

    def somebody_else(self, policy: Policy) -> Heeded:  # noqa: ARG002  # the port's signature
        return Absent(because="nobody else is there")

    def make(self, call: Call) -> Outcome:
        self.effects[call.params["incident"], call.params["step"]] += 1
        return Made(because="accepted")

    def tell(self, message: Message, page: StatusPage) -> Outcome:  # noqa: ARG002  # the port's signature
        self.told[message.id] += 1
        return Made(because="delivered")

    def alarm_states(self, alarms: Sequence[tuple[str, str]]) -> Sequence[Signal]:  # noqa: ARG002
        return ()
