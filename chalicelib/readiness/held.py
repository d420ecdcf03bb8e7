"""What the newest good backup of each service holds, as a restore by label would take it.

Of a service's objects only those count that no other object makes again: the others come with their owners.
Source of the file's layout: https://velero.io/docs/v1.18/output-file-format/.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from chalicelib.actions.contract import Reader
from chalicelib.actions.rewriting import image_registries
from chalicelib.actions.velero_location import LOCATIONS
from chalicelib.actions.velero_restore import BACKUPS, good_backups
from chalicelib.core.outcome import NoData, Refused
from chalicelib.policy import Policy
from chalicelib.policy.rewrites import StorageClass
from chalicelib.policy.services import Service
from chalicelib.readiness.classes import DEFAULT

LARGEST: Final = 8 * 1024 * 1024
"""Bytes of a backup's file that are read here: text shrinks to a tenth in it, and the function has 512 MB."""
_REWRITTEN: Final = frozenset({"Pod", "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob"})
"""Kinds whose images Velero's plugin changes (change_image_name_action.go)."""
Objects = Sequence[tuple[str, Mapping[str, Any]]]
"""Objects with the resource that each is of (`apps/v1 deployments`)."""


@dataclass(frozen=True, slots=True)
class Held:
    """One service: the backup it would be restored from, its objects' resources, images as they would be restored,
    the Secrets that are needed and not brought, and the storage classes of its claims as they would be restored
    (DEFAULT: the cluster's own).
    """

    service: str
    backup: str
    resources: frozenset[str]
    images: frozenset[str]
    secrets: frozenset[str]
    classes: frozenset[str] = frozenset()


def all_held(policy: Policy, reader: Reader) -> tuple[Held | NoData, ...] | Refused | NoData:
    """Each workload in recovery order; NoData in the place of one whose backup is not there or was not read."""
    cluster = policy.platform.clusters.standby
    listed = reader.kube(cluster.name, BACKUPS, namespace=cluster.velero_namespace)
    location = reader.kube(cluster.name, LOCATIONS, namespace=cluster.velero_namespace, name=cluster.backup_location)
    for found in (listed, location):
        if isinstance(found, Refused | NoData):
            return found
    if not isinstance(listed, Sequence) or not isinstance(location, Mapping):
        return NoData(because=f"cluster {cluster.name!r} has no backup location {cluster.backup_location!r}")
    files: dict[str, Objects | NoData] = {}
    rows: list[Held | NoData] = []
    for service in policy.services.in_order():
        if service.kind != "workload" or service.namespace is None:
            continue
        good, _ = good_backups(listed, [service.namespace], cluster.backup_location)
        if not good:
            rows.append(NoData(because=f"{service.display} has no good backup that could be read"))
            continue
        name = good[0].name
        if name not in files:
            files[name] = _read(name, location["spec"]["objectStorage"], policy, reader)
        objects = files[name]
        rows.append(objects if isinstance(objects, NoData) else held(service, name, objects, policy))
    return tuple(rows)


def held(service: Service, backup: str, objects: Objects, policy: Policy) -> Held:
    """What of a backup's objects a restore of the service takes, and what that needs."""
    own = [(r, o) for r, o in objects if of(service, o) and not o["metadata"].get("ownerReferences")]
    pods = [pod for _, obj in own for pod in [_pod(obj)] if pod]
    brought = {o["metadata"]["name"] for _, o in own if o["kind"] == "Secret"} | {
        ((o.get("spec") or {}).get("target") or {}).get("name") or o["metadata"]["name"]
        for _, o in own
        if o["kind"] == "ExternalSecret"
    }
    registries = [row.partition(",")[::2] for row in image_registries(policy).values()]
    images = {
        _restored(str(container["image"]), obj["kind"], registries)
        for _, obj in own
        if (pod := _pod(obj))
        for container in (*(pod.get("initContainers") or ()), *(pod.get("containers") or ()))
    }
    wanted = {name for pod in pods for name in secrets_of(pod)}
    space = service.namespace or ""
    missing = frozenset(f"{space}/{name}" for name in wanted - brought)
    return Held(
        service.display, backup, frozenset(r for r, _ in own), frozenset(images), missing, _classes(own, policy)
    )


