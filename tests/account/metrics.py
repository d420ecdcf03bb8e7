"""CloudWatch's GetMetricData over what S3 published, as strict as the real one where the comparison could go wrong.

Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html, …/API_MetricStat.html,
…/API_MetricDataQuery.html. A metric that has another dimension, or is in another region, is another metric: of one that
does not exist the answer is Complete and empty, and no error.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from drctl.neighbours.s3_replication import NAMESPACE, ReplicatedRule

Key = tuple[str, str, str, frozenset[tuple[str, str]]]
STATISTICS: dict[str, Callable[[list[float]], float]] = {"Maximum": max, "Minimum": min, "Sum": sum}


class Metrics:
    """Every datum of every region. CloudWatch keeps no metric of AWS/S3 that somebody else puts."""

    def __init__(self) -> None:
        self.kept: dict[Key, list[tuple[datetime, float]]] = defaultdict(list)

    def publish(self, rule: ReplicatedRule, at: datetime) -> None:
        for region, datum in rule.minute():
            self.kept[_key(region, NAMESPACE, datum)].append((at, float(datum["Value"])))

    def get_metric_data(self, region: str, params: Mapping[str, Any]) -> dict[str, Any]:
        if params["StartTime"] >= params["EndTime"]:
            raise _refusal("The parameter StartTime must be less than the parameter EndTime.")
        return {"MetricDataResults": [self._one(region, query, params) for query in params["MetricDataQueries"]]}

    def _one(self, region: str, query: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
        stat = query["MetricStat"]
        if not re.fullmatch(r"[a-z][a-zA-Z0-9_]*", query["Id"]):
            raise _refusal(f"Invalid metrics list: the id {query['Id']!r} must start with a lowercase letter.")
        if stat["Period"] not in (1, 5, 10, 20, 30) and stat["Period"] % 60:
            raise _refusal("Period must be 1, 5, 10, 20, 30, or a multiple of 60")
        if stat["Stat"] not in STATISTICS:
            raise _refusal(f"Invalid statistic {stat['Stat']!r}")
        found: dict[datetime, list[float]] = defaultdict(list)
        for at, value in self.kept.get(_key(region, stat["Metric"]["Namespace"], stat["Metric"]), ()):
            if params["StartTime"] <= at < params["EndTime"]:
                begins = datetime.fromtimestamp(at.timestamp() // stat["Period"] * stat["Period"], at.tzinfo)
                found[begins].append(value)
        times = sorted(found, reverse=params.get("ScanBy", "TimestampDescending") == "TimestampDescending")
        values = [float(STATISTICS[stat["Stat"]](found[at])) for at in times]
        return {
            "Id": query["Id"],
            "Label": query["Id"],
            "Timestamps": times,
            "Values": values,
            "StatusCode": "Complete",
        }


def _key(region: str, namespace: str, metric: Mapping[str, Any]) -> Key:
    return region, namespace, metric["MetricName"], frozenset((d["Name"], d["Value"]) for d in metric["Dimensions"])


def _refusal(message: str) -> ClientError:
    return ClientError({"Error": {"Code": "ValidationError", "Message": message}}, "GetMetricData")
