"""Disables every lifecycle rule of the platform's buckets, so that nothing expires there by itself, and enables them
again.

A bucket's configuration is written as a whole, so it is read, changed in the rules' `Status` alone, and put: S3 knows
no condition for it, and what somebody else writes between the two is lost. Which rules were enabled is noted before,
and exactly those are enabled again, whatever else has been changed meanwhile. Sources:
https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLifecycleConfiguration.html
(NoSuchLifecycleConfiguration; TransitionDefaultMinimumObjectSize goes back as it came),
API_PutBucketLifecycleConfiguration.html (replaces all), API_LifecycleRule.html (Status).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final

from chalicelib.actions.contract import AwsOp, Op, Reader, Target
from chalicelib.actions.quarantine import silent
from chalicelib.core.outcome import Act, Call, Done, Next, NoData, Refused, Stuck
from chalicelib.policy import Policy

RULES: Final = "rules."
"""The fact of which rules of a bucket were enabled, as a JSON list of their ids: `rules.my-bucket`."""
NONE_THERE: Final = "NoSuchLifecycleConfiguration"
SIZE: Final = "TransitionDefaultMinimumObjectSize"
BUCKETS: Final = ("{platform_buckets}",)
_READS: Final = (
    AwsOp(
        service="s3",
        operation="get_bucket_lifecycle_configuration",
        resources=BUCKETS,
        iam=("s3:GetLifecycleConfiguration",),
    ),
)
_CALLS: Final = (
    AwsOp(
        service="s3",
        operation="put_bucket_lifecycle_configuration",
        resources=BUCKETS,
        iam=("s3:PutLifecycleConfiguration",),
    ),
)


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """A bucket's rules, none where it has no configuration, and the size that belongs to them; or why nobody said."""

    bucket: str
    region: str
    rules: tuple[Mapping[str, Any], ...] = ()
    size: str = ""
    unseen: Refused | NoData | None = None


class LifecyclesPaused:
    """One bucket a call. A bucket that does not answer keeps no other from being paused."""

    name: ClassVar[str] = "lifecycles-paused"
    reads: ClassVar[tuple[Op, ...]] = _READS
    calls: ClassVar[tuple[Op, ...]] = _CALLS

    def observe(self, target: Target, policy: Policy, reader: Reader) -> tuple[Lifecycle, ...]:
        return tuple(_lifecycle(bucket, region, reader) for bucket, region in platform_buckets(policy))

    def next(self, target: Target, policy: Policy, facts: tuple[Lifecycle, ...], now: datetime) -> Next:
        for found in facts:
            enabled = [n for n, rule in _named(found.rules) if rule["Status"] == "Enabled"]
            if enabled:
                noted = f"{RULES}{found.bucket}"
                before: Sequence[str] = json.loads(str(target.facts.get(noted, "[]")))
                return Act(
                    because=f"bucket {found.bucket!r} deletes or moves by itself, by its rules {', '.join(enabled)}",
                    call=_put(found, enabled, "Disabled"),
                    facts={**target.facts, noted: json.dumps(sorted({*before, *enabled}))},
                )
        if waits := _unseen(facts):
            return waits
        count = sum(len(found.rules) for found in facts)
        return Done(because=f"no lifecycle rule is enabled: {count} rules of {len(facts)} buckets are Disabled")


class LifecyclesResumed:
    """Enables what the other step has disabled, and nothing that was disabled before."""

    name: ClassVar[str] = "lifecycles-resumed"
    reads: ClassVar[tuple[Op, ...]] = _READS
    calls: ClassVar[tuple[Op, ...]] = _CALLS

    def observe(self, target: Target, policy: Policy, reader: Reader) -> tuple[Lifecycle, ...]:
        rows = (row for row in platform_buckets(policy) if f"{RULES}{row[0]}" in target.facts)
        return tuple(_lifecycle(bucket, region, reader) for bucket, region in rows)

    def next(self, target: Target, policy: Policy, facts: tuple[Lifecycle, ...], now: datetime) -> Next:
        for found in facts:
            ours: Sequence[str] = json.loads(str(target.facts[f"{RULES}{found.bucket}"]))
            disabled = [n for n, rule in _named(found.rules) if rule["Status"] == "Disabled" and n in ours]
            if disabled:
                return Act(
                    because=f"rules {', '.join(disabled)} of bucket {found.bucket!r} were enabled before this incident",
                    call=_put(found, disabled, "Enabled"),
                    facts=target.facts,
                )
        if waits := _unseen(facts):
            return waits
        names = ", ".join(found.bucket for found in facts) or "none"
        return Done(because=f"lifecycle rules are enabled as before; buckets that had been paused: {names}")


def platform_buckets(policy: Policy) -> tuple[tuple[str, str], ...]:
    """(bucket, region) of everything of policy's that a rule could delete from, once each, in policy's order. Vaults
    are others' own.
    """
    backups, containment = policy.backups, policy.platform.containment
    rows = [(r.bucket, r.region) for r in backups.restorable]
    rows += [(r.bucket, r.region) for r in backups.terraform_states]
    for r in backups.replication:
        rows += [(r.source, r.source_region), (r.destination, r.destination_region)]
    if backups.airgap:
        rows += [(r.bucket, r.region) for r in (backups.airgap.source, backups.airgap.dump)]
    if containment:
        rows += [(r.bucket, r.region) for r in containment.logs]
        rows.append((containment.evidence.bucket, containment.evidence.region))
    return tuple(dict.fromkeys(rows))


def _lifecycle(bucket: str, region: str, reader: Reader) -> Lifecycle:
    found = reader.aws("s3", region, "get_bucket_lifecycle_configuration", Bucket=bucket)
    match found:
        case Refused(code=code) if code == NONE_THERE:
            return Lifecycle(bucket, region)
        case Refused() | NoData():
            return Lifecycle(bucket, region, unseen=found)
    return Lifecycle(bucket, region, tuple(found["Rules"]), str(found.get(SIZE) or ""))


def _named(rules: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """S3 gives each rule an id; one without is known by its place."""
    return ((str(rule.get("ID") or f"#{n}"), rule) for n, rule in enumerate(rules))


def _unseen(facts: Sequence[Lifecycle]) -> Next | None:
    """Buckets that nobody heard are no buckets without rules."""
    for found in facts:
        match found.unseen:
            case Refused(because=because, code=code):
                return Stuck(because=f"bucket {found.bucket!r}: {because} ({code})")
            case NoData(because=because):
                return silent(NoData(because=f"bucket {found.bucket!r}: {because}"))
    return None


def _put(found: Lifecycle, names: Sequence[str], status: str) -> Call:
    rules = [{**rule, "Status": status} if name in names else dict(rule) for name, rule in _named(found.rules)]
    return Call(
        system="aws",
        service="s3",
        region=found.region,
        operation="put_bucket_lifecycle_configuration",
        params={
            "Bucket": found.bucket,
            "LifecycleConfiguration": {"Rules": [_plain(rule) for rule in rules]},
            **({SIZE: found.size} if found.size else {}),
        },
        until=f"rules {', '.join(names)} of bucket {found.bucket!r} are {status}",
        reversible=True,
    )


def _plain(value: Any) -> Any:
    """A rule as JSON has it: its dates as text, which boto3 takes as well."""
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value.isoformat() if isinstance(value, datetime) else value
