"""The responder's rights in the local world: the generated manifests in its clusters, its roles' access entries, what
its deployed roles hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any

from chalicelib import names
from chalicelib.actions.contract import Where
from chalicelib.actions.rights import PLACES
from chalicelib.policy import Policy
from drctl.deployment import access, rbac
from drctl.neighbours.kubernetes.api import KubeApi, seed
from drctl.neighbours.sts import Key
from drctl.world.iam import Principal
from drctl.world.seeds import Clients


def grant(api: KubeApi, policy: Policy, place: Where) -> None:
    """Applies the manifests, as `kubectl apply -f` does."""
    seed(api, rbac.manifests(policy, place))


def deployed(policy: Policy) -> Iterator[tuple[str, str]]:
    """(region, name) of every function: the responder's, and the heart and the witness beside it."""
    regions = policy.platform.regions
    yield from ((policy.platform.responder.region, name) for name in names.FUNCTIONS)
    yield from ((regions.primary, names.HEART), (regions.witness, names.WITNESS))


def roles(clients: Clients, policy: Policy) -> dict[str, str]:
    """The deployed functions' roles: logical id of the function → ARN."""
    return {
        names.logical(name): _configuration(clients, policy, region, name)["Role"] for region, name in deployed(policy)
    }


def keys(clients: Clients, policy: Policy) -> tuple[Key, ...]:
    """What each deployed function signs with, as its role: MiniStack makes these of the two ARNs
    (`execution_credentials` of its core/lambda_runtime.py).
    """
    return tuple(_key(_configuration(clients, policy, region, name)) for region, name in deployed(policy))


def _configuration(clients: Clients, policy: Policy, region: str, name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = clients("lambda", region).get_function_configuration(
        FunctionName=names.function(policy, name)
    )
    return found


def _key(function: Mapping[str, Any]) -> Key:
    session, role = function["FunctionName"], function["Role"]
    account, name = role.split(":")[4], role.rpartition("/")[2]
    digest = sha256(f"{function['FunctionArn']}:{role}".encode()).hexdigest()
    return Key(
        access_key=f"ASIA{digest[:16].upper()}",
        secret=sha256(f"secret:{digest}".encode()).hexdigest(),
        token=sha256(f"token:{digest}".encode()).hexdigest(),
        arn=f"arn:aws:sts::{account}:assumed-role/{name}/{session}",
        user_id=f"{name}:{session}",
    )


def principals(clients: Clients, policy: Policy, held: Mapping[str, str]) -> dict[tuple[str, str], Principal]:
    """Each function as IAM sees it, with its role's policies as they are deployed; `held` is what `roles` gives."""
    iam, platform = clients("iam", policy.platform.responder.region), policy.platform
    found = {}
    for region, name in deployed(policy):
        role = held[names.logical(name)].rpartition("/")[2]
        inline = iam.list_role_policies(RoleName=role)["PolicyNames"]
        documents = tuple(iam.get_role_policy(RoleName=role, PolicyName=p)["PolicyDocument"] for p in inline)
        arn = f"arn:aws:sts::{platform.account}:assumed-role/{role}/{names.function(policy, name)}"
        found[region, names.logical(name)] = Principal(arn, documents)
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
    template = access.template(policy, place) or {"Resources": access.standby_entries(policy)}
    found: dict[str, Any] | None = template["Resources"].get(f"{function}Access")
    return found["Properties"] if found else None
