"""Rules about the primary region's zones: which there are, what is shifted, and whether the rest can bear it."""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.policy.lint.finding import Flaw, Whole, error, repeats, warning
from chalicelib.policy.scenarios import ScopeKind

AT = ("platform", "zones")


def zone_is_of_the_primary(whole: Whole) -> Iterator[Flaw]:
    """Each zone lies in the primary region, and stands once: by its name, and by its id."""
    platform = whole.policy.platform
    if platform.zones is None:
        return
    region = platform.regions.primary
    for i, zone in enumerate(platform.zones.zones):
        if zone.name[:-1] != region:
            yield error(
                *(*AT, "zones", i, "name"),
                allowed=f"a zone of {region}, such as {region}a",
                found=zone.name,
                because=f"{zone.name!r} lies in another region than the primary, whose zones these are",
            )
    for field, values in (
        ("name", [z.name for z in platform.zones.zones]),
        ("id", [z.id for z in platform.zones.zones]),
    ):
        for i, first, value in repeats(values):
            yield error(
                *(*AT, "zones", i, field),
                allowed=f"{'an id' if field == 'id' else 'a name'} that no other zone here has",
                found=value,
                because=f"{value!r} already is zones[{first}]; whoever leaves the one would leave the other",
            )


def zones_can_bear_one_less(whole: Whole) -> Iterator[Flaw]:
    """What is left without one zone is what carries the platform, and that is never one zone alone."""
    zones = whole.policy.platform.zones
    if zones is None:
        return
    if len(zones.zones) < 3:
        yield error(
            *(*AT, "zones"),
            allowed="three zones or more",
            found=str(len(zones.zones)),
            because=f"{len(zones.zones)} zones less one leave everything in one zone, and the next failure ends it",
        )
    if len(zones.zones) - 1 < zones.needed:
        yield error(
            *(*AT, "needed"),
            allowed=f"at most {len(zones.zones) - 1}, the zones that are left without one",
            found=str(zones.needed),
            because=f"without one zone {len(zones.zones) - 1} are left, {zones.needed} are needed, so none can be left",
        )


def zonal_shift_ends_in_its_limits(whole: Whole) -> Iterator[Flaw]:
    """ARC takes a whole number of minutes, at most 72 hours; renewed at its half, it must outlast a few ticks."""
    zones, policy = whole.policy.platform.zones, whole.policy
    if zones is None:
        return
    minutes = (zones.expires_in * policy.speed).total_seconds() / 60
    if not 20 <= minutes <= 72 * 60 or minutes != round(minutes):
        yield error(
            *(*AT, "expires_in"),
            allowed="whole minutes, from 20m to 72h",
            found=policy.real(zones.expires_in),
            because="ARC takes no other expiry, and one that is too short ends before a late tick has renewed it",
        )


def shifted_resource_is_in_the_primary(whole: Whole) -> Iterator[Flaw]:
    """ARC is asked in the primary region, in the account of the cluster there; a cluster is the platform's own."""
    platform = whole.policy.platform
    if platform.zones is None:
        return
    cluster = platform.clusters.primary
    account = cluster.account or platform.account
    for i, row in enumerate(platform.zones.shifts):
        _, _, service, region, held, resource = row.arn.split(":", 5)
        if region != platform.regions.primary or held != account:
            yield error(
                *(*AT, "shifts", i, "arn"),
                allowed=f"a resource in {platform.regions.primary}, of account {account}",
                found=row.arn,
                because=f"{row.display} is in {region} of account {held}, where nobody shifts anything",
            )
        elif service not in ("eks", "elasticloadbalancing", "autoscaling"):
            yield error(
                *(*AT, "shifts", i, "arn"),
                allowed="an EKS cluster, an Application or Network Load Balancer, an Auto Scaling group",
                found=row.arn,
                because=f"ARC shifts nothing of {service!r}",
            )
        elif service == "eks" and resource != f"cluster/{cluster.name}":
            yield error(
                *(*AT, "shifts", i, "arn"),
                allowed=f"cluster/{cluster.name}",
                found=resource,
                because=f"the primary's cluster is {cluster.name!r}, and there is no {resource!r}",
            )
    for i, first, arn in repeats([row.arn for row in platform.zones.shifts]):
        yield error(
            *(*AT, "shifts", i, "arn"),
            allowed="a resource that stands here once",
            found=arn,
            because=f"it already is shifts[{first}], and of one resource there is one shift",
        )
    if not any(row.arn.split(":")[2] == "eks" for row in platform.zones.shifts):
        yield warning(
            *(*AT, "shifts"),
            allowed=f"the cluster {cluster.name!r} among them",
            found=", ".join(row.display for row in platform.zones.shifts),
            because="without it EKS cordons no node of the zone, and pods inside go on calling pods there",
        )


def watched_zone_is_known(whole: Whole) -> Iterator[Flaw]:
    """A rule about a zone names one that policy knows, and every zone has its rule."""
    policy = whole.policy
    kinds = {s.name for s in policy.scenarios.scenarios if s.scope is ScopeKind.ZONE}
    region, zones = policy.platform.regions.primary, policy.platform.zones
    known = [f"{region}/{z.name}" for z in zones.zones] if zones else []
    watched = [(i, r) for i, r in enumerate(policy.signals.rules) if r.scenario in kinds]
    for i, rule in watched:
        if rule.scope not in known:
            yield error(
                *("signals", "rules", i, "scope"),
                allowed=f"one of: {', '.join(known) or 'none, platform.yaml has no zones'}",
                found=rule.scope,
                because=f"{rule.scope!r} is no zone of platform.yaml, so its incident could not say what to leave",
            )
    for i, scope in enumerate(known):
        if watched and scope not in [r.scope for _, r in watched]:
            yield warning(
                *(*AT, "zones", i, "name"),
                allowed="a zone that a rule of signals.yaml watches",
                found=scope,
                because=f"no rule opens an incident at {scope!r}: when it fails, a person has to declare it",
            )


def leaving_a_zone_needs_zones(whole: Whole) -> Iterator[Flaw]:
    """A runbook that shifts zones away has zones to choose from, and a step that takes the zone back."""
    for i, runbook in enumerate(whole.policy.runbooks.runbooks):
        for j, step in enumerate(runbook.steps):
            if step.action != "zone-shifted":
                continue
            if whole.policy.platform.zones is None:
                yield error(
                    *("runbooks", "runbooks", i, "steps", j, "action"),
                    allowed="zones in platform.yaml",
                    found="none",
                    because=f"step {step.id!r} leaves a zone, and nothing says which there are and what is shifted",
                )
            back = [s for s in runbook.steps if s.action == "zone-returned" and step.id in s.needs]
            if not back or step.fresh_for is None:
                yield warning(
                    *("runbooks", "runbooks", i, "steps", j, "action"),
                    allowed="fresh_for, and a zone-returned step that needs it",
                    found=step.id,
                    because=f"nobody looks at the shift of {step.id!r} again, and it ends by itself with the zone down",
                )
