"""The clock's look at a cluster's backup schedules, as a sight like any other: True, as policy says; False, not; None,
nobody could look, or nothing is asked of a cluster that does not serve.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from chalicelib.actions.contract import Reader
from chalicelib.actions.velero_schedules_kept import Standing, standing
from chalicelib.core.happened import Signal
from chalicelib.core.schedules import Place, drifts
from chalicelib.intake.probe import from_audit
from chalicelib.policy import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingSchedules:
    """The schedules of the cluster of a place. `serving` is the region that the traffic goes to."""

    place: Place
    policy: Policy
    reader: Reader
    serving: str
    failures: int = 1

    @property
    def source(self) -> str:
        return f"audit:{self.place}"

    def look(self, now: datetime) -> tuple[bool | None, str]:
        del now
        cluster = self.policy.platform.cluster(self.place)
        if cluster.region != self.serving:
            return None, f"{cluster.region} does not serve, so its schedules rest"
        found = standing(self.policy, self.place, self.reader)
        if not isinstance(found, Standing):
            return None, found.because
        adrift = drifts(self.policy, self.place, found.schedules)
        if not adrift:
            return True, f"cluster {cluster.name!r}: every schedule stands as policy says"
        return False, "; ".join(d.sentence() for d in adrift)

    def signal(self, healthy: bool | None, changed_at: datetime, reason: str) -> Signal:
        return from_audit(self.place, healthy=healthy, changed_at=changed_at, reason=reason)
