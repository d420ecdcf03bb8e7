"""The old primary and the promotion, on the real actions and the stand-ins: fenced, cut off, and come back."""

from __future__ import annotations

import pytest

from chalicelib.core.book import Debt
from chalicelib.core.incident import Incident, StepState
from drctl.neighbours.ec2 import Acl
from tests.crash.ending import archive, effects, entries
from tests.crash.platform_in_process import Platform
from tests.crash.story import DARK_AT, Story


def lose_the_cluster(platform: Platform) -> None:
    """The region's APIs and its database answer; its Kubernetes and its services do not."""
    primary = platform.policy.platform.clusters.primary.name
    platform.clusters[primary].reachable = False


def cut_off(platform: Platform) -> None:
    """A partition: the primary region goes on and writes, and neither side hears the other."""
    platform.darken()
    platform.cut_off = True


def acls(platform: Platform) -> list[Acl]:
    """Those of the primary's database."""
    region, own = platform.policy.platform.database.primary.region, set(platform.policy.platform.fence.subnets)
    return [a for a in platform.ec2.acls if a.region == region and own & set(a.subnets)]


def promote(incident: Incident) -> str:
    return incident.step("promote").because


def write_at(platform: Platform, *, from_inside: bool = False) -> None:
    """A write at the old primary, as an application would make it; raises what the application would meet."""
    side, account = platform.policy.platform.database.primary, platform.policy.platform.account
    instance = platform.rds.instance(side.region, side.instance, account)
    if from_inside:
        platform.engine.run_inside(instance.resource_id, "prepare-heartbeat")
        platform.engine.run_inside(instance.resource_id, "write-heartbeat", ["application"])
    else:
        platform.engine.run(*instance.address, "prepare-heartbeat")
        platform.engine.run(*instance.address, "write-heartbeat", ["application"])


def test_a_primary_that_can_be_asked_is_fenced_and_proven_and_nobody_has_to_approve_the_promotion() -> None:
    platform = Story(breaks=lose_the_cluster, answers=False).tell()
    incident = archive(platform)
    assert incident.ending == "recovered"
    fence = incident.step("fence")
    assert fence.facts["fenced"] == "Fenced"
    assert "acl-" in fence.because
    assert "a write was refused there" in fence.because
    assert not [n for n in incident.notices if n.startswith("approval-needed/promote")]
    assert incident.step("promote").approval is None
    assert incident.step("promote").facts["loss_rows"] == 0.0
    assert not any(a.lets_in(platform.policy.platform.database.port) for a in acls(platform))
    with pytest.raises(OSError, match="nothing answers"):
        write_at(platform)
    denied = platform.outside.effects.count("ec2.CreateNetworkAclEntry")
    assert denied + len(_self_fenced(platform)) == len(platform.policy.platform.fence.subnets)


def test_a_partition_with_both_sides_alive_states_the_possible_loss_and_never_promotes_unaided() -> None:
    story = Story(breaks=cut_off, answers=False)
    story.begin()
    platform = story.platform
    for _ in range(15):
        story.tick()
    book = platform.book()
    assert book is not None
    (incident,) = book.incidents.values()
    assert incident.step("promote").state is StepState.ASKING
    assert "'neurectomy-pg' in us-east-1 may still take writes" in promote(incident)
    heard = platform.clock.now() - DARK_AT
    assert heard.total_seconds() > 60
    assert "whatever was written after 03:00:0" in promote(incident)
    assert "rds.PromoteReadReplica" not in effects(platform)
    assert platform.serving() == platform.policy.platform.regions.primary


def test_a_primary_that_is_cut_off_fences_itself_when_its_lease_is_over() -> None:
    story = Story(breaks=cut_off, answers=False)
    story.begin()
    platform = story.platform
    while platform.clock.now() < DARK_AT + platform.policy.signals.heartbeats.lease / 2:
        platform.clock.sleep(0.5)
    assert any(a.lets_in(platform.policy.platform.database.port) for a in acls(platform))
    platform.clock.sleep(3 * platform.policy.signals.heartbeats.lease.total_seconds())
    assert not any(a.lets_in(platform.policy.platform.database.port) for a in acls(platform))


def test_when_the_region_comes_back_it_is_fenced_before_it_takes_a_write_and_the_debts_are_paid() -> None:
    story = Story()
    platform = story.tell()
    assert {d.what for d in _debts(platform)} >= {"Keep the old primary from taking writes"}
    with pytest.raises(OSError, match="nothing answers"):
        write_at(platform)
    platform.lighten()
    story.tick()
    with pytest.raises(OSError, match="nothing answers"):
        write_at(platform)
    # One call a tick: four schedules are paused, and a last look finds them so.
    for _ in range(6):
        story.tick()
    assert _debts(platform) == []
    closed = archive(platform)
    texts = [e["text"] for e in entries(platform, f"{closed.id}/fence")]
    assert any("is Fenced" in t or "SelfFenced" in t for t in texts)
    assert platform.serving() == platform.policy.platform.regions.standby


def test_unreachable_is_not_fenced() -> None:
    """Behind a dark region the database goes on: an application inside it can write, and no verdict says otherwise."""
    story = Story(breaks=cut_off, answers=False)
    story.begin()
    for _ in range(3):
        story.tick()
    write_at(story.platform, from_inside=True)
    book = story.platform.book()
    assert book is not None
    (incident,) = book.incidents.values()
    assert "fenced" not in incident.step("fence").facts


def _self_fenced(platform: Platform) -> list[str]:
    """The ACLs that the primary's own agent denied, since its lease was revoked and it was quicker."""
    ours = [str(c["params"]["NetworkAclId"]) for c in platform.aws.seen() if c["operation"] == "CreateNetworkAclEntry"]
    return ours[platform.outside.effects.count("ec2.CreateNetworkAclEntry") :]


def _debts(platform: Platform) -> list[Debt]:
    book = platform.book()
    return list(book.debts) if book else []
