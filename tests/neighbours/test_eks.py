from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from drctl.neighbours.aws import Aws
from drctl.neighbours.aws_clients import make_client
from drctl.neighbours.eks import Eks

GROUP = {"clusterName": "west", "nodegroupName": "workers"}


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Told:
    def __init__(self) -> None:
        self.said: list[tuple[str, int]] = []

    def __call__(self, cluster: str, n: int) -> None:
        self.said.append((cluster, n))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def model(clock: Clock, told: Told) -> Eks:
    eks = Eks(clock, 10, on_nodes=told)
    groups = {"workers": (1, 2, 8), "gpu": (0, 0, 1)}
    eks.add("us-west-2", "west", endpoint="https://127.0.0.1:6443", certificate="Q0E=", nodegroups=groups)
    return eks


@pytest.fixture
def eks(model: Eks) -> Any:
    return make_client(Aws({"eks": model}), "eks", "us-west-2")


def refused(call: Any, **params: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**params)
    return str(caught.value.response["Error"]["Code"])


def test_nothing_is_found_in_the_wrong_region_or_account(model: Eks) -> None:
    aws = Aws({"eks": model})
    for client in (make_client(aws, "eks", "us-east-1"), make_client(aws, "eks", "us-west-2", account="9" * 12)):
        assert refused(client.describe_cluster, name="west") == "ResourceNotFoundException"
        assert refused(client.describe_nodegroup, **GROUP) == "ResourceNotFoundException"


def test_what_does_not_exist_is_not_found(eks: Any) -> None:
    assert refused(eks.describe_cluster, name="east") == "ResourceNotFoundException"
    assert refused(eks.list_nodegroups, clusterName="east") == "ResourceNotFoundException"
    assert refused(eks.describe_nodegroup, clusterName="west", nodegroupName="x") == "ResourceNotFoundException"
    assert refused(eks.describe_update, name="west", updateId="u") == "ResourceNotFoundException"
    found = refused(eks.describe_update, name="west", nodegroupName="workers", updateId="u")
    assert found == "ResourceNotFoundException"


@pytest.mark.parametrize(
    ("sizes", "because"),
    [
        ({"minSize": 3}, "Minimum capacity 3 can't be greater than desired size 2"),
        ({"desiredSize": 0}, "Minimum capacity 1 can't be greater than desired size 0"),
        ({"desiredSize": 9}, "desired capacity 9 can't be greater than max size 8"),
        ({"maxSize": 1}, "desired capacity 2 can't be greater than max size 1"),
    ],
)
def test_refuses_sizes_that_contradict_one_another_also_with_what_was_left_out(
    eks: Any, model: Eks, sizes: dict[str, int], because: str
) -> None:
    with pytest.raises(eks.exceptions.InvalidParameterException, match=because):
        eks.update_nodegroup_config(**GROUP, scalingConfig=sizes)
    assert eks.describe_nodegroup(**GROUP)["nodegroup"]["status"] == "ACTIVE"
    assert model.nodes("west") == 2


def test_refuses_an_update_while_another_one_runs(eks: Any, clock: Clock) -> None:
    eks.update_nodegroup_config(**GROUP, scalingConfig={"desiredSize": 4})
    clock.advance(1)
    call = eks.update_nodegroup_config
    assert refused(call, **GROUP, scalingConfig={"desiredSize": 5}) == "ResourceInUseException"
    clock.advance(0.5)
    assert eks.update_nodegroup_config(**GROUP, scalingConfig={"desiredSize": 5})["update"]["status"] == "InProgress"


def test_a_cluster_shows_how_to_reach_it(eks: Any) -> None:
    cluster = eks.describe_cluster(name="west")["cluster"]
    assert (cluster["status"], cluster["endpoint"]) == ("ACTIVE", "https://127.0.0.1:6443")
    assert cluster["certificateAuthority"] == {"data": "Q0E="}
    assert cluster["version"] == "1.34"
    assert eks.list_nodegroups(clusterName="west")["nodegroups"] == ["gpu", "workers"]


def test_an_update_is_over_before_its_nodes_are_there(eks: Any, model: Eks, clock: Clock, told: Told) -> None:
    update = eks.update_nodegroup_config(**GROUP, scalingConfig={"desiredSize": 6, "minSize": 2})["update"]
    assert (update["status"], update["type"]) == ("InProgress", "ConfigUpdate")
    assert {p["type"]: p["value"] for p in update["params"]} == {"DesiredSize": "6", "MinSize": "2"}
    assert eks.describe_nodegroup(**GROUP)["nodegroup"]["status"] == "UPDATING"
    clock.advance(1.5)
    found = eks.describe_update(name="west", nodegroupName="workers", updateId=update["id"])["update"]
    assert found["status"] == "Successful"
    group = eks.describe_nodegroup(**GROUP)["nodegroup"]
    assert (group["status"], group["scalingConfig"]) == ("ACTIVE", {"minSize": 2, "maxSize": 8, "desiredSize": 6})
    assert (model.nodes("west"), told.said) == (2, [])
    clock.advance(7.5)
    assert model.nodes("west") == 6
    assert told.said == [("west", 6)]
    assert model.nodes("west") == 6
    assert told.said == [("west", 6)]


def test_nodes_also_leave(eks: Any, model: Eks, clock: Clock, told: Told) -> None:
    eks.update_nodegroup_config(**GROUP, scalingConfig={"desiredSize": 1})
    clock.advance(9)
    eks.describe_cluster(name="west")
    assert told.said == [("west", 1)]
    assert model.nodes("west") == 1


def test_the_same_request_twice_is_one_update(eks: Any, model: Eks, clock: Clock) -> None:
    asked = {**GROUP, "scalingConfig": {"desiredSize": 3}, "clientRequestToken": "incident-1/capacity"}
    first = eks.update_nodegroup_config(**asked)["update"]["id"]
    clock.advance(60)
    eks.update_nodegroup_config(**GROUP, scalingConfig={"desiredSize": 4})
    assert eks.update_nodegroup_config(**asked)["update"]["id"] == first
    clock.advance(60)
    assert model.nodes("west") == 4


def test_a_copy_goes_its_own_way(eks: Any, model: Eks, clock: Clock) -> None:
    other = copy.deepcopy(model)
    eks.update_nodegroup_config(**GROUP, scalingConfig={"desiredSize": 3})
    clock.advance(60)
    assert (model.nodes("west"), other.nodes("west")) == (3, 2)


def test_nodes_of_no_cluster_is_an_error() -> None:
    with pytest.raises(KeyError, match="there is no cluster 'x'"):
        Eks(Clock()).nodes("x")
