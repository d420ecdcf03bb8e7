"""Who a function is in a cluster: its role's access entry, and the group by which RBAC knows it.

An entry stands in its cluster's region, so the standby's are part of the responder's stack, and the primary's are a
template of their own that is given the roles. The cluster must allow access entries: its authentication mode is `API`
or `API_AND_CONFIG_MAP`.
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-eks-accessentry.html
https://docs.aws.amazon.com/eks/latest/userguide/access-entries.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib import names
from chalicelib.actions.contract import Action, Where
from chalicelib.actions.registry import ACTIONS
from chalicelib.actions.rights import kube_rights
from chalicelib.policy import Policy
from drctl.deployment.rbac import group


def standby_entries(policy: Policy) -> dict[str, Any]:
    """One entry a function, for the responder's own stack; the logical ids are those of Chalice's roles."""
    if not kube_rights(policy, "standby"):
        return {}
    return {
        f"{function}Access": _entry(policy, "standby", {"Fn::GetAtt": [f"{function}Role", "Arn"]})
        for function in map(names.logical, names.FUNCTIONS)
    }


def primary_template(policy: Policy, actions: Mapping[str, Action] = ACTIONS) -> dict[str, Any] | None:
    """The stack of entries in the primary's region; None when nothing is declared to be done in that cluster."""
    if not kube_rights(policy, "primary", actions):
        return None
    functions = [names.logical(function) for function in names.FUNCTIONS]
    role = {"Type": "String", "AllowedPattern": r"arn:[\w-]+:iam::\d{12}:role/.+"}
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"{policy.platform.display_name}: the responder's way into the primary cluster",
        "Parameters": {f"{function}RoleArn": role for function in functions},
        "Resources": {
            f"{function}Access": _entry(policy, "primary", {"Ref": f"{function}RoleArn"}) for function in functions
        },
    }


def _entry(policy: Policy, place: Where, role: dict[str, Any]) -> dict[str, Any]:
    return {
        "Type": "AWS::EKS::AccessEntry",
        "Properties": {
            "ClusterName": policy.platform.cluster(place).name,
            "PrincipalArn": role,
            "KubernetesGroups": [group(policy)],
            "Type": "STANDARD",
        },
    }
