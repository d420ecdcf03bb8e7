"""What the newest good backup of each service holds, and whether the standby could take it: the API versions of its
objects, the images of its pods, the storage classes of its claims, and the Secrets that it does not bring along.

Whether a Secret stands in the standby is asked of nobody: the right to see that it is there is the right
to read it. `drctl ready` asks with a person's own rights, and asks more.
Source: https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_DescribeImages.html.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final

from chalicelib.actions.contract import AwsOp, KubeOp, Op, Reader, Where
from chalicelib.core.judging import Lacking, Ready, Verdict
from chalicelib.core.outcome import NoData, Refused
from chalicelib.policy import Policy
from chalicelib.readiness.classes import classes_of, storage_reads
from chalicelib.readiness.contract import Around, Said
from chalicelib.readiness.held import Held, all_held

ECR: Final = re.compile(
    r"(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com/([^:@]+)(?::([^@]+))?(?:@(sha256:[0-9a-f]+))?"
)


@dataclass(frozen=True, slots=True)
class Fit:
    """What is held, what the standby serves of each version, and the verdict on each image and storage class."""

    held: tuple[Held | NoData, ...]
    served: Mapping[str, frozenset[str] | Refused | NoData]
    images: Mapping[str, Verdict]
    classes: Mapping[str, Verdict]


class ContentsJudge:
    """Four verdicts over all services."""

    name: ClassVar[str] = "contents"
    actions: ClassVar[frozenset[str]] = frozenset({"velero-restore"})
    place: ClassVar[Where | None] = "standby"
    reads: ClassVar[tuple[Op, ...]] = (
        KubeOp(verb="list", group="velero.io", resource="backups"),
        KubeOp(verb="get", group="velero.io", resource="backupstoragelocations"),
        AwsOp(service="s3", operation="head_object", resources=("{backup_objects}",), iam=("s3:GetObject",)),
        AwsOp(service="s3", operation="get_object", resources=("{backup_objects}",)),
        AwsOp(
            service="kms",
            operation="decrypt",
            resources=("{backup_keys}",),
            condition=("kms:ViaService", "s3.{standby}.amazonaws.com"),
        ),
        AwsOp(service="ecr", operation="describe_images", resources=("arn:aws:ecr:{standby}:{account}:repository/*",)),
        *storage_reads("standby"),
    )
    lowers: ClassVar[bool] = True
    mend: ClassVar[str] = "drctl ready names each; apply the missing CRD or StorageClass, replicate the missing image"

    def look(self, around: Around) -> Fit | Refused | NoData:
        policy, reader = around.policy, around.reader
        held = all_held(policy, reader)
        if isinstance(held, Refused | NoData):
            return held
        whole = [h for h in held if isinstance(h, Held)]
        versions = sorted({r.partition(" ")[0] for h in whole for r in h.resources})
        region, cluster = policy.platform.regions.standby, policy.platform.clusters.standby.name
        return Fit(
            held,
            {v: reader.served(cluster, v) for v in versions},
            {i: image(i, region, reader) for i in sorted({i for h in whole for i in h.images})},
            classes_of(cluster, {c for h in whole for c in h.classes}, reader),
        )

    def judge(self, facts: Fit | Refused | NoData, policy: Policy, now: datetime) -> Iterator[Said]:
        if isinstance(facts, Refused):
            yield "what backups hold", Lacking(because=f"it cannot be read: {facts.because} ({facts.code})")
            return
        if isinstance(facts, NoData):
            yield "what backups hold", facts
            return
        cluster = policy.platform.clusters.standby
        served = f"all kinds that backups hold are served by cluster {cluster.name!r}"
        yield "API versions", _over(facts, _versions(facts, cluster.name), served)
        yield "images", _over(facts, facts.images.values(), f"all {len(facts.images)} images are in {cluster.region}")
        provisioned = f"there with their drivers: {', '.join(sorted(facts.classes)) or 'none is needed'}"
        yield "storage classes", _over(facts, facts.classes.values(), provisioned)
        yield "Secrets", _over(facts, _secrets(facts), "no pod needs a Secret that its backup does not bring along")


def image(name: str, region: str, reader: Reader) -> Verdict:
    """Whether an image can be pulled in a region: it is there, in a registry of ours."""
    named = ECR.fullmatch(name)
    if named is None:
        return NoData(because=f"image {name!r} is in no registry of ours; nobody here can say whether it can be pulled")
    account, there, repository, tag, digest = named.groups()
    if there != region:
        return Lacking(because=f"image {name!r} is pulled from {there}, not from {region}")
    wanted = {"imageDigest": digest} if digest else {"imageTag": tag or "latest"}
    found = reader.aws(
        "ecr", region, "describe_images", registryId=account, repositoryName=repository, imageIds=[wanted]
    )
    match found:
        case Refused(code="RepositoryNotFoundException"):
            return Lacking(because=f"repository {repository!r} is not replicated to {region}")
        case Refused(code="ImageNotFoundException"):
            return Lacking(because=f"image {repository}:{tag or digest or 'latest'} is not replicated to {region}")
        case Refused() | NoData():
            # Who may not look has not seen that it is missing.
            return NoData(because=found.because)
    return Ready(because=f"image {repository}:{tag or digest or 'latest'} is in {region}")


def _versions(facts: Fit, cluster: str) -> Iterator[Verdict]:
    for one in _read(facts):
        for resource in sorted(one.resources):
            version, _, plural = resource.partition(" ")
            found = facts.served[version]
            if isinstance(found, Refused | NoData):
                yield NoData(because=found.because)
            elif plural not in found:
                said = f"cluster {cluster!r} serves no {resource}"
                yield Lacking(because=f"{said}, of which backup {one.backup!r} of {one.service} holds one")


def _secrets(facts: Fit) -> Iterator[Verdict]:
    for one in _read(facts):
        for name in sorted(one.secrets):
            said = f"Secret {name} of {one.service} is not in backup {one.backup!r}"
            yield NoData(because=f"{said}; whether it stands in the standby `drctl ready` says")


def _read(facts: Fit) -> Iterator[Held]:
    return (one for one in facts.held if isinstance(one, Held))


def _over(facts: Fit, found: Iterable[Verdict], well: str) -> Verdict:
    """One verdict over many, by the worst of them; of what was not read nothing is known."""
    rows = tuple(found)
    lacking = [v.because for v in rows if isinstance(v, Lacking)]
    silent = [v.because for v in (*facts.held, *rows) if isinstance(v, NoData)]
    for worst, verdict in ((lacking, Lacking), (silent, NoData)):
        if worst:
            return verdict(because=worst[0] + (f"; and {len(worst) - 1} more" if len(worst) > 1 else ""))
    return Ready(because=well)
