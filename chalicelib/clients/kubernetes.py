"""Kubernetes through lightkube, with an EKS bearer token made from a presigned STS request.

Every write is sent with `fieldValidation=Strict`: otherwise an API server prunes a misspelled field and answers 201.
Token: https://docs.aws.amazon.com/eks/latest/userguide/cluster-auth.html; its form is aws-iam-authenticator's
(`k8s-aws-v1.` and the presigned GetCallerIdentity URL, base64url without padding, signed with `x-k8s-aws-id`, 60 s).
Signing is local: no call to STS is made here, and the regional endpoint is the one named.
"""

from __future__ import annotations

import base64
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from threading import Lock
from typing import Any, Final, Protocol

import httpx2
from botocore.signers import RequestSigner
from lightkube import ApiError, Client, KubeConfig
from lightkube.config.models import Cluster, User
from lightkube.generic_resource import create_global_resource, create_namespaced_resource
from lightkube.types import PatchType

from chalicelib.clients.aws import AwsClients, read
from chalicelib.core.outcome import Doubtful, Made, NoData, Outcome, Refused
from chalicelib.policy.platform import Cluster as PolicyCluster

TIMEOUT: Final = httpx2.Timeout(4.0, connect=2.0)
TOKEN_LIVES: Final = timedelta(minutes=10)
"""A token is good for 15 minutes; a new one costs nothing."""

_KINDS: Final = {
    "velero.io/v1 backups": "Backup",
    "velero.io/v1 restores": "Restore",
    "velero.io/v1 schedules": "Schedule",
    "velero.io/v1 backupstoragelocations": "BackupStorageLocation",
    "apps/v1 deployments": "Deployment",
    "batch/v1 jobs": "Job",
    "v1 nodes": "Node",
    "v1 namespaces": "Namespace",
    "v1 persistentvolumes": "PersistentVolume",
    "v1 pods": "Pod",
    "v1 configmaps": "ConfigMap",
    "v1 events": "Event",
    "v1 secrets": "Secret",
    "v1 serviceaccounts": "ServiceAccount",
    "v1 persistentvolumeclaims": "PersistentVolumeClaim",
    "policy/v1 poddisruptionbudgets": "PodDisruptionBudget",
    "networking.k8s.io/v1 networkpolicies": "NetworkPolicy",
    "storage.k8s.io/v1 storageclasses": "StorageClass",
    "storage.k8s.io/v1 csidrivers": "CSIDriver",
    "storage.k8s.io/v1 volumeattachments": "VolumeAttachment",
    "karpenter.sh/v1 nodeclaims": "NodeClaim",
    "karpenter.sh/v1 nodepools": "NodePool",
    "argoproj.io/v1alpha1 applications": "Application",
    "argoproj.io/v1alpha1 rollouts": "Rollout",
    "external-secrets.io/v1 externalsecrets": "ExternalSecret",
    "authorization.k8s.io/v1 selfsubjectaccessreviews": "SelfSubjectAccessReview",
    "authentication.k8s.io/v1 selfsubjectreviews": "SelfSubjectReview",
}
_REGISTERING: Final = Lock()
STATUS: Final = "/status"
_REVIEWS: Final = "authorization.k8s.io/v1 selfsubjectaccessreviews"
_WHOAMI: Final = "authentication.k8s.io/v1 selfsubjectreviews"
_CLUSTER_WIDE: Final = frozenset(
    {
        "v1 nodes",
        "v1 namespaces",
        "v1 persistentvolumes",
        "storage.k8s.io/v1 storageclasses",
        "storage.k8s.io/v1 csidrivers",
        "storage.k8s.io/v1 volumeattachments",
        "karpenter.sh/v1 nodeclaims",
        "karpenter.sh/v1 nodepools",
        _REVIEWS,
        _WHOAMI,
    }
)


@dataclass(frozen=True, slots=True)
class Found:
    """A client, and until when its token is good."""

    client: Client
    until: datetime


class Clusters(Protocol):
    """Who can speak to the platform's clusters, by their names."""

    def client(self, cluster: str) -> Client | Refused | NoData:
        """The cluster's client; NoData when nobody can say where it is."""
        ...

    def afresh(self) -> Clusters:
        """The same, without what it has found out: for whoever wants to know that it still can be."""
        ...

    def forget(self, cluster: str) -> None:
        """Gets a new token when it is asked next: the server does not take this one."""
        ...


