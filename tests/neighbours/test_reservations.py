"""Capacity reservations as boto3 sees them: what is asked wrongly is refused, and one ends in its time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from drctl.neighbours.aws import Aws
from drctl.neighbours.aws_clients import make_client
from drctl.neighbours.ec2 import Ec2

ACCOUNT, OTHER = "111122223333", "444455556666"
T0 = datetime(2026, 11, 26, tzinfo=UTC)
WEST, EAST = "us-west-2", "us-east-1"


class House:
    """EC2 with two reservations of one account, one of another."""

    def __init__(self) -> None:
        self.now = T0
        self.ec2 = Ec2(clock=lambda: self.now)
        self.aws = Aws({"ec2": self.ec2}, clock=lambda: self.now)
        kept = self.ec2.reservations
        self.ending = kept.add(WEST, "us-west-2a", "m7g.large", 3, account=ACCOUNT, ends=T0 + timedelta(days=1))
        self.lasting = kept.add(WEST, "us-west-2b", "m7g.xlarge", 2, account=ACCOUNT)
        kept.add(WEST, "us-west-2a", "m7g.large", 9, account=OTHER)

    def asked(self, region: str = WEST, **params: Any) -> list[dict[str, Any]]:
        client = make_client(self.aws, "ec2", region, account=ACCOUNT)
        rows: list[dict[str, Any]] = client.describe_capacity_reservations(**params)["CapacityReservations"]
        return rows


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"CapacityReservationIds": ["cr-0123456789abcdef0"]}, "InvalidCapacityReservationId.NotFound"),
        ({"Filters": [{"Name": "colour", "Values": ["blue"]}]}, "InvalidParameterValue"),
    ],
)
def test_what_is_not_there_and_what_is_no_filter_is_refused(params: dict[str, Any], code: str) -> None:
    with pytest.raises(ClientError) as refused:
        House().asked(**params)
    assert refused.value.response["Error"]["Code"] == code


def test_one_sees_ones_own_of_the_region_that_is_asked() -> None:
    house = House()
    assert {r["CapacityReservationId"] for r in house.asked()} == {house.ending.identifier, house.lasting.identifier}
    assert house.asked(EAST) == []
    large = house.asked(Filters=[{"Name": "instance-type", "Values": ["m7g.large"]}])
    assert [(r["AvailabilityZone"], r["OwnerId"]) for r in large] == [("us-west-2a", ACCOUNT)]


def test_what_runs_in_one_is_not_available_any_more() -> None:
    house = House()
    house.lasting.used = 1
    (found,) = house.asked(CapacityReservationIds=[house.lasting.identifier])
    assert (found["State"], found["TotalInstanceCount"], found["AvailableInstanceCount"]) == ("active", 2, 1)
    assert found["EndDateType"] == "unlimited"
    assert "EndDate" not in found


def test_at_its_end_it_is_expired_and_keeps_nothing() -> None:
    house = House()
    house.now = T0 + timedelta(days=1)
    (found,) = house.asked(Filters=[{"Name": "state", "Values": ["expired"]}])
    assert (found["CapacityReservationId"], found["AvailableInstanceCount"]) == (house.ending.identifier, 0)
    assert (found["EndDateType"], found["EndDate"]) == ("limited", T0 + timedelta(days=1))
