"""A world of plain values, and a worker who drives the core against it in the desk's own order of saves and acts.

The world misses one call for each step that changes something, is busy for a look or two, and then is done. What its
calls and messages answer is decided by whoever drives it. The worker may stop before any call: then only what was
saved is left, and the next one reads that from its stored form.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from chalicelib.core.answers import AlarmsAsked, Archived, Called, Decided, Looked, Telling, Told
from chalicelib.core.book import Book, Entry, case_of
from chalicelib.core.copies import CopiesSeen, LookAtCopies, Seen
from chalicelib.core.due import Archive, AskAlarms, Do, Held, Look, Tell, due
from chalicelib.core.fold import Happened, fold
from chalicelib.core.happened import Tick
from chalicelib.core.incident import Incident
from chalicelib.core.message import Message
from chalicelib.core.outcome import Act, Call, Done, Doubtful, Made, Next, Outcome, Refused, Stuck, Wait
from chalicelib.core.plan import Rules, Step
from chalicelib.core.switch import Found, LookAtSwitch, Stands, SwitchSeen
from tests.core.stage import PRIMARY, STANDBY, reread

_FACTS: Final[dict[str, dict[str, str | float]]] = {
    "switch-traffic": {"serves": STANDBY},
    "fence-primary": {"fenced": "Fenced"},
}
_ONLY_LOOKS: Final = frozenset({"workload-ready", "verify-service"})
MADE: Final = Made(because="accepted")
REFUSED: Final = Refused(code="InvalidState", because="not in this state")
LOST: Final = Doubtful(because="no answer within 10 s")


@dataclass
class LittleWorld:
    """`answer_call` and `answer_message` choose what an act becomes; a `Doubtful` call has an effect when `lands`.
    While it is `dark`, the failed region answers nobody.
    """

    answer_call: Callable[[Step], Outcome] = lambda _: MADE
    answer_message: Callable[[Message], Outcome] = lambda _: MADE
    lands: bool = True
    dark: bool = False
    broken: set[str] = field(default_factory=set)
    called: Counter[str] = field(default_factory=Counter)
    looked: Counter[str] = field(default_factory=Counter)
    told: list[Message] = field(default_factory=list)
    copies: Seen = "20991231T000000Z-hourly"
    switch: Found = field(default_factory=lambda: Stands(region=PRIMARY, because="the switch is in OK"))
    seen: int = 0
    effects: set[tuple[str, str]] = field(default_factory=set)
    before_call: Callable[[Book, Incident, Step, datetime], None] = lambda *_: None
    before_message: Callable[[Book, Message], None] = lambda *_: None

    def look(self, incident: Incident, step: Step) -> Next:
        self.looked[step.id] += 1
        if step.id in self.broken:
            return Stuck(because=f"{step.id} is broken")
        if self.dark and step.best_effort:
            return Wait(because="us-east-1 does not answer", again_in=timedelta(seconds=10))
        if step.action == "person":
            if incident.step(step.id).approval is None:
                return Wait(because=step.params["ask"], again_in=timedelta(minutes=5))
            return Done(because="somebody says that it is done")
        if step.action not in _ONLY_LOOKS and (incident.id, step.id) not in self.effects:
            wanted = Call(
                system="aws",
                service="any",
                region=STANDBY,
                operation=step.action,
                until=f"{step.id} is there",
                reversible=step.reversible,
            )
            return Act(because=f"{step.id} is missing", call=wanted)
        if self.looked[step.id] % 3 == 0:
            return Wait(because=f"{step.id} is on its way", again_in=timedelta(seconds=10))
        return Done(because=f"{step.id} is there", facts=_FACTS.get(step.action, {}))

    def make(self, incident: Incident, step: Step) -> Outcome:
        self.called[step.id] += 1
        outcome = self.answer_call(step)
        if isinstance(outcome, Made) or (isinstance(outcome, Doubtful) and self.lands):
            self.effects.add((incident.id, step.id))
            if step.action == "switch-traffic":
                self.switch = Stands(region=STANDBY, because="the switch is in ALARM")
        return outcome

    def tell(self, message: Message) -> Outcome:
        self.told.append(message)
        return self.answer_message(message)


class Worker:
    """Whoever works at the desk: `book` is in hand, `saved` is what the store has."""

    def __init__(self, world: LittleWorld, book: Book, rules: Rules) -> None:
        self.world, self.rules = world, rules
        self.book = self.saved = book
        self.timeline: list[Entry] = []
        self.archived: dict[str, Incident] = {}
        self.crashes = 0

    def take(self, happened: Happened, now: datetime) -> None:
        self.book = fold(self.book, happened, rules=self.rules, now=now)

    def save(self) -> None:
        self.timeline += self.book.outbox
        self.saved = self.book = replace(self.book, outbox=())

    def crash(self) -> None:
        """Nothing in hand is left."""
        self.crashes += 1
        self.book = self.saved = reread(self.saved)

    def round(self, now: datetime, *, crash_before: int | None = None) -> int:
        """One round; answers how many acts were done. With `crash_before` it stops before that act."""
        self.take(Tick(), now)
        self._look(now)
        for work in self._due(now):
            if isinstance(work, Held):
                self.take(work.answer, now)
        acts = [w for w in self._due(now) if isinstance(w, Do | Tell)]
        for work in acts:
            if isinstance(work, Do):
                self.take(Decided(incident=work.incident, step=work.step.id, because=work.because), now)
            else:
                self.take(Telling(incident=work.incident, key=work.key, due_at=work.message.due_at), now)
        self.save()
        for n, work in enumerate(acts):
            if n == crash_before:
                self.crash()
                return n
            self._act(work, now)
        for other in self._due(now):
            if isinstance(other, AskAlarms):
                self.take(AlarmsAsked(incident=other.incident, because=other.because), now)
            elif isinstance(other, LookAtCopies):
                self.take(CopiesSeen(at=other.at, found=dict.fromkeys(other.vaults, self.world.copies)), now)
            elif isinstance(other, LookAtSwitch):
                self.world.seen += 1
                self.take(SwitchSeen(expected=other.expected, at=other.at, found=self.world.switch), now)
            elif isinstance(other, Archive):
                self.archived[other.incident] = self.book.incidents[other.incident]
                self.take(Archived(incident=other.incident), now)
        return len(acts)

    def _due(self, now: datetime) -> tuple[object, ...]:
        return due(self.book, rules=self.rules, now=now)

    def _look(self, now: datetime) -> None:
        seen: set[tuple[str, str]] = set()
        while True:
            looks = [w for w in self._due(now) if isinstance(w, Look) and (w.incident, w.step.id) not in seen]
            if not looks:
                return
            for work in looks:
                seen.add((work.incident, work.step.id))
                case = case_of(self.book, work.incident)
                assert case is not None
                found = self.world.look(case, work.step)
                self.take(Looked(incident=work.incident, step=work.step.id, next=found), now)

    def _act(self, work: Do | Tell, now: datetime) -> None:
        if isinstance(work, Do):
            incident, saved = case_of(self.book, work.incident), case_of(self.saved, work.incident)
            assert incident is not None
            assert saved is not None
            self.world.before_call(self.saved, saved, work.step, now)
            outcome = self.world.make(incident, work.step)
            self.take(Called(incident=work.incident, step=work.step.id, outcome=outcome), now)
        else:
            self.world.before_message(self.saved, work.message)
            self.take(Told(incident=work.incident, key=work.key, outcome=self.world.tell(work.message)), now)
