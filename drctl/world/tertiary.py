"""What the platform has outside AWS, as it stands before the night: the cluster in the other cloud with a Velero on the
air-gapped copies, the dumps beside them, an empty database, and the zone at Cloudflare.

The air-gapped copies are older than what AWS holds: what is copied is taken a while after it was made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from chalicelib.actions.dumps import taken_at
from chalicelib.actions.secrets_pointed import namespaces
from chalicelib.policy import Policy
from chalicelib.policy.outage import Outage
from chalicelib.policy.platform import Cluster
from chalicelib.policy.rewrites import ImageRegistry, StorageClass, ZoneChange
from drctl.neighbours.cloudflare import Cloudflare
from drctl.neighbours.kubernetes.api import KubeApi, seed
from drctl.neighbours.kubernetes.jobs import Ended
from drctl.neighbours.kubernetes.objects import Obj
from drctl.neighbours.kubernetes.rbac import User
from drctl.neighbours.kubernetes.velero.store import BackupStore

TOKEN: Final = "cloudflare-local"  # noqa: S105  # known to the local Cloudflare only
CONTAINER: Final = "air-gapped"
NODES: Final = 4
DUMPS_AGES: Final = (timedelta(hours=26), timedelta(minutes=140), timedelta(minutes=80))
"""In real time; the newest is torn in `Dumps` when that is said."""
COPIED_AFTER: Final = timedelta(minutes=30)
CLASS: Final = "azureblob-fuse-premium"
RESTORE_TAKES_S: Final = 60.0


class Dumps:
    """The dumps by name, and which the database there holds; `torn` are unreadable, `loaded` hears of a restore."""

    def __init__(self, names: list[str]) -> None:
        self.names = names
        self.torn: set[str] = set()
        self.restored = ""
        self.restores = 0
        self.loaded: Callable[[str], None] = lambda _: None

    def program(self, pod: Obj) -> Ended:
        """What a container with PostgreSQL's programs does with the volume: it restores what DUMP names, in one
        transaction and never over what is there; without one it looks for the newest that it can read.
        """
        env = {e["name"]: e.get("value", "") for e in pod["spec"]["containers"][0].get("env") or ()}
        wanted = env.get("DUMP", "")
        if not wanted:
            until = env.get("UNTIL") or "9"
            fit = (n for n in sorted(self.names, reverse=True) if n not in self.torn and n[-21:-5] <= until)
            found = next(fit, None)
            return Ended(5.0, 0, f"{found} {_beat(found)}") if found else Ended(5.0, 3, "no dump that can be read")
        if self.restored in ("", wanted) and wanted in self.names and wanted not in self.torn:
            if not self.restored:
                self.restores += 1
                self.loaded(wanted)
            self.restored = wanted
            return Ended(RESTORE_TAKES_S, 0, wanted)
        return Ended(5.0, 4, 'ERROR:  relation "dr_restored_from" already exists')


def _beat(dump: str) -> str:
    """The heartbeat's last row in it, which is older than the dump by less than a second, as PostgreSQL writes it."""
    at = taken_at(dump)
    if at is None:
        raise ValueError(f"{dump!r} is no dump's name")
    return f"{at - timedelta(milliseconds=400):%Y-%m-%d %H:%M:%S.%f}+00"


