"""Nothing internal ever appears on the public page: every scenario of the shipped policy, at every stage."""

from __future__ import annotations

import re

import pytest

from chalicelib.core.plan import plan
from chalicelib.reports.statuspage.render import files
from tests.reports.pages import LEVELS, POLICY, real


def scopes() -> list[tuple[str, str]]:
    platform = POLICY.platform
    scope = {
        "platform": platform.name,
        "region": platform.regions.primary,
        "zone": f"{platform.regions.primary}/{platform.regions.primary}a",
        "cluster": f"{platform.regions.primary}/{platform.clusters.primary.name}",
        "database": f"{platform.regions.primary}/{platform.database.primary.instance}",
        "service": f"{platform.regions.primary}/api-gateway",
    }
    told = [s for s in POLICY.scenarios.scenarios if POLICY.runbook(s.name) and s.severity.rank]
    # What takes a move back begins where the move has led.
    return [(s.name, platform.regions.standby if s.returns else scope[s.scope.value]) for s in told]


def internal(scenario: str) -> set[str]:
    """Every name, host and identifier of the policy that is not a word written for customers."""
    platform = POLICY.platform
    clusters = [c for c in (platform.clusters.primary, platform.clusters.standby, platform.clusters.tertiary) if c]
    steps = plan(scenario, policy=POLICY).steps
    names = {
        platform.account,
        *(r for r in (platform.regions.primary, platform.regions.standby, platform.regions.witness)),
        *(c.name for c in clusters),
        *(c.region for c in clusters),
        platform.database.primary.instance,
        platform.database.replica.instance,
        platform.database.credentials_secret,
        platform.application_secret.name,
        platform.traffic.record,
        *(e.url for e in platform.endpoints),
        platform.responder.table,
        platform.responder.status_bucket,
        *filter(None, [platform.responder.operators_bucket]),
        *(s.id for s in steps if s.id not in ("traffic", "open", "follow")),  # words of the page itself
        *(s.action for s in steps),
        *(s.title for s in steps),
        *(c.name for c in POLICY.notifications.channels if c.name != "status-page"),
        *(s.name for s in POLICY.scenarios.scenarios),
        "PostgreSQL", "Redis", "Velero", "Route 53", "Kubernetes", "Karpenter", "EKS", "RDS", "AWS", "arn:", "oncall/",
    }  # fmt: skip
    components = {s.component for s in POLICY.services.services if s.component}
    for service in POLICY.services.services:
        names |= {service.name, service.display} - components - {c.lower() for c in components}
    return names


@pytest.mark.parametrize(("scenario", "scope"), scopes())
@pytest.mark.parametrize(("progress", "over"), [(0, False), (3, False), (1000, False), (1000, True)])
def test_no_internal_name_is_on_any_file_of_the_page(scenario: str, scope: str, progress: int, over: bool) -> None:
    page = real(scenario, scope, progress=progress, over=over)
    assert page.incidents, "the incident is on the page, or this test looks at nothing"
    for file in files(page, LEVELS):
        text = file.body.decode()
        found = sorted(n for n in internal(scenario) if re.search(rf"(?<![\w-]){re.escape(n)}(?![\w-])", text))
        assert found == [], f"{file.key} shows {found}"


def test_the_search_for_internal_names_finds_one_that_is_there() -> None:
    assert re.search(rf"(?<![\w-]){re.escape('us-east-1')}(?![\w-])", "at us-east-1.")
    assert {"us-east-1", "neurectomy-pg", "api-gateway", "restore-redis", "111122223333"} <= internal("region-failure")
