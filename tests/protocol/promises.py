"""What the protocol promises, said once, and asked at every turn and at every end.

At every turn:
- a save takes effect only under the newest epoch that ever stamped the book;
- an act (a call, a notice) is started only by a worker whose last save says that it is about to be done, each once,
  and which has looked into the inbox since then (a look is good for one batch of acts, which start side by side);
- a worker whose stamp or save was refused asks for nothing more but a new claim;
- as long as no lease was judged expired while its holder was at work, no act is started after a newer stamp;
- no call is started by a worker that has looked into the inbox since a pause lay there;
- an entry of the timeline is never put with two texts.

At every end, after one last healthy tick:
- every signal and command that was accepted stands in the book (watermark, reply), and the inbox is empty: even before
  that tick, when no worker and no answer was lost;
- one alarm, however often it was put, opened one incident;
- each effect and each notice happened, and as often as the record says it was tried at the most; exactly once when
  nothing went wrong, so that a second time is always on the record;
- each timeline has every entry, from 0, once.

What it cannot promise: a worker that stands still between its last look and its act, long enough for its lease to
expire by a clock that is ahead, still starts the acts of that one save when it goes on. Nothing outside the store can
be fenced by a condition in the store. It is at most one round of acts, each written down before by that worker; the
newer worker finds them `acting` and looks before it acts; and the lease ends after the invocation's hard deadline, so
with clocks that are right by two seconds it does not happen.
"""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta
from typing import Any, Final

from chalicelib.desk import Desk
from chalicelib.policy import Policy
from chalicelib.store.codec import read_book
from chalicelib.store.memory import MemoryStore
from chalicelib.tools import Tools
from tests.protocol.explore import Explorer, State, Turn
from tests.protocol.replay import Place
from tests.protocol.tiny import SHIFT, START, StillClock, TinyHands

TICK_AT: Final = START + timedelta(minutes=10)


def at_turn(explorer: Explorer, state: State, turn: Turn, place: Place, after: State) -> str | None:
    """The promise that this turn breaks."""
    name, remembered = turn.asked.name, state.remembered
    before, now = explorer.stores[state.store], explorer.stores[after.store]
    if name == "save" and now.book != before.book and turn.asked.args[0] < remembered.stamped:
        return f"a save of epoch {turn.asked.args[0]} took effect after the stamp of epoch {remembered.stamped}"
    if name == "save" and now.book.rev < before.book.rev:
        return f"an old save put revision {now.book.rev} over revision {before.book.rev}"
    if name == "crashes":
        return None
    if place.refused and name not in ("claim", "put_inbox"):
        return "a worker that lost the desk goes on"
    if name == "put_timeline":
        incident, n, item = turn.asked.args
        there = before.timelines.get(incident, {}).get(n)
        if there is not None and json.loads(there) != item:
            return f"entry {n} has two texts: {there} and {json.dumps(item)}"
    return _act(explorer, state, turn, place) if name in ("make", "tell") else None


def _act(explorer: Explorer, state: State, turn: Turn, place: Place) -> str | None:
    remembered = state.remembered
    if (turn.asked.name, *turn.asked.args) not in place.saved_acts:
        return "an act is started that was not saved first"
    if place.may_start < 1:
        return "an act is started without a look into the inbox since the save"
    if state.left.expiries == explorer.budget.expiries and remembered.stamped > place.epoch:
        return "an act is started after a newer stamp, and no lease had expired early"
    number = [a.name for a in explorer.actors].index(turn.who)
    if turn.asked.name == "make" and remembered.warned >> number & 1:
        return "a call is started by a worker that had looked since the pause came in"
    return None


def acts_after_newer_save(_: Explorer, state: State, turn: Turn, place: Place, __: State) -> str | None:
    """What cannot be promised, as if it were: no act starts once a newer worker has saved."""
    if turn.asked.name in ("make", "tell") and state.remembered.saved > place.epoch:
        return f"an act of epoch {place.epoch} is started after the save of epoch {state.remembered.saved}"
    return None


def nothing(_: Explorer, __: State, ___: Turn, ____: Place, _____: State) -> None:
    """Asks nothing at a turn: only how it ends counts."""


