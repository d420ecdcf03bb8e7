"""A cluster's access entries: which IAM principals it lets near its Kubernetes API, and as whom.

Sources, named below by their short names:
- *api*: docs.aws.amazon.com/eks/latest/APIReference/API_CreateAccessEntry.html
- *guide*: docs.aws.amazon.com/eks/latest/userguide/creating-access-entries.html (user names, names that are reserved)
- *observed*: messages of real answers, quoted in terraform-aws-modules/terraform-aws-eks#2915 and #2969,
  aws-ia/terraform-aws-eks-blueprints#1920 and aws-samples/sample-agentic-platform#11
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from drctl.neighbours.aws import AwsError
from drctl.neighbours.kubernetes.rbac import User
from drctl.neighbours.sts_token import Identity

RESERVED: Final = ("system:", "eks:", "aws:", "amazon:", "iam:")
"""How a group's or a user's name may not begin (*guide*)."""
PRINCIPAL: Final = re.compile(
    r"arn:[\w-]+:iam::\d{12}:(?:(?P<role>role)/(?:[!-~]+/)?(?P<name>[\w+=,.@-]+)|user/[!-~]+|root)"
)
"""A session's ARN is none: it is temporary (*api*, `principalArn`)."""


@dataclass(frozen=True, slots=True)
class Entry:
    """`username` may hold `{{SessionName}}`, which stands for the session of the role."""

    principal: str
    arn: str
    groups: tuple[str, ...]
    username: str
    tags: Mapping[str, str]
    created_at: datetime

    def shown(self, cluster: str) -> dict[str, Any]:
        return {
            "clusterName": cluster,
            "principalArn": self.principal,
            "kubernetesGroups": list(self.groups),
            "accessEntryArn": self.arn,
            "createdAt": self.created_at,
            "modifiedAt": self.created_at,
            "tags": dict(self.tags),
            "username": self.username,
            "type": "STANDARD",
        }


@dataclass(slots=True)
class Entries:
    """The entries of one cluster, by principal. `cluster_arn` is that of EKS."""

    cluster: str
    cluster_arn: str
    kept: dict[str, Entry] = field(default_factory=dict)

    def create(self, params: Mapping[str, Any], now: datetime) -> dict[str, Any]:
        """CreateAccessEntry, of type STANDARD only."""
        principal, kind = str(params["principalArn"]), params.get("type", "STANDARD")
        shape = PRINCIPAL.fullmatch(principal)
        if shape is None:
            raise self._refusal("The specified principalArn is invalid: invalid principal.")
        if kind != "STANDARD":
            raise AwsError("NotImplemented", f"this stand-in of eks keeps no access entry of type {kind}", 501)
        for group in params.get("kubernetesGroups", ()):
            for reserved in RESERVED:
                if group.startswith(reserved):
                    raise self._refusal(
                        f"The kubernetes group name {group} is invalid, it cannot start with {reserved}"
                    )
        username = params.get("username") or _username(principal, shape["name"] if shape["role"] else "")
        if reserved_ := next((r for r in RESERVED if str(params.get("username", "")).startswith(r)), ""):
            raise self._refusal(f"The username must not begin with {reserved_}")
        if principal in self.kept:
            raise AwsError(
                "ResourceInUseException",
                "The specified access entry resource is already in use on this cluster.",
                clusterName=self.cluster,
            )
        account, resource = principal.split(":", 5)[4:]
        kind_, _, name = resource.partition("/")
        whose = self.cluster_arn.replace(":cluster/", ":access-entry/")
        arn = f"{whose}/{kind_}/{account}/{name}/{uuid.uuid5(uuid.NAMESPACE_URL, principal)}"
        groups = tuple(params.get("kubernetesGroups", ()))
        self.kept[principal] = Entry(principal, arn, groups, username, dict(params.get("tags", {})), now)
        return {"accessEntry": self.kept[principal].shown(self.cluster)}

    def describe(self, principal: str) -> dict[str, Any]:
        """DescribeAccessEntry."""
        return {"accessEntry": self._entry(principal).shown(self.cluster)}

    def delete(self, principal: str) -> dict[str, Any]:
        """DeleteAccessEntry."""
        del self.kept[self._entry(principal).principal]
        return {}

    def user(self, identity: Identity) -> User | None:
        """Whom the cluster takes this caller for; None when it has no entry, which is 401 and not 403."""
        entry = self.kept.get(identity.canonical_arn)
        if entry is None:
            return None
        session = identity.arn.rpartition("/")[2] if ":assumed-role/" in identity.arn else ""
        name = entry.username.replace("{{SessionName}}", session)
        return User(
            name, entry.groups, f"aws-iam-authenticator:{identity.account}:{identity.user_id.partition(':')[0]}"
        )

    def _entry(self, principal: str) -> Entry:
        if principal not in self.kept:
            message = "The specified principalArn could not be found. You can view your available access entries with "
            raise AwsError("ResourceNotFoundException", f"{message}'list-access-entries'.", clusterName=self.cluster)
        return self.kept[principal]

    def _refusal(self, message: str) -> AwsError:
        return AwsError("InvalidParameterException", message, clusterName=self.cluster)


def _username(principal: str, role: str) -> str:
    """What EKS calls a principal that was given no name: a role by its session, all others by their ARN (*guide*)."""
    if not role:
        return principal
    partition, account = principal.split(":")[1], principal.split(":")[4]
    return f"arn:{partition}:sts::{account}:assumed-role/{role}/{{{{SessionName}}}}"
