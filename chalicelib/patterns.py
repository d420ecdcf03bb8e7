"""Which events of AWS services a region's EventBridge hands on: what policy's rows pick, and nothing else.

The responder's own region hands them to its function, and there the events of the other regions arrive as well; those
regions hand them to the responder's bus, with nothing of them changed. Patterns, with `$or` and `numeric`:
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
"""

from __future__ import annotations

from typing import Any

from chalicelib.policy import Policy
from chalicelib.policy.signals import FindingSource, HealthSource, heard_in


def service_events(policy: Policy, region: str) -> dict[str, Any]:
    """The event pattern of a region; one that nothing matches where policy has nothing to listen to."""
    home, signals = region == policy.platform.responder.region, policy.signals
    health = [row for row in signals.health if home or region in heard_in(row)]
    findings = [row for row in signals.findings if home or region in heard_in(row)]
    filters = [*map(_health, health), *map(_finding, findings)]
    sources = {"aws.health": "AWS Health Event"} if health or not findings else {}
    sources |= {"aws.guardduty": "GuardDuty Finding"} if findings else {}
    nothing = {"eventRegion": ["none"]}
    return {
        "source": list(sources),
        "detail-type": list(sources.values()),
        "detail": {"$or": filters} if len(filters) > 1 else filters[0] if filters else nothing,
    }


def _health(row: HealthSource) -> dict[str, Any]:
    return {
        "eventRegion": [row.region],
        "service": list(row.services),
        "eventTypeCategory": list(row.categories),
    }


def _finding(row: FindingSource) -> dict[str, Any]:
    return {
        "region": list(row.regions),
        "severity": [{"numeric": [">=", row.severity]}],
        "type": [{"prefix": t[:-1]} if t.endswith("*") else t for t in row.types],
    }
