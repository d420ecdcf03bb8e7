"""Drills that put objects in S3 back: whole, ended by a real alarm, refused a right, and with the worker stopped.

`make test` tries a few calls of every kind; all of them are tried by `make test-long`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import pytest

from chalicelib.core.incident import Incident, StepState
from chalicelib.core.rehearsal import CLEAN
from chalicelib.core.restoring import RESTORE
from drctl.neighbours.aws import AwsError
from tests.crash.drills import (
    BUCKET,
    AlarmStory,
    ObjectsDrillStory,
    aims_at_copies,
    kept,
    left,
    own_folder,
    versions,
)
from tests.crash.inline import one_thread
from tests.crash.outside import When
from tests.crash.platform_in_process import POLICY
from tests.crash.stops import all_of_them, assert_alike, assert_every_call, some_of_each
from tests.crash.sweep import sweep
from tests.crash.versioned import Params

MADE, SAME, GONE = "drill-objects", "drill-objects-same", "clean-objects"
RESTORES: Final = {"accidental-deletion": "folder", "data-corruption": "artifacts", "ransomware": "artifacts"}


def result(case: Incident) -> str | None:
    assert case.drill is not None
    return case.drill.result


@pytest.mark.parametrize("runbook", RESTORES)
def test_a_drill_puts_its_own_objects_back_and_leaves_no_version_of_them(runbook: str) -> None:
    story = ObjectsDrillStory(runbook=runbook)
    platform = story.tell()
    case = kept(platform)
    assert result(case) == "passed", case.because
    assert {r.state for r in case.steps.values()} == {StepState.DONE}
    assert "4 objects in" in case.step(SAME).because
    assert "byte for byte, and 1 that was added since is hidden" in case.step(SAME).because
    # One of each kind: copied over the overwritten, and over a marker; a marker taken away; the added one hidden.
    facts = case.step(RESTORES[runbook]).facts
    assert [facts[name] for name in ("copies", "undeletes", "removes", "put_back")] == [2, 1, 1, 4]
    (restored,) = [c for c in story.calls if c.operation == RESTORE]
    assert restored.params["AsOf"] == case.step(MADE).facts["moment"]
    assert restored.params["Encryption"] == POLICY.backups.restorable[0].encryption == "SSE-KMS"
    # Nothing is left, and nothing that is nobody's drill was touched.
    assert left(platform) == []
    assert versions(platform) == story.before
    assert all(aims_at_copies(c) for c in story.calls)
    assert not platform.pagerduty.alerts


def test_what_is_deleted_for_good_is_below_the_drill_s_own_folder_and_every_version_once() -> None:
    story = ObjectsDrillStory()
    case = kept(story.tell())
    gone = [dict[str, Any](c.params) for c in story.calls if c.operation == "delete_object" and "VersionId" in c.params]
    assert POLICY.drills.test_folder
    own = f"{POLICY.drills.test_folder.prefix}{case.id}/"
    assert gone
    assert all(g["Bucket"] == BUCKET and g["Key"].startswith(own) for g in gone)
    assert len({(g["Key"], g["VersionId"]) for g in gone}) == len(gone)


def test_what_another_drill_has_left_is_not_this_one_s_to_delete() -> None:
    story = ObjectsDrillStory()
    platform = story.platform
    assert POLICY.drills.test_folder
    other = f"{POLICY.drills.test_folder.prefix}drill-accidental-deletion-20200101T000000/objects/kept"
    platform.s3.put_object("", "", {"Bucket": BUCKET, "Key": other, "Body": b"somebody's"})
    before = versions(platform)
    assert result(kept(story.tell())) == "passed"
    assert versions(platform) == before


def test_a_right_that_is_missing_fails_the_drill() -> None:
    story = ObjectsDrillStory(policy=POLICY)
    platform = story.platform

    def refused(region: str, account: str, params: Params) -> dict[str, Any]:
        del region, account
        raise AwsError("AccessDenied", f"no identity-based policy allows kms:Decrypt for {params['Key']}", 403)

    platform.s3.copy_object = refused  # type: ignore[method-assign] # the bucket, without a right
    with one_thread():
        story.begin()
        for _ in range(300):
            story.tick()
            if platform.store.docs.get("drill"):
                break
    case = kept(platform)
    assert result(case) == "failed"
    assert case.step("folder").state is not StepState.DONE
    assert "2 failed" in case.because
    assert left(platform) == []
    assert versions(platform) == story.before


@pytest.mark.parametrize("step", [MADE])
def test_a_real_alarm_ends_it_and_its_objects_go_when_the_region_is_there_again(step: str) -> None:
    story = AlarmStory(step=step, runbook="accidental-deletion")
    platform = story.tell()
    case = kept(platform)
    assert result(case) == "abandoned", case.because
    began = [r.called_at for k, r in case.steps.items() if not k.startswith(CLEAN) and r.called_at]
    assert case.drill
    assert case.drill.over_at
    assert max(began) <= case.drill.over_at
    assert case.step(GONE).state is StepState.DONE
    assert left(platform) == []
    assert platform.serving() == POLICY.platform.regions.standby


def ended(story: ObjectsDrillStory) -> tuple[list[str], Any]:
    """What is wrong at the end of a drill however it was interrupted, and how it ended, without the times."""
    platform = story.platform
    wrong = [f"left: {name}" for name in left(platform)]
    wrong += [f"not aimed at a copy: {c.sentence()}" for c in story.calls if not aims_at_copies(c)]
    if versions(platform) != story.before:
        wrong.append(f"not as it was: {[v for v in versions(platform) if not own_folder(BUCKET, v.key)]}")
    case = kept(platform)
    steps = {name: record.state for name, record in case.steps.items()}
    counted = {name: case.step("folder").facts.get(name) for name in ("copies", "undeletes", "removes")}
    return wrong, {"result": result(case), "steps": steps, "counted": counted, "serving": platform.serving()}


CHANGES: Final = ("s3.DeleteObject", "s3.CopyObject")
"""What changes a version beside PutObject."""


def some_calls(calls: list[str]) -> Callable[[int, str], Iterable[When]]:
    """Some of every kind of S3's, and of those that delete and copy every fourth after, and every fourth before it."""
    some, changing = some_of_each(calls), [n for n, kind in enumerate(calls) if kind in CHANGES]
    picked = dict.fromkeys(changing[::4], When.AFTER) | dict.fromkeys(changing[2::4], When.BEFORE)

    def wanted(number: int, kind: str) -> Iterable[When]:
        if number in picked:
            return (picked[number],)
        return some(number, kind) if kind.startswith("s3.") else ()

    return wanted


def test_some_calls_of_every_kind(tmp_path: Path) -> None:
    story = ObjectsDrillStory()
    wanted = some_calls(story.tell().outside.calls)
    told = sweep(wanted, ended(story)[1], tmp_path, ObjectsDrillStory, ended)
    assert {t.kind for t in told} >= {"s3.PutObject", *CHANGES}
    assert_alike(told)


@pytest.mark.long
def test_every_call(tmp_path: Path) -> None:
    story = ObjectsDrillStory()
    platform = story.tell()
    told = sweep(all_of_them, ended(story)[1], tmp_path, ObjectsDrillStory, ended)
    assert_every_call(told, platform.outside.calls)
    assert_alike(told)
