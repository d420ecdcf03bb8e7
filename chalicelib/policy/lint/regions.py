"""Rules about regions: nothing that recovery waits for may need an answer from the region that failed."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from chalicelib.actions.contract import AwsOp, KubeOp, Op
from chalicelib.core.plan import Plan, Step
from chalicelib.policy import Policy
from chalicelib.policy.lint.control_planes import hosted_in
from chalicelib.policy.lint.finding import Flaw, Whole, error, note, repeats, warning
from chalicelib.policy.lint.times import PROOF, SWITCH
from chalicelib.policy.scenarios import ScopeKind
from chalicelib.policy.where import Path

_ENDS = frozenset({SWITCH, PROOF, "verify-service"})


def regions_differ(whole: Whole) -> Iterator[Flaw]:
    """One region in two roles fails in both."""
    regions = whole.policy.platform.regions
    rows = [("primary", regions.primary), ("standby", regions.standby), ("witness", regions.witness)]
    for i, first, region in repeats(r for _, r in rows):
        yield error(
            *("platform", "regions", rows[i][0]),
            allowed=f"a region other than the {rows[first][0]}'s",
            found=region,
            because=f"{region!r} is both {rows[first][0]} and {rows[i][0]}: when it fails, both are gone",
        )


def standby_side_stands_in_the_standby(whole: Whole) -> Iterator[Flaw]:
    """Responder, replica, the applications' secret and the standby's cluster are there when the primary is not."""
    platform = whole.policy.platform
    regions = platform.regions
    rows = (
        (("responder", "region"), platform.responder.region, "the responder"),
        (("database", "replica", "region"), platform.database.replica.region, "the database's replica"),
        (("application_secret", "region"), platform.application_secret.region, "the applications' secret"),
        (("clusters", "standby", "region"), platform.clusters.standby.region, "the standby's cluster"),
    )
    for path, region, subject in rows:
        if region == regions.standby:
            continue
        if region == regions.primary:
            yield error(
                *("platform", *path),
                allowed=f"{regions.standby}, the standby",
                found=region,
                because=f"{subject} stands in {region!r}, the primary: it is gone when recovery needs it",
            )
        else:
            yield warning(
                *("platform", *path),
                allowed=f"{regions.standby}, the standby",
                found=region,
                because=f"{subject} stands in {region!r}: recovery then needs a region that is not the standby",
            )


def primary_side_stands_in_the_primary(whole: Whole) -> Iterator[Flaw]:
    """What is called the primary's is where the primary is."""
    platform = whole.policy.platform
    rows = (
        (("database", "primary", "region"), platform.database.primary.region, "the database's primary"),
        (("clusters", "primary", "region"), platform.clusters.primary.region, "the primary's cluster"),
    )
    for path, region, subject in rows:
        if region != platform.regions.primary:
            yield error(
                *("platform", *path),
                allowed=f"{platform.regions.primary}, the primary",
                found=region,
                because=f"{subject} stands in {region!r}: a failure of the primary would be judged by the wrong place",
            )


def name_does_not_point_at_the_failed_region(whole: Whole) -> Iterator[Flaw]:
    """A name that holds the primary's region and is used while it is down is a mistake, or reads like one."""
    platform = whole.policy.platform
    primary = platform.regions.primary
    rows: list[tuple[Path, str]] = [
        (("responder", "status_url"), platform.responder.status_url),
        (("responder", "status_bucket"), platform.responder.status_bucket),
        (("responder", "operators_bucket"), platform.responder.operators_bucket or ""),
        (("responder", "table"), platform.responder.table),
        (("application_secret", "name"), platform.application_secret.name),
    ]
    rows += [
        (("endpoints", i, "url"), endpoint.url)
        for i, endpoint in enumerate(platform.endpoints)
        if endpoint.region != primary
    ]
    for path, name in rows:
        if primary in name:
            yield error(
                *("platform", *path),
                allowed=f"a name outside {primary}",
                found=name,
                because=f"{name!r} stands in {primary!r} by its name: it is gone when recovery needs it",
            )


