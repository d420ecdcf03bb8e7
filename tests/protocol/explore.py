"""The scheduler: every order in which workers can take turns, breadth first: the first wrong one is the shortest.

A state is the store, the world, where each worker is, what may still go wrong, and what the promises must remember.
From a state each worker can take its next turn; and, while the budget lasts, it can stop there for ever (`crash`: also
what a lost answer of the store amounts to, see test_crashes.py), the answer of its act, or of putting something into
the inbox, can be lost (the effect is there), a claim can judge a living holder's lease expired (`expire`), and a save
can be delivered a second time later (`echo`). The lease of a worker that is gone expires for nothing.

States that were seen are not entered again. One reduction: an entry for the timeline is put if absent and nobody
reads it, so a worker that puts one goes on at once, or crashes there; the others' turns wait.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from datetime import timedelta
from typing import Any, Final, NamedTuple

from chalicelib.core.outcome import Doubtful, Made
from chalicelib.store.contract import Claimed, StoreUnavailableError
from chalicelib.store.memory import MemoryStore
from tests.protocol.replay import Actor, Asked, Place
from tests.protocol.tiny import seen

Counts = tuple[tuple[tuple[str, str], int], ...]
GONE: Final = -1
LOST: Final = StoreUnavailableError("the answer was lost")
UNANSWERED: Final = Doubtful(because="no answer within 5 s")
_FIELDS: Final = tuple(f.name for f in fields(MemoryStore))


class Budget(NamedTuple):
    """What may still go wrong."""

    crashes: int = 0
    expiries: int = 0
    unanswered: int = 0
    echoes: int = 0

    def any_fault_spent(self, whole: Budget) -> bool:
        """Whether a worker or an answer was lost on the way; an early expiry is not one."""
        return (self.crashes, self.unanswered) != (whole.crashes, whole.unanswered)


class Remembered(NamedTuple):
    """What the promises need beside the store: the newest epoch that stamped, that saved, what was accepted, and which
    workers have looked into the inbox since a pause or an abort was accepted (a bit each).
    """

    stamped: int = 0
    saved: int = 0
    accepted: frozenset[str] = frozenset()
    warned: int = 0


class State(NamedTuple):
    """`places` are numbers in each actor's tree, GONE for one that crashed or ended; `echo` a save on its way."""

    store: int
    effects: Counts
    told: Counts
    places: tuple[int, ...]
    left: Budget
    remembered: Remembered
    echo: tuple[Any, ...] | None


class Turn(NamedTuple):
    """One turn: whose, what, and how it went."""

    who: str
    asked: Asked
    how: str = ""
    answer: object = None

    def __str__(self) -> str:
        return f"{self.who} {_WORDS.get(self.asked.name, self.asked.name)}{_about(self.asked, self.answer)}{self.how}"


class Broken(NamedTuple):
    """A promise that did not hold, and the shortest story that leads there."""

    promise: str
    story: tuple[Turn, ...]

    def __str__(self) -> str:
        return "\n".join([*(f"{n:3d}. {t}" for n, t in enumerate(self.story, 1)), f"     → {self.promise}"])


@dataclass
class Explored:
    """What came of it. `broken` is the first broken promise, `ends` how many different endings were checked."""

    states: int = 0
    turns: int = 0
    ends: int = 0
    runs: int = 0
    broken: Broken | None = None


class StoreOf:
    """Stores by number: each content once, never changed once it has a number."""

    def __init__(self, first: MemoryStore) -> None:
        self._kind = type(first)
        self._numbers: dict[object, int] = {}
        self._stores: list[MemoryStore] = []
        self.first = self.number(first)

    def __getitem__(self, number: int) -> MemoryStore:
        return self._stores[number]

    def copy(self, number: int) -> MemoryStore:
        store = self._stores[number]
        own = {name: getattr(store, name) for name in _FIELDS}
        own["items"] = dict(store.items)
        own["timelines"] = {k: dict(v) for k, v in store.timelines.items()}
        own["docs"] = {k: dict(v) for k, v in store.docs.items()}
        return self._kind(**own)

    def number(self, store: MemoryStore) -> int:
        key = (
            (store.lock_epoch, store.lock_holder, store.lock_until, store.book),
            tuple(sorted(store.items)),
            frozenset((i, n, text) for i, entries in store.timelines.items() for n, text in entries.items()),
            frozenset((k, name, body) for k, bodies in store.docs.items() for name, body in bodies.items()),
        )
        found = self._numbers.setdefault(key, len(self._stores))
        if found == len(self._stores):
            self._stores.append(store)
        return found


