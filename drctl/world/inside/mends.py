"""Where MiniStack 1.5.33 differs from AWS in a way that matters here, and what is put in its place.

Each mend replaces one named function of that pinned version. Each has a test (tests/world/test_traps.py) that runs
MiniStack *without* the mends and fails when the trap is gone, so that a mend is dropped as soon as it can be.
"""

# ruff: noqa: SLF001  # MiniStack has no public interface to mend it by; its version is pinned

from __future__ import annotations

import contextvars
import importlib
import json
import logging
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parseaddr
from pathlib import Path
from typing import Any

from drctl.world.inside import alarms, deliveries, emf, pump
from drctl.world.inside.darkness import Darkness
from drctl.world.inside.described import in_full
from drctl.world.inside.environments import Environments, SharedCode
from drctl.world.inside.locks import copies_keep_their_lock, uploads_keep_their_lock
from drctl.world.inside.service import Service
from drctl.world.inside.service_events import HandOn
from drctl.world.inside.subscriptions import confirming, in_its_region

log = logging.getLogger("drctl.mends")

EVALUATE_EVERY = 0.5
"""Seconds between looks at which alarms are due; an alarm is judged once a period."""


@dataclass(frozen=True)
class Setting:
    """What the mends need to know. `lambda_python` is the interpreter of the bare virtualenv for functions."""

    lambda_python: str
    speed: float
    darkness: Darkness
    queue: deliveries.Queue


@dataclass(frozen=True)
class Mend:
    name: str
    because: str
    apply: Callable[[Setting], None]


def functions_run_bare(setting: Setting) -> None:
    runtime = Service("core.lambda_runtime")

    def binary_for(name: str) -> tuple[str, str]:
        binary, script = original(name)
        return (setting.lambda_python if name.startswith("python") else binary), script

    original = runtime.replace("_detect_runtime_binary", binary_for)


def environments_end_alone(_: Setting) -> None:
    runtime, service = Service("core.lambda_runtime"), Service("services.lambda_svc")
    pools = Environments(runtime.module)
    for user in (runtime, service):
        user.replace("acquire_worker", pools.acquire)
        user.replace("release_worker", pools.release)
        user.replace("invalidate_worker", pools.invalidate)


def environments_share_their_code(_: Setting) -> None:
    Service("core.lambda_runtime").replace("zipfile", SharedCode(Path(tempfile.mkdtemp(prefix="unpacked-"))))


def alarms_are_described_in_full(_: Setting) -> None:
    cloudwatch = Service("services.cloudwatch")
    tools = cloudwatch.module
    cloudwatch.replace("_describe_alarms", in_full(tools._describe_alarms, tools._p, tools._xml))


def asynchronous_events_are_queued(setting: Setting) -> None:
    Service("services.lambda_svc").replace("invoke_async_with_retry", setting.queue.put)


def topics_queue_for_functions(setting: Setting) -> None:
    sns = Service("services.sns")

    def deliver(endpoint: str, envelope: str, topic_arn: str, subscription_arn: str, *_: Any) -> None:
        region = topic_arn.split(":")[3]
        if region in setting.darkness:
            log.warning("topic '%s' delivers nothing: %s is dark", topic_arn, region)
            return
        event = deliveries.sns_event(envelope, subscription_arn)
        setting.queue.to_function(endpoint, event, service="sns.amazonaws.com", source_arn=topic_arn)

    sns.replace("_deliver_to_lambda", deliver)


def stacks_ask_subscribers(_: Setting) -> None:
    handlers = Service("services.cloudformation.provisioners").module._RESOURCE_HANDLERS["AWS::SNS::Subscription"]
    sns, scope = Service("services.sns"), Service("core.responses").module.request_scope
    handlers["create"] = confirming(handlers["create"], sns.module)
    sns.replace("_confirm_subscription", in_its_region(sns.module._confirm_subscription, scope, sns.module._p))


def rules_queue_for_functions(setting: Setting) -> None:
    eventbridge = Service("services.eventbridge")
    rule_arn: contextvars.ContextVar[str] = contextvars.ContextVar("rule_arn", default="")

    def invoke_target(target: Any, event: Any, rule: dict[str, Any], view: Any = None) -> None:
        arn = rule.get("Arn", "")
        region = arn.split(":")[3] if arn else ""
        if region in setting.darkness:
            log.warning("rule '%s' fires nothing: %s is dark", arn, region)
            return
        token = rule_arn.set(arn)
        try:
            original(target, event, rule, view)
        finally:
            rule_arn.reset(token)

    def dispatch(arn: str, payload: str) -> None:
        setting.queue.to_function(arn, json.loads(payload), service="events.amazonaws.com", source_arn=rule_arn.get())

    original = eventbridge.replace("_invoke_target", invoke_target)
    eventbridge.replace("_dispatch_to_lambda", dispatch)


def rules_reach_buses_of_other_regions(setting: Setting) -> None:
    eventbridge = Service("services.eventbridge")
    hand_on = HandOn(setting.queue.scope, setting.darkness, eventbridge.module._ensure_default_bus)
    hand_on.within = eventbridge.replace("_dispatch_to_event_bus", hand_on)


