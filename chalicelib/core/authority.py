"""Who may say what: a command against people.yaml.

Rules. Who said it is proven, or it is not; how that was found out is no business of this module, and no signature ever
comes here. A proof counts for the person whose principal it is *now*: one that fits two people proves neither. What
needs no proof is listed by policy. Here it is only said whether a command may be carried out; never carry one out here.
"""

from __future__ import annotations

from dataclasses import replace

from chalicelib.core.happened import CLOCK_ARN, Acknowledge, BreakGlass, Choose, Command, Declare, Rehearse
from chalicelib.policy import Policy
from chalicelib.policy.people import Person, Saying


def saying(command: Command) -> Saying:
    """What is said, as roles name it."""
    if isinstance(command, Acknowledge) and command.incident is None:
        return Saying.ACKNOWLEDGE_BLOCK
    return Saying(command.verb)


def proven_as(arn: str, policy: Policy) -> Person | str:
    """The one person whose principal it is, or a sentence that says why there is none."""
    found = policy.people.known_as(arn)
    if not found:
        return f"{arn} is nobody's principal in people.yaml"
    if len(found) > 1:
        return f"{arn} is the principal of {' and of '.join(p.name for p in found)}: it proves neither"
    return found[0]


def needs_no_proof(command: Command, policy: Policy) -> bool:
    """Whether anybody may say it who can invoke the command function."""
    return saying(command).value in {word.value for word in policy.people.unproven}


def may_break_glass_unproven(command: Command, policy: Policy) -> bool:
    """Whether it is a break-glass that policy takes without a proof, while STS cannot be asked for one."""
    return isinstance(command, BreakGlass) and bool(command.said.doubt) and policy.people.break_glass.unproven


def objection(command: Command, policy: Policy) -> str:
    """Why the command may not be carried out, '' when it may."""
    if isinstance(command, Declare) and command.choices:
        # What is chosen with a declaration is chosen by whoever may choose.
        alone = Choose(said=command.said, incident="", choices=command.choices)
        return objection(replace(command, choices={}), policy) or objection(alone, policy)
    if isinstance(command, Rehearse) and command.said.arn == CLOCK_ARN:
        return ""
    said, word = command.said, saying(command)
    if needs_no_proof(command, policy):
        return ""
    able = ", ".join(policy.people.who_may(word)) or "nobody"
    if said.arn is None:
        if may_break_glass_unproven(command, policy):
            return ""
        return f"{word} needs a proven person, {said.who} is none; allowed: {able}, by a signed command"
    person = proven_as(said.arn, policy)
    if isinstance(person, str):
        return f"{person}; allowed to say {word}: {able}"
    if person.name != said.by:
        return f"{said.arn} is {person.name!r}, not {said.by!r}"
    if person.name not in policy.people.who_may(word):
        roles = ", ".join(person.roles) or "none"
        return f"{person.name} may not say {word} (roles: {roles}); allowed: {able}"
    return ""
