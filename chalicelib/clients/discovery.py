"""What a Kubernetes API server serves, asked as kubectl asks: `/apis/<group>/<version>`, and `/api/v1` for the core.

Every authenticated caller may (ClusterRole `system:discovery`), so it needs no right of the responder's own.
https://kubernetes.io/docs/concepts/overview/kubernetes-api/#discovery-api
https://kubernetes.io/docs/reference/access-authn-authz/rbac/#discovery-roles
"""

from __future__ import annotations

from typing import Any

import httpx2
from lightkube import Client

from chalicelib.clients.kubernetes import Clusters
from chalicelib.core.outcome import NoData, Refused


def served(clusters: Clusters, cluster: str, version: str) -> frozenset[str] | Refused | NoData:
    """The plurals that the cluster serves of a group's version (`apps/v1`, `v1`); empty when it has no such version. A
    token that is not taken (any more) is got anew, once.
    """
    found = _served(clusters, cluster, version)
    if isinstance(found, Refused) and found.code == "Unauthorized":
        clusters.forget(cluster)
        found = _served(clusters, cluster, version)
    return found


def _served(clusters: Clusters, cluster: str, version: str) -> frozenset[str] | Refused | NoData:
    client = clusters.client(cluster)
    if not isinstance(client, Client):
        return client
    path = f"/apis/{version}" if "/" in version else f"/api/{version}"
    try:
        # lightkube knows resources and no other path; below it is the client that holds server, authority and token.
        answer: Any = client._client._client.get(path)  # noqa: SLF001
    except httpx2.HTTPError as error:
        return NoData(because=f"{path} in cluster {cluster!r} was not answered: {type(error).__name__}: {error}")
    match answer.status_code:
        case 200:
            listed = answer.json().get("resources") or ()
            return frozenset(str(row["name"]) for row in listed if "/" not in row["name"])
        case 404:
            return frozenset()
        case 401 | 403:
            code = "Unauthorized" if answer.status_code == 401 else "Forbidden"
            return Refused(code=code, because=f"{path} in cluster {cluster!r} is refused")
        case status:
            return NoData(because=f"{path} in cluster {cluster!r}: HTTP {status}")
