"""A drill of a region failure, told as a story: nothing is broken, a person begins it, and nothing of it is left."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final, cast

from chalicelib.bootstrap import Responder
from chalicelib.core.incident import Incident
from chalicelib.core.outcome import Call, Outcome
from chalicelib.desk import Desk
from chalicelib.executor import Executor
from chalicelib.intake.probe import from_heartbeat, from_probe
from chalicelib.policy import Policy
from chalicelib.policy.platform import Mode
from chalicelib.policy.runbooks import Runbook
from chalicelib.store.codec import read_incident
from tests.crash.outside import Stop
from tests.crash.platform_in_process import POLICY, SPEED, START, Platform
from tests.crash.story import Story, route53

BEGUN_AT: Final = START + timedelta(seconds=6)
COPIES: Final = "drill-"


def nothing(_: Platform) -> None:
    """The primary is well."""


class DrillStory(Story):
    """It is over when the drill has left the book, and everybody knows what there is to know of it."""

    def __init__(
        self,
        *stops: Stop,
        runbook: str = "region-failure",
        kind: str = "",
        answers: bool = False,
        policy: Policy = POLICY,
    ) -> None:
        super().__init__(*stops, policy=policy, breaks=nothing, answers=answers)
        self._wanted = {"command": "drill", "runbook": runbook, **({"kind": kind} if kind else {})}
        self.calls: list[Call] = []
        self._plain = self.platform.responder
        self.platform.responder = self._recording  # type: ignore[method-assign] # the same worker, overheard

    def evidence(self) -> None:
        self.platform.clock.at(BEGUN_AT, self._begin_it)

    def _begin_it(self) -> None:
        """As soon as the mode lets it: a crash may have delayed that, and nobody begins a drill before the answer."""
        book = self.platform.book()
        if book is None or book.mode is Mode.OBSERVE:
            self.platform.clock.at(self.platform.clock.now() + timedelta(seconds=1), self._begin_it)
        else:
            self.say("drill", self._wanted)

    def drill(self) -> Incident | None:
        """The one that is in the book."""
        book = self.platform.book()
        return next(iter(book.drills.values()), None) if book else None

    def _over(self) -> bool:
        book, store = self.platform.book(), self.platform.store
        gone = book is not None and not (book.drills or book.incidents or book.findings)
        return bool(store.docs.get("drill")) and gone and not store.items

    def _recording(self) -> Responder:
        made = self._plain()
        hands = cast("Executor", made.desk.tools.hands)
        return replace(made, desk=Desk(replace(made.desk.tools, hands=Overheard(hands, self.calls))))


def patient(policy: Policy) -> Policy:
    """With the deadlines of real time. A worker that ends leaves the desk held for a real shift, which no speed scales,
    and a step of a drill that is not done by its deadline has failed.
    """

    def unscaled(row: Runbook) -> Runbook:
        steps = tuple(step.model_copy(update={"deadline": step.deadline * SPEED}) for step in row.steps)
        return row.model_copy(update={"steps": steps})

    books = policy.runbooks.model_copy(update={"runbooks": tuple(map(unscaled, policy.runbooks.runbooks))})
    return policy.model_copy(update={"runbooks": books})


class PatientDrillStory(DrillStory):
    """One that is told with faults."""

    def __init__(self, *stops: Stop) -> None:
        super().__init__(*stops, policy=patient(POLICY))


class Overheard:
    """The executor, with every call that it is asked to make written down first."""

    def __init__(self, hands: Executor, calls: list[Call]) -> None:
        self._hands, self._calls = hands, calls

    def make(self, call: Call) -> Outcome:
        self._calls.append(call)
        return self._hands.make(call)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._hands, name)


class AlarmStory(DrillStory):
    """When the drill has come to `step`, the primary region is lost; a person answers what its recovery asks. With
    `back` the region is there again once it is over, so that what stood in it can be seen to be gone.
    """

    def __init__(self, *stops: Stop, step: str = "restore-authentication") -> None:
        super().__init__(*stops, answers=True)
        self._step = step
        self.fallen = False

    def evidence(self) -> None:
        super().evidence()
        self.platform.clock.at(BEGUN_AT, self._watch)

    def _watch(self) -> None:
        platform, case = self.platform, self.drill()
        now = platform.clock.now()
        if case and not self.fallen and case.step(self._step).calls:
            self.fallen = True
            platform.darken()
            self.alarm(now, from_probe("standby-probe", healthy=False, changed_at=now, reason="3 in a row"))
            self.alarm(now, route53(now))
            self.alarm(now, from_heartbeat("primary", healthy=False, changed_at=now, reason="silent"))
        if self.fallen and platform.dark and platform.store.docs.get("closed"):
            platform.lighten()
        platform.clock.at(now + timedelta(seconds=1), self._watch)

    def _over(self) -> bool:
        return bool(self.platform.store.docs.get("closed")) and super()._over()


def kept(platform: Platform) -> Incident:
    """The one drill, as it is kept."""
    (body,) = platform.store.docs["drill"].values()
    return read_incident(body)


def left(platform: Platform) -> list[str]:
    """Everything of a drill that is still there, by name."""
    cluster = platform.clusters[POLICY.platform.clusters.standby.name].cluster
    found = [o["metadata"]["name"] for _, o in cluster.everything() if _of_drill(o)]
    found += [i.identifier for i in platform.rds.instances() if COPIES in i.identifier]
    test = POLICY.drills.test_record
    if test and platform.cloudwatch.state(test.switch.region, test.switch.alarm) == "ALARM":
        found.append(test.record)
    return sorted(found)


def nodes(platform: Platform) -> int:
    """How many the standby's group is to have."""
    row = POLICY.platform.clusters.standby
    return platform.eks.nodegroup(row.name, row.node_group.name).sizes["desiredSize"] if row.node_group else 0


def _of_drill(obj: dict[str, Any]) -> bool:
    meta, spec = obj["metadata"], obj.get("spec") or {}
    named = (meta["name"], meta.get("namespace", ""), (spec.get("claimRef") or {}).get("namespace", ""))
    return COPIES in str(meta.get("labels") or {}) or any(COPIES in name for name in named)
