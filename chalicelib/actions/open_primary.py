"""Lets the primary take writes again, after a person has ended a failover on the way: what fence-primary did, undone.

Only while it still is the primary. As soon as the standby's replica replicates from nobody there are two databases,
and the old one stays fenced: that is Done, and nothing is opened. Whether it is so is looked at before every call; a
standby that does not answer is a reason to wait, never to open.

The lease comes first: a primary that finds it revoked would fence itself again. Then our own entry of each network ACL,
by its number; a denial that somebody else has made stays. Done is proven by a write of the primary's own agent.
Sources: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteNetworkAclEntry.html,
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.UpdateExpressions.html (REMOVE).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final

from chalicelib.actions.contract import AwsOp, Op, Reader, Target
from chalicelib.actions.fence_acl import AGAIN, FenceAcl, ours
from chalicelib.actions.fence_primary import READ_BEAT, TABLE, read_beat
from chalicelib.actions.promote_replica import DESCRIBE, describe
from chalicelib.core.outcome import Act, Call, Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.policy import Policy
from chalicelib.store.beat import Beat, forget, key

SOON: Final = timedelta(seconds=5)
REVOCATION: Final = ("revoked_at", "revoked_for", "given_up_at", "because")
"""What a revoked lease holds, and what a primary that gave it up has written into it."""


@dataclass(frozen=True, slots=True)
class Opening:
    """`source` is whom the replica follows, None once it stands alone; `acls` those that hold our denial."""

    source: str | None
    lease: Beat
    primary: Beat
    acls: tuple[str, ...] | Refused | NoData


class OpenPrimary:
    """The lease, then the ACLs, then the proof."""

    name: ClassVar[str] = "open-primary"
    reads: ClassVar[tuple[Op, ...]] = (DESCRIBE, READ_BEAT, *FenceAcl.reads)
    calls: ClassVar[tuple[Op, ...]] = (
        AwsOp(service="dynamodb", operation="update_item", resources=TABLE),
        AwsOp(
            service="ec2",
            operation="delete_network_acl_entry",
            resources=("arn:aws:ec2:{primary}:{account}:network-acl/*",),
            where="primary",
        ),
    )

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Opening | Refused | NoData:
        replica = describe(policy, reader)
        if not isinstance(replica, Mapping):
            return replica
        lease, primary = read_beat(policy, reader, "lease"), read_beat(policy, reader, "primary")
        if not isinstance(lease, Beat):
            return lease
        if not isinstance(primary, Beat):
            return primary
        return Opening(
            source=replica.get("ReadReplicaSourceDBInstanceIdentifier") or None,
            lease=lease,
            primary=primary,
            acls=ours(policy, reader),
        )

    def next(self, target: Target, policy: Policy, facts: Opening | Refused | NoData, now: datetime) -> Next:
        database = policy.platform.database
        named = f"{database.primary.instance!r} in {database.primary.region}"
        if isinstance(facts, NoData):
            return Wait(because=f"{facts.because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
        if isinstance(facts, Refused):
            return Stuck(because=f"{facts.because} ({facts.code})")
        if facts.source is None:
            replica = f"{database.replica.instance!r} in {database.replica.region}"
            return Done(because=f"{replica} was promoted meanwhile, so {named} stays fenced; two would take writes")
        if facts.lease.moment("revoked_at") is not None:
            return Act(because=f"the lease of {named} is revoked", call=give_back(policy))
        match facts.acls:
            case NoData(because=because):
                return Wait(because=f"{because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
            case Refused(because=because, code=code):
                return Stuck(because=f"{because} ({code})")
            case (first, *_):
                return Act(
                    because=f"{first} still denies port {database.port} by our rule",
                    call=open_acl(policy, database.primary.region, first),
                )
        # The write that proves it must have been tried after the last denial was seen to be gone.
        opened_at = target.facts.get("opened_at")
        if not isinstance(opened_at, int | float):
            because = f"nothing of ours denies port {database.port} any more; waiting for a write of {named}"
            return Wait(because=because, again_in=SOON, facts={"opened_at": now.timestamp()})
        tried = facts.primary.moment("at")
        if tried is None or tried.timestamp() <= opened_at or facts.primary.text("write") != "ok":
            because = f"nothing of ours denies port {database.port}, and {named} has not been seen to write since"
            return Wait(because=because, again_in=SOON)
        return Done(because=f"{named} takes writes again: {facts.primary.text('because') or 'its agent wrote a row'}")


def give_back(policy: Policy) -> Call:
    """Takes the revocation out of the primary's lease."""
    responder = policy.platform.responder
    return Call(
        system="aws",
        service="dynamodb",
        region=responder.region,
        operation="update_item",
        params={"TableName": responder.table, "Key": key(policy.platform.name, "lease"), **forget(REVOCATION)},
        until="the lease is not revoked",
        reversible=True,
    )


def open_acl(policy: Policy, region: str, acl: str) -> Call:
    """Takes our own denial out of one network ACL."""
    return Call(
        system="aws",
        service="ec2",
        region=region,
        operation="delete_network_acl_entry",
        params={"NetworkAclId": acl, "RuleNumber": policy.platform.fence.rule_number, "Egress": False},
        until=f"{acl} holds no rule {policy.platform.fence.rule_number}",
        reversible=True,
    )
