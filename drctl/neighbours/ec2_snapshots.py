"""EBS volumes and their snapshots, of which only what evidence is made of: taken, found by tag, and locked.

Sources, named below by their short names:
- *create*: docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSnapshots.html (all volumes of an instance, tags)
- *describe*: …/API_DescribeSnapshots.html (filters `tag:<key>`; pending, then completed)
- *lock*: …/API_LockSnapshot.html (governance or compliance, 1 to 36,500 days), …/API_DescribeLockedSnapshots.html
- *errors*: …/errors-overview.html (InvalidSnapshot.NotFound, InvalidInstanceID.NotFound, InvalidParameterValue)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from drctl.neighbours.aws import AwsError

COMPLETE_AFTER: Final = timedelta(seconds=60)
LONGEST: Final = 36_500


@dataclass(slots=True)
class Snapshot:
    """One snapshot."""

    identifier: str
    region: str
    account: str
    volume: str
    started_at: datetime
    tags: Mapping[str, str]
    description: str = ""
    lock: dict[str, Any] = field(default_factory=dict)


class Snapshots:
    """Snapshots by id; `speed` divides how long one takes."""

    def __init__(self, clock: Callable[[], datetime], speed: float) -> None:
        self.clock, self.speed = clock, speed
        self.every: dict[str, Snapshot] = {}

    def take(self, region: str, account: str, volumes: list[str], params: Mapping[str, Any]) -> dict[str, Any]:
        """*create*, of the volumes of one instance."""
        tags = {
            t["Key"]: t["Value"]
            for spec in params.get("TagSpecifications", ())
            if spec.get("ResourceType") == "snapshot"
            for t in spec.get("Tags", ())
        }
        made = []
        for volume in volumes:
            name = f"snap-{len(self.every) + 1:017x}"
            description = params.get("Description", "")
            self.every[name] = Snapshot(name, region, account, volume, self.clock(), tags, description)
            made.append(self.every[name])
        return {"Snapshots": [self._shown(s) for s in made]}

    def describe_snapshots(self, region: str, account: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """*describe*."""
        found = [s for s in self.every.values() if (s.region, s.account) == (region, account)]
        for wanted in params.get("Filters", ()):
            name, values = wanted["Name"], set(wanted["Values"])
            if not name.startswith("tag:"):
                raise AwsError("InvalidParameterValue", f"The filter '{name}' is invalid")
            found = [s for s in found if s.tags.get(name.removeprefix("tag:")) in values]
        return {"Snapshots": [self._shown(s) for s in found]}

    def lock_snapshot(self, region: str, account: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """*lock*."""
        found = self._known(region, account, params["SnapshotId"])
        days, mode = params.get("LockDuration"), params["LockMode"]
        if mode not in ("governance", "compliance"):
            raise AwsError("InvalidParameterValue", f"Value ({mode}) for parameter lockMode is invalid.")
        if days is None and "ExpirationDate" not in params:
            raise AwsError("MissingParameter", "The request must contain LockDuration or ExpirationDate.")
        if days is not None and not 1 <= days <= LONGEST:
            raise AwsError("InvalidParameterValue", f"Value ({days}) for parameter lockDuration is invalid.")
        found.lock = {"LockState": mode, "LockDuration": days, "LockCreatedOn": self.clock()}
        return {"SnapshotId": found.identifier, **found.lock}

    def describe_locked_snapshots(self, region: str, account: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """*lock*: those of these that are locked."""
        ids = params.get("SnapshotIds") or [s.identifier for s in self.every.values() if s.region == region]
        known = [self._known(region, account, name) for name in ids]
        rows = [{"OwnerId": s.account, "SnapshotId": s.identifier, **s.lock} for s in known if s.lock]
        return {"Snapshots": rows}

    def _known(self, region: str, account: str, identifier: str) -> Snapshot:
        found = self.every.get(identifier)
        if found is None or (found.region, found.account) != (region, account):
            raise AwsError("InvalidSnapshot.NotFound", f"The snapshot '{identifier}' does not exist.")
        return found

    def _shown(self, snapshot: Snapshot) -> dict[str, Any]:
        done = self.clock() - snapshot.started_at >= COMPLETE_AFTER / self.speed
        return {
            "SnapshotId": snapshot.identifier,
            "VolumeId": snapshot.volume,
            "OwnerId": snapshot.account,
            "State": "completed" if done else "pending",
            "StartTime": snapshot.started_at,
            "Progress": "100%" if done else "12%",
            "Description": snapshot.description,
            "Tags": [{"Key": k, "Value": v} for k, v in snapshot.tags.items()],
        }
