"""Makes External Secrets fetch again now, every ExternalSecret of the services' namespaces or of those that were
chosen, and waits until each has.

A changed annotation is what forces it; its interval may be an hour. What the store holds is not judged here: one that
cannot be fetched keeps its Secret as it was, and is Stuck in the operator's own words. Sources:
https://external-secrets.io/latest/introduction/faq/ (force-sync), https://external-secrets.io/latest/api/externalsecret/
(refreshTime, the condition Ready).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from chalicelib.actions.contract import KubeOp, Op, Reader, Target
from chalicelib.actions.places import cluster_of, token_of
from chalicelib.core.bounds import ALL, NONE, listed, namespaces
from chalicelib.core.outcome import Act, Call, Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.policy import Policy

SECRETS: Final = "external-secrets.io/v1 externalsecrets"
FORCE: Final = "force-sync"
NAMESPACES: Final = "namespaces"
AGAIN: Final = timedelta(seconds=5)
NEVER: Final = "never"


@dataclass(frozen=True, slots=True)
class Fetched:
    """An ExternalSecret. `at` is when it last fetched, `asked` the value of the annotation that forces it."""

    name: str
    namespace: str
    version: str
    at: str
    asked: str
    ready: bool
    message: str
    once: bool = False
    """Fetched once and never again, as its refreshPolicy says."""


class SecretsRefreshed:
    """One patch an ExternalSecret; when it fetched since is in its status."""

    name: ClassVar[str] = "secrets-refreshed"
    reads: ClassVar[tuple[Op, ...]] = (
        KubeOp(verb="list", group="external-secrets.io", resource="externalsecrets", where="primary"),
    )
    calls: ClassVar[tuple[Op, ...]] = (
        KubeOp(verb="patch", group="external-secrets.io", resource="externalsecrets", where="primary"),
    )

    def observe(self, target: Target, policy: Policy, reader: Reader) -> tuple[Fetched, ...] | Refused | NoData:
        if target.params.get(NAMESPACES) == NONE:
            return ()
        found = reader.kube(cluster_of(target, policy).name, SECRETS)
        if isinstance(found, NoData | Refused):
            return found
        wanted = target.params.get(NAMESPACES, ALL)
        ours = set(namespaces(policy) if wanted == ALL else listed(wanted))
        every = [o for o in found or () if isinstance(o, Mapping) and o["metadata"]["namespace"] in ours]
        return tuple(sorted((_read(o) for o in every), key=lambda f: (f.namespace, f.name)))

    def next(
        self, target: Target, policy: Policy, facts: tuple[Fetched, ...] | Refused | NoData, now: datetime
    ) -> Next:
        cluster = cluster_of(target, policy)
        match facts:
            case NoData(because=because):
                return Wait(because=f"{because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
            case Refused(because=because, code=code):
                return Stuck(because=f"{because} ({code})")
        if target.params.get(NAMESPACES) == NONE:
            return Done(because="no secret is to be fetched again, as was chosen")
        token = token_of(target)[:16]
        wanted = [f for f in facts if not f.once]
        for one in wanted:
            if one.asked != token:
                call = Call(
                    system="kubernetes",
                    service=cluster.name,
                    region=cluster.region,
                    operation=f"patch {SECRETS}",
                    params={
                        "namespace": one.namespace,
                        "name": one.name,
                        FORCE: token,
                        "body": {"metadata": {"annotations": {FORCE: token}}},
                    },
                    until="its status.refreshTime is later",
                    reversible=True,
                )
                because = f"{_named(one)} fetched at {one.at}, and is to fetch again now, {len(wanted)} in all"
                return Act(because=because, call=call, facts={_fact(one): one.at})
        late = [f for f in wanted if f.at == target.facts.get(_fact(f), "")]
        ill = [f for f in wanted if not f.ready]
        if ill:
            said = "; ".join(f"{_named(f)} cannot fetch, and its Secret is as it was: {f.message}" for f in ill)
            return Stuck(because=f"{said}; mend what the store holds")
        if late:
            said = ", ".join(_named(f) for f in late)
            return Wait(because=f"{said} has not fetched yet; looking again in {AGAIN.seconds} s", again_in=AGAIN)
        left = len(facts) - len(wanted)
        more = f"; {left} more are fetched once only, by their refreshPolicy" if left else ""
        return Done(because=f"all {len(wanted)} external secrets of cluster {cluster.name!r} have fetched again{more}")


def _read(obj: Mapping[str, Any]) -> Fetched:
    meta, status, spec = obj["metadata"], obj.get("status") or {}, obj.get("spec") or {}
    ready: Mapping[str, Any] = next((c for c in status.get("conditions") or () if c["type"] == "Ready"), {})
    return Fetched(
        name=meta["name"],
        namespace=meta["namespace"],
        version=meta["resourceVersion"],
        at=status.get("refreshTime") or NEVER,
        asked=(meta.get("annotations") or {}).get(FORCE, ""),
        ready=ready.get("status") == "True",
        message=str(ready.get("message", "it has not said anything yet"))[:200],
        once=spec.get("refreshPolicy") == "CreatedOnce",
    )


def _fact(one: Fetched) -> str:
    return f"{one.namespace}/{one.name}"


def _named(one: Fetched) -> str:
    return f"external secret {one.name!r} in {one.namespace!r}"