class Tertiary:
    """All of it. `who` are the tokens of the cluster, `make` builds the cluster."""

    def __init__(
        self,
        policy: Policy,
        clock: Callable[[], datetime],
        *,
        who: Mapping[str, User],
        make: Callable[..., KubeApi] = KubeApi,
    ) -> None:
        outage, row = policy.platform.outage, policy.platform.clusters.tertiary
        if outage is None or row is None:
            raise ValueError("policy names no outage and no tertiary cluster")
        self.policy, self.outage, self.row = policy, outage, row
        self.dumps = Dumps(
            [f"{policy.platform.name}-{clock() - age / policy.speed:%Y%m%dT%H%M%SZ}.dump" for age in DUMPS_AGES]
        )
        self.copies = BackupStore(CONTAINER)
        config = {"resourceGroup": "backups", "storageAccount": "airgapped"}
        spec = {"provider": "azure", "objectStorage": {"bucket": CONTAINER, "prefix": "velero"}, "config": config}
        home = {"name": row.backup_location, "spec": spec}
        self.cluster = make(clock, policy.speed, name=row.name, location=self.copies, authenticate=who.get, home=home)
        self.cluster.jobs.program = self.dumps.program
        traffic, names = policy.platform.traffic, outage.cloudflare
        self.cloudflare = Cloudflare(clock, zones={names.zone: traffic.zone}, tokens={TOKEN: frozenset({names.zone})})
        region = policy.platform.endpoint(policy.platform.regions.primary).url.removeprefix("https://")
        by_day = names.by_day.record if names.by_day else region
        self.cloudflare.add(names.zone, names.record, type="CNAME", name=traffic.record, content=by_day)
        _furnish(policy, outage, row, self.cluster)

    def copy(self, source: BackupStore, now: datetime) -> None:
        """The good backups that were old enough to have been copied."""
        for kept in source.backups("velero").values():
            status = kept.backup["status"]
            made = datetime.fromisoformat(status["completionTimestamp"])
            if status["phase"] == "Completed" and now - made >= COPIED_AFTER / self.policy.speed:
                self.copies.keep("velero", kept.backup, kept.objects)

    def configured(self) -> tuple[str, int]:
        """Where the applications there are told that their database is."""
        import base64

        row = self.outage.application_secret
        for secret in self.cluster.objects("secrets", namespaces(self.policy)[0]):
            if secret["metadata"]["name"] == row.name:
                held = {k: base64.b64decode(v).decode() for k, v in secret["data"].items()}
                return held.get(row.host_key, ""), int(held.get(row.port_key, "0") or 0)
        return "", 0

    def write(self) -> str:
        """`ok`, or why a write by the applications' configuration fails."""
        host, _ = self.configured()
        if host != self.outage.database.host:
            return f"could not translate host name {host!r} to address"
        return "ok" if self.dumps.restored else 'relation "visits" does not exist'


def _furnish(policy: Policy, outage: Outage, row: Cluster, api: KubeApi) -> None:
    """Zones, registry and classes of the other cloud; the database's Secrets and the dumps' volume; nodes."""
    rewrites = policy.rewrites.of("tertiary")
    registries = tuple(r.to for r in rewrites if isinstance(r, ImageRegistry))

    def pull(image: str) -> str | None:
        if image.startswith(registries):
            return None
        return f'failed to pull and unpack image "{image}": failed to resolve reference "{image}": not found'

    api.workloads.pull = pull
    api.workloads.zones = tuple(r.to for r in rewrites if isinstance(r, ZoneChange))
    dumps, secret = outage.database.dumps, outage.application_secret
    classes = [*dict.fromkeys(r.to for r in rewrites if isinstance(r, StorageClass)), CLASS]
    user = {"username": "responder", "password": "local"}
    claim: dict[str, Any] = {"accessModes": ["ReadOnlyMany"], "storageClassName": CLASS}
    seed(
        api,
        [
            *(_class(name) for name in classes),
            *(
                _secret(space, secret.name, {**user, secret.host_key: "unset", secret.port_key: "0"})
                for space in namespaces(policy)
            ),
            _secret(dumps.namespace, dumps.secret, user),
            {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "metadata": {"name": dumps.claim, "namespace": dumps.namespace},
                "spec": {**claim, "resources": {"requests": {"storage": "1Ti"}}},
            },
        ],
    )
    del row
    api.set_nodes(NODES)


def _class(name: str) -> dict[str, Any]:
    made = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": name}}
    return {**made, "provisioner": "blob.csi.azure.com" if name == CLASS else "disk.csi.azure.com"}


def _secret(namespace: str, name: str, values: Mapping[str, str]) -> dict[str, Any]:
    made = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace}}
    return {**made, "stringData": dict(values)}
