"""What AWS services say by EventBridge of the platform's regions and accounts, as a `Signal`.

- AWS Health: https://docs.aws.amazon.com/health/latest/ug/aws-health-events-eventbridge-schema.html
- public Health events come by the region and by a second one, with the same `eventArn` and `communicationId`:
  https://docs.aws.amazon.com/health/latest/ug/about-public-events.html
- a long one comes in `totalPages` pages, each whole but for the affected entities; `communicationId` ends in `-<page>`:
  https://docs.aws.amazon.com/health/latest/ug/pagnation-of-health-events.html
- GuardDuty: https://docs.aws.amazon.com/guardduty/latest/ug/guardduty_findings_eventbridge.html, with the finding of
  https://docs.aws.amazon.com/guardduty/latest/APIReference/API_Finding.html in lower camel case; a finding that occurs
  again comes again with the same `id`, a higher `service.count` and a later `updatedAt`.

Rules. As with alarms (alarms.py): the time is the one at which the service changed what it says, never the envelope's;
nothing raises but `CannotReadError`. An event's region is the one that it is about, not the one that it came by.
Open is ALARM and closed is OK; upcoming is no data, for nothing has happened. An archived finding is no data and never
OK: somebody has put it away, and an intruder could have. A Health event names no availability zone (the API's Event
has one, the event on the bus has none), so it never speaks of one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from chalicelib.core.happened import AlarmState, HealthEvent, SecurityFinding, Signal, SignalKind
from chalicelib.intake.reading import (
    MISSING,
    CannotReadError,
    clean,
    field,
    found,
    mapping_at,
    moment,
    text_at,
)

HEALTH: Final = ("aws.health", "AWS Health Event")
GUARDDUTY: Final = ("aws.guardduty", "GuardDuty Finding")
KEPT: Final = 300
"""Characters of what a service says that are kept: Health's descriptions hold the whole history of an event."""
_STATUS: Final = {"open": AlarmState.ALARM, "closed": AlarmState.OK, "upcoming": AlarmState.INSUFFICIENT_DATA}
_EVENT_ARN: Final = re.compile(r"arn:aws[a-z-]*:health:([a-z0-9-]+)::event/[!-~]{1,300}")
_ACCOUNT: Final = re.compile(r"[0-9]{12}")
_PLAIN: Final = re.compile(r"[!-~]{1,200}")
_PAGE: Final = re.compile(r"(.+)-[0-9]+", re.DOTALL)
_RFC: Final = re.compile(r"[A-Z][a-z]{2}, [0-9]{1,2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} (GMT|UTC)")


def health_event(event: Mapping[str, Any], where: str, now: datetime) -> Signal:
    """An AWS Health event. One source an event, and one an account where it is of an account alone."""
    account = _account(field(event, "account"), f"{where}.account")
    where = f"{where}.detail"
    detail = mapping_at(field(event, "detail"), where)
    arn = text_at(detail, "eventArn", where)
    match = _EVENT_ARN.fullmatch(arn)
    if match is None:
        raise CannotReadError(f"{where}.eventArn is {found(arn)}, expected a Health event's ARN")
    region = field(detail, "eventRegion")
    if region not in (MISSING, None, match[1]):
        raise CannotReadError(f"{where}.eventRegion is {found(region)}, expected {match[1]}, as in {where}.eventArn")
    scope = field(detail, "eventScopeCode")
    if scope == "ACCOUNT_SPECIFIC":
        affected = field(detail, "affectedAccount")
        account = account if affected in (MISSING, None) else _account(affected, f"{where}.affectedAccount")
        arn = f"{arn}@{account}"
    status = field(detail, "statusCode")
    if not isinstance(status, str) or status not in _STATUS:
        raise CannotReadError(f"{where}.statusCode is {found(status)}, allowed: {', '.join(_STATUS)}")
    service, category = _plain(detail, "service", where), _plain(detail, "eventTypeCategory", where)
    communication = field(detail, "communicationId")
    said = communication if isinstance(communication, str) else ""
    paged = _PAGE.fullmatch(said)
    return Signal(
        source=arn,
        name=_plain(detail, "eventTypeCode", where),
        kind=SignalKind.HEALTH_EVENT,
        state=_STATUS[status],
        changed_at=_updated(detail, status, where, now),
        reason=_short(f"AWS Health calls it {status}: {service} in {match[1]}: {_description(detail)}"),
        region=match[1],
        account=account,
        event=HealthEvent(service=service, category=category, communication=clean(paged[1] if paged else said)[:100]),
    )


