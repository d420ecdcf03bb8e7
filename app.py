"""One function per trigger, no logic: each hands what came in to the way in that knows it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit, single_metric
from chalice.app import Chalice, ConvertToMiddleware, Rate

from chalicelib import names, patterns, pulse, vitals, ways_in
from chalicelib.bootstrap import Responder
from chalicelib.bootstrap import responder as build
from chalicelib.core.happened import Readiness
from chalicelib.intake import alarms
from chalicelib.meter import metered
from chalicelib.policy.load import load
from chalicelib.settings import Settings

ROOT = Path(__file__).parent
SETTINGS = Settings.read(os.environ, root=ROOT)
POLICY = load(SETTINGS.policies, speed=SETTINGS.speed)
SPARE = timedelta(seconds=10)
"""What an invocation keeps between the end of its shift and its hard deadline."""

READY_AS = {Readiness.READY: 1, Readiness.WITH_FINDINGS: 1, Readiness.UNKNOWN: 0.5}
"""Of the metric RunbookReady: half is not known, nothing is not ready."""

app = Chalice(app_name=names.app(POLICY))
# Another name than Chalice's app, or every line would be logged twice.
logger = Logger(service="responder")
metrics = Metrics(namespace=names.metrics_namespace(POLICY), service="responder")
app.register_middleware(ConvertToMiddleware(logger.inject_lambda_context))
app.register_middleware(ConvertToMiddleware(metrics.log_metrics))


@cache
def responder() -> Responder:
    """Built once an execution environment, when first needed."""
    return build(SETTINGS, POLICY, metered(POLICY))


def shift(context: Any) -> datetime:
    """When this invocation leaves the desk: the usual shift, or earlier when the hard deadline comes first."""
    left = timedelta(milliseconds=context.get_remaining_time_in_millis()) - SPARE
    return datetime.now(UTC) + min(SETTINGS.shift, left)


def hard_deadline(context: Any) -> datetime:
    """When this invocation ends, less what it keeps to end well."""
    left = timedelta(milliseconds=context.get_remaining_time_in_millis())
    return datetime.now(UTC) + left - SPARE


def received(found: ways_in.Received) -> Mapping[str, Any]:
    """Counts what came in, and says what became of it. Dead letters are counted where they are kept."""
    metrics.add_metric("Signals", MetricUnit.Count, found.signals)
    worked = found.worked.because if found.worked else "nothing could be read"
    return {"signals": found.signals, "unreadable": found.unreadable, "desk": worked}


@app.lambda_function()
def on_alarm_sns(event: Any, context: Any) -> Mapping[str, Any]:
    """Alarms by way of their topic, every record of the batch. The topic stands in another region, and so does its
    subscription (drctl/deployment/primary.py); Chalice has words only for topics of its own region.
    """
    found = alarms.from_sns(
        event,
        received_at=datetime.now(UTC),
        accounts=names.believed_accounts(POLICY),
        topics=names.believed_topics(POLICY),
    )
    return received(ways_in.alarms(responder(), found, until=shift(context)))


@app.on_cw_event(
    {
        "source": ["aws.cloudwatch"],
        "detail-type": ["CloudWatch Alarm State Change"],
        # The responder's own alarms come by here too, and would wake it for nothing.
        "detail": {"alarmName": sorted(POLICY.signals.regions)},
    }
)
def on_alarm_event(event: Any) -> Mapping[str, Any]:
    """Alarms by way of EventBridge."""
    found = alarms.from_eventbridge(
        event.to_dict(), received_at=datetime.now(UTC), accounts=names.believed_accounts(POLICY)
    )
    return received(ways_in.alarms(responder(), found, until=shift(event.context)))


@app.on_cw_event(patterns.service_events(POLICY, POLICY.platform.responder.region))
def on_service_event(event: Any) -> Mapping[str, Any]:
    """AWS Health's events and GuardDuty's findings, by way of EventBridge."""
    found = alarms.from_eventbridge(
        event.to_dict(), received_at=datetime.now(UTC), accounts=names.believed_accounts(POLICY)
    )
    return received(ways_in.alarms(responder(), found, until=shift(event.context)))


@app.lambda_function()
def on_alarm_direct(event: Any, context: Any) -> Mapping[str, Any]:
    """Alarms whose action is this function."""
    found = alarms.from_direct(event, received_at=datetime.now(UTC), accounts=names.believed_accounts(POLICY))
    return received(ways_in.alarms(responder(), found, until=shift(context)))


@app.lambda_function()
def command(event: Any, context: Any) -> Mapping[str, Any]:
    """A person's typed command, by manual invoke."""
    answer = ways_in.command(responder(), event, until=shift(context))
    metrics.add_metric("Commands" if answer["ok"] else "CommandsRefused", MetricUnit.Count, 1)
    return answer


@app.schedule(Rate(1, unit=Rate.MINUTES))
def tick(event: Any) -> str:
    """Every minute: what is open is carried on."""
    pulse.beat(responder())
    worked = ways_in.tick(responder(), until=shift(event.context))
    pulse.waiting(responder())
    metrics.add_metric(vitals.TICKS, MetricUnit.Count, 1)
    metrics.add_metric(vitals.SET_ASIDE, MetricUnit.Count, worked.set_aside)
    return worked.because


@app.lambda_function()
def wake(event: Any, context: Any) -> str | Mapping[str, Any]:
    """Somebody has put something in the inbox: the probe, the witness from its own region, a round of readiness, which
    also asks what this function may do.
    """
    if isinstance(event, Mapping) and "look" in event:
        return ways_in.look(responder(), event["look"])
    return responder().desk.work(responder().nonce(), until=shift(context)).because


@app.schedule(Rate(1, unit=Rate.MINUTES))
def probe(event: Any) -> Mapping[str, str]:
    """Every minute: our own look at the primary, from the standby region, at the heartbeats, and at the tick."""
    pulse.felt(responder())
    pulse.waiting(responder())
    pulse.left(responder())
    return ways_in.probe(responder(), until=shift(event.context))


@app.schedule(Rate(round(POLICY.backups.audit.every * POLICY.speed / timedelta(minutes=1)), unit=Rate.MINUTES))
def backups(event: Any) -> Mapping[str, str]:
    """As often as policy says: the clusters' backup schedules are compared with policy."""
    return ways_in.backups(responder(), until=shift(event.context))


@app.schedule(Rate(names.every_minutes(POLICY), unit=Rate.MINUTES))
def readiness(event: Any) -> Mapping[str, str]:
    """Every period of policy: whether each runbook could succeed right now. It only looks."""
    del event
    report = ways_in.readiness(responder())
    for row in report.runbooks if report else ():
        with single_metric(
            name="RunbookReady",
            unit=MetricUnit.Count,
            value=float(READY_AS.get(row.state, 0)),
            namespace=names.metrics_namespace(POLICY),
        ) as metric:
            metric.add_dimension(name="runbook", value=row.scenario)
    return {row.scenario: row.state for row in report.runbooks} if report else {}


@app.schedule(Rate(names.airgap_minutes(POLICY), unit=Rate.MINUTES))
def airgap(event: Any) -> Mapping[str, str]:
    """As often as policy says, and when a person wants a copy now: the air-gapped copies are carried on."""
    return ways_in.keep(responder(), event.detail, until=hard_deadline(event.context))


@app.schedule(Rate(1, unit=Rate.HOURS))
def drills(event: Any) -> Mapping[str, str]:
    """Every hour: a drill that is due begins, where policy has its window now."""
    return ways_in.drills(responder(), until=shift(event.context))
