"""Who goes first with what two incidents need, where it is not left to the order of claims.py: a person, or a takeover.

Rules. A person may let an incident give way to every other, in everything: the order stays one over all incidents and
all things, so that no circle can come of it. Whoever takes a thing over from another says so on both timelines. Where
the thing is one that stays where it is put, the other one asks a person before it goes on with what it had begun: it
may be where it should be by now, and would be moved away again. Of any other the next look says what is missing, and
nobody is asked. Nothing here makes a call, and no thing is moved back.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from chalicelib.core.answering import IllegalCommandError, open_incident, with_note
from chalicelib.core.book import Book, case_of
from chalicelib.core.claims import Grip, in_common, taken_over
from chalicelib.core.happened import GiveWay
from chalicelib.core.incident import Incident
from chalicelib.core.incidents import note, put
from chalicelib.core.plan import Rules, Step
from chalicelib.core.things import UnknownThingError, moved_by


def give_way(book: Book, command: GiveWay, rules: Rules, now: datetime) -> tuple[Book, str]:
    """The incident lets every other go first with what both need, from now on; one that gives way later goes last."""
    incident = open_incident(book, command.incident)
    both = in_common(book, incident, rules)
    if not both:
        raise IllegalCommandError(
            f"no other open incident moves what the plan of {incident.id!r} moves: nobody waits for it"
        )
    shared = ", ".join(sorted({str(thing) for things in both.values() for thing in things}))
    said = command.said
    book = put(book, replace(incident, gave_way_at=now, gave_way_by=said.by))
    text = (
        f"gives way to every other incident with what they move too ({shared}), {said.who} says{with_note(said.note)}"
    )
    book = note(book, incident.id, "gave-way", text, now)
    for other in both:
        book = note(book, other, "goes-first", f"goes before incident {incident.id}, {said.who} says", now)
    return book, f"{incident.id} gives way to {', '.join(both)}; what is on its way is finished first"


def taking_over(book: Book, incident: Incident, step: Step, rules: Rules, now: datetime) -> Book:
    """What this step's call takes from incidents that come later is written down with both, as the call is decided."""
    for hold in taken_over(book, incident, step, rules, now):
        other, name = hold.incident, str(hold.thing)
        had = "had put it where it is" if hold.grip is Grip.PLACED else "had begun to move it"
        text = f"{step.title}: takes {name} over from incident {other.id}, whose step {hold.step.id} {had}"
        book = note(book, incident.id, "takes-over", text, now)
        there = book.incidents[other.id]
        by = f"incident {incident.id} ({rules.policy.scenario(incident.scenario).display}, step {step.id})"
        if hold.thing.stays:
            # A yes that was given before knew nothing of it.
            asked = {
                i: replace(r, approval=None, voices=()) if i == hold.step.id else r for i, r in there.steps.items()
            }
            book = put(book, replace(there, steps=asked, overtaken={**there.overtaken, name: by}))
        book = note(book, other.id, "overtaken", f"{hold.step.title}: {by} takes {name} over", now)
    return _settled(book, case_of(book, incident.id) or incident, step, rules)


def _settled(book: Book, incident: Incident, step: Step, rules: Rules) -> Book:
    """A person has said that what was taken over is to be moved all the same, or the call would not be made."""
    try:
        mine = {str(thing) for thing in moved_by(step, incident.scope, rules.policy)}
    except UnknownThingError:
        return book
    if not mine & set(incident.overtaken):
        return book
    return put(book, replace(incident, overtaken={k: v for k, v in incident.overtaken.items() if k not in mine}))
