"""Alarms and the topics they speak to, each as the generated templates make it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from chalicelib import names
from chalicelib.account.alarms import of_alarm
from chalicelib.account.verdicts import Claim, NotThere, Row, Subject
from chalicelib.policy import Policy
from drctl.account.asking import Account
from drctl.deployment.primary import alarm_stack
from drctl.deployment.resources import resources

KINDS: Final = {"AWS::CloudWatch::Alarm": "MetricAlarms", "AWS::CloudWatch::CompositeAlarm": "CompositeAlarms"}


def alarms(policy: Policy, account: Account) -> Iterator[Row]:
    """Every alarm of every template: its metric and threshold, what silence means, and whom it tells."""
    for region in names.alarm_regions(policy):
        topic = names.alarm_topic_arn(policy, region)
        yield from _of_template(alarm_stack(policy, region), account, region, topic)
    yield from _of_template(resources(policy), account, policy.platform.responder.region, None)


def _of_template(template: Mapping[str, Any], account: Account, region: str, topic: str | None) -> Iterator[Row]:
    wanted = [r for r in template["Resources"].values() if r.get("Type") in KINDS]
    for resource in wanted:
        properties, kind = resource["Properties"], KINDS[resource["Type"]]
        name = properties["AlarmName"]
        # What tells of the responder's own trouble speaks to a topic of its own, which has listeners of its own.
        its = topic if {"Ref": "AlarmTopic"} in properties.get("AlarmActions", ()) else None
        subject = Subject(f"alarm {name} in {region}", "signals.alarms" if topic else "platform.responder")
        yield from of_alarm(subject, properties, kind, account, region, its)


def topics(policy: Policy, account: Account) -> Iterator[Row]:
    """Each region's topic: CloudWatch may publish, the responder is subscribed, and it lets itself be invoked."""
    function = names.function_arn(policy, "on_alarm_sns")
    home = policy.platform.responder.region
    invocable = account.ask("lambda", home, "get_policy", FunctionName=names.function(policy, "on_alarm_sns"))
    for region in names.alarm_regions(policy):
        arn = names.alarm_topic_arn(policy, region)
        subject = Subject(f"topic {names.alarm_topic(policy)} in {region}", "signals.alarms")
        answer = account.ask("sns", region, "get_topic_attributes", TopicArn=arn)
        allowed = Claim("CloudWatch may publish", True, _allows("cloudwatch.amazonaws.com", "sns:Publish"))
        yield from subject.claims(answer, (allowed,))
        if isinstance(answer, NotThere):
            continue
        told = account.ask("sns", region, "list_subscriptions_by_topic", TopicArn=arn)
        yield from subject.claims(told, (Claim("tells the responder", True, _subscribed(function)),))
        if isinstance(invocable, NotThere):
            yield subject.missing("may invoke the responder")
        else:
            yield from subject.claims(invocable, (Claim("may invoke the responder", True, _invoked_by(arn)),))


def _allows(service: str, action: str) -> Any:
    def read(answer: Mapping[str, Any]) -> bool:
        document = json.loads(answer["Attributes"].get("Policy") or '{"Statement": []}')
        return any(_allowed(s, service, action) for s in document["Statement"])

    return read


def _allowed(statement: Mapping[str, Any], service: str, action: str) -> bool:
    principal = statement.get("Principal")
    services = principal.get("Service", []) if isinstance(principal, dict) else []
    actions = statement.get("Action", [])
    return (
        statement.get("Effect") == "Allow"
        and service in ([services] if isinstance(services, str) else services)
        and action.lower() in [a.lower() for a in ([actions] if isinstance(actions, str) else actions)]
    )


def _subscribed(function: str) -> Any:
    return lambda answer: function in [s["Endpoint"] for s in answer["Subscriptions"] if s["Protocol"] == "lambda"]


def _invoked_by(topic: str) -> Any:
    def read(answer: Mapping[str, Any]) -> bool:
        return any(
            _allowed(s, "sns.amazonaws.com", "lambda:InvokeFunction")
            and topic in [v for c in s.get("Condition", {}).values() for v in c.values()]
            for s in json.loads(answer["Policy"])["Statement"]
        )

    return read
