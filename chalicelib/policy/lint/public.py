"""The rule about what the public reads: no internal name, host or identifier."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from chalicelib.policy import Policy
from chalicelib.policy.lint.finding import Flaw, Whole, error
from chalicelib.policy.services import Infrastructure, Service
from chalicelib.policy.where import Path

_SHAPES: Final = (
    (re.compile(r"\b[a-z]{2}(?:-gov)?-[a-z]+-\d[a-z]?\b"), "an AWS region or zone"),
    (re.compile(r"\barn:[\w:/*.-]+"), "an ARN"),
    (re.compile(r"\b\d{12}\b"), "an account"),
    (re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b"), "an IP address"),
    (re.compile(r"\b(?:i|vpc|subnet|sg|vol|eni|ami|db)-[0-9a-f]{8,17}\b"), "an AWS identifier"),
    (
        re.compile(r"\b[a-z0-9-]+(?:\.[a-z0-9-]+)*\.(?:com|io|net|org|dev|cloud|local|internal|svc)\b", re.IGNORECASE),
        "a host",
    ),
)


def public_text_names_nothing_internal(whole: Whole) -> Iterator[Flaw]:
    """Texts and component names of the status page name no region, cluster, service, instance, account or host."""
    policy = whole.policy
    places, services = _places(policy), _services(policy)
    texts: list[tuple[Path, str, dict[str, str]]] = [
        (("scenarios", "scenarios", i, "customer_text"), s.customer_text, places | services)
        for i, s in enumerate(policy.scenarios.scenarios)
    ]
    texts += [
        (("services", "services", i, "component"), s.component, places)
        for i, s in enumerate(policy.services.services)
        if s.component is not None
    ]
    texts += [
        (("notifications", "status_levels", i, "meaning"), level.meaning, places | services)
        for i, level in enumerate(policy.notifications.status_levels)
    ]
    for path, text, names in texts:
        if not text.strip():
            yield error(
                *path,
                allowed="a sentence for the public",
                found="nothing",
                because="the status page would say nothing at all",
            )
        for found, kind in _internal(text, names):
            yield error(
                *path,
                allowed="no internal name, host or identifier",
                found=found,
                because=f"the public would read {found!r}, which is {kind}",
            )


def _internal(text: str, names: dict[str, str]) -> Iterator[tuple[str, str]]:
    told: list[str] = []
    for name, kind in sorted(names.items(), key=lambda n: -len(n[0])):
        # A name inside one that was told already (`eu-west-1` in `acme-eu-west-1`) is not told again.
        if re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text, re.IGNORECASE) and not _inside(name, told):
            told.append(name)
            yield name, kind
    for shape, kind in _SHAPES:
        for match in shape.finditer(text):
            if not _inside(match[0], told):
                told.append(match[0])
                yield match[0], kind


def _inside(name: str, told: list[str]) -> bool:
    return any(name.lower() in other.lower() for other in told)


def _places(policy: Policy) -> dict[str, str]:
    """Internal names of things that are no service, and what each is."""
    platform, backups = policy.platform, policy.backups
    clusters = [c for c in (platform.clusters.primary, platform.clusters.standby, platform.clusters.tertiary) if c]
    kinds = {
        "a region": [platform.regions.primary, platform.regions.standby, platform.regions.witness],
        "a cluster": [c.name for c in clusters],
        "a database instance": [platform.database.primary.instance, platform.database.replica.instance],
        "an account": [platform.account, *(row.id for row in platform.accounts)],
        "a bucket": [
            platform.responder.status_bucket,
            *filter(None, [platform.responder.operators_bucket]),
            *(b for r in backups.replication for b in (r.source, r.destination)),
        ],
        "a table": [platform.responder.table],
        "a secret": [platform.application_secret.name, platform.database.credentials_secret],
        "an alarm": [a.name for a in policy.signals.alarms],
    }
    if platform.regions.tertiary:
        kinds["a region"] += [platform.regions.tertiary.region, platform.regions.tertiary.display]
    return {name: kind for kind, names in kinds.items() for name in names if name}


def _services(policy: Policy) -> dict[str, str]:
    """Names of services and infrastructure, but for those that are public components."""
    public = {s.component.lower() for s in policy.services.services if s.component}
    rows: list[Service | Infrastructure] = [*policy.services.services, *policy.services.infrastructure]
    return {n: "a service's internal name" for r in rows for n in (r.name, r.display) if n.lower() not in public}