def region_has_its_own_address(whole: Whole) -> Iterator[Flaw]:
    """Primary and standby are asked each at its own address: the global name says only where traffic goes."""
    platform = whole.policy.platform
    listed = [e.region for e in platform.endpoints]
    for region in (platform.regions.primary, platform.regions.standby):
        if region not in listed:
            yield error(
                *("platform", "endpoints"),
                allowed=f"one endpoint for {platform.regions.primary} and one for {platform.regions.standby}",
                found=", ".join(listed) or "none",
                because=f"{region!r} has no address of its own, so nobody can tell whether it works",
            )
    for i, first, region in repeats(listed):
        yield error(
            *("platform", "endpoints", i, "region"),
            allowed="one endpoint a region",
            found=region,
            because=f"{region!r} already has endpoints[{first}]; only the first of them is asked",
        )
    for i, endpoint in enumerate(platform.endpoints):
        if urlsplit(endpoint.url).hostname == platform.traffic.record:
            yield error(
                *("platform", "endpoints", i, "url"),
                allowed=f"an address that is {endpoint.region}'s alone",
                found=endpoint.url,
                because=f"{platform.traffic.record!r} is the global name: it answers for wherever traffic goes",
            )


def action_needs_no_failed_region(whole: Whole) -> Iterator[Flaw]:
    """In a region's failure, no step may wait for that region or for a control plane hosted there."""
    for i, runbook in enumerate(whole.policy.runbooks.runbooks):
        failed, plan = failed_region(runbook.scenario, whole.policy), whole.plan(runbook.scenario)
        if failed is None or plan is None:
            continue
        needed = _needed(plan)
        for j, row in enumerate(runbook.steps):
            if row.action not in whole.actions:
                continue
            waited_for = _families(row.id, needed)
            facts = whole.actions[row.action]
            for op in dict.fromkeys((*facts.reads, *facts.calls)):
                if isinstance(op, KubeOp) and row.with_.get("cluster", op.where) != op.where:
                    continue
                path = ("runbooks", "runbooks", i, "steps", j, "action")
                yield from _leaning(path, row.action, op, failed, whole.policy, waited_for=waited_for)


def failed_region(scenario: str, policy: Policy) -> str | None:
    """The region that is down in a scenario whose scope is a region: its rule's, or the primary; else None, as when a
    person moves it on purpose.
    """
    if not policy.has_scenario(scenario) or policy.scenario(scenario).planned:
        return None
    if policy.scenario(scenario).scope is not ScopeKind.REGION:
        return None
    scopes = [r.scope.split("/")[0] for r in policy.signals.rules if r.scenario == scenario]
    return next((s for s in scopes if "{" not in s), policy.platform.regions.primary)


def _needed(plan: Plan) -> tuple[Step, ...]:
    """The steps that recovery waits for: those that others need, and those that end it."""
    needed = {n for s in plan.steps for n in s.needs}
    return tuple(s for s in plan.steps if s.id in needed or s.action in _ENDS)


def _families(row_id: str, steps: tuple[Step, ...]) -> bool:
    """Whether one of the steps comes from the row with that id."""
    return any(row_id.replace("{service}", s.service or "") == s.id for s in steps)


def _leaning(path: Path, action: str, op: Op, failed: str, policy: Policy, *, waited_for: bool) -> Iterator[Flaw]:
    name = f"{op.service} {op.operation}" if isinstance(op, AwsOp) else f"{op.verb} {op.resource}"
    allowed = f"operations that need nothing in {failed}"
    host = hosted_in(op) if isinstance(op, AwsOp) else None
    if host == failed:
        yield error(
            *path,
            allowed=allowed,
            found=f"{action}: {name}",
            because=f"{action!r} uses {name}, whose control plane is hosted in {host}, the region that failed",
        )
    if op.where == "primary" and policy.platform.regions.primary == failed:
        said = error if waited_for else note
        tail = "recovery waits for it" if waited_for else "no step waits for it, and the call must be bounded"
        yield said(
            *path,
            allowed=allowed,
            found=f"{action}: {name} in {failed}",
            because=f"{action!r} uses {name} in {failed}, the region that failed; {tail}",
        )
