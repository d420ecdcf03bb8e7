"""A service that answers alike at several endpoints, such as an ARC cluster: each in turn, from a random start.

Endpoints are taken out for maintenance one after another, and at least three of ARC's five are up
(https://docs.aws.amazon.com/r53recovery/latest/dg/routing-control.update.api.html). Only silence goes on to the next:
a refusal is the cluster's answer, and would be the same elsewhere.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from chalicelib.clients import aws
from chalicelib.clients.aws import AwsClients
from chalicelib.core.outcome import NoData, Refused
from chalicelib.policy.platform import ArcSwitch, MetricSwitch, ObjectSwitch

ARC = "route53-recovery-cluster"


def endpoints(
    switch: MetricSwitch | ObjectSwitch | ArcSwitch, resolve: Mapping[str, str]
) -> Mapping[tuple[str, str], str]:
    """The addresses of policy's cluster by service and region, sent elsewhere as `resolve` says (host → base URL)."""
    if not isinstance(switch, ArcSwitch):
        return {}
    found = {}
    for endpoint in switch.endpoints:
        parts = urlsplit(endpoint.url)
        base = resolve.get(parts.hostname or "")
        found[ARC, endpoint.region] = f"{base}{parts.path}" if base else endpoint.url
    return found


def read(
    clients: AwsClients, service: str, regions: Sequence[str], operation: str, params: Mapping[str, Any]
) -> tuple[str, Mapping[str, Any]] | Refused | NoData:
    """The region that answered first, and its answer. NoData tells what each of them said."""
    start = secrets.randbelow(len(regions)) if regions else 0
    silent = []
    for region in (*regions[start:], *regions[:start]):
        answer = aws.read(clients, service, region, operation, params)
        if isinstance(answer, Refused):
            return answer
        if not isinstance(answer, NoData):
            return region, answer
        silent.append(answer.because)
    because = "; ".join(silent) or "no endpoint is known"
    return NoData(because=f"none of {len(regions)} endpoints of {service} answered: {because}")
