"""Whether each runbook could succeed right now, as the newest round found it, and what that lowers.

Rules. A round only looks, and comes here by the inbox as one small fact; a round no newer than what is known changes
nothing. Not ready lowers a runbook's automation to asking (the gate below) and raises a finding; ready lifts both.
Unknown does neither: what was not ready stays so until it was seen ready, and what was ready is not lowered by silence.
A round made while the runbook's own incident is open sees what recovery has changed: it may lift, and never lowers. A
recovery is held to what was known when its incident opened, so that no round that is missing because of the disaster
holds it up. Never look at the world here, and never let a judgement refuse anything: a person can always say yes.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final

from chalicelib.core.book import Book, Judgement
from chalicelib.core.findings import raised, settled
from chalicelib.core.happened import Readiness, ReadinessJudged, RunbookJudged
from chalicelib.core.incident import Incident
from chalicelib.core.plan import Rules
from chalicelib.core.states import IncidentState
from chalicelib.policy.scenarios import Severity

STALE: Final = "readiness-stale"
_PREFIX: Final = "not-ready-"
_WELL: Final = frozenset({Readiness.READY, Readiness.WITH_FINDINGS})


def kind(scenario: str) -> str:
    """The kind of a runbook's finding: of each runbook one at a time stands."""
    return f"{_PREFIX}{scenario}"


def judged(book: Book, round_: ReadinessJudged, rules: Rules, now: datetime) -> Book:
    """The book after one round."""
    newest = _newest(book)
    if newest is not None and round_.at <= newest:
        return book
    named = {row.scenario for row in round_.runbooks}
    # What policy has no more is judged by nobody, and would stand as it was last for ever.
    for gone in sorted(set(book.readiness) - named):
        if not rules.policy.has_scenario(gone) or rules.policy.runbook(gone) is None:
            book = replace(book, readiness={k: v for k, v in book.readiness.items() if k != gone})
            book = settled(book, kind(gone), because=f"policy has no runbook for {gone!r} any more", now=now)
    for row in round_.runbooks:
        if rules.policy.has_scenario(row.scenario):
            book = _one(book, row, round_.at, rules, now)
    return settled(book, STALE, because=f"a round was made at {round_.at:%H:%M:%S} UTC", now=now)


def aged(book: Book, rules: Rules, now: datetime) -> Book:
    """The book in which people are told that no round comes any more; where none ever came nobody has stopped."""
    newest, allowed = _newest(book), rules.policy.readiness.stale_after
    if newest is None or now - newest <= allowed:
        return book
    lowers = rules.policy.readiness.stale == "lower"
    effect = "every step of an incident that opens now asks" if lowers else "nothing is lowered by that"
    because = (
        f"the newest round of readiness began at {newest:%Y-%m-%d %H:%M:%S} UTC, and two periods are "
        f"{rules.policy.real(allowed)}: nobody knows whether the runbooks could succeed, and {effect}"
    )
    headline, scope = "Readiness is judged no more", rules.policy.platform.name
    return raised(book, STALE, headline=headline, because=because, severity=Severity.MEDIUM, scope=scope, now=now)


def lowered(book: Book, incident: Incident, rules: Rules) -> tuple[bool, str]:
    """Whether the steps of this incident ask because of its runbook's readiness, and the sentence either way."""
    known = book.readiness.get(incident.scenario)
    if known is None:
        return False, "no round has judged this runbook yet"
    if known.state is Readiness.NOT_READY:
        since = f"{known.since:%Y-%m-%d %H:%M:%S}"
        return True, f"the runbook of {incident.scenario} is not ready since {since} UTC: {known.because}"
    age, policy = incident.opened_at - known.at, rules.policy
    if age > policy.readiness.stale_after:
        said = (
            f"the newest round of readiness was {policy.real(age)} old when the incident opened, allowed are "
            f"{policy.real(policy.readiness.stale_after)}"
        )
        return policy.readiness.stale == "lower", said
    return False, f"the runbook was judged {known.state} at {known.at:%H:%M:%S} UTC"


def _one(book: Book, row: RunbookJudged, at: datetime, rules: Rules, now: datetime) -> Book:
    before = book.readiness.get(row.scenario)
    under_way = any(
        i.scenario == row.scenario and i.state is not IncidentState.CLOSING for i in book.incidents.values()
    )
    if under_way and row.state not in _WELL:
        return book
    state, because = row.state, row.because
    if before and before.state is Readiness.NOT_READY and row.state is Readiness.UNKNOWN:
        state, because = before.state, before.because
    since = before.since if before and before.state is state else at
    found = Judgement(at=at, since=since, state=state, because=because)
    book = replace(book, readiness={**book.readiness, row.scenario: found})
    if row.state is Readiness.NOT_READY:
        return _raised(book, row, rules, now)
    if row.state in _WELL:
        ready = f"the runbook of {row.scenario} is {row.state}: {row.because}"
        return settled(book, kind(row.scenario), because=ready, now=now)
    return book


def _raised(book: Book, row: RunbookJudged, rules: Rules, now: datetime) -> Book:
    scenario = rules.policy.scenario(row.scenario)
    return raised(
        book,
        kind(row.scenario),
        headline=f"The runbook for {scenario.display.lower()} is not ready",
        because=f"{row.because}; until that is mended each of its steps asks a person",
        severity=Severity.MEDIUM,
        scope=row.scenario,
        now=now,
    )


def _newest(book: Book) -> datetime | None:
    return max((known.at for known in book.readiness.values()), default=None)
