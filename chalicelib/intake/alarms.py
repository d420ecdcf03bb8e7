"""CloudWatch's alarms, in the three shapes they come in, as one `Signal`; by EventBridge other services too.

- SNS: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html
- EventBridge: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-and-eventbridge.html
- direct invoke: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-actions-Lambda.html

Rules. The same change has the same `Signal.id` whichever way it came: its source is the alarm's ARN, its time the one
at which the alarm changed, never one of the envelope. Account and region are read from the ARN. Each record of a
batch stands for itself, and each becomes a `Signal` or an `Unreadable`: nothing is lost and nothing raises. Only what
identity needs is required (name, ARN, state, time); all else may be missing. Never let a state that CloudWatch does not
have, or a time that cannot be, through: a watermark in the year 9999 would silence its alarm for good.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import partial
from itertools import chain
from typing import Any, Final, Literal

from chalicelib.core.happened import AlarmState, Signal, SignalKind, Unreadable
from chalicelib.intake import service_events
from chalicelib.intake.reading import (
    MISSING,
    CannotReadError,
    clean,
    field,
    found,
    json_at,
    mapping_at,
    moment,
    raw_text,
    text_at,
)

Way = Literal["sns", "eventbridge", "direct"]
REASON_KEPT: Final = 1024
"""Characters of a reason that are kept; CloudWatch itself writes at most 1,023."""
NAME_MAX: Final = 255
DETAIL_TYPE: Final = "CloudWatch Alarm State Change"
_ARN: Final = re.compile(r"arn:aws[a-z-]*:cloudwatch:([a-z]{2}(?:-[a-z]+)+-[0-9]):([0-9]{12}):alarm:(.+)", re.DOTALL)
_TOPIC: Final = re.compile(r"arn:(aws[a-z-]*):sns:([a-z]{2}(?:-[a-z]+)+-[0-9]):[0-9]{12}:.+", re.DOTALL)
_ACCOUNT: Final = re.compile(r"[0-9]{12}")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_HEALTH_CHECK: Final = ("AWS/Route53", "HealthCheckStatus")


def from_sns(
    event: Mapping[str, Any],
    *,
    received_at: datetime,
    accounts: frozenset[str] | None = None,
    topics: frozenset[str] | None = None,
) -> tuple[Signal | Unreadable, ...]:
    """One result a record of the batch, in order; at least one.

    Read are SNS's Lambda event; SQS's, with the message in an envelope or raw; and a single record, envelope or message
    without the list round it, which is how a dead letter is read again. A message that is an EventBridge event (a rule
    whose target is the topic) or a direct one is read as that. `accounts` and `topics`, when given, are the only ones
    believed; with `topics`, a message that does not say by which topic it came is not.
    """
    records = event.get("Records", MISSING) if isinstance(event, Mapping) else MISSING
    if records is MISSING:
        return (_one("sns", event, partial(_sns_record, event, "event", received_at, topics), received_at, accounts),)
    if not isinstance(records, list | tuple) or not records:
        reason = f"event.Records is {found(records)}, expected a list of at least one record"
        return (_unreadable("sns", event, reason, received_at),)
    return tuple(
        _one("sns", record, partial(_sns_record, record, f"Records[{n}]", received_at, topics), received_at, accounts)
        for n, record in enumerate(records)
    )


def from_eventbridge(
    event: Mapping[str, Any], *, received_at: datetime, accounts: frozenset[str] | None = None
) -> tuple[Signal | Unreadable, ...]:
    """One result. Read are `CloudWatch Alarm State Change` of source `aws.cloudwatch`, and what service_events.py
    knows; nobody but AWS can send such a source (PutEvents refuses `aws.` with NotAuthorizedForSourceException). A
    service's event has two accounts, which may differ: both must be believed.
    """
    read = partial(_eventbridge, event, "event", received_at, accounts)
    return (_one("eventbridge", event, read, received_at, accounts),)


def from_direct(
    event: Mapping[str, Any], *, received_at: datetime, accounts: frozenset[str] | None = None
) -> tuple[Signal | Unreadable, ...]:
    """One result, of the event that CloudWatch invokes a function with whose ARN is an alarm's action."""
    return (_one("direct", event, partial(_direct, event, "event", received_at), received_at, accounts),)


READERS: Final[Mapping[Way, Callable[..., tuple[Signal | Unreadable, ...]]]] = {
    "sns": from_sns,
    "eventbridge": from_eventbridge,
    "direct": from_direct,
}
"""By way in: what reads a dead letter's `raw` again."""


def _unreadable(way: Way, raw: object, reason: str, received_at: datetime) -> Unreadable:
    return Unreadable(raw=raw_text(raw), reason=clean(reason), received_at=received_at, way=way)


def _one(
    way: Way,
    raw: object,
    read: Callable[[], Signal],
    received_at: datetime,
    accounts: frozenset[str] | None,
) -> Signal | Unreadable:
    try:
        signal = read()
    except CannotReadError as error:
        return _unreadable(way, raw, str(error), received_at)
    if accounts is not None and signal.account not in accounts:
        allowed = ", ".join(sorted(accounts)) or "none"
        what = "event" if signal.event else "alarm"
        reason = f"{what} {signal.source} is of account {signal.account}, allowed: {allowed}"
        return _unreadable(way, raw, reason, received_at)
    return signal


