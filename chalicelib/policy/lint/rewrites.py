"""Rules about rewrites: they lead out of the failed region, and they change something that the platform has."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from chalicelib.policy.lint.finding import Flaw, Whole, error, meant, one_of, repeats
from chalicelib.policy.rewrites import Certificate, DatabaseHost, ImageRegistry, Rewrite, Role, StorageClass, ZoneChange

_REGION: Final = re.compile(r"(?<![a-z])[a-z]{2}(?:-gov)?-[a-z]+-\d(?![0-9])")
_ACCOUNT: Final = re.compile(r"(?<!\d)\d{12}(?!\d)")


def rewrite_leads_to_the_standby(whole: Whole) -> Iterator[Flaw]:
    """What stands in the standby may name no other region: least of all the one that failed."""
    regions = whole.policy.platform.regions
    for i, rewrite in enumerate(whole.policy.rewrites.rewrites):
        for region in dict.fromkeys(_REGION.findall(rewrite.to)):
            if region == regions.standby:
                continue
            gone = ", the region that failed" if region == regions.primary else ", which is not the standby"
            yield error(
                *("rewrites", "rewrites", i, "to"),
                allowed=f"a value in {regions.standby}",
                found=rewrite.to,
                because=f"restored objects would point at {region}{gone}",
            )


def rewrite_service_is_known(whole: Whole) -> Iterator[Flaw]:
    """A service that is named is a workload of the table: only those are restored."""
    workloads = [s.name for s in whole.policy.services.services if s.kind == "workload" and s.namespace]
    for i, rewrite in enumerate(whole.policy.rewrites.rewrites):
        match rewrite:
            case Role(service=service) | Certificate(service=service) | DatabaseHost(service=service):
                if service not in workloads:
                    yield error(
                        *("rewrites", "rewrites", i, "service"),
                        allowed=one_of(workloads),
                        found=service,
                        because=f"{service!r} is no workload with a namespace{meant(service, workloads)}",
                    )
            case _:
                pass


def rewrite_matches_something(whole: Whole) -> Iterator[Flaw]:
    """What is looked for stands in the primary and in an account of the platform, or nothing ever holds it."""
    platform = whole.policy.platform
    for i, rewrite in enumerate(whole.policy.rewrites.rewrites):
        if isinstance(rewrite, DatabaseHost):
            service, database = rewrite.service, platform.database.service
            if not whole.policy.services.leans_on(service, database):
                leaners = [s.name for s in whole.policy.services.leaners(database) if s.kind == "workload"]
                yield error(
                    *("rewrites", "rewrites", i, "service"),
                    allowed=one_of(leaners),
                    found=service,
                    because=f"{service!r} does not lean on {database!r}, so it has no database's host",
                )
            continue
        known = [platform.account, *(row.id for row in platform.accounts)]
        place = _elsewhere(rewrite, platform.regions.primary, known)
        if place:
            yield error(
                *("rewrites", "rewrites", i, "from"),
                allowed=f"a value in {platform.regions.primary}, account {' or '.join(known)}",
                found=rewrite.from_,
                because=f"nothing of the platform stands in {place}: this {rewrite.kind} matches nothing",
            )


def _elsewhere(rewrite: Rewrite, primary: str, known: list[str]) -> str:
    """The region or account that `from` names and the primary is not; roles have no region, and classes only a name."""
    match rewrite:
        case ImageRegistry() | Certificate() | Role():
            accounts = [a for a in _ACCOUNT.findall(rewrite.from_) if a not in known]
            regions = [] if isinstance(rewrite, Role) else [r for r in _REGION.findall(rewrite.from_) if r != primary]
            return next((f"account {a}" for a in accounts), next(iter(regions), ""))
        case ZoneChange():
            return "" if rewrite.from_[:-1] == primary else rewrite.from_
        case StorageClass() | DatabaseHost():
            return ""


def rewrite_is_single(whole: Whole) -> Iterator[Flaw]:
    """Each value is rewritten once; registries may not even overlap, since Velero takes rows in no order at all."""
    rows = whole.policy.rewrites.rewrites
    for i, first, name in repeats(_subject(r) for r in rows):
        yield error(
            *("rewrites", "rewrites", i),
            allowed="one rewrite of a value",
            found=name,
            because=f"{name} already is rewrites[{first}]: which of them holds would be chance",
        )
    registries = [(i, r.from_) for i, r in enumerate(rows) if isinstance(r, ImageRegistry)]
    for i, inner in registries:
        for j, outer in registries:
            if i != j and inner != outer and outer in inner:
                yield error(
                    *("rewrites", "rewrites", i, "from"),
                    allowed="registries none of which is a part of another",
                    found=inner,
                    because=f"rewrites[{j}] ({outer}) is a part of it, and which of them holds would be chance",
                )


def rewrite_changes_something(whole: Whole) -> Iterator[Flaw]:
    """A value that becomes itself is a mistake of copying."""
    for i, rewrite in enumerate(whole.policy.rewrites.rewrites):
        if not isinstance(rewrite, DatabaseHost) and rewrite.from_ == rewrite.to:
            yield error(
                *("rewrites", "rewrites", i, "to"),
                allowed="another value than `from`",
                found=rewrite.to,
                because=f"{rewrite.to!r} becomes itself: the restored object stays as it was in the primary",
            )


def _subject(rewrite: Rewrite) -> str:
    match rewrite:
        case DatabaseHost(service=service, container=container, variable=variable):
            return f"{rewrite.kind} {service}/{container}/{variable}"
        case Role(service=service) | Certificate(service=service):
            return f"{rewrite.kind} {service} {rewrite.from_}"
        case _:
            return f"{rewrite.kind} {rewrite.from_}"
