"""Verifies a service where it runs now: its pods are ready, and it answers 200 at the region's own address."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final

from chalicelib.actions.contract import Op, Reader, Target
from chalicelib.actions.copies import is_copy
from chalicelib.actions.places import cluster_of, service_of
from chalicelib.actions.workload_ready import READS, Readiness, readiness
from chalicelib.core.outcome import Done, Next, NoData, Stuck, Wait
from chalicelib.policy import Policy

AGAIN: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Verified:
    """What the pods and the address say. `status` is None for a service without an address."""

    readiness: Readiness
    url: str | None
    status: int | NoData | None
    text: str


class VerifyService:
    """Two looks, no call."""

    name: ClassVar[str] = "verify-service"
    reads: ClassVar[tuple[Op, ...]] = READS
    calls: ClassVar[tuple[Op, ...]] = ()

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Verified:
        cluster, service = cluster_of(target, policy), service_of(target, policy)
        ready = readiness(target, policy, reader)
        # No address leads to a copy: the region's own would answer for what people use.
        if service.health_path is None or is_copy(target):
            return Verified(ready, None, None, "")
        url = policy.platform.endpoint(cluster.region).url + service.health_path
        answer = reader.http(url)
        if isinstance(answer, NoData):
            return Verified(ready, url, answer, "")
        return Verified(ready, url, answer.status, answer.text[:200])

    def next(self, target: Target, policy: Policy, facts: Verified, now: datetime) -> Next:
        service = service_of(target, policy)
        if facts.readiness.refused:
            return Stuck(because=f"{facts.readiness.refused.because} ({facts.readiness.refused.code})")
        if facts.readiness.lacking:
            return Wait(because=f"{service.display}: {'; '.join(facts.readiness.lacking)}", again_in=AGAIN)
        match facts.status:
            case None:
                whose = "its copy's pods" if is_copy(target) else "its pods"
                return Done(because=f"{service.display}: {whose} are ready; it has no address to ask")
            case NoData(because=because):
                return Wait(because=f"{service.display}: {because}", again_in=AGAIN)
            case 200:
                return Done(because=f"{service.display}: its pods are ready and {facts.url} answers 200")
            case status:
                return Wait(because=f"{service.display}: {facts.url} answers {status}: {facts.text}", again_in=AGAIN)
