"""Takes snapshots of instances' volumes, of all of one instance at the same moment, and locks them.

Which are an incident's is said by their tags, so that taking them twice takes them once; EC2 may show a new snapshot
late, and then there are two, which does no harm. They are locked as policy locks evidence: nobody deletes one before
its lock has ended. Sources:
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSnapshots.html (all volumes of an instance, tags),
API_DescribeSnapshots.html (filters by tag; pending, completed, error),
API_LockSnapshot.html (governance or compliance, in days; a pending one too), API_DescribeLockedSnapshots.html.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final

from chalicelib.actions.contract import AwsOp, Op, Reader, Target
from chalicelib.actions.quarantine import containment_of, silent
from chalicelib.actions.restored import TAG
from chalicelib.core.bounds import listed
from chalicelib.core.outcome import Act, Call, Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.policy import Policy

OF: Final = "dr-responder/instance"
AGAIN: Final = timedelta(seconds=30)
_EC2: Final = "arn:aws:ec2:{primary}:{account}"
_SNAPSHOTS: Final = "arn:aws:ec2:{primary}::snapshot/*"
"""Snapshots' ARNs name no account: the service authorization reference has them so."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One snapshot of this incident's."""

    id: str
    instance: str
    volume: str
    state: str
    locked: bool


@dataclass(frozen=True, slots=True)
class Taken:
    """What is there, and the instances that have ended: they have no volumes any more."""

    snapshots: tuple[Snapshot, ...]
    ended: tuple[str, ...] = ()


class VolumesSnapshotted:
    """`with: {instances: …}`; one instance a call, then one lock a call."""

    name: ClassVar[str] = "volumes-snapshotted"
    reads: ClassVar[tuple[Op, ...]] = tuple(
        AwsOp(service="ec2", operation=operation, resources=("*",), where="primary")
        for operation in ("describe_instances", "describe_snapshots", "describe_locked_snapshots")
    )
    calls: ClassVar[tuple[Op, ...]] = (
        AwsOp(
            service="ec2",
            operation="create_snapshots",
            resources=(f"{_EC2}:instance/*", f"{_EC2}:volume/*", _SNAPSHOTS),
            where="primary",
        ),
        # Tags that are given with what is made want a right of their own.
        AwsOp(
            service="ec2",
            operation="create_tags",
            resources=(_SNAPSHOTS,),
            where="primary",
            batch="create_snapshots",
        ),
        AwsOp(service="ec2", operation="lock_snapshot", resources=(_SNAPSHOTS,), where="primary"),
    )

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Taken | Refused | NoData:
        wanted, region = listed(target.params["instances"]), policy.platform.regions.primary
        if not wanted:
            return Taken(())
        named = [{"Name": "instance-id", "Values": list(wanted)}]
        there = reader.aws("ec2", region, "describe_instances", Filters=named)
        if not isinstance(there, Mapping):
            return there
        states = {i["InstanceId"]: i["State"]["Name"] for r in there["Reservations"] for i in r["Instances"]}
        ours = [{"Name": f"tag:{TAG}", "Values": [target.incident]}]
        found = reader.aws("ec2", region, "describe_snapshots", OwnerIds=["self"], Filters=ours)
        if not isinstance(found, Mapping):
            return found
        ids = [str(s["SnapshotId"]) for s in found["Snapshots"]]
        locked = reader.aws("ec2", region, "describe_locked_snapshots", SnapshotIds=ids) if ids else {"Snapshots": ()}
        if not isinstance(locked, Mapping):
            return locked
        held = {s["SnapshotId"] for s in locked["Snapshots"] if s["LockState"] != "expired"}
        rows = [
            Snapshot(
                id=str(s["SnapshotId"]),
                instance={t["Key"]: t["Value"] for t in s.get("Tags", ())}.get(OF, ""),
                volume=str(s["VolumeId"]),
                state=str(s["State"]),
                locked=s["SnapshotId"] in held,
            )
            for s in found["Snapshots"]
        ]
        ended = tuple(i for i in wanted if states.get(i, "terminated") == "terminated")
        return Taken(tuple(sorted(rows, key=lambda s: s.id)), ended)

    def next(self, target: Target, policy: Policy, facts: Taken | Refused | NoData, now: datetime) -> Next:
        if not isinstance(facts, Taken):
            return silent(facts)
        wanted = listed(target.params["instances"])
        if not wanted:
            return Done(because="no instance was chosen, so no volume is kept")
        have = {s.instance for s in facts.snapshots}
        for instance in wanted:
            if instance not in have and instance not in facts.ended:
                because = f"there is no snapshot of the volumes of {instance} by this incident"
                return Act(because=because, call=_take(target, policy, instance))
        if failed := [s.id for s in facts.snapshots if s.state == "error"]:
            return Stuck(because=f"EC2 calls {', '.join(failed)} failed: take snapshots by hand, or end the step")
        if loose := [s for s in facts.snapshots if not s.locked]:
            because = f"snapshot {loose[0].id} of {loose[0].volume} could be deleted"
            return Act(because=because, call=_lock(policy, loose[0].id))
        if pending := [s.id for s in facts.snapshots if s.state != "completed"]:
            return Wait(because=f"{', '.join(pending)} are taken and not complete yet", again_in=AGAIN)
        late = f"; {', '.join(facts.ended)} had ended, and had no volumes" if facts.ended else ""
        names = ", ".join(f"{s.id} of {s.volume}" for s in facts.snapshots) or "nothing"
        return Done(because=f"kept and locked are {names}{late}", facts={"snapshots": float(len(facts.snapshots))})


def _take(target: Target, policy: Policy, instance: str) -> Call:
    tags = [{"Key": TAG, "Value": target.incident}, {"Key": OF, "Value": instance}]
    return Call(
        system="aws",
        service="ec2",
        region=policy.platform.regions.primary,
        operation="create_snapshots",
        params={
            "InstanceSpecification": {"InstanceId": instance},
            "Description": f"evidence of {target.incident}"[:255],
            "TagSpecifications": [{"ResourceType": "snapshot", "Tags": tags}],
        },
        until=f"snapshots with the tag of {instance} are there",
        reversible=True,
    )


def _lock(policy: Policy, snapshot: str) -> Call:
    lock = containment_of(policy).evidence.lock
    return Call(
        system="aws",
        service="ec2",
        region=policy.platform.regions.primary,
        operation="lock_snapshot",
        params={"SnapshotId": snapshot, "LockMode": lock.mode.lower(), "LockDuration": lock.days},
        until=f"{snapshot} is locked for {lock.days} days",
        reversible=True,
    )
