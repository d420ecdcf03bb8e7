"""Looks whether what services lean on beside each other is sound: volumes, claims and buckets. Reads only.

A claim must be Bound, and its volume attached to the node of a pod that runs: a pod is scheduled before its volume
follows. Kubernetes calls a claim Lost whose volume is gone. A bucket must keep what is overwritten and deleted, or
nothing can be put back. Sources:
https://kubernetes.io/docs/reference/kubernetes-api/config-and-storage-resources/persistent-volume-claim-v1/,
https://kubernetes.io/docs/reference/kubernetes-api/config-and-storage-resources/volume-attachment-v1/,
https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketVersioning.html (a bucket where it never was enabled
answers without a Status).

Which service leans on it is the service table's; a database of RDS has its volumes there, and no claim. Silence about
one part is silence about the whole, and is never read as broken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from chalicelib.actions.contract import AwsOp, KubeOp, Op, Reader, Target
from chalicelib.actions.places import cluster_of
from chalicelib.actions.pods import PODS
from chalicelib.actions.versions import BUCKETS
from chalicelib.actions.volumes_attached import ATTACHMENTS, CLAIMS
from chalicelib.core.outcome import Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.policy import Policy
from chalicelib.policy.services import Check, Infrastructure, Service

AGAIN: Final = timedelta(seconds=10)
Objects = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Soundness:
    """`lacking`: what is not sound, a sentence each; `sound`: how many claims and buckets were looked at and are;
    `way_back`: the actions that bring it back.
    """

    what: str
    sound: int
    lacking: tuple[str, ...] = ()
    way_back: tuple[str, ...] = ()


class InfrastructureSound:
    """`with: {infrastructure: …, cluster: …}`: a row of the service table, and where its claims lie."""

    name: ClassVar[str] = "infrastructure-sound"
    reads: ClassVar[tuple[Op, ...]] = (
        KubeOp(verb="list", group="", resource="persistentvolumeclaims", where="primary"),
        KubeOp(verb="list", group="", resource="pods", where="primary"),
        KubeOp(verb="list", group="storage.k8s.io", resource="volumeattachments", where="primary"),
        AwsOp(service="s3", operation="get_bucket_versioning", resources=BUCKETS, where="primary"),
    )
    calls: ClassVar[tuple[Op, ...]] = ()

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Soundness | Refused | NoData:
        row = policy.services.infrastructure_named(target.params["infrastructure"])
        lacking: list[str] = []
        sound = 0
        for look in (_claims, _buckets):
            found = look(row, target, policy, reader)
            if isinstance(found, Refused | NoData):
                return found
            sound += found.sound
            lacking += found.lacking
        return Soundness(row.display, sound, tuple(lacking), row.way_back)

    def next(self, target: Target, policy: Policy, facts: Soundness | Refused | NoData, now: datetime) -> Next:
        match facts:
            case NoData(because=because):
                return Wait(because=f"{because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
            case Refused(because=because, code=code):
                return Stuck(because=f"{because} ({code})")
        if facts.lacking:
            because = (
                f"{facts.what}: {'; '.join(facts.lacking)}; the way back is {' or '.join(facts.way_back) or 'none'}"
            )
            return Wait(because=f"{because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
        return Done(because=f"{facts.what}: all {facts.sound} are sound", facts={"sound": float(facts.sound)})


def _claims(row: Infrastructure, target: Target, policy: Policy, reader: Reader) -> Soundness | Refused | NoData:
    if not {Check.BOUND, Check.ATTACHED} & set(row.checks):
        return Soundness(row.display, 0)
    cluster = cluster_of(target, policy).name
    attachments: Objects = ()
    if Check.ATTACHED in row.checks:
        found = reader.kube(cluster, ATTACHMENTS)
        if isinstance(found, Refused | NoData):
            return found
        attachments = _listed(found)
    lacking: list[str] = []
    sound = 0
    for service in policy.services.leaning_on(row.name):
        looked: list[Objects] = []
        for resource in (CLAIMS, PODS):
            found = reader.kube(cluster, resource, namespace=service.namespace, label=service.label)
            if isinstance(found, Refused | NoData):
                return found
            looked.append(_listed(found))
        claims, pods = looked
        if not claims:
            lacking.append(f"{service.display} leans on it and has no claim in {service.namespace!r}")
        for claim in claims:
            why = _unsound(claim, row, service, pods, attachments)
            lacking += [why] if why else []
            sound += not why
    return Soundness(row.display, sound, tuple(lacking))


def _unsound(
    claim: Mapping[str, Any], row: Infrastructure, service: Service, pods: Objects, attachments: Objects
) -> str | None:
    name, phase = claim["metadata"]["name"], (claim.get("status") or {}).get("phase", "without a phase")
    what = f"claim {name!r} of {service.display}"
    if Check.BOUND in row.checks and phase != "Bound":
        return f"{what} is {phase}, expected Bound"
    if Check.ATTACHED not in row.checks:
        return None
    volume = (claim.get("spec") or {}).get("volumeName", "")
    nodes = {p["spec"]["nodeName"] for p in pods if p.get("spec", {}).get("nodeName") and _uses(p, name)}
    there = {
        a["spec"]["nodeName"]
        for a in attachments
        if a["spec"]["source"].get("persistentVolumeName") == volume and (a.get("status") or {}).get("attached")
    }
    missing = sorted(nodes - there)
    return f"volume {volume!r} of {what} is not attached to node {missing[0]!r}, where its pod is" if missing else None


def _uses(pod: Mapping[str, Any], claim: str) -> bool:
    volumes = pod["spec"].get("volumes") or []
    return any((v.get("persistentVolumeClaim") or {}).get("claimName") == claim for v in volumes)


def _buckets(row: Infrastructure, _: Target, policy: Policy, reader: Reader) -> Soundness | Refused | NoData:
    lacking: list[str] = []
    regions = {r.bucket: r.region for r in policy.backups.restorable}
    buckets = row.buckets if Check.VERSIONED in row.checks else ()
    for bucket in buckets:
        found = reader.aws("s3", regions[bucket], "get_bucket_versioning", Bucket=bucket)
        if isinstance(found, Refused) and found.code == "NoSuchBucket":
            lacking.append(f"bucket {bucket!r} is not there")
        elif isinstance(found, Refused | NoData):
            return found
        elif (status := found.get("Status", "never enabled")) != "Enabled":
            lacking.append(f"versioning of bucket {bucket!r} is {status}, expected Enabled")
    return Soundness(row.display, len(buckets) - len(lacking), tuple(lacking))


def _listed(found: object) -> Objects:
    return [f for f in found if isinstance(f, Mapping)] if isinstance(found, Sequence) else []
