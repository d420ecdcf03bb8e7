"""Every judge by the name that readiness.yaml gives it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from chalicelib.actions.contract import Op
from chalicelib.readiness.backups import BackupsJudge
from chalicelib.readiness.capacity import CapacityJudge, WarmJudge
from chalicelib.readiness.clocks import ClocksJudge
from chalicelib.readiness.contract import Judge
from chalicelib.readiness.replica import ReplicaJudge
from chalicelib.readiness.rights import PrimaryRights, StandbyRights
from chalicelib.readiness.switch import SwitchJudge
from chalicelib.readiness.telling import ChannelsJudge, GlassJudge

JUDGES: Final[Mapping[str, Judge]] = {
    judge.name: judge
    for judge in (
        ReplicaJudge(),
        BackupsJudge(),
        CapacityJudge(),
        WarmJudge(),
        SwitchJudge(),
        StandbyRights(),
        PrimaryRights(),
        ClocksJudge(),
        ChannelsJudge(),
        GlassJudge(),
    )
}
READS: Final[tuple[Op, ...]] = tuple(dict.fromkeys(op for judge in JUDGES.values() for op in judge.reads))
"""What the round's function may read beside what the steps' actions declare."""
