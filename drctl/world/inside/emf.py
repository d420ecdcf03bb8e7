"""Metrics that a function writes into its log (Embedded Metric Format), as CloudWatch reads them from there.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html: a
line is one JSON object with `_aws.CloudWatchMetrics`; each directive has a namespace, lists of dimensions (at most 30
in a list) and metrics, whose values stand at the top of the object, a number or at most 100 of them. A line that breaks
this gives no metric.

One thing is otherwise than on AWS: lines come here when their invocation ends, so that is a datapoint's time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

MAX_DIMENSIONS: Final = 30
MAX_VALUES: Final = 100


@dataclass(frozen=True, slots=True)
class Datum:
    """One value of one metric."""

    namespace: str
    metric: str
    value: float
    unit: str
    dimensions: Mapping[str, str]


def read(line: str) -> tuple[Datum, ...]:
    """The datapoints of one line of a log; none of a line that is something else."""
    if '"CloudWatchMetrics"' not in line:
        return ()
    try:
        body = json.loads(line)
        return tuple(d for directive in body["_aws"]["CloudWatchMetrics"] for d in _of(directive, body))
    except (ValueError, TypeError, KeyError):
        return ()


def _of(directive: Mapping[str, Any], body: Mapping[str, Any]) -> Iterator[Datum]:
    for names in directive["Dimensions"]:
        if len(names) > MAX_DIMENSIONS or not all(isinstance(body[name], str) for name in names):
            raise ValueError(names)
        worn = {name: body[name] for name in names}
        for metric in directive["Metrics"]:
            values = body[metric["Name"]]
            values = values if isinstance(values, list) else [values]
            if len(values) > MAX_VALUES:
                raise ValueError(metric)
            for value in values:
                yield Datum(directive["Namespace"], metric["Name"], float(value), metric.get("Unit", "None"), worn)
