"""health and ring: the responder's own health, and a synthetic alarm now."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.table import Table

from chalicelib import names
from chalicelib.core import synthetic
from chalicelib.intake.codec import waiting_since
from chalicelib.store.beats import Beats
from chalicelib.store.codec import read_book
from chalicelib.store.contract import StoreUnavailableError
from drctl import health as healthy
from drctl.cli.places import JsonOption, Place, StageName, StageOption, fail, out, place, show_json

MARKS: Final = {"well": "[green]✓[/green]", "wrong": "[red]✗[/red]", "unknown": "[yellow]?[/yellow]"}
POLL_S: Final = 1.0
SKEW: Final = timedelta(seconds=5)
RegionOption = Annotated[
    str | None, typer.Option("--region", help="One region of the alarms; left out, the primary's.")
]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command(rich_help_panel="Looking")(health)
    app.command(rich_help_panel="Looking")(ring)


def health(stage: StageOption = StageName.LOCAL, *, json: JsonOption = False) -> None:
    """Whether the responder itself is well: its clock, its inbox, what it could not read, whether a synthetic alarm
    came through, every channel's newest notice, and who would hear of trouble. Exit 0 when all is well, 1 when
    something is wrong, 3 when something could not be seen and nothing seen is wrong.
    """
    where = _deployed(stage)
    try:
        found = list(healthy.rows(_seen(where), where.policy))
    except StoreUnavailableError as error:
        fail(str(error), 3)
    for region in _regions(where):
        found += healthy.alarms(region, _alarms(where, region))
        found += healthy.listeners(region, _listeners(where, region))
    if json:
        show_json([asdict(row) for row in found])
    else:
        _print(found)
    states = {row.state for row in found}
    raise typer.Exit(1 if "wrong" in states else 3 if "unknown" in states else 0)


def ring(stage: StageOption = StageName.LOCAL, region: RegionOption = None, *, json: JsonOption = False) -> None:
    """Sends a synthetic alarm now, with your own credentials (cloudwatch:PutMetricData), and waits for the desk to have
    it. It opens nothing and counts for no day. Exit 1 when it does not arrive in the time that policy allows.
    """
    where = _deployed(stage)
    row, known = where.policy.readiness.synthetic, names.alarm_regions(where.policy)
    region = region or known[0]
    if row is None:
        fail("policy has no synthetic alarm; write `synthetic:` into readiness.yaml and deploy", 2)
    if region not in known:
        fail(f"no alarms of the platform stand in {region!r}; allowed: {', '.join(known)}", 2)
    sent_at = datetime.now(UTC)
    call = synthetic.call(where.policy, region)
    try:
        where.client("cloudwatch", region).put_metric_data(**call.params)
    except (ClientError, BotoCoreError) as error:
        fail(f"it could not be sent in {region}: {error}")
    arn = f"arn:aws:cloudwatch:{region}:{where.policy.platform.account}:alarm:{names.synthetic_alarm(where.policy)}"
    while (lasted := datetime.now(UTC) - sent_at) < row.within:
        if _arrived(where, arn, sent_at):
            seconds = round(lasted.total_seconds(), 1)
            if json:
                show_json({"region": region, "sent_at": sent_at.isoformat(), "arrived": True, "seconds": seconds})
            else:
                way = "metric, alarm, topic, function, inbox, desk"
                out.print(f"[green]✓[/green] the synthetic alarm of {region} arrived after {seconds:.0f} s ({way})")
            return
        time.sleep(POLL_S)
    if json:
        show_json({"region": region, "sent_at": sent_at.isoformat(), "arrived": False, "seconds": None})
        raise typer.Exit(1)
    allowed = where.policy.real(row.within)
    fail(
        f"the synthetic alarm of {region} has not arrived within {allowed}. Look at the alarm "
        f"{names.synthetic_alarm(where.policy)}, at the topic {names.alarm_topic(where.policy)} and its queue of what "
        f"was not delivered, all in {region}, and at the log of {names.function(where.policy, 'on_alarm_sns')}"
    )


def _deployed(stage: StageName) -> Place:
    if stage is StageName.OFFLINE:
        fail("the engine on this machine has no clock and no alarms of its own; name --stage prod or local", 2)
    return place(stage)


def _arrived(where: Place, arn: str, sent_at: datetime) -> bool:
    try:
        body = where.store.read_book().body
    except StoreUnavailableError as error:
        fail(str(error), 3)
    mark = read_book(body)[0].watermarks.get(arn) if body else None
    return mark is not None and mark.changed_at >= sent_at - SKEW


def _seen(where: Place) -> healthy.Seen:
    platform = where.policy.platform
    beats = Beats(where.client("dynamodb"), table=platform.responder.table, platform=platform.name)
    waiting = [item for _, item in where.store.inbox()]
    body = where.store.read_book().body
    return healthy.Seen(
        now=datetime.now(UTC),
        tick_at=beats.read("tick").moment("at"),
        witness_at=beats.read("witness").moment("at"),
        waiting=len(waiting),
        waiting_since=min((at for item in waiting if (at := waiting_since(item))), default=None),
        dead=len(where.store.documents("dead")),
        book=read_book(body)[0] if body else None,
    )


def _regions(where: Place) -> tuple[str, ...]:
    """Every region that has a trouble topic."""
    regions = where.policy.platform.regions
    return tuple(dict.fromkeys((where.region, regions.witness, *names.alarm_regions(where.policy))))


def _alarms(where: Place, region: str) -> Sequence[Mapping[str, Any]] | str:
    """Those that speak to the trouble topic; why not, where they could not be seen."""
    topic = _topic(where, region)
    try:
        pages = where.client("cloudwatch", region).get_paginator("describe_alarms")
        found = pages.paginate(AlarmNamePrefix=f"{names.app(where.policy)}-", AlarmTypes=["MetricAlarm"])
        return [a for page in found for a in page["MetricAlarms"] if topic in a.get("AlarmActions", [])]
    except (ClientError, BotoCoreError) as error:
        return f"they could not be seen: {error}"


def _listeners(where: Place, region: str) -> Sequence[Mapping[str, Any]] | str:
    try:
        pages = where.client("sns", region).get_paginator("list_subscriptions_by_topic")
        return [s for page in pages.paginate(TopicArn=_topic(where, region)) for s in page["Subscriptions"]]
    except (ClientError, BotoCoreError) as error:
        return f"they could not be seen: {error}"


def _topic(where: Place, region: str) -> str:
    return f"arn:aws:sns:{region}:{where.policy.platform.account}:{names.trouble_topic(where.policy)}"


def _print(rows: Sequence[healthy.Row]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold dim")
    for column in ("", "what", "how it stands"):
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(MARKS[row.state], row.what, row.because)
    out.print(table)
    wrong = sum(row.state == "wrong" for row in rows)
    unknown = sum(row.state == "unknown" for row in rows)
    if wrong:
        out.print(f"\n[red]{wrong} wrong[/red]" + (f", {unknown} not known" if unknown else ""))
    else:
        out.print(
            f"\n[yellow]nothing wrong, {unknown} not known[/yellow]" if unknown else "\n[green]all is well[/green]"
        )
