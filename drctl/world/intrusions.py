"""What an intruder does in the local world, for `drctl break breach` and `drctl break ransomware`, and who says so.

GuardDuty has the finding, and says it by EventBridge; of what is written to a bucket S3's own request metrics tell
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/metrics-dimensions.html: PutRequests and DeleteRequests, by
BucketName and FilterId, once a minute).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from chalicelib.policy import Policy
from drctl.neighbours.ec2 import Ec2
from drctl.neighbours.guardduty import GuardDuty
from drctl.world import said
from drctl.world.folders import Folders

BREACH: Final = "UnauthorizedAccess:EC2/MaliciousIPCaller.Custom"
RANSOMWARE: Final = "Impact:S3/AnomalousBehavior.Write"
SEVERITY: Final = 8.0
KINDS: Final = ("breach", "ransomware")
FIELDS: Final = frozenset({"instance"})
DELETED: Final = 8
"""Every so manieth object is deleted, the others are overwritten: more than a busy minute of the bucket has."""


@dataclass(frozen=True, slots=True)
class Intrusion:
    """What was done, and how it ends."""

    what: str
    because: str
    end: Callable[[], None]


class Intrusions:
    """The intruders there are now."""

    def __init__(self, policy: Policy, ec2: Ec2, guardduty: GuardDuty, folders: Folders | None) -> None:
        self._policy, self._ec2, self._guardduty, self._folders = policy, ec2, guardduty, folders
        self.say: Callable[[said.Event], None] = lambda _: None
        self._requests: dict[str, int] = {}

    def breach(self, number: int, wanted: dict[str, Any]) -> Intrusion:
        """Somebody is in an instance: GuardDuty says so. ValueError with what is allowed."""
        instance = self._instance(wanted)
        end = self._found(number, BREACH, instance=instance)
        return Intrusion(instance, f"somebody is in it, and GuardDuty found {BREACH}", end)

    def ransomware(self, number: int, wanted: dict[str, Any]) -> Intrusion:
        """From an instance the artifacts are overwritten with what nobody can read, and some deleted."""
        if self._folders is None:
            raise ValueError("there are no buckets here to encrypt")
        instance, folder = self._instance(wanted), str(wanted.get("folder") or self._folders.default)
        key = hashlib.sha256(f"{number} {instance}".encode()).digest()
        overwritten, deleted, undo = self._folders.encrypt(folder, key, every=DELETED)
        bucket = folder.partition("/")[0]
        for metric, count in (("PutRequests", overwritten), ("DeleteRequests", deleted)):
            name = f"{metric}/{bucket}/EntireBucket"
            self._requests[name] = self._requests.get(name, 0) + count
        end = self._found(number, RANSOMWARE, bucket=bucket)
        also = self._found(number, BREACH, instance=instance)

        def mend() -> None:
            undo()
            end()
            also()

        because = f"{overwritten} objects below it are overwritten with what nobody can read, {deleted} are deleted"
        return Intrusion(folder, f"{because}, from {instance}", mend)

    def told(self) -> dict[str, float]:
        """S3's request metrics, by name, bucket and filter, of every bucket that was ever written to here: each request
        is told once, since the alarms add them up.
        """
        found = {name: float(count) for name, count in self._requests.items()}
        self._requests = dict.fromkeys(self._requests, 0)
        return found

    def _instance(self, wanted: dict[str, Any]) -> str:
        region = self._policy.platform.regions.primary
        every = sorted(
            i.identifier for i in self._ec2.instances.every.values() if (i.region, i.state) == (region, "running")
        )
        instance = str(wanted.get("instance") or next(iter(every), ""))
        if instance not in every:
            raise ValueError(f"instance is {instance!r}, allowed are {', '.join(every) or 'none'}")
        return instance

    def _found(self, number: int, kind: str, *, instance: str = "", bucket: str = "") -> Callable[[], None]:
        made = said.Finding(
            account=self._policy.platform.account,
            region=self._policy.platform.regions.primary,
            type=kind,
            severity=SEVERITY,
            number=number,
            began_at=datetime.now(UTC),
            instance=instance,
            bucket=bucket,
        )

        def tell(count: int, *, archived: bool) -> None:
            at = datetime.now(UTC)
            self._guardduty.found(made.kept(count=count, archived=archived, at=at))
            for event in made.said(count=count, archived=archived, at=at):
                self.say(event)

        tell(1, archived=False)
        return lambda: tell(2, archived=True)
