"""What RDS tells of its instances afterwards: failovers, of the category `failover`.

Source: docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_Events.Messages.html (RDS-EVENT-0013 and -0049; the API
shows message and category, and no number), …/APIReference/API_DescribeEvents.html (the last hour, or from `StartTime`;
`SourceIdentifier` wants `SourceType`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from drctl.neighbours.aws import AwsError
from drctl.neighbours.rds.instance import Instance

STARTED: Final = "Multi-AZ instance failover started."
COMPLETED: Final = "Multi-AZ instance failover completed"
CATEGORY: Final = "failover"
LAST: Final = timedelta(hours=1)


class Told(NamedTuple):
    """One event of one instance."""

    of: Instance
    at: datetime
    message: str


class Events:
    """All of them, oldest first."""

    def __init__(self) -> None:
        self._told: list[Told] = []

    def add(self, instance: Instance, at: datetime, message: str) -> None:
        """It happened then."""
        self._told.append(Told(instance, at, message))

    def shown(self, region: str, account: str, params: Mapping[str, Any], now: datetime) -> list[dict[str, Any]]:
        """DescribeEvents' list."""
        name, kind = params.get("SourceIdentifier"), params.get("SourceType")
        if name and not kind:
            message = "If SourceIdentifier is supplied, SourceType must also be provided."
            raise AwsError("InvalidParameterCombination", message)
        since = params.get("StartTime") or now - LAST
        wanted = CATEGORY in params.get("EventCategories", (CATEGORY,)) and kind in (None, "db-instance")
        return [
            {
                "SourceIdentifier": told.of.identifier,
                "SourceType": "db-instance",
                "Message": told.message,
                "EventCategories": [CATEGORY],
                "Date": told.at,
            }
            for told in self._told
            if wanted and (told.of.region, told.of.account) == (region, account)
            if name in (None, told.of.identifier) and told.at >= since
        ]
