"""Amazon EKS: clusters with managed node groups that can be scaled, and nodes that take their time.

What is behind `endpoint` is another neighbour's; it asks `nodes(cluster)` how many nodes there are now.

Sources, named below by their short names:
- *api*: docs.aws.amazon.com/eks/latest/APIReference (the operations; errors and statuses are of botocore's description)
- *scaling*: …/APIReference/API_NodegroupScalingConfig.html
- *observed*: messages of real answers, quoted in the public threads terraform-aws-modules/terraform-aws-eks#3306,
  #3521 and #3683
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from drctl.neighbours.aws import DEFAULT_ACCOUNT, AwsError
from drctl.neighbours.eks_access import Entries
from drctl.neighbours.kubernetes.rbac import User
from drctl.neighbours.sts_token import Identity

UPDATE_TAKES: Final = timedelta(seconds=15)
"""Real time until an update is `Successful`: the group has been told its size. Nodes come later."""
NODES_TAKE: Final = timedelta(seconds=90)
"""Real time from the update to nodes that are Ready, or are gone."""
SIZES: Final = {"minSize": "MinSize", "maxSize": "MaxSize", "desiredSize": "DesiredSize"}
"""Scaling settings → how an update names them (*api*, UpdateParam)."""


@dataclass(slots=True)
class Update:
    """One UpdateNodegroupConfig."""

    id: str
    token: str
    params: dict[str, str]
    created_at: datetime
    ends_at: datetime

    def shown(self, now: datetime) -> dict[str, Any]:
        return {
            "id": self.id,
            "status": "Successful" if now >= self.ends_at else "InProgress",
            "type": "ConfigUpdate",
            "params": [{"type": kind, "value": value} for kind, value in self.params.items()],
            "createdAt": self.created_at,
            "errors": [],
        }


@dataclass(slots=True)
class Nodegroup:
    """`sizes` has minSize, desiredSize and maxSize. `coming` are (when, how many nodes there are from then on).
    `issues` are those of its health, as EKS names them: `code`, `message` and `resourceIds`
    (https://docs.aws.amazon.com/eks/latest/APIReference/API_Issue.html).
    """

    name: str
    sizes: dict[str, int]
    created_at: datetime
    modified_at: datetime
    nodes: int
    coming: list[tuple[datetime, int]] = field(default_factory=list)
    updates: list[Update] = field(default_factory=list)
    issues: list[dict[str, Any]] = field(default_factory=list)

    def updating(self, now: datetime) -> bool:
        return any(now < update.ends_at for update in self.updates)


@dataclass(slots=True)
class Cluster:
    """`certificate` is the certificate authority's PEM in base64, as DescribeCluster gives it."""

    account: str
    region: str
    name: str
    endpoint: str
    certificate: str
    version: str
    created_at: datetime
    nodegroups: dict[str, Nodegroup] = field(default_factory=dict)
    access: Entries = field(init=False)

    def __post_init__(self) -> None:
        self.access = Entries(self.name, self.arn)

    @property
    def arn(self) -> str:
        return f"arn:aws:eks:{self.region}:{self.account}:cluster/{self.name}"


class Eks:
    """The model: no timer; `clock` gives aware UTC, `speed` divides how long updates and nodes take.

    `on_nodes(cluster, n)` is told of every change of a cluster's number of nodes, by whoever asks first after it.
    """

    def __init__(
        self,
        clock: Callable[[], datetime],
        speed: float = 1.0,
        *,
        on_nodes: Callable[[str, int], None] = lambda _cluster, _n: None,
    ) -> None:
        self.clock = clock
        self.speed = speed
        self.on_nodes = on_nodes
        self._clusters: list[Cluster] = []

    # What the local world does to it

    def add(
        self,
        region: str,
        name: str,
        *,
        endpoint: str,
        certificate: str,
        nodegroups: Mapping[str, tuple[int, int, int]],
        account: str = DEFAULT_ACCOUNT,
        version: str = "1.34",
    ) -> None:
        """A cluster that is there from the start. `nodegroups` are name → (min, desired, max), with all nodes Ready."""
        now = self.clock()
        cluster = Cluster(account, region, name, endpoint, certificate, version, now)
        for group, (least, desired, most) in nodegroups.items():
            sizes = {"minSize": least, "desiredSize": desired, "maxSize": most}
            _refuse_sizes(sizes)
            cluster.nodegroups[group] = Nodegroup(group, sizes, now, now, desired)
        self._clusters.append(cluster)

    def nodegroup(self, cluster: str, name: str) -> Nodegroup:
        """The group itself, for whoever makes it ill; KeyError when there is none."""
        return next(c for c in self._clusters if c.name == cluster).nodegroups[name]

    def nodes(self, cluster: str) -> int:
        """How many nodes of the cluster are Ready now. KeyError for a cluster that was never added."""
        self.settle()
        found = [c for c in self._clusters if c.name == cluster]
        if not found:
            raise KeyError(f"there is no cluster {cluster!r}")
        return _nodes(found[0])

    def user(self, cluster: str, identity: Identity) -> User | None:
        """Whom a cluster takes an IAM identity for, by its access entries."""
        return next((c.access.user(identity) for c in self._clusters if c.name == cluster), None)

    def settle(self) -> None:
        """Lets nodes come and go whose time has come. All operations begin with it."""
        now = self.clock()
        for cluster in self._clusters:
            before = _nodes(cluster)
            for group in cluster.nodegroups.values():
                while group.coming and group.coming[0][0] <= now:
                    group.nodes = group.coming.pop(0)[1]
            if _nodes(cluster) != before:
                self.on_nodes(cluster.name, _nodes(cluster))

    # EKS's operations

    def describe_cluster(self, region: str, account: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """DescribeCluster, or ResourceNotFoundException."""
        self.settle()
        cluster = self._cluster(region, account, params["name"])
        return {
            "cluster": {
                "name": cluster.name,
                "arn": cluster.arn,
                "createdAt": cluster.created_at,
                "version": cluster.version,
                "endpoint": cluster.endpoint,
                "status": "ACTIVE",
                "certificateAuthority": {"data": cluster.certificate},
                "identity": {"oidc": {"issuer": issuer(cluster.region, cluster.name)}},
                "platformVersion": "eks.1",
                "tags": {},
            }
        }

    def create_access_entry(self, region: str, account: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """CreateAccessEntry; what is refused is in eks_access.py."""
        return self._cluster(region, account, params["clusterName"]).access.create(params, self.clock())

    def describe_access_entry(self, region: str, account: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """DescribeAccessEntry."""
        return self._cluster(region, account, params["clusterName"]).access.describe(params["principalArn"])

    def list_access_entries(self, region: str, account: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """ListAccessEntries, in one page."""
        return {"accessEntries": sorted(self._cluster(region, account, params["clusterName"]).access.kept)}

    def delete_access_entry(self, region: str, account: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """DeleteAccessEntry."""
        return self._cluster(region, account, params["clusterName"]).access.delete(params["principalArn"])

    def list_nodegroups(self, region: str, account: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """ListNodegroups, in one page."""
        self.settle()
        return {"nodegroups": sorted(self._cluster(region, account, params["clusterName"]).nodegroups)}

    def describe_nodegroup(self, region: str, account: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """DescribeNodegroup. It is ACTIVE again when its update is over, whether or not the nodes are there."""
        self.settle()
        cluster = self._cluster(region, account, params["clusterName"])
        group = _nodegroup(cluster, params["nodegroupName"])
        return {
            "nodegroup": {
                "nodegroupName": group.name,
                "nodegroupArn": f"{cluster.arn.replace(':cluster/', ':nodegroup/')}/{group.name}/0",
                "clusterName": cluster.name,
                "version": cluster.version,
                "createdAt": group.created_at,
                "modifiedAt": group.modified_at,
                "status": "UPDATING" if group.updating(self.clock()) else "ACTIVE",
                "capacityType": "ON_DEMAND",
                "scalingConfig": dict(group.sizes),
                "instanceTypes": ["m7g.large"],
                "health": {"issues": [dict(issue) for issue in group.issues]},
            }
        }

    def update_nodegroup_config(self, region: str, account: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """UpdateNodegroupConfig; of the settings only `scalingConfig` is kept here, and what it leaves out stays.
        Repeating it with the same `clientRequestToken` gives the same update and changes nothing (*api*).
        """
        self.settle()
        now = self.clock()
        cluster = self._cluster(region, account, params["clusterName"])
        group = _nodegroup(cluster, params["nodegroupName"])
        token = params.get("clientRequestToken") or str(uuid.uuid4())
        same = next((u for u in group.updates if u.token == token), None)
        if same is not None:
            return {"update": same.shown(now)}
        if group.updating(now):
            raise AwsError(
                "ResourceInUseException",
                "Nodegroup cannot be updated as it is currently not in Active State",
                clusterName=cluster.name,
                nodegroupName=group.name,
            )
        asked = params.get("scalingConfig") or {}
        sizes = group.sizes | asked
        _refuse_sizes(sizes, clusterName=cluster.name, nodegroupName=group.name)
        named = {SIZES[name]: str(value) for name, value in asked.items()}
        # From the token, so that the same story gives the same ids.
        made = Update(str(uuid.uuid5(uuid.NAMESPACE_URL, token)), token, named, now, now + UPDATE_TAKES / self.speed)
        group.updates.append(made)
        group.modified_at = now
        group.sizes = sizes
        group.coming.append((now + NODES_TAKE / self.speed, sizes["desiredSize"]))
        return {"update": made.shown(now)}

    def describe_update(self, region: str, account: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """DescribeUpdate of a node group; one of the cluster itself does not exist here."""
        self.settle()
        cluster = self._cluster(region, account, params["name"])
        group = _nodegroup(cluster, params["nodegroupName"]) if "nodegroupName" in params else None
        found = next((u for u in group.updates if u.id == params["updateId"]), None) if group is not None else None
        if found is None:
            message = f"No update found for ID: {params['updateId']}"
            raise AwsError("ResourceNotFoundException", message, clusterName=cluster.name)
        return {"update": found.shown(self.clock())}

    def _cluster(self, region: str, account: str, name: str) -> Cluster:
        there = (c for c in self._clusters if (c.region, c.account) == (region, account))
        found = next((c for c in there if c.name == name), None)
        if found is None:
            raise AwsError("ResourceNotFoundException", f"No cluster found for name: {name}.", clusterName=name)
        return found


def issuer(region: str, name: str) -> str:
    """Who issues the tokens of a cluster's service accounts
    (docs.aws.amazon.com/eks/latest/userguide/enable-iam-roles-for-service-accounts.html).
    """
    return f"https://oidc.eks.{region}.amazonaws.com/id/{uuid.uuid5(uuid.NAMESPACE_URL, name).hex.upper()}"


def _nodes(cluster: Cluster) -> int:
    return sum(group.nodes for group in cluster.nodegroups.values())


def _nodegroup(cluster: Cluster, name: str) -> Nodegroup:
    if name not in cluster.nodegroups:
        message = f"No node group found for name: {name}."
        raise AwsError("ResourceNotFoundException", message, clusterName=cluster.name, nodegroupName=name)
    return cluster.nodegroups[name]


def _refuse_sizes(sizes: Mapping[str, int], **members: str) -> None:
    """*scaling*: minimum <= desired <= maximum, and the maximum is at least 1."""
    least, desired, most = sizes["minSize"], sizes["desiredSize"], sizes["maxSize"]
    if least > desired:
        message = f"Minimum capacity {least} can't be greater than desired size {desired}"
        raise AwsError("InvalidParameterException", message, **members)
    if desired > most:
        message = f"desired capacity {desired} can't be greater than max size {most}"
        raise AwsError("InvalidParameterException", message, **members)