@dataclass
class Explorer:
    """`at_turn` and `at_end` say which promise is broken, or None. `pauses` are the keys after which no call starts."""

    actors: Sequence[Actor]
    store: MemoryStore
    budget: Budget
    at_turn: Callable[[Explorer, State, Turn, Place, State], str | None]
    at_end: Callable[[Explorer, State], str | None]
    pauses: frozenset[str] = frozenset()
    most: int = 10_000_000
    explored: Explored = field(default_factory=Explored)
    _known: dict[object, tuple[Any, int, str]] = field(default_factory=dict)

    def explore(self) -> Explored:
        """Every state that can be reached, or up to the first broken promise."""
        self.stores = StoreOf(self.store)
        first = State(self.stores.first, (), (), tuple(0 for _ in self.actors), self.budget, Remembered(), None)
        came: dict[State, tuple[State, Turn] | None] = {first: None}
        waiting = deque([first])
        found = self.explored
        while waiting:
            state = waiting.popleft()
            ended = True
            for turn, place, after in self._turns(state):
                ended = False
                found.turns += 1
                wrong = self.at_turn(self, state, turn, place, after)
                if after not in came:
                    came[after] = (state, turn)
                    waiting.append(after)
                if wrong:
                    found.broken = Broken(wrong, (*_story(came, state), turn))
                    waiting.clear()
                    break
            if ended and (wrong := self._ended(state)):
                found.broken = Broken(wrong, _story(came, state))
                break
            assert len(came) <= self.most, f"more than {self.most} states"
        found.states = len(came)
        found.runs = sum(a.runs for a in self.actors)
        return found

    def _ended(self, state: State) -> str | None:
        self.explored.ends += 1
        return self.at_end(self, state)

    def _turns(self, state: State) -> Iterator[tuple[Turn, Place, State]]:
        alone = next((n for n in range(len(self.actors)) if self._asks(state, n) == "put_timeline"), None)
        if alone is not None:
            yield from self._turns_of(state, alone)
            return
        for n in range(len(self.actors)):
            yield from self._turns_of(state, n)
        if state.echo:
            store = self.stores.copy(state.store)
            answer = store.save(*state.echo)
            after = state._replace(store=self.stores.number(store), echo=None)
            yield Turn("the network", Asked("save", state.echo), " once more, late", answer), Place(0), after

    def _asks(self, state: State, n: int) -> str | None:
        if state.places[n] == GONE:
            return None
        asks = self.actors[n].places[state.places[n]].asks
        return asks.name if asks else None

    def _turns_of(self, state: State, n: int) -> Iterator[tuple[Turn, Place, State]]:
        if state.places[n] == GONE:
            return
        actor = self.actors[n]
        place = actor.places[state.places[n]]
        asked = place.asks
        assert asked is not None
        left = state.left
        if left.crashes:
            places = _with(state.places, n, GONE)
            crashed = state._replace(places=places, left=left._replace(crashes=left.crashes - 1))
            yield Turn(actor.name, Asked("crashes", asked.args), f" before: {asked.name}"), place, crashed
        answer, after = self._answered(state, n, asked)
        yield Turn(actor.name, asked, "", answer), place, self._gone_on(after, n, place, answer)
        match asked.name:
            case "make" | "tell" if left.unanswered:
                less = after._replace(left=left._replace(unanswered=left.unanswered - 1))
                turn = Turn(actor.name, asked, ", and the answer is lost")
                yield turn, place, self._gone_on(less, n, place, UNANSWERED)
            case "put_inbox" if left.unanswered:
                less = after._replace(left=left._replace(unanswered=left.unanswered - 1))
                turn = Turn(actor.name, asked, ", and the answer is lost")
                yield turn, place, self._gone_on(less, n, place, LOST)
            case "save" if left.echoes and after.store != state.store:
                less = after._replace(left=left._replace(echoes=left.echoes - 1), echo=asked.args)
                turn = Turn(actor.name, asked, ", of which a copy is on its way", answer)
                yield turn, place, self._gone_on(less, n, place, answer)
            case "claim" if not isinstance(answer, Claimed):
                yield from self._expired(state, n, place, asked)
            case _:
                pass

    def _expired(self, state: State, n: int, place: Place, asked: Asked) -> Iterator[tuple[Turn, Place, State]]:
        """The claim judges the lease to be over: early, if its holder is still at work."""
        held = self.stores[state.store]
        early = any(
            self.actors[m].name == held.lock_holder and state.places[m] != GONE for m in range(len(self.actors))
        )
        if early and not state.left.expiries:
            return
        assert held.lock_until is not None
        me, _, until = asked.args
        late = held.lock_until + timedelta(seconds=1)
        answer, after = self._answered(state, n, Asked("claim", (me, late, until)))
        assert isinstance(answer, Claimed)
        if early:
            after = after._replace(left=state.left._replace(expiries=state.left.expiries - 1))
        how = f" ({held.lock_holder}'s lease expired{', early' if early else ''})"
        yield Turn(self.actors[n].name, asked, how, answer), place, self._gone_on(after, n, place, answer)

    def _answered(self, state: State, n: int, asked: Asked) -> tuple[Any, State]:
        """The answer, and the state in which the store, the world and the memory have changed, the worker not yet."""
        if asked.name in ("look", "make", "tell"):
            return _world(state, asked)
        key = (state.store, n, state.places[n], asked.args if asked.name == "claim" else None)
        if key not in self._known:
            self._known[key] = self._in_store(state.store, asked)
        answer, store, remember = self._known[key]
        remembered = state.remembered
        match remember:
            case "accepted":
                remembered = remembered._replace(accepted=remembered.accepted | {asked.args[0]})
            case "warned":
                remembered = remembered._replace(warned=remembered.warned | 1 << n)
            case "stamped":
                remembered = remembered._replace(stamped=max(remembered.stamped, asked.args[0]))
            case "saved":
                remembered = remembered._replace(saved=max(remembered.saved, asked.args[0]))
            case _:
                pass
        return answer, state._replace(store=store, remembered=remembered)

    def _in_store(self, number: int, asked: Asked) -> tuple[Any, int, str]:
        """The answer of the real store, the number of what it has become, and what is to be remembered of it."""
        before, store = self.stores[number], self.stores.copy(number)
        if asked.name == "claim":
            me, now, until = asked.args
            answer: Any = store.claim(me, now=now, until=until)
        else:
            answer = getattr(store, asked.name)(*asked.args)
        remember = ""
        match asked.name:
            case "put_inbox":
                remember = "accepted"
            case "inbox" | "inbox_empty" if self.pauses & set(before.items):
                remember = "warned"
            case "stamp":
                remember = "stamped"
            case "save" if store.book != before.book:
                remember = "saved"
            case _:
                pass
        return answer, self.stores.number(store), remember

    def _gone_on(self, after: State, n: int, place: Place, answer: object) -> State:
        there = self.actors[n].after(place, answer)
        return after._replace(places=_with(after.places, n, GONE if there.asks is None else there.number))


