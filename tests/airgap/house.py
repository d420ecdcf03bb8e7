"""Velero's replica, dumps and two vaults in one process: S3 by moto, the cluster and Azure by the stand-ins.

Moments are real ones: moto stamps what is put with the real time.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx2
from lightkube import Client, KubeConfig
from lightkube.config.models import Cluster as Server
from lightkube.config.models import User as Login
from moto import mock_aws

from chalicelib.actions.reader import Ports
from chalicelib.actions.registry import ACTIONS
from chalicelib.clients.aws import AwsClients
from chalicelib.clients.database import DatabaseClients
from chalicelib.clients.dns import Dns
from chalicelib.clients.kubernetes import KubeClients
from chalicelib.clients.vault_azure import VaultAtAzure
from chalicelib.clients.vault_s3 import VaultInS3
from chalicelib.clients.vaults import Vault
from chalicelib.clients.web import Web
from chalicelib.core.airgap import MANIFESTS, Part, copies, gap
from chalicelib.executor import Executor
from chalicelib.keeper import Keeper
from chalicelib.policy.airgap import AzureVault, S3Vault
from drctl.neighbours.azure_blob import BlobStorage, Transport
from drctl.neighbours.kubernetes.api import KubeApi, seed
from drctl.neighbours.kubernetes.jobs import Ended
from drctl.neighbours.kubernetes.rbac import User
from drctl.neighbours.kubernetes.transport import ModelTransport
from drctl.neighbours.kubernetes.velero.store import BackupStore
from drctl.neighbours.kubernetes.velero.taken import take_backup
from tests.actions.buckets import Crash, Wire, new_session
from tests.actions.stage import POLICY

AIRGAP: Final = POLICY.backups.airgap
assert AIRGAP is not None
S3_ROW: Final = next(v for v in AIRGAP.vaults if isinstance(v, S3Vault))
AZURE_ROW: Final = next(v for v in AIRGAP.vaults if isinstance(v, AzureVault))
REGION: Final = AIRGAP.source.region
HOURS: Final = timedelta(hours=1)
ROOT: Final = User("root", ("system:masters",))


def now() -> datetime:
    return datetime.now(UTC)


class Kept:
    """Where progress is kept; `lose` forgets it, as a table that was put back would."""

    def __init__(self) -> None:
        self.items: dict[str, Mapping[str, str | float]] = {}

    def read(self, vault: str) -> Mapping[str, str | float]:
        return self.items.get(vault, {})

    def write(self, vault: str, facts: Mapping[str, str | float]) -> None:
        self.items[vault] = dict(facts)

    def lose(self) -> None:
        self.items.clear()


class Line(httpx2.BaseTransport):
    """The line to Azure: counts requests, and stops the worker before or after one of them."""

    def __init__(self, storage: BlobStorage) -> None:
        self.sent: list[str] = []
        self.stop: tuple[int, str] | None = None
        self._inner = Transport(storage)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        number = len(self.sent)
        self.sent.append(f"{request.method} {request.url.path}")
        if self.stop == (number, "before"):
            raise Crash(request.method)
        answer = self._inner.handle_request(request)
        if self.stop == (number, "lost"):
            raise httpx2.ReadTimeout("no answer", request=request)
        if self.stop == (number, "after"):
            raise Crash(request.method)
        return answer


class Cluster(KubeClients):
    """The standby's cluster without EKS in between."""

    def __init__(self, api: KubeApi) -> None:
        config = KubeConfig.from_one(
            cluster=Server(server="http://model", insecure=True),
            user=Login(token="t"),
            context_name="m",
            namespace="default",
        )
        self._client = Client(config, transport=ModelTransport(api))

    def client(self, cluster: str) -> Client:  # noqa: ARG002  # there is one
        return self._client


