"""policies/scenarios.yaml: the scenario matrix and the failure categories."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Literal

from pydantic import Field

from chalicelib.policy.base import Duration, Name, Row


class Severity(StrEnum):
    """From the scenario matrix; the order of the members is their rank."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for low to 3 for critical."""
        return _RANKS[self]


_RANKS: Final = {severity: rank for rank, severity in enumerate(Severity)}


class Automation(StrEnum):
    """How much of a scenario's failover may run without a person."""

    YES = "yes"
    PARTIAL = "partial"
    NO = "no"


class ScopeKind(StrEnum):
    """What a scenario's incident is about; a scope is a path from the region down."""

    PLATFORM = "platform"
    REGION = "region"
    ZONE = "zone"
    CLUSTER = "cluster"
    DATABASE = "database"
    SERVICE = "service"


class Scenario(Row):
    """What an incident can be of: a row of the scenario matrix, or a case that is recovered in a way of its own.
    `recovery_time` is None where it is variable.
    """

    name: Name
    display: str
    severity: Severity
    automatic: Automation
    by: str = Field(description="what recovers it by itself, or empty")
    manual: bool
    recovery_time_min: Duration | None = None
    recovery_time: Duration | None = None
    scope: ScopeKind
    belongs_to: Name | None = Field(
        default=None, description="the row of the matrix that this one is a case of; left out for the rows themselves"
    )
    customer_text: str = Field(description="how the status page names it; no internal name, host or identifier")
    rests: bool = Field(
        default=True, description="whether nothing moves by itself there for the block window after its recovery"
    )
    returns: bool = Field(
        default=False, description="it takes a failover back: only a person begins it, and only after one"
    )
    planned: bool = Field(default=False, description="a person does it on purpose: the status page shows Maintenance")

    @property
    def recovered_by_runbook(self) -> bool:
        """Whether its recovery time is what its runbook takes, and not what something else recovers it in."""
        return self.automatic is not Automation.YES

    @property
    def held_to_rto(self) -> bool:
        """Whether a tier's RTO is promised in it: a promise about failures that the responder recovers. In a planned
        move nothing has failed; where every step waits for a person no tier's RTO can hold.
        """
        return not self.planned and self.automatic is not Automation.NO


class Case(Row):
    """One case of the failure categories, with what is meant to recover it."""

    name: Name
    category: Literal["infrastructure", "data", "application"]
    scenario: Name
    recovery: tuple[str, ...]


class Scenarios(Row):
    """The matrix and the cases."""

    scenarios: tuple[Scenario, ...]
    cases: tuple[Case, ...]