def rates_run_at_speed(setting: Setting) -> None:
    eventbridge = Service("services.eventbridge")

    def seconds(expression: str) -> float | None:
        interval = original(expression)
        return None if interval is None else interval / setting.speed

    # Only rates are divided: a cron expression names a time of day, and the clock is never scaled.
    original = eventbridge.replace("_parse_rate_seconds", seconds)
    # A sweep every 10 s would make a 6 s tick a 10 s one. 15 s / speed keeps the error under a quarter of a minute.
    eventbridge.module._SCHEDULER_TICK_INTERVAL = max(0.1, min(10.0, 15 / setting.speed))


def alarm_changes_are_told(setting: Setting) -> None:
    cloudwatch = Service("services.cloudwatch").module
    send = pump.Pump(
        sns=importlib.import_module("ministack.services.sns"),
        eventbridge=importlib.import_module("ministack.services.eventbridge"),
        queue=setting.queue,
        darkness=setting.darkness,
        new_id=cloudwatch.new_uuid,
    ).send
    known: dict[str, dict[str, Any]] = {}

    def told(alarm: dict[str, Any], old: str, new: str, reason: str) -> None:
        at = datetime.now(UTC)
        was = known.get(alarm["AlarmArn"], {})
        known[alarm["AlarmArn"]] = {"reason": reason, "timestamp": pump.stamp(at)}
        send(pump.Change(alarm, old, new, reason, at, was))

    Service("services.cloudwatch").replace("_dispatch_alarm_actions", told)


def alarms_are_judged(setting: Setting) -> None:
    service = Service("services.cloudwatch")
    cloudwatch = service.module
    scope = importlib.import_module("ministack.core.responses").request_scope
    judged_at: dict[str, float] = {}

    def statistic(alarm: dict[str, Any], points: list[Any]) -> float | None:
        name = alarm.get("ExtendedStatistic") or alarm.get("Statistic") or "Average"
        value = cloudwatch._stat_value(cloudwatch._calc_stats(points), name, points)
        return None if value is None else float(value)

    def length(alarm: dict[str, Any]) -> float:
        return float(alarm.get("Period") or 60) / setting.speed

    def put(alarm: dict[str, Any]) -> None:
        # A new alarm is first judged when its periods have passed: silence before that says nothing.
        judged_at[alarm["AlarmArn"]] = time.time() + (int(alarm.get("EvaluationPeriods") or 1) - 1) * length(alarm)

    def evaluate(alarm: dict[str, Any]) -> None:
        if not alarm.get("Namespace") or not alarm.get("MetricName"):
            return
        judged_at[alarm["AlarmArn"]] = time.time()
        dimensions = cloudwatch._dims_key({d["Name"]: d["Value"] for d in alarm.get("Dimensions") or []})
        points = list(cloudwatch._metrics.get((alarm["Namespace"], alarm["MetricName"], dimensions)) or ())
        values = alarms.datapoints(alarm, points, now=time.time(), speed=setting.speed, statistic=statistic)
        verdict = alarms.judge(alarm, values, ever=bool(points))
        old = alarm["StateValue"]
        if verdict is None or verdict[0] == old:
            return
        new, reason = verdict
        alarm.update(StateValue=new, StateReason=reason, StateUpdatedTimestamp=int(time.time()))
        cloudwatch._record_history(alarm["AlarmName"], old, new, reason)
        cloudwatch._dispatch_alarm_actions(alarm, old, new, reason)
        cloudwatch._evaluate_parent_alarms(alarm)

    def watch() -> None:
        while True:
            time.sleep(EVALUATE_EVERY)
            for (account, region, _), alarm in list(cloudwatch._alarms._data.items()):
                due_at = judged_at.get(alarm["AlarmArn"], 0) + length(alarm)
                if time.time() < due_at or region in setting.darkness:
                    continue
                with scope(account, region):
                    evaluate(alarm)

    service.replace("_evaluate_alarm", put)
    # A datapoint is not what makes an alarm look: time is. Otherwise silence would never be noticed.
    service.replace("_evaluate_all_alarms", lambda: None)
    threading.Thread(target=watch, daemon=True, name="alarms").start()


def logs_hold_metrics(_: Setting) -> None:
    record = Service("services.cloudwatch").module.record_metric

    def emitted(func: dict[str, Any], request_id: str, log_text: str, *given: Any, **named: Any) -> None:
        original(func, request_id, log_text, *given, **named)
        for it in (found for line in (log_text or "").splitlines() for found in emf.read(line)):
            record(it.namespace, it.metric, it.value, it.unit, dict(it.dimensions))

    original = Service("services.lambda_svc").replace("_emit_lambda_logs", emitted)


def mail_is_judged_by_its_sender(_: Setting) -> None:
    actions = Service("core.iam_actions")

    def resource(method: str, path: str, body: bytes, region: str, account: str) -> str:
        if method == "POST" and path.rstrip("/") == "/v2/email/outbound-emails":
            sender = parseaddr(json.loads(body).get("FromEmailAddress", ""))[1]
            return f"arn:aws:ses:{region}:{account}:identity/{sender}" if sender else "*"
        return str(original(method, path, body, region, account))

    original = actions.replace("_ses_v2_resource_arn", resource)


