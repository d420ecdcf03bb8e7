"""A service at several endpoints: silence goes on to the next, a refusal is the answer, and a change is tried once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ConnectTimeoutError

from chalicelib.clients import any_endpoint
from chalicelib.clients.any_endpoint import ARC, endpoints
from chalicelib.clients.aws import AwsClients, write
from chalicelib.core.outcome import Doubtful, Made, NoData, Refused
from chalicelib.policy.platform import ArcSwitch
from drctl.neighbours.arc import REGIONS, Arc
from drctl.neighbours.aws import Answer, Aws
from drctl.neighbours.aws_clients import attach
from drctl.world.seeds import controls
from tests.policy.switches import platform_with

GET = "get_routing_control_state"


class Cluster(AwsClients):
    """Real clients of a cluster; `gone` are regions that nobody reaches."""

    def __init__(self, switch: ArcSwitch, model: Arc) -> None:
        session = boto3.Session(aws_access_key_id="111122223333", aws_secret_access_key="local")
        super().__init__(session, endpoints=endpoints(switch, {}))
        self.aws = Aws({ARC: model})
        self.gone: set[str] = set()
        self.hosts: list[str] = []

    def _client(self, service: str, region: str, *, writes: bool) -> Any:
        known = (service, region, writes) in self._made
        client = super()._client(service, region, writes=writes)
        return client if known else attach(client, _Way(self, region))  # type: ignore[arg-type] # it answers as Aws does


class _Way:
    def __init__(self, cluster: Cluster, region: str) -> None:
        self._cluster = cluster
        self._region = region

    def request(self, method: str, url: str, headers: Any, body: bytes) -> Answer:
        self._cluster.hosts.append(url)
        if self._region in self._cluster.gone:
            raise ConnectTimeoutError(endpoint_url=url)
        return self._cluster.aws.request(method, url, headers, body)


@pytest.fixture(scope="module")
def switch(tmp_path_factory: pytest.TempPathFactory) -> ArcSwitch:
    found = platform_with("arc", tmp_path_factory.mktemp("arc") / "policies").platform.traffic.switch
    assert isinstance(found, ArcSwitch)
    return found


@pytest.fixture
def model(tmp_path: Path) -> Arc:
    return controls(platform_with("arc", tmp_path / "policies"))


@pytest.fixture
def cluster(switch: ArcSwitch, model: Arc) -> Cluster:
    return Cluster(switch, model)


def read(cluster: Cluster, switch: ArcSwitch, control: str | None = None) -> Any:
    asked = {"RoutingControlArn": control or switch.primary_control}
    return any_endpoint.read(cluster, ARC, [e.region for e in switch.endpoints], GET, asked)


def test_every_endpoint_is_asked_at_its_own_address_and_signed_for_its_region(
    cluster: Cluster, switch: ArcSwitch
) -> None:
    for endpoint in switch.endpoints:
        found = any_endpoint.read(cluster, ARC, [endpoint.region], GET, {"RoutingControlArn": switch.standby_control})
        assert isinstance(found, tuple)
        assert cluster.hosts[-1].startswith(endpoint.url)
        assert cluster.aws.seen()[-1]["region"] == endpoint.region
        assert found[1]["RoutingControlState"] == "Off"


def test_the_start_is_random(cluster: Cluster, switch: ArcSwitch) -> None:
    first = Counter(read(cluster, switch)[0] for _ in range(60))
    assert len(first) > 2, first


@pytest.mark.parametrize("left", REGIONS)
def test_silence_and_maintenance_go_on_to_the_next(cluster: Cluster, switch: ArcSwitch, model: Arc, left: str) -> None:
    others = [region for region in REGIONS if region != left]
    cluster.gone = set(others[:2])
    for region in others[2:]:
        model.take_away(region)
    assert read(cluster, switch)[0] == left


def test_when_none_answers_each_is_named_and_was_asked_once(cluster: Cluster, switch: ArcSwitch) -> None:
    cluster.gone = set(REGIONS)
    found = read(cluster, switch)
    assert isinstance(found, NoData)
    assert all(region in found.because for region in REGIONS)
    assert len(cluster.hosts) == len(REGIONS)


def test_no_endpoint_at_all_is_no_data(cluster: Cluster) -> None:
    found = any_endpoint.read(cluster, ARC, [], GET, {"RoutingControlArn": "x"})
    assert isinstance(found, NoData)
    assert "no endpoint is known" in found.because


def test_a_refusal_is_the_clusters_answer(cluster: Cluster, switch: ArcSwitch) -> None:
    found = read(cluster, switch, switch.primary_control + "0")
    assert isinstance(found, Refused)
    assert found.code == "ResourceNotFoundException"
    assert len(cluster.hosts) == 1


def change(cluster: Cluster, switch: ArcSwitch, primary: str, standby: str) -> Any:
    entries = [
        {"RoutingControlArn": switch.primary_control, "RoutingControlState": primary},
        {"RoutingControlArn": switch.standby_control, "RoutingControlState": standby},
    ]
    params = {"UpdateRoutingControlStateEntries": entries}
    return write(cluster, ARC, "eu-west-1", "update_routing_control_states", params, until="it is")


def test_a_change_is_tried_once_at_one_endpoint(cluster: Cluster, switch: ArcSwitch, model: Arc) -> None:
    assert isinstance(change(cluster, switch, "Off", "On"), Made)
    model.take_away("eu-west-1")
    assert isinstance(change(cluster, switch, "On", "Off"), Doubtful)
    cluster.gone = {"eu-west-1"}
    assert isinstance(change(cluster, switch, "On", "Off"), Refused)
    assert len(cluster.hosts) == 3
    assert model.is_on(switch.standby_control) is True


def test_a_change_that_breaks_a_safety_rule_is_refused(cluster: Cluster, switch: ArcSwitch, model: Arc) -> None:
    found = change(cluster, switch, "Off", "Off")
    assert isinstance(found, Refused)
    assert found.code == "ConflictException"
    assert model.is_on(switch.primary_control) is True


def test_an_address_is_sent_elsewhere_as_the_settings_say(switch: ArcSwitch) -> None:
    host = switch.endpoints[0].url.removeprefix("https://").removesuffix("/v1")
    found = endpoints(switch, {host: "http://127.0.0.1:4566"})
    assert found[ARC, "us-east-1"] == "http://127.0.0.1:4566/v1"
    assert found[ARC, "us-west-2"] == switch.endpoints[1].url
