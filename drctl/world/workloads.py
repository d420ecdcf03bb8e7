"""The platform's services as Kubernetes objects, made from the service table, as they stand in the primary region.

They carry what only the primary has: its registry, storage classes, zones, roles, certificates and database host. The
right sides of policies/rewrites.yaml are what the standby has instead, so a restore without rewriting does not run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from chalicelib.actions.rewriting import CERTIFICATE, ROLE, ZONE
from chalicelib.policy import Policy
from chalicelib.policy.platform import Cluster
from chalicelib.policy.rewrites import Certificate, DatabaseHost, ImageRegistry, Role, StorageClass, ZoneChange
from chalicelib.policy.services import Service
from drctl.neighbours.ecr import Ecr
from drctl.neighbours.kubernetes.api import KubeApi, seed
from drctl.neighbours.kubernetes.velero.shared import NAMESPACE

REPLICAS: Final = 2
DEADLINE_S: Final = 120
"""Within which a deployment must come forward; Kubernetes's own 600 is long for who must be back in 15 minutes."""
TAG: Final = "2026.11.4"
PUBLIC: Final = "registry.k8s.io/pause:3.10"
"""The image where policy rewrites no registry."""
EBS_DRIVER: Final = "ebs.csi.aws.com"
VOLUMES: Final = frozenset({"ebs-volumes", "pvc", "storage"})
"""The infrastructure that stands for a claim."""

LIFECYCLE: Final = json.dumps(
    {
        "rules": [
            {
                "rulePriority": 1,
                "description": "Only the newest fifty",
                "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 50},
                "action": {"type": "expire"},
            }
        ]
    }
)
"""A repository's lifecycle policy (https://docs.aws.amazon.com/AmazonECR/latest/userguide/lifecycle_policy_examples.html)."""
ECR_IMAGE: Final = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com/(?P<repository>[^:]+):(?P<tag>.+)"
)


def push(policy: Policy, ecr: Ecr) -> None:
    """Every image, in the registry of the primary region and replicated to the standby's."""
    regions, account = policy.platform.regions, policy.platform.account
    for service in policy.services.in_order():
        canaries = (service.managed_by.rollout,) if service.managed_by and service.managed_by.rollout else ()
        for name in (*service.deployments, *canaries):
            for region in (regions.primary, regions.standby):
                ecr.push(region, account, f"{policy.platform.name}/{name}", TAG)
    containment = policy.platform.containment
    for name in containment.repositories if containment else ():
        # In the primary's region alone, as people do it who think that a policy is replicated with its repository.
        ecr.expire(regions.primary, account, name, LIFECYCLE)
    if policy.backups.airgap and (dumps := ECR_IMAGE.fullmatch(policy.backups.airgap.dump.image)):
        ecr.push(dumps["region"], dumps["account"], dumps["repository"], dumps["tag"])


def furnish(policy: Policy, row: Cluster, api: KubeApi, ecr: Ecr) -> None:
    """What a cluster has before anything runs in it: its zones, the way to its registry, its storage classes."""
    is_primary = row is policy.platform.clusters.primary
    rewrites = policy.rewrites.rewrites
    api.workloads.zones = tuple(r.from_ if is_primary else r.to for r in rewrites if isinstance(r, ZoneChange))
    api.workloads.pull = ecr.pull
    classes = dict.fromkeys(r.from_ if is_primary else r.to for r in rewrites if isinstance(r, StorageClass))
    seed(
        api,
        [
            {
                "apiVersion": "storage.k8s.io/v1",
                "kind": "StorageClass",
                "metadata": {"name": name},
                "provisioner": EBS_DRIVER,
                "parameters": {"type": "gp3", "encrypted": "true"},
                "volumeBindingMode": "Immediate",
            }
            for name in classes
        ]
        + [
            {
                "apiVersion": "storage.k8s.io/v1",
                "kind": "CSIDriver",
                "metadata": {"name": EBS_DRIVER},
                "spec": {"attachRequired": True, "podInfoOnMount": False},
            }
        ],
    )


def schedules(policy: Policy) -> list[dict[str, Any]]:
    """Velero's schedules in the primary cluster, as `velero schedule create --schedule … --ttl …` makes them; with
    `--default-volumes-to-fs-backup --snapshot-volumes=false` where volumes are copied as files.
    """
    by_file = policy.backups.scope.volumes == "file-system"
    found = []
    for row in policy.backups.schedules:
        seconds = int(row.keep.total_seconds())
        template = {
            "includedNamespaces": ["*"],
            "storageLocation": "default",
            "ttl": f"{seconds // 3600}h{seconds % 3600 // 60}m{seconds % 60}s",
            "defaultVolumesToFsBackup": by_file,
            "snapshotVolumes": not by_file,
            "snapshotMoveData": policy.backups.scope.volumes == "data-mover",
        }
        made = _named("velero.io/v1", "Schedule", row.name, {"namespace": NAMESPACE})
        found.append(made | {"spec": {"schedule": row.cron, "template": template}})
    return found


