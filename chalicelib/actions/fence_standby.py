"""Stops the standby's database from taking writes before the primary takes over again, and proves it.

By the same two positive facts as the old primary's fence (fence_primary.py): EC2 says that the network ACLs of its
subnets deny the port, and after that the standby's own agent, which is alive and says so, could not write. It stands in
the region that is well, and nothing here is inferred from silence: who cannot be asked is Unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, cast

from chalicelib.actions.contract import AwsOp, Op, Reader, Target
from chalicelib.actions.fence_acl import AGAIN, Denials, denials, deny, subnets
from chalicelib.actions.fence_primary import READ_BEAT, SOON, read_beat
from chalicelib.actions.sides import LOOK, arn_of, instance_of, made_anew, row_of, silent, source
from chalicelib.core.outcome import Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.policy import Policy
from chalicelib.store.beat import Beat


@dataclass(frozen=True, slots=True)
class Drain:
    """Whom the standby's database follows, what the ACLs say, and what the standby's agent last met."""

    follows: str | None
    acls: Denials
    agent: Beat


class FenceStandby:
    """The ACLs, then the proof."""

    name: ClassVar[str] = "fence-standby"
    reads: ClassVar[tuple[Op, ...]] = (
        *LOOK,
        READ_BEAT,
        AwsOp(service="ec2", operation="describe_network_acls", resources=("*",)),
    )
    calls: ClassVar[tuple[Op, ...]] = (
        AwsOp(
            service="ec2",
            operation="create_network_acl_entry",
            resources=("arn:aws:ec2:{standby}:{account}:network-acl/*",),
        ),
    )

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Drain | Refused | NoData:
        if not subnets(policy, "standby"):
            return Refused(code="NoSubnets", because="platform.yaml names no standby_subnets in its fence")
        here, acls = instance_of(policy, reader, "standby"), denials(policy, reader, "standby")
        agent = read_beat(policy, reader, "standby")
        if none := silent(here, acls, agent):
            return none
        follows = None
        if isinstance(here, Mapping):
            # One that this return has made anew was its replica from the beginning.
            follows = source(here) or (arn_of(policy, "primary") if made_anew(here, target) else None)
        return Drain(follows, cast("Denials", acls), cast("Beat", agent))

    def next(self, target: Target, policy: Policy, facts: Drain | Refused | NoData, now: datetime) -> Next:
        row = row_of(policy, "standby")
        named = f"{row.instance!r} in {row.region}"
        match facts:
            case NoData(because=because):
                return Wait(because=f"{because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
            case Refused(because=because, code=code):
                return Stuck(because=f"{because} ({code})")
        if facts.follows:
            return Done(because=f"{named} follows {facts.follows!r}, so it takes no writes", facts={"fenced": "Fenced"})
        wanted = deny(policy, facts.acls, "standby")
        if not isinstance(wanted, Done):
            return wanted
        # The write that proves it must have been tried after the denial was seen.
        seen_at = target.facts.get("denied_at")
        if not isinstance(seen_at, int | float):
            because = f"{wanted.because}; waiting for a write that fails behind it"
            return Wait(because=because, again_in=SOON, facts={"denied_at": now.timestamp()})
        tried = facts.agent.moment("at")
        if tried is None or tried.timestamp() <= seen_at:
            last = "its agent never spoke" if tried is None else f"its agent last spoke at {tried:%H:%M:%S} UTC"
            return Wait(
                because=f"{wanted.because}; no write was tried since, as far as is known: {last}", again_in=SOON
            )
        if facts.agent.text("write") == "ok":
            because = f"{wanted.because}, and {named} still takes writes: {facts.agent.text('because')}"
            return Wait(because=because, again_in=SOON)
        proof = f"{wanted.because}, and a write was refused there: {facts.agent.text('because')}"
        return Done(because=f"{named} is Fenced: {proof}", facts={"fenced": "Fenced"})
