"""What each trigger does: read what came in, put it in the inbox, visit the desk. No Lambda, no Chalice in here.

Content never raises; a store that does not answer does, so that whoever sent the event sends it again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from chalicelib import rights
from chalicelib.bootstrap import Responder
from chalicelib.core.book import Reply
from chalicelib.core.happened import AlarmState, Command, Signal, Unreadable
from chalicelib.core.outcome import NoData
from chalicelib.desk import Worked
from chalicelib.intake.commands import CommandError, parse_command
from chalicelib.intake.probe import from_probe
from chalicelib.policy.signals import Probe
from chalicelib.shift import RESERVE
from chalicelib.store.codec import read_book

REPLY_WITHIN: Final = timedelta(seconds=20)
RETRY_S: Final = 0.5
HEALTHY: Final = 200


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
    """Carries a person's command to the desk and answers what became of it: `{"ok", "because", "id"}`."""
    if isinstance(payload, Mapping) and "look" in payload:
        return look(responder, payload["look"])
    clock = responder.clock
    try:
        said: Command = parse_command(payload, now=clock.now())
    except CommandError as error:
        return {"ok": False, "because": str(error), "id": None}
    responder.desk.receive(said)
    give_up = min(until - RESERVE, clock.now() + REPLY_WITHIN)
    while True:
        responder.desk.work(responder.nonce(), until=until, linger=False)
        if reply := _reply(responder, said.said.id):
            return {"ok": reply.ok, "because": reply.because, "id": reply.id}
        if clock.now() >= give_up:
            because = "it is in the inbox, and the desk has not taken it in yet; it will (see status)"
            return {"ok": True, "because": because, "id": said.said.id}
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


def _reply(responder: Responder, command_id: str) -> Reply | None:
    body = responder.store.read_book().body
    if body is None:
        return None
    book, _ = read_book(body)
    return next((r for r in book.replies if r.id == command_id), None)


def probe(responder: Responder, *, until: datetime) -> Mapping[str, str]:
    """Asks each region that a probe of ours looks at, and reports a change of what it sees."""
    return {p.name: _probe(responder, p, until) for p in responder.policy.signals.probes if _ours(responder, p)}


def _ours(responder: Responder, probe: Probe) -> bool:
    return probe.region == responder.policy.platform.responder.region


def _probe(responder: Responder, probe: Probe, until: datetime) -> str:
    """Looks every interval for a minute; as many failures in a row as policy says are bad, as many answers good."""
    clock, policy = responder.clock, responder.policy
    url = policy.platform.endpoint(probe.target).url + "/health"
    told = _told(responder, probe)
    run, since, seen = 0, clock.now(), None
    # Intervals are policy's, so already divided by the speed; a network's time limit is not.
    timeout_s = (probe.timeout * policy.speed).total_seconds()
    end = min(until - RESERVE, clock.now() + timedelta(minutes=1) / policy.speed)
    while True:
        began = clock.now()
        answer = responder.ports.web.get(url, timeout_s=timeout_s)
        good = not isinstance(answer, NoData) and answer.status == HEALTHY
        because = answer.because if isinstance(answer, NoData) else f"GET {url} answered {answer.status}"
        run, since = (run + 1, since) if good is seen else (1, began)
        seen = good
        state = AlarmState.OK if good else AlarmState.ALARM
        if run >= probe.failures and state is not told:
            reason = f"{run} in a row: {because}"
            responder.desk.receive(from_probe(probe.name, healthy=good, changed_at=since, reason=reason))
            responder.desk.work(responder.nonce(), until=until)
            return reason
        if clock.now() + probe.interval >= end:
            return because
        clock.sleep(max(0.0, (began + probe.interval - clock.now()).total_seconds()))


def _told(responder: Responder, probe: Probe) -> AlarmState | None:
    body = responder.store.read_book().body
    if body is None:
        return None
    mark = read_book(body)[0].watermarks.get(f"probe:{probe.name}")
    return mark.state if mark else None
