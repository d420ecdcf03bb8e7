from __future__ import annotations

import pytest

from tests.policy.broken import SHIPPED, Broken

RUNBOOKS = (SHIPPED / "runbooks.yaml").read_text()
BREACH = RUNBOOKS.partition("  - scenario: security-breach")[0].count("\n  - scenario: ")
STEPS = RUNBOOKS.partition("  - scenario: security-breach")[2].partition("\n  - scenario: ")[0]
PLATFORM = (SHIPPED / "platform.yaml").read_text()
REPOSITORIES = "  repositories:\n" + PLATFORM.partition("  repositories:\n")[2].partition("# yaml")[0]


def field(action: str) -> str:
    """Where a step of the breach's runbook names its action."""
    step = STEPS.partition(f"        action: {action}")[0].count("\n      - id: ") - 1
    return f"runbooks.yaml runbooks[{BREACH}].steps[{step}].action"


@pytest.mark.parametrize(
    ("action", "part", "text"),
    [
        ("databases-kept", "databases", "  databases: { sides: [primary, replica], retention_days: 35 }\n"),
        ("images-kept", "repositories", REPOSITORIES),
    ],
)
def test_a_step_that_policy_names_nothing_for_is_told(broken: Broken, action: str, part: str, text: str) -> None:
    broken.edit("platform", text, "").says(
        "containment-stands-ready",
        field(action),
        at=f"action: {action}",
        found=action,
        allowed=f"this one goes by containment.{part}",
        because="would contain nothing",
    )


def test_without_a_containment_every_step_that_leans_on_it_is_told(broken: Broken) -> None:
    whole = "containment:\n" + PLATFORM.partition("\ncontainment:\n")[2].partition("# yaml")[0]
    found = broken.edit("platform", whole, "").findings("containment-stands-ready")
    told = {f.found for f in found}
    assert told >= {"instances-quarantined", "subnets-quarantined", "logs-kept", "objects-kept", "databases-kept"}
    assert {f.severity for f in found} == {"error"}


@pytest.mark.parametrize("wrong", ["retention_days: 36", "retention_days: 0"])
def test_a_retention_that_rds_does_not_have_is_refused(broken: Broken, wrong: str) -> None:
    broken.edit("platform", "retention_days: 35", wrong)
    (finding,) = broken.findings()
    assert finding.field == "containment.databases.retention_days"
