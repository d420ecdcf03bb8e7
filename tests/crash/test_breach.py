"""A security breach on the real desk: contained by people's word, called off on the way, and with workers stopped.

`make test` tries a few calls of every kind of its own; all of them are tried by `make test-long`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from chalicelib.actions.contract import Target
from chalicelib.actions.copies_whole import CopiesWhole
from chalicelib.actions.reader import LiveReader
from chalicelib.core.bounds import spelled
from chalicelib.core.incident import StepState
from chalicelib.core.outcome import Done, Next, Stuck, Wait
from chalicelib.core.plan import plan
from tests.crash.breach import (
    CONTAINED,
    FOUND_AT,
    SPACE,
    THEIRS,
    TYPE,
    BreachStory,
    CalledOffStory,
    RansomwareStory,
    standing,
)
from tests.crash.datapoint import BESIDE, artifacts
from tests.crash.ending import archive, effects, ending, untrue
from tests.crash.failures import says
from tests.crash.platform_in_process import POLICY, START
from tests.crash.stops import all_of_them, assert_alike, assert_every_call, some_of_each
from tests.crash.story import DARK_AT, PERSON, Story
from tests.crash.sweep import sweep
from tests.crash.test_failures import only
from tests.crash.vaults import MemoryVault, vaults

CONTAINMENT: Final = POLICY.platform.containment
assert CONTAINMENT is not None
COPIED: Final = re.compile(r"manifests/[^/]+\.json")
PRIMARY, REPLICA = POLICY.platform.database.primary, POLICY.platform.database.replica
LET_OUT: Final = ("let-out-instances", "let-out-subnets", "let-out-namespaces")
PLAN: Final = plan("security-breach", policy=POLICY)
CASES: Final[dict[str, Callable[[], Story]]] = {
    "breach": BreachStory,
    "called-off": CalledOffStory,
    "ransomware": RansomwareStory,
}


@pytest.fixture(scope="module")
def whole() -> BreachStory:
    """One told to its end; nobody changes it."""
    story = BreachStory()
    story.tell()
    return story


class NotRebuiltStory(BreachStory):
    """Nobody says yet that what the intruder held is rebuilt."""

    def _say(self, name: str, payload: Any, person: Any = PERSON) -> None:
        if payload.get("step") != "rebuild":
            super()._say(name, payload, person)

    def until(self, *steps: str) -> None:
        """Until these are done."""
        self.begin()
        for _ in range(40):
            self.tick()
            book = self.platform.book()
            for incident in book.incidents.values() if book else ():
                if all(incident.step(name).state is StepState.DONE for name in steps):
                    return
        raise AssertionError(f"not done in 40 ticks: {only(self.platform).steps}")


def test_a_finding_alone_moves_nothing_and_a_person_says_that_it_is_a_breach() -> None:
    class Undeclared(BreachStory):
        def _deliver(self, when: Any, function: str, payload: Any, name: str, person: Any = None) -> None:
            if payload["command"] != "declare":
                super()._deliver(when, function, payload, name, *([person] if person else []))

    story = Undeclared()
    story.begin()
    for _ in range(8):
        story.tick()
    incident = only(story.platform)
    assert (incident.scenario, incident.state) == ("security-breach", "suspecting")
    assert standing(story.platform) == story.before
    assert effects(story.platform) == {}


def test_what_guardduty_has_found_is_proposed_and_everything_asks() -> None:
    class Unchosen(BreachStory):
        def choices(self) -> dict[str, str]:
            return {}

    story = Unchosen(answers=False)
    story.begin()
    for _ in range(6):
        story.tick()
    incident = only(story.platform)
    found = incident.step("found")
    assert found.state is StepState.DONE
    assert f"GuardDuty has 1: {TYPE} (8 of 10) at {story.instance} in us-east-1" in found.because
    asks = incident.step("quarantine-instances")
    assert asks.state is StepState.ASKING
    assert asks.because.endswith(f"drctl choose {incident.id} instances={story.instance}")
    assert incident.step("pause-lifecycles").state is StepState.ASKING
    assert standing(story.platform) == story.before


def test_a_breach_is_contained_step_by_step_and_let_out_step_by_step_after_the_rebuild(whole: BreachStory) -> None:
    story, platform = whole, whole.platform
    incident = archive(platform)
    assert (incident.scenario, incident.ending) == ("security-breach", "recovered")
    assert {r.state for r in incident.steps.values()} == {StepState.DONE}
    assert all(r.approval is not None for name, r in incident.steps.items() if r.calls and name != "found")
    rebuilt = incident.step("rebuild").first_done_at
    for step in LET_OUT:
        began = incident.step(step).started_at
        assert rebuilt is not None
        assert began is not None
        assert began >= rebuilt, step
        assert incident.step(step).calls > 0, step
    assert not untrue(platform, faults=0)
    # What served serves again, what may delete does so, and one rule that was disabled before still is.
    assert standing(platform) == story.before
    book = platform.book()
    assert book is not None
    assert book.debts == ()


def test_until_it_is_rebuilt_everything_that_was_chosen_is_cut_off() -> None:
    story = NotRebuiltStory()
    story.until(*CONTAINED)
    platform = story.platform
    now, interface = standing(platform), platform.ec2.instances.interfaces.of(story.instance)[0]
    assert CONTAINMENT is not None
    assert interface.groups == (CONTAINMENT.quarantine_group,)
    assert now["protected"][story.instance]
    assert now["subnets"][story.subnet] == CONTAINMENT.quarantine_acl
    quarantine = now["policies"][f"{SPACE}/dr-quarantine"]
    assert quarantine == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    theirs = now["policies"][f"{SPACE}/{THEIRS['metadata']['name']}"]
    assert theirs["podSelector"]["matchLabels"]["dr-responder/let-through-again"] == only(platform).id


def test_what_a_person_keeps_cut_off_as_evidence_is_owed_and_nothing_else_is() -> None:
    """The instances stay; the incident does not recover by itself, and says so until a person ends it."""

    class KeptStory(BreachStory):
        def _say(self, name: str, payload: Any, person: Any = PERSON) -> None:
            if (payload["command"], payload.get("step")) != ("approve", "let-out-instances"):
                super()._say(name, payload, person)

    story = KeptStory()
    platform = story.platform
    story.begin()

    def recovered(but: str) -> bool:
        book = platform.book()
        steps = [i.step(s.id) for i in (book.incidents.values() if book else ()) for s in PLAN.steps if s.id != but]
        return bool(steps) and all(r.state is StepState.DONE for r in steps)

    for _ in range(60):
        story.tick()
        if recovered(but="let-out-instances"):
            break
    incident = only(platform)
    asks = incident.step("let-out-instances")
    assert asks.state is StepState.ASKING
    assert "an intruder who is still in there is let out with them" in asks.because
    no = {"command": "reject", "incident": incident.id, "step": "let-out-instances", "note": "for the police"}
    story.say("reject", no)
    for _ in range(2):
        story.tick()
    assert only(platform).state == "stalling"
    story.say("resolve", {"command": "resolve", "incident": incident.id})
    for _ in range(6):
        story.tick()
    assert archive(platform).ending == "resolved"
    book = platform.book()
    assert book is not None
    (owed,) = [d.case for d in book.debts if d.case]
    assert {name: r.state for name, r in owed.steps.items()} == {"release-instances": StepState.ASKING}
    now = standing(platform)
    assert CONTAINMENT is not None
    assert platform.ec2.instances.interfaces.of(story.instance)[0].groups == (CONTAINMENT.quarantine_group,)
    assert {k for k in now if now[k] != story.before[k]} == {"groups", "protected"}


def test_two_people_let_a_database_of_before_be_restored_and_used_and_the_old_one_stays(whole: BreachStory) -> None:
    platform = whole.platform
    incident = archive(platform)
    for step in ("restore-database", "switch-database", "rebuild"):
        approval = incident.step(step).approval
        assert approval is not None
        assert len(set(approval.arns)) == 2, step
    side, secret = POLICY.platform.database.primary, POLICY.platform.primary_secret
    new = platform.rds.instance(side.region, BESIDE, POLICY.platform.account)
    assert secret is not None
    assert platform.secrets.value(secret.region, secret.name)["port"] == str(new.address.port)
    assert platform.rds.instance(side.region, side.instance, POLICY.platform.account).status == "available"


def test_what_is_restored_into_the_clean_room_is_shut_in_before_it_is_there_and_is_gone_in_the_end(
    whole: BreachStory,
) -> None:
    story = NotRebuiltStory()
    story.until("room-runs")
    standby = story.platform.clusters[POLICY.platform.clusters.standby.name]
    assert only(story.platform).step("room-runs").state is StepState.DONE
    (wall,) = standby.objects("networkpolicies.networking.k8s.io", f"clean-{SPACE}")
    assert wall["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert wall["spec"]["egress"] == [{"to": [{"podSelector": {}}]}]
    assert standby.ready_deployment(f"clean-{SPACE}", "ml-service")
    (restore,) = standby.objects("restores.velero.io")
    assert restore["spec"]["namespaceMapping"] == {SPACE: f"clean-{SPACE}"}
    assert restore["metadata"]["creationTimestamp"] >= wall["metadata"]["creationTimestamp"]
    approval = only(story.platform).step("room-restore").approval
    assert approval is not None
    assert len(set(approval.arns)) == 2
    assert standing(whole.platform)["rooms"] == []


def test_evidence_is_kept_under_a_lock_and_copies_of_before_are_looked_at(whole: BreachStory) -> None:
    story, platform = whole, whole.platform
    incident = archive(platform)
    assert CONTAINMENT is not None
    held = platform.s3.buckets[CONTAINMENT.evidence.bucket]
    assert held.locks is not None
    logs = [k for k in held.objects if f"{incident.id}/logs/" in k]
    assert len(logs) == 3 * len(CONTAINMENT.logs)
    (document,) = [k for k in held.objects if k.endswith(f"/clusters/neurectomy-use1/{SPACE}.json")]
    kept = json.loads(held.objects[document])["objects"]
    assert kept["v1 pods"]
    assert not any("secrets" in resource for resource in kept)
    ends = incident.opened_at.replace(microsecond=0) + timedelta(days=CONTAINMENT.evidence.lock.days)
    assert set(held.locks.values()) == {("COMPLIANCE", ends)}
    assert set(held.locks) == {*logs, document}
    (snapshot,) = platform.ec2.snapshots.every.values()
    assert snapshot.tags["dr-responder/instance"] == story.instance
    assert snapshot.lock["LockState"] == "compliance"
    copies = incident.step("copies").because
    assert "of before 2026-11-23T03:00:02Z, and whole by its records" in copies
    assert "(5 objects looked at, 2 not)" in copies


def earlier(vault: MemoryVault) -> None:
    """Everything of the copy was written by earlier ones: its records name no object."""
    (whole,) = (n for n in vault.texts if COPIED.fullmatch(n))
    told = json.loads(vault.texts[whole])
    for row in told["parts"]:
        part = json.loads(vault.texts[row["name"]])
        vault.texts[row["name"]] = text = json.dumps({**part, "objects": [], "earlier": len(part["objects"])})
        row["sha256"] = hashlib.sha256(text.encode()).hexdigest()
    vault.texts[whole] = json.dumps(told)


def copies_of_before(there: Any) -> Next:
    """What the action says of these vaults."""
    action, at = CopiesWhole(), START + timedelta(seconds=30)
    params = {"as_of": "2026-11-23T03:00:02Z"}
    target = Target(step="copies", incident="one", opened_at=START, at=at, params=params)
    ports = replace(BreachStory().platform.responder().ports, vaults=there)
    return action.next(target, POLICY, action.observe(target, POLICY, LiveReader(ports, action.reads)), at)


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (lambda v: v.texts.clear(), "there is no whole copy of before"),
        (lambda v: v.texts.pop(next(n for n in v.texts if n.endswith("/00001.json"))), "00001.json is not there"),
        (lambda v: v.texts.update({n: v.texts[n] + " " for n in v.texts if "/0000" in n}), "has another digest"),
        (lambda v: v.texts.pop("dumps/orders.dump"), "dumps/orders.dump is not there"),
        (lambda v: v.texts.pop("velero/backups/daily/daily.tar.gz"), "daily/daily.tar.gz is not there"),
        (lambda v: v.texts.pop(next(n for n in v.texts if "volumeinfo" in n)), "volumeinfo.json.gz is not there"),
        (lambda v: setattr(v, "lock", ""), "not locked, expected"),
        (lambda v: setattr(v, "locked_until", START), "the lock of manifests/"),
    ],
)
def test_a_copy_that_is_not_whole_or_not_locked_is_named(harm: Any, says: str) -> None:
    there = vaults(POLICY, START)
    for vault in there.values():
        harm(vault)
    found = copies_of_before(there)
    assert isinstance(found, Stuck)
    assert says in found.because


def test_one_whole_copy_is_enough_and_the_gap_of_the_other_vault_is_told() -> None:
    there = vaults(POLICY, START)
    first, other = there
    there[first].texts.clear()
    found = copies_of_before(there)
    assert isinstance(found, Done)
    assert f"vault {first!r}: there is no whole copy" in found.because
    assert list(found.facts) == [f"copy.{other}"]


def test_how_much_was_looked_at_is_told_whichever_copy_wrote_it() -> None:
    there = vaults(POLICY, START)
    for vault in there.values():
        earlier(vault)
    found = copies_of_before(there)
    assert isinstance(found, Done)
    assert "(4 objects looked at, 3 not)" in found.because
    assert "that the volumes' data is there, and that anything holds what it should, nobody looked at" in found.because
    for vault in there.values():
        vault.texts.pop("velero/backups/daily/daily.tar.gz")
    gone = copies_of_before(there)
    assert isinstance(gone, Stuck)
    assert "daily/daily.tar.gz is not there" in gone.because


def test_a_vault_that_nobody_hears_is_none_that_is_whole() -> None:
    found = copies_of_before({})
    assert isinstance(found, Wait)
    assert "is not reached from here" in found.because


def test_a_burst_of_writes_and_a_finding_together_are_ransomware_and_a_burst_alone_is_none() -> None:
    story = RansomwareStory()
    platform = story.tell()
    incident = archive(platform)
    assert (incident.scenario, incident.ending, incident.declared_by) == ("ransomware", "recovered", None)
    assert {r.state for r in incident.steps.values()} == {StepState.DONE}
    assert effects(platform)["rds.RestoreDBInstanceToPointInTime"] == 1
    assert artifacts(platform) == story.artifacts
    assert not untrue(platform, faults=0)
    # The first finding is of DARK_AT, and tells of what had begun before.
    proposed = spelled(DARK_AT - timedelta(minutes=15) / POLICY.speed)
    assert incident.step("found").facts["proposed.as_of"] == proposed
    assert standing(platform) == story.before
    assert f"proposed is {proposed}, 15m before GuardDuty's first finding" in incident.step("found").because

    class Burst(RansomwareStory):
        def evidence(self) -> None:
            self.alarm(FOUND_AT, says("WriteBurst", FOUND_AT))

    alone = Burst()
    alone.begin()
    for _ in range(6):
        alone.tick()
    assert only(alone.platform).state == "suspecting"
    assert standing(alone.platform) == alone.before


def test_while_it_is_contained_nothing_deletes_anything() -> None:
    story = NotRebuiltStory()
    story.until(*CONTAINED)
    now = standing(story.platform)
    assert {rule["Status"] for rules in now["rules"].values() for rule in rules} == {"Disabled"}
    assert now["images"] == {}
    # The replica keeps no automated backups of its own, and is given none.
    assert story.before["databases"] == {PRIMARY.instance: (True, 14), REPLICA.instance: (False, 0)}
    assert now["databases"] == {PRIMARY.instance: (True, 35), REPLICA.instance: (True, 0)}
    assert set(now["locations"].values()) == {"ReadOnly"}
    assert all(now["schedules"].values())


def test_what_is_called_off_is_taken_back_and_the_platform_is_as_it_was() -> None:
    story = CalledOffStory()
    platform = story.tell()
    assert archive(platform).ending == "aborted"
    assert standing(platform) == story.before
    book = platform.book()
    assert book is not None
    assert book.debts == ()


def test_nothing_is_let_out_of_quarantine_without_a_persons_word() -> None:
    class Silent(CalledOffStory):
        def _pay(self, book: Any) -> None:
            pass

    story = Silent()
    story.begin()
    for _ in range(20):
        story.tick()
    book = story.platform.book()
    assert book is not None
    owed = {d.case.id.rpartition("/")[2]: d.case for d in book.debts if d.case}
    assert set(owed) == {
        *("release-instances", "release-subnets", "release-namespaces", "undo-pause-lifecycles"),
        *("undo-keep-databases", "undo-keep-images"),
        *("undo-keep-backups", "undo-keep-standby-backups", "undo-pause-schedules", "undo-room"),
    }
    assert {r.state for case in owed.values() for r in case.steps.values()} == {StepState.ASKING}
    assert standing(story.platform)["protected"][story.instance]


def test_observing_touches_nothing() -> None:
    story = BreachStory(mode="observe")
    story.begin()
    for _ in range(12):
        story.tick()
    assert effects(story.platform) == {}
    assert standing(story.platform) == story.before


OWN: Final = (
    "ec2.",
    "s3.PutBucket",
    "ecr.",
    "guardduty.",
    "kubernetes POST networkpolicies",
    "kubernetes DELETE network",
)
"""The other systems' calls are those of other stories, whose sweeps stop at them."""


