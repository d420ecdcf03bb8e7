"""Permissions in both clusters, as the function that works the desk has them: it is asked, and asks for itself.

The round's own role may only read, so what it may do says nothing of what a recovery may. IAM's permissions are not
judged: `iam:SimulatePrincipalPolicy` answers from us-east-1 alone, knows neither session nor resource policies as they
meet on the day, and a role whose reads are refused is found by the steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, ClassVar

from chalicelib.actions.contract import Op, Where
from chalicelib.core.judging import Lacking, Ready
from chalicelib.core.outcome import NoData
from chalicelib.policy import Policy
from chalicelib.readiness.contract import Around, Said


class RightsJudge:
    """One verdict on one cluster."""

    name: ClassVar[str]
    place: ClassVar[Where | None]
    actions: ClassVar[frozenset[str]] = frozenset()
    reads: ClassVar[tuple[Op, ...]] = ()
    lowers: ClassVar[bool] = True
    mend: ClassVar[str]

    def look(self, around: Around) -> Mapping[str, Any] | NoData:
        return around.rights()

    def judge(self, facts: Mapping[str, Any] | NoData, policy: Policy, now: datetime) -> Iterator[Said]:
        clusters = policy.platform.clusters
        cluster = clusters.primary if self.place == "primary" else clusters.standby
        subject = f"rights in {cluster.name}"
        if isinstance(facts, NoData):
            yield subject, facts
            return
        rows = [row for row in facts.get("rights", ()) if row["cluster"] == cluster.name]
        missing = [row for row in rows if row["allowed"] is False]
        silent = [row for row in rows if row["allowed"] is None]
        if missing:
            said = f"{len(missing)} of {len(rows)} are missing: {missing[0]['right']} ({missing[0]['because']})"
            yield subject, Lacking(because=said)
        elif silent:
            yield subject, NoData(because=str(silent[0]["because"]))
        elif rows:
            yield subject, Ready(because=f"all {len(rows)} declared rights are there")
        else:
            yield subject, NoData(because="the desk's function named no right of it")


class StandbyRights(RightsJudge):
    """The standby's cluster."""

    name: ClassVar[str] = "standby-rights"
    place: ClassVar[Where | None] = "standby"
    mend: ClassVar[str] = "drctl rights; kubectl apply -f .chalice/rbac-standby.yaml"


class PrimaryRights(RightsJudge):
    """The primary's."""

    name: ClassVar[str] = "primary-rights"
    place: ClassVar[Where | None] = "primary"
    mend: ClassVar[str] = "drctl rights; kubectl apply -f .chalice/rbac-primary.yaml"
