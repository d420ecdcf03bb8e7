"""Observe, next, make, until done: against the stand-ins, through real clients, without a socket."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import boto3
import pytest
import trustme

from chalicelib.actions.contract import Target
from chalicelib.actions.reader import LiveReader, Ports, UndeclaredError
from chalicelib.actions.registry import ACTIONS
from chalicelib.clients.aws import AwsClients
from chalicelib.clients.database import DatabaseClients
from chalicelib.clients.dns import Dns
from chalicelib.clients.kubernetes import KubeClients
from chalicelib.clients.web import Web
from chalicelib.core.outcome import Act, Call, Done, Made, NoData, Refused, Stuck, Wait
from chalicelib.executor import Executor
from drctl.neighbours.aws import Aws
from drctl.neighbours.aws_clients import attach
from drctl.neighbours.ecr import Ecr
from drctl.neighbours.eks import Eks
from drctl.neighbours.kubernetes.api import KubeApi, seed
from drctl.neighbours.kubernetes.rbac import User
from drctl.neighbours.kubernetes.transport import ModelTransport
from drctl.neighbours.kubernetes.velero.store import BackupStore
from drctl.neighbours.kubernetes.velero.taken import take_backup
from drctl.neighbours.rds.engine import InMemoryEngine
from drctl.neighbours.rds.service import Rds
from drctl.world import workloads
from tests.actions.stage import AT, POLICY

PLATFORM = POLICY.platform
ACCOUNT = PLATFORM.account
AUTHORITY = base64.b64encode(trustme.CA().cert_pem.bytes()).decode()


class InProcess(AwsClients):
    """Real boto3 clients whose requests are answered by the models."""

    def __init__(self, aws: Aws) -> None:
        super().__init__(boto3.Session(aws_access_key_id=ACCOUNT, aws_secret_access_key="local"))
        self._aws = aws

    def _client(self, service: str, region: str, *, writes: bool) -> Any:
        known = (service, region, writes) in self._made
        client = super()._client(service, region, writes=writes)
        return client if known else attach(client, self._aws)


class Stage:
    """RDS, EKS and the standby cluster, with a clock that the test moves."""

    look_again = timedelta(seconds=5)

    def __init__(self) -> None:
        self.now = AT
        self.eks = Eks(self.clock, on_nodes=lambda _, n: self.cluster.set_nodes(n))
        self.rds = Rds(self.clock, engine=InMemoryEngine(self.clock))
        self.store = BackupStore("east", "west")
        row = PLATFORM.clusters.standby
        self.cluster = KubeApi(
            self.clock,
            name=row.name,
            location=self.store,
            bucket="west",
            authenticate=lambda t: User("responder", ("system:masters",)) if t.startswith("k8s-aws-v1.") else None,
        )
        assert row.node_group
        self.cluster.workloads.node_labels["eks.amazonaws.com/nodegroup"] = row.node_group.name
        self.ecr = Ecr(self.clock)
        workloads.push(POLICY, self.ecr)
        workloads.furnish(POLICY, row, self.cluster, self.ecr)
        self.cluster.set_nodes(1)
        source = KubeApi(self.clock, name="east", location=self.store, bucket="east", authenticate=lambda _: None)
        workloads.furnish(POLICY, PLATFORM.clusters.primary, source, self.ecr)
        source.set_nodes(6)
        seed(source, workloads.objects(POLICY))
        for age, phase in ((95, "Completed"), (35, "Completed"), (5, "PartiallyFailed")):
            take_backup(source, f"hourly-{age}", at=self.now - timedelta(minutes=age), phase=phase)
        self.now += timedelta(seconds=30)
        self.eks.add(
            row.region,
            row.name,
            endpoint="https://standby",
            certificate=AUTHORITY,
            nodegroups={row.node_group.name: (1, 1, 12)},
            account=ACCOUNT,
        )
        database = PLATFORM.database
        primary = self.rds.add(database.primary.region, database.primary.instance, account=ACCOUNT)
        self.rds.add(database.replica.region, database.replica.instance, source=primary, account=ACCOUNT)
        self.ecr.dark = frozenset({PLATFORM.regions.primary})
        self.aws = Aws({"rds": self.rds, "eks": self.eks, "ecr": self.ecr}, clock=self.clock)
        clients = InProcess(self.aws)
        self.ports = Ports(
            aws=clients,
            kube=KubeClients(clients, (row,), now=self.clock, transport=lambda _: ModelTransport(self.cluster)),
            database=DatabaseClients(clients, database, row.region, tls=False),
            web=Web({}),
            dns=Dns({}),
        )
        self.executor = Executor(ports=self.ports, actions=ACTIONS, channels={})

    def clock(self) -> datetime:
        return self.now

    def target(self, step: str, **params: str) -> Target:
        return Target(step=step, incident="incident-1", opened_at=AT, at=self.now, params=params)

    def look(self, name: str, step: str, **params: str) -> Done | Wait | Act | Stuck:
        action = ACTIONS[name]
        aim = self.target(step, **params)
        return action.next(aim, POLICY, action.observe(aim, POLICY, LiveReader(self.ports, action.reads)), self.now)

    def live(self, name: str, step: str, **params: str) -> tuple[Done, list[Call]]:
        """Until done; the calls that were made. Every call is made twice: that must be harmless."""
        calls: list[Call] = []
        for _ in range(60):
            match self.look(name, step, **params):
                case Done() as done:
                    return done, calls
                case Act(call=call):
                    assert isinstance(self.executor.make(call), Made)
                    self.executor.make(call)
                    calls.append(call)
                case Wait(again_in=again_in):
                    self.now += again_in
                case Stuck(because=because):
                    pytest.fail(because)
        pytest.fail(f"{name} does not end")


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_the_replica_is_promoted_once(stage: Stage) -> None:
    done, calls = stage.live("promote-replica", "promote")
    assert len(calls) == 1
    assert "replicates from nobody" in done.because
    promoted = stage.rds.instance("us-west-2", PLATFORM.database.replica.instance, ACCOUNT)
    assert promoted.source is None


def test_capacity_comes_up_and_its_nodes_are_counted_in_the_cluster(stage: Stage) -> None:
    done, calls = stage.live("node-capacity", "capacity", cluster="standby")
    assert len(calls) == 1
    assert "6 nodes Ready" in done.because
    assert stage.now - AT >= timedelta(seconds=90)


def test_a_service_comes_back_from_the_newest_good_backup_and_gets_ready(stage: Stage) -> None:
    stage.live("node-capacity", "capacity", cluster="standby")
    stage.live("velero-rewrites", "rewrites", cluster="standby")
    done, calls = stage.live("velero-restore", "restore-redis", cluster="standby", service="redis")
    assert len(calls) == 1
    assert done.facts["backup"] == "hourly-35"
    ready, _ = stage.live("workload-ready", "ready-redis", cluster="standby", service="redis")
    assert "every pod of redis is ready" in ready.because


def test_a_restore_that_fails_is_tried_from_an_older_backup(stage: Stage) -> None:
    stage.live("velero-rewrites", "rewrites", cluster="standby")
    stage.cluster.refuse_restored("configmaps/redis-configuration", "not today")
    found = stage.look("velero-restore", "restore-redis", cluster="standby", service="redis")
    assert isinstance(found, Act)
    stage.executor.make(found.call)
    stage.now += timedelta(minutes=2)
    again = stage.look("velero-restore", "restore-redis", cluster="standby", service="redis")
    assert isinstance(again, Act)
    assert again.call.params["backup"] == "hourly-95"
    stage.cluster.refuse_restored("configmaps/redis-configuration")
    done, _ = stage.live("velero-restore", "restore-redis", cluster="standby", service="redis")
    assert done.facts["backup"] == "hourly-95"


def test_the_location_becomes_read_only(stage: Stage) -> None:
    _, calls = stage.live("velero-location-read-only", "protect-backups", cluster="standby")
    assert len(calls) == 1
    (location,) = stage.cluster.objects("backupstoragelocations.velero.io")
    assert location["spec"]["accessMode"] == "ReadOnly"


def silenced(stage: Stage) -> None:
    stage.cluster.reachable = False


def refused(stage: Stage) -> None:
    stage.cluster.authenticate = lambda _: User("nobody")


@pytest.mark.parametrize(("trouble", "kind"), [(silenced, Wait), (refused, Stuck)])
def test_a_cluster_that_is_silent_is_waited_for_and_one_that_refuses_wants_a_person(
    stage: Stage, trouble: Callable[[Stage], None], kind: type[Wait | Stuck]
) -> None:
    trouble(stage)
    for name in ("velero-restore", "workload-ready"):
        assert isinstance(stage.look(name, "s", cluster="standby", service="redis"), kind)


def test_a_misspelled_field_is_refused_and_not_pruned(stage: Stage) -> None:
    found = stage.look("velero-restore", "restore-redis", cluster="standby", service="redis")
    assert isinstance(found, Act)
    body = found.call.params["body"]
    body["spec"]["existingResourcesPolicy"] = "update"
    outcome = stage.executor.make(found.call)
    assert isinstance(outcome, Refused)
    assert "existingResourcesPolicy" in outcome.because


def test_a_reader_refuses_what_its_action_did_not_declare(stage: Stage) -> None:
    reader = LiveReader(stage.ports, ACTIONS["promote-replica"].reads)
    with pytest.raises(UndeclaredError):
        reader.aws("eks", "us-west-2", "describe_cluster", name="x")
    with pytest.raises(UndeclaredError):
        reader.kube(PLATFORM.clusters.standby.name, "v1 nodes")
    with pytest.raises(UndeclaredError):
        reader.sql("h", 1, "write-heartbeat")


def test_the_executor_refuses_a_call_that_nobody_declared(stage: Stage) -> None:
    call = Call(
        system="aws", service="rds", region="us-west-2", operation="delete_db_snapshot", until="", reversible=False
    )
    with pytest.raises(UndeclaredError):
        stage.executor.make(call)


@pytest.mark.parametrize(
    ("code", "status", "after", "kind"),
    [
        ("Throttling", 400, False, "Refused"),
        ("InternalFailure", 500, False, "Doubtful"),
        ("InternalFailure", 500, True, "Doubtful"),
        ("AccessDenied", 403, False, "Refused"),
    ],
)
def test_a_refusal_had_no_effect_and_a_breakdown_is_doubtful(
    stage: Stage, code: str, status: int, after: bool, kind: str
) -> None:
    found = stage.look("promote-replica", "promote")
    assert isinstance(found, Act)
    before = len(stage.aws.seen())
    stage.aws.fail_next(1, code, status, after_effect=after)
    outcome = stage.executor.make(found.call)
    assert type(outcome).__name__ == kind
    assert len(stage.aws.seen()) == before + 1  # tried once
    looked = stage.look("promote-replica", "promote")
    assert isinstance(looked, Wait if after else Act)


def test_a_read_that_breaks_is_no_data(stage: Stage) -> None:
    stage.aws.fail_next(5, "InternalFailure", 500)
    reader = LiveReader(stage.ports, ACTIONS["promote-replica"].reads)
    found = reader.aws("rds", "us-west-2", "describe_db_instances", DBInstanceIdentifier="x")
    assert isinstance(found, NoData)
    assert len(stage.aws.seen()) == 2  # a read may be tried twice, and no more
