"""Who speaks, when STS is gone: whoever the tertiary cluster's API server says that the kubeconfig's owner is.

That server is what everything is restored through, so while it does not answer there is nothing to approve either. A
name that is nobody's principal in people.yaml, such as the cluster's shared admin account, proves nobody; what needs no
proof may be said all the same, and a broken glass where policy takes one unproven.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from chalicelib.clients.kubernetes import Clusters, whoami
from chalicelib.core.authority import may_break_glass_unproven, needs_no_proof, proven_as
from chalicelib.core.happened import Command
from chalicelib.core.outcome import NoData, Refused
from chalicelib.hearing import Unheard
from chalicelib.intake.commands import CommandError, parse_command
from chalicelib.policy import Policy
from chalicelib.tools import Clock


def principal(cluster: str, username: str) -> str:
    """How people.yaml names who a cluster knows by that name."""
    return f"kubernetes:{cluster}:{username}"


def heard(policy: Policy, clusters: Clusters, clock: Clock, payload: Mapping[str, Any]) -> Command | Unheard:
    """The command, with who said it as far as the tertiary cluster proves it; or why nothing is done about it."""
    try:
        command = parse_command({"by": "somebody", **payload}, now=clock.now())
    except CommandError as error:
        return Unheard(because=str(error))
    row = policy.platform.clusters.tertiary
    if row is None:
        return Unheard(because="the platform has no tertiary cluster that could prove anybody", id=command.said.id)
    known = whoami(clusters, row.name)
    if isinstance(known, Refused | NoData):
        return _unproven(command, f"cluster {row.name!r} does not say who you are: {known.because}", policy)
    arn = principal(row.name, known)
    person = proven_as(arn, policy)
    if isinstance(person, str):
        return _unproven(command, person, policy)
    if command.said.by not in ("somebody", person.name):
        because = f"by is {command.said.by!r}, and the kubeconfig is {person.name!r}'s; leave it out, or use your own"
        return Unheard(because=because, id=command.said.id)
    return replace(command, said=replace(command.said, by=person.name, arn=arn))


def _unproven(command: Command, doubt: str, policy: Policy) -> Command | Unheard:
    claimed = replace(command, said=replace(command.said, doubt=doubt))
    if needs_no_proof(command, policy) or may_break_glass_unproven(claimed, policy):
        return claimed
    return Unheard(because=f"{command.verb} was refused: {doubt}", id=command.said.id)
