"""A pod and a node failure against the stand-ins, through real clients: what the actions see, and what they release."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import trustme

from chalicelib.actions.reader import LiveReader, Ports
from chalicelib.actions.registry import ACTIONS
from chalicelib.clients.database import DatabaseClients
from chalicelib.clients.dns import Dns
from chalicelib.clients.kubernetes import KubeClients
from chalicelib.clients.web import Web
from chalicelib.core.outcome import Act, Done, Made, Next, NoData, Refused, Stuck, Wait
from chalicelib.executor import Executor
from chalicelib.policy import Policy
from drctl.neighbours.aws import Aws
from drctl.neighbours.ec2 import Ec2
from drctl.neighbours.ecr import Ecr
from drctl.neighbours.eks import Eks
from drctl.neighbours.kubernetes.api import KubeApi, seed
from drctl.neighbours.kubernetes.kinds import by_key
from drctl.neighbours.kubernetes.rbac import User
from drctl.neighbours.kubernetes.transport import ModelTransport
from drctl.neighbours.kubernetes.velero.store import BackupStore
from drctl.neighbours.rds.engine import InMemoryEngine
from drctl.neighbours.rds.service import Rds
from drctl.neighbours.zonal_shift import ZonalShifts
from drctl.world import deployments, nodes, sight, workloads, zones
from tests.actions import failures
from tests.actions.stage import AT, POLICY, target
from tests.actions.test_life import InProcess

ROW = POLICY.platform.clusters.primary
ATTACHMENTS = "volumeattachments.storage.k8s.io"


class Primary:
    """The primary cluster as the world furnishes it, its instances, and a clock that the test moves."""

    def __init__(self) -> None:
        self.now = AT
        self.dark = False
        self.ec2 = Ec2(clock=lambda: self.now)
        eks = Eks(lambda: self.now)
        certificate = base64.b64encode(trustme.CA().cert_pem.bytes()).decode()
        account = POLICY.platform.account
        eks.add(
            ROW.region, ROW.name, endpoint="https://primary", certificate=certificate, nodegroups={}, account=account
        )
        self.api = KubeApi(
            lambda: self.now,
            name=ROW.name,
            location=BackupStore("east"),
            authenticate=lambda t: User("responder", ("system:masters",)) if t.startswith("k8s-aws-v1.") else None,
        )
        ecr = Ecr(lambda: self.now)
        workloads.push(POLICY, ecr)
        workloads.furnish(POLICY, ROW, self.api, ecr)
        nodes.furnish(POLICY, ROW, self.api, self.ec2)
        seed(self.api, workloads.objects(POLICY))
        deployments.furnish(POLICY, self.api, AT)
        self.move(60)
        self.rds = Rds(lambda: self.now, engine=InMemoryEngine(lambda: self.now))
        side = POLICY.platform.database.primary
        self.writer = self.rds.add(side.region, side.instance, account=account, multi_az=True)
        inside = zones.inside(POLICY, {ROW.name: self.api})
        self.shifts = ZonalShifts(lambda: self.now, on_weights=inside)
        zones.furnish(POLICY, self.shifts, self.writer)
        served = {"eks": eks, "ec2": self.ec2, "rds": self.rds, "arc-zonal-shift": self.shifts}
        clients = InProcess(Aws(served, clock=lambda: self.now))
        kube = KubeClients(clients, (ROW,), now=lambda: self.now, transport=lambda _: ModelTransport(self.api))
        database = DatabaseClients(clients, POLICY.platform.database, ROW.region, tls=False)
        self.ports = Ports(aws=clients, kube=kube, database=database, web=Web({}), dns=Dns({}))
        self.executor = Executor(ports=self.ports, actions=ACTIONS, channels={})

    def move(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def look(self, name: str, policy: Policy = POLICY, *, scope: str = "") -> Next:
        action, aim = ACTIONS[name], replace(target(cluster="primary"), at=self.now, scope=scope)
        return action.next(aim, policy, action.observe(aim, policy, LiveReader(self.ports, action.reads)), self.now)

    def node_of(self, app: str) -> str:
        pods = [p for p in self.api.objects("pods") if p["metadata"]["labels"]["app.kubernetes.io/name"] == app]
        return str(max(pods, key=lambda p: str(p["metadata"]["creationTimestamp"]))["spec"]["nodeName"])

    def lose(self, node: str, state: Any) -> None:
        self.ec2.instances.turn(node.partition(".")[0], state)
        self.api.trouble.lose_node(node)

    def seen(self) -> Mapping[str, float]:
        """Of the cluster as a whole."""
        return {name: value for name, value in sight.seen(self.api).items() if "/" not in name}


@pytest.fixture
def primary() -> Primary:
    return Primary()


def test_on_a_good_day_every_action_is_done(primary: Primary) -> None:
    for name in ("pods-recovered", "nodes-replaced", "volumes-attached"):
        found = primary.look(name)
        assert isinstance(found, Done), found
    calm = {"cluster_failed_node_count": 0.0, "DegradedApplications": 0.0, "ConfigurationErrors": 0.0}
    good = {"ClusterHealthy": 1.0, "AvailablePodsPercent": 100.0, "BackupSucceeded": 1.0}
    assert primary.seen() == {**good, **calm}


def test_pods_that_are_killed_are_waited_for_and_come_back(primary: Primary) -> None:
    assert primary.api.trouble.kill_pods("edge", "api-gateway") == 2
    found = primary.look("pods-recovered")
    assert isinstance(found, Wait)
    assert "deployment 'api-gateway' in 'edge' has 0 of 2 pods available" in found.because
    assert "disruption budget 'api-gateway' wants 1 healthy pods and has 0" in found.because
    assert primary.seen()["AvailablePodsPercent"] == 0.0
    primary.move(25)
    assert isinstance(primary.look("pods-recovered"), Done)


def test_a_crash_loop_is_told_apart_from_a_reschedule_by_its_exit_and_its_restarts(primary: Primary) -> None:
    primary.api.trouble.crash("cache", "redis", exit_code=137, reason="OOMKilled", message="out of memory")
    assert isinstance(primary.look("pods-recovered"), Wait)
    primary.move(20)
    found = primary.look("pods-recovered")
    assert isinstance(found, Stuck)
    assert "crashes in a loop (OOMKilled, exit code 137, 2 restarts): out of memory" in found.because
    primary.api.trouble.end_crash("cache", "redis")
    primary.move(60)
    assert isinstance(primary.look("pods-recovered"), Done)


def test_an_image_that_is_not_there_is_no_reschedule_s_matter(primary: Primary) -> None:
    primary.api.workloads.pull = lambda _: "not found"
    primary.api.trouble.kill_pods("edge", "api-gateway")
    primary.move(25)
    found = primary.look("pods-recovered")
    assert isinstance(found, Stuck)
    assert "does not start: ImagePullBackOff" in found.because


@pytest.mark.parametrize("reason", ["Underutilized", "SpotInterrupted"])
def test_a_node_that_karpenter_takes_away_is_no_failure(primary: Primary, reason: Any) -> None:
    taken = primary.node_of("redis")
    primary.api.trouble.disrupt(taken, reason)
    assert primary.seen()["cluster_failed_node_count"] == 0.0
    for name in ("pods-recovered", "nodes-replaced"):
        found = primary.look(name)
        assert f"taken away on purpose, which is no fault: {taken} is disrupted by Karpenter" in found.because
        assert not isinstance(found, Stuck)


def test_a_terminated_instance_is_replaced_and_it_is_said_where_its_claim_stands(primary: Primary) -> None:
    for node in primary.api.objects("nodes"):
        # The others are full.
        if node["metadata"]["name"] != primary.node_of("redis"):
            cordoned = {**node, "spec": {**node["spec"], "unschedulable": True}}
            primary.api.cluster.write(by_key("nodes"), cordoned)
    primary.lose(primary.node_of("redis"), "terminated")
    said = []
    for _ in range(30):
        found = primary.look("nodes-replaced")
        said.append(found.because)
        if isinstance(found, Done) and len(said) > 12:
            break
        primary.move(10)
    whole = "\n".join(said)
    assert "is Launched, and waits to be Registered for" in whole
    assert "is Launched" in whole
    assert isinstance(found, Done)
    assert len(said) * 10 < 300
    primary.move(30)
    assert isinstance(primary.look("volumes-attached"), Done)
    assert isinstance(primary.look("pods-recovered"), Done)


def test_without_capacity_it_is_stuck_with_ec2_s_own_words(primary: Primary) -> None:
    primary.ec2.instances.full.add("*")
    primary.api.workloads.pods_per_node = 0
    primary.api.trouble.kill_pods("edge", "api-gateway")
    primary.move(15)
    found = primary.look("nodes-replaced")
    assert isinstance(found, Stuck)
    assert "InsufficientInstanceCapacity: We currently do not have sufficient" in found.because
    waits = primary.look("pods-recovered")
    assert isinstance(waits, Wait)
    assert "no node has room, so they wait for capacity" in waits.because


def test_a_volume_on_a_stopped_node_is_released_by_the_taint_and_the_pod_starts(primary: Primary) -> None:
    lost = primary.node_of("redis")
    primary.lose(lost, "stopped")
    primary.move(60)
    assert primary.seen()["cluster_failed_node_count"] == 1.0
    waits = primary.look("nodes-replaced")
    assert isinstance(waits, Wait)
    assert "NodeStatusUnknown" in waits.because
    primary.move(320)
    assert isinstance(primary.look("nodes-replaced"), Done)
    found = primary.look("volumes-attached")
    assert isinstance(found, Act)
    assert found.facts["instance"] == "stopped"
    assert isinstance(primary.executor.make(found.call), Made)
    assert isinstance(primary.executor.make(found.call), Refused)  # the node has changed since
    assert isinstance(primary.look("volumes-attached"), Wait)
    primary.move(60)
    assert isinstance(primary.look("volumes-attached"), Done)
    assert isinstance(primary.look("pods-recovered"), Done)


def test_a_volume_on_a_node_whose_instance_runs_is_not_released(primary: Primary) -> None:
    """The node answers nobody, and its machine may still write: unreachable is not dead."""
    lost = primary.node_of("redis")
    primary.lose(lost, "running")
    primary.move(400)
    found = primary.look("volumes-attached")
    assert isinstance(found, Stuck)
    assert "EC2 says its instance is running, so it may still write" in found.because


def test_a_volume_is_not_released_when_ec2_does_not_know_the_instance(primary: Primary) -> None:
    lost = primary.node_of("redis")
    primary.lose(lost, "stopped")
    primary.move(400)
    assert primary.seen()["cluster_failed_node_count"] == 1.0
    del primary.ec2.instances.every[lost.partition(".")[0]]
    found = primary.look("volumes-attached")
    assert isinstance(found, Stuck)
    assert "whether its machine still writes is not known" in found.because


def test_ec2_s_silence_is_borne_once_and_then_asks_for_a_person() -> None:
    silent = failures.held(instance=NoData(because="nobody answered"))
    aim, action = target(cluster="primary"), ACTIONS["volumes-attached"]
    first = action.next(aim, POLICY, silent, AT)
    assert isinstance(first, Wait)
    second = action.next(replace(aim, facts=first.facts), POLICY, silent, AT)
    assert isinstance(second, Stuck)
    assert "whether its machine still writes is not known: nobody answered; nothing is released" in second.because


def test_an_attachment_to_a_node_that_is_gone_is_deleted_once_ec2_calls_its_instance_terminated(
    primary: Primary,
) -> None:
    lost = primary.node_of("redis")
    attachment = next(a for a in primary.api.objects(ATTACHMENTS) if a["spec"]["nodeName"] == lost)
    primary.api.volumes.forget(attachment["metadata"]["name"])
    primary.lose(lost, "terminated")
    primary.move(200)
    found = primary.look("volumes-attached")
    while isinstance(found, Act):
        assert found.call.operation == "delete storage.k8s.io/v1 volumeattachments"
        assert isinstance(primary.executor.make(found.call), Made)
        primary.move(20)
        found = primary.look("volumes-attached")
    primary.move(20)
    assert isinstance(primary.look("volumes-attached"), Done)
    assert isinstance(primary.look("pods-recovered"), Done)
