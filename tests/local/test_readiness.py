"""Readiness in the deployed local world: what is broken is named by the next round, and what is mended is lifted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib import names
from chalicelib.core.findings import standing
from chalicelib.core.happened import Readiness
from chalicelib.core.readiness import kind
from chalicelib.policy.platform import MetricSwitch
from tests.local.stage import Stage, eventually, up, utc

# Three rounds over a whole platform: `make test-long` runs it, `make test` does not.
pytestmark = pytest.mark.long
REGION = "region-failure"
KEPT = (
    *("AlarmName", "AlarmDescription", "ActionsEnabled", "Namespace", "MetricName", "Dimensions", "Statistic"),
    *("Period", "EvaluationPeriods", "DatapointsToAlarm", "Threshold", "ComparisonOperator", "TreatMissingData"),
)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder: Path = tmp_path_factory.mktemp("readiness")
    with up(folder, speed=10.0) as made:
        made.healthy()
        yield made


def clock(stage: Stage) -> dict[str, Any]:
    """What EventBridge's schedule sends (https://docs.aws.amazon.com/eventbridge/latest/ref/events-ref.html)."""
    return {
        "version": "0",
        "id": "89d1a02d-5ec7-412e-82f5-13505f849b41",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": stage.policy.platform.account,
        "time": f"{utc():%Y-%m-%dT%H:%M:%SZ}",
        "region": stage.standby,
        "resources": [],
        "detail": {},
    }


def told(stage: Stage) -> tuple[int, Any]:
    """How `drctl readiness` ends, and what it says of the region failure's runbook."""
    done = stage.drctl("readiness", REGION, "--json")
    assert done.returncode in (0, 1, 3), done.stderr
    (runbook,) = json.loads(done.stdout)["runbooks"]
    return done.returncode, runbook


def known(stage: Stage) -> Readiness | None:
    book = stage.book()
    found = book.readiness.get(REGION) if book else None
    return found.state if found else None


def test_a_switch_that_was_deleted_is_named_in_one_round_and_lifted_by_the_next_after_it_is_back(stage: Stage) -> None:
    switch = stage.policy.platform.traffic.switch
    assert isinstance(switch, MetricSwitch)
    began = utc()
    well = stage.invoke("readiness", clock(stage))
    assert set(well) == {r.scenario for r in stage.policy.runbooks.runbooks}
    status, runbook = told(stage)
    assert [r for r in runbook["rows"] if r["lowers"]] == []
    assert status != 1
    good = runbook["state"]
    assert good in (Readiness.READY, Readiness.WITH_FINDINGS), [r for r in runbook["rows"] if r["state"] != "ready"]

    cloudwatch = stage.client("cloudwatch", switch.region)
    (alarm,) = cloudwatch.describe_alarms(AlarmNames=[switch.alarm])["MetricAlarms"]
    cloudwatch.delete_alarms(AlarmNames=[switch.alarm])
    assert stage.invoke("readiness", clock(stage))[REGION] == Readiness.NOT_READY
    status, runbook = told(stage)
    assert (status, runbook["state"]) == (1, Readiness.NOT_READY)
    (row,) = [r for r in runbook["rows"] if r["judge"] == "switch"]
    assert (row["state"], row["lowers"]) == ("lacking", True)
    assert "it cannot be thrown" in row["because"]
    assert row["owner"]
    assert row["mend"]
    printed = stage.drctl("readiness")
    assert printed.returncode == 1
    assert "not ready" in printed.stdout
    eventually(lambda: known(stage) is Readiness.NOT_READY, within=60, what="the desk's knowledge of it")
    book = stage.book()
    assert book is not None
    assert standing(book, kind(REGION)) is not None

    cloudwatch.put_metric_alarm(**{name: alarm[name] for name in KEPT if name in alarm})
    assert stage.invoke("readiness", clock(stage))[REGION] == good
    status, runbook = told(stage)
    assert (status != 1, runbook["state"]) == (True, good)
    eventually(lambda: known(stage) is not Readiness.NOT_READY, within=60, what="the lifting")
    lifted = eventually(stage.book, within=10)
    assert standing(lifted, kind(REGION)) is None
    assert lifted.incidents == {}

    asked = {(c.service, c.operation) for c in stage.calls(since=began, function=names.logical(names.READINESS))}
    assert asked, "the gate saw no call of the function that judges"
    writes = {(s, o) for s, o in asked if not o.startswith(("Describe", "Get", "List", "Head"))}
    assert writes <= {("dynamodb", "PutItem"), ("lambda", "Invoke"), ("s3", "PutObject")}
