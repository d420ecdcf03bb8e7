"""A deploy in the middle of a region failure, on the real actions and the stand-ins."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable
from typing import Any, Final

from chalicelib.core.incident import Incident, StepState
from chalicelib.policy import Policy
from chalicelib.policy.load import read_raw
from chalicelib.store.codec import read_policy
from tests.crash.ending import archive
from tests.crash.platform_in_process import FOLDER, POLICY, SPEED, Platform
from tests.crash.story import Story

WRONG: Final = "neurectomy-pg-wset"
_RAW: Final = read_raw(FOLDER)


def edited(edit: Callable[[dict[str, Any]], None]) -> Policy:
    raw = copy.deepcopy(_RAW)
    edit(raw)
    digest = hashlib.sha256(json.dumps(raw, sort_keys=True, default=str).encode()).hexdigest()[:16]
    return Policy.model_validate({**raw, "digest": digest, "speed": SPEED}, context={"speed": SPEED})


def misspelt(raw: dict[str, Any]) -> None:
    raw["platform"]["database"]["replica"]["instance"] = WRONG


def without_redis(raw: dict[str, Any]) -> None:
    services = raw["services"]["services"]
    services[:] = [s for s in services if s["name"] != "redis"]


def open_one(platform: Platform) -> Incident:
    book = platform.book()
    assert book
    (incident,) = book.incidents.values()
    return incident


def until(story: Story, reached: Callable[[Incident], bool], *, ticks: int = 60) -> None:
    for _ in range(ticks):
        story.tick()
        if reached(open_one(story.platform)):
            return
    raise AssertionError(f"not reached in {ticks} ticks: {open_one(story.platform).steps}")


def to_the_end(story: Story, *, ticks: int = 120) -> Incident:
    for _ in range(ticks):
        if story.platform.store.docs.get("closed"):
            return archive(story.platform)
        story.tick()
    raise AssertionError(f"not over in {ticks} ticks: {story.platform.book()}")


def test_a_wrong_name_is_corrected_in_the_middle_by_a_deploy_and_a_named_person() -> None:
    story = Story()
    story.deploy(edited(misspelt))
    story.begin()
    until(story, lambda i: i.step("promote").state is StepState.STUCK)
    assert WRONG in open_one(story.platform).step("promote").because
    story.deploy(POLICY)
    for _ in range(4):
        story.tick()
    stuck = open_one(story.platform)
    assert stuck.policy != POLICY.digest
    assert WRONG in stuck.step("promote").because
    story.say("repin", {"command": "repin", "incident": stuck.id, "note": "the replica is neurectomy-pg-west"})
    ended = to_the_end(story)
    assert (ended.ending, ended.policy) == ("recovered", POLICY.digest)
    assert story.platform.serving() == POLICY.platform.regions.standby
    kept = {key: read_policy(body) for key, body in story.platform.store.docs["policy"].items()}
    assert kept[POLICY.digest] == POLICY
    assert kept[stuck.policy].platform.database.replica.instance == WRONG


def test_a_deploy_of_another_plan_in_the_middle_leaves_the_incident_its_own() -> None:
    story = Story()
    story.begin()
    until(story, lambda i: bool(i.steps) and i.moved)
    before = open_one(story.platform)
    story.deploy(edited(without_redis))
    ended = to_the_end(story)
    assert (ended.ending, ended.policy, ended.plan) == ("recovered", POLICY.digest, before.plan)
    assert ended.step("restore-redis").state is StepState.DONE


def test_a_kept_policy_that_newer_code_cannot_read_stops_nothing_and_is_told() -> None:
    story = Story()
    story.begin()
    until(story, lambda i: bool(i.steps) and i.moved)
    story.platform.store.docs["policy"][POLICY.digest] = json.dumps({"platform": {"colour": "blue"}})
    today = edited(lambda raw: raw["platform"].update(display_name="Another"))
    story.deploy(today)
    ended = to_the_end(story)
    assert (ended.ending, ended.policy) == ("recovered", today.digest)
    told = [json.loads(e)["text"] for _, e in sorted(story.platform.store.timelines[ended.id].items())]
    assert len([t for t in told if "cannot be read by this code" in t]) == 1
