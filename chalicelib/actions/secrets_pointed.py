"""Points the applications outside AWS at the database there: host and port in a Secret of each of their namespaces.

Only host and port are sent; user and password were put there beforehand, and stay (RFC 7386: what a merge patch does
not name it does not touch). Source: kubernetes.io/docs/reference/kubernetes-api/config-and-storage-resources/secret-v1/
(`data` holds base64).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final

from chalicelib.actions.contract import KubeOp, Op, Reader, Target
from chalicelib.actions.places import cluster_of, outage_of
from chalicelib.core.outcome import Act, Call, Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.policy import Policy

SECRETS: Final = "v1 secrets"
AGAIN: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Pointing:
    """The namespaces whose Secret is missing, and those whose Secret points elsewhere, with where it does."""

    missing: tuple[str, ...]
    elsewhere: Mapping[str, str]


class SecretsPointed:
    """One merge patch a namespace; what each Secret holds says whether it was done."""

    name: ClassVar[str] = "secrets-pointed"
    reads: ClassVar[tuple[Op, ...]] = (
        KubeOp(verb="get", group="", resource="secrets", where="tertiary", within="workloads"),
    )
    calls: ClassVar[tuple[Op, ...]] = (
        KubeOp(verb="patch", group="", resource="secrets", where="tertiary", within="workloads"),
    )

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Pointing | Refused | NoData:
        row, cluster = outage_of(policy).application_secret, cluster_of(target, policy)
        missing, elsewhere = [], {}
        for namespace in namespaces(policy):
            found = reader.kube(cluster.name, SECRETS, namespace=namespace, name=row.name)
            if isinstance(found, Refused | NoData):
                return found
            if not isinstance(found, Mapping):
                missing.append(namespace)
                continue
            held = found.get("data") or {}
            host, port = _text(held.get(row.host_key, "")), _text(held.get(row.port_key, ""))
            if (host, port) != _wanted(policy):
                elsewhere[namespace] = f"{host}:{port}"
        return Pointing(tuple(missing), elsewhere)

    def next(self, target: Target, policy: Policy, facts: Pointing | Refused | NoData, now: datetime) -> Next:
        row, cluster = outage_of(policy).application_secret, cluster_of(target, policy)
        match facts:
            case NoData(because=because):
                return Wait(because=f"{because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
            case Refused(because=because, code=code):
                return Stuck(because=f"{because} ({code})")
            case Pointing(missing=missing) if missing:
                said = f"Secret {row.name!r} is not there in {', '.join(missing)} of cluster {cluster.name!r}"
                return Stuck(because=f"{said}; create it with the database's user and password")
        host, port = _wanted(policy)
        if not facts.elsewhere:
            return Done(because=f"Secret {row.name!r} points at {host}:{port} in {', '.join(namespaces(policy))}")
        namespace, now_at = next(iter(facts.elsewhere.items()))
        call = Call(
            system="kubernetes",
            service=cluster.name,
            region=cluster.region,
            operation=f"patch {SECRETS}",
            params={
                "namespace": namespace,
                "name": row.name,
                "host": host,
                "port": port,
                "body": {"data": {row.host_key: _base64(host), row.port_key: _base64(port)}},
            },
            until=f"it points at {host}:{port}",
            reversible=True,
        )
        return Act(because=f"Secret {row.name!r} in {namespace!r} points at {now_at}, not at {host}:{port}", call=call)


def namespaces(policy: Policy) -> tuple[str, ...]:
    """Those of the workloads that lean on the database."""
    table, database = policy.services, policy.platform.database.service
    leaning = [s for s in table.in_order() if s.kind == "workload" and s.namespace and table.leans_on(s.name, database)]
    return tuple(dict.fromkeys(str(s.namespace) for s in leaning))


def _wanted(policy: Policy) -> tuple[str, str]:
    database = outage_of(policy).database
    return database.host, str(database.port)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _text(value: str) -> str:
    try:
        return base64.b64decode(value, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return "what is no text"
