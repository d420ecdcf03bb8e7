"""The `airgap` part of policies/backups.yaml: copies that nobody who holds the platform can take away again.

A copy is one good Velero backup with the volumes' data beside it, and one logical dump of the database. It goes into
vaults: buckets and containers that other people own, in which the platform may create and may not delete.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from chalicelib.policy.accounts import AccountId
from chalicelib.policy.base import Duration, Name, Row
from chalicelib.policy.platform import Region
from chalicelib.policy.stores import Bucket, Key, Lock, Prefix

Container = Annotated[str, Field(pattern=r"^[a-z0-9](-?[a-z0-9]){2,62}$")]
ObjectName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")]


class S3Vault(Row):
    """A bucket of another account, with Object Lock; its bucket policy lets the platform create and look."""

    kind: Literal["s3"]
    name: Name
    account: AccountId
    region: Region
    bucket: Bucket
    lock: Lock


class AzureVault(Row):
    """Two containers of a storage account at Azure, each with a locked policy of version-level immutability."""

    kind: Literal["azure"]
    name: Name
    host: Annotated[str, Field(pattern=r"^[a-z0-9]{3,24}\.blob\.core\.windows\.net$")]
    container: Container = Field(description="holds velero/ and manifests/; Velero's location there has prefix velero")
    dumps_container: Container = Field(description="holds the dumps and nothing else: it is mounted as a volume there")
    sas_secret: str = Field(
        description="Secrets Manager name, standby region; an object with `create` and `look`, each from container to"
        " a SAS: sp=c for create, sp=rl for look"
    )
    immutable_days: Annotated[int, Field(ge=1, le=146000)]


Vault = Annotated[S3Vault | AzureVault, Field(discriminator="kind")]


class VeleroSource(Row):
    """Where Velero's files are read: the replica in the standby, so that nothing asks the primary region."""

    bucket: Bucket
    region: Region
    prefix: Prefix = ""
    kms_key: Key | None = None


class DumpJob(Row):
    """How the logical dump is made: a Job in the standby's cluster, from the database there, into a bucket there."""

    every: Duration
    bucket: Bucket = Field(description="not Velero's: Velero calls a location with a foreign folder unavailable")
    region: Region
    kms_key: Key | None = None
    namespace: ObjectName
    image: str = Field(description="holds pg_dump and pg_restore of at least the server's version, aws and sh")
    service_account: ObjectName = Field(description="its role may put objects into the bucket, and nothing else")
    secret: ObjectName = Field(description="Kubernetes Secret in the namespace: host, username and password")
    scratch: Annotated[str, Field(pattern=r"^[1-9]\d*(Mi|Gi|Ti)$")] = Field(
        description="the volume that a dump is written to and read before it is uploaded"
    )
    scratch_class: ObjectName = Field(description="the StorageClass of that volume")
    within: Duration = Field(default=timedelta(hours=2), description="the Job is ended after so long")


class AirGap(Row):
    """All of it."""

    every: Duration = Field(description="how often a copy that is under way is carried on: EventBridge's schedule")
    new_copy_after: Duration = Field(description="a new copy begins when the newest whole one is so old")
    rpo: Duration = Field(description="how old the newest whole copy may be, by what it holds")
    source: VeleroSource
    dump: DumpJob
    vaults: Annotated[tuple[Vault, ...], Field(min_length=1)]

    def vault(self, name: str) -> S3Vault | AzureVault:
        """The vault of that name; KeyError names those that there are."""
        for row in self.vaults:
            if row.name == name:
                return row
        raise KeyError(
            f"there is no vault {name!r} in backups.yaml; there are: {', '.join(v.name for v in self.vaults)}"
        )
