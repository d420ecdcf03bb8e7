"""One holding of the desk: rounds of take in, fold, look, judge, save, act and fold, until nothing is due.

The order of writes inside a round is the protocol's (see desk.py): save, then timeline, then delete what was folded,
then act. What is done here is decided in core/ and done by the hands; this module only keeps the order.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final, Literal, TypeVar

from chalicelib.aside import Aside
from chalicelib.core import copies
from chalicelib.core.answers import AlarmsAsked, Answer, Archived, Called, Decided, Looked, Telling, Told, Withdrawn
from chalicelib.core.book import Book, case_of
from chalicelib.core.commands import IllegalCommandError, replied
from chalicelib.core.copies import CopiesSeen, LookAtCopies
from chalicelib.core.due import Archive, AskAlarms, Do, Held, Look, Tell, Work, due, wake_at
from chalicelib.core.elsewhere import Heeded, MarkerSeen
from chalicelib.core.findings import waiting
from chalicelib.core.fold import Happened, fold
from chalicelib.core.happened import Incoming, ReadinessJudged, Signal, Tick, Unreadable
from chalicelib.core.incident import Incident
from chalicelib.core.incidents import PLATFORM, note
from chalicelib.core.outcome import Doubtful, NoData, Stuck
from chalicelib.core.plan import Plan, Rules
from chalicelib.core.public import page
from chalicelib.core.sending import TELL_TIMEOUT
from chalicelib.core.switch import Found, LookAtSwitch, SwitchSeen, alike
from chalicelib.core.synthetic import Sound, Sounding
from chalicelib.core.times import Times
from chalicelib.intake import codec
from chalicelib.policy import Policy
from chalicelib.store.codec import dump_book, dump_entry, dump_incident, dump_plan, dump_policy
from chalicelib.store.contract import Superseded
from chalicelib.tools import Tools, count_ring, count_told, keep_times, read_stored, sounded, times_of

log = logging.getLogger("responder")
T = TypeVar("T")
W = TypeVar("W")

RESERVE: Final = timedelta(seconds=1)
"""What a shift keeps for its last save."""
POLL: Final = timedelta(seconds=1)
IDLE_ROUNDS: Final = 25
"""Rounds in a row without time going by; more than that is a livelock, and the shift ends with an error in the log."""


class LostDeskError(Exception):
    """A newer worker has been at the book: nothing more may be started."""


class Shift:
    """One holding of the desk, from the stamp to the release."""

    def __init__(self, tools: Tools, *, epoch: int, until: datetime) -> None:
        self._tools = tools
        self._store, self._hands, self._clock = tools.store, tools.hands, tools.clock
        self._epoch = epoch
        self._until = until
        self._plans: dict[str, Plan] = {}
        self._policies: dict[str, Policy] = {}
        self._measured: dict[str, Times] = {}
        self._folded: list[str] = []
        self._linger = False
        self._aside: Aside[Happened] = Aside(tools.aside)
        stored = self._store.stamp(epoch)
        if isinstance(stored, Superseded):
            raise LostDeskError(stored.because)
        self._rev = stored.rev
        self._book, self.set_aside = read_stored(tools, stored.body, self._plans, self._policies)
        self._rings = self._book.rings
        # A book that lost an incident on the way is not what is stored, and must be saved even if nothing else happens.
        self._stored = self._book if stored.body and not self.set_aside else None

    @property
    def _rules(self) -> Rules:
        return Rules(self._tools.policy, self._plans, self._policies, measured=self._measured)

    def run(self, *, linger: bool) -> None:
        """Rounds until nothing is due, and with `linger` until the shift ends or no incident is open."""
        rounds, last, self._linger = 0, None, linger
        self._heed()
        while True:
            now = self._clock.now()
            rounds, last = (rounds + 1, last) if now == last else (0, now)
            if rounds > IDLE_ROUNDS:
                log.error("the desk goes in a circle: %s", [type(w).__name__ for w in self._due()])
                break
            acted = self._round()
            if self._over():
                break
            if not acted and not (linger and self._waited()):
                break
        self._aside.wait((self._until - self._clock.now()).total_seconds())
        self._fold_all(self._aside.ended())
        self._save()
        self._after_save()
        if self._stored is None or not alike(self._stored, self._book):
            # What was put on the timeline need not be put again by the next worker.
            self._put()
        count_ring(self._tools, self._book, self._rings)

    def _heed(self) -> None:
        """Before anything is called: whether somebody else acts. A book that knows nothing yet has nothing to call."""
        found: Heeded
        try:
            found = self._hands.somebody_else(self._tools.policy)
        except Exception as error:  # a look that failed has seen nothing, and says so
            log.exception("the look for the marker failed")
            found = NoData(because=f"looking for the marker failed: {type(error).__name__}: {error}")
        self._fold(MarkerSeen(found=found))

    def _round(self) -> bool:
        """Take in, look, judge, save, act. Whether anything was done that may make more due."""
        self._take_in()
        self._know_times()
        self._fold(Tick())
        self._fold_all(self._aside.ended())
        looked = self._look()
        self._judge()
        acts = self._intend()
        self._save()
        self._after_save()
        if self._linger:
            self._begin_asides(acts)
        made = self._act([w for w in acts if not (isinstance(w, Sound) or (isinstance(w, Do) and w.aside))])
        archived = self._archive()
        return bool(looked or made or archived) or self._aside.any_ended()

    def _over(self) -> bool:
        return self._clock.now() + RESERVE >= self._until

    def _waited(self) -> bool:
        """Lets time pass until something is due or comes in; False when nothing can be before the shift's end.

        With no incident open it only waits for what is under way beside it, and for people who are still to be told.
        """
        if not (self._book.incidents or self._book.drills or self._aside.busy() or waiting(self._book, self._rules)):
            return False
        end = self._until - RESERVE
        wake = min(wake_at(self._book, rules=self._rules, now=self._clock.now()) or end, end)
        while (now := self._clock.now()) < wake:
            self._clock.sleep(min(POLL, wake - now).total_seconds())
            if self._aside.any_ended() or not self._store.inbox_empty():
                return True
        return wake < end

    def _take_in(self) -> None:
        for key, item in self._store.inbox():
            if key in self._folded:
                continue
            try:
                happened = codec.read(item)
            except codec.ItemUnreadableError as error:
                self._set_aside(key, str(item), str(error))
            else:
                self._fold_one(key, happened)
            self._folded.append(key)

    def _know_times(self) -> None:
        """One read a scenario and shift, and none while nothing recovers."""
        for scenario in {i.scenario for i in self._book.incidents.values() if i.confirmed_at} - self._measured.keys():
            self._measured[scenario] = times_of(self._tools, scenario)

    def _fold_one(self, key: str, happened: Incoming) -> None:
        now = self._clock.now()
        try:
            self._fold(happened)
        except IllegalCommandError as error:
            if not isinstance(happened, Signal | ReadinessJudged):
                self._book = replied(self._book, happened, ok=False, because=str(error))
                text = f"{happened.verb} by {happened.said.who} was refused: {error}"
                self._book = note(self._book, PLATFORM, "refused", text, now)
        except Exception as error:  # one poisoned event must not keep every other from being answered
            log.exception("an event could not be folded")
            self._set_aside(key, str(codec.dump(happened)), f"{type(error).__name__}: {error}")

    def _set_aside(self, key: str, raw: str, reason: str) -> None:
        now = self._clock.now()
        kept = self._tools.keep(Unreadable(raw=raw, reason=reason, received_at=now, way="direct"))
        self._book = note(self._book, PLATFORM, "dead-letter", f"{key} is kept as {kept}: {reason}", now)

    def _fold(self, happened: Happened) -> None:
        self._book = fold(self._book, happened, rules=self._rules, now=self._clock.now())

    def _fold_all(self, answers: Iterable[Happened]) -> None:
        for answer in answers:
            self._fold(answer)

    def _due(self) -> tuple[Work | Held, ...]:
        return due(self._book, rules=self._rules, now=self._clock.now())

    def _look(self) -> bool:
        """Every look that is due, side by side; then what became due by them; each step once a round."""
        seen: set[tuple[str, str]] = set()
        while not self._over():
            looks = [w for w in self._due() if isinstance(w, Look) and (w.incident, w.step.id) not in seen]
            looks = [w for w in looks if not w.aside]
            if not looks:
                break
            seen |= {(w.incident, w.step.id) for w in looks}
            found = self._together([partial(self._look_once, w) for w in looks])
            self._fold_all(found)
        return bool(seen)

    def _begin_asides(self, acts: Sequence[Do | Tell | Sound]) -> None:
        """What may have to ask a region that does not answer, and what recovery must not wait for."""
        for act in acts:
            if isinstance(act, Do) and act.aside:
                self._aside.begin(_name(act), partial(_alone, self._act_once, act))
            if isinstance(act, Sound):
                self._aside.begin(act.because, partial(sounded, self._hands, act))
        for work in self._due():
            match work:
                case Look(aside=True):
                    self._aside.begin(_name(work), partial(_alone, self._look_once, work))
                case LookAtSwitch():
                    self._aside.begin("the traffic switch", partial(self._switch, work))
                case LookAtCopies():
                    self._aside.begin("the air-gapped copies", partial(self._copies, work))
                case AskAlarms():
                    self._aside.begin(f"alarms of {work.incident}", partial(self._alarms, work))
                case _:
                    pass

    def _alarms(self, work: AskAlarms) -> list[Happened]:
        found: list[Happened] = []
        try:
            found += self._hands.alarm_states(work.alarms)
        except Exception:  # what was not answered is asked again
            log.exception("the alarms' states could not be asked for")
        return [*found, AlarmsAsked(incident=work.incident, because=work.because)]

    def _switch(self, work: LookAtSwitch) -> list[Happened]:
        found: Found
        try:
            found = self._hands.switch(self._tools.policy)
        except Exception as error:  # a look that failed has seen nothing, and says so
            log.exception("the look at the traffic switch failed")
            found = NoData(because=f"looking at the traffic switch failed: {type(error).__name__}: {error}")
        return [SwitchSeen(expected=work.expected, at=work.at, found=found)]

    def _copies(self, work: LookAtCopies) -> list[Happened]:
        found: Mapping[str, copies.Seen]
        try:
            found = self._hands.copies(self._tools.policy)
        except Exception as error:  # a look that failed has seen nothing, and says so
            log.exception("the look at the air-gapped copies failed")
            said = NoData(because=f"looking at it failed: {type(error).__name__}: {error}")
            found = dict.fromkeys(work.vaults, said)
        return [CopiesSeen(at=work.at, found=found)]

    def _look_once(self, work: Look) -> Answer:
        try:
            case = self._case(work.incident)
            found = self._hands.look(work.step, case, self._rules.of(case.policy).policy, self._clock.now())
        except Exception as error:  # a fault in one action must not stop the others
            log.exception("the look of %s failed", work.step.id)
            found = Stuck(because=f"looking at {work.step.title!r} failed: {type(error).__name__}: {error}")
        return Looked(incident=work.incident, step=work.step.id, next=found)

    def _case(self, name: str) -> Incident:
        found = case_of(self._book, name)
        if found is None:
            raise KeyError(f"there is no open incident and no debt {name!r}")
        return found

    def _judge(self) -> None:
        """What is held back is written down where it is news; that may owe notices, so it comes before them."""
        self._fold_all(w.answer for w in self._due() if isinstance(w, Held))

    def _intend(self) -> list[Do | Tell | Sound]:
        """The acts that fit into the time left, each already folded as intended."""
        acts: list[Do | Tell | Sound] = []
        for work in self._due():
            match work:
                case Do(aside=True) if not self._linger or self._aside.under_way(_name(work)):
                    pass
                case Do() if self._fits(work.call.timeout):
                    self._fold(Decided(incident=work.incident, step=work.step.id, because=work.because))
                    acts.append(work)
                case Tell() if self._fits(TELL_TIMEOUT):
                    self._fold(Telling(incident=work.incident, key=work.key, due_at=work.message.due_at))
                    acts.append(work)
                case Sound() if self._linger:
                    self._fold(Sounding(region=work.region, day=work.day))
                    acts.append(work)
                case _:
                    pass
        return acts

    def _fits(self, timeout: timedelta) -> bool:
        return self._clock.now() + timeout + RESERVE <= self._until

    def _act(self, acts: list[Do | Tell]) -> int:
        """Acts in small batches, each after a look at the inbox; what is not made is withdrawn."""
        made = 0
        while acts:
            batch, rest = acts[: self._tools.side_by_side], acts[self._tools.side_by_side :]
            fits = all(self._fits(w.call.timeout if isinstance(w, Do) else TELL_TIMEOUT) for w in batch)
            if not fits or not self._store.inbox_empty():
                self._fold_all(_withdrawn(w) for w in acts)
                return made + int(fits)
            self._fold_all(self._together([partial(self._act_once, w) for w in batch]))
            count_told(self._tools.meter, self._book, [w for w in batch if isinstance(w, Tell)])
            made += len(batch)
            acts = rest
        return made

    def _act_once(self, work: Do | Tell) -> Answer:
        try:
            if isinstance(work, Do):
                return Called(incident=work.incident, step=work.step.id, outcome=self._hands.make(work.call))
            shown = page(self._book, self._rules, self._clock.now())
            return Told(incident=work.incident, key=work.key, outcome=self._hands.tell(work.message, shown))
        except Exception as error:  # what it did is unknown, and that is an outcome of its own
            log.exception("an act failed")
            outcome = Doubtful(because=f"it failed on the way: {type(error).__name__}: {error}")
            if isinstance(work, Do):
                return Called(incident=work.incident, step=work.step.id, outcome=outcome)
            return Told(incident=work.incident, key=work.key, outcome=outcome)

    def _archive(self) -> int:
        """The archive is written before the book forgets; the timeline before that."""
        ended = [w for w in self._due() if isinstance(w, Archive)]
        for work in ended:
            incident = self._case(work.incident)
            drill = incident.id in self._book.drills
            self._store.put_document("drill" if drill else "closed", incident.id, dump_incident(incident))
            kind: Literal["drill", "incident"] = "drill" if drill else "incident"
            keep_times(self._tools, incident, self._rules, epoch=self._epoch, kind=kind)
            self._fold(Archived(incident=work.incident))
        return len(ended)

    def _together(self, jobs: Sequence[Callable[[], Answer]]) -> list[Answer]:
        return self._tools.together(jobs)  # type: ignore[return-value] # what runs them does not look at them

    def _save(self) -> None:
        """Saves what changed; entries that went to the timeline since, and that somebody looked, are worth no write."""
        if self._stored and _worth_no_write(replace(self._stored, outbox=()), self._book):
            return
        self._put()

    def _put(self) -> None:
        self._keep_policy()
        for incident in (*self._book.incidents.values(), *self._book.drills.values()):
            if incident.plan not in self._plans:
                plan = self._rules.of(incident.policy).plan_of(incident.plan, incident.scenario, incident.chosen)
                self._store.put_document("plan", plan.hash, dump_plan(plan))
                self._plans[plan.hash] = plan
        saved = self._store.save(self._epoch, self._rev, dump_book(self._book))
        if isinstance(saved, Superseded):
            raise LostDeskError(saved.because)
        self._rev, self._stored = saved.rev, self._book

    def _keep_policy(self) -> None:
        """Today's policy is kept when an incident begins to follow it: a deploy takes it from under nobody."""
        policy, stored = self._tools.policy, self._stored
        known = {**stored.incidents, **stored.drills} if stored else {}
        open_ = (*self._book.incidents.values(), *self._book.drills.values())
        began = (i for i in open_ if i.policy == policy.digest)
        if any(i.id not in known or known[i.id].policy != i.policy for i in began):
            self._store.put_document("policy", policy.digest, dump_policy(policy))

    def _after_save(self) -> None:
        for entry in self._book.outbox:
            self._store.put_timeline(entry.incident, entry.n, dump_entry(entry))
            log.info(entry.text, extra={"incident": entry.incident, "n": entry.n, "kind": entry.kind})
        self._book = replace(self._book, outbox=())
        for key in self._folded:
            self._store.delete_inbox(key)
        self._folded.clear()


def _worth_no_write(stored: Book, book: Book) -> bool:
    """Whether all that differs is that somebody looked."""
    return copies.alike(stored, book) and alike(replace(stored, copies=book.copies), book)


def _alone(do: Callable[[W], Answer], work: W) -> list[Happened]:
    return [do(work)]


def _name(work: Look | Do) -> str:
    return f"{work.incident}/{work.step.id}"


def _withdrawn(work: Do | Tell) -> Withdrawn:
    if isinstance(work, Do):
        return Withdrawn(incident=work.incident, step=work.step.id)
    return Withdrawn(incident=work.incident, key=work.key)
