"""Who may do what: users, rules of the RBAC shape, and the refusal's words.

kubernetes.io/docs/reference/access-authn-authz/rbac. Grants come from two places: those the world gives the
constructor, and Role, ClusterRole and binding objects made through the API. Texts are recorded (11-access, 14-misc).
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from drctl.neighbours.kubernetes.objects import Cluster
from drctl.neighbours.kubernetes.status import RefusedError, details, qualified

MASTERS: Final = "system:masters"
_RBAC: Final = "rbac.authorization.k8s.io"
_PUBLIC: Final = ("/version", "/version/", "/healthz", "/livez", "/readyz")
_DISCOVERY: Final = ("/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*")


@dataclass(frozen=True, slots=True)
class User:
    """Who a token stands for. `groups` without the ones the server adds itself."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""

    @property
    def every_group(self) -> tuple[str, ...]:
        added = "system:unauthenticated" if self.name == "system:anonymous" else "system:authenticated"
        return (*self.groups, added)


ANONYMOUS: Final = User("system:anonymous")


@dataclass(frozen=True, slots=True)
class Rule:
    """One RBAC rule. `namespaces` empty: a ClusterRole bound cluster-wide; otherwise a Role in each of them.
    `"*"` stands for all in the first three; a subresource is `deployments/scale`.
    """

    api_groups: tuple[str, ...]
    resources: tuple[str, ...]
    verbs: tuple[str, ...]
    namespaces: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    because: str = ""

    def allows(self, asked: Asked) -> bool:
        what = f"{asked.resource}/{asked.subresource}" if asked.subresource else asked.resource
        return (
            (not self.namespaces or asked.namespace in self.namespaces)
            and _has(self.verbs, asked.verb)
            and _has(self.api_groups, asked.group)
            and (_has(self.resources, what) or f"*/{asked.subresource}" in self.resources)
            and (not self.names or asked.name in self.names)
        )


@dataclass(frozen=True, slots=True)
class Grant:
    """Rules for one user or group: `Grant("group:dr-apps", (Rule(...),))`."""

    subject: str
    rules: tuple[Rule, ...]

    def applies(self, user: User) -> bool:
        kind, _, name = self.subject.partition(":")
        return name == user.name if kind == "user" else name in user.every_group


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request would do. `namespace` is empty at the cluster scope."""

    verb: str
    group: str
    resource: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""


def _has(listed: Iterable[str], wanted: str) -> bool:
    listed = tuple(listed)
    return "*" in listed or wanted in listed


def verdict(cluster: Cluster, grants: Iterable[Grant], user: User, asked: Asked) -> Rule | None:
    """The rule that allows `asked`, or None. system:masters may do everything."""
    if MASTERS in user.groups:
        return Rule(("*",), ("*",), ("*",))
    if asked.group in ("authorization.k8s.io", "authentication.k8s.io") and asked.verb == "create":
        return Rule(("*",), ("*",), ("create",), because="system:basic-user") if user != ANONYMOUS else None
    own = (rule for grant in grants if grant.applies(user) for rule in grant.rules)
    return next((rule for rule in (*own, *_bound(cluster, user)) if rule.allows(asked)), None)


def _bound(cluster: Cluster, user: User) -> Iterator[Rule]:
    """The rules of Role and ClusterRole objects bound to `user`."""
    for kind in ("ClusterRoleBinding", "RoleBinding"):
        for binding in cluster.every_object(f"{kind.lower()}s.{_RBAC}"):
            meta, ref = binding["metadata"], binding["roleRef"]
            namespace = meta.get("namespace", "")
            for subject in binding.get("subjects") or ():
                if subject["name"] not in ((user.name,) if subject["kind"] == "User" else user.every_group):
                    continue
                role = cluster.get(
                    f"{ref['kind'].lower()}s.{_RBAC}", namespace if ref["kind"] == "Role" else "", ref["name"]
                )
                bound = f"{meta['name']}/{namespace}" if namespace else meta["name"]
                because = (
                    f'RBAC: allowed by {kind} "{bound}" of {ref["kind"]} "{ref["name"]}" '
                    f'to {subject["kind"]} "{subject["name"]}"'
                )
                yield from _rules(role or {}, namespace, because)


def _rules(role: Mapping[str, Any], namespace: str, because: str) -> Iterator[Rule]:
    for rule in role.get("rules") or ():
        yield Rule(
            tuple(rule.get("apiGroups") or ()),
            tuple(rule.get("resources") or ()),
            tuple(rule.get("verbs") or ()),
            (namespace,) if namespace else (),
            tuple(rule.get("resourceNames") or ()),
            because,
        )


def may_visit(user: User, path: str) -> bool:
    """Paths that are no resource: the version is public, discovery is for whoever has proven who they are."""
    if MASTERS in user.groups or path in _PUBLIC:
        return True
    return user != ANONYMOUS and any(fnmatch.fnmatchcase(path, allowed) for allowed in _DISCOVERY)


def forbidden(user: User, asked: Asked) -> RefusedError:
    what = f"{asked.resource}/{asked.subresource}" if asked.subresource else asked.resource
    named = f' "{asked.name}"' if asked.name else ""
    scope = f'in the namespace "{asked.namespace}"' if asked.namespace else "at the cluster scope"
    text = (
        f"{qualified(asked.resource, asked.group)}{named} is forbidden: "
        f'User "{user.name}" cannot {asked.verb} resource "{what}" in API group "{asked.group}" {scope}'
    )
    return RefusedError(403, text, "Forbidden", details(asked.name, asked.group, asked.resource))


def forbidden_path(user: User, verb: str, path: str) -> RefusedError:
    return RefusedError(403, f'forbidden: User "{user.name}" cannot {verb} path "{path}"', "Forbidden", {})
