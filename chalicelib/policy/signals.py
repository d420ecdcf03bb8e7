"""policies/signals.yaml: who observes what, and how much of it makes an incident."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import cached_property
from typing import Annotated, Final, Literal

from pydantic import Field

from chalicelib.policy.accounts import AccountId
from chalicelib.policy.base import Duration, Name, Row
from chalicelib.policy.platform import Region

Topic = Annotated[str, Field(pattern=r"^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+(\.fifo)?$")]

ROUTE53_METRICS: Final = "AWS/Route53"
ROUTE53_METRICS_REGION: Final = "us-east-1"
"""Where health checks' metrics are, wherever the platform stands, and so every alarm over one.
https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/monitoring-health-checks.html
"""
CHECKER_REGIONS: Final = (
    *("us-east-1", "eu-west-1", "ap-southeast-1", "sa-east-1"),
    *("ap-northeast-1", "ap-southeast-2", "us-west-1", "us-west-2"),
)
"""Where Route 53's checkers can stand, continents first.
https://docs.aws.amazon.com/Route53/latest/APIReference/API_HealthCheckConfig.html
"""

HEALTH_BACKUP: Final = {"us-west-2": "us-east-1"}
"""Region → the other one that its public Health events are sent to as well, where that is not HEALTH_BACKUP_REGION.
https://docs.aws.amazon.com/health/latest/ug/about-public-events.html
"""
HEALTH_BACKUP_REGION: Final = "us-west-2"


class HealthCheck(Row):
    """The Route 53 health check of the platform's public endpoint. Evidence only; it hangs on no record."""

    url: Annotated[str, Field(pattern=r"^https?://")]
    interval: Duration
    failures: Annotated[int, Field(ge=1, le=10)]
    regions: tuple[Region, ...]
    alarm: str = Field(description=f"the CloudWatch alarm over its HealthCheckStatus, in {ROUTE53_METRICS_REGION}")


class Alarm(Row):
    """A CloudWatch alarm of the platform and the metric it reads. `publisher` says who writes the metric."""

    name: str
    region: Region
    namespace: str
    metric: str
    statistic: Literal["Average", "Maximum", "Minimum", "Sum", "SampleCount"]
    comparison: Literal[
        "LessThanThreshold",
        "LessThanOrEqualToThreshold",
        "GreaterThanThreshold",
        "GreaterThanOrEqualToThreshold",
    ]
    threshold: float
    period: Duration
    evaluation_periods: Annotated[int, Field(ge=1)]
    missing: Literal["missing", "breaching", "notBreaching", "ignore"]
    dimensions: dict[str, str] = Field(default_factory=dict, description="name → value, of the metric that it reads")
    publisher: str


class CompositeAlarm(Row):
    """An alarm over other alarms; it has no metric. `rule` is CloudWatch's AlarmRule."""

    name: str
    region: Region
    rule: str


class Probe(Row):
    """The responder's own look at the primary, at the region's own address, from `region`."""

    name: Name
    region: Region
    target: Region
    interval: Duration
    failures: Annotated[int, Field(ge=1)]
    timeout: Duration


class Heartbeats(Row):
    """The primary's heartbeat and the witness's control heartbeat, which tells its silence from the messenger's."""

    every: Duration
    silent_after: Duration
    lease: Duration = Field(description="how long the primary may take writes after it last renewed its lease")


class Flapping(Row):
    """An observer that changes its mind so often in that time counts towards no quorum until it has been steady."""

    changes: Annotated[int, Field(ge=2)] = 4
    within: Duration


class HealthSource(Row):
    """AWS Health events of one region that are evidence. They name a region and a service, and no availability zone.

    An open one is Bad and a closed one Good, each for as long as it counts; without one there is no data.
    """

    name: Name
    region: Region = Field(description="the region that the events are about, `detail.eventRegion`")
    services: tuple[Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")], ...] = Field(
        min_length=1, description="`detail.service`, such as EC2 or MULTIPLE_SERVICES"
    )
    categories: tuple[Literal["issue", "investigation", "accountNotification", "scheduledChange"], ...] = ("issue",)
    counts_for: Duration = Field(description="how long AWS's word counts after it was last updated")

    def fits(self, region: str | None, service: str, category: str) -> bool:
        """Whether an event is one of these."""
        return region == self.region and service in self.services and category in self.categories