def _world(state: State, asked: Asked) -> tuple[Any, State]:
    incident, name = asked.args
    match asked.name:
        case "look":
            return seen(incident, name, there=dict(state.effects).get((incident, name), 0) > 0), state
        case "make":
            effects = _one_more(state.effects, (incident, name))
            return Made(because="accepted"), state._replace(effects=effects)
        case _:
            return Made(because="delivered"), state._replace(told=_one_more(state.told, (incident, name)))


def _one_more(counts: Counts, key: tuple[str, str]) -> Counts:
    found = dict(counts)
    found[key] = found.get(key, 0) + 1
    return tuple(sorted(found.items()))


def _with(places: tuple[int, ...], n: int, place: int) -> tuple[int, ...]:
    return (*places[:n], place, *places[n + 1 :])


def _story(came: dict[State, tuple[State, Turn] | None], state: State) -> tuple[Turn, ...]:
    turns: list[Turn] = []
    while (step := came[state]) is not None:
        state, turn = step
        turns.append(turn)
    return tuple(reversed(turns))


_WORDS: Final = {
    "put_inbox": "puts into the inbox",
    "claim": "claims the desk",
    "stamp": "stamps the book",
    "inbox": "reads the inbox",
    "inbox_empty": "looks whether the inbox is empty",
    "delete_inbox": "deletes from the inbox",
    "save": "saves the book",
    "put_timeline": "puts into the timeline",
    "put_document": "puts a document",
    "document": "reads a document",
    "release": "releases the desk",
    "look": "looks at the world",
    "make": "makes the call",
    "tell": "sends the notice",
}


def _about(asked: Asked, answer: object) -> str:
    """The arguments that tell one turn from another, and the answers that are no matter of course."""
    match asked.name:
        case "put_inbox" | "delete_inbox":
            about = f" {asked.args[0]}"
        case "put_document" | "document":
            about = f" {asked.args[0]}"
        case "put_timeline":
            about = f" entry {asked.args[1]}"
        case "look" | "make" | "tell":
            about = f" {asked.args[1]}"
        case "stamp" | "save":
            about = f" (epoch {asked.args[0]}" + (f", rev {asked.args[1]})" if asked.name == "save" else ")")
        case _:
            about = ""
    match asked.name:
        case "inbox_empty":
            return f"{about}: {'it is' if answer else 'it is not'}"
        case "inbox":
            keys = [key for key, _ in answer] if isinstance(answer, list) else []
            return f"{about}: {', '.join(keys) or 'nothing'}"
        case "claim" | "stamp" | "save" if answer is not None and type(answer).__name__ in ("Busy", "Superseded"):
            return f"{about}: {'busy' if type(answer).__name__ == 'Busy' else 'refused, superseded'}"
        case "claim" if isinstance(answer, Claimed):
            return f"{about}: epoch {answer.epoch}"
        case _:
            return about
