"""What each trigger does: read what came in, put it in the inbox, visit the desk. No Lambda, no Chalice in here.

Content never raises; a store that does not answer does, so that whoever sent the event sends it again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from chalicelib import rights
from chalicelib.account.promises import READS, kept, looked
from chalicelib.actions.reader import LiveReader
from chalicelib.actions.velero_schedules_kept import LIST
from chalicelib.agents.lookout import Heartbeat, Lookout, Seen
from chalicelib.agents.parts import endpoints, told
from chalicelib.agents.schedules import StandingSchedules
from chalicelib.bootstrap import Responder
from chalicelib.core import promises
from chalicelib.core.book import Reply
from chalicelib.core.drill_clock import due_now
from chalicelib.core.happened import Signal, Unreadable
from chalicelib.core.judging import Report
from chalicelib.desk import Worked
from chalicelib.hearing import Unheard, heard
from chalicelib.intake.probe import STATES, from_audit
from chalicelib.reports.readiness.render import html
from chalicelib.shift import RESERVE
from chalicelib.store.codec import read_book
from chalicelib.store.contract import Store

REPLY_WITHIN: Final = timedelta(seconds=20)
RETRY_S: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """What one delivery brought: signals (new or known) and what could not be read."""

    signals: int
    unreadable: int
    worked: Worked | None


def alarms(responder: Responder, found: Iterable[Signal | Unreadable], *, until: datetime) -> Received:
    """Every record of a delivery into the inbox, or among the dead letters; then the desk."""
    signals = unreadable = 0
    for one in found:
        if isinstance(one, Signal):
            responder.desk.receive(one)
            signals += 1
        else:
            responder.desk.tools.keep(one)
            unreadable += 1
    worked = responder.desk.work(responder.nonce(), until=until) if signals else None
    return Received(signals=signals, unreadable=unreadable, worked=worked)


def tick(responder: Responder, *, until: datetime) -> Worked:
    """Resumes the desk. While another worker holds it, waits for it as long as the next tick is away, so that no gap
    opens between two shifts.
    """
    clock = responder.clock
    next_tick_at = clock.now() + timedelta(minutes=1) / responder.policy.speed
    while True:
        worked = responder.desk.work(responder.nonce(), until=until)
        if not worked.busy or clock.now() + RESERVE >= min(until, next_tick_at):
            return worked
        clock.sleep(RETRY_S * 2)


def command(responder: Responder, payload: object, *, until: datetime) -> Mapping[str, Any]:
    """Carries a person's command to the desk and answers what became of it: `{"ok", "because", "id", "by"}`."""
    if isinstance(payload, Mapping) and "look" in payload:
        return look(responder, payload["look"])
    clock = responder.clock
    said = heard(responder, payload)
    if isinstance(said, Unheard):
        return {"ok": False, "because": said.because, "id": said.id, "by": None}
    responder.desk.receive(said)
    give_up = min(until - RESERVE, clock.now() + REPLY_WITHIN)
    while True:
        responder.desk.work(responder.nonce(), until=until, linger=False)
        if reply := reply_to(responder.store, said.said.id):
            return {"ok": reply.ok, "because": reply.because, "id": reply.id, "by": reply.by}
        if clock.now() >= give_up:
            because = "it is in the inbox, and the desk has not taken it in yet; it will (see status)"
            return {"ok": True, "because": because, "id": said.said.id, "by": said.said.who}
        clock.sleep(RETRY_S)


def look(responder: Responder, what: object) -> Mapping[str, Any]:
    """Answers a person's question, such as `rights`, by looking; neither the desk nor the platform is touched."""
    if what != "rights":
        return {"ok": False, "because": f"look is {what!r}, allowed is 'rights'", "id": None}
    found = rights.check(responder.policy, responder.ports.kube.afresh())
    return {
        "ok": all(f.allowed for f in found),
        "because": rights.sentence(found),
        "rights": [f.shown() for f in found],
    }


def readiness(responder: Responder) -> Report | None:
    """Judges every runbook, keeps the report, tells the desk, wakes it, and puts the page. None where nobody judges."""
    if responder.round is None or responder.rounds is None:
        return None
    body = responder.store.read_book().body
    book = read_book(body)[0] if body else None
    serving = book.serving if book else responder.policy.platform.regions.primary
    report = responder.round.make(serving, responder.rounds.newest(), book)
    if responder.rounds.put(report):
        responder.desk.receive(report.judged())
        responder.wake()
        if responder.page:
            responder.page.put(html(report, responder.policy))
    return report


