"""GuardDuty on the wire: what is refused, and which findings a list holds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from drctl.neighbours.aws import Aws
from drctl.neighbours.aws_clients import make_client
from drctl.neighbours.guardduty import PAGE, GuardDuty
from drctl.world.said import Finding

REGION, ACCOUNT = "us-east-1", "111122223333"
AT = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)


class Stand:
    """A detector, and a boto3 client."""

    def __init__(self) -> None:
        self.model = GuardDuty()
        self.detector = self.model.switch_on(REGION, ACCOUNT)
        self.client = make_client(Aws({"guardduty": self.model}), "guardduty", REGION, account=ACCOUNT)

    def found(self, number: int, *, severity: float = 8, archived: bool = False, minutes: int = 0) -> None:
        kind = "Trojan:EC2/DNSDataExfiltration"
        made = Finding(
            account=ACCOUNT, region=REGION, type=kind, severity=severity, number=number, began_at=AT, instance="i-1"
        )
        self.model.found(made.kept(count=1, archived=archived, at=AT + timedelta(minutes=minutes)))

    def ids(self, **criteria: Any) -> list[str]:
        found: list[str] = self.client.list_findings(
            DetectorId=self.detector, FindingCriteria={"Criterion": criteria} if criteria else {}
        )["FindingIds"]
        return found


def test_a_region_where_it_is_not_on_has_no_detector() -> None:
    stand = Stand()
    assert stand.client.list_detectors()["DetectorIds"] == [stand.detector]
    elsewhere = make_client(Aws({"guardduty": stand.model}), "guardduty", "us-west-2", account=ACCOUNT)
    assert elsewhere.list_detectors()["DetectorIds"] == []


@pytest.mark.parametrize(
    "ask",
    [
        lambda c, _: c.list_findings(DetectorId="f" * 32),
        lambda c, _: c.get_findings(DetectorId="f" * 32, FindingIds=["a"]),
        lambda c, d: c.get_findings(DetectorId=d, FindingIds=[str(n) for n in range(PAGE + 1)]),
        lambda c, d: c.list_findings(DetectorId=d, FindingCriteria={"Criterion": {"colour": {"Equals": ["red"]}}}),
    ],
)
def test_a_foreign_detector_too_many_ids_and_an_unknown_criterion_are_refused(ask: Any) -> None:
    stand = Stand()
    with pytest.raises(ClientError) as refused:
        ask(stand.client, stand.detector)
    assert refused.value.response["Error"]["Code"] == "BadRequestException"


def test_every_criterion_must_be_met() -> None:
    stand = Stand()
    stand.found(1)
    stand.found(2, severity=5)
    stand.found(3, archived=True)
    stand.found(4, minutes=90)
    assert len(stand.ids()) == 4
    assert len(stand.ids(severity={"GreaterThanOrEqual": 7})) == 3
    late = int((AT + timedelta(minutes=60)).timestamp() * 1000)
    strict = {"severity": {"GreaterThanOrEqual": 7}, "updatedAt": {"GreaterThanOrEqual": late}}
    (one,) = stand.ids(**strict, **{"service.archived": {"Equals": ["false"]}})
    (shown,) = stand.client.get_findings(DetectorId=stand.detector, FindingIds=[one, "gone"])["Findings"]
    assert shown["Resource"]["InstanceDetails"]["InstanceId"] == "i-1"
    assert shown["Service"]["EventFirstSeen"] == "2026-11-24T03:00:00.000Z"


def test_what_comes_again_is_the_same_finding_and_pages_follow_one_another() -> None:
    stand = Stand()
    for number in range(PAGE + 2):
        stand.found(number)
        stand.found(number)
    first = stand.client.list_findings(DetectorId=stand.detector)
    rest = stand.client.list_findings(DetectorId=stand.detector, NextToken=first["NextToken"])
    assert (len(first["FindingIds"]), len(rest["FindingIds"])) == (PAGE, 2)
    assert "NextToken" not in rest or not rest["NextToken"]
