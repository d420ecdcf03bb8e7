"""What deploys the platform's services in the primary cluster: Argo CD, from Git, and Argo Rollouts where policy says.

Each service with `managed_by` has an Application that has been synced twice already, the later time to what runs.
"""

from __future__ import annotations

import copy
import hashlib
from datetime import datetime, timedelta
from typing import Any, Final

from chalicelib.policy import Policy
from chalicelib.policy.services import ManagedBy, Service
from drctl.neighbours.kubernetes.api import KubeApi, seed
from drctl.world.sight import CONFIGURATION
from drctl.world.workloads import TAG, image_of

DEPLOYED: Final = (timedelta(hours=44), timedelta(hours=20))
"""How long ago, in real time, each revision was deployed."""
BAD_TAG: Final = "2026.11.5"
"""Of an image that nobody has pushed."""
ROLLOUT_DEADLINE_S: Final = 120
CANARY_WEIGHT: Final = 50


def furnish(policy: Policy, api: KubeApi, now: datetime) -> None:
    """The Rollouts, and an Application for every service that has one."""
    for service in policy.services.in_order():
        managed = service.managed_by
        if managed is None:
            continue
        if managed.rollout:
            seed(api, [rollout(policy, service, managed.rollout)])
        at = [now - age / policy.speed for age in DEPLOYED]
        names = [revision(managed, n) for n in range(len(at))]
        running = manifests(policy, api, service)
        seed_namespace(api, managed.namespace)
        deployed = [(name, when, running) for name, when in zip(names, at, strict=True)]
        path = f"services/{service.name}"
        api.argocd.begin(_application(policy, managed, path, service.namespace or "", "default"), deployed)
    _configure(policy, api, now)


def _configure(policy: Policy, api: KubeApi, now: datetime) -> None:
    """The configuration's Application, and what the secrets' store holds."""
    managed = policy.services.configuration
    if managed is None:
        return
    for service in _tier_1(policy):
        api.external_secrets.held[_key(policy, service)] = {"token": "local"}
    wanted = external_secrets(policy)
    seed(api, wanted)
    seed_namespace(api, managed.namespace)
    at = [now - age / policy.speed for age in DEPLOYED]
    deployed = [(revision(managed, n), when, wanted) for n, when in enumerate(at)]
    api.argocd.begin(_application(policy, managed, "configuration", managed.namespace, CONFIGURATION), deployed)


def _tier_1(policy: Policy) -> list[Service]:
    return [s for s in policy.services.in_order() if s.tier == 1 and s.namespace]


def _key(policy: Policy, service: Service) -> str:
    return f"{policy.platform.name}/{service.name}"


def external_secrets(policy: Policy, wrong: str = "") -> list[dict[str, Any]]:
    """Settings of every service of tier 1, fetched each hour; the service `wrong` asks for a key that is not there."""
    return [
        {
            "apiVersion": "external-secrets.io/v1",
            "kind": "ExternalSecret",
            "metadata": {"name": f"{service.name}-settings", "namespace": service.namespace},
            "spec": {
                "refreshInterval": "1h0m0s",
                "secretStoreRef": {"name": "secrets-manager", "kind": "ClusterSecretStore"},
                "target": {"name": f"{service.name}-settings"},
                "data": [
                    {
                        "secretKey": "TOKEN",
                        "remoteRef": {
                            "key": _key(policy, service) + ("-typo" if service.name == wrong else ""),
                            "property": "token",
                        },
                    }
                ],
            },
        }
        for service in _tier_1(policy)
    ]


def seed_namespace(api: KubeApi, name: str) -> None:
    """The namespace, where it is not there yet."""
    if api.cluster.get("namespaces", "", name) is None:
        seed(api, [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}])


def revision(managed: ManagedBy, number: int) -> str:
    """A commit, the same each time."""
    text = f"{managed.namespace}/{managed.application}/{number}"
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def manifests(policy: Policy, api: KubeApi, service: Service, tag: str = TAG, *, canary: bool = False) -> list[Any]:
    """What Git holds for a service: its Deployments and its Rollout. Another `tag` is the Rollout's alone with
    `canary`, else the Deployments' alone.
    """
    found = []
    for name in service.deployments:
        live = api.cluster.get("deployments.apps", service.namespace or "", name)
        if live is None:
            raise KeyError(f"there is no deployment {service.namespace}/{name}")
        kept = {k: copy.deepcopy(live[k]) for k in ("apiVersion", "kind", "spec")}
        meta = {k: live["metadata"][k] for k in ("name", "namespace", "labels")}
        found.append(_tagged({**kept, "metadata": meta}, TAG if canary else tag))
    if service.managed_by and service.managed_by.rollout:
        found.append(_tagged(rollout(policy, service, service.managed_by.rollout), tag if canary else TAG))
    return found


def rollout(policy: Policy, service: Service, name: str) -> dict[str, Any]:
    """Two pods; a new version gets one of them and waits for somebody to promote it."""
    labels = {"app.kubernetes.io/name": name}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        # Not of the service's label: a restore by that label would bring it to a cluster that has no Argo Rollouts.
        "metadata": {"name": name, "namespace": service.namespace, "labels": labels},
        "spec": {
            "replicas": 2,
            "progressDeadlineSeconds": ROLLOUT_DEADLINE_S,
            "selector": {"matchLabels": labels},
            "strategy": {"canary": {"steps": [{"setWeight": CANARY_WEIGHT}, {"pause": {}}]}},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "main", "image": image_of(policy, name)}]},
            },
        },
    }


def _application(policy: Policy, managed: ManagedBy, path: str, namespace: str, project: str) -> dict[str, Any]:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": managed.application, "namespace": managed.namespace},
        "spec": {
            "project": project,
            "destination": {"namespace": namespace, "server": "https://kubernetes.default.svc"},
            "source": {
                "repoURL": f"https://git.{policy.platform.traffic.zone}/platform.git",
                "path": path,
                "targetRevision": "main",
            },
            "syncPolicy": {"automated": {"prune": True, "selfHeal": True}, "syncOptions": ["CreateNamespace=true"]},
        },
    }


def _tagged(manifest: dict[str, Any], tag: str) -> dict[str, Any]:
    for container in manifest["spec"]["template"]["spec"]["containers"]:
        container["image"] = f"{container['image'].rpartition(':')[0]}:{tag}"
    return manifest