def keep(responder: Responder, detail: object, *, until: datetime) -> Mapping[str, str]:
    """Carries the air-gapped copies on. With `{"begin": true}` in the event's detail a new one begins, whatever the
    newest one's age is.
    """
    if responder.keeper is None:
        return {"airgap": "nobody keeps copies here"}
    begin = isinstance(detail, Mapping) and detail.get("begin") is True
    return responder.keeper.work(until=until, begin=begin)


def drills(responder: Responder, *, until: datetime) -> Mapping[str, str]:
    """Says to the desk that the drill which is due first is due, if the clock may begin one now."""
    now, policy = responder.clock.now(), responder.policy
    body = responder.store.read_book().body
    if body is None:
        return {"drills": "nobody has been at the desk yet"}
    book, _ = read_book(body)
    found = due_now(book, policy, now)
    if isinstance(found, str):
        return {"drills": found}
    responder.desk.receive(found)
    responder.desk.work(responder.nonce(), until=until)
    reply = reply_to(responder.store, found.said.id)
    return {found.runbook: reply.because if reply else "it is in the inbox"}


def reply_to(store: Store, command_id: str) -> Reply | None:
    """What became of a command; None while the desk has not taken it in."""
    body = store.read_book().body
    if body is None:
        return None
    book, _ = read_book(body)
    return next((r for r in book.replies if r.id == command_id), None)


def backups(responder: Responder, *, until: datetime) -> Mapping[str, str]:
    """One look at the backup schedules, and one at everything else that policy promises of the account."""
    return {**schedules(responder, until=until), **promised(responder)}


def schedules(responder: Responder, *, until: datetime) -> Mapping[str, str]:
    """One look at the backup schedules of each cluster that has some by policy; what changed is told to the desk."""
    policy, clock = responder.policy, responder.clock
    serving = _serving(responder)
    sights: list[Seen] = [
        StandingSchedules(place=place, policy=policy, reader=LiveReader(responder.ports, LIST), serving=serving)
        for place in ("primary", "standby")
        if policy.backups.on(place)
    ]
    lookout = Lookout(
        clock=clock,
        policy=policy,
        sights=sights,
        told=lambda: told(responder.store.read_book().body),
        tell=partial(_tell, responder),
    )
    return lookout.watch(policy.backups.audit.every, min(until - RESERVE, clock.now()))


def promised(responder: Responder) -> Mapping[str, str]:
    """One look at each promise of policy; what is news is told to the desk."""
    now, said = responder.clock.now(), dict[str, str]()
    found = looked(responder.policy, LiveReader(responder.ports, READS), _serving(responder), now)
    body = responder.store.read_book().body
    book = read_book(body)[0] if body else None
    for name, rows in found.items():
        healthy, because = kept(rows)
        said[promises.source(name)] = because
        if promises.news(book, name, STATES[healthy], because):
            _tell(responder, from_audit(name, healthy=healthy, changed_at=now, reason=because))
    return said


def _serving(responder: Responder) -> str:
    body = responder.store.read_book().body
    return read_book(body)[0].serving if body else responder.policy.platform.regions.primary


def _tell(responder: Responder, signal: Signal) -> None:
    responder.desk.receive(signal)
    responder.wake()


def probe(responder: Responder, *, until: datetime) -> Mapping[str, str]:
    """A minute's watch from the standby: our own probes, the heartbeats, and what the replica has replayed."""
    policy, clock = responder.policy, responder.clock
    sights: list[Seen] = [*endpoints(responder.ports, policy, policy.platform.responder.region)]
    if responder.beats:
        after = policy.signals.heartbeats.silent_after
        sights.append(Heartbeat(read=responder.beats.read, silent_after=after, real=policy.real))

    lookout = Lookout(
        clock=clock,
        policy=policy,
        sights=sights,
        told=lambda: told(responder.store.read_book().body),
        tell=partial(_tell, responder),
        beside=responder.replayed,
    )
    every = min((p.interval for p in policy.signals.probes), default=policy.signals.heartbeats.every)
    at_latest = until - RESERVE
    minute = clock.now() + timedelta(minutes=1) / policy.speed
    return lookout.watch(every, min(at_latest, minute), at_latest=at_latest)