def _sns_record(record: object, where: str, now: datetime, topics: frozenset[str] | None) -> Signal:
    """Out of the envelopes, one by one: a record holds `Sns` or `body`, either may hold `Message`.

    The topic is the one that SNS itself names, beside the `Message` it delivers; nothing inside a message is asked.
    """
    envelope = mapping_at(record, where)
    topic: object = MISSING
    for key in ("Sns", "body", "Message"):
        if key not in envelope:
            continue
        where = f"{where}.{key}"
        inner = envelope[key]
        topic = envelope.get("TopicArn", topic)
        envelope = mapping_at(json_at(inner, where) if isinstance(inner, str) else inner, where)
    if topics is not None and not (isinstance(topic, str) and topic in topics):
        allowed = ", ".join(sorted(topics)) or "none"
        raise CannotReadError(f"{where} came by the topic {found(topic)}, allowed: {allowed}")
    if "detail-type" in envelope:
        return _eventbridge(envelope, where, now)
    if "alarmData" in envelope:
        return _direct(envelope, where, now)
    if "NewStateValue" not in envelope and "AlarmName" not in envelope:
        raise CannotReadError(f"{where} is no alarm: it has neither AlarmName nor NewStateValue; {_keys(envelope)}")
    return _sns_message(envelope, topic, where, now)


def _keys(value: Mapping[str, Any]) -> str:
    shown = [found(k) for _, k in zip(range(8), value, strict=False)]
    return f"found {', '.join(shown) or 'nothing'}" + (" and more" if len(value) > len(shown) else "")


def _sns_message(message: Mapping[str, Any], topic: object, where: str, now: datetime) -> Signal:
    name = text_at(message, "AlarmName", where)
    account = field(message, "AWSAccountId")
    _refuse_contributor(message, where)
    arn = field(message, "AlarmArn")
    if arn is MISSING or arn is None:
        arn = _built_arn(name, account, topic, where)
    trigger = message.get("Trigger")
    return _signal(
        arn=arn,
        arn_where=f"{where}.AlarmArn",
        name=name,
        name_where=f"{where}.AlarmName",
        account=account,
        account_where=f"{where}.AWSAccountId",
        kind=_kind(
            composite="AlarmRule" in message or "TriggeringChildren" in message,
            metrics=chain(_pairs(trigger, "Namespace", "MetricName"), _sns_metrics(trigger)),
        ),
        state=field(message, "NewStateValue"),
        state_where=f"{where}.NewStateValue",
        changed_at=moment(text_at(message, "StateChangeTime", where), f"{where}.StateChangeTime", now=now),
        reason=message.get("NewStateReason"),
    )


def _built_arn(name: str, account: object, topic: object, where: str) -> str:
    """The ARN that an old message leaves out.

    Its `Region` is a name for people ("US East (N. Virginia)"), and such names change; an alarm can only notify a topic
    of its own region, so the region, and the partition with it, is the topic's. The account is the message's: the topic
    may belong to another one.
    """
    if not (isinstance(account, str) and _ACCOUNT.fullmatch(account)):
        raise CannotReadError(
            f"{where}.AlarmArn is missing, and {where}.AWSAccountId is {found(account)}, expected twelve digits"
        )
    match = _TOPIC.fullmatch(topic) if isinstance(topic, str) else None
    if match is None:
        raise CannotReadError(
            f"{where}.AlarmArn is missing, and TopicArn is {found(topic)}, expected a topic's ARN to tell the region"
        )
    return f"arn:{match[1]}:cloudwatch:{match[2]}:{account}:alarm:{name}"


def _eventbridge(event: object, where: str, now: datetime, accounts: frozenset[str] | None = None) -> Signal:
    event = mapping_at(event, where)
    source = field(event, "source")
    read = _SERVICES.get(source) if isinstance(source, str) else None
    wanted = read[0] if read else ("aws.cloudwatch", DETAIL_TYPE)
    for key, allowed in zip(("source", "detail-type"), wanted, strict=True):
        if field(event, key) != allowed:
            raise CannotReadError(f"{where}.{key} is {found(field(event, key))}, expected {allowed!r}")
    if read:
        sent_to = service_events.sender(event, where)
        if accounts is not None and sent_to not in accounts:
            allowed = ", ".join(sorted(accounts)) or "none"
            raise CannotReadError(f"{where} is of account {sent_to}, allowed: {allowed}")
        return read[1](event, where, now)
    resources = field(event, "resources")
    if not isinstance(resources, list | tuple) or not resources:
        raise CannotReadError(f"{where}.resources is {found(resources)}, expected a list with the alarm's ARN")
    arn = resources[0]
    return _detail(
        event, "detail", arn, f"{where}.resources[0]", field(event, "account"), f"{where}.account", where, now
    )


