"""A worker as a function of the answers it got: the real Desk, run again from its start as often as needed.

A worker sees the world through its store, its hands and its clock only. So the real code may be run once with a list
of answers, until it asks for something that is not in the list; what it asks for, and the list, are all there is to
know about where it is. `Actor` keeps these places as a tree: a place, and for each answer the place it leads to. The
scheduler walks that tree, whatever the order in which workers take turns, and the code is run only for answers that no
run has had before. A second run that asks differently from the first would not be deterministic, and raises.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple, cast

from chalicelib.core.elsewhere import Absent
from chalicelib.core.happened import Signal
from chalicelib.core.incident import Incident
from chalicelib.core.message import Message, StatusPage
from chalicelib.core.outcome import Call, Made, Next, Outcome
from chalicelib.core.plan import Step
from chalicelib.core.switch import Found
from chalicelib.policy import Policy
from chalicelib.store.contract import Busy, Claimed, Saved, StoredBook, StoreUnavailableError, Superseded

SIDE_BY_SIDE: Final = 4
"""How many acts one look into the inbox may be followed by; the desk's tools have the same number."""


class Asked(NamedTuple):
    """One call of a worker to the outside, a method of its store or of its hands."""

    name: str
    args: tuple[Any, ...]


class Paused(BaseException):  # nothing went wrong; a worker must not catch it
    """The run has come to where no answer is known yet."""


GUESSES: Final[Mapping[str, Callable[..., object]]] = {
    "put_inbox": lambda *_: True,
    "inbox_empty": lambda *_: True,
    "save": lambda _epoch, rev, _body: Saved(rev + 1),
    "put_timeline": lambda *_: None,
    "put_document": lambda *_: None,
    "delete_inbox": lambda *_: None,
    "release": lambda *_: None,
    "make": lambda *_: Made(because="accepted"),
    "tell": lambda *_: Made(because="delivered"),
}
"""The usual answers. A run goes on with them, so that most places are known before anybody comes there."""


@dataclass(slots=True)
class Place:
    """Where a worker is: `asks` is what it wants next, None when it has ended. The rest follows from its answers.

    `saved_acts` are the acts that its last save wrote down and that it has not started; `refused` is whether it was
    told that it lost the desk; `may_start` how many acts it may start on its last look into the inbox since that save.
    """

    number: int
    asks: Asked | None = None
    ended: str = ""
    epoch: int = 0
    saved_acts: frozenset[tuple[str, ...]] = frozenset()
    refused: bool = False
    may_start: int = 0
    before: Place | None = None
    answer: object = None
    after: dict[str, Place] = field(default_factory=dict)

    def answers(self) -> list[object]:
        """Everything that was answered on the way here."""
        found: list[object] = []
        place = self
        while place.before is not None:
            found.append(place.answer)
            place = place.before
        return found[::-1]


