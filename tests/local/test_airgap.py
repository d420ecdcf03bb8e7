"""Air-gapped copies in the deployed local world: made by the function's own role, and taken away by nobody."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from chalicelib.policy.airgap import AzureVault, S3Vault
from drctl.cli.airgap import asking
from drctl.world.deploy import client
from tests.local.stage import Stage, eventually, up, utc

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder: Path = tmp_path_factory.mktemp("airgap")
    with up(folder, speed=10.0) as made:
        made.healthy()
        made.say("set-mode", mode="automatic", id="mode")
        yield made


def test_both_vaults_are_filled_by_the_deployed_function_and_nobody_here_can_empty_them(stage: Stage) -> None:
    airgap = stage.policy.backups.airgap
    assert airgap is not None
    s3 = next(v for v in airgap.vaults if isinstance(v, S3Vault))
    azure = next(v for v in airgap.vaults if isinstance(v, AzureVault))
    said: list[Any] = []

    def whole() -> bool:
        said.append(stage.invoke("airgap", asking(utc())))
        return all(" holds " in said[-1][v.name] or "nothing newer" in said[-1][v.name] for v in airgap.vaults)

    eventually(whole, within=200, what=f"a whole copy in each vault, {said[-1:]}")
    shown = stage.told("airgap")
    assert {row["vault"] for row in shown if row["whole"]} == {s3.name, azure.name}
    assert all(row["locked_until"] for row in shown)

    ours = stage.client("s3", s3.region)
    owner = client(stage.world.world.ministack.url, "s3", s3.region, s3.account)
    versions = owner.list_object_versions(Bucket=s3.bucket)["Versions"]
    names = {v["Key"] for v in versions}
    assert any(n.startswith("dumps/") for n in names)
    assert any(n.endswith("/velero-backup.json") for n in names)
    for version in versions:
        for who in (ours, owner):
            with pytest.raises(ClientError) as refused:
                who.delete_object(Bucket=s3.bucket, Key=version["Key"], VersionId=version["VersionId"])
            assert refused.value.response["Error"]["Code"] == "AccessDenied"
    with pytest.raises(ClientError):
        ours.delete_object(Bucket=s3.bucket, Key=versions[0]["Key"])

    storage = stage.world.platform.vaults.azure
    assert storage is not None
    for container in (azure.container, azure.dumps_container):
        for name in storage.names(container):
            for permissions in ("c", "rl", "rwdlci"):
                target = f"/{container}/{name}?{storage.sas(container, permissions)}"
                answer = storage.request("DELETE", target, {"x-ms-version": "2021-12-02"}, b"")
                assert answer.status in (403, 409), (name, permissions)
    dump = storage.names(azure.dumps_container)[-1]
    assert storage.blobs[azure.dumps_container, dump].body.startswith(b"PGDMP"), "pg_restore's own archive"
    assert datetime.fromisoformat(shown[0]["locked_until"])
