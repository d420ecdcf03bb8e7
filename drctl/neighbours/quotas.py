"""Service Quotas: the applied values of an account in a region.

Sources, named below by their short names:
- *api*: docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_GetServiceQuota.html
- *example*: docs.aws.amazon.com/cli/latest/userguide/cli_service-quotas_code_examples.html
  (get-aws-default-service-quota): a quota's fields
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from drctl.neighbours.aws import AwsError

STANDARD: Final = "L-1216C47A"
NAMES: Final = {
    STANDARD: "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances",
    "L-34B43A08": "All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests",
}
VALUE: Final = 1920.0
"""What an account has that has run for a while; a new one has 5 (*example*)."""


class ServiceQuotas:
    """EC2's quotas of vCPUs. `applied` is by (region, account, code)."""

    def __init__(self) -> None:
        self.applied: dict[tuple[str, str, str], float] = {}

    def get_service_quota(self, region: str, account: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """GetServiceQuota; NoSuchResourceException (*api*) for what is no quota of EC2's here."""
        service, code = params["ServiceCode"], params["QuotaCode"]
        if service != "ec2" or code not in NAMES:
            raise AwsError("NoSuchResourceException", "The request failed because the specified quota does not exist.")
        return {
            "Quota": {
                "ServiceCode": service,
                "ServiceName": "Amazon Elastic Compute Cloud (Amazon EC2)",
                "QuotaArn": f"arn:aws:servicequotas:{region}:{account}:{service}/{code}",
                "QuotaCode": code,
                "QuotaName": NAMES[code],
                "Value": self.applied.get((region, account, code), VALUE),
                "Unit": "None",
                "Adjustable": True,
                "GlobalQuota": False,
            }
        }