def objects(policy: Policy) -> list[dict[str, Any]]:
    """Namespaces, and each workload's objects, labelled as policy says, so that a restore of the service takes them."""
    found: list[dict[str, Any]] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
        for namespace in sorted({s.namespace for s in policy.services.services if s.namespace})
    ]
    for service in policy.services.in_order():
        if service.kind == "workload":
            found += _workload(policy, service)
    return found


def _workload(policy: Policy, service: Service) -> Iterator[dict[str, Any]]:
    key, _, value = service.label.partition("=")
    labels = {key: value}
    where = {"namespace": service.namespace, "labels": labels}
    roles = [r.from_ for r in policy.rewrites.rewrites if isinstance(r, Role) and r.service == service.name]
    account: dict[str, Any] = {"name": service.name, **where}
    if roles:
        account["annotations"] = {ROLE: roles[0]}
    yield {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account}
    yield _named("v1", "ConfigMap", f"{service.name}-configuration", where) | {"data": {"service": service.name}}
    yield _named("v1", "Secret", f"{service.name}-credentials", where) | {"stringData": {"API_TOKEN": "local"}}
    if VOLUMES & set(service.depends_on):
        yield _claim(policy, service, where)
    for rewrite in policy.rewrites.rewrites:
        if isinstance(rewrite, Certificate) and rewrite.service == service.name:
            yield _ingress(service, where, rewrite)
    # A volume can be on one node only, so its service has one pod, and the old one ends before the new one starts.
    alone = bool(VOLUMES & set(service.depends_on))
    for name in service.deployments:
        yield _named("apps/v1", "Deployment", name, where) | {
            "spec": {
                "replicas": 1 if alone else REPLICAS,
                "progressDeadlineSeconds": DEADLINE_S,
                **({"strategy": {"type": "Recreate"}} if alone else {}),
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": _pod(policy, service, name)},
            },
        }
    if not alone:
        budget = {"maxUnavailable": 1, "selector": {"matchLabels": labels}}
        yield _named("policy/v1", "PodDisruptionBudget", service.name, where) | {"spec": budget}


def image_of(policy: Policy, name: str) -> str:
    """A workload's image in the primary's registry."""
    registries = [r.from_ for r in policy.rewrites.rewrites if isinstance(r, ImageRegistry)]
    return f"{registries[0]}/{policy.platform.name}/{name}:{TAG}" if registries else PUBLIC


def _pod(policy: Policy, service: Service, name: str) -> dict[str, Any]:
    container: dict[str, Any] = {
        "name": "main",
        "image": image_of(policy, name),
        "envFrom": [{"secretRef": {"name": f"{service.name}-credentials"}}],
    }
    hosts = [r for r in policy.rewrites.rewrites if isinstance(r, DatabaseHost) and r.service == service.name]
    if hosts:
        primary = policy.platform.database.primary
        host = f"{primary.instance}.c9akciq32hds.{primary.region}.rds.amazonaws.com"
        container |= {"name": hosts[0].container, "env": [{"name": h.variable, "value": host} for h in hosts]}
    pod: dict[str, Any] = {"serviceAccountName": service.name, "containers": [container]}
    zones = [r.from_ for r in policy.rewrites.rewrites if isinstance(r, ZoneChange)]
    if VOLUMES & set(service.depends_on):
        pod["volumes"] = [{"name": "data", "persistentVolumeClaim": {"claimName": f"{service.name}-data"}}]
        container["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]
        # A volume lives in one zone; both ways of saying so are met in the wild.
        if zones and service.order % 2:
            pod["affinity"] = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": _required(zones[:2])}}
        elif zones:
            pod["nodeSelector"] = {ZONE: zones[0]}
    return pod


def _required(zones: list[str]) -> dict[str, Any]:
    return {"nodeSelectorTerms": [{"matchExpressions": [{"key": ZONE, "operator": "In", "values": zones}]}]}


def _claim(policy: Policy, service: Service, where: dict[str, Any]) -> dict[str, Any]:
    classes = [r.from_ for r in policy.rewrites.rewrites if isinstance(r, StorageClass)]
    spec: dict[str, Any] = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "20Gi"}}}
    if classes:
        spec["storageClassName"] = classes[0]
    return _named("v1", "PersistentVolumeClaim", f"{service.name}-data", where) | {"spec": spec}


def _ingress(service: Service, where: dict[str, Any], rewrite: Certificate) -> dict[str, Any]:
    backend = {"service": {"name": service.name, "port": {"number": 443}}}
    made = _named("networking.k8s.io/v1", "Ingress", service.name, where)
    made["metadata"]["annotations"] = {CERTIFICATE: rewrite.from_}
    return made | {"spec": {"ingressClassName": "alb", "defaultBackend": backend}}


def _named(api_version: str, kind: str, name: str, where: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, **where}}
