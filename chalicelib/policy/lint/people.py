"""Rules about people: everybody is one person, can say something, and enough of them are there to answer."""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.policy.lint.finding import Flaw, Whole, error, meant, one_of, repeats, warning
from chalicelib.policy.people import Saying, Unproven, overlap


def person_is_single(whole: Whole) -> Iterator[Flaw]:
    """People, their Slack users and the roles have names of their own."""
    people = whole.policy.people
    for part, field, names in (
        ("people", "name", [p.name for p in people.people]),
        ("roles", "name", [r.name for r in people.roles]),
        ("people", "slack", [p.slack or f"none of {p.name}" for p in people.people]),
    ):
        for i, first, name in repeats(names):
            yield error(
                *("people", part, i, field),
                allowed=f"a {field} that no other row here has",
                found=name,
                because=f"{name!r} already is {part}[{first}]; who says something could be either",
            )


def principal_is_one_person(whole: Whole) -> Iterator[Flaw]:
    """A principal that is two people would approve twice; while it is, it proves nobody."""
    held = [(i, j, p) for i, person in enumerate(whole.policy.people.people) for j, p in enumerate(person.principals)]
    for n, (i, j, principal) in enumerate(held):
        for earlier, _, other in held[:n]:
            if earlier != i and overlap(principal, other):
                name = whole.policy.people.people[earlier].name
                yield error(
                    *("people", "people", i, "principals", j),
                    allowed="a principal that cannot be anybody else's",
                    found=principal,
                    because=f"it can also be {name!r} (by {other}): one principal would count as two people",
                )
                break


def person_role_is_known(whole: Whole) -> Iterator[Flaw]:
    """A role that is not there lets its person say nothing."""
    known = [role.name for role in whole.policy.people.roles]
    for i, person in enumerate(whole.policy.people.people):
        for j, role in enumerate(person.roles):
            if role not in known:
                yield error(
                    *("people", "people", i, "roles", j),
                    allowed=one_of(known),
                    found=role,
                    because=f"{person.name!r} has the role {role!r}, which is not there{meant(role, known)}",
                )


def pause_is_always_possible(whole: Whole) -> Iterator[Flaw]:
    """Whoever sees it go wrong must be able to stop it, and to do so while nobody can be proven."""
    if Unproven.PAUSE not in whole.policy.people.unproven:
        yield error(
            *("people", "unproven"),
            allowed="a list that holds pause",
            found=", ".join(whole.policy.people.unproven) or "nothing",
            because="while STS cannot be asked nobody could stop the responder",
        )


def question_can_be_answered(whole: Whole) -> Iterator[Flaw]:
    """A step that asks two people needs two who may approve it, and better a third who can stand in."""
    for i, runbook in enumerate(whole.policy.runbooks.runbooks):
        for j, step in enumerate(runbook.steps):
            able = whole.policy.people.who_may(Saying.APPROVE)
            if len(able) < step.people:
                yield error(
                    *("runbooks", "runbooks", i, "steps", j, "people"),
                    allowed=f"at most {len(able)}, those who may approve: {', '.join(able) or 'nobody'}",
                    found=step.people,
                    because=f"step {step.id!r} would ask for ever, unless somebody breaks the glass",
                )


def two_people_are_asked(whole: Whole) -> Iterator[Flaw]:
    """A step that two people must approve asks whatever its row says; the row should say so."""
    for i, runbook in enumerate(whole.policy.runbooks.runbooks):
        for j, step in enumerate(runbook.steps):
            if step.people > 1 and step.automatic:
                yield error(
                    *("runbooks", "runbooks", i, "steps", j, "people"),
                    allowed="1, where automatic is true",
                    found=step.people,
                    because=f"two people must approve step {step.id!r}: it is never done without one",
                )


def glass_can_be_broken(whole: Whole) -> Iterator[Flaw]:
    """Where two people are asked, somebody must be able to override when the second cannot be reached."""
    asked = [s.id for r in whole.policy.runbooks.runbooks for s in r.steps if s.people > 1]
    if asked and not whole.policy.people.who_may(Saying.BREAK_GLASS):
        yield warning(
            *("people", "roles"),
            allowed="a role with break-glass that somebody has",
            found="nobody",
            because=f"{', '.join(asked)} needs two people, and nobody may stand in for one who cannot be reached",
        )
