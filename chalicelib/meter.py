"""Metrics as lines of the log that CloudWatch reads metrics from (Embedded Metric Format), each at once.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

from aws_lambda_powertools.metrics import MetricUnit, single_metric

from chalicelib import names
from chalicelib.policy import Policy
from chalicelib.vitals import SERVICE, UNITS, Meter


def metered(policy: Policy) -> Meter:
    """A meter in the platform's own namespace."""
    namespace = names.metrics_namespace(policy)

    def meter(metric: str, value: float = 1, **dimensions: str) -> None:
        worn = {"service": SERVICE, **dimensions}
        with single_metric(
            name=metric, unit=MetricUnit(UNITS[metric]), value=value, namespace=namespace, default_dimensions=worn
        ):
            pass  # the line is written when it ends

    return meter
