"""Where a step's target stands: from the runbook's words to the policy's rows."""

from __future__ import annotations

from typing import Literal, cast

from chalicelib.actions.contract import Target
from chalicelib.core.bounds import NONE
from chalicelib.policy import Policy
from chalicelib.policy.outage import Outage
from chalicelib.policy.platform import Cluster, NodeGroup, Zone
from chalicelib.policy.services import Service


def cluster_of(target: Target, policy: Policy) -> Cluster:
    """The cluster that the step's `with: {cluster: …}` names; KeyError says which place has none."""
    return policy.platform.cluster(cast("Literal['primary', 'standby', 'tertiary']", target.params["cluster"]))


def node_group_of(target: Target, policy: Policy) -> NodeGroup:
    """The node group of that cluster; KeyError when policy gives it none."""
    cluster = cluster_of(target, policy)
    if cluster.node_group is None:
        raise KeyError(f"cluster {cluster.name!r} has no node_group in platform.yaml")
    return cluster.node_group


def zone_of(target: Target, policy: Policy) -> Zone | None:
    """The zone that the incident is about; None when its scope names none that policy knows."""
    region, _, name = target.scope.partition("/")
    zones = policy.platform.zones
    return zones.named(name) if zones and region == policy.platform.regions.primary else None


def service_of(target: Target, policy: Policy) -> Service:
    """The service that the step's `with: {service: …}` names."""
    return policy.service(target.params["service"])


def namespace_of(service: Service) -> str:
    """Its namespace; KeyError when policy gives it none."""
    if service.namespace is None:
        raise KeyError(f"service {service.name!r} has no namespace in services.yaml")
    return service.namespace


def outage_of(policy: Policy) -> Outage:
    """What carries the platform outside AWS; KeyError when policy names nothing."""
    if policy.platform.outage is None:
        raise KeyError("the platform has no outage in platform.yaml: nothing outside AWS carries it")
    return policy.platform.outage


def until_of(target: Target) -> str:
    """The moment after which no copy is taken, as a choice is kept; '' where there is no bound."""
    return target.params.get("until", NONE).removeprefix(NONE)


def token_of(target: Target, *parts: str) -> str:
    """A name or token that is the same for every worker: for the incident, the step and what it is about."""
    import hashlib  # here, so that pure modules that only need places stay light

    return hashlib.sha256("/".join((target.incident, target.step, *parts)).encode()).hexdigest()
