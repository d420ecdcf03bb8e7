"""How long a bucket's lifecycle keeps what is current no more, by the rules of GetBucketLifecycleConfiguration.

A rule without a filter is of the whole bucket, one that asks for tags or sizes too is of some of its objects, and of
several rules the shortest wins. `NewerNoncurrentVersions` keeps more and never less, so days alone are counted.
Sources: https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-conflicts.html,
https://docs.aws.amazon.com/AmazonS3/latest/API/API_NoncurrentVersionExpiration.html; field names: botocore's model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def kept_days(answer: Mapping[str, Any], prefix: str) -> int | None:
    """The fewest days that some version below the prefix is kept; None when nothing there expires."""
    found = [_days(rule) for rule in answer.get("Rules", []) if _touches(rule, prefix)]
    return min((n for n in found if n is not None), default=None)


def _days(rule: Mapping[str, Any]) -> int | None:
    found: int | None = rule.get("NoncurrentVersionExpiration", {}).get("NoncurrentDays")
    return found


def _touches(rule: Mapping[str, Any], prefix: str) -> bool:
    """Whether an enabled rule may be of a key below the prefix."""
    among = rule.get("Filter", {})
    its = str(among.get("Prefix") or among.get("And", {}).get("Prefix") or rule.get("Prefix") or "")
    return rule.get("Status") == "Enabled" and (its.startswith(prefix) or prefix.startswith(its))
