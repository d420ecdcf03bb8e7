"""A whole region failure on a platform whose database and clusters stand in two other accounts than the responder."""

from __future__ import annotations

from datetime import timedelta

import pytest

from chalicelib.core.incident import StepState
from chalicelib.policy import Policy
from tests.crash.ending import archive, untrue
from tests.crash.platform_in_process import SPEED, START, Platform
from tests.crash.story import Story
from tests.crash.test_fence import acls, lose_the_cluster
from tests.policy.elsewhere import policy_elsewhere


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    return policy_elsewhere(tmp_path_factory.mktemp("elsewhere") / "policies", speed=SPEED)


def recovered(platform: Platform) -> None:
    incident = archive(platform)
    assert incident.ending == "recovered"
    assert {record.state for record in incident.steps.values()} <= {StepState.DONE, StepState.LEFT}
    assert platform.serving() == platform.policy.platform.regions.standby
    assert not untrue(platform, faults=0)


def test_the_failover_ends_as_in_one_account_and_asks_sts_of_the_standby_only(policy: Policy) -> None:
    platform = Story(policy=policy).tell()
    recovered(platform)
    standby, accounts = policy.platform.regions.standby, policy.platform.accounts
    workers = {(region, role) for region, role in platform.assumed.asked if region == standby}
    assert {role for _, role in workers} == {r for a in accounts for r in (a.role, a.write_role) if r}
    # Whatever else asked is the heart, in its own region.
    assert {region for region, _ in platform.assumed.asked} <= {standby, policy.platform.regions.primary}


def test_a_fence_in_another_account_is_made_and_proven(policy: Policy) -> None:
    platform = Story(policy=policy, breaks=lose_the_cluster, answers=False).tell()
    recovered(platform)
    assert archive(platform).step("fence").facts["fenced"] == "Fenced"
    assert {acl.account for acl in acls(platform)} == {policy.platform.database.primary.account}
    assert not any(acl.lets_in(policy.platform.database.port) for acl in acls(platform))


def test_silence_of_sts_delays_recovery_and_changes_nothing_else(policy: Policy) -> None:
    story = Story(policy=policy)
    story.platform.assumed.silent_until = START + timedelta(seconds=60)
    platform = story.tell()
    recovered(platform)
    promoted = archive(platform).step("promote").first_done_at
    assert promoted is not None
    assert promoted > START + timedelta(seconds=60)


def test_a_role_that_does_not_trust_the_responder_is_told_in_sts_s_words(policy: Policy) -> None:
    story = Story(policy=policy)
    rows = tuple(row.model_copy(update={"external_id": "another"}) for row in policy.platform.accounts)
    platform_ = policy.platform.model_copy(update={"accounts": rows})
    story.platform.assumed.trusts(policy.model_copy(update={"platform": platform_}))
    story.begin()
    for _ in range(20):
        story.tick()
    book = story.platform.book()
    assert book is not None
    (incident,) = book.incidents.values()
    said = [r.because for r in incident.steps.values() if r.state is StepState.STUCK]
    assert [text for text in said if "not authorized to perform: sts:AssumeRole" in text]
    assert not story.platform.assumed.asked