_SERVICES: Final[Mapping[str, tuple[tuple[str, str], Callable[[Mapping[str, Any], str, datetime], Signal]]]] = {
    service_events.HEALTH[0]: (service_events.HEALTH, service_events.health_event),
    service_events.GUARDDUTY[0]: (service_events.GUARDDUTY, service_events.finding),
}


def _direct(event: object, where: str, now: datetime) -> Signal:
    event = mapping_at(event, where)
    arn, account = field(event, "alarmArn"), field(event, "accountId")
    return _detail(event, "alarmData", arn, f"{where}.alarmArn", account, f"{where}.accountId", where, now)


def _detail(
    event: Mapping[str, Any],
    key: str,
    arn: object,
    arn_where: str,
    account: object,
    account_where: str,
    where: str,
    now: datetime,
) -> Signal:
    """What EventBridge's `detail` and the direct event's `alarmData` have in common."""
    where = f"{where}.{key}"
    detail = mapping_at(field(event, key), where)
    _refuse_contributor(detail, where)
    state = mapping_at(field(detail, "state"), f"{where}.state")
    configuration = detail.get("configuration")
    # Without its configuration a composite alarm is still known by the children in its reason.
    children = state.get("reasonData")
    composite = (isinstance(configuration, Mapping) and "alarmRule" in configuration) or (
        isinstance(children, str) and '"triggeringAlarms"' in children
    )
    return _signal(
        arn=arn,
        arn_where=arn_where,
        name=text_at(detail, "alarmName", where),
        name_where=f"{where}.alarmName",
        account=account,
        account_where=account_where,
        kind=_kind(composite=composite, metrics=_detail_metrics(configuration)),
        state=field(state, "value"),
        state_where=f"{where}.state.value",
        changed_at=moment(text_at(state, "timestamp", f"{where}.state"), f"{where}.state.timestamp", now=now),
        reason=state.get("reason"),
    )


def _refuse_contributor(value: Mapping[str, Any], where: str) -> None:
    """An alarm over many series also tells of each one, under the alarm's own ARN.

    Taken for the alarm's state, one series' OK would hide the ALARM of the others.
    """
    for name in value:
        if isinstance(name, str) and name.lower().startswith("alarmcontributor"):
            raise CannotReadError(f"{where} has {found(name)}: this is about one series, expected the alarm as a whole")


def _signal(
    *,
    arn: object,
    arn_where: str,
    name: str,
    name_where: str,
    account: object,
    account_where: str,
    kind: SignalKind,
    state: object,
    state_where: str,
    changed_at: datetime,
    reason: object,
) -> Signal:
    match = _ARN.fullmatch(arn) if isinstance(arn, str) else None
    if match is None:
        raise CannotReadError(f"{arn_where} is {found(arn)}, expected an alarm's ARN")
    if len(name) > NAME_MAX or _CONTROL.search(name):
        raise CannotReadError(f"{name_where} is {found(name)}, expected 1 to {NAME_MAX} characters, none of control")
    if match[3] != name:
        raise CannotReadError(f"{arn_where} is {found(arn)}, which is not of the alarm {found(name)} in {name_where}")
    if account not in (MISSING, None, match[2]):
        raise CannotReadError(f"{account_where} is {found(account)}, expected {match[2]}, as in {arn_where}")
    if not isinstance(state, str) or state not in _STATES:
        raise CannotReadError(f"{state_where} is {found(state)}, allowed: {', '.join(_STATES)}")
    return Signal(
        source=match[0],
        name=name,
        kind=kind,
        state=AlarmState(state),
        changed_at=changed_at,
        reason=clean(reason)[:REASON_KEPT] if isinstance(reason, str) and reason.strip() else "no reason given",
        region=match[1],
        account=match[2],
    )


_STATES: Final = tuple(s.value for s in AlarmState)


def _kind(*, composite: bool, metrics: Iterator[tuple[object, object]]) -> SignalKind:
    """An alarm is about health checks when every metric that it reads is a health check's status."""
    if composite:
        return SignalKind.COMPOSITE_ALARM
    read = list(metrics)
    if read and all(pair == _HEALTH_CHECK for pair in read):
        return SignalKind.HEALTH_CHECK_ALARM
    return SignalKind.METRIC_ALARM


def _pairs(metric: object, namespace: str, name: str) -> Iterator[tuple[object, object]]:
    if isinstance(metric, Mapping) and (namespace in metric or name in metric):
        yield metric.get(namespace), metric.get(name)


def _stats(holder: object, metrics: str, stat: str, metric: str) -> Iterator[object]:
    rows = holder.get(metrics) if isinstance(holder, Mapping) else None
    for row in rows if isinstance(rows, list | tuple) else ():
        there = row.get(stat) if isinstance(row, Mapping) else None
        if isinstance(there, Mapping):
            yield there.get(metric)


def _sns_metrics(trigger: object) -> Iterator[tuple[object, object]]:
    for metric in _stats(trigger, "Metrics", "MetricStat", "Metric"):
        yield from _pairs(metric, "Namespace", "MetricName")


def _detail_metrics(configuration: object) -> Iterator[tuple[object, object]]:
    for metric in _stats(configuration, "metrics", "metricStat", "metric"):
        yield from _pairs(metric, "namespace", "name")
