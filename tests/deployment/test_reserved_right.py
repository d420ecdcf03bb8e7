"""Who has reserved no capacity lets nobody ask for reservations; who has, only the function that looks."""

from __future__ import annotations

import pytest

from chalicelib import names
from chalicelib.policy import Policy
from drctl.deployment.permissions import document
from tests.crash.platform_in_process import POLICY
from tests.readiness.faults_of_capacity import reserving

RIGHT = "ec2:DescribeCapacityReservations"


@pytest.mark.parametrize("function", names.FUNCTIONS)
def test_reservations_are_asked_for_by_the_round_alone_and_only_where_policy_has_some(function: str) -> None:
    def granted(policy: Policy) -> bool:
        statements = document(policy, function)["Statement"]
        return RIGHT in {action for one in statements for action in one["Action"]}

    assert not granted(POLICY)
    assert granted(reserving()) is (function == "readiness")
