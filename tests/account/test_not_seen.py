"""What could not be looked at is told as such, whatever the reason, and never as a difference."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from moto import mock_aws

from chalicelib.account.verdicts import Row, Verdict
from chalicelib.policy import Policy
from chalicelib.policy.accounts import Account as Elsewhere
from drctl.account.asking import Account
from drctl.account.verify import verify
from tests.account.house import ACCOUNT, Watched, build, differing

ELSEWHERE = "444455556666"


@pytest.fixture(scope="module", autouse=True)
def account(policy: Policy) -> Iterator[None]:
    with mock_aws(config={"lambda": {"use_docker": False}}):
        build(policy)
        yield


@pytest.mark.parametrize("how", ["denied", "silent"])
@pytest.mark.parametrize(
    "operation",
    sorted(
        {
            *("DescribeDBInstances", "DescribeCluster", "GetBucketReplication", "ListHealthChecks", "DescribeAlarms"),
            *("DescribeSecret", "GetEmailIdentity", "DescribeTable", "GetFunctionConfiguration", "DescribeRegions"),
            *("GetTopicAttributes", "ListHostedZonesByName", "GetPolicy", "GetPublicAccessBlock"),
        }
    ),
)
def test_what_cannot_be_looked_at_is_never_a_difference(policy: Policy, operation: str, how: str) -> None:
    watched = Watched(
        policy, denied=(operation,) if how == "denied" else (), silent=() if how == "denied" else (operation,)
    )
    rows = differing(policy, watched)
    assert rows
    assert {row.verdict for row in rows} == {Verdict.NOT_SEEN}


def spread(policy: Policy) -> Policy:
    """The replica and the standby's cluster in another account, nothing of which is there."""
    platform = policy.platform
    row = Elsewhere(name="data", id=ELSEWHERE, external_id="acme-dr", role=f"arn:aws:iam::{ELSEWHERE}:role/dr")
    replica = platform.database.replica.model_copy(update={"account": ELSEWHERE})
    standby = platform.clusters.standby.model_copy(update={"account": ELSEWHERE})
    changed = {
        "accounts": (row,),
        "database": platform.database.model_copy(update={"replica": replica}),
        "clusters": platform.clusters.model_copy(update={"standby": standby}),
    }
    return policy.model_copy(update={"platform": platform.model_copy(update=changed)})


def looked_at(policy: Policy, watched: Watched) -> list[Row]:
    found = verify(policy, Account(watched, policy.platform))
    return [row for row in found if row.verdict is not Verdict.AS_CLAIMED]


def test_what_stands_in_another_account_is_not_seen_with_ours_and_all_else_is(policy: Policy) -> None:
    policy = spread(policy)
    rows = looked_at(policy, Watched(policy))
    assert {row.verdict for row in rows} == {Verdict.NOT_SEEN}
    for row in rows:
        assert row.field.startswith(("platform.database.replica", "platform.clusters.standby"))
        assert f"it stands in account {ELSEWHERE}, and these credentials are of account {ACCOUNT}" in row.found
    assert len({row.subject for row in rows}) >= 2


def test_while_nobody_says_whose_the_credentials_are_nothing_is_found_missing(policy: Policy) -> None:
    policy = spread(policy)
    rows = looked_at(policy, Watched(policy, silent=("GetCallerIdentity",)))
    assert {row.verdict for row in rows} == {Verdict.NOT_SEEN}
