"""Names of the responder's own resources, made from the platform's name. One place, so that code, templates, IAM
policies and the command line cannot disagree.
"""

from __future__ import annotations

from typing import Final

from chalicelib.policy import Policy

FUNCTIONS: Final = ("on_alarm_sns", "on_alarm_event", "on_alarm_direct", "command", "tick", "probe")


def app(policy: Policy) -> str:
    """Chalice's app name."""
    return f"{policy.platform.name}-dr"


def logical(function: str) -> str:
    """`on_alarm_sns` → `OnAlarmSns`, as Chalice names the function's resource; its role's has `Role` after it."""
    return "".join(part.capitalize() for part in function.split("_"))


def function(policy: Policy, name: str) -> str:
    """A deployed function; people invoke `command` by this name."""
    return f"{app(policy)}-{name}"


def function_arn(policy: Policy, name: str) -> str:
    """Its ARN, in the responder's region."""
    platform = policy.platform
    return f"arn:aws:lambda:{platform.responder.region}:{platform.account}:function:{function(policy, name)}"


def alarm_topic(policy: Policy) -> str:
    """The topic that the platform's alarms speak to."""
    return f"{app(policy)}-alarms"


def alarm_topic_arn(policy: Policy) -> str:
    """It stands with the alarms, in the primary region: Route 53's metrics exist only in us-east-1."""
    platform = policy.platform
    return f"arn:aws:sns:{platform.regions.primary}:{platform.account}:{alarm_topic(policy)}"


def metrics_namespace(policy: Policy) -> str:
    """CloudWatch namespace of the responder's own metrics."""
    return f"{policy.platform.name}-dr"
