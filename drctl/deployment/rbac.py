"""The manifests that let the responder do in a cluster what its actions declare, and nothing else.

A right within a namespace becomes a Role there; one that has none becomes part of a ClusterRole. Both are bound to a
group: that of the functions that work the desk, or that of the one that judges readiness, which has the reads alone.
The cluster's access entries (access.py) put the functions' roles into them.
https://kubernetes.io/docs/reference/access-authn-authz/rbac/
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final

import yaml

from chalicelib import names
from chalicelib.actions.contract import Action, Where
from chalicelib.actions.registry import ACTIONS
from chalicelib.actions.rights import KubeRight, kube_rights, reading_rights
from chalicelib.policy import Policy
from chalicelib.readiness.registry import READS

API: Final = "rbac.authorization.k8s.io"
HEAD: Final = (
    "# Generated from the actions' declared operations; `drctl generate` writes it, `kubectl apply -f` grants it.\n"
)


def group(policy: Policy) -> str:
    """The Kubernetes group of the functions that work the desk. EKS refuses names that begin with `system:`, `eks:`,
    `aws:`, `amazon:` or `iam:` (API_CreateAccessEntry, `kubernetesGroups`).
    """
    return names.app(policy)


def readers(policy: Policy) -> str:
    """The group of the function that judges readiness: it may do nothing there but look."""
    return f"{group(policy)}-readers"


def manifests(policy: Policy, place: Where, actions: Mapping[str, Action] = ACTIONS) -> list[dict[str, Any]]:
    """Roles and bindings for the cluster of a place; none when nothing is declared to be done there."""
    found = _bound(group(policy), kube_rights(policy, place, actions))
    return [*found, *_bound(readers(policy), reading_rights(policy, place, READS, actions))] if found else []


def _bound(group_: str, rights: Iterable[KubeRight]) -> list[dict[str, Any]]:
    by_namespace: dict[str, list[KubeRight]] = defaultdict(list)
    for right in rights:
        by_namespace[right.namespace].append(right)
    found: list[dict[str, Any]] = []
    for namespace, its in sorted(by_namespace.items()):
        found += _granted(group_, namespace, its)
    return found


def text(objects: Iterable[dict[str, Any]]) -> str:
    """As it stands in the file."""
    return HEAD + yaml.safe_dump_all(objects, sort_keys=False, width=120, explicit_start=True)


def _granted(group_: str, namespace: str, rights: list[KubeRight]) -> list[dict[str, Any]]:
    kind = "Role" if namespace else "ClusterRole"
    metadata = {"name": group_} | ({"namespace": namespace} if namespace else {})
    return [
        {"apiVersion": f"{API}/v1", "kind": kind, "metadata": metadata, "rules": _rules(rights)},
        {
            "apiVersion": f"{API}/v1",
            "kind": f"{kind}Binding",
            "metadata": metadata,
            "roleRef": {"apiGroup": API, "kind": kind, "name": group_},
            "subjects": [{"apiGroup": API, "kind": "Group", "name": group_}],
        },
    ]


def _rules(rights: Iterable[KubeRight]) -> list[dict[str, Any]]:
    verbs: dict[tuple[str, str, tuple[str, ...]], list[str]] = defaultdict(list)
    for right in rights:
        verbs[right.group, right.resource, right.names].append(right.verb)
    return [
        {"apiGroups": [api], "resources": [resource], "verbs": sorted(allowed)}
        | ({"resourceNames": list(named)} if named else {})
        for (api, resource, named), allowed in sorted(verbs.items())
    ]
