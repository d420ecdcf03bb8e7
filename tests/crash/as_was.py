"""The platform as it stands, field by field, so that two moments can be compared: before a failover, and after the way
back.

What is left out is said here, and nothing else is: what time alone makes (pods' names, events, backups that schedules
take, a heartbeat's rows and times), what is a record and not a state (archives, timelines, messages, the last snapshots
of what was deleted), and of a database that was made anew what RDS gives each instance and nobody chooses (its resource
id, its time of creation, its zone, its port; in place of the port an address is named by whose it is). That a failback
made it stands in a tag.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final, Protocol

from chalicelib.actions.sides import RETURNS
from drctl.neighbours.ec2 import Ec2
from drctl.neighbours.eks import Eks
from drctl.neighbours.kubernetes.api import KubeApi
from drctl.neighbours.rds.instance import Instance
from drctl.neighbours.rds.service import Rds
from tests.crash.platform_in_process import Platform

GIVEN: Final = ("resource_id", "created_at", "promoted_at", "address", "zone", "secondary")
BY_TIME: Final = frozenset(
    {
        "backups.velero.io",
        "podvolumebackups.velero.io",
        "backuprepositories.velero.io",
        "events",
        "pods",
        "replicasets.apps",
    }
)
OWN: Final = ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields")
UNSET: Final = {
    "backupstoragelocations.velero.io": {"accessMode": "ReadWrite"},
    "schedules.velero.io": {"paused": False},
}
"""What an absent field means, as the CRD itself says."""


class Stands(Protocol):
    """Where the neighbours stand."""

    rds: Rds
    ec2: Ec2
    eks: Eks

    @property
    def clusters(self) -> Mapping[str, KubeApi]: ...


def whole(platform: Platform) -> dict[str, Any]:
    """Everything that stands, by what holds it."""
    return {
        **standing(platform),
        "secrets": {f"{region}/{name}": _secret(platform, region, name) for region, name in platform.secrets.secrets},
        "switch": {
            f"{region}/{name}": platform.cloudwatch.state(region, name) for region, name in platform.cloudwatch.alarms
        },
        "serving": platform.serving(),
        "lease": sorted(set(_beat(platform, "lease")) - {"until", "renewed_at"}),
        "book": _book(platform),
    }


def standing(platform: Stands) -> dict[str, Any]:
    """What the neighbours keep of it, which are the same in one process and in the local world."""
    return {
        "databases": databases(platform.rds),
        "network": {a.identifier: (a.region, sorted(map(str, a.entries.items()))) for a in platform.ec2.acls},
        "nodes": {
            name: (platform.eks.nodes(name), {g.name: dict(g.sizes) for g in cluster.nodegroups.values()})
            for cluster in platform.eks._clusters
            for name in [cluster.name]
        },
        "clusters": {name: _cluster(api) for name, api in platform.clusters.items()},
    }


def databases(rds: Rds) -> dict[str, Any]:
    """Every instance as RDS keeps it, and which way rows go."""
    return {
        f"{i.region}/{i.identifier}": {
            **{name: value for name, value in _fields(i).items() if name not in GIVEN},
            "tags": {k: v for k, v in i.tags.items() if k != RETURNS},
            "status": i.status,
        }
        for i in rds.instances()
    }


def _fields(instance: Instance) -> dict[str, Any]:
    found = {name: getattr(instance, name) for name in Instance.__slots__}
    return {**found, "kms_key": instance.key}


def _secret(platform: Platform, region: str, name: str) -> Mapping[str, Any]:
    """What it holds, with a database's address called by the instance's name."""
    held = dict(platform.secrets.value(region, name))
    rows = platform.policy.platform
    for row in filter(None, (rows.application_secret, rows.primary_secret)):
        if (row.region, row.name) == (region, name):
            there = [i for i in platform.rds.instances() if str(i.address.port) == str(held[row.port_key])]
            held[row.port_key] = ", ".join(i.identifier for i in there) or "nobody"
    return held


def _beat(platform: Platform, who: str) -> Mapping[str, Any]:
    table = platform.tables.tables[platform.policy.platform.responder.table]
    return table.items.get((f"{platform.policy.platform.name}#beats", who), {})


def _book(platform: Platform) -> dict[str, Any]:
    book = platform.book()
    if book is None:
        return {}
    return {
        "mode": book.mode,
        "paused": book.paused,
        "serving": book.serving,
        "incidents": sorted(book.incidents),
        "drills": sorted(book.drills),
        "debts": [d.what for d in book.debts],
        "findings": sorted(f.kind for f in book.findings.values() if f.settled_at is None),
        "failover": asdict(book.failover) if book.failover else None,
        "settings": [asdict(s) for s in book.settings],
        "meant": book.meant,
        "yielded": book.yielded,
    }


def _cluster(api: KubeApi) -> dict[str, Any]:
    api.cluster.advance()
    found: dict[str, Any] = {}
    for kind in sorted(api.cluster._kept):
        if kind in BY_TIME:
            continue
        for one in api.objects(kind):
            meta = one["metadata"]
            content = {k: v for k, v in one.items() if k not in ("status", "metadata")}
            if kind in UNSET:
                content["spec"] = UNSET[kind] | content["spec"]
            kept = {k: v for k, v in meta.items() if k not in OWN}
            found[f"{kind} {meta.get('namespace', '')}/{meta['name']}"] = json.loads(
                json.dumps({"metadata": kept, **content}, sort_keys=True)
            )
    return found


def differences(before: Any, after: Any, path: str = "") -> list[str]:
    """Where two of them differ, a line each."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        return [
            line
            for key in sorted({*before, *after}, key=str)
            for line in differences(before.get(key, "(nothing)"), after.get(key, "(nothing)"), f"{path}/{key}")
        ]
    return [] if before == after else [f"{path}: {before!r} → {after!r}"]
