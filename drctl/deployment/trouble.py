"""Who watches the watcher: alarms on the responder itself, and the topic by which people hear of them without its help.

A subscription of mail is confirmed by its reader, one of a pager by the pager. The pager's address is a secret, which
CloudFormation reads when it makes the subscription, so that no template holds it:
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references-secretsmanager.html
"""

from __future__ import annotations

import re
from typing import Any, Final

from chalicelib import names, vitals
from chalicelib.names import logical
from chalicelib.policy import Policy
from chalicelib.policy.notifications import Listener, MailListener
from chalicelib.vitals import Watch

HOUR_S: Final = 3600
TOPIC: Final = "ResponderTrouble"
# By the name of the alarm: the number that is watched, and what whoever is woken by it reads.
WATCHED: Final[dict[str, tuple[Watch, str]]] = {
    "tick-stands-still": (
        vitals.TICK,
        "No tick began for two minutes, or nobody saw one: what is due is not done, and open incidents do not go on",
    ),
    "inbox-not-drained": (
        vitals.INBOX,
        "What came in has lain in the inbox for more than 90 seconds: alarms and commands are not acted upon",
    ),
    "events-left": (
        vitals.QUEUES,
        "Events lie in the queues of what failed or was not delivered; look at them, and at the functions' logs",
    ),
    "dead-letters-there": (vitals.DEAD, "Something came in that could not be read; see `drctl dead list`"),
    "incident-set-aside": (vitals.ASIDE, "A stored incident could not be read and is set aside; see `drctl dead list`"),
}


def standby(policy: Policy) -> dict[str, Any]:
    """The topic, its listeners, and the alarms of the responder's own region."""
    found = topic(policy)
    for function in names.FUNCTIONS:
        found[f"{logical(function)}Errors"] = _alarm(
            policy,
            f"{function}-errors",
            f"The function {function} failed or was cut off; see its log",
            _of_function(function, "Errors") | _above(0, silence=False),
            passes=False,
        )
    for name, (watch, because) in WATCHED.items():
        found[_id(name)] = watched(policy, name, watch, because)
    for channel in policy.notifications.channels:
        name = f"channel-{channel.name}-fails"
        because = f"A notice by {channel.name} failed for good; its fallback is told, if it has one. See `drctl health`"
        found[_id(name)] = watched(policy, name, vitals.CHANNEL, because, channel=channel.name)
    if row := policy.readiness.synthetic:
        because = "No synthetic alarm came through for a day: whether a real one would is not known. See `drctl health`"
        found["SyntheticLate"] = watched(policy, "synthetic-late", vitals.synthetic(row.within), because)
    hours = max(1, -(-2 * names.every_minutes(policy) // 60))
    found["ReadinessStandsStill"] = _alarm(
        policy,
        "readiness-stands-still",
        "No round of readiness began for two periods: nobody knows whether the runbooks could succeed",
        _of_function(names.READINESS, "Invocations")
        | {"Period": HOUR_S, "EvaluationPeriods": hours + 1}
        | {"ComparisonOperator": "LessThanThreshold", "Threshold": 1, "TreatMissingData": "breaching"},
    )
    return found


def witness(policy: Policy) -> dict[str, Any]:
    """The same in a third region: an alarm that nothing is heard of the responder, wherever the fault lies."""
    regions = policy.platform.regions
    because = (
        f"Nothing was heard of the responder in {regions.witness}. Its clock may stand still, its region "
        f"({policy.platform.responder.region}) or its table may not answer, or the witness or its way there may be "
        "broken: from here these cannot be told apart"
    )
    return topic(policy) | {"ResponderUnheard": watched(policy, "responder-unheard", vitals.HEARD, because)}


def alarm_region(policy: Policy, alarms: Any) -> dict[str, Any]:
    """The same where the platform's alarms stand: one that could not be delivered to the responder is not lost, and
    not heard either. `alarms` is the reference to their topic's name.
    https://docs.aws.amazon.com/sns/latest/dg/sns-monitoring-using-cloudwatch.html
    """
    metric = {
        "Namespace": "AWS/SNS",
        "MetricName": "NumberOfNotificationsRedrivenToDlq",
        "Dimensions": [{"Name": "TopicName", "Value": alarms}],
        "Statistic": "Sum",
        "Period": 60,
        "EvaluationPeriods": 1,
    }
    because = (
        f"An alarm was not delivered to the responder and lies in the queue {names.app(policy)}-undelivered-alarms"
    )
    undelivered = _alarm(policy, "alarm-undelivered", because, metric | _above(0, silence=False), passes=False)
    return topic(policy) | {"AlarmUndelivered": undelivered}


def topic(policy: Policy) -> dict[str, Any]:
    """The topic of one region and everybody who hears it."""
    return {
        TOPIC: {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": names.trouble_topic(policy)}},
        **{_listener_id(row): _subscription(row) for row in policy.notifications.trouble},
    }


def watched(policy: Policy, name: str, watch: Watch, because: str, **dimensions: str) -> dict[str, Any]:
    """The alarm on one number that the responder publishes of itself."""
    worn = {"service": vitals.SERVICE, **dimensions}
    metric = {
        "Namespace": names.metrics_namespace(policy),
        "MetricName": watch.metric,
        "Dimensions": [{"Name": k, "Value": v} for k, v in worn.items()],
        "Statistic": "Maximum" if watch.passes else "Sum",
        "Period": int(watch.period.total_seconds()),
        "EvaluationPeriods": watch.periods,
    }
    return _alarm(policy, name, because, metric | _above(watch.above, silence=watch.silence), passes=watch.passes)


def _alarm(
    policy: Policy, name: str, because: str, properties: dict[str, Any], *, passes: bool = True
) -> dict[str, Any]:
    """What happened once is never said to be over: a pager would close it before anybody has looked."""
    speak = [{"Ref": TOPIC}]
    told = {"AlarmActions": speak, **({"OKActions": speak} if passes else {})}
    return {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {
            "AlarmName": f"{names.app(policy)}-{name}",
            "AlarmDescription": f"{policy.platform.display_name}'s disaster-recovery responder: {because}.",
            **told,
            **properties,
        },
    }


def _of_function(function: str, metric: str) -> dict[str, Any]:
    return {
        "Namespace": "AWS/Lambda",
        "MetricName": metric,
        "Dimensions": [{"Name": "FunctionName", "Value": {"Ref": logical(function)}}],
        "Statistic": "Sum",
        "Period": 60,
        "EvaluationPeriods": 1,
    }


def _above(threshold: float, *, silence: bool) -> dict[str, Any]:
    return {
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": threshold,
        "TreatMissingData": "breaching" if silence else "notBreaching",
    }


def _subscription(row: Listener) -> dict[str, Any]:
    endpoint = (
        row.address
        if isinstance(row, MailListener)
        else f"{{{{resolve:secretsmanager:{row.secret}:SecretString:url}}}}"
    )
    properties = {"TopicArn": {"Ref": TOPIC}, "Protocol": row.kind, "Endpoint": endpoint}
    return {"Type": "AWS::SNS::Subscription", "Properties": properties}


def _listener_id(row: Listener) -> str:
    return f"TroubleTo{_id(row.address if isinstance(row, MailListener) else row.secret)}"


def _id(name: str) -> str:
    """`channel-slack-fails` → `ChannelSlackFails`: a logical id holds letters and digits only."""
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"[^A-Za-z0-9]+", name))
