"""The platform's services as Kubernetes objects, made from the service table."""

from __future__ import annotations

from typing import Any, Final

from chalicelib.policy import Policy
from chalicelib.policy.services import Service

REPLICAS: Final = 2
IMAGE: Final = "registry.k8s.io/pause:3.10"


def objects(policy: Policy) -> list[dict[str, Any]]:
    """A namespace, a configuration and the Deployments of each workload, labelled as policy says."""
    found: list[dict[str, Any]] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
        for namespace in sorted({s.namespace for s in policy.services.services if s.namespace})
    ]
    for service in policy.services.in_order():
        if service.kind == "workload":
            found += _workload(service)
    return found


def _workload(service: Service) -> list[dict[str, Any]]:
    key, _, value = service.label.partition("=")
    labels = {key: value}
    where = {"namespace": service.namespace, "labels": labels}
    configuration = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": f"{service.name}-configuration", **where},
        "data": {"service": service.name},
    }
    deployments = [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name, **where},
            "spec": {
                "replicas": REPLICAS,
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {"containers": [{"name": "main", "image": IMAGE}]},
                },
            },
        }
        for name in service.deployments
    ]
    return [configuration, *deployments]
