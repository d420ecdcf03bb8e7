"""The functions of the other regions, as Lambda calls them. Their templates stand in drctl/deployment; Chalice knows
only the responder's own region, so they are no part of its app.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from chalicelib import names
from chalicelib.agents.build import heart as build_heart
from chalicelib.agents.build import witness as build_witness
from chalicelib.agents.heart import Heart
from chalicelib.agents.witness import Witness
from chalicelib.policy.load import load
from chalicelib.settings import Settings

ROOT: Final = Path(__file__).parents[2]
SETTINGS: Final = Settings.read(os.environ, root=ROOT)
POLICY: Final = load(SETTINGS.policies, speed=SETTINGS.speed)
WATCH: Final = timedelta(minutes=2)
"""Each goes on until the one after the next has begun: a schedule of a minute may come a minute late, and a gap would
be taken for silence. https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-rule-schedule.html
"""
SPARE: Final = timedelta(seconds=8)
"""What an invocation keeps for the last beat's own time limits."""

logger = Logger(service="agent")
metrics = Metrics(namespace=names.metrics_namespace(POLICY), service="agent")


@cache
def _heart() -> Heart:
    return build_heart(SETTINGS, POLICY)


@cache
def _witness() -> Witness:
    return build_witness(SETTINGS, POLICY)


def _at_latest(context: Any) -> datetime:
    return datetime.now(UTC) + timedelta(milliseconds=context.get_remaining_time_in_millis()) - SPARE


def _until(context: Any) -> datetime:
    return min(_at_latest(context), datetime.now(UTC) + WATCH / POLICY.speed)


@logger.inject_lambda_context
@metrics.log_metrics
def heart(event: Any, context: Any) -> Mapping[str, str]:
    """Every minute, in the primary region."""
    del event
    said = _heart().beat_until(_until(context))
    metrics.add_metric("HeartbeatWritten" if said["write"] == "ok" else "HeartbeatFailed", MetricUnit.Count, 1)
    return said


@logger.inject_lambda_context
@metrics.log_metrics
def witness(event: Any, context: Any) -> Mapping[str, str]:
    """Every minute, in a third region."""
    del event
    said = _witness().watch_until(_until(context), at_latest=_at_latest(context))
    metrics.add_metric("Watched", MetricUnit.Count, 1)
    return said
