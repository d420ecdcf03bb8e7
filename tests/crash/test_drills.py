"""Drills on the real desk and actions: whole, ended by a real alarm, and with the worker stopped at its calls.

`make test` tries a few calls of every kind; all of them are tried by `make test-long`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest

from chalicelib.core.drill_report import report
from chalicelib.core.incident import Incident, StepState
from chalicelib.core.plan import Rules
from chalicelib.core.rehearsal import CLEAN
from drctl.world.platform import STANDBY_NODES
from tests.crash.drills import AlarmStory, DrillStory, PatientDrillStory, aims_at_copies, kept, left, nodes
from tests.crash.ending import effects
from tests.crash.platform_in_process import POLICY, Platform
from tests.crash.stops import all_of_them, assert_alike, assert_every_call, some_of_each
from tests.crash.sweep import sweep

OWN: Final = ("rds.", "kubernetes DELETE", "kubernetes POST", "cloudwatch.Put", "postgres write")
"""What a drill changes; the other calls are those of a region failure, whose sweep stops at them."""


def of_drill(case: Incident) -> Any:
    assert case.drill is not None
    return case.drill


def test_a_drill_proves_the_way_and_leaves_nothing_behind() -> None:
    story = DrillStory()
    platform = story.tell()
    case = kept(platform)
    assert of_drill(case).result == "passed", case.because
    assert {r.state for r in case.steps.values()} == {StepState.DONE}
    assert left(platform) == []
    found = report(case, Rules(POLICY), platform.clock.now())
    assert all(c.met for c in found.services)
    assert {c.service for c in found.services} >= {"api-gateway", "ml-service", "postgresql"}
    assert found.rpo_met is not None
    assert all(s.took is not None for s in found.steps)
    assert "Keep the old primary from taking writes" in dict(found.not_rehearsed)
    # Nothing of it touched what people use. The standby's own nodes carry nobody, and are as many as before.
    assert all(aims_at_copies(c) for c in story.calls)
    sizes = [c.params["scalingConfig"]["desiredSize"] for c in story.calls if c.operation == "update_nodegroup_config"]
    assert sizes == [6, 1]
    standby = POLICY.platform.clusters.standby
    assert platform.eks.nodes(standby.name) == 1
    used = {f":{i.address.port}" for i in platform.rds.instances()}
    assert not [c for c in story.calls if c.system == "postgres" and c.service.endswith(tuple(used))]
    assert platform.serving() == POLICY.platform.regions.primary
    # Nobody is paged for one that went well, and it counts as the runbook's last.
    assert not platform.pagerduty.alerts
    book = platform.book()
    assert book is not None
    assert book.drilled["region-failure"].result == "passed"
    assert book.serving == POLICY.platform.regions.primary
    assert not book.blocks


@pytest.mark.parametrize("step", ["restore-authentication", "promote"])
def test_a_real_alarm_ends_the_drill_and_is_not_kept_waiting(step: str) -> None:
    story = AlarmStory(step=step)
    platform = story.tell()
    case = kept(platform)
    assert of_drill(case).result == "abandoned", case.because
    assert "a real one goes first" in case.because
    over_at = of_drill(case).over_at
    began = [r.called_at for k, r in case.steps.items() if not k.startswith(CLEAN) and r.called_at]
    assert max(began) <= over_at
    assert left(platform) == []
    assert platform.serving() == POLICY.platform.regions.standby
    # It says nothing about the runbook.
    book = platform.book()
    assert book is not None
    # The nodes that it had raised carry people now, and are lowered by the way back to what they were before it.
    assert [s.before for s in book.settings if s.action == "node-capacity"] == ["1/1/12"]
    assert "region-failure" not in book.drilled


def test_a_step_that_cannot_be_done_fails_the_drill_and_the_runbook_is_held() -> None:
    story = DrillStory(runbook="data-corruption")
    platform = story.platform
    side = POLICY.platform.database.primary
    account = side.account or POLICY.platform.account
    source = platform.rds.instance(side.region, side.instance, account)
    platform.engine.spoil(source.resource_id, "runs-have-experiments", 3)
    story.begin()
    for _ in range(400):
        story.tick()
        book = platform.book()
        if book and platform.store.docs.get("drill") and not book.drills:
            break
    assert of_drill(kept(platform)).result == "failed"
    assert "not whole" in kept(platform).because
    assert left(platform) == []
    book = platform.book()
    assert book is not None
    assert book.drilled["data-corruption"].result == "failed"
    (finding,) = book.findings.values()
    assert "its runbook asks before every step" in finding.headline


def ended(story: DrillStory) -> tuple[list[str], Any]:
    """What is wrong at the end of a drill however it was interrupted, and how it ended, without the times."""
    platform = story.platform
    wrong = [f"left: {name}" for name in left(platform)]
    wrong += [f"not aimed at a copy: {c.sentence()}" for c in story.calls if not aims_at_copies(c)]
    case = kept(platform)
    return wrong, {
        "result": of_drill(case).result,
        "steps": {name: record.state for name, record in case.steps.items()},
        "effects": {k: n for k, n in effects(platform).items() if "Restore" in k},
        "serving": platform.serving(),
        "nodes": nodes(platform),
    }


def test_some_calls_of_every_kind(tmp_path: Path) -> None:
    story = PatientDrillStory()
    platform = story.tell()
    assert nodes(platform) == STANDBY_NODES
    some = some_of_each(platform.outside.calls)
    told = sweep(
        lambda n, kind: some(n, kind) if kind.startswith(OWN) else (),
        ended(story)[1],
        tmp_path,
        PatientDrillStory,
        ended,
    )
    assert told
    assert_alike(told)


@pytest.mark.long
def test_every_call(tmp_path: Path) -> None:
    story = PatientDrillStory()
    platform: Platform = story.tell()
    told = sweep(all_of_them, ended(story)[1], tmp_path, PatientDrillStory, ended)
    assert_every_call(told, platform.outside.calls)
    assert_alike(told)


def test_nobody_s_answer_is_a_failed_tabletop_and_an_answer_is_timed() -> None:
    silent = DrillStory(runbook="security-breach", kind="people")
    silent.begin()
    within = POLICY.drills.answer_within
    for _ in range(60):
        silent.tick()
        if silent.platform.store.docs.get("drill"):
            break
    case = kept(silent.platform)
    assert of_drill(case).result == "failed"
    assert of_drill(case).over_at - case.opened_at >= within
    assert silent.calls == []

    heard = DrillStory(runbook="security-breach", kind="people")
    heard.begin()
    heard.tick()
    (name,) = [d.id for d in (heard.drill(),) if d]
    heard.say("here", {"command": "acknowledge", "incident": name})
    for _ in range(60):
        heard.tick()
        if heard.platform.store.docs.get("drill"):
            break
    case = kept(heard.platform)
    assert of_drill(case).result == "passed"
    assert "ana" in case.because