def metrics_are_judged_at_the_gate(_: Setting) -> None:
    actions = Service("core.iam_actions")

    def action(service: str, *asked: Any) -> str | None:
        found: str | None = original(service, *asked)
        return None if service == "monitoring" else found

    original = actions.replace("extract_iam_action", action)


def conditions_join_lists(_: Setting) -> None:
    def evaluated(template: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = original(
            {**template, "Conditions": _joined(template.get("Conditions", {}), params)}, params
        )
        return found

    # Each of these has a name of its own for it.
    for module in ("handlers", "stacks", "changesets"):
        Service(f"services.cloudformation.{module}").replace("_evaluate_conditions", evaluated)
    original = Service("services.cloudformation.engine").replace("_evaluate_conditions", evaluated)


def _joined(condition: Any, params: dict[str, Any]) -> Any:
    match condition:
        case {"Fn::Join": [str(between), {"Ref": str(name)}]} if name in params:
            return between.join(part.strip() for part in str(params[name]["Value"]).split(","))
        case dict():
            return {key: _joined(value, params) for key, value in condition.items()}
        case list():
            return [_joined(value, params) for value in condition]
        case _:
            return condition


MENDS = (
    Mend(
        "environments end alone",
        "MiniStack starts a process for every invocation that finds none free, without end, and ends all of a "
        "function's when one fails; AWS throttles at a quota, and an environment ends alone",
        environments_end_alone,
    ),
    Mend(
        "environments share their code",
        "MiniStack unpacks a function's archive for every process; Lambda has it unpacked when one starts",
        environments_share_their_code,
    ),
    Mend(
        "functions run bare",
        "MiniStack runs functions with its own interpreter, where a requirement missing from our package is found",
        functions_run_bare,
    ),
    Mend(
        "alarms are described in full",
        "MiniStack leaves half of an alarm out where an older SDK asks for it, as Lambda's boto3 does",
        alarms_are_described_in_full,
    ),
    Mend(
        "asynchronous events are queued",
        "MiniStack counts a throttle as one of three tries and waits 1 s and 2 s; Lambda waits 1 min and 2 min after "
        "an error, and keeps a throttled event for six hours, so a storm of alarms loses none",
        asynchronous_events_are_queued,
    ),
    Mend(
        "topics queue for functions",
        "MiniStack leaves out MessageAttributes when there are none and calls the function once; SNS sends {} and "
        "hands the event to Lambda's queue, if the function's policy lets it",
        topics_queue_for_functions,
    ),
    Mend(
        "stacks ask subscribers",
        "MiniStack's CloudFormation never asks an http subscription's endpoint to confirm it, and finds a link's topic "
        "only in us-east-1; SNS asks, with a link of the topic's region",
        stacks_ask_subscribers,
    ),
    Mend(
        "rules queue for functions",
        "MiniStack calls a rule's function once; EventBridge hands the event to Lambda's queue, if the function's "
        "policy lets it",
        rules_queue_for_functions,
    ),
    Mend(
        "rules reach buses of other regions",
        "MiniStack finds no bus but those of the rule's own region; EventBridge hands an event to a bus in another one",
        rules_reach_buses_of_other_regions,
    ),
    Mend(
        "rates run at speed",
        "a schedule of one minute must run every 60 s / speed, from the deployed rule and no other",
        rates_run_at_speed,
    ),
    Mend(
        "alarm changes are told",
        "MiniStack tells topics only, and not which alarm (no AlarmArn); CloudWatch also tells functions and "
        "EventBridge",
        alarm_changes_are_told,
    ),
    Mend(
        "alarms are judged",
        "MiniStack mixes all dimensions of a metric into one alarm, ignores TreatMissingData and DatapointsToAlarm, "
        "and looks only when a datapoint arrives, so silence never raises an alarm",
        alarms_are_judged,
    ),
    Mend(
        "logs hold metrics",
        "MiniStack keeps a function's log and reads no metrics from it; CloudWatch does, from lines in its format",
        logs_hold_metrics,
    ),
    Mend(
        "mail is judged by its sender",
        "MiniStack asks whether a function may send from every identity (`*`); SES asks for the sender's",
        mail_is_judged_by_its_sender,
    ),
    Mend(
        "metrics are judged at the gate",
        "MiniStack asks for every alarm (`*`) where DescribeAlarms names some, and knows no `cloudwatch:namespace`; "
        "drctl/world/authority.py does",
        metrics_are_judged_at_the_gate,
    ),
    Mend(
        "conditions join lists",
        "MiniStack compares an Fn::Join in a condition as it is written, so a list that is empty never equals ''",
        conditions_join_lists,
    ),
    Mend(
        "uploads keep their lock",
        "MiniStack forgets the Object Lock that a multipart upload began with, so a large object is not locked",
        lambda _: uploads_keep_their_lock(),
    ),
    Mend(
        "copies keep their lock",
        "MiniStack forgets the Object Lock that a copy is asked for with, so what is copied as evidence is not locked",
        lambda _: copies_keep_their_lock(),
    ),
)
