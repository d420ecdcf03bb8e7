"""Snapshots of instances (*api*, CreateDBSnapshot, DescribeDBSnapshots; sources in service.py)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from drctl.neighbours.aws import AwsError
from drctl.neighbours.rds.instance import BACKUP, Instance, Snapshot


class Snapshots:
    """All there are, of every region and account. They outlive what they are of."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._kept: list[Snapshot] = []

    def take(self, instance: Instance, identifier: str, now: datetime, tags: dict[str, str]) -> Snapshot:
        """One of this name, ready after a while; AwsError DBSnapshotAlreadyExists."""
        if any(s.identifier == identifier for s in self._in(instance.region, instance.account)):
            raise AwsError(
                "DBSnapshotAlreadyExists", f"Cannot create the snapshot because {identifier} already exists."
            )
        ready = now + timedelta(seconds=BACKUP[0].seconds) / self._speed
        made = Snapshot(identifier, instance, "manual", now, ready, tags)
        self._kept.append(made)
        return made

    def find(self, region: str, account: str, params: Mapping[str, Any]) -> list[Snapshot]:
        """By snapshot, by instance, by type, or all; AwsError DBSnapshotNotFound for a name that is not there."""
        name, of = params.get("DBSnapshotIdentifier"), params.get("DBInstanceIdentifier")
        found = [s for s in self._in(region, account) if name is None or name in (s.identifier, s.arn)]
        if name is not None and not found:
            raise AwsError("DBSnapshotNotFound", f"DBSnapshot {name} not found.")
        found = [s for s in found if of in (None, s.of.identifier)]
        return [s for s in found if params.get("SnapshotType") in (None, s.kind)]

    def by_arn(self, region: str, arn: str) -> Snapshot | None:
        return next((s for s in self._kept if s.arn == arn and s.of.region == region), None)

    def _in(self, region: str, account: str) -> list[Snapshot]:
        return [s for s in self._kept if (s.of.region, s.of.account) == (region, account)]
