"""Who a function is in a cluster: its role's access entry, and the group by which RBAC knows it.

An entry stands in its cluster's region and account, so the standby's are part of the responder's stack, unless that
cluster is another account's; the primary's, and those, are a template of their own that is given the roles. A function
enters as itself: a STANDARD entry may name a principal of another account (*create*). The cluster must allow access
entries: its authentication mode is `API` or `API_AND_CONFIG_MAP`.
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-eks-accessentry.html
https://docs.aws.amazon.com/eks/latest/userguide/access-entries.html
*create*: https://docs.aws.amazon.com/eks/latest/userguide/creating-access-entries.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib import names
from chalicelib.actions.contract import Action, Where
from chalicelib.actions.registry import ACTIONS
from chalicelib.actions.rights import kube_rights
from chalicelib.policy import Policy
from drctl.deployment.rbac import group, readers


def standby_entries(policy: Policy) -> dict[str, Any]:
    """One entry a function, for the responder's own stack; the logical ids are those of Chalice's roles. None where the
    cluster stands in another account.
    """
    if not kube_rights(policy, "standby") or not _own(policy, "standby"):
        return {}
    return {
        f"{names.logical(name)}Access": _entry(
            policy, "standby", name, {"Fn::GetAtt": [f"{names.logical(name)}Role", "Arn"]}
        )
        for name in names.FUNCTIONS
    }


def template(policy: Policy, place: Where, actions: Mapping[str, Action] = ACTIONS) -> dict[str, Any] | None:
    """The stack of entries in a cluster's region and account; None when nothing is declared to be done in that cluster,
    and when the responder's own stack has them.
    """
    if not kube_rights(policy, place, actions) or (place == "standby" and _own(policy, place)):
        return None
    functions = [names.logical(function) for function in names.FUNCTIONS]
    role = {"Type": "String", "AllowedPattern": r"arn:[\w-]+:iam::\d{12}:role/.+"}
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"{policy.platform.display_name}: the responder's way into the {place} cluster",
        "Parameters": {f"{function}RoleArn": role for function in functions},
        "Resources": {
            f"{names.logical(name)}Access": _entry(policy, place, name, {"Ref": f"{names.logical(name)}RoleArn"})
            for name in names.FUNCTIONS
        },
    }


def _own(policy: Policy, place: Where) -> bool:
    return policy.platform.cluster(place).account in (None, policy.platform.account)


def _entry(policy: Policy, place: Where, name: str, role: dict[str, Any]) -> dict[str, Any]:
    return {
        "Type": "AWS::EKS::AccessEntry",
        "Properties": {
            "ClusterName": policy.platform.cluster(place).name,
            "PrincipalArn": role,
            "KubernetesGroups": [readers(policy) if name == names.READINESS else group(policy)],
            "Type": "STANDARD",
        },
    }
