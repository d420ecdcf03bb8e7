"""Names of the responder's own resources, made from the platform's name. One place, so that code, templates, IAM
policies and the command line cannot disagree.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from chalicelib.policy import Policy

READINESS: Final = "readiness"
"""The function that only looks: it has rights of its own, and never works the desk."""
PROBE: Final = "probe"
"""The function that looks every minute: at the primary, and at the responder's own pulse."""
DESK: Final = (
    *("on_alarm_sns", "on_alarm_event", "on_alarm_direct", "on_service_event", "command"),
    *("tick", PROBE, "wake", "backups", "drills"),
)
"""The functions that work the desk."""
FUNCTIONS: Final = (*DESK, "airgap", READINESS)
HEART: Final = "heart"
"""The function in the primary region."""
WITNESS: Final = "witness"
"""The function in the witness region."""


def airgap_minutes(policy: Policy) -> int:
    """How often the air-gapped copies are carried on; once a day it is said that policy has none."""
    every = policy.backups.airgap.every if policy.backups.airgap else timedelta(days=1)
    return max(1, round(every.total_seconds() / 60))


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


def failed_queue(policy: Policy) -> str:
    """Where an event lies on which a function failed for good."""
    return f"{app(policy)}-failed"


def undelivered_queue(policy: Policy) -> str:
    """Where an event lies that EventBridge could not hand to a function."""
    return f"{app(policy)}-undelivered"


def synthetic_alarm(policy: Policy) -> str:
    """The alarm that speaks when nothing is wrong, in each region that the platform's alarms stand in."""
    return f"{app(policy)}-synthetic"


def trouble_topic(policy: Policy) -> str:
    """The topic that alarms on the responder itself speak to, in each region that has some."""
    return f"{app(policy)}-trouble"


def every_minutes(policy: Policy) -> int:
    """The period of the rounds of readiness, as a schedule knows it: in real time, and at least a minute."""
    return max(1, round((policy.readiness.every * policy.speed).total_seconds() / 60))


def alarm_topic(policy: Policy) -> str:
    """The topic that the platform's alarms speak to."""
    return f"{app(policy)}-alarms"


def alarm_regions(policy: Policy) -> tuple[str, ...]:
    """Where the platform's alarms stand: the primary region, and others where a metric exists only there, or where
    events of AWS services are to be heard of.
    """
    signals, home = policy.signals, policy.platform.responder.region
    events = (region for region in signals.event_regions if region != home)
    return tuple(dict.fromkeys((policy.platform.regions.primary, *signals.regions.values(), *events)))


def alarm_topic_arn(policy: Policy, region: str) -> str:
    """It stands with the alarms: an alarm speaks to a topic of its own region only."""
    return f"arn:aws:sns:{region}:{policy.platform.account}:{alarm_topic(policy)}"


def alarm_stack(policy: Policy, region: str) -> str:
    """The stack that holds them there."""
    return f"{app(policy)}-{'primary' if region == policy.platform.regions.primary else 'alarms'}"


def service_events_rule(policy: Policy) -> str:
    """The rule that hands events of AWS services on to the responder's region, and its role."""
    return f"{app(policy)}-service-events"


def event_bus_arn(policy: Policy) -> str:
    """The responder's own bus, on which AWS puts its services' events; those of other regions are handed to it."""
    platform = policy.platform
    return f"arn:aws:events:{platform.responder.region}:{platform.account}:event-bus/default"


def believed_topics(policy: Policy) -> frozenset[str]:
    """The topics whose events are believed: the alarms' own, and those that policy names."""
    own = {alarm_topic_arn(policy, region) for region in alarm_regions(policy)}
    return frozenset({*own, *policy.signals.topics})


def believed_accounts(policy: Policy) -> frozenset[str]:
    """The accounts whose alarms and events are believed: the platform's own, and those that policy names."""
    return frozenset({policy.platform.account, *policy.signals.accounts})


def metrics_namespace(policy: Policy) -> str:
    """CloudWatch namespace of the responder's own metrics."""
    return f"{policy.platform.name}-dr"