# Ransomware's own steps are those of a corruption, whose sweep stops at them; the whole sweep leaves nothing out.
@pytest.mark.parametrize("case", ["breach", "called-off"])
def test_some_calls_of_every_kind(case: str, tmp_path: Path) -> None:
    platform = CASES[case]().tell()
    expected: Any = ending(platform)
    some = some_of_each(platform.outside.calls)
    told = sweep(lambda n, kind: some(n, kind) if kind.startswith(OWN) else (), expected, tmp_path, CASES[case])
    assert told
    assert_alike(told)


@pytest.mark.long
@pytest.mark.parametrize("case", CASES)
def test_every_call_of_its_own(case: str, tmp_path: Path) -> None:
    platform = CASES[case]().tell()
    expected: Any = ending(platform)
    told = sweep(lambda n, kind: all_of_them(n, kind) if kind.startswith(OWN) else (), expected, tmp_path, CASES[case])
    assert told
    assert_alike(told)


@pytest.mark.long
@pytest.mark.parametrize("case", CASES)
def test_every_call(case: str, tmp_path: Path) -> None:
    platform = CASES[case]().tell()
    expected: Any = ending(platform)
    told = sweep(all_of_them, expected, tmp_path, CASES[case])
    assert_every_call(told, platform.outside.calls)
    assert_alike(told)
