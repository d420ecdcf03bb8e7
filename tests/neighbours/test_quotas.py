"""Service Quotas as boto3 sees it: what is no quota is refused, and a value is one region's alone."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError

from drctl.neighbours.aws import Aws
from drctl.neighbours.aws_clients import make_client
from drctl.neighbours.quotas import STANDARD, VALUE, ServiceQuotas

ACCOUNT = "111122223333"


@pytest.mark.parametrize(("service", "code"), [("ec2", "L-00000000"), ("rds", STANDARD)])
def test_what_is_no_quota_is_refused(service: str, code: str) -> None:
    aws = Aws({"service-quotas": ServiceQuotas()}, clock=lambda: datetime(2026, 11, 26, tzinfo=UTC))
    client = make_client(aws, "service-quotas", "us-west-2", account=ACCOUNT)
    with pytest.raises(ClientError) as refused:
        client.get_service_quota(ServiceCode=service, QuotaCode=code)
    assert refused.value.response["Error"]["Code"] == "NoSuchResourceException"


def test_a_value_is_of_one_region_and_account() -> None:
    model = ServiceQuotas()
    model.applied["us-west-2", ACCOUNT, STANDARD] = 16.0
    aws = Aws({"service-quotas": model}, clock=lambda: datetime(2026, 11, 26, tzinfo=UTC))
    found = {
        region: make_client(aws, "service-quotas", region, account=ACCOUNT).get_service_quota(
            ServiceCode="ec2", QuotaCode=STANDARD
        )["Quota"]
        for region in ("us-west-2", "us-east-1")
    }
    assert {region: quota["Value"] for region, quota in found.items()} == {"us-west-2": 16.0, "us-east-1": VALUE}
    assert found["us-west-2"]["QuotaArn"] == f"arn:aws:servicequotas:us-west-2:{ACCOUNT}:ec2/{STANDARD}"
