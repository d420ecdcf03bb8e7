"""Rules about leaving the provider: what is done then needs nothing of AWS, and leads nowhere in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from chalicelib.actions.contract import AwsOp, KubeOp
from chalicelib.policy.lint.finding import Flaw, Whole, error
from chalicelib.policy.scenarios import Automation, ScopeKind

MOVES: Final = "record-moved"
PROOF: Final = "verify-outage-write"
MARKS: Final = "marker-left"
_AWS: Final = re.compile(r"amazonaws\.com|^arn:aws|(?<![a-z])[a-z]{2}(?:-gov)?-[a-z]+-\d(?![0-9])|awsdns-")


def outage_runbook_leans_on_nothing_of_aws(whole: Whole) -> Iterator[Flaw]:
    """A runbook that moves the traffic out of AWS is run while all of AWS may be gone."""
    for i, j in _steps(whole):
        row = whole.policy.runbooks.runbooks[i].steps[j]
        facts = whole.actions.get(row.action)
        path = ("runbooks", "runbooks", i, "steps", j)
        aimed = row.with_.get("cluster")
        for op in dict.fromkeys((*facts.reads, *facts.calls)) if facts else ():
            leans = isinstance(op, AwsOp) or (isinstance(op, KubeOp) and (aimed or op.where) != "tertiary")
            if leans:
                name = f"{op.service} {op.operation}" if isinstance(op, AwsOp) else op.named
                yield error(
                    *(*path, "action"),
                    allowed="actions that ask nothing of AWS, aimed at the tertiary cluster",
                    found=f"{row.action}: {name}",
                    because=f"step {row.id!r} needs {name}, and all of AWS may be gone then",
                )
                break


def outage_names_nothing_of_aws(whole: Whole) -> Iterator[Flaw]:
    """What is written down for then is not in AWS."""
    outage = whole.policy.platform.outage
    if outage is None:
        return
    rows = (
        (("server",), outage.server),
        (("url",), outage.url),
        (("database", "host"), outage.database.host),
        (("database", "dumps", "image"), outage.database.dumps.image),
        (("cloudflare", "target"), outage.cloudflare.target),
        *((("cloudflare", "servers", n), name) for n, name in enumerate(outage.cloudflare.servers)),
    )
    for path, value in rows:
        if _AWS.search(value):
            yield error(
                *("platform", "outage", *path),
                allowed="a name outside AWS",
                found=value,
                because=f"{value!r} is AWS's, and this is for the night in which AWS is gone",
            )
    for n, rewrite in enumerate(whole.policy.rewrites.tertiary):
        if _AWS.search(rewrite.to):
            yield error(
                *("rewrites", "tertiary", n, "to"),
                allowed="a value outside AWS",
                found=rewrite.to,
                because=f"what is restored outside AWS would lean on {rewrite.to!r}, which is AWS's",
            )


def record_outside_aws_follows_the_switch(whole: Whole) -> Iterator[Flaw]:
    """Where Cloudflare answers for the platform's name too, it leads by day to what the traffic switch moves."""
    outage, traffic = whole.policy.platform.outage, whole.policy.platform.traffic
    if outage is None or "cloudflare" not in traffic.dns:
        return
    by_day, regions = outage.cloudflare.by_day, {urlsplit(e.url).hostname for e in whole.policy.platform.endpoints}
    where = ("platform", "outage", "cloudflare", "by_day")
    if by_day is None or by_day.record in {*regions, traffic.record, outage.cloudflare.target}:
        yield error(
            *(where if by_day is None else (*where, "record")),
            allowed="a name that Route 53 alone answers for, with a failover pair behind the traffic switch",
            found=by_day.record if by_day else "nothing",
            because="Cloudflare answers for the record too, and a failover of a region moves nothing there",
        )
    elif not by_day.record.endswith(f".{by_day.zone}"):
        yield error(
            *(*where, "record"),
            allowed=f"a name in the zone {by_day.zone}",
            found=by_day.record,
            because="the name servers that are asked after a move answer for that zone alone",
        )
    elif by_day.zone == traffic.zone:
        yield error(
            *(*where, "zone"),
            allowed="a zone that is delegated to Route 53 alone",
            found=by_day.zone,
            because="Cloudflare answers for this one too, and would be asked for the name that it leads to",
        )


def move_out_of_aws_is_proven_and_marked(whole: Whole) -> Iterator[Flaw]:
    """Before people are led out of AWS the database there has taken a write, and AWS's side has been told."""
    for i, j in _steps(whole):
        runbook = whole.policy.runbooks.runbooks[i]
        row, plan = runbook.steps[j], whole.plan(runbook.scenario)
        if row.action != MOVES or plan is None:
            continue
        needed = {plan.step(n).action for n in row.needs}
        for action in (PROOF, MARKS):
            if action not in needed:
                yield error(
                    *("runbooks", "runbooks", i, "steps", j, "needs"),
                    allowed=f"a step of the action {action} among them",
                    found=", ".join(row.needs) or "nothing",
                    because=f"step {row.id!r} would lead people out of AWS without {action}",
                )


def outage_is_there_for_its_runbook(whole: Whole) -> Iterator[Flaw]:
    """A runbook that leads out of AWS needs a place that it leads to, and a scenario of people."""
    for i, j in _steps(whole):
        runbook = whole.policy.runbooks.runbooks[i]
        if runbook.steps[j].action != MOVES:
            continue
        platform, path = whole.policy.platform, ("runbooks", "runbooks", i, "steps", j, "action")
        if platform.outage is None or platform.clusters.tertiary is None:
            because = f"{runbook.scenario!r} leads out of AWS, and platform.yaml names no outage or no tertiary cluster"
            yield error(*path, allowed="an action of AWS, or a place outside it", found=MOVES, because=because)
        if whole.policy.has_scenario(runbook.scenario):
            row = whole.policy.scenario(runbook.scenario)
            if row.automatic is not Automation.NO or row.scope is not ScopeKind.PLATFORM:
                because = f"{runbook.scenario!r} leads out of AWS, which only people decide, for the whole platform"
                yield error(
                    *path, allowed="a scenario with automatic: no and scope: platform", found=row.name, because=because
                )


def _steps(whole: Whole) -> Iterator[tuple[int, int]]:
    """Every step of every runbook that leads out of AWS."""
    for i, runbook in enumerate(whole.policy.runbooks.runbooks):
        if any(s.action == MOVES for s in runbook.steps):
            yield from ((i, j) for j in range(len(runbook.steps)))
