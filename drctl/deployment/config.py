"""`.chalice/config.json`: stages, timeouts and memory of each function, and which IAM policy it runs with."""

from __future__ import annotations

from typing import Any, Final

from chalicelib import names
from chalicelib.policy import Policy

STAGES: Final = ("local", "prod")
TIMEOUT_S: Final = 90
"""A shift is at most 55 s, and every call that is under way at its end has a limit of its own."""
COPYING_S: Final = 900
"""The most that Lambda gives: one object of an air-gapped copy must fit into it."""
MEMORY_MB: Final = 512


def config(policy: Policy) -> dict[str, Any]:
    """The whole file."""
    reserved = policy.platform.responder.reserved_concurrency

    def function(name: str) -> dict[str, Any]:
        row: dict[str, Any] = {
            "autogen_policy": False,
            "iam_policy_file": f"policy-{name}.json",
            "lambda_timeout": COPYING_S if name == "airgap" else TIMEOUT_S,
            "lambda_memory_size": MEMORY_MB,
        }
        if reserved and name in ("tick", "command"):
            row["reserved_concurrency"] = reserved
        return row

    return {
        "version": "2.0",
        "app_name": names.app(policy),
        "automatic_layer": False,
        "stages": {
            stage: {
                "api_gateway_stage": "api",
                "autogen_policy": False,
                "iam_policy_file": "policy-tick.json",
                "environment_variables": {"DR_STAGE": stage},
                "lambda_functions": {name: function(name) for name in names.FUNCTIONS},
            }
            for stage in STAGES
        },
    }
