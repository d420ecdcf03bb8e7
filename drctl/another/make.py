"""Writes a folder of policies for another platform, from the shipped ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chalicelib.policy import Policy
from chalicelib.policy.load import FILES, load
from chalicelib.policy.notifications import EmailChannel
from chalicelib.policy.schema import write as write_schemas
from chalicelib.policy.signals import ROUTE53_METRICS, ROUTE53_METRICS_REGION
from chalicelib.policy.where import Path as Field
from chalicelib.policy.where import Places, read_marked
from drctl.another import regions
from drctl.another.asked import NO_ACCOUNT, Asked
from drctl.another.rewrite import rewrite
from drctl.another.words import Words


class FolderRefusedError(Exception):
    """A folder that is not written into; the text says why."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person has to decide, and where: `platform.yaml:27`."""

    file: Path
    line: int
    what: str
    found: str


def make(shipped: Path, asked: Asked, folder: Path) -> Policy:
    """Writes the policies and their schemas. FolderRefusedError when the folder holds anything already."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FolderRefusedError(f"{folder} is there and not empty; name another folder, or remove it first")
    old = load(shipped)
    words, own = Words(old, asked), _own_values(old, asked)
    notes = _notes(old, asked)
    texts = {
        name: rewrite(
            (shipped / f"{name}.yaml").read_text(),
            lambda path, value, name=name: own.get((name, *path)) or words(value),  # type: ignore[misc] # bound now
            words,
            {path[1:]: note for path, note in notes.items() if path[0] == name},
        )
        for name in FILES
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text)
    write_schemas(folder / "schemas")
    return load(folder)


def _own_values(old: Policy, asked: Asked) -> dict[Field, str]:
    """Fields whose value is not the old one with its words replaced."""
    platform = old.platform
    replica = platform.database.replica
    found: dict[Field, str] = {
        # A database's name holds no hyphens:
        # https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstance.html
        ("platform", "database", "name"): asked.name.replace("-", "_"),
    }
    direction = replica.region.split("-")[1]
    if replica.instance.endswith(f"-{direction}"):
        stem = Words(old, asked)(replica.instance.removesuffix(f"-{direction}"))
        found["platform", "database", "replica", "instance"] = f"{stem}-{regions.short(asked.standby)}"
    count = len(old.signals.health_check.regions)
    chosen = regions.checkers((asked.primary, asked.standby, asked.witness), count)
    for i in range(count):
        found["signals", "health_check", "regions", i] = chosen[i]
    for i, alarm in enumerate(old.signals.alarms):
        if alarm.namespace == ROUTE53_METRICS:
            found["signals", "alarms", i, "region"] = ROUTE53_METRICS_REGION
    return found


def _notes(old: Policy, asked: Asked) -> dict[Field, str]:
    """Field → why it is what it is, where nobody could know better."""
    found: dict[Field, str] = {
        (
            "signals",
            "health_check",
            "regions",
        ): "Chosen: none of the platform's own regions, so that no checker is lost with what it asks.",
    }
    if asked.account == NO_ACCOUNT:
        found["platform", "account"] = "To be named: this is no account of AWS."
    if "domain" in asked.chosen:
        found["platform", "traffic", "zone"] = "To be named: the domain `example` is kept for examples (RFC 2606)."
    if "witness" in asked.chosen:
        found["platform", "regions", "witness"] = (
            "Chosen: a third region, of the set that is strongly consistent with the others where there is one."
        )
    if old.platform.regions.tertiary:
        found["platform", "regions", "tertiary"] = (
            "Chosen: on the primary's continent. Without a third cloud, remove this and clusters.tertiary."
        )
    if asked.primary != ROUTE53_METRICS_REGION:
        for i, alarm in enumerate(old.signals.alarms):
            if alarm.namespace == ROUTE53_METRICS:
                found["signals", "alarms", i, "region"] = "Route 53's metrics are in this region only."
    return found


def decisions(folder: Path) -> tuple[Decision, ...]:
    """What only people can know, in the order in which it is best looked at."""
    policy = load(folder)
    places: dict[str, Places] = {name: read_marked((folder / f"{name}.yaml").read_bytes())[1] for name in FILES}
    return tuple(
        Decision(folder / f"{path[0]}.yaml", places[str(path[0])].line(path[1:]), what, _shown(policy, path))
        for path, what in _to_decide(policy)
    )


def _to_decide(policy: Policy) -> Iterator[tuple[Field, str]]:
    yield ("platform", "account"), "the account"
    yield ("platform", "traffic", "zone"), "the domain, and with it every address and sender"
    yield ("platform", "database", "rpo"), "how much data of the database may be lost (RPO)"
    yield ("platform", "database", "restore_rpo"), "how much of it a restore as of a time may lose"
    yield ("platform", "database", "primary", "instance"), "the database's instances, as they are called"
    yield ("platform", "clusters", "primary", "name"), "the clusters and their node groups"
    for i, tier in enumerate(policy.services.tiers):
        yield ("services", "tiers", i, "rto"), f"how long services of tier {tier.tier} may be gone (RTO)"
    yield ("services", "services"), "the services, what they lean on, their namespaces and labels"
    yield ("backups", "rpo"), "how old a restored backup may be (RPO)"
    yield (
        ("backups", "replication", 0, "source"),
        "the backups' buckets: a bucket's name is taken once in the whole world",
    )
    yield ("backups", "restorable"), "the buckets whose objects may be put back, their lifecycles and their KMS keys"
    for i, channel in enumerate(policy.notifications.channels):
        if isinstance(channel, EmailChannel):
            yield ("notifications", "channels", i, "recipients"), f"who reads {channel.name}"
        else:
            yield ("notifications", "channels", i, "name"), "this channel, and where its secret lies"
    yield ("notifications", "ladder"), "who is woken when nobody answers"
    yield ("signals", "health_check", "regions"), "where Route 53's checkers stand"
    yield ("scenarios", "scenarios"), "what may be done without a person"


def _shown(policy: Policy, path: Field) -> str:
    value: Any = policy.model_dump(mode="json")
    for part in path:
        value = value[part]
    return (
        f"{len(value)} rows"
        if isinstance(value, list) and value and isinstance(value[0], dict)
        else (", ".join(value) if isinstance(value, list) else str(value))
    )
