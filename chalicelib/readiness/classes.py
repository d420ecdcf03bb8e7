"""Whether a cluster makes the volumes that claims ask for: their StorageClass is there, and the driver that it names.

A claim without a class takes the one that is marked as the cluster's default. A CSI driver registers itself by a
CSIDriver of its name, but need not: where the drivers of EKS have none they are not installed, and of another nobody
can tell. Sources: https://kubernetes.io/docs/concepts/storage/storage-classes/,
https://kubernetes.io/docs/reference/kubernetes-api/config-and-storage-resources/csi-driver-v1/,
https://github.com/kubernetes-sigs/aws-ebs-csi-driver/blob/master/deploy/kubernetes/base/csidriver.yaml.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from chalicelib.actions.contract import KubeOp, Op, Reader, Where
from chalicelib.core.judging import Lacking, Ready, Verdict
from chalicelib.core.outcome import NoData, Refused

DEFAULT: Final = "the default"
"""In the place of a class's name, which has no space, for a claim that names none."""
CLASSES: Final = "storage.k8s.io/v1 storageclasses"
DRIVERS: Final = "storage.k8s.io/v1 csidrivers"
REGISTERED: Final = frozenset({"ebs.csi.aws.com", "efs.csi.aws.com"})
"""Drivers that always come with a CSIDriver of their name."""
_MARK: Final = "storageclass.kubernetes.io/is-default-class"
_MIGRATED: Final = {"kubernetes.io/aws-ebs": "ebs.csi.aws.com"}
"""What was in the tree, and the driver that Kubernetes has do its work since 1.23."""


def storage_reads(where: Where) -> tuple[Op, ...]:
    """What `classes_of` reads in the cluster of a place."""
    return tuple(
        KubeOp(verb="list", group="storage.k8s.io", resource=resource, where=where)
        for resource in ("storageclasses", "csidrivers")
    )


def classes_of(cluster: str, wanted: Iterable[str], reader: Reader) -> Mapping[str, Verdict]:
    """The verdict on each class by its name, or DEFAULT."""
    names = sorted(set(wanted))
    if not names:
        return {}
    classes, drivers = reader.kube(cluster, CLASSES), reader.kube(cluster, DRIVERS)
    for found in (classes, drivers):
        if isinstance(found, Refused | NoData):
            # Who may not look has not seen that it is missing.
            return dict.fromkeys(names, NoData(because=found.because))
    known = _named(classes)
    marked = [c for c in known.values() if (c["metadata"].get("annotations") or {}).get(_MARK) == "true"]
    if marked:
        known[DEFAULT] = marked[0]
    return {name: _class(name, known.get(name), frozenset(_named(drivers)), cluster) for name in names}


def _class(name: str, found: Mapping[str, Any] | None, drivers: frozenset[str], cluster: str) -> Verdict:
    if found is None:
        if name == DEFAULT:
            return Lacking(because=f"no StorageClass of {cluster!r} is the default, and a claim names none")
        return Lacking(because=f"StorageClass {name!r} is not in {cluster!r}")
    provisioner = str(found.get("provisioner", ""))
    driver = _MIGRATED.get(provisioner, provisioner)
    said = f"StorageClass {found['metadata']['name']!r} wants the driver {driver!r}"
    if driver in drivers:
        return Ready(because=f"{said}, which is in {cluster!r}")
    if driver in REGISTERED:
        return Lacking(because=f"{said}, which is not installed in {cluster!r}")
    return NoData(because=f"{said}, which {cluster!r} has no CSIDriver of: whether it is installed is not known")


def _named(found: object) -> dict[str, Mapping[str, Any]]:
    rows = found if isinstance(found, Sequence) else ()
    return {row["metadata"]["name"]: row for row in rows}
