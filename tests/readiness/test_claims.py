"""What is said of claims that are not sound: the command that mends them is one that there is."""

from __future__ import annotations

from datetime import UTC, datetime

from chalicelib.actions.infrastructure_sound import Soundness
from chalicelib.readiness.infrastructure import ClaimsJudge
from tests.crash.platform_in_process import POLICY

NOW = datetime(2026, 11, 27, tzinfo=UTC)


def said(name: str) -> str:
    rows = {r.name: r for r in POLICY.services.infrastructure}
    facts = {r.name: Soundness(r.display, 1, way_back=r.way_back) for r in rows.values()}
    lost = Soundness(rows[name].display, 0, ("claim 'c' is Lost, expected Bound",), rows[name].way_back)
    return dict(ClaimsJudge().judge({**facts, name: lost}, POLICY, NOW))[rows[name].display].because


def test_each_way_back_is_named_with_the_scenario_and_the_scope_that_are_declared_for_it() -> None:
    assert said("ebs-volumes").endswith(
        "the way back is volumes-attached (drctl declare node-failure us-east-1/cluster) or velero-restore or "
        "velero-missing (drctl declare accidental-deletion us-east-1/deletions)"
    )


def test_a_claim_that_is_lost_is_deleted_before_velero_is_asked_for_it() -> None:
    assert "a claim that is Lost is deleted first, since Velero leaves what exists as it is" in ClaimsJudge.mend
