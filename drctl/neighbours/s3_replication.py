"""What S3 tells CloudWatch of a replication rule, once a minute.

Sources, named below by their short names:
- *metrics*: docs.aws.amazon.com/AmazonS3/latest/userguide/repl-metrics.html (which metric is published in which region,
  and which also while nothing is replicated)
- *dimensions*: …/userguide/metrics-dimensions.html#s3-cloudwatch-replication-metrics
- *rtc*: …/userguide/replication-time-control.html (RTC has its metrics with it)

Not modelled: that they come first 15 minutes after RTC was enabled, and late or never at times (best effort).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

NAMESPACE: Final = "AWS/S3"


@dataclass(slots=True, kw_only=True)
class ReplicatedRule:
    """One rule. `seconds`, `operations` and `size` are how far the copy is behind; `failed` what failed since the last
    minute; `replicates` whether anything is replicated in it; `metrics` is the rule's own Metrics.Status.
    """

    id: str
    source: str
    source_region: str
    destination: str
    destination_region: str
    metrics: bool = True
    replicates: bool = True
    destination_there: bool = True
    seconds: float = 0
    operations: float = 0
    size: float = 0
    failed: float = 0

    def minute(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """(region, datum as PutMetricData takes it) of one minute."""
        if not self.metrics:
            return
        dimensions = [
            {"Name": "SourceBucket", "Value": self.source},
            {"Name": "DestinationBucket", "Value": self.destination},
            {"Name": "RuleId", "Value": self.id},
        ]
        # *metrics*: with the destination bucket gone the first three are published no more.
        if self.destination_there:
            for name, value, unit in (
                ("ReplicationLatency", self.seconds, "Seconds"),
                ("OperationsPendingReplication", self.operations, "Count"),
                ("BytesPendingReplication", self.size, "Bytes"),
            ):
                datum = {"MetricName": name, "Dimensions": dimensions, "Value": value, "Unit": unit}
                yield self.destination_region, datum
        if self.replicates or self.failed:
            datum = {"MetricName": "OperationsFailedReplication", "Dimensions": dimensions, "Unit": "Count"}
            yield self.source_region, {**datum, "Value": self.failed}
        self.failed = 0
