"""What a policy has worked out once is what it would work out anew, and no copy keeps what its former self knew."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from chalicelib.policy.load import load
from chalicelib.policy.scenarios import Severity

POLICY = load(Path(__file__).parents[2] / "policies")
SERVICES = POLICY.services


def test_an_rto_is_the_tightest_of_what_leans_on_it_however_often_it_is_asked() -> None:
    for service in SERVICES.services:
        of = {t.tier: t.rto for t in SERVICES.tiers}
        wanted = min(of[s.tier] for s in (service, *SERVICES.leaners(service.name)))
        assert [SERVICES.rto(service), SERVICES.rto(service)] == [wanted, wanted]


def test_a_copy_with_other_tiers_has_other_rtos() -> None:
    service = SERVICES.services[0]
    assert SERVICES.rto(service) > timedelta(seconds=1)
    tiers = tuple(t.model_copy(update={"rto": timedelta(seconds=1)}) for t in SERVICES.tiers)
    assert SERVICES.model_copy(update={"tiers": tiers}).rto(service) == timedelta(seconds=1)


def test_a_service_of_a_tier_that_is_not_there_leaves_the_others_their_rto() -> None:
    fine, wrong = SERVICES.services[0], SERVICES.services[-1].model_copy(update={"name": "alone", "tier": 9})
    table = SERVICES.model_copy(update={"services": (*SERVICES.services, wrong)})
    with pytest.raises(KeyError):
        table.rto(wrong)
    assert table.rto(fine) == SERVICES.rto(fine)


def test_the_order_of_severities_is_their_rank() -> None:
    assert [s.rank for s in Severity] == [0, 1, 2, 3]
    assert Severity.LOW.rank < Severity.MEDIUM.rank < Severity.HIGH.rank < Severity.CRITICAL.rank


def test_what_was_worked_out_is_no_part_of_what_a_policy_is() -> None:
    again = load(Path(__file__).parents[2] / "policies")
    for service in POLICY.services.services:
        POLICY.services.rto(service)
    assert POLICY.signals.regions
    assert (again == POLICY, again.digest == POLICY.digest) == (True, True)
    assert again.model_dump() == POLICY.model_dump()
