"""The responder's rights in the local world: the generated manifests in its clusters, its roles' access entries, what
its deployed roles hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib import names
from chalicelib.actions.contract import Where
from chalicelib.actions.rights import PLACES
from chalicelib.policy import Policy
from drctl.deployment import access, rbac
from drctl.neighbours.kubernetes.api import KubeApi, seed
from drctl.world.iam import Principal
from drctl.world.seeds import Clients


def grant(api: KubeApi, policy: Policy, place: Where) -> None:
    """Applies the manifests, as `kubectl apply -f` does."""
    seed(api, rbac.manifests(policy, place))


def roles(clients: Clients, policy: Policy) -> dict[str, str]:
    """The deployed functions' roles: logical id of the function → ARN."""
    found = clients("lambda", policy.platform.responder.region)
    return {
        names.logical(name): found.get_function_configuration(FunctionName=names.function(policy, name))["Role"]
        for name in names.FUNCTIONS
    }


def principals(clients: Clients, policy: Policy, held: Mapping[str, str]) -> dict[tuple[str, str], Principal]:
    """Each function as IAM sees it, with its role's policies as they are deployed; `held` is what `roles` gives."""
    iam, platform = clients("iam", policy.platform.responder.region), policy.platform
    found = {}
    for name in names.FUNCTIONS:
        role = held[names.logical(name)].rpartition("/")[2]
        inline = iam.list_role_policies(RoleName=role)["PolicyNames"]
        documents = tuple(iam.get_role_policy(RoleName=role, PolicyName=p)["PolicyDocument"] for p in inline)
        arn = f"arn:aws:sts::{platform.account}:assumed-role/{role}/{names.function(policy, name)}"
        found[platform.responder.region, names.logical(name)] = Principal(arn, documents)
    return found


def let_in(clients: Clients, policy: Policy, roles: Mapping[str, str]) -> None:
    """Makes the access entries of the templates; `roles` are the functions' roles, logical id of the function → ARN."""
    for place in PLACES:
        cluster = policy.platform.cluster(place)
        for function in map(names.logical, names.FUNCTIONS):
            if entry := _entry(policy, place, function):
                clients("eks", cluster.region).create_access_entry(
                    clusterName=entry["ClusterName"],
                    principalArn=roles[function],
                    kubernetesGroups=entry["KubernetesGroups"],
                    type=entry["Type"],
                )


def _entry(policy: Policy, place: Where, function: str) -> dict[str, Any] | None:
    template = access.primary_template(policy) if place == "primary" else {"Resources": access.standby_entries(policy)}
    found: dict[str, Any] | None = (template or {"Resources": {}})["Resources"].get(f"{function}Access")
    return found["Properties"] if found else None
