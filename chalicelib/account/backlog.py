"""How far a replicated bucket's copy is behind, and what failed to be copied.

Metrics: https://docs.aws.amazon.com/AmazonS3/latest/userguide/repl-metrics.html and …/metrics-dimensions.html, in the
namespace AWS/S3, of each rule by SourceBucket, DestinationBucket and RuleId. Pending bytes, pending operations and
latency are kept in the destination's region, and come also while nothing is replicated; failed operations are kept in
the source's region, and come only when something is. So where the first come, silence of the last is none that failed;
where nothing comes, nobody knows. What failed S3 does not try again: …/userguide/s3-batch-replication-batch.html.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from chalicelib.account.replication import rule_id, subject_of
from chalicelib.account.verdicts import Asks, NotSeen, NotThere, Row, Subject
from chalicelib.policy import Policy
from chalicelib.policy.backups import BucketReplication

NAMESPACE: Final = "AWS/S3"
BEHIND: Final = ("ReplicationLatency", "OperationsPendingReplication", "BytesPendingReplication")
"""Kept where the copy is."""
FAILED: Final = "OperationsFailedReplication"
"""Kept where the source is."""
NEWEST_WITHIN: Final = timedelta(minutes=15)
"""Real time. Metrics come once a minute, at best effort."""
FAILED_WITHIN: Final = timedelta(hours=24)
MINUTE_S: Final = 60
HOUR_S: Final = 3600


def behind(policy: Policy, account: Asks, now: datetime) -> Iterator[Row]:
    """How far each copy is behind its source, and what failed to be copied; of a rule that is not there, nothing."""
    for i, row in enumerate(policy.backups.replication):
        subject = subject_of(row, i)
        answer = account.ask("s3", row.source_region, "get_bucket_replication", Bucket=row.source)
        rule = rule_id(row, answer) if not isinstance(answer, NotSeen | NotThere) else None
        if rule is None:
            if isinstance(answer, NotSeen):
                yield subject.unseen("is not behind", True, answer)
            continue
        # Policy's durations are divided by the speed, and S3's clock is not.
        objective = row.objective * policy.speed
        yield from _behind(subject, row, rule, account, objective, now)


def _behind(
    subject: Subject, row: BucketReplication, rule: str, account: Asks, objective: timedelta, now: datetime
) -> Iterator[Row]:
    late, failed = "seconds behind", "failed within a day"
    allowed = f"{objective.total_seconds():.0f} or less"
    newest = _metrics(account, row, rule, row.destination_region, BEHIND, "Maximum", MINUTE_S, NEWEST_WITHIN, now)
    if isinstance(newest, NotSeen):
        yield subject.unseen(late, allowed, newest)
        yield subject.unseen(failed, 0, newest)
        return
    latency, operations, size = (values[-1] if values else None for values in newest)
    if latency is None:
        why = NotSeen(
            f"CloudWatch has no {BEHIND[0]} of rule {rule!r} in {row.destination_region} of the last"
            f" {NEWEST_WITHIN.total_seconds() / 60:.0f} minutes"
        )
        yield subject.unseen(late, allowed, why)
        yield subject.unseen(failed, 0, why)
        return
    found: object = allowed
    if latency > objective.total_seconds():
        found = f"{latency:.0f}, with {operations or 0:.0f} operations and {size or 0:.0f} bytes pending"
    yield replace(
        subject.row(late, allowed, found), mend=f"aws s3api get-bucket-replication --bucket {shlex.quote(row.source)}"
    )
    sums = _metrics(account, row, rule, row.source_region, (FAILED,), "Sum", HOUR_S, FAILED_WITHIN, now)
    if isinstance(sums, NotSeen):
        yield subject.unseen(failed, 0, sums)
        return
    yield replace(subject.row(failed, 0, round(sum(sums[0]))), mend=_again(row))


def _metrics(
    account: Asks,
    row: BucketReplication,
    rule: str,
    region: str,
    wanted: Sequence[str],
    statistic: str,
    period_s: int,
    back: timedelta,
    now: datetime,
) -> Sequence[Sequence[float]] | NotSeen:
    """The values of each metric, the newest last."""
    dimensions = {"SourceBucket": row.source, "DestinationBucket": row.destination, "RuleId": rule}
    metric = {"Namespace": NAMESPACE, "Dimensions": [{"Name": k, "Value": v} for k, v in dimensions.items()]}
    queries = [
        {
            "Id": f"m{n}",
            "MetricStat": {"Metric": {**metric, "MetricName": name}, "Period": period_s, "Stat": statistic},
        }
        for n, name in enumerate(wanted)
    ]
    answer = account.ask(
        *("cloudwatch", region, "get_metric_data"),
        MetricDataQueries=queries,
        StartTime=now - back,
        EndTime=now,
        ScanBy="TimestampAscending",
    )
    if isinstance(answer, NotSeen | NotThere):
        return NotSeen(answer.because)
    found = {result["Id"]: result for result in answer["MetricDataResults"]}
    return [list(found.get(query["Id"], {}).get("Values", ())) for query in queries]


def _again(row: BucketReplication) -> str:
    """S3 Batch Replication: docs.aws.amazon.com/cli/latest/reference/s3control/create-job.html."""
    manifest = {
        "S3JobManifestGenerator": {
            "SourceBucket": f"arn:aws:s3:::{row.source}",
            "EnableManifestOutput": False,
            "Filter": {"EligibleForReplication": True, "ObjectReplicationStatuses": ["FAILED"]},
        }
    }
    return (
        f"aws s3control create-job --region {row.source_region} --account-id <account> --operation"
        " '{\"S3ReplicateObject\":{}}' --report Enabled=false --priority 1 --role-arn <role of the replication>"
        f" --manifest-generator {shlex.quote(json.dumps(manifest, separators=(',', ':')))}"
    )
