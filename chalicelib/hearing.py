"""How a command is heard: read, and known by whom it is said, before it comes to the desk.

Rules. What needs no proof is never refused for the lack of one: a pause must always be possible. Of the rest, a proof
that fails is a refusal; one that nobody could verify is none, and nothing is done. What comes out of here carries a
person whom STS has proven, or says that it does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from chalicelib import names
from chalicelib.bootstrap import Responder
from chalicelib.core.authority import may_break_glass_unproven, needs_no_proof, proven_as
from chalicelib.core.happened import Command
from chalicelib.core.outcome import NoData
from chalicelib.intake import identity
from chalicelib.intake.commands import CommandError, parse_command
from chalicelib.policy import Policy

STS_TIMEOUT_S: Final = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Unheard:
    """A command of which nothing was done, and why. `again`: the same may be said again, for STS did not answer."""

    because: str
    id: str | None = None
    again: bool = False


def heard(responder: Responder, payload: object) -> Command | Unheard:
    """The command, with who said it as far as STS proves it; or why nothing is done about it."""
    policy = responder.policy
    try:
        command = parse_command(payload, now=responder.clock.now())
    except CommandError as error:
        return Unheard(because=str(error))
    if not isinstance(payload, Mapping) or payload.get(identity.FIELD) is None:
        because = f"{command.verb} needs a proven person, and it came without an identity; sign it (drctl does)"
        return command if needs_no_proof(command, policy) else Unheard(because=because, id=command.said.id)
    try:
        found = _asked(responder, payload)
    except identity.IdentityError as error:
        return _unproven(command, str(error), policy)
    if isinstance(found, NoData):
        return _silent(command, found.because, policy)
    person = proven_as(found.arn, policy)
    if isinstance(person, str):
        return _unproven(command, person, policy)
    if command.said.by not in ("", person.name):
        claim = f"by is {command.said.by!r}, and the identity is {person.name!r}'s"
        because = f"{command.verb} was refused: {claim}; leave by out, or sign as that person"
        return Unheard(because=because, id=command.said.id)
    return replace(command, said=replace(command.said, by=person.name, arn=found.arn))


def _asked(responder: Responder, payload: Mapping[str, Any]) -> identity.Caller | NoData:
    """Asks STS in the responder's own region, which must do without any other. A read, and bounded."""
    policy = responder.policy
    question = identity.read(
        payload,
        to=names.function_arn(policy, "command"),
        region=policy.platform.responder.region,
        now=responder.clock.now(),
    )
    answer = responder.ports.web.get(question.url, timeout_s=STS_TIMEOUT_S, headers=question.headers)
    return answer if isinstance(answer, NoData) else identity.answered(answer.status, answer.text)


def _silent(command: Command, doubt: str, policy: Policy) -> Command | Unheard:
    """STS did not answer: that is no proof, and no refusal."""
    claimed = _claimed(command, doubt)
    if needs_no_proof(command, policy) or may_break_glass_unproven(claimed, policy):
        return claimed
    because = (
        f"who says {command.verb} could not be verified ({doubt}), and nothing was done; "
        "say it again, or use break-glass"
    )
    return Unheard(because=because, id=command.said.id, again=True)


def _unproven(command: Command, doubt: str, policy: Policy) -> Command | Unheard:
    """The proof proves nobody."""
    if needs_no_proof(command, policy):
        return _claimed(command, doubt)
    return Unheard(because=f"{command.verb} was refused: {doubt}", id=command.said.id)


def _claimed(command: Command, doubt: str) -> Command:
    return replace(command, said=replace(command.said, by=command.said.by or "somebody", doubt=doubt))
