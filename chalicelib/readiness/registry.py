"""Every judge by the name that readiness.yaml gives it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from chalicelib.actions.contract import Op
from chalicelib.readiness import steps
from chalicelib.readiness.backups import BackupsJudge
from chalicelib.readiness.capacity import CapacityJudge, WarmJudge
from chalicelib.readiness.clocks import ClocksJudge
from chalicelib.readiness.containment import ContainmentJudge
from chalicelib.readiness.contents import ContentsJudge
from chalicelib.readiness.contract import Judge
from chalicelib.readiness.evidence import EvidenceJudge
from chalicelib.readiness.infrastructure import (
    BucketsJudge,
    ClaimsJudge,
    PrimaryLocation,
    StandbyLocation,
    StatesJudge,
    StorageJudge,
)
from chalicelib.readiness.quotas import QuotaJudge
from chalicelib.readiness.replica import ReplicaJudge
from chalicelib.readiness.reserved import ReservedJudge
from chalicelib.readiness.rights import PrimaryRights, StandbyRights
from chalicelib.readiness.secrets import SecretsJudge
from chalicelib.readiness.switch import SwitchJudge
from chalicelib.readiness.telling import ChannelsJudge, GlassJudge
from chalicelib.readiness.tested import ChannelTestJudge

JUDGES: Final[Mapping[str, Judge]] = {
    judge.name: judge
    for judge in (
        ReplicaJudge(),
        BackupsJudge(),
        ContentsJudge(),
        BucketsJudge(),
        StatesJudge(),
        StorageJudge(),
        ClaimsJudge(),
        PrimaryLocation(),
        StandbyLocation(),
        CapacityJudge(),
        WarmJudge(),
        ReservedJudge(),
        QuotaJudge(),
        SecretsJudge(),
        ContainmentJudge(),
        SwitchJudge(),
        EvidenceJudge(),
        StandbyRights(),
        PrimaryRights(),
        ClocksJudge(),
        ChannelsJudge(),
        ChannelTestJudge(),
        GlassJudge(),
    )
}
PLAN: Final = "plan"
"""Whether a runbook gives a plan at all."""
SERVING: Final = "serving"
"""Whether the region that a runbook moves people away from serves."""
NAMES: Final = (*JUDGES, steps.NAME, PLAN, SERVING)
"""Every name that readiness.yaml may give a row: the judges', and those that the round itself judges by."""
READS: Final[tuple[Op, ...]] = tuple(dict.fromkeys(op for judge in JUDGES.values() for op in judge.reads))
"""What the round's function may read beside what the steps' actions declare."""
