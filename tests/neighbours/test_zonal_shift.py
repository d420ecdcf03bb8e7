from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from drctl.neighbours.aws import Aws
from drctl.neighbours.aws_clients import make_client
from drctl.neighbours.zonal_shift import ZonalShifts

ACCOUNT = "111122223333"
ALB = f"arn:aws:elasticloadbalancing:us-east-1:{ACCOUNT}:loadbalancer/app/api/50dc6c495c0c9188"
ZONES = ("use1-az1", "use1-az2", "use1-az4")
START = datetime(2026, 1, 1, tzinfo=UTC)


class World:
    """One registered load balancer, and a client that speaks botocore's own protocol."""

    def __init__(self) -> None:
        self.now = START
        self.told: list[Mapping[str, float]] = []
        self.model = ZonalShifts(lambda: self.now, 10.0, on_weights=lambda _, weights: self.told.append(weights))
        self.model.add(ALB, ZONES, account=ACCOUNT)
        self.client = self.of("us-east-1")

    def of(self, region: str, account: str = ACCOUNT) -> Any:
        aws = Aws({"arc-zonal-shift": self.model}, clock=lambda: self.now)
        return make_client(aws, "arc-zonal-shift", region, account=account)

    def start(self, **more: Any) -> Any:
        wanted = {"resourceIdentifier": ALB, "awayFrom": "use1-az1", "expiresIn": "2h", "comment": "incident-1"}
        return self.client.start_zonal_shift(**(wanted | more))

    def looked(self) -> Any:
        return self.client.get_managed_resource(resourceIdentifier=ALB)


@pytest.fixture
def world() -> World:
    return World()


def refused(call: Any, **params: Any) -> tuple[int, str, str]:
    with pytest.raises(ClientError) as caught:
        call(**params)
    answer: Any = caught.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"], str(answer.get("reason", ""))


@pytest.mark.parametrize(
    ("more", "status", "code", "reason"),
    [
        ({"awayFrom": "us-east-1a"}, 400, "ValidationException", "InvalidAz"),
        ({"awayFrom": "use1-az3"}, 400, "ValidationException", "InvalidAz"),
        ({"expiresIn": "1h30m"}, 400, "ValidationException", "InvalidExpiresIn"),
        ({"expiresIn": "73h"}, 400, "ValidationException", "InvalidExpiresIn"),
        ({"expiresIn": "0m"}, 400, "ValidationException", "InvalidExpiresIn"),
        ({"comment": "x" * 129}, 400, "ValidationException", "MissingValue"),
        ({"resourceIdentifier": f"{ALB}0"}, 404, "ResourceNotFoundException", ""),
    ],
)
def test_what_cannot_be_shifted_is_refused(
    world: World, more: dict[str, str], status: int, code: str, reason: str
) -> None:
    assert refused(world.start, **more) == (status, code, reason)
    assert world.looked()["zonalShifts"] == []


def test_a_resource_is_known_in_its_region_and_account_alone(world: World) -> None:
    for client in (world.of("us-west-2"), world.of("us-east-1", "444455556666")):
        assert refused(client.get_managed_resource, resourceIdentifier=ALB)[1] == "ResourceNotFoundException"
        assert client.list_managed_resources()["items"] == []


def test_a_second_shift_of_one_resource_is_a_conflict_whatever_the_zone(world: World) -> None:
    first = world.start()["zonalShiftId"]
    with pytest.raises(ClientError) as caught:
        world.start(awayFrom="use1-az2")
    answer: Any = caught.value.response
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 409
    assert (answer["reason"], answer["zonalShiftId"]) == ("ZonalShiftAlreadyExists", first)
    assert world.looked()["appliedWeights"] == {"use1-az1": 0.0, "use1-az2": 1.0, "use1-az4": 1.0}


def test_a_shift_that_is_over_can_be_neither_extended_nor_canceled(world: World) -> None:
    shift = world.start()["zonalShiftId"]
    world.client.cancel_zonal_shift(zonalShiftId=shift)
    for call, more in ((world.client.cancel_zonal_shift, {}), (world.client.update_zonal_shift, {"expiresIn": "1h"})):
        assert refused(call, zonalShiftId=shift, **more) == (409, "ConflictException", "ZonalShiftStatusNotActive")
    assert refused(world.client.cancel_zonal_shift, zonalShiftId="0" * 8)[1] == "ResourceNotFoundException"


def test_a_shift_expires_by_itself_and_its_time_can_be_extended_from_now(world: World) -> None:
    shift = world.start(expiresIn="30m")
    assert shift["expiryTime"] == START + timedelta(minutes=3)
    world.now += timedelta(minutes=2)
    updated = world.client.update_zonal_shift(zonalShiftId=shift["zonalShiftId"], expiresIn="30m")
    assert updated["expiryTime"] == START + timedelta(minutes=5)
    world.now += timedelta(minutes=2.9)
    assert world.looked()["appliedWeights"]["use1-az1"] == 0.0
    world.now += timedelta(minutes=0.2)
    assert world.looked()["zonalShifts"] == []
    (listed,) = world.client.list_zonal_shifts(resourceIdentifier=ALB)["items"]
    assert listed["status"] == "EXPIRED"
    assert [w["use1-az1"] for w in world.told] == [0.0, 1.0]


def test_an_autoshift_stays_behind_a_shift_of_ours_and_a_practice_run_ends(world: World) -> None:
    world.model.autoshift(ALB, "use1-az2")
    assert world.looked()["appliedWeights"]["use1-az2"] == 0.0
    world.start()
    seen = world.looked()
    assert [a["appliedStatus"] for a in seen["autoshifts"]] == ["NOT_APPLIED"]
    assert seen["appliedWeights"] == {"use1-az1": 0.0, "use1-az2": 1.0, "use1-az4": 1.0}
    world.client.cancel_zonal_shift(zonalShiftId=seen["zonalShifts"][0]["zonalShiftId"])
    world.model.autoshift(ALB, None)
    world.model.practise(ALB, "use1-az2")
    assert world.looked()["zonalShifts"][0]["shiftType"] == "PRACTICE_RUN"
    world.start()
    (only,) = world.looked()["zonalShifts"]
    assert (only["awayFrom"], only["shiftType"]) == ("use1-az1", "ZONAL_SHIFT")
