"""Paths that keep no object: access reviews, the version, health, discovery (recorded, 14-misc)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from drctl.neighbours.kubernetes import kinds, rbac
from drctl.neighbours.kubernetes.asking import Asking, answered
from drctl.neighbours.kubernetes.objects import Cluster, stamp
from drctl.neighbours.kubernetes.status import PLAIN, Answer, Cause, invalid, no_such_path

VERSION: Final = {
    "major": "1",
    "minor": "36",
    "emulationMajor": "1",
    "emulationMinor": "36",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "35",
    "gitVersion": "v1.36.2",
    "gitCommit": "8e16b12fda5b1dccc41a6de48b3e356cc7d5048b",
    "gitTreeState": "",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "go1.26.6",
    "compiler": "gc",
    "platform": "linux/amd64",
}
_VERBS: Final = ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"]
_PUBLIC_REASON: Final = (
    'RBAC: allowed by ClusterRoleBinding "system:public-info-viewer" of ClusterRole "system:public-info-viewer" '
    'to Group "{group}"'
)


def review(cluster: Cluster, grants: Iterable[rbac.Grant], asking: Asking) -> Answer | None:
    """The answer to a SelfSubjectAccessReview or SelfSubjectReview; None when the address is neither."""
    to = asking.address
    if asking.method != "POST":
        return None
    match (to.group, to.version, to.resource):
        case ("authorization.k8s.io", "v1", "selfsubjectaccessreviews"):
            return answered(201, _access(cluster, grants, asking))
        case ("authentication.k8s.io", "v1", "selfsubjectreviews"):
            user = asking.user
            info: dict[str, Any] = {"username": user.name} | ({"uid": user.uid} if user.uid else {})
            return answered(
                201,
                {
                    "kind": "SelfSubjectReview",
                    "apiVersion": "authentication.k8s.io/v1",
                    "metadata": {"creationTimestamp": stamp(cluster.now)},
                    "status": {"userInfo": {**info, "groups": list(user.every_group)}},
                },
            )
        case _:
            return None


def _access(cluster: Cluster, grants: Iterable[rbac.Grant], asking: Asking) -> dict[str, Any]:
    spec: Mapping[str, Any] = asking.read("SelfSubjectAccessReview").get("spec") or {}
    wanted, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if (wanted is None) == (path is None):
        text = "Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified"
        raise invalid("", "authorization.k8s.io", "", [Cause("FieldValueInvalid", "spec.resourceAttributes", text)])
    status: dict[str, Any]
    if path is not None:
        allowed = rbac.may_visit(asking.user, path.get("path", ""))
        status = {"allowed": allowed}
        if allowed and rbac.MASTERS not in asking.user.groups:
            status["reason"] = _PUBLIC_REASON.format(group=asking.user.every_group[-1])
        said = {"nonResourceAttributes": path}
    else:
        attributes = wanted or {}
        fields = ("verb", "group", "resource", "namespace", "name", "subresource")
        asked = rbac.Asked(**{k: attributes.get(k, "") for k in fields})
        rule = rbac.verdict(cluster, grants, asking.user, asked)
        status = {"allowed": rule is not None} | ({"reason": rule.because} if rule and rule.because else {})
        said = {"resourceAttributes": {k: v for k, v in attributes.items() if v}}
    return {
        "kind": "SelfSubjectAccessReview",
        "apiVersion": "authorization.k8s.io/v1",
        "metadata": {},
        "spec": said,
        "status": status,
    }


def visit(path: str, lacks: Collection[str] = ()) -> Answer:
    """A path that names no resource. Raises the plain 404. `lacks` are kinds that are not installed, by their keys."""
    parts = [p for p in path.split("/") if p]
    match parts:
        case ["version"]:
            return answered(200, VERSION)
        case ["healthz" | "livez" | "readyz"]:
            return Answer(200, PLAIN, b"ok")
        case ["api"]:
            served = [{"clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1:443"}]
            return answered(200, {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": served})
        case ["apis"]:
            return answered(200, {"kind": "APIGroupList", "apiVersion": "v1", "groups": _groups(lacks)})
        case ["api", version]:
            return answered(200, _resource_list("", version, lacks))
        case ["apis", group, version]:
            return answered(200, _resource_list(group, version, lacks))
        case _:
            raise no_such_path()


def _groups(lacks: Collection[str]) -> list[dict[str, Any]]:
    served = (r for r in kinds.resources().values() if r.key not in lacks)
    found = sorted({(r.group, r.version) for r in served if r.group})
    versions = [{"groupVersion": f"{group}/{version}", "version": version} for group, version in found]
    return [
        {"name": group, "versions": [said], "preferredVersion": said}
        for (group, _), said in zip(found, versions, strict=True)
    ]


def _resource_list(group: str, version: str, lacks: Collection[str]) -> dict[str, Any]:
    served = (r for r in kinds.resources().values() if r.key not in lacks)
    found = [r for r in served if (r.group, r.version) == (group, version)]
    if not found:
        raise no_such_path()
    listed: list[dict[str, Any]] = []
    for r in found:
        row = {"name": r.plural, "singularName": r.kind.lower(), "namespaced": r.namespaced, "kind": r.kind}
        listed.append({**row, "verbs": _VERBS} | ({"shortNames": list(r.short)} if r.short else {}))
        listed += [
            {**row, "name": f"{r.plural}/{sub}", "singularName": "", "verbs": ["get", "patch", "update"]}
            for sub, has in (("status", r.status), ("scale", r.scale))
            if has
        ]
    whole = {"kind": "APIResourceList", "apiVersion": "v1"}
    return {**whole, "groupVersion": f"{group}/{version}" if group else version, "resources": listed}
