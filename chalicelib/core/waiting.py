"""Whether a suspicion whose evidence has held still waits, because a smaller incident may be all that there is.

Rules. A zone that takes the database's writer along looks from outside like the whole region, until RDS has failed
over. So a rule may wait for an incident of another scenario below it (`waits` in signals.yaml), while all of this is
so: exactly one such incident is open; other places of its kind are watched, and every one is known to be good, no data
being no good; and the time that policy gives has not passed since the earlier of the two began, so that one small
incident after another prolongs nothing. A node is called dead later than an endpoint is: where every place is said to
be good, it first listens a while for such an incident. Until it is confirmed, a suspicion leaves alone what it would
wait for (`awaits` of the incident): a remedy that was swallowed would cure nothing. Once confirmed, it takes it over.
Never let a person's declaration wait, and never wait without an end: the linter counts all of it into recovery times.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from chalicelib.core.book import Book
from chalicelib.core.evidence import Verdict, bad, observations
from chalicelib.core.incident import Incident, covers
from chalicelib.core.states import IncidentState
from chalicelib.policy import Policy
from chalicelib.policy.signals import Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """It is not confirmed before `until`, if nothing changes."""

    until: datetime
    because: str


@dataclass(frozen=True, slots=True)
class Goes:
    """It need not wait, or no longer. `because` is empty where there is nobody to wait for."""

    because: str = ""


def weighed(book: Book, incident: Incident, rule: Rule, policy: Policy, now: datetime) -> Waits | Goes:
    """Whether this suspicion, whose evidence has held, waits."""
    if rule.waits is None or incident.bad_since is None:
        return Goes()
    smaller = [
        i
        for i in book.incidents.values()
        if i.state is not IncidentState.CLOSING
        and i.scenario == rule.waits.scenario
        and i.scope != incident.scope
        and covers(incident.scope, i.scope)
    ]
    watched = policy.signals.awaited(rule)
    if not smaller:
        until = incident.bad_since + rule.waits.listens
        if now >= until or not watched or any(_doubt(book, r, policy, now) for r in watched):
            return Goes()
        return Waits(
            until=until,
            because=f"enough observers are bad, but an {rule.waits.scenario} is told of later, and may be all of it: "
            f"listening for one until {until:%H:%M:%S} UTC, then this is confirmed",
        )
    named = ", ".join(i.id for i in smaller)
    if len(smaller) > 1:
        return Goes(f"it waits for none of {named}, which are {len(smaller)}")
    there = smaller[0]
    others = [r for r in watched if r.scope != there.scope]
    doubtful = [said for r in others if (said := _doubt(book, r, policy, now))]
    if doubtful or not others:
        return Goes(f"it does not wait for {named}: {'; '.join(doubtful) or 'no other place of its kind is watched'}")
    until = min(there.failed_at, incident.bad_since) + rule.waits.at_most
    if now >= until:
        return Goes(f"it has waited for {named} until {until:%H:%M:%S} UTC")
    well = f"{', '.join(r.scope for r in others)} {'is' if len(others) == 1 else 'are'} good"
    return Waits(
        until=until,
        because=f"enough observers are bad, but {named} may be all of it while {well}: "
        f"waiting for that until {until:%H:%M:%S} UTC, then this is confirmed",
    )


def _doubt(book: Book, rule: Rule, policy: Policy, now: datetime) -> str:
    """Why nobody can say that all is well there; empty when somebody can."""
    found = observations(book, rule, policy, now)
    if ill := bad(found):
        return f"{rule.scope} fails too ({', '.join(o.observer for o in ill)})"
    good = any(o.verdict is Verdict.GOOD for o in found)
    return "" if good else f"of {rule.scope} there is no data"
