"""The environment, typed. Nothing else reads environment variables."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal, cast

Stage = Literal["local", "prod"]
SHORTEST_SHIFT = timedelta(seconds=35)
"""A call that does not fit into what is left of a shift is left to the next: one that fits into no shift is never made.
The longest, a span of a bucket that is put back, takes 25 s, whatever the speed.
"""
LOCAL_ONLY = frozenset({"DR_SPEED", "DR_RESOLVE", "DR_DATABASE_TLS", "DR_SHIFT"})


class SettingsError(Exception):
    """An environment that makes no sense; the text names the variable, what is allowed and what was found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`resolve`: host → base URL, as /etc/hosts would, and `speed` other than 1, only in the local world."""

    stage: Stage
    policies: Path
    speed: float
    resolve: Mapping[str, str]
    pagerduty_url: str
    slack_url: str
    database_tls: bool
    shift: timedelta
    """How long one invocation works before it leaves the desk to the next: most of a tick, but never so short that a
    call's time limit does not fit into it.
    """

    @staticmethod
    def read(environment: Mapping[str, str], *, root: Path) -> Settings:
        """From variables named DR_…; SettingsError for a wrong one. `root` is the folder that holds app.py."""
        stage = environment.get("DR_STAGE", "prod")
        if stage not in ("local", "prod"):
            raise SettingsError(f"DR_STAGE is {stage!r}; allowed: local, prod")
        local_only = [k for k in environment if k in LOCAL_ONLY]
        if stage == "prod" and local_only:
            raise SettingsError(f"{', '.join(sorted(local_only))} set, but DR_STAGE is 'prod'; allowed only in 'local'")
        policies = root / "vendor" / "policies"
        speed = _speed(environment.get("DR_SPEED", "1"))
        return Settings(
            stage=cast("Stage", stage),
            # Chalice packs vendor/'s content into the package's top, and leaves the folder out.
            policies=Path(environment.get("DR_POLICIES") or (policies if policies.exists() else root / "policies")),
            speed=speed,
            resolve=_resolve(environment.get("DR_RESOLVE", "{}")),
            pagerduty_url=environment.get("DR_PAGERDUTY_URL", "https://events.pagerduty.com"),
            slack_url=environment.get("DR_SLACK_URL", "https://slack.com/api/"),
            database_tls=environment.get("DR_DATABASE_TLS", "require") != "off",
            shift=_shift(environment.get("DR_SHIFT"), speed),
        )


def _speed(text: str) -> float:
    try:
        speed = float(text)
    except ValueError as error:
        raise SettingsError(f"DR_SPEED is {text!r}, expected a number from 1 to 100") from error
    if not 1 <= speed <= 100:
        raise SettingsError(f"DR_SPEED is {text!r}, expected a number from 1 to 100")
    return speed


def _shift(text: str | None, speed: float) -> timedelta:
    if text is None:
        return max(SHORTEST_SHIFT, timedelta(seconds=55) / speed)
    try:
        seconds = float(text)
    except ValueError as error:
        raise SettingsError(f"DR_SHIFT is {text!r}, expected seconds from 9 to 60") from error
    if not 9 <= seconds <= 60:
        raise SettingsError(f"DR_SHIFT is {text!r}, expected seconds from 9 to 60")
    return timedelta(seconds=seconds)


def _resolve(text: str) -> Mapping[str, str]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise SettingsError(f"DR_RESOLVE is no JSON: {error}; expected {{host: base URL}}") from error
    if not isinstance(found, dict) or not all(isinstance(v, str) for v in found.values()):
        raise SettingsError(f"DR_RESOLVE is {text!r}, expected a JSON object of host to base URL")
    return found
