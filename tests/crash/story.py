"""A whole region failure from the first alarm to the archive, told the same way every time.

The platform is set to automatic; its primary region goes dark; the standby's probe and Route 53's alarm say so; a
scripted person acknowledges, and approves what PagerDuty rings for. Lambda does what it does: it delivers again what
was not taken in, and ticks every minute. A function whose worker is stopped begins anew, with nothing in its hands.

What arrives while a worker lingers is handled inside its sleep, by a worker of its own that finds the desk held and
leaves. Ticks do not: one that waits for the desk would hold up the very time in which it becomes free.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from chalicelib import ways_in
from chalicelib.bootstrap import Responder
from chalicelib.core.approvals import counted
from chalicelib.core.happened import AlarmState, Signal, SignalKind
from chalicelib.core.incident import Incident
from chalicelib.hearing import Unheard, heard
from chalicelib.intake.probe import from_heartbeat, from_probe
from chalicelib.policy import Policy
from chalicelib.policy.people import Person
from chalicelib.store.contract import StoreUnavailableError
from drctl.signing import signed
from drctl.world.people import credentials_of
from tests.crash.outside import Crash, Stop
from tests.crash.platform_in_process import POLICY, SETTINGS, SPEED, START, Platform

MINUTE: Final = timedelta(minutes=1) / SPEED
DARK_AT: Final = START + timedelta(seconds=3)
PROBE_AT: Final = START + timedelta(seconds=6)
ALARM_AT: Final = START + timedelta(seconds=8)
SILENT_AT: Final = START + timedelta(seconds=8.5)
ANSWER_TIME: Final = timedelta(seconds=3)
PATIENCE: Final = timedelta(minutes=20)
PERSON: Final = POLICY.people.people[0]
ANOTHER: Final = next(p for p in POLICY.people.people if p.name != PERSON.name and p.roles == PERSON.roles)
_ASK: Final = re.compile(r"drctl approve (?P<incident>\S+) --step (?P<step>[^:\s]+)")


class SilentError(Exception):
    """STS did not answer; the text is what the sender is told."""


class NotOverError(Exception):
    """The incident did not end within the patience; the text says where it stood."""


class Story:
    """One telling. `stops` are where workers are stopped or answers are lost, by the number of the call; `breaks` is
    what happens to the primary region; without `answers`, nobody answers a page. Another case is another `evidence`.
    """

    note = "the region is gone"
    """What the person says when they approve."""
    shift = SETTINGS.shift
    """How long a worker has the desk: shorter than where it is deployed, so that many take turns."""

    def __init__(
        self,
        *stops: Stop,
        policy: Policy = POLICY,
        breaks: Callable[[Platform], None] = Platform.darken,
        answers: bool = True,
        mode: str = "automatic",
    ) -> None:
        self.platform = Platform(stops, policy)
        self._breaks = breaks
        self._answers = answers
        self._mode = mode
        self.crashes = 0
        self.failures = 0
        self._workers: dict[str, Responder] = {}
        self._sent: set[str] = set()

    def tell(self) -> Platform:
        """To its end; NotOverError when there is none."""
        self.begin()
        while self.platform.clock.now() < START + PATIENCE:
            if self.tick() and self._over():
                return self.platform
        raise NotOverError(f"not over at {self.platform.clock.now():%H:%M:%S}: {self.platform.book()}")

    def begin(self) -> None:
        """What happens by itself from here."""
        clock = self.platform.clock
        self._deliver(START, "command", {"command": "set-mode", "mode": self._mode}, "automatic")
        clock.at(DARK_AT, lambda: self._breaks(self.platform))
        self.evidence()
        clock.at(START, self._beat)
        if self._answers:
            clock.at(ALARM_AT, self._read)
        self._tick_at = START

    def evidence(self) -> None:
        """Who says that something failed, and when."""
        self.alarm(PROBE_AT, from_probe("standby-probe", healthy=False, changed_at=DARK_AT, reason="3 in a row"))
        self.alarm(ALARM_AT, route53())
        self.alarm(SILENT_AT, from_heartbeat("primary", healthy=False, changed_at=SILENT_AT, reason="silent"))

    def answering(self, incident: Incident, step: str) -> Person:
        """Who answers a page for a step: whoever has not answered it yet, where two must."""
        now = self.platform.clock.now()
        said = {v.by for v in counted(incident.step(step), incident.plan, now)}
        return ANOTHER if PERSON.name in said else PERSON

    def deploy(self, policy: Policy) -> None:
        """The responder is deployed with another policy: every worker is a new one."""
        self.platform.deployed = policy
        self._workers.clear()

    def say(self, name: str, payload: Mapping[str, Any]) -> None:
        """The person says it now."""
        self._say(name, payload)

    def tick(self) -> bool:
        """Lets the next tick come; whether it had the desk and came to its end."""
        clock = self.platform.clock
        # One whose time came during a shift has been waiting for the shift's end.
        self._tick_at = max(self._tick_at + MINUTE, clock.now())
        clock.sleep((self._tick_at - clock.now()).total_seconds())
        return self._tick()

    def _until(self, responder: Responder) -> datetime:
        return responder.clock.now() + self.shift

    def _over(self) -> bool:
        book, store = self.platform.book(), self.platform.store
        return bool(store.docs.get("closed")) and book is not None and not book.incidents and not store.items

    def _tick(self) -> bool:
        """Whether the tick had the desk and came to its end."""
        held: list[bool] = []

        def work(responder: Responder) -> None:
            held.append(not ways_in.tick(responder, until=self._until(responder)).busy)

        return self._invoke("tick", work) and held[-1]

    def alarm(self, when: datetime, signal: Signal) -> None:
        """Delivers a signal then, until it is taken in."""

        def work(responder: Responder) -> None:
            ways_in.alarms(responder, [signal], until=self._until(responder))

        self._until_taken(when, "alarm", work)

    def _deliver(
        self, when: datetime, function: str, payload: Mapping[str, Any], name: str, person: Person = PERSON
    ) -> None:
        """A command as its function receives it, signed when it is sent. Its sender does not wait: what became of it is
        read in the book. When STS did not answer it is said again.
        """

        def work(responder: Responder) -> None:
            now = self.platform.clock.now()
            whole = signed(
                {"id": name, "by": person.name, **payload}, POLICY, credentials=credentials_of(person), now=now
            )
            said = heard(responder, whole)
            if isinstance(said, Unheard):
                assert said.again, said.because
                raise SilentError(said.because)
            responder.desk.receive(said)
            responder.desk.work(responder.nonce(), until=self._until(responder), linger=False)

        self._until_taken(when, function, work)

    def _until_taken(self, when: datetime, function: str, work: Callable[[Responder], None]) -> None:
        """Lambda repeats an event whose handling failed, after a minute; a person does so too."""

        def happening() -> None:
            if not self._invoke(function, work):
                self.platform.clock.at(self.platform.clock.now() + MINUTE, happening)

        self.platform.clock.at(when, happening)

    def _invoke(self, function: str, work: Callable[[Responder], None]) -> bool:
        """One invocation, on the function's own warm worker; False when it crashed or failed."""
        worker = self._workers.get(function) or self.platform.responder()
        self._workers[function] = worker
        try:
            with self.platform.outside.life():
                work(worker)
        except Crash:
            self.crashes += 1
            del self._workers[function]
            return False
        except (StoreUnavailableError, SilentError):
            self.failures += 1
            return False
        return True

    def _read(self) -> None:
        """The person reads what rings, every second, and answers each page once, some time after it came."""
        clock, book = self.platform.clock, self.platform.book()
        for alert in self.platform.pagerduty.alerts:
            said = alert.payload["custom_details"]
            incident = book.incidents.get(said["incident"]) if book else None
            if incident is None or alert.status == "resolved" or clock.now() - alert.opened_at < ANSWER_TIME:
                continue
            self._say(f"acknowledge-{incident.id}", {"command": "acknowledge", "incident": incident.id})
            for ask in said.get("asks", ()):
                if found := _ASK.match(ask):
                    wanted = {"command": "approve", "plan": incident.plan, "note": self.note}
                    # One yes a page and step: a page that rings again for the same step gets another.
                    who, name = self.answering(incident, found["step"]), f"approve-{found['step']}-{alert.dedup_key}"
                    self._say(name[:120], {**wanted, **found.groupdict()}, who)
        clock.at(clock.now() + timedelta(seconds=1), self._read)

    def _beat(self) -> None:
        self.platform.beat()
        clock = self.platform.clock
        clock.at(clock.now() + self.platform.policy.signals.heartbeats.every, self._beat)

    def _say(self, name: str, payload: Mapping[str, Any], person: Person = PERSON) -> None:
        if name not in self._sent:
            self._sent.add(name)
            self._deliver(self.platform.clock.now(), "command", payload, name, person)


def route53(changed_at: datetime = ALARM_AT - timedelta(seconds=1)) -> Signal:
    """Route 53's verdict, as CloudWatch's alarm carries it."""
    name, region = POLICY.signals.health_check.alarm, POLICY.platform.regions.primary
    account = POLICY.platform.account
    return Signal(
        source=f"arn:aws:cloudwatch:{region}:{account}:alarm:{name}",
        name=name,
        kind=SignalKind.HEALTH_CHECK_ALARM,
        state=AlarmState.ALARM,
        changed_at=changed_at,
        reason="Threshold Crossed",
        region=region,
        account=account,
    )