def _classes(own: Objects, policy: Policy) -> frozenset[str]:
    to = {row.from_: row.to for row in policy.rewrites.of("standby") if isinstance(row, StorageClass)}
    claims = [obj.get("spec") or {} for _, obj in own if obj["kind"] == "PersistentVolumeClaim"]
    named = {str(spec.get("storageClassName", DEFAULT)) for spec in claims if spec.get("storageClassName") != ""}
    return frozenset(to.get(name, name) for name in named)


def of(service: Service, obj: Mapping[str, Any]) -> bool:
    """Whether a restore of the service, by label, takes the object."""
    key, _, value = service.label.partition("=")
    meta = obj["metadata"]
    return meta.get("namespace") == service.namespace and (meta.get("labels") or {}).get(key) == value


def _pod(obj: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The pod that an object makes, or is."""
    spec = obj.get("spec") or {}
    if obj["kind"] == "Pod":
        return spec if isinstance(spec, Mapping) else None
    template = ((spec.get("jobTemplate") or {}).get("spec") or spec).get("template") or {}
    found = template.get("spec") if isinstance(template, Mapping) else None
    return found if isinstance(found, Mapping) and "containers" in found else None


def _restored(image_: str, kind: str, registries: Sequence[Sequence[str]]) -> str:
    for old, new in registries if kind in _REWRITTEN else ():
        if old in image_:
            return image_.replace(old, new)
    return image_


def secrets_of(pod: Mapping[str, Any]) -> Iterator[str]:
    """The Secrets without which a pod does not start."""
    for container in (*(pod.get("initContainers") or ()), *(pod.get("containers") or ())):
        variables = [v.get("valueFrom") or {} for v in container.get("env") or ()]
        for source in (*(container.get("envFrom") or ()), *variables):
            for ref in (source.get("secretRef"), source.get("secretKeyRef")):
                if ref and not ref.get("optional"):
                    yield ref["name"]
    for volume in pod.get("volumes") or ():
        secret = volume.get("secret") or {}
        if secret and not secret.get("optional"):
            yield secret["secretName"]


def _read(name: str, storage: Mapping[str, Any], policy: Policy, reader: Reader) -> Objects | NoData:
    region, spaces = policy.platform.clusters.standby.region, {s.namespace for s in policy.services.services}
    folder = f"{storage['prefix']}/backups" if storage.get("prefix") else "backups"
    where = {"Bucket": storage["bucket"], "Key": f"{folder}/{name}/{name}.tar.gz"}
    said = f"s3://{where['Bucket']}/{where['Key']}"
    head = reader.aws("s3", region, "head_object", **where)
    if isinstance(head, Refused | NoData):
        return NoData(because=f"{said}: {head.because}")
    if head["ContentLength"] > LARGEST:
        return NoData(because=f"{said} has {head['ContentLength']} bytes, and {LARGEST} at most are read here")
    answer = reader.aws("s3", region, "get_object", **where)
    if isinstance(answer, Refused | NoData):
        return NoData(because=f"{said}: {answer.because}")
    try:
        return tuple((r, o) for r, o in unpacked(answer["Body"]) if o["metadata"].get("namespace") in spaces)
    except (tarfile.TarError, EOFError, OSError, ValueError, KeyError, IndexError) as error:
        return NoData(because=f"{said} cannot be read: {type(error).__name__}: {error}")


def unpacked(content: bytes) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The objects of a backup's file with their resources, each once."""
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as file:
        for member in file:
            parts = member.name.removeprefix("./").split("/")
            if parts[0] != "resources" or parts[2] not in ("namespaces", "cluster") or not member.isfile():
                continue  # `metadata/`, and the copies under `<version>-preferredversion/`
            read = file.extractfile(member)
            if read is None:
                continue
            obj = json.load(read)
            yield f"{obj['apiVersion']} {parts[1].partition('.')[0]}", obj
