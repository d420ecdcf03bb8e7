"""The traffic switch: it answers, and sends people to the region that serves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from chalicelib.actions.contract import Op, Where
from chalicelib.actions.switches import position
from chalicelib.core.judging import Lacking, Ready
from chalicelib.core.outcome import NoData, Refused
from chalicelib.core.switch import Found, Stands, Unset
from chalicelib.policy import Policy
from chalicelib.readiness.contract import Around, Said


@dataclass(frozen=True, slots=True)
class Seen:
    """What the switch says, and the region that serves."""

    found: Found
    serving: str


class SwitchJudge:
    """One verdict."""

    name: ClassVar[str] = "switch"
    actions: ClassVar[frozenset[str]] = frozenset({"switch-traffic"})
    place: ClassVar[Where | None] = None
    reads: ClassVar[tuple[Op, ...]] = position.READS
    lowers: ClassVar[bool] = True
    mend: ClassVar[str] = "drctl verify-account; the responder's stack makes the switch"

    def look(self, around: Around) -> Seen:
        return Seen(position.found(around.policy, around.reader), around.serving)

    def judge(self, facts: Seen, policy: Policy, now: datetime) -> Iterator[Said]:
        match facts.found:
            case NoData() as silent:
                yield "traffic switch", silent
            case Refused(because=because, code=code):
                yield "traffic switch", Lacking(because=f"it cannot be thrown: {because} ({code})")
            case Unset(because=because):
                yield "traffic switch", Ready(because=f"it is there, and was never thrown: {because}")
            case Stands(region=region, whole=True, because=because) if region == facts.serving:
                yield "traffic switch", Ready(because=because)
            case Stands(region=region, because=because):
                said = f"{because}: it sends people to {region}, and {facts.serving} serves"
                yield "traffic switch", Lacking(because=said)
