"""The stand-in as clients meet it: lightkube without a socket, aiohttp's app over TLS, the CRDs it validates with."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any

import aiohttp
import httpx2
import pytest
from lightkube import ApiError, Client, KubeConfig
from lightkube.config.models import Cluster, User
from lightkube.generic_resource import create_namespaced_resource
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Node
from lightkube.types import PatchType

from drctl.neighbours.kubernetes.api import KubeApi
from drctl.neighbours.kubernetes.app import serve_tls
from drctl.neighbours.kubernetes.kinds import SCHEMAS
from drctl.neighbours.kubernetes.transport import ModelTransport
from drctl.neighbours.kubernetes.velero.store import BackupStore
from tests.neighbours.kubernetes.world import Clock, cluster, shop

ORIGINALS = Path(__file__).resolve().parents[4] / "shared" / "crds"

Backup: Any = create_namespaced_resource("velero.io", "v1", "Backup", "backups")
Restore: Any = create_namespaced_resource("velero.io", "v1", "Restore", "restores")
Location: Any = create_namespaced_resource("velero.io", "v1", "BackupStorageLocation", "backupstoragelocations")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def api(clock: Clock) -> KubeApi:
    made = cluster(clock, BackupStore("bucket"), nodes=1)
    shop(made)
    return made


def client(api: KubeApi, token: str = "admin") -> Client:
    config = KubeConfig.from_one(
        cluster=Cluster(server="https://kubernetes.invalid"), user=User(token=token), context_name="c"
    )
    return Client(config, trust_env=False, transport=ModelTransport(api))


def refused(error: pytest.ExceptionInfo[ApiError]) -> tuple[int, str]:
    status = error.value.status
    return int(status.code or 0), str(status.reason)


def test_lightkube_is_refused_as_by_a_real_server(api: KubeApi) -> None:
    strict = client(api)
    new = Backup(metadata=ObjectMeta(name="b", namespace="velero"), spec={"includedNamespace": ["shop"]})
    with pytest.raises(ApiError) as misspelled:
        strict._client.request("post", obj=new, params={"fieldValidation": "Strict"})
    good = Backup(metadata=ObjectMeta(name="b", namespace="velero"), spec={})
    strict.create(good)
    with pytest.raises(ApiError) as twice:
        strict.create(Backup(metadata=ObjectMeta(name="b", namespace="velero"), spec={}))
    with pytest.raises(ApiError) as forbidden:
        client(api, "nobody").get(Backup, "b", namespace="velero")
    with pytest.raises(ApiError) as unknown:
        client(api, "nonsense").get(Backup, "b", namespace="velero")
    assert refused(misspelled) == (400, "BadRequest")
    assert refused(twice) == (409, "AlreadyExists")
    assert refused(forbidden) == (403, "Forbidden")
    assert refused(unknown) == (401, "Unauthorized")


def test_lightkube_restores_lists_and_patches(api: KubeApi, clock: Clock) -> None:
    kube = client(api)
    kube.create(Backup(metadata=ObjectMeta(name="b", namespace="velero"), spec={"includedNamespaces": ["shop"]}))
    clock.move(30)
    assert [(b.metadata.name, b.status["phase"]) for b in kube.list(Backup, namespace="velero")] == [("b", "Completed")]
    kube.create(Restore(metadata=ObjectMeta(name="r", namespace="velero"), spec={"backupName": "b"}))
    clock.move(30)
    assert kube.get(Restore, "r", namespace="velero").status["phase"] == "Completed"
    patch = {"spec": {"accessMode": "ReadOnly"}}
    patched = kube.patch(Location, "default", patch, namespace="velero", patch_type=PatchType.MERGE)
    assert patched.spec["accessMode"] == "ReadOnly"
    deployments = {str(d.metadata.name): d for d in kube.list(Deployment, namespace="shop") if d.metadata}
    assert sorted(deployments) == ["web", "worker"]
    found = deployments["web"].status
    assert found is not None
    assert found.readyReplicas == 2
    assert [n.metadata.name for n in kube.list(Node) if n.metadata] == ["east-node-1"]


def test_lightkube_pages_through_a_long_list(api: KubeApi) -> None:
    kube = client(api)
    for number in range(7):
        kube.create(Backup(metadata=ObjectMeta(name=f"b-{number}", namespace="velero"), spec={}))
    assert len(list(kube.list(Backup, namespace="velero", chunk_size=3))) == 7


def test_an_unreachable_cluster_times_out_and_changes_nothing(api: KubeApi) -> None:
    api.reachable = False
    with pytest.raises(httpx2.ConnectTimeout, match="cluster 'east' does not answer"):
        client(api).create(Backup(metadata=ObjectMeta(name="b", namespace="velero"), spec={}))
    assert api.objects("backups.velero.io") == []


def test_over_tls_it_answers_counts_breaks_and_goes_dark(api: KubeApi) -> None:
    async def play() -> tuple[list[int], int, bool, str]:
        served = await serve_tls(api)
        trusted = ssl.create_default_context(cadata=served.ca_pem.decode())
        heads = {"Authorization": "Bearer admin"}
        path = f"{served.url}/apis/velero.io/v1/namespaces/velero/backups"
        codes: list[int] = []
        try:
            async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusted)) as session:
                for broken in (False, True, False):
                    if broken:
                        await session.post(f"{served.url}/_fail?count=1&status=503")
                    async with session.get(path, headers=heads) as answer:
                        codes.append(answer.status)
                async with session.get(f"{served.url}/_seen") as answer:
                    counted = len((await answer.json())["requests"])
                await session.post(f"{served.url}/_reachable?value=false")
                try:
                    await session.get(path, headers=heads)
                    dark = False
                except aiohttp.ClientConnectionError:
                    dark = True
        finally:
            await served.stop()
        return codes, counted, dark, served.url

    codes, counted, dark, url = asyncio.run(play())
    assert codes == [200, 503, 200]
    assert (counted, dark) == (3, True)
    assert api.url == url


@pytest.mark.skipif(
    not ORIGINALS.is_dir(), reason="the folder shared/crds, from which the copies were made, is not here"
)
def test_the_schemas_are_the_upstream_ones() -> None:
    originals = {p.name: p.read_bytes() for p in ORIGINALS.rglob("*.yaml")}
    copies = {p.name: p.read_bytes() for p in SCHEMAS.glob("*.yaml")}
    assert copies
    assert {name: originals.get(name) for name in copies} == copies
