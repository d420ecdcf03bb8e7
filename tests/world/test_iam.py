"""IAM's verdict, rule by rule of its own pages."""

from __future__ import annotations

from typing import Any

import pytest

from drctl.world.iam import Principal, Request, Verdict

REPLICA = "arn:aws:rds:us-west-2:111122223333:db:pg-west"
PROMOTE = Request("rds:PromoteReadReplica", REPLICA)


def principal(*statements: dict[str, Any]) -> Principal:
    arn = "arn:aws:sts::111122223333:assumed-role/tick/tick"
    return Principal(arn, tuple({"Version": "2012-10-17", "Statement": [s]} for s in statements))


def allow(action: Any, resource: Any = REPLICA, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


@pytest.mark.parametrize(
    ("action", "resource", "verdict"),
    [
        ("rds:PromoteReadReplica", REPLICA, Verdict.ALLOWED),
        ("RDS:promotereadreplica", REPLICA, Verdict.ALLOWED),
        (["rds:DescribeDBInstances", "rds:Promote*"], REPLICA, Verdict.ALLOWED),
        ("rds:PromoteReadReplica", [f"{REPLICA}-2", REPLICA], Verdict.ALLOWED),
        ("rds:PromoteReadReplic?", "arn:aws:rds:*:*:db:pg-????", Verdict.ALLOWED),
        ("*", "*", Verdict.ALLOWED),
        ("rds:DescribeDBInstances", REPLICA, Verdict.IMPLICIT),
        ("rds:PromoteReadReplica", REPLICA.upper(), Verdict.IMPLICIT),
        ("rds:PromoteReadReplica", f"{REPLICA}?", Verdict.IMPLICIT),
        ("rds.PromoteReadReplica", REPLICA, Verdict.IMPLICIT),
    ],
)
def test_an_action_and_its_resource_must_both_match(action: Any, resource: Any, verdict: Verdict) -> None:
    assert principal(allow(action, resource)).verdict(PROMOTE) is verdict


def test_nothing_is_allowed_by_nothing() -> None:
    assert principal().verdict(PROMOTE) is Verdict.IMPLICIT


def test_a_deny_wins_over_every_allow() -> None:
    denied = {"Effect": "Deny", "Action": "rds:*", "Resource": "*"}
    assert principal(denied, allow("*", "*")).verdict(PROMOTE) is Verdict.EXPLICIT
    assert principal(allow("*", "*"), denied).verdict(PROMOTE) is Verdict.EXPLICIT


def test_a_narrow_policy_does_not_allow_what_has_no_resource() -> None:
    assert principal(allow("rds:PromoteReadReplica")).verdict(Request("rds:PromoteReadReplica")) is Verdict.IMPLICIT


@pytest.mark.parametrize(
    ("condition", "context", "met"),
    [
        ({"StringEquals": {"cloudwatch:namespace": "A"}}, {"cloudwatch:namespace": "A"}, True),
        ({"StringEquals": {"CloudWatch:Namespace": "A"}}, {"cloudwatch:namespace": "A"}, True),
        ({"StringEquals": {"cloudwatch:namespace": ["B", "A"]}}, {"cloudwatch:namespace": "A"}, True),
        ({"StringEquals": {"cloudwatch:namespace": "A"}}, {"cloudwatch:namespace": "a"}, False),
        ({"StringEquals": {"cloudwatch:namespace": "A*"}}, {"cloudwatch:namespace": "AB"}, False),
        ({"StringEquals": {"cloudwatch:namespace": "A"}}, {}, False),
        ({"StringLike": {"cloudwatch:namespace": "A*"}}, {"cloudwatch:namespace": "AB"}, True),
        ({"StringLike": {"cloudwatch:namespace": "A?"}}, {"cloudwatch:namespace": "A"}, False),
        ({"StringEquals": {"a:b": "1", "a:c": "2"}}, {"a:b": "1"}, False),
        ({"ForAllValues:StringEquals": {"a:b": ["1", "2"]}}, {"a:b": ("2", "1")}, True),
        ({"ForAllValues:StringEquals": {"a:b": ["1", "2"]}}, {"a:b": ("1", "3")}, False),
        ({"ForAllValues:StringEquals": {"a:b": ["1", "2"]}}, {}, True),
        ({"StringEquals": {"a:b": "1"}}, {"a:b": ("1",)}, False),
    ],
)
def test_every_condition_must_be_met(condition: dict[str, Any], context: dict[str, Any], *, met: bool) -> None:
    asked = Request("cloudwatch:PutMetricData", "*", context)
    found = principal(allow("cloudwatch:PutMetricData", "*", Condition=condition)).verdict(asked)
    assert found is (Verdict.ALLOWED if met else Verdict.IMPLICIT)


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ({"Effect": "Allow", "NotAction": "rds:*", "Resource": "*"}, "NotAction"),
        ({"Effect": "Allow", "Action": "*", "NotResource": "*"}, "NotResource"),
        (allow("*", "*", Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}), "IpAddress"),
        (allow("*", "*") | {"Effect": "allow"}, "'allow'"),
    ],
)
def test_what_is_not_understood_is_refused_and_not_read_over(statement: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        principal(statement).verdict(PROMOTE)


def test_a_denial_says_who_may_not_do_what_to_which_and_why() -> None:
    who = "User: arn:aws:sts::111122223333:assumed-role/tick/tick is not authorized to perform: "
    assert principal().denial(PROMOTE) == (
        f"{who}rds:PromoteReadReplica on resource: {REPLICA} "
        "because no identity-based policy allows the rds:PromoteReadReplica action"
    )
    deny = {"Effect": "Deny", "Action": "rds:*", "Resource": "*"}
    assert principal(deny).denial(PROMOTE) == (
        f"{who}rds:PromoteReadReplica on resource: {REPLICA} with an explicit deny in an identity-based policy"
    )
    assert principal(allow("rds:*")).denial(PROMOTE) is None