class FindingSource(Row):
    """GuardDuty findings that are evidence: of these types, and of this severity or more.

    One that is there is Bad for as long as it counts. None is ever Good: that nothing was found proves nothing, and an
    archived one was put away by somebody, who may be the intruder.
    """

    name: Name
    regions: tuple[Region, ...] = Field(min_length=1, description="where GuardDuty is listened to")
    types: tuple[Annotated[str, Field(pattern=r"^[A-Za-z]+:[^*\s]*\*?$")], ...] = Field(
        min_length=1, description="`detail.type`, whole or with a * at its end: UnauthorizedAccess:IAMUser/*"
    )
    severity: Annotated[float, Field(ge=1, le=10)] = Field(
        description="the least: 1 low, 4 medium, 7 high, 9 critical, as GuardDuty has them"
    )
    counts_for: Duration = Field(description="how long a finding counts after it was last updated")

    def fits(self, region: str | None, type_: str, severity: float) -> bool:
        """Whether a finding is one of these."""
        return region in self.regions and severity >= self.severity and any(_like(type_, t) for t in self.types)


def heard_in(row: HealthSource | FindingSource) -> tuple[str, ...]:
    """Where such events are sent to: findings where they are made, Health events to a second region as well."""
    if isinstance(row, FindingSource):
        return row.regions
    return row.region, HEALTH_BACKUP.get(row.region, HEALTH_BACKUP_REGION)


def _like(type_: str, pattern: str) -> bool:
    return type_.startswith(pattern[:-1]) if pattern.endswith("*") else type_ == pattern


class Observer(Row):
    """One independent witness of a scenario: what speaks for it, such as alarms, a probe or AWS's own word.

    Several alarms of one observer are one voice: it is Bad when any of them is. So are several events.
    """

    name: Name
    alarms: tuple[str, ...] = ()
    probe: Name | None = None
    heartbeat: Literal["primary"] | None = None
    audit: Literal["primary", "standby"] | None = Field(
        default=None, description="the cluster whose backup schedules are compared with backups.yaml"
    )
    health: Name | None = None
    findings: Name | None = None
    opens: bool = Field(
        default=True, description="whether its word opens an incident; else it only counts towards a quorum"
    )


class Waiting(Row):
    """For incidents of which scenario below its scope a suspicion waits, and how long since the failure began."""

    scenario: Name
    at_most: Duration
    listens: Duration = Field(
        default=timedelta(),
        description="how long it lets such an incident open in the first place, since its own evidence is enough",
    )


class Rule(Row):
    """What makes an incident of a scenario: at least `quorum` observers Bad, for `hold`.

    `opens` of them are enough to open the incident in doubt (state `suspecting`).
    """

    scenario: Name
    scope: str = Field(description="a scope path; {region} and {service} are filled in from the signal")
    observers: tuple[Observer, ...]
    opens: Annotated[int, Field(ge=1)] = 1
    quorum: Annotated[int, Field(ge=1)] = 1
    hold: Duration
    speaks_for: tuple[str, ...] = Field(
        default=(),
        description="other scopes that such an incident explains, each just as it is and nothing below it",
    )
    waits: Waiting | None = Field(
        default=None,
        description="before it is confirmed: for an open incident of that scenario below, while all else there is good",
    )
    clear_after: Duration = Field(description="how long all must be Good before a suspicion is cleared")


class Signals(Row):
    """The health check, the alarms, the probes, and the rules that read them."""

    health_check: HealthCheck
    alarms: tuple[Alarm, ...]
    composites: tuple[CompositeAlarm, ...] = ()
    probes: tuple[Probe, ...]
    health: tuple[HealthSource, ...] = Field(default=(), description="AWS Health events that are evidence")
    findings: tuple[FindingSource, ...] = Field(default=(), description="GuardDuty findings that are evidence")
    heartbeats: Heartbeats
    flapping: Flapping
    rules: tuple[Rule, ...]
    accounts: tuple[AccountId, ...] = Field(
        default=(), description="accounts whose alarms and events are believed beside the platform's own"
    )
    topics: tuple[Topic, ...] = Field(
        default=(), description="topics whose events are believed beside the one that is deployed with the responder"
    )
    ask_alarms_every: Duration = Field(description="how often the states of an open incident's alarms are asked for")

    def awaited(self, rule: Rule) -> tuple[Rule, ...]:
        """The rules for whose incidents this one's suspicion may wait."""
        if rule.waits is None:
            return ()
        wanted, below = rule.waits.scenario, rule.scope + "/"
        return tuple(r for r in self.rules if r.scenario == wanted and r.scope.startswith(below))

    @property
    def event_regions(self) -> tuple[str, ...]:
        """Where AWS services' events are listened to."""
        rows: tuple[HealthSource | FindingSource, ...] = (*self.health, *self.findings)
        return tuple(dict.fromkeys(r for row in rows for r in heard_in(row)))

    @cached_property
    def regions(self) -> Mapping[str, str]:
        """Alarm name → where it stands, composite alarms too."""
        return {a.name: a.region for a in self.alarms} | {c.name: c.region for c in self.composites}
