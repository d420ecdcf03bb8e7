"""Whether the responder may do in its clusters what its actions declare, asked of the clusters before the night.

It looks only, with the rights of whichever function runs it, so that what it finds is what a recovery would find.
Unknown is neither allowed nor missing: a cluster that does not answer has said nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.actions.contract import Where
from chalicelib.actions.rights import PLACES, KubeRight, kube_rights
from chalicelib.clients.kubernetes import Clusters, may
from chalicelib.core.outcome import NoData, Refused
from chalicelib.policy import Policy


@dataclass(frozen=True, slots=True)
class Checked:
    """One right and the cluster's word on it: `allowed` is None when it said nothing, `because` is what it said."""

    place: Where
    cluster: str
    right: KubeRight
    allowed: bool | None
    because: str

    def shown(self) -> Mapping[str, Any]:
        """As JSON."""
        what = {"place": self.place, "cluster": self.cluster, "right": self.right.sentence()}
        return {**what, "allowed": self.allowed, "because": self.because}


def check(policy: Policy, kube: Clusters) -> tuple[Checked, ...]:
    """Every declared right in every cluster. A cluster that does not answer, or lets nobody in, is asked once."""
    found: list[Checked] = []
    for place in PLACES:
        cluster, silent = policy.platform.cluster(place).name, None
        for right in kube_rights(policy, place):
            resource, _, subresource = right.resource.partition("/")
            asked = {"verb": right.verb, "group": right.group, "resource": resource, "namespace": right.namespace}
            asked |= {"subresource": subresource} if subresource else {}
            said = silent or _asked(kube, cluster, asked, right.names)
            if isinstance(said, Refused | NoData):
                silent = said
                allowed = False if isinstance(said, Refused) else None
                found.append(Checked(place, cluster, right, allowed, said.because))
                continue
            granted = bool(said.get("allowed")) and not said.get("denied")
            because = said.get("reason") or said.get("evaluationError") or ("" if granted else "no rule allows it")
            found.append(Checked(place, cluster, right, granted, because))
    return tuple(found)


def _asked(
    kube: Clusters, cluster: str, asked: Mapping[str, str], names: Sequence[str]
) -> Mapping[str, Any] | Refused | NoData:
    """What the cluster says to it; of a right to named objects to each of them, until it refuses one."""
    said = may(kube, cluster, {**asked, "name": names[0]} if names else asked)
    for name in names[1:]:
        if isinstance(said, Refused | NoData) or not said.get("allowed"):
            return said
        said = may(kube, cluster, {**asked, "name": name})
    return said


def sentence(found: Sequence[Checked]) -> str:
    """What is missing, or that nothing is."""
    missing = [f"{c.right.sentence()} of {c.cluster!r}" for c in found if c.allowed is False]
    unknown = sorted({c.cluster for c in found if c.allowed is None})
    said = [f"missing: {', '.join(missing)}"] if missing else []
    said += [f"not known, since it did not answer: {', '.join(unknown)}"] if unknown else []
    return "; ".join(said) or f"all {len(found)} declared rights are there"
