"""Whatever comes, in whatever order: what DESIGN.md says must always hold of the core does hold.

Signals come twice and out of order, commands are legal and not, calls are refused or unanswered, workers stop in the
middle. After each of these everything is checked; in the end the world is healthy, people say yes, and it ends well.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from chalicelib.core.book import Book
from chalicelib.core.commands import IllegalCommandError
from chalicelib.core.due import Do, due
from chalicelib.core.happened import (
    Abort,
    Acknowledge,
    AlarmState,
    Approve,
    Command,
    Declare,
    Escalate,
    Pause,
    Reject,
    Resolve,
    Resume,
    Said,
    SetMode,
    Signal,
    Tick,
)
from chalicelib.core.incident import Incident, StepState, covers
from chalicelib.core.message import Message
from chalicelib.core.outcome import NoData, Refused
from chalicelib.core.plan import Step
from chalicelib.core.states import IncidentState
from chalicelib.core.switch import Found, Stands
from chalicelib.policy.platform import Mode
from tests.core.little_world import LOST, MADE, REFUSED, LittleWorld, Worker
from tests.core.stage import (
    POLICY,
    PRIMARY,
    REGION,
    ROUTE53,
    RULES,
    STANDBY,
    START,
    alarm,
    arn_of,
    empty,
    probe,
    unsettled,
)

FRESH: Final = timedelta(minutes=2)
VOICES: dict[str, Callable[[AlarmState, float], Signal]] = {
    "route53": lambda state, s: alarm(ROUTE53, state, s),
    "probe": probe,
    "cluster": lambda state, s: alarm("ClusterHealth", state, s),
    "database": lambda state, s: alarm("DatabaseConnectivity", state, s),
    "pods": lambda state, s: alarm("PodAvailability", state, s),
    "nodes": lambda state, s: alarm("NodeReadiness", state, s),
    "zone-a": lambda state, s: alarm("ZoneHealth-a", state, s),
    "zone-b": lambda state, s: alarm("ZoneHealth-b", state, s),
    "zone-c": lambda state, s: alarm("ZoneHealth-c", state, s),
    "elsewhere": lambda state, s: alarm(ROUTE53, state, s, region="eu-west-1"),
}
REGION_VOICES: Final = {"route53": ("route53",), "standby-probe": ("probe",), "cluster": ("cluster", "database")}
BREAKABLE: Final = ("capacity", "restore-redis", "promote", "verify-database", "traffic")


class Incidents(RuleBasedStateMachine):
    """`seconds` is the time since the start; `heard` what each voice said last, as it must be remembered."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0
        self.numbers = 0
        self.heard: dict[str, tuple[float, AlarmState]] = {}
        self.signals: list[Signal] = []
        self.commands: list[Command] = []
        self.confirmed: set[str] = set()
        self.acted: set[tuple[str, str, str, datetime]] = set()
        self.world = LittleWorld(before_call=self.check_call, before_message=self.check_message)
        self.worker = Worker(self.world, empty(), RULES)

    @property
    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    @property
    def book(self) -> Book:
        return self.worker.book

    def said(self, by: str = "ana") -> Said:
        self.numbers += 1
        return Said(id=f"command-{self.numbers}", by=by, at=self.now, arn=arn_of(by))

    def say(self, command: Command) -> None:
        """A person says it: it is carried out, or refused with a reason and nothing changed."""
        before = self.book
        try:
            self.worker.take(command, self.now)
            self.commands.append(command)
        except IllegalCommandError as error:
            assert str(error).strip()  # noqa: PT017  # both outcomes are right, and each is checked
            assert self.book == before

    def settled(self) -> Book:
        """The book once nothing more follows from the time alone: a ladder is climbed rung by rung."""
        before = None
        while self.book != before:
            before = self.book
            self.worker.take(Tick(), self.now)
        return self.book

    def first(self, n: int) -> Incident | None:
        found = list(self.book.incidents.values())
        return found[n % len(found)] if found else None

    # What is checked at every call and every message: an account of the rules that does not share the gates' code.

    def check_call(self, book: Book, incident: Incident, step: Step, now: datetime) -> None:
        record = incident.step(step.id)
        assert record.state is StepState.ACTING, "a call is saved before it is made"
        assert incident.confirmed_at is not None
        assert book.paused is None
        assert book.mode is not Mode.OBSERVE
        if incident.id not in book.incidents:
            # What is owed outlives its incident and its block window; its step leans on nothing.
            assert step.best_effort
            return
        assert incident.state is not IncidentState.CLOSING
        assert not any(covers(b.scope, incident.scope) and b.until > now for b in book.blocks)
        given = record.approval
        yes = given is not None and given.plan == incident.plan and now < given.expires_at
        if given is not None and record.call is not None:
            # Once it was acted on, a yes stands for what can be undone; each is known by when it was given.
            known = (incident.id, step.id, given.plan, given.at)
            yes = yes or (known in self.acted and given.plan == incident.plan and record.call.reversible)
            self.acted |= {known} if yes else set()
        automatic = POLICY.scenario(incident.scenario).automatic
        if step.action == "promote-replica" or not step.automatic or book.mode is Mode.APPROVE or automatic == "no":
            assert yes, f"{step.id} needs a person's yes"
            assert given is not None
            assert len(set(given.arns)) >= (1 if given.glass else step.people), f"{step.id} needs proven people"
        assert record.rejected_by is None
        plan = RULES.plan_of(incident.plan, incident.scenario, incident.chosen)
        for need in step.needs:
            leaned = incident.step(need)
            assert leaned.state is StepState.DONE
            assert leaned.done_at is not None
            if plan.step(need).fresh_for:
                assert now - leaned.done_at <= FRESH
        if step.action == "switch-traffic":
            assert "verify-database" in step.needs

    def check_message(self, book: Book, message: Message) -> None:
        told = book.findings if message.event.startswith("finding-") else book.incidents
        assert message.incident in told, "a closed incident emits nothing more"
        assert message.incident not in self.worker.archived
        key = message.id.removeprefix(f"{message.incident}/")
        assert told[message.incident].notices[key].state == "sending", "a notice is saved before it is sent"
        if message.event.startswith("finding-"):
            assert message.audience == "internal"
        if message.audience == "external":
            assert book.mode is not Mode.OBSERVE
            shown = " ".join((message.headline, *message.lines))
            assert not any(name in shown for name in ("us-east", "us-west", "neurectomy-", "restore-", "arn:"))

    # What comes in

    @initialize(mode=st.sampled_from([Mode.AUTOMATIC, Mode.AUTOMATIC, Mode.APPROVE, Mode.OBSERVE]))
    def begins(self, mode: Mode) -> None:
        self.worker = Worker(self.world, empty(mode), RULES)

    @rule(
        voice=st.sampled_from(sorted(VOICES)),
        state=st.sampled_from([AlarmState.ALARM, AlarmState.ALARM, AlarmState.OK, AlarmState.INSUFFICIENT_DATA]),
        ago=st.sampled_from([0, 0, 1, 7, 300]),
    )
    def speaks(self, voice: str, state: AlarmState, ago: int) -> None:
        signal = VOICES[voice](state, self.seconds - ago)
        self.signals.append(signal)
        before = self.heard.get(voice)
        # Our own looks repeat a state as of a later moment, and the first stands.
        repeats = voice == "probe" and before is not None and before[1] is state
        if not repeats and (before is None or before[0] < self.seconds - ago):
            self.heard[voice] = (self.seconds - ago, state)
        self.worker.take(signal, self.now)

    @precondition(lambda self: self.signals)
    @rule(n=st.integers(0, 50))
    def comes_again(self, n: int) -> None:
        again = self.signals[-1 - n % len(self.signals)]
        without = self.settled()
        self.worker.take(again, self.now)
        assert self.book == without, "a repeated signal is no event"

    @precondition(lambda self: self.commands)
    @rule(n=st.integers(0, 50))
    def is_said_again(self, n: int) -> None:
        again = self.commands[-1 - n % len(self.commands)]
        without = self.settled()
        self.worker.take(again, self.now)
        assert self.book == without, "a repeated command is no command"

    @rule(
        what=st.sampled_from(
            [(REGION, PRIMARY), ("provider-outage", "neurectomy"), ("pod-failure", f"{PRIMARY}/pods"), ("x", "y")]
        )
    )
    def declares(self, what: tuple[str, str]) -> None:
        scenario, scope = what
        self.say(Declare(said=self.said(), scenario=scenario, scope=scope))

    @precondition(lambda self: self.book.incidents)
    @rule(
        n=st.integers(0, 3),
        whole=st.booleans(),
        right=st.sampled_from([True, True, False]),
        by=st.sampled_from(["ana", "bob", "eve"]),
    )
    def approves(self, n: int, by: str, *, whole: bool, right: bool) -> None:
        incident = self.first(n)
        assert incident
        asking = [s for s, r in incident.steps.items() if r.state is StepState.ASKING]
        step = None if whole or not asking else asking[0]
        plan = incident.plan if right else "0" * 16
        self.say(Approve(said=self.said(by), incident=incident.id, plan=plan, step=step))

    @precondition(lambda self: self.book.incidents)
    @rule(n=st.integers(0, 3), what=st.sampled_from(["reject", "escalate", "acknowledge", "abort", "resolve"]))
    def speaks_about(self, n: int, what: str) -> None:
        incident = self.first(n)
        assert incident
        asking = [s for s, r in incident.steps.items() if r.state is StepState.ASKING]
        by = self.said()
        match what:
            case "reject":
                self.say(Reject(said=by, incident=incident.id, step=asking[0] if asking else "promote"))
            case "escalate":
                self.say(Escalate(said=by, incident=incident.id))
            case "acknowledge":
                self.say(Acknowledge(said=by, incident=incident.id))
            case "abort":
                self.say(Abort(said=by, incident=incident.id))
            case _:
                self.say(Resolve(said=by, incident=incident.id))

    @rule(what=st.sampled_from(["pause", "resume", "resume", "acknowledge", *Mode]))
    def speaks_to_all(self, what: str) -> None:
        match what:
            case "pause":
                self.say(Pause(said=self.said()))
            case "resume":
                self.say(Resume(said=self.said()))
            case "acknowledge":
                self.say(Acknowledge(said=self.said()))
            case _:
                self.say(SetMode(said=self.said(), mode=Mode(what)))

    # What the world does

    @rule(
        calls=st.sampled_from([MADE, MADE, REFUSED, LOST]),
        messages=st.sampled_from([MADE, MADE, REFUSED, LOST]),
        lands=st.booleans(),
        broken=st.sampled_from([None, None, *BREAKABLE]),
    )
    def answers_so(self, calls: object, messages: object, broken: str | None, *, lands: bool) -> None:
        self.world.answer_call = lambda _: calls  # type: ignore[return-value, assignment]  # one of the three
        self.world.answer_message = lambda _: messages  # type: ignore[return-value, assignment]  # one of the three
        self.world.lands = lands
        self.world.broken = {broken} if broken else set()

    @rule(
        found=st.sampled_from(
            [
                Stands(region=PRIMARY, because="it is in OK"),
                Stands(region=STANDBY, because="it is in ALARM"),
                Refused(code="ResourceNotFound", because="there is none"),
                NoData(because="no answer"),
            ]
        )
    )
    def throws_the_switch_by_hand(self, found: Found) -> None:
        self.world.switch = found

    @rule(wait=st.sampled_from([1, 5, 11, 61, 130]), rounds=st.integers(1, 8))
    def works(self, wait: int, rounds: int) -> None:
        for _ in range(rounds):
            self.seconds += wait
            self.worker.round(self.now)

    @rule(before=st.integers(0, 6))
    def works_and_stops_in_the_middle(self, before: int) -> None:
        self.seconds += 5
        self.worker.save()
        self.worker.round(self.now, crash_before=before)

    @rule(wait=st.sampled_from([1, 30, 400, 4000]))
    def time_goes_by(self, wait: int) -> None:
        self.seconds += wait

    # What always holds

    @invariant()
    def everything_says_why(self) -> None:
        for incident in self.book.incidents.values():
            assert incident.because.strip()
            assert all(r.because.strip() for r in incident.steps.values())
            assert all(n.because.strip() for n in incident.notices.values())
        assert all(e.text.strip() for e in self.book.outbox)
        assert all(r.because.strip() for r in self.book.replies)

    @invariant()
    def every_signal_is_remembered_and_only_the_newest_counts(self) -> None:
        known = {voice: mark for voice, mark in self.heard.items() if voice != "elsewhere"}
        assert len(self.book.watermarks) == len(known)
        for seconds, state in known.values():
            since = START + timedelta(seconds=seconds)
            assert any(m.changed_at == since and m.state is state for m in self.book.watermarks.values())

    @invariant()
    def of_a_kind_one_finding_stands_and_it_says_why(self) -> None:
        stand = [f.kind for f in self.book.findings.values() if f.settled_at is None]
        assert len(stand) == len(set(stand))
        assert all(f.because.strip() for f in self.book.findings.values())

    @invariant()
    def no_two_open_incidents_are_about_the_same_place(self) -> None:
        opened = [i for i in self.book.incidents.values() if i.state is not IncidentState.CLOSING]
        for one in opened:
            assert not any(one.holds(other.scope) for other in opened if other is not one)

    @invariant()
    def only_enough_bad_observers_or_a_person_confirm_a_region_failure(self) -> None:
        for incident in self.book.incidents.values():
            if incident.scenario != REGION or incident.confirmed_at is None or incident.id in self.confirmed:
                continue
            self.confirmed.add(incident.id)
            bad = [
                o
                for o, voices in REGION_VOICES.items()
                if any(v in self.heard and self.heard[v][1] is AlarmState.ALARM for v in voices)
            ]
            assert incident.declared_by or len(bad) >= 2 or incident.confirmed_at < self.now

    @invariant()
    def nothing_is_due_without_a_reason_and_no_call_while_paused(self) -> None:
        work = due(self.book, rules=RULES, now=self.now)
        assert all(w.because.strip() for w in work)
        if self.book.paused or self.book.mode is Mode.OBSERVE:
            assert not any(isinstance(w, Do) for w in work)

    # And in the end

    def teardown(self) -> None:
        """The world is healthy again, everybody agrees: every incident ends, what was owed was sent or failed, and once
        the switch stands where it should there is nothing left to know.
        """
        self.answers_so(MADE, MADE, None, lands=True)
        self.say(Resume(said=self.said()))
        self.say(SetMode(said=self.said(), mode=Mode.AUTOMATIC))
        self.seconds += 1
        if not any(i.scenario == REGION for i in self.book.incidents.values()):
            self.say(Declare(said=self.said(), scenario=REGION, scope=PRIMARY))
        meant = [i.id for i in self.book.incidents.values() if i.scenario == REGION and i.state != "closing"]
        for _ in range(400):
            if not self.book.incidents:
                break
            self.agree()
            self.worker.round(self.now)
            self.seconds += 15
        assert not self.book.incidents, f"still open: {[(i.id, i.because) for i in self.book.incidents.values()]}"
        for incident in self.worker.archived.values():
            assert unsettled(incident) == {}
        self.world.switch = Stands(region=self.book.serving, because="it is where it was left")
        for _ in range(3):
            self.seconds += 61
            self.worker.round(self.now)
        assert self.book.findings == {}
        for incident_id in meant:
            assert self.worker.archived[incident_id].ending in ("recovered", "cleared", "absorbed")

    def agree(self) -> None:
        """People end block windows, confirm what is suspected, and say yes to whatever asks or was rejected."""
        if self.book.blocks:
            self.say(Acknowledge(said=self.said()))
        for incident in tuple(self.book.incidents.values()):
            if incident.state is IncidentState.SUSPECTING:
                self.say(Declare(said=self.said(), scenario=incident.scenario, scope=incident.scope))
            asking = [s for s, r in incident.steps.items() if r.state is StepState.ASKING or r.rejected_by]
            for step in asking if incident.state is not IncidentState.CLOSING else ():
                for by in ("ana", "bob"):
                    self.say(Approve(said=self.said(by), incident=incident.id, plan=incident.plan, step=step))


TestIncidents = Incidents.TestCase
TestIncidents.settings = settings(
    max_examples=30,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
