"""What could not be looked at is told as such, whatever the reason, and never as a difference."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from moto import mock_aws

from chalicelib.policy import Policy
from drctl.account.verdicts import Verdict
from tests.account.house import Watched, build, differing


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