class Outside:
    """The store and the hands of one run: answers from the list, then guesses, then `Paused`."""

    def __init__(self, root: Place, answers: Sequence[object], grown: Callable[[Place, Asked, object], Place]) -> None:
        self._place, self._answers, self._grown = root, answers, grown
        self._n = 0

    @property
    def place(self) -> Place:
        return self._place

    def ask(self, name: str, *args: Any) -> Any:
        asked = Asked(name, args)
        if self._place.asks is None:
            self._place.asks = asked
        assert self._place.asks == asked, f"asked for {asked}, and before, with the same answers, {self._place.asks}"
        if self._n < len(self._answers):
            answer = self._answers[self._n]
        elif name in GUESSES:
            answer = GUESSES[name](*args)
        else:
            raise Paused
        self._n += 1
        self._place = self._grown(self._place, asked, answer)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def put_inbox(self, key: str, item: Mapping[str, Any]) -> bool:
        return bool(self.ask("put_inbox", key, item))

    def inbox(self) -> Sequence[tuple[str, Mapping[str, Any]]]:
        return cast("Sequence[tuple[str, Mapping[str, Any]]]", self.ask("inbox"))

    def inbox_empty(self) -> bool:
        return bool(self.ask("inbox_empty"))

    def delete_inbox(self, key: str) -> None:
        self.ask("delete_inbox", key)

    def claim(self, me: str, *, now: datetime, until: datetime) -> Claimed | Busy:
        return cast("Claimed | Busy", self.ask("claim", me, now, until))

    def release(self, me: str, epoch: int) -> None:
        self.ask("release", me, epoch)

    def stamp(self, epoch: int) -> StoredBook | Superseded:
        return cast("StoredBook | Superseded", self.ask("stamp", epoch))

    def save(self, epoch: int, rev: int, body: str) -> Saved | Superseded:
        return cast("Saved | Superseded", self.ask("save", epoch, rev, body))

    def read_book(self) -> StoredBook:
        return cast("StoredBook", self.ask("read_book"))

    def read_lock(self) -> Busy | None:
        return cast("Busy | None", self.ask("read_lock"))

    def put_timeline(self, incident: str, n: int, item: Mapping[str, Any]) -> None:
        self.ask("put_timeline", incident, n, item)

    def timeline(self, incident: str) -> Sequence[Mapping[str, Any]]:
        return cast("Sequence[Mapping[str, Any]]", self.ask("timeline", incident))

    def put_document(self, kind: str, key: str, body: str) -> None:
        self.ask("put_document", kind, key, body)

    def document(self, kind: str, key: str) -> str | None:
        return cast("str | None", self.ask("document", kind, key))

    def documents(self, kind: str) -> Sequence[tuple[str, str]]:
        return cast("Sequence[tuple[str, str]]", self.ask("documents", kind))

    def measured(self, scenario: str) -> None:
        """Nothing was measured: what a forecast goes by decides nothing that the protocol is about."""

    def put_measured(self, scenario: str, body: str, epoch: int) -> None:
        """Kept by nobody here; that a newer epoch's stays is tried in tests/contract."""

    def delete_document(self, kind: str, key: str) -> None:
        self.ask("delete_document", kind, key)

    def look(self, step: Step, incident: Incident, policy: Policy, now: datetime) -> Next:  # noqa: ARG002  # the port's signature
        return cast("Next", self.ask("look", incident.id, step.id))

    def copies(self, policy: Policy) -> dict[str, str]:  # noqa: ARG002  # the port's signature
        return {}

    def switch(self, policy: Policy) -> Found:  # noqa: ARG002  # the port's signature
        raise AssertionError("a visit that does not linger begins nothing beside its rounds")

    def somebody_else(self, _: object) -> Absent:
        """Nobody acts from outside here; what a marker does is tried in tests/core/test_elsewhere.py."""
        return Absent(because="nobody else is there")

    def make(self, call: Call) -> Outcome:
        return cast("Outcome", self.ask("make", call.params["incident"], call.params["step"]))

    def tell(self, message: Message, page: StatusPage) -> Outcome:  # noqa: ARG002  # the port's signature
        return cast("Outcome", self.ask("tell", message.incident, message.id.removeprefix(f"{message.incident}/")))

    def alarm_states(self, alarms: Sequence[tuple[str, str]]) -> Sequence[Signal]:
        return cast("Sequence[Signal]", self.ask("alarm_states", tuple(alarms)))


Program = Callable[[Outside], object]
"""What a worker does from its start to its end."""


class Actor:
    """One worker: its name, its program, and every place it was ever seen at."""

    def __init__(self, name: str, program: Program) -> None:
        self.name = name
        self.runs = 0
        self._program = program
        self.places: list[Place] = [Place(0)]
        self._run([])

    def after(self, place: Place, answer: object) -> Place:
        """The place that this answer leads to."""
        key = repr(answer)
        found = place.after.get(key)
        if found is None or (found.asks is None and not found.ended):
            self._run([*place.answers(), answer])
            found = place.after[key]
        return found

    def _run(self, answers: Sequence[object]) -> None:
        self.runs += 1
        outside = Outside(self.places[0], answers, self._grown)
        try:
            self._program(outside)
            outside.place.ended = "ended"
        except Paused:
            pass
        except StoreUnavailableError as error:
            outside.place.ended = f"gone: {error}"

    def _grown(self, place: Place, asked: Asked, answer: object) -> Place:
        key = repr(answer)
        found = place.after.get(key)
        if found is None:
            found = Place(len(self.places), before=place, answer=answer, epoch=place.epoch)
            found.saved_acts, found.refused, found.may_start = place.saved_acts, place.refused, place.may_start
            _follow(found, asked, answer)
            self.places.append(found)
            place.after[key] = found
        return found


def _follow(place: Place, asked: Asked, answer: object) -> None:
    """What follows from one answer for what the worker may do."""
    match asked.name, answer:
        case "claim", Claimed(epoch=epoch):
            place.epoch, place.saved_acts, place.refused = epoch, frozenset(), False
        case "save" | "stamp", Superseded():
            place.saved_acts, place.refused = frozenset(), True
        case "save", Saved():
            place.saved_acts, place.may_start = acts_of(asked.args[2]), 0
        case "inbox_empty", bool(empty):
            place.may_start = SIDE_BY_SIDE if empty else 0
        case "make" | "tell", _:
            place.may_start -= 1
            place.saved_acts = place.saved_acts - {(asked.name, *asked.args)}
        case _:
            pass


def acts_of(body: str) -> frozenset[tuple[str, ...]]:
    """The acts that a saved book says are about to be done: `make` or `tell`, the incident, the step or key."""
    found: set[tuple[str, ...]] = set()
    for incident in json.loads(body)["incidents"].values():
        found |= {("make", incident["id"], k) for k, v in incident["steps"].items() if v["state"] == "acting"}
        found |= {("tell", incident["id"], k) for k, v in incident["notices"].items() if v["state"] == "sending"}
    return frozenset(found)
