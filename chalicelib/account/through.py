"""Asks by way of a reader: for the clock, which holds the responder's own clients, and for people who hold theirs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from chalicelib.account.verdicts import NOT_THERE, Answer, NotSeen, NotThere
from chalicelib.actions.contract import AwsOp, Op, Reader
from chalicelib.core.outcome import NoData, Refused

READS: Final[tuple[Op, ...]] = (
    AwsOp(service="s3", operation="get_bucket_location", resources=("{replicated_buckets}",)),
    AwsOp(service="s3", operation="get_bucket_versioning", resources=("{replicated_buckets}",)),
    # docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
    AwsOp(
        service="s3",
        operation="get_bucket_encryption",
        resources=("{replicated_buckets}",),
        iam=("s3:GetEncryptionConfiguration",),
    ),
    AwsOp(
        service="s3",
        operation="get_bucket_replication",
        resources=("{replicated_buckets}",),
        iam=("s3:GetReplicationConfiguration",),
    ),
    AwsOp(service="cloudwatch", operation="describe_alarms", resources=("{alarms}",)),
    # Neither knows a resource: …/list_amazoncloudwatch.html, …/list_amazonroute53.html
    AwsOp(service="cloudwatch", operation="get_metric_data", resources=("*",)),
    AwsOp(service="route53", operation="list_health_checks", resources=("*",)),
)
"""Every operation that the comparisons of the clock ask."""
PAGES: Final = 50


@dataclass(frozen=True, slots=True)
class Through:
    """One round's questions: each is asked once, and a service of a region that did not answer is not asked again."""

    reader: Reader
    known: dict[tuple[object, ...], Answer] = field(default_factory=dict)
    silent: dict[tuple[str, str], NotSeen] = field(default_factory=dict)

    def ask(self, service: str, region: str, operation: str, **params: Any) -> Answer:
        """See Asks."""
        key = (service, region, operation, repr(sorted(params.items())))
        if key not in self.known:
            self.known[key] = self._asked(service, region, operation, params)
        return self.known[key]

    def _asked(self, service: str, region: str, operation: str, params: Mapping[str, Any]) -> Answer:
        if (service, region) in self.silent:
            return self.silent[service, region]
        found = self.reader.aws(service, region, operation, **params)
        match found:
            case NoData(because=because):
                return self.silent.setdefault((service, region), NotSeen(because))
            case Refused(code=code, because=because):
                said = f"{because} ({code})"
                return NotThere(said) if code in NOT_THERE else NotSeen(said)
        if operation == "list_health_checks":
            return self._checks(region, found)
        return found

    def _checks(self, region: str, first: Mapping[str, Any]) -> Answer:
        """All pages: docs.aws.amazon.com/Route53/latest/APIReference/API_ListHealthChecks.html."""
        checks, page = list(first["HealthChecks"]), first
        for _ in range(PAGES):
            if not page.get("IsTruncated"):
                return {"HealthChecks": checks}
            found = self.reader.aws("route53", region, "list_health_checks", Marker=page["NextMarker"])
            if isinstance(found, NoData | Refused):
                return NotSeen(found.because)
            page = found
            checks += page["HealthChecks"]
        return NotSeen(f"route53 list_health_checks has more than {PAGES} pages")
