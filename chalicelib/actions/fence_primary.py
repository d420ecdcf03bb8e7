"""Proves that the old primary takes no writes any more, by one of two proofs; a region that does not answer is neither.

- *Fenced*: its network ACLs deny the database's port, as EC2 itself says, and after that the primary's own agent, which
  is alive and says so, could not write.
- *SelfFenced*: the primary gave up its lease, by name, after it had fenced itself, and the lease's time has passed.

First the lease is revoked, so that a primary that can still hear us fences itself. Whoever cannot be asked is Unknown,
and that is no verdict of this action: it waits, and recovery does not wait for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final

from chalicelib.actions.contract import AwsOp, Op, Reader, Target
from chalicelib.actions.fence_acl import AGAIN, Denials, FenceAcl, denials, deny
from chalicelib.core.outcome import Act, Call, Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.policy import Policy
from chalicelib.store.beat import Beat, Who, key, millis, parse, update

TABLE: Final = ("arn:aws:dynamodb:{standby}:{account}:table/{table}",)
READ_BEAT: Final = AwsOp(service="dynamodb", operation="get_item", resources=TABLE)
SOON: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Fence:
    """What the ACLs say, and what stands beside the desk."""

    acls: Denials | Refused | NoData
    primary: Beat
    lease: Beat


class FencePrimary:
    """The lease first, then the ACLs, then the proof."""

    name: ClassVar[str] = "fence-primary"
    reads: ClassVar[tuple[Op, ...]] = (READ_BEAT, *FenceAcl.reads)
    calls: ClassVar[tuple[Op, ...]] = (
        AwsOp(service="dynamodb", operation="update_item", resources=TABLE),
        *FenceAcl.calls,
    )

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Fence | Refused | NoData:
        lease, primary = read_beat(policy, reader, "lease"), read_beat(policy, reader, "primary")
        if not isinstance(lease, Beat):
            return lease
        if not isinstance(primary, Beat):
            return primary
        # A dark region is not asked before the one call that needs no answer from it.
        asked = denials(policy, reader) if lease.moment("revoked_at") else NoData(because="not asked yet")
        return Fence(acls=asked, primary=primary, lease=lease)

    def next(self, target: Target, policy: Policy, facts: Fence | Refused | NoData, now: datetime) -> Next:
        if isinstance(facts, NoData):
            return Wait(because=f"{facts.because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
        if isinstance(facts, Refused):
            return Stuck(because=f"{facts.because} ({facts.code})")
        named = f"{policy.platform.database.primary.instance!r} in {policy.platform.database.primary.region}"
        if facts.lease.moment("revoked_at") is None:
            return Act(because=f"{named} still has its lease", call=_revoke(target, policy))
        if proof := _self_fenced(facts.lease, now):
            return Done(because=f"{named} is SelfFenced: {proof}", facts={"fenced": "SelfFenced"})
        wanted = deny(policy, facts.acls)
        if not isinstance(wanted, Done):
            return wanted
        # The write that proves it must have been tried after the denial was seen.
        seen_at = target.facts.get("denied_at")
        if not isinstance(seen_at, int | float):
            because = f"{wanted.because}; waiting for a write that fails behind it"
            return Wait(because=because, again_in=SOON, facts={"denied_at": now.timestamp()})
        tried = facts.primary.moment("at")
        if tried is None or tried.timestamp() <= seen_at:
            because = f"{wanted.because}; no write was tried since, as far as is known: {_last(tried)}"
            return Wait(because=because, again_in=SOON)
        if facts.primary.text("write") == "ok":
            because = f"{wanted.because}, and {named} still takes writes: {facts.primary.text('because')}"
            return Wait(because=because, again_in=SOON)
        proof = f"{wanted.because}, and a write was refused there: {facts.primary.text('because')}"
        return Done(because=f"{named} is Fenced: {proof}", facts={"fenced": "Fenced"})


def read_beat(policy: Policy, reader: Reader, who: Who) -> Beat | Refused | NoData:
    """One of the items beside the desk."""
    responder = policy.platform.responder
    found = reader.aws(
        "dynamodb",
        responder.region,
        "get_item",
        TableName=responder.table,
        Key=key(policy.platform.name, who),
        ConsistentRead=True,
    )
    return parse(found) if isinstance(found, Mapping) else found


def _revoke(target: Target, policy: Policy) -> Call:
    responder = policy.platform.responder
    return Call(
        system="aws",
        service="dynamodb",
        region=responder.region,
        operation="update_item",
        params={
            "TableName": responder.table,
            "Key": key(policy.platform.name, "lease"),
            **update({"revoked_at": millis(target.opened_at), "revoked_for": target.incident}),
        },
        until="the lease is revoked",
        reversible=True,
    )


def _self_fenced(lease: Beat, now: datetime) -> str | None:
    given_up, until = lease.moment("given_up_at"), lease.moment("until")
    if given_up is None or until is None or until >= now:
        return None
    return f"it gave up its lease at {given_up:%H:%M:%S} UTC ({lease.text('because')})"


def _last(tried: datetime | None) -> str:
    return "its agent never spoke" if tried is None else f"its agent last spoke at {tried:%H:%M:%S} UTC"
