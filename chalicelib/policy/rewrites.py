"""policies/rewrites.yaml: what a restored object must hold to run in the standby, where the primary's value stood."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from chalicelib.policy.base import Name, Row

Registry = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\d+)?(/[a-z0-9._-]+)*$")]
"""A registry, or a path in it, without a scheme and without a tag: `1.dkr.ecr.us-east-1.amazonaws.com/team`."""
ClassName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")]
Zone = Annotated[str, Field(pattern=r"^[a-z]{2}(-gov)?-[a-z]+-\d[a-z]$")]
AnyZone = Annotated[str, Field(pattern=r"^([a-z]{2}(-gov)?-[a-z]+-\d[a-z]|[a-z]+\d*-\d)$")]
"""AWS's `eu-west-1a`, or Azure's `northeurope-1`."""
RoleArn = Annotated[str, Field(pattern=r"^arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+$")]
CertificateArn = Annotated[str, Field(pattern=r"^arn:aws[a-z-]*:acm:[a-z0-9-]+:\d{12}:certificate/[0-9a-f-]+$")]


class ImageRegistry(Row):
    """Images of every workload: what stands in front of the repository."""

    kind: Literal["image-registry"]
    from_: Registry = Field(alias="from")
    to: Registry


class StorageClass(Row):
    """`spec.storageClassName` of every claim."""

    kind: Literal["storage-class"]
    from_: ClassName = Field(alias="from")
    to: ClassName


class ZoneChange(Row):
    """`topology.kubernetes.io/zone` in the node selectors and required node affinities of every Deployment."""

    kind: Literal["zone"]
    from_: Zone = Field(alias="from")
    to: AnyZone


class Role(Row):
    """`eks.amazonaws.com/role-arn` of a service's service accounts."""

    kind: Literal["role"]
    service: Name
    from_: RoleArn = Field(alias="from")
    to: RoleArn


class Certificate(Row):
    """`alb.ingress.kubernetes.io/certificate-arn` of a service's ingresses."""

    kind: Literal["certificate"]
    service: Name
    from_: CertificateArn = Field(alias="from")
    to: CertificateArn


class DatabaseHost(Row):
    """A variable of a container that holds the database's host, whatever it held before."""

    kind: Literal["database-host"]
    service: Name
    container: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")]
    variable: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
    to: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")]


Rewrite = Annotated[
    ImageRegistry | StorageClass | ZoneChange | Role | Certificate | DatabaseHost, Field(discriminator="kind")
]


class Rewrites(Row):
    """All of them. Each is judged by what the backup held, so none sees what another has changed."""

    rewrites: tuple[Rewrite, ...]
    tertiary: tuple[Rewrite, ...] = Field(default=(), description="the same for the tertiary cluster, in another cloud")

    def of(self, place: str) -> tuple[Rewrite, ...]:
        """Those of a place: `standby` or `tertiary`."""
        return self.tertiary if place == "tertiary" else self.rewrites
