"""What the tests of actions share: the shipped policy, a target, the facts' makers."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from chalicelib.actions.contract import Target
from chalicelib.core.outcome import NoData, Refused
from chalicelib.policy.load import load

POLICY = load(Path(__file__).parents[2] / "policies")
AT = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
SILENT = NoData(because="nobody answered within 4 s")
DENIED = Refused(code="AccessDenied", because="not for you")


def target(step: str = "step", **params: str) -> Target:
    """At an incident of the primary's first zone, where an action asks what the incident is about."""
    name = "us-east-1-region-failure-20261124T030000"
    return Target(step=step, incident=name, opened_at=AT, at=AT, params=params, scope="us-east-1/us-east-1a")


STANDBY: dict[str, Any] = {"cluster": "standby"}