class House:
    """`vaults` are those that keepers are to fill."""

    def __init__(self, *vaults: str) -> None:
        assert AIRGAP is not None
        rows = tuple(v for v in AIRGAP.vaults if not vaults or v.name in vaults)
        airgap = AIRGAP.model_copy(update={"vaults": rows})
        self.policy = POLICY.model_copy(update={"backups": POLICY.backups.model_copy(update={"airgap": airgap})})
        self.s3 = new_session().client("s3", region_name=REGION)
        where = {"CreateBucketConfiguration": {"LocationConstraint": REGION}}
        for bucket in dict.fromkeys((airgap.source.bucket, airgap.dump.bucket)):
            self.s3.create_bucket(Bucket=bucket, **where)
        self.s3.create_bucket(Bucket=S3_ROW.bucket, ObjectLockEnabledForBucket=True, **where)
        containers = {AZURE_ROW.container: 90, AZURE_ROW.dumps_container: 90}
        self.azure = BlobStorage("airgapped", now, key=b"the account's own key", containers=containers)
        store = BackupStore(airgap.source.bucket)
        store.upload = lambda key, body: self.put(airgap.source.bucket, key, body)
        self.api = KubeApi(
            now,
            1000.0,
            name=POLICY.platform.clusters.standby.name,
            location=store,
            nodes=1,
            authenticate=lambda _: ROOT,
        )
        place = {"name": airgap.dump.secret, "namespace": airgap.dump.namespace}
        login = {"host": "replica", "username": "responder", "password": "local"}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": place, "stringData": login}
        seed(self.api, [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": airgap.dump.namespace}}, secret])
        self.dumps = 0
        self.api.jobs.program = self.dump
        self.kept = Kept()
        self.stopped = ""

    def put(self, bucket: str, key: str, body: bytes) -> None:
        self.s3.put_object(Bucket=bucket, Key=key, Body=body)

    def dump(self, _pod: Any, *, at: datetime | None = None, body: bytes = b"PGDMP") -> Ended:
        """What the container does: puts a dump that it could read."""
        assert AIRGAP is not None
        self.dumps += 1
        name = f"{POLICY.platform.name}-{at or now():%Y%m%dT%H%M%SZ}.dump"
        self.put(AIRGAP.dump.bucket, name, body)
        return Ended(0.1, 0, name)

    def furnish(self, *, hours: float = 2.0, volumes: int = 5) -> str:
        """A good backup of so many hours ago with its volumes, and a dump half an hour younger; the backup's name."""
        at = now() - hours * HOURS
        assert AIRGAP is not None
        for n in range(volumes):
            self.put(AIRGAP.source.bucket, f"velero/kopia/cache/p{n:04d}", f"pack {n}".encode() * (n + 1))
        self.put(AIRGAP.source.bucket, "velero/kopia/cache/kopia.maintenance", f"as of {at}".encode())
        name = f"hourly-{at:%Y%m%d%H%M%S}"
        take_backup(self.api, name, at=at, schedule="hourly")
        self.dump(None, at=at + 0.5 * HOURS)
        while name not in [b["metadata"]["name"] for b in self.api.objects("backups.velero.io")]:
            time.sleep(0.005)  # until Velero's next sync, which comes a thousand times as soon
        return name

    def keeper(self, *, wire: Wire | None = None, line: Line | None = None, session: Any = None) -> Keeper:
        """A worker of its own, with nothing in memory of any other."""
        session = session or new_session()
        aws = AwsClients(session)
        client = httpx2.Client(transport=line or Transport(self.azure))
        found: dict[str, Vault] = {}
        airgap = self.policy.backups.airgap
        assert airgap is not None
        for row in airgap.vaults:
            if isinstance(row, S3Vault):
                bulk = lambda: aws.bulk("s3", REGION, connections=16, read_s=5)  # noqa: E731
                found[row.name] = VaultInS3(row, aws.reading("s3", REGION), bulk, now)
            else:
                found[row.name] = VaultAtAzure(row, client, f"https://{row.host}", self.secret)
        ports = Ports(
            aws=aws,
            kube=Cluster(self.api),
            database=DatabaseClients(aws, POLICY.platform.database, REGION, tls=False),
            web=Web({}),
            dns=Dns({}),
            vaults=found,
        )
        self.vaults = found
        del wire
        hands = Executor(ports=ports, actions=ACTIONS, channels={})
        return Keeper(hands=hands, kept=self.kept, policy=self.policy, now=now, stopped=lambda: self.stopped)

    def secret(self) -> Mapping[str, object]:
        names = (AZURE_ROW.container, AZURE_ROW.dumps_container)
        return {
            "create": {name: self.azure.sas(name, "c") for name in names},
            "look": {name: self.azure.sas(name, "rl") for name in names},
        }

    def work(self, *, begin: bool = False) -> Mapping[str, str]:
        return self.keeper().work(until=now() + 900 * timedelta(seconds=1), begin=begin)

    # What lies in the vaults, without asking their doors

    def held(self, vault: str) -> dict[str, bytes]:
        """Name → bytes of all that is there."""
        if vault == S3_ROW.name:
            pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=S3_ROW.bucket)
            keys = [row["Key"] for page in pages for row in page.get("Contents", [])]
            return {k: self.s3.get_object(Bucket=S3_ROW.bucket, Key=k)["Body"].read() for k in keys}
        found = {n: self.azure.blobs[AZURE_ROW.container, n].body for n in self.azure.names(AZURE_ROW.container)}
        flat = self.azure.names(AZURE_ROW.dumps_container)
        return found | {f"dumps/{n}": self.azure.blobs[AZURE_ROW.dumps_container, n].body for n in flat}

    def whole(self, vault: str) -> tuple[str, ...]:
        """The copies that call themselves whole; each is gone through, and must be."""
        held = self.held(vault)
        found = copies([n for n in held if n.startswith(MANIFESTS) and n.count("/") == 1])
        for copy in found:
            told = json.loads(held[f"{MANIFESTS}{copy}.json"])
            parts = []
            for row in told["parts"]:
                assert hashlib.sha256(held[row["name"]]).hexdigest() == row["sha256"]
                parts.append(Part.of(held[row["name"]].decode()))
            assert gap(parts) is None
            for held_object in (o for part in parts for o in part.objects):
                body = held[held_object.name]
                assert (len(body), hashlib.sha256(body).hexdigest()) == (held_object.size, held_object.sha256)
            backup, dump = told["of"]["backup"], told["of"]["dump"]
            assert f"velero/backups/{backup}/velero-backup.json" in held
            assert f"velero/backups/{backup}/{backup}.tar.gz" in held
            assert held[f"dumps/{dump}"].startswith(b"PGDMP")
        return found


@contextmanager
def house(*vaults: str) -> Iterator[House]:
    with mock_aws():
        yield House(*vaults)
