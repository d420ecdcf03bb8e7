"""Whatever comes, in whatever order, of several incidents that need the same things: one moves a thing at a time, every
step that is held says whom it waits for, two never wait for each other, and in the end all of them are through.

The runbooks want two things in opposite orders, which is how two wait for each other where nobody sees to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from chalicelib.core.book import Book
from chalicelib.core.claims import Grip, Hold
from chalicelib.core.commands import IllegalCommandError
from chalicelib.core.due import Held, due
from chalicelib.core.gates import held_for
from chalicelib.core.happened import Abort, Acknowledge, Approve, Command, GiveWay, Said
from chalicelib.core.incident import Incident, StepState
from chalicelib.core.incidents import opened
from chalicelib.core.plan import Step
from chalicelib.core.states import IncidentState
from chalicelib.core.things import Thing, moved_by
from tests.core.little_world import LOST, MADE, REFUSED, LittleWorld, Worker
from tests.core.stage import START, arn_of, empty, policy_with, rules_for


def step(name: str, action: str, *needs: str, **more: Any) -> dict[str, Any]:
    row = {"id": name, "title": name, "action": action, "needs": needs, "automatic": True, "reversible": True}
    return {**row, "expected": "10s", "deadline": "3m", **more}


WITH: Final = {"cluster": "standby", "service": "redis", "to": "standby"}
RUNBOOKS: Final[dict[str, list[dict[str, Any]]]] = {
    "data-corruption": [
        step("database", "point-application"),
        step("traffic", "switch-traffic", "database", **{"with": {"to": "standby"}}),
    ],
    "security-breach": [
        step("traffic", "switch-traffic", **{"with": {"to": "standby"}}),
        step("database", "point-application", "traffic"),
    ],
    "az-failure": [
        step("objects", "velero-restore", **{"with": WITH}),
        step("rewrites", "velero-rewrites", **{"with": {"cluster": "standby"}}),
        step("database", "point-application", "objects", "rewrites", automatic=False, asks_because="a person knows"),
    ],
    "node-failure": [
        step("fence", "fence-primary", best_effort=True),
        step("nodes", "node-capacity", **{"with": {"cluster": "standby"}}),
    ],
}


def _edit(raw: dict[str, Any]) -> None:
    for runbook in raw["runbooks"]["runbooks"]:
        if runbook["scenario"] in RUNBOOKS:
            runbook["steps"] = RUNBOOKS[runbook["scenario"]]
    for row in raw["scenarios"]["scenarios"]:
        if row["name"] in RUNBOOKS:
            row |= {"automatic": "yes", "by": "the responder"}


POLICY: Final = policy_with(_edit)
RULES: Final = rules_for(POLICY)
PLACES: Final = ("neurectomy", "us-west-2", "us-west-2/a", "us-west-2/b", "us-east-1/a", "us-east-1/b")


class Several(RuleBasedStateMachine):
    """`seconds` is the time since the start."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0
        self.numbers = 0
        self.world = LittleWorld(before_call=self.check_call)
        self.worker = Worker(self.world, empty(), RULES)

    @property
    def now(self) -> Any:
        return START + timedelta(seconds=self.seconds)

    @property
    def book(self) -> Book:
        return self.worker.book

    def open(self) -> list[Incident]:
        return [i for i in self.book.incidents.values() if i.state is not IncidentState.CLOSING]

    def said(self) -> Said:
        self.numbers += 1
        return Said(id=f"c-{self.numbers}", by="ana", at=self.now, arn=arn_of("ana"))

    def say(self, command: Command) -> None:
        try:
            self.worker.take(command, self.now)
        except IllegalCommandError as error:
            assert str(error).strip()  # noqa: PT017  # both outcomes are right

    # An account of the rule that does not share the gate's code

    def check_call(self, book: Book, incident: Incident, row: Step, _: object) -> None:
        """Nobody else has a call out, or one that was not looked at, for what this call moves."""
        mine = set(moved_by(row, incident.scope, POLICY))
        for other, its, record in self.steps(book):
            if other.id == incident.id or not mine & set(moved_by(its, other.scope, POLICY)):
                continue
            assert record.state is not StepState.ACTING, f"{other.id}/{its.id} moves it too"
            late = record.called_at is None or self.now >= record.called_at + its.deadline or its.best_effort
            at_work = record.state is StepState.RUNNING and record.calls and record.call is None
            assert not at_work or late, f"{other.id}/{its.id} is on its way"

    @staticmethod
    def steps(book: Book) -> Iterator[tuple[Incident, Step, Any]]:
        cases = [d.case for d in book.debts if d.case]
        for incident in (*book.incidents.values(), *cases):
            plan = RULES.plan_of(incident.plan, incident.scenario, incident.chosen)
            for row in plan.steps:
                if row.id in incident.steps:
                    yield incident, row, incident.steps[row.id]

    # What comes in

    @precondition(lambda self: len(self.open()) < 4)
    @rule(scenario=st.sampled_from(sorted(RUNBOOKS)), scope=st.sampled_from(PLACES))
    def another_incident(self, scenario: str, scope: str) -> None:
        if self.book.incident_at(scope):
            return
        self.seconds += 1
        self.worker.book = opened(
            self.book,
            scenario=scenario,
            scope=scope,
            failed_at=self.now,
            declared_by="ana",
            because="declared",
            rules=RULES,
            now=self.now,
        )

    @precondition(lambda self: self.open())
    @rule(n=st.integers(0, 3), what=st.sampled_from(["yield", "yield", "abort", "approve", "acknowledge"]))
    def speaks(self, n: int, what: str) -> None:
        self.seconds += 1
        incident = self.open()[n % len(self.open())]
        match what:
            case "yield":
                self.say(GiveWay(said=self.said(), incident=incident.id))
            case "abort":
                self.say(Abort(said=self.said(), incident=incident.id))
            case "approve":
                self.say(Approve(said=self.said(), incident=incident.id, plan=incident.plan))
            case _:
                self.say(Acknowledge(said=self.said()))

    @rule(
        calls=st.sampled_from([MADE, MADE, REFUSED, LOST]),
        lands=st.booleans(),
        broken=st.sampled_from([None, "database", "traffic", "objects"]),
        dark=st.booleans(),
    )
    def answers_so(self, calls: Any, broken: str | None, *, lands: bool, dark: bool) -> None:
        self.world.answer_call = lambda _: calls
        self.world.lands = lands
        self.world.broken = {broken} if broken else set()
        self.world.dark = dark

    @rule(wait=st.sampled_from([1, 5, 11, 61]), rounds=st.integers(1, 6))
    def works(self, wait: int, rounds: int) -> None:
        for _ in range(rounds):
            self.seconds += wait
            self.worker.round(self.now)

    @rule(before=st.integers(0, 4))
    def works_and_stops_in_the_middle(self, before: int) -> None:
        self.seconds += 5
        self.worker.save()
        self.worker.round(self.now, crash_before=before)

    @rule(wait=st.sampled_from([30, 200, 4000]))
    def time_goes_by(self, wait: int) -> None:
        self.seconds += wait

    # What always holds

    @invariant()
    def one_incident_at_a_time_has_a_call_out_for_a_thing(self) -> None:
        out: dict[Thing, str] = {}
        for incident, row, record in self.steps(self.book):
            if record.state is StepState.ACTING:
                for thing in moved_by(row, incident.scope, POLICY):
                    assert out.setdefault(thing, incident.id) == incident.id, f"two move {thing}"

    @invariant()
    def whoever_is_held_for_another_says_for_whom(self) -> None:
        for work in due(self.book, rules=RULES, now=self.now):
            if isinstance(work, Held) and (other := getattr(work.answer, "waits_for", "")):
                assert other in self.book.incidents or any(d.case and d.case.id == other for d in self.book.debts)
                assert other != work.incident
                assert f"waits for incident {other} " in work.because
                assert "goes on when" in work.because or "then this goes on" in work.because

    @invariant()
    def nobody_waits_in_a_circle(self) -> None:
        waits = {
            (incident.id, row.id): hold
            for incident, row, record in self.steps(self.book)
            if record.call is not None and (hold := held_for(self.book, incident, row, RULES, self.now))
        }
        for start in waits:
            self.follow(start, waits, ())

    def follow(
        self, at: tuple[str, str], waits: dict[tuple[str, str], Hold], seen: tuple[tuple[str, str], ...]
    ) -> None:
        """A move that is on its way waits for nobody; whoever holds otherwise ends with the last of its own steps."""
        assert at not in seen, f"they wait for each other: {(*seen, at)}"
        hold = waits.get(at)
        if hold is None or hold.grip is Grip.MOVING:
            return
        for other in waits:
            if other[0] == hold.incident.id:
                self.follow(other, waits, (*seen, at))

    # And in the end

    def teardown(self) -> None:
        """The world is healthy and people agree: every incident ends, so nobody waited for ever."""
        self.answers_so(MADE, None, lands=True, dark=False)
        for _ in range(300):
            if not self.book.incidents:
                break
            if self.book.blocks:
                self.say(Acknowledge(said=self.said()))
            for incident in self.open():
                if any(r.state is StepState.ASKING for r in incident.steps.values()):
                    self.say(Approve(said=self.said(), incident=incident.id, plan=incident.plan))
            self.worker.round(self.now)
            self.seconds += 15
        left = [(i.id, [(s, r.state, r.because) for s, r in i.steps.items()]) for i in self.book.incidents.values()]
        assert not left, f"still open: {left}"


TestSeveral = Several.TestCase
TestSeveral.settings = settings(
    max_examples=40,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