class KubeClients:
    """One client a cluster. `transport` gives a test's own transport for a cluster's name, or None."""

    def __init__(
        self,
        aws: AwsClients,
        clusters: Sequence[PolicyCluster],
        *,
        now: Callable[[], datetime],
        transport: Callable[[str], httpx2.BaseTransport] | None = None,
    ) -> None:
        self._aws = aws
        self._clusters = {c.name: c for c in clusters}
        self._now = now
        self._transport = transport
        self._found: dict[str, Found] = {}
        self._lock = Lock()

    def afresh(self) -> KubeClients:
        """The same, without what it has found out: for whoever wants to know that it still can be."""
        return KubeClients(self._aws, tuple(self._clusters.values()), now=self._now, transport=self._transport)

    def forget(self, cluster: str) -> None:
        """Signs a new token when it is asked next: the server does not take this one."""
        with self._lock:
            self._found.pop(cluster, None)

    def client(self, cluster: str) -> Client | Refused | NoData:
        """The cluster's client; NoData when EKS does not say where it is."""
        with self._lock:
            known = self._found.get(cluster)
            if known and self._now() < known.until:
                return known.client
            where = self._clusters.get(cluster)
            if where is None:
                said = "cluster {!r} is reached from an operator's machine only (`drctl respond --offline`)"
                return NoData(because=said.format(cluster))
            described = read(self._aws, "eks", where.region, "describe_cluster", {"name": cluster})
            if not isinstance(described, Mapping):
                return described
            client = self._connect(where, described["cluster"])
            self._found[cluster] = Found(client, self._now() + TOKEN_LIVES)
            return client

    def _connect(self, where: PolicyCluster, described: Mapping[str, Any]) -> Client:
        config = KubeConfig.from_one(
            cluster=Cluster(
                server=described["endpoint"],
                certificate_auth_data=described["certificateAuthority"]["data"],
            ),
            user=User(token=token(self._aws, where.name, where.region)),
            context_name=where.name,
            namespace="default",
        )
        if self._transport:
            return Client(config, transport=StrictTransport(self._transport(where.name)), timeout=TIMEOUT)
        authority = base64.b64decode(described["certificateAuthority"]["data"]).decode()
        context = ssl.create_default_context(cadata=authority)
        return Client(
            config,
            transport=StrictTransport(httpx2.HTTPTransport(verify=context)),
            timeout=TIMEOUT,
            trust_env=False,
        )


class StrictTransport(httpx2.BaseTransport):
    """Adds `fieldValidation=Strict` to every request that writes."""

    def __init__(self, inner: httpx2.BaseTransport) -> None:
        self._inner = inner

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.method in ("POST", "PUT", "PATCH"):
            request.url = request.url.copy_merge_params({"fieldValidation": "Strict"})
        return self._inner.handle_request(request)

    def close(self) -> None:
        self._inner.close()


def token(aws: AwsClients, cluster: str, region: str) -> str:
    """A bearer token for an EKS cluster, signed with the session's credentials."""
    session = aws.session
    client = aws.reading("sts", region)
    signer = RequestSigner(
        client.meta.service_model.service_id,
        region,
        "sts",
        "v4",
        session.get_credentials(),
        session.events,
    )
    url = signer.generate_presigned_url(
        {
            "method": "GET",
            "url": f"https://sts.{region}.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15",
            "body": {},
            "headers": {"x-k8s-aws-id": cluster},
            "context": {},
        },
        region_name=region,
        expires_in=60,
        operation_name="",
    )
    return "k8s-aws-v1." + base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")


def look(
    clients: Clusters, cluster: str, resource: str, *, namespace: str | None, name: str | None, label: str | None
) -> Mapping[str, Any] | Sequence[Mapping[str, Any]] | Refused | NoData | None:
    """One read: an object, None for 404, or a list. A token that is not taken (any more) is signed anew, once."""
    found = _look(clients, cluster, resource, namespace, name, label)
    if isinstance(found, Refused) and found.code == "Unauthorized":
        clients.forget(cluster)
        found = _look(clients, cluster, resource, namespace, name, label)
    return found


def _look(
    clients: Clusters, cluster: str, resource: str, namespace: str | None, name: str | None, label: str | None
) -> Mapping[str, Any] | Sequence[Mapping[str, Any]] | Refused | NoData | None:
    client = clients.client(cluster)
    if not isinstance(client, Client):
        return client
    kind = _resource(resource)
    try:
        if name is not None:
            return _plain(client.get(kind, name=name, namespace=namespace))
        # lightkube's own selector is a mapping; ours is policy's text.
        labels: Any = dict(part.split("=", 1) for part in label.split(",")) if label else None
        if resource in _CLUSTER_WIDE:
            return [_plain(found) for found in client.list(kind, labels=labels)]
        return [_plain(found) for found in client.list(kind, namespace=namespace or "*", labels=labels)]
    except ApiError as error:
        return None if error.status.code == 404 and name is not None else _read_failed(cluster, resource, error)
    except httpx2.HTTPStatusError as error:
        # lightkube raises this when an error answer is no Status object. The server's 404 for a path that it does not
        # serve is plain text: https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-uris
        if error.response.status_code == 404:
            return Refused(code="NotServed", because=f"cluster {cluster!r} serves no {resource}")
        return NoData(because=f"{resource} in cluster {cluster!r}: HTTP {error.response.status_code} without a Status")
    except httpx2.HTTPError as error:
        return NoData(because=f"{resource} in cluster {cluster!r} was not answered: {type(error).__name__}: {error}")


