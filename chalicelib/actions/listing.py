"""Whole lists of a cluster's objects, for actions that judge it in aggregate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chalicelib.actions.contract import Reader
from chalicelib.core.outcome import NoData, Refused

Lists = Mapping[str, Sequence[Mapping[str, Any]]]


def lists(reader: Reader, cluster: str, *resources: str) -> Lists | Refused | NoData:
    """Every object of each resource (`apps/v1 deployments`), by resource; the first that was not answered instead: what
    is judged in aggregate cannot be judged by a part.
    """
    looked: dict[str, Sequence[Mapping[str, Any]]] = {}
    for resource in resources:
        found = reader.kube(cluster, resource)
        if isinstance(found, NoData | Refused):
            return found
        looked[resource] = [f for f in found if isinstance(f, Mapping)] if isinstance(found, Sequence) else []
    return looked
