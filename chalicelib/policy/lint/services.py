"""Rules about the service table: single names and orders, known tiers, and what leans on what."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from chalicelib.policy.base import show_duration
from chalicelib.policy.lint.finding import Flaw, Whole, error, meant, one_of, repeats, warning
from chalicelib.policy.services import Service


def service_name_is_single(whole: Whole) -> Iterator[Flaw]:
    """A name stands for one service or one piece of infrastructure."""
    table = whole.policy.services
    rows = [("services", i, s.name) for i, s in enumerate(table.services)]
    rows += [("infrastructure", i, s.name) for i, s in enumerate(table.infrastructure)]
    for n, first, name in repeats(name for *_, name in rows):
        part, i, _ = rows[n]
        yield error(
            *("services", part, i, "name"),
            allowed="a name that no other service or infrastructure has",
            found=name,
            because=f"{name!r} already is {rows[first][0]}[{rows[first][1]}]; what leans on it could mean either",
        )


def service_order_is_single(whole: Whole) -> Iterator[Flaw]:
    """Two services with one order would come back in whichever order the file happens to have."""
    services = whole.policy.services.services
    for i, first, order in repeats(str(s.order) for s in services):
        yield error(
            *("services", "services", i, "order"),
            allowed="an order that no other service has",
            found=order,
            because=f"{services[i].name!r} and {services[first].name!r} both have order {order}",
        )


def tiers_loosen(whole: Whole) -> Iterator[Flaw]:
    """Each tier once, and a higher number never promises more than a lower one."""
    tiers = whole.policy.services.tiers
    for i, first, number in repeats(str(t.tier) for t in tiers):
        yield error(
            *("services", "tiers", i, "tier"),
            allowed="each tier once",
            found=number,
            because=f"tier {number} already is tiers[{first}]; only the last of them would hold",
        )
    for tight, loose in pairwise(sorted(tiers, key=lambda t: t.tier)):
        if loose.rto < tight.rto and loose.tier != tight.tier:
            yield error(
                *("services", "tiers", tiers.index(loose), "rto"),
                allowed=f"at least {show_duration(tight.rto)}, the RTO of tier {tight.tier}",
                found=loose.rto,
                because=f"tier {loose.tier} would be recovered sooner than the more critical tier {tight.tier}",
            )


def service_tier_is_known(whole: Whole) -> Iterator[Flaw]:
    """A tier without a row has no RTO."""
    known = {t.tier for t in whole.policy.services.tiers}
    for i, service in enumerate(whole.policy.services.services):
        if service.tier not in known:
            yield error(
                *("services", "services", i, "tier"),
                allowed=one_of(str(t) for t in sorted(known)),
                found=service.tier,
                because=f"{service.name!r} is of tier {service.tier}, which has no row, so it has no RTO",
            )


def dependency_is_known(whole: Whole) -> Iterator[Flaw]:
    """What a service leans on is a service or infrastructure of the table."""
    table = whole.policy.services
    known = [s.name for s in table.services] + [s.name for s in table.infrastructure]
    for i, service in enumerate(table.services):
        for j, target in enumerate(service.depends_on):
            if target not in known:
                yield error(
                    *("services", "services", i, "depends_on", j),
                    allowed=one_of(n for n in known if n != service.name),
                    found=target,
                    because=f"{service.name!r} leans on {target!r}, which is no row of the table{meant(target, known)}",
                )


def dependencies_make_no_circle(whole: Whole) -> Iterator[Flaw]:
    """Services that lean on each other in a circle have no order in which they can come back."""
    services = whole.policy.services.services
    told: set[str] = set()
    for i, service in enumerate(services):
        circle = _circle(service.name, {s.name: s for s in services})
        if circle and not told & set(circle):
            told |= set(circle)
            yield error(
                *("services", "services", i, "depends_on"),
                allowed="services that do not lean back on this one",
                found=" → ".join(circle),
                because=f"{service.name!r} leans on itself through {' → '.join(circle)}: none of them can come first",
            )


def _circle(start: str, services: dict[str, Service]) -> list[str]:
    ways = [[start]]
    seen: set[str] = set()
    while ways:
        way = ways.pop(0)
        for target in services[way[-1]].depends_on:
            if target == start:
                return [*way, start]
            if target in services and target not in seen:
                seen.add(target)
                ways.append([*way, target])
    return []


def dependency_is_as_tight(whole: Whole) -> Iterator[Flaw]:
    """A service that leans on one of a looser tier: the looser one inherits the RTO, and a person should know."""
    table = whole.policy.services
    tiers = {t.tier: t for t in table.tiers}
    rows = {s.name: s for s in table.services if s.tier in tiers}
    for i, service in enumerate(table.services):
        for j, name in enumerate(service.depends_on):
            target, rto = rows.get(name), whole.rto(service)
            if target is None or service.name not in rows or rto is None or tiers[target.tier].rto <= rto:
                continue
            own, inherited = show_duration(tiers[target.tier].rto), whole.rto(target) or rto
            yield warning(
                *("services", "services", i, "depends_on", j),
                allowed=f"dependencies with an RTO of at most {show_duration(rto)}",
                found=f"{name}, of tier {target.tier} with an RTO of {own}",
                because=f"{service.name!r} must be back in {show_duration(rto)} and leans on {name!r}, whose tier has"
                f" {own}: {name!r} inherits {show_duration(inherited)} and is recovered first",
            )


def workload_can_be_found(whole: Whole) -> Iterator[Flaw]:
    """A workload without namespace or deployments can be neither restored nor seen to be ready."""
    for i, service in enumerate(whole.policy.services.services):
        if service.kind != "workload":
            continue
        for field, value in (("namespace", service.namespace), ("deployments", service.deployments)):
            if not value:
                yield error(
                    *("services", "services", i, field),
                    allowed="where the workload runs: a namespace and at least one deployment",
                    found="nothing",
                    because=f"{service.name!r} is a workload without {field}: a restore could not name it,"
                    " and nobody could tell whether it is ready",
                )