class Ends:
    """How things must stand once everybody has ended. Endings that are alike are looked at once."""

    def __init__(self, policy: Policy, *, incidents: int, finishes: bool) -> None:
        self._policy = policy
        self._incidents = incidents
        self._finishes = finishes
        self._known: dict[object, str | None] = {}

    def __call__(self, explorer: Explorer, state: State) -> str | None:
        lossless = not state.left.any_fault_spent(explorer.budget)
        calm = lossless and state.left.expiries == explorer.budget.expiries
        if lossless and explorer.stores[state.store].items:
            left = ", ".join(explorer.stores[state.store].items)
            return f"nobody comes for {left} before the next tick"
        key = (state.store, state.effects, state.told, state.remembered.accepted, calm)
        if key not in self._known:
            self._known[key] = self._judged(explorer, state, calm=calm)
        return self._known[key]

    def _judged(self, explorer: Explorer, state: State, *, calm: bool) -> str | None:
        store = explorer.stores.copy(state.store)
        hands = TinyHands()
        hands.effects = Counter(dict(state.effects))
        hands.told = Counter({f"{incident}/{key}": n for (incident, key), n in state.told})
        desk = Desk(Tools(store=store, hands=hands, policy=self._policy, clock=StillClock(TICK_AT)))
        worked = desk.work("the last tick", until=TICK_AT + SHIFT, linger=False)
        if worked.busy or worked.set_aside or store.docs.get("dead"):
            return f"the last tick ended badly: {worked}, {store.docs.get('dead')}"
        if store.items:
            return f"the inbox still holds {', '.join(store.items)}"
        records = _records(store)
        return (
            _lost(store, state.remembered.accepted)
            or _opened(store, self._incidents)
            or _more_than_told(records, hands, calm=calm)
            or (_unfinished(records, hands) if self._finishes and state.remembered.accepted else None)
            or _gaps(store, records)
        )


def _records(store: MemoryStore) -> dict[str, dict[str, Any]]:
    """Every incident as it is remembered: in the book while it is open, in its archive afterwards."""
    records = {name: json.loads(body) for name, body in store.docs.get("closed", {}).items()}
    if store.book.body:
        records |= json.loads(store.book.body)["incidents"]
    return records


def _lost(store: MemoryStore, accepted: frozenset[str]) -> str | None:
    if not accepted:
        return None
    if store.book.body is None:
        return f"lost: {', '.join(sorted(accepted))}, and there is no book"
    book, _ = read_book(store.book.body)
    for key in sorted(accepted):
        kind, _, name = key.partition("/")
        if kind == "command" and name not in {r.id for r in book.replies}:
            return f"lost: {key} was accepted and never answered"
        if kind == "signal" and name.split("#")[0] not in book.watermarks:
            return f"lost: {key} was accepted and the book does not know it"
    return None


def _opened(store: MemoryStore, most: int) -> str | None:
    opened = [i for i in store.timelines if i != "platform"]
    return f"{len(opened)} incidents of one alarm: {', '.join(opened)}" if len(opened) > most else None


def _more_than_told(records: dict[str, dict[str, Any]], hands: TinyHands, *, calm: bool) -> str | None:
    for (incident, step), n in hands.effects.items():
        recorded = records.get(incident, {}).get("steps", {}).get(step, {}).get("calls", 0)
        if n > recorded or (calm and n != 1):
            return f"the call of {step} was made {n} times, and the record knows of {recorded}"
    for message, n in hands.told.items():
        incident, _, key = message.partition("/")
        recorded = records.get(incident, {}).get("notices", {}).get(key, {}).get("tries", 0)
        if n > recorded or (calm and n != 1):
            return f"the notice {key} was sent {n} times, and the record knows of {recorded}"
    return None


def _unfinished(records: dict[str, dict[str, Any]], hands: TinyHands) -> str | None:
    if len(records) != 1:
        return f"{len(records)} incidents are on record, expected one"
    ((name, incident),) = records.items()
    if incident["ending"] != "recovered":
        return f"{name} did not recover: {incident['because']}"
    if not hands.effects or not hands.told:
        return "nothing was called, or nobody was told"
    return None


def _gaps(store: MemoryStore, records: dict[str, dict[str, Any]]) -> str | None:
    for name, entries in store.timelines.items():
        if sorted(entries) != list(range(len(entries))):
            return f"the timeline of {name} has gaps: {sorted(entries)}"
        written = records[name]["entries"] if name in records else None
        if written is not None and len(entries) != written:
            return f"the timeline of {name} has {len(entries)} entries, {written} were written down"
    return None