def may(clients: Clusters, cluster: str, asked: Mapping[str, str]) -> Mapping[str, Any] | Refused | NoData:
    """What the cluster says to `asked` (verb, group, resource, namespace) of the caller itself: the review's `status`.
    It is a POST that keeps nothing: every authenticated caller may.
    https://kubernetes.io/docs/reference/kubernetes-api/authorization-resources/self-subject-access-review-v1/
    """
    client = clients.client(cluster)
    if not isinstance(client, Client):
        return client
    kind = _resource(_REVIEWS)
    try:
        said = client.create(kind({"metadata": {}, "spec": {"resourceAttributes": dict(asked)}}))
    except ApiError as error:
        return _read_failed(cluster, "access review", error)
    except httpx2.HTTPStatusError as error:
        return NoData(because=f"access review in cluster {cluster!r}: HTTP {error.response.status_code} and no Status")
    except httpx2.HTTPError as error:
        return NoData(because=f"access review in cluster {cluster!r} was not answered: {type(error).__name__}: {error}")
    status: Mapping[str, Any] = _plain(said)["status"]
    return status


def whoami(clients: Clusters, cluster: str) -> str | Refused | NoData:
    """The name under which the cluster knows the caller. A POST that keeps nothing; every authenticated caller may.
    A token that is not taken (any more) is got anew, once.
    https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/self-subject-review-v1/
    """
    found = _whoami(clients, cluster)
    if isinstance(found, Refused) and found.code == "Unauthorized":
        clients.forget(cluster)
        found = _whoami(clients, cluster)
    return found


def _whoami(clients: Clusters, cluster: str) -> str | Refused | NoData:
    client = clients.client(cluster)
    if not isinstance(client, Client):
        return client
    kind = _resource(_WHOAMI)
    try:
        said = client.create(kind({"metadata": {}}))
    except ApiError as error:
        return _read_failed(cluster, "self review", error)
    except httpx2.HTTPStatusError as error:
        return NoData(because=f"self review in cluster {cluster!r}: HTTP {error.response.status_code} and no Status")
    except httpx2.HTTPError as error:
        return NoData(because=f"self review in cluster {cluster!r} was not answered: {type(error).__name__}: {error}")
    return str(_plain(said)["status"]["userInfo"]["username"])


def _read_failed(cluster: str, resource: str, error: ApiError) -> Refused | NoData:
    reason = error.status.reason or "Unknown"
    because = f"{resource} in cluster {cluster!r}: {error.status.message}"
    if (error.status.code or 500) >= 500 or error.status.code == 429:
        return NoData(because=f"{because} ({reason})")
    return Refused(code=reason, because=because)


def change(clients: Clusters, cluster: str, operation: str, params: Mapping[str, Any], *, until: str) -> Outcome:
    """One write: `operation` is `create|patch|delete <apiVersion> <plural>`, `params` name, namespace and body. After
    the plural may stand `/status`: then that is what is patched.
    """
    verb, resource = operation.split(" ", 1)
    client = clients.client(cluster)
    name = f"kubernetes {operation} {params.get('name')!r} in cluster {cluster!r}"
    if not isinstance(client, Client):
        return Refused(code="Unreachable", because=f"{name} was not reached: {client.because}")
    kind = _resource(resource.removesuffix(STATUS))
    kind = kind.Status if resource.endswith(STATUS) else kind
    where = params.get("namespace")
    try:
        match verb:
            case "create":
                client.create(kind(dict(params["body"])), namespace=where)
            case "patch":
                client.patch(kind, params["name"], params["body"], namespace=where, patch_type=PatchType.MERGE)
            case "delete":
                client.delete(kind, params["name"], namespace=where)
            case _:
                raise ValueError(f"operation {operation!r} begins with {verb!r}; allowed: create, patch, delete")
    except ApiError as error:
        reason = error.status.reason or "Unknown"
        if reason == "AlreadyExists":
            return Made(because=f"{name} was there already; done when {until}")
        if (error.status.code or 500) >= 500:
            return Doubtful(because=f"{name} broke: {error.status.message} ({reason})")
        return Refused(code=reason, because=f"{name} was refused: {error.status.message}")
    except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
        return Refused(code="Unreachable", because=f"{name} was not reached: {error}")
    except httpx2.HTTPError as error:
        return Doubtful(because=f"{name} was not answered: {type(error).__name__}: {error}")
    return Made(because=f"{name} was accepted; done when {until}")


@cache
def _registered(resource: str) -> Any:
    version, plural = resource.split(" ")
    group, _, name = version.rpartition("/")
    make = create_global_resource if resource in _CLUSTER_WIDE else create_namespaced_resource
    return make(group, name, _KINDS.get(resource, plural.title()), plural)


def _resource(resource: str) -> Any:
    # lightkube registers each kind once, and refuses a second; looks run side by side.
    with _REGISTERING:
        return _registered(resource)


def _plain(found: Any) -> Mapping[str, Any]:
    plain: Mapping[str, Any] = found.to_dict()
    return plain
