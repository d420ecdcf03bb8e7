"""What AWS Health and GuardDuty say of a failure, in the shape in which EventBridge delivers it.

Health: https://docs.aws.amazon.com/health/latest/ug/aws-health-events-eventbridge-schema.html, times as in RFC 1123, a
public event in its region and in a second one at once, with the same `eventArn` and `communicationId`.
GuardDuty: https://docs.aws.amazon.com/guardduty/latest/ug/guardduty_findings_eventbridge.html.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from chalicelib.policy.signals import HEALTH_BACKUP, HEALTH_BACKUP_REGION

Event = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthIssue:
    """One public operational issue of a service in a region. `number` makes its name."""

    account: str
    region: str
    service: str
    number: int
    began_at: datetime

    def said(self, status: str, at: datetime) -> list[Event]:
        """What is said at `at`, once in each region that it is sent to; `status` is open or closed."""
        code = f"AWS_{self.service}_OPERATIONAL_ISSUE"
        arn = f"arn:aws:health:{self.region}::event/{self.service}/{code}/{code}_{self.number:05d}_LOCAL"
        word = sha256(f"{arn} {status} {at.isoformat()}".encode()).hexdigest()[:40]
        text = "We are investigating increased error rates." if status == "open" else "The issue has been resolved."
        detail = {
            "eventArn": arn,
            "service": self.service,
            "eventTypeCode": code,
            "eventTypeCategory": "issue",
            "eventScopeCode": "PUBLIC",
            "communicationId": f"{word}-1",
            "startTime": rfc1123(self.began_at),
            **({"endTime": rfc1123(at)} if status == "closed" else {}),
            "lastUpdatedTime": rfc1123(at),
            "statusCode": status,
            "eventRegion": self.region,
            "eventDescription": [{"language": "en_US", "latestDescription": text}],
            "affectedAccount": self.account,
            "page": "1",
            "totalPages": "1",
        }
        by = (self.region, HEALTH_BACKUP.get(self.region, HEALTH_BACKUP_REGION))
        return [_envelope("aws.health", "AWS Health Event", self.account, where, at, detail) for where in by]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One GuardDuty finding. `number` makes its id."""

    account: str
    region: str
    type: str
    severity: float
    number: int
    began_at: datetime
    instance: str = ""
    namespace: str = ""
    cluster: str = ""
    bucket: str = ""

    def kept(self, *, count: int, archived: bool, at: datetime) -> Event:
        """The finding as GetFindings gives it, in boto3's names: API_Finding."""
        found: Event = _capital(self._detail(count=count, archived=archived, at=at))
        return found

    def said(self, *, count: int, archived: bool, at: datetime) -> list[Event]:
        """What is said at `at`, after so many occurrences."""
        detail = self._detail(count=count, archived=archived, at=at)
        return [_envelope("aws.guardduty", "GuardDuty Finding", self.account, self.region, at, detail)]

    def _detail(self, *, count: int, archived: bool, at: datetime) -> dict[str, Any]:
        name = sha256(f"{self.region} {self.type} {self.number}".encode()).hexdigest()[:32]
        detector = f"arn:aws:guardduty:{self.region}:{self.account}:detector/{'0' * 32}"
        return {
            "schemaVersion": "2.0",
            "accountId": self.account,
            "region": self.region,
            "partition": "aws",
            "id": name,
            "arn": f"{detector}/finding/{name}",
            "type": self.type,
            "resource": self._resource(),
            "service": {
                "serviceName": "guardduty",
                "eventFirstSeen": _iso(self.began_at),
                "eventLastSeen": _iso(at),
                "archived": archived,
                "count": count,
            },
            "severity": self.severity,
            "createdAt": _iso(self.began_at),
            "updatedAt": _iso(at),
            "title": f"{self.type} in the local world.",
            "description": "drctl break finding says so.",
        }

    def _resource(self) -> dict[str, Any]:
        """What it is about: API_Resource, as far as it is known here."""
        if self.instance:
            return {"resourceType": "Instance", "instanceDetails": {"instanceId": self.instance}}
        if self.namespace:
            workload = {"name": "pod", "type": "pods", "namespace": self.namespace}
            return {
                "resourceType": "EKSCluster",
                "eksClusterDetails": {"name": self.cluster},
                "kubernetesDetails": {"kubernetesWorkloadDetails": workload},
            }
        if self.bucket:
            detail = {"name": self.bucket, "arn": f"arn:aws:s3:::{self.bucket}", "type": "Destination"}
            return {"resourceType": "S3Bucket", "s3BucketDetails": [detail]}
        return {}


def _capital(value: Any) -> Any:
    """Lower camel case, as EventBridge has it, in boto3's names."""
    if isinstance(value, Mapping):
        return {f"{key[0].upper()}{key[1:]}": _capital(inner) for key, inner in value.items()}
    return [_capital(inner) for inner in value] if isinstance(value, list) else value


def _envelope(source: str, kind: str, account: str, region: str, at: datetime, detail: Event) -> Event:
    return {
        "version": "0",
        "detail-type": kind,
        "source": source,
        "account": account,
        "time": f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "region": region,
        "resources": [],
        "detail": detail,
    }


def rfc1123(at: datetime) -> str:
    """`Wed, 15 Feb 2023 22:07:07 GMT`."""
    return f"{at.astimezone(UTC):%a, %d %b %Y %H:%M:%S GMT}"


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
