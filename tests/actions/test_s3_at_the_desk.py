"""The restore as the desk does it: over many short invocations, each with nothing but what the store kept."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from chalicelib.bootstrap import WallClock
from chalicelib.core.elsewhere import Absent
from chalicelib.core.happened import Approve, Command, Declare, Said
from chalicelib.core.incident import Incident, StepState
from chalicelib.core.outcome import Made
from chalicelib.desk import Desk
from chalicelib.policy import Policy
from chalicelib.policy.platform import Mode
from chalicelib.policy.runbooks import RunbookStep
from chalicelib.store.codec import read_book
from chalicelib.store.memory import MemoryStore
from chalicelib.tools import Tools
from tests.actions import buckets
from tests.actions.buckets import NOW, PARAMS, House, furnish

SCENARIO = "data-corruption"
SHIFT = timedelta(seconds=40)


class Clock(WallClock):
    """Goes on a little whenever somebody looks at it, as it does while requests are made."""

    def __init__(self) -> None:
        self.at = NOW

    def now(self) -> datetime:
        self.at += timedelta(milliseconds=250)
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@dataclass
class Hands:
    """A worker's own executor; whatever is told is taken, and no alarm is asked for."""

    executor: Any

    def look(self, *given: Any) -> Any:
        return self.executor.look(*given)

    def make(self, call: Any) -> Any:
        return self.executor.make(call)

    def copies(self, *_: Any) -> dict[str, str]:
        return {}

    def switch(self, *given: Any) -> Any:
        return self.executor.switch(*given)

    def somebody_else(self, *_: Any) -> Absent:
        return Absent(because="nobody else is there")

    def tell(self, *_: Any) -> Made:
        return Made(because="taken")

    def alarm_states(self, *_: Any) -> tuple[()]:
        return ()


def with_restore(policy: Policy) -> Policy:
    """A runbook of one step, in a scenario in which policy says that people decide."""
    step = RunbookStep.model_validate(
        {
            "id": "artifacts",
            "title": "Put the artifacts back",
            "action": "s3-restore",
            "with": {**PARAMS, "newer": "remove"},
        }
        | {"automatic": False, "asks_because": "what was written since is hidden", "reversible": True}
        | {"expected": "5m", "deadline": "1h"}
    )
    runbooks = [
        r.model_copy(update={"steps": (step,)}) if r.scenario == SCENARIO else r for r in policy.runbooks.runbooks
    ]
    platform = policy.platform
    responder = platform.responder.model_copy(update={"initial_mode": Mode.AUTOMATIC})
    return policy.model_copy(
        update={
            "runbooks": policy.runbooks.model_copy(update={"runbooks": tuple(runbooks)}),
            "platform": platform.model_copy(update={"responder": responder}),
        }
    )


class Responder:
    """Invocations, one after another, over one store."""

    def __init__(self, house: House) -> None:
        self.house, self.store, self.clock = house, MemoryStore(), Clock()
        self.policy = with_restore(house.policy)
        self.invocations = 0
        self.wires: list[Any] = []

    def say(self, command: Command) -> None:
        assert self._desk().receive(command)

    def said(self, name: str) -> Said:
        person = next(p for p in self.policy.people.people if p.name == "ana")
        return Said(id=name, by="ana", at=self.clock.at, note="", arn=person.principals[0])

    def _desk(self) -> Desk:
        worker = self.house.worker()
        self.wires.append(worker.wire)
        hands = Hands(worker.executor)
        return Desk(Tools(store=self.store, hands=hands, policy=self.policy, clock=self.clock))

    def invoke(self) -> None:
        """One invocation: what was not kept in the store is gone after it."""
        self.invocations += 1
        self._desk().work(f"worker {self.invocations}", until=self.clock.at + SHIFT, linger=False)
        self.clock.at += timedelta(seconds=60)

    def incident(self) -> Incident:
        stored = self.store.stamp(self.store.claim("test", now=self.clock.at, until=self.clock.at).epoch)  # type: ignore[union-attr]
        self.clock.at += timedelta(seconds=5)
        book, aside = read_book(stored.body)  # type: ignore[union-attr,arg-type]
        assert aside == {}
        (incident,) = book.incidents.values()
        return incident

    def sent(self) -> set[str]:
        return {operation for wire in self.wires for operation in wire.sent}


@pytest.mark.parametrize("page", ["1", "1000"])
def test_a_person_is_asked_with_the_counts_and_many_invocations_put_all_of_it_back(
    monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", page)
    with buckets.house() as house:
        was = furnish(house)
        responder = Responder(house)
        responder.say(Declare(said=responder.said("declare"), scenario=SCENARIO, scope="us-east-1/artifacts"))
        for _ in range(12):
            responder.invoke()
        record = responder.incident().step("artifacts")
        assert record.state is StepState.ASKING
        assert record.call is not None
        assert not {"CopyObject", "DeleteObject"} & responder.sent()
        assert "6 objects are to be put back (2 copied over" in str(record.facts["counted"])
        asked = responder.incident()
        approval = Approve(said=responder.said("yes"), incident=asked.id, plan=asked.plan, step="artifacts")
        responder.say(approval)
        for _ in range(40):
            responder.invoke()
            if closed := responder.store.document("closed", asked.id):
                break
        assert closed is not None
        step = json.loads(closed)["steps"]["artifacts"]
        assert step["state"] == "done"
        assert step["facts"]["put_back"] == 6
        assert "nothing is missing, 6 objects were put back" in step["because"]
        assert house.there() == was