def finding(event: Mapping[str, Any], where: str, now: datetime) -> Signal:
    """A GuardDuty finding. One source a finding, however often it occurs."""
    where = f"{where}.detail"
    detail = mapping_at(field(event, "detail"), where)
    account = _account(field(detail, "accountId"), f"{where}.accountId")
    region, name = _plain(detail, "region", where), _plain(detail, "type", where)
    severity = field(detail, "severity")
    if isinstance(severity, bool) or not isinstance(severity, int | float) or not 1 <= severity <= 10:
        raise CannotReadError(f"{where}.severity is {found(severity)}, expected a number from 1 to 10")
    service = detail.get("service")
    service = service if isinstance(service, Mapping) else {}
    count = service.get("count")
    count = count if isinstance(count, int) and not isinstance(count, bool) and 0 < count < 10**9 else 1
    archived = service.get("archived") is True
    title = detail.get("title")
    said = f"GuardDuty {'has it archived' if archived else 'found it'} ({severity:g} of 10, {count} times)"
    return Signal(
        source=f"guardduty:{region}:{account}:{_plain(detail, 'id', where)}",
        name=name,
        kind=SignalKind.SECURITY_FINDING,
        state=AlarmState.INSUFFICIENT_DATA if archived else AlarmState.ALARM,
        changed_at=moment(text_at(detail, "updatedAt", where), f"{where}.updatedAt", now=now),
        reason=_short(f"{said}: {title}" if isinstance(title, str) else said),
        region=region,
        account=account,
        event=SecurityFinding(type=name, severity=float(severity), count=count),
    )


def sender(event: Mapping[str, Any], where: str) -> str:
    """The account that EventBridge sent the event to: twelve digits."""
    return _account(field(event, "account"), f"{where}.account")


def _updated(detail: Mapping[str, Any], status: str, where: str, now: datetime) -> datetime:
    """When AWS last said something else of the event; before it said so, when it ended or began."""
    keys = ("lastUpdatedTime", *(("endTime",) if status == "closed" else ()), "startTime")
    key = next((k for k in keys if detail.get(k)), "lastUpdatedTime")
    text = text_at(detail, key, where)
    if not _RFC.fullmatch(text):
        raise CannotReadError(f"{where}.{key} is {found(text)}, expected a time like Wed, 15 Feb 2023 22:07:07 GMT")
    try:
        at = datetime.strptime(text[:-4], "%a, %d %b %Y %H:%M:%S").replace(tzinfo=UTC)
    except ValueError as error:
        raise CannotReadError(f"{where}.{key} is {found(text)}, which is no time") from error
    return moment(at.isoformat(), f"{where}.{key}", now=now)


def _description(detail: Mapping[str, Any]) -> str:
    rows = detail.get("eventDescription")
    texts = [r.get("latestDescription") for r in rows if isinstance(r, Mapping)] if isinstance(rows, list) else []
    return next((t for t in texts if isinstance(t, str) and t.strip()), "no description given")


def _short(text: str) -> str:
    whole = " ".join(clean(text[: 4 * KEPT]).split())
    return whole if len(whole) <= KEPT else whole[: KEPT - 1] + "…"


def _plain(value: Mapping[str, Any], key: str, where: str) -> str:
    there = text_at(value, key, where)
    if _PLAIN.fullmatch(there) is None:
        raise CannotReadError(f"{where}.{key} is {found(there)}, expected 1 to 200 plain characters")
    return there


def _account(value: object, where: str) -> str:
    if isinstance(value, str) and _ACCOUNT.fullmatch(value):
        return value
    raise CannotReadError(f"{where} is {found(value)}, expected twelve digits")
