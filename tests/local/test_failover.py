"""A whole region failure in the deployed world, with every worker killed at ten places on the way, to the same end."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pg8000.dbapi
import pytest

from chalicelib import names
from chalicelib.actions.contract import AwsOp
from chalicelib.actions.registry import ACTIONS
from chalicelib.core.incident import Incident, StepState
from drctl.deployment.compare import DEPLOYED, compare, document_of
from drctl.deployment.permissions import iam_action
from drctl.world.ledger import Call
from drctl.world.seeds import DATABASE_PASSWORD, DATABASE_USER
from tests.local.stage import Stage, up

# A failover in which every worker is killed ten times takes minutes: `make test-long` runs it.
pytestmark = pytest.mark.long
SPEED = 20.0
SHIFT_S = 14.0
PATIENCE_S = 420.0
PUBLIC = "api.neurectomy.io"
INTERNAL = ("us-east-1", "us-west-2", "neurectomy-pg", "neurectomy-usw2", "api-gateway", "111122223333", "promote")


def after(service: str, operation: str, count: int = 1) -> Callable[[list[Call]], bool]:
    """Whether the deployed functions have made this call so often."""
    return lambda calls: sum(c.service == service and c.operation == operation for c in calls) >= count


PLACES = {
    "after the first save": after("dynamodb", "UpdateItem", 12),
    "after the nodes were asked for": after("eks", "UpdateNodegroupConfig"),
    "between notices": after("s3", "PutObject", 2),
    "while mail goes out": after("ses", "SendEmail"),
    "in the middle of the restores": after("dynamodb", "UpdateItem", 90),
    "after the promotion was asked for": after("rds", "PromoteReadReplica"),
    "while it is promoted": after("rds", "DescribeDBInstances", 12),
    "after the applications were pointed": after("secretsmanager", "PutSecretValue"),
    "after the switch was thrown": after("monitoring", "PutMetricData"),
    "near the end": after("dynamodb", "UpdateItem", 150),
}


@dataclass
class Failover:
    """One that is over: what was killed where, and the archive."""

    stage: Stage
    killed: dict[str, int]
    incident: Incident


@pytest.fixture(scope="module")
def failover(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Failover]:
    with up(tmp_path_factory.mktemp("failover"), speed=SPEED, shift_s=SHIFT_S) as stage:
        stage.healthy()
        stage.say("set-mode", mode="automatic", id="mode")
        stage.break_region(stage.primary)
        killed: dict[str, int] = {}
        approved: set[str] = set()
        archive = None
        gives_up_at = time.monotonic() + PATIENCE_S
        while archive is None and time.monotonic() < gives_up_at:
            _kill(stage, killed)
            _approve(stage, approved)
            archive = stage.archive(stage.primary)
        assert archive is not None, [(s, r.state, r.because) for i in stage.open() for s, r in i.steps.items()]
        yield Failover(stage, killed, archive)


def _kill(stage: Stage, killed: dict[str, int]) -> None:
    calls = [c for c in stage.ours() if c.function_region == stage.standby]
    for place, reached in PLACES.items():
        if place not in killed and reached(calls):
            # Between two invocations nobody is there to be killed; then the next look tries again.
            if hit := stage.kill():
                killed[place] = len(hit)
            return


def _approve(stage: Stage, approved: set[str]) -> None:
    """The person approves what asks; what asks again, since an approval expired, is approved again."""
    for incident in stage.open():
        for step, record in incident.steps.items():
            asked = f"{step} {record.asked_at}"
            if record.state is StepState.ASKING and asked not in approved:
                done = stage.drctl(
                    "approve", incident.id, "--step", step, "--by", "ana", "--note", "accepted", "--json"
                )
                # The function that took it may be the one that is killed; a person would say it again.
                if done.returncode == 0 and json.loads(done.stdout)["ok"]:
                    approved.add(asked)


def test_ten_kills_delayed_it_and_changed_nothing_of_its_end(failover: Failover) -> None:
    assert len(failover.killed) == len(PLACES) == 10
    assert all(failover.killed.values()), failover.killed
    assert failover.incident.ending == "recovered"
    left = {name for name, record in failover.incident.steps.items() if record.state is StepState.LEFT}
    assert left <= ASIDE
    assert all(r.state is StepState.DONE for name, r in failover.incident.steps.items() if name not in left)


def test_the_promoted_database_takes_writes_and_holds_the_proof(failover: Failover) -> None:
    stage, platform = failover.stage, failover.stage.policy.platform
    secret = stage.client("secretsmanager", stage.standby).get_secret_value(SecretId=platform.application_secret.name)
    held = json.loads(secret["SecretString"])
    assert held["password"] == DATABASE_PASSWORD  # merged, not replaced
    replica = stage.client("rds", stage.standby).describe_db_instances(
        DBInstanceIdentifier=platform.database.replica.instance
    )["DBInstances"][0]
    assert (held["host"], int(held["port"])) == (replica["Endpoint"]["Address"], replica["Endpoint"]["Port"])
    connection = pg8000.dbapi.connect(
        user=DATABASE_USER,
        password=DATABASE_PASSWORD,
        host=held["host"],
        port=int(held["port"]),
        database=platform.database.name,
        timeout=5,
    )
    try:
        cursor = connection.cursor()
        cursor.execute("SELECT pg_is_in_recovery()")
        assert cursor.fetchone() == [False]
        cursor.execute("SELECT count(*) FROM dr_heartbeat")
        assert cursor.fetchone()[0] >= 1
    finally:
        connection.close()


def test_nothing_was_done_twice(failover: Failover) -> None:
    calls = failover.stage.ours()
    done = [c for c in calls if c.status and c.status < 300]
    assert sum(c.operation == "PromoteReadReplica" for c in done) == 1
    restores = failover.stage.world.platform.clusters["neurectomy-usw2"].objects("restores.velero.io")
    services = [_service(r) for r in restores]
    assert sorted(services) == sorted(set(services))
    assert len(services) == 10
    started = [
        r["status"]["startTimestamp"] for r in restores if r["metadata"]["labels"]["dr-responder/service"] in TIER_1
    ]
    assert max(started) <= min(r["status"]["startTimestamp"] for r in restores if _service(r) not in TIER_1)


ASIDE = {"fence", "protect-primary-backups", "pause-primary-schedules"}
TIER_1 = ("api-gateway", "ml-service", "authentication")


def _service(restore: dict[str, Any]) -> str:
    return str(restore["metadata"]["labels"]["dr-responder/service"])


def test_the_traffic_goes_to_the_standby(failover: Failover) -> None:
    assert failover.stage.world.serving() == failover.stage.standby
    assert failover.stage.told("status")["serving"] == failover.stage.standby


def test_recovery_waited_for_nothing_in_the_failed_region(failover: Failover) -> None:
    primary = failover.stage.primary
    there = [c for c in failover.stage.recovering() if c.region == primary and c.function_region != primary]
    # What is done aside asks there in vain: whether alarms changed, and whether it can be fenced by now.
    asked = {("monitoring", "DescribeAlarms"), ("ec2", "DescribeNetworkAcls"), ("eks", "DescribeCluster")}
    assert {(c.service, c.operation) for c in there} <= asked
    began = min(c.at for c in there)
    assert not [c for c in there if c.status and c.at > began and c.operation != "DescribeAlarms"]


def test_everyone_was_told_and_the_page_names_nothing_internal(failover: Failover) -> None:
    stage = failover.stage
    # A page whose question was answered before a killed worker could note its delivery lapses.
    assert {n.state for n in failover.incident.notices.values()} <= {"sent", "lapsed"}, failover.incident.notices
    events = {key.split("/")[0] for key in failover.incident.notices}
    assert {"incident-detected", "dr-activated", "recovery-started", "recovery-complete"} <= events
    files = stage.page()
    assert {"index.html", "api/v2/summary.json", "history.atom"} <= set(files)
    assert json.loads(files["api/v2/summary.json"])["status"]["indicator"] == "none"
    for name, text in files.items():
        assert not [word for word in INTERNAL if word in text.replace(PUBLIC, "")], name
    assert stage.mails()


def test_show_tells_the_whole_of_it(failover: Failover) -> None:
    shown = failover.stage.told("show", failover.incident.id)
    assert shown["ending"] == "recovered"
    assert {s["state"] for s in shown["steps"].values()} <= {"done", "left"}
    assert len(shown["services"]) == 11
    assert all(s["recovery_time_s"] for s in shown["services"])
    numbers = [e["n"] for e in shown["timeline"]]
    assert numbers == list(range(len(numbers)))
    assert all(e["text"] for e in shown["timeline"])


def test_everything_that_was_used_was_declared_and_nothing_was_denied(failover: Failover) -> None:
    stage = failover.stage
    granted = {name: document_of(stage.policy, name) for name in DEPLOYED}
    used = [(c.function, c.service, c.operation) for c in stage.ours()]
    found = compare(stage.policy, granted, used)
    assert {f.function: f.undeclared for f in found if f.undeclared} == {}
    assert [c for c in stage.ours() if c.status == 403] == []
    # What the runbook's steps change was used by someone: only the dark region could not be fenced.
    (runbook,) = (r for r in stage.policy.runbooks.runbooks if r.scenario == "region-failure")
    ops = [op for s in runbook.steps for op in ACTIONS[s.action].calls if isinstance(op, AwsOp)]
    calls = {iam_action(op.service, op.operation) for op in ops if not op.iam and op.switch in {None, "metric"}}
    unused = frozenset.intersection(*(frozenset(f.unused) for f in found if f.function in names.DESK))
    # And nothing was given back, since nobody ended it before its end.
    assert calls & unused == {"ec2:CreateNetworkAclEntry", "ec2:DeleteNetworkAclEntry"}
