"""A configuration error against the stand-ins, through real clients: what goes back, and what is fetched again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chalicelib.actions.reader import LiveReader
from chalicelib.actions.registry import ACTIONS
from chalicelib.core.outcome import Act, Done, Made, Next, Stuck, Wait
from drctl.world.breaks import Breaks
from tests.actions.stage import POLICY, target
from tests.actions.test_failures import Primary


class Step:
    """One step, with the facts that its looks keep."""

    def __init__(self, primary: Primary, action: str, **params: str) -> None:
        self.primary, self.action, self.aim = primary, ACTIONS[action], target(**params)

    def look(self) -> Next:
        self.aim = replace(self.aim, at=self.primary.now)
        reader = LiveReader(self.primary.ports, self.action.reads)
        found = self.action.next(self.aim, POLICY, self.action.observe(self.aim, POLICY, reader), self.primary.now)
        if not isinstance(found, Stuck):
            self.aim = replace(self.aim, facts={**self.aim.facts, **found.facts})
        return found

    def run(self) -> Next:
        """Until there is no call left."""
        while isinstance(found := self.look(), Act):
            assert isinstance(self.primary.executor.make(found.call), Made)
        return found


@pytest.fixture
def primary() -> Primary:
    return Primary()


@pytest.fixture
def breaks(primary: Primary) -> Breaks:
    return Breaks(POLICY, primary.api, primary.ec2, primary.rds)


def test_a_bad_commit_to_the_configuration_goes_back_and_is_no_bad_deployment(primary: Primary, breaks: Breaks) -> None:
    breaks.add(1, {"kind": "configuration"})
    primary.move(30)
    # The ExternalSecret, and the Application that it makes Degraded.
    assert primary.seen() == {**primary.seen(), "ConfigurationErrors": 2.0, "DegradedApplications": 0.0}
    assert isinstance(primary.look("application-rolled-back"), Done)
    step = Step(primary, "application-rolled-back", cluster="primary", of="configuration", blames="24h")
    assert isinstance(step.run(), Wait)
    primary.move(30)
    assert isinstance(step.look(), Done)
    assert primary.seen()["ConfigurationErrors"] == 0.0


def test_every_secret_is_fetched_again_at_once(primary: Primary) -> None:
    held = primary.api.external_secrets.held
    primary.move(600)
    for key in held:
        held[key] = {"token": "rotated"}
    step = Step(primary, "secrets-refreshed", cluster="primary")
    waits = step.run()
    assert isinstance(waits, Wait)
    assert "has not fetched yet" in waits.because
    primary.move(10)
    done = step.look()
    assert isinstance(done, Done)
    assert "all 3 external secrets" in done.because
    secrets = [s for s in primary.api.objects("secrets") if s["metadata"]["name"].endswith("-settings")]
    assert {s["data"]["TOKEN"] for s in secrets} == {"cm90YXRlZA=="}


def test_a_secret_that_the_store_has_lost_is_stuck_in_the_operator_s_words_until_it_is_there_again(
    primary: Primary, breaks: Breaks
) -> None:
    primary.move(600)
    breaks.add(1, {"kind": "configuration", "secret": True})
    assert primary.seen()["ConfigurationErrors"] == 2.0
    step = Step(primary, "secrets-refreshed", cluster="primary")
    stuck = step.run()
    assert isinstance(stuck, Stuck)
    assert "its Secret is as it was: error processing spec.data[0]" in stuck.because
    breaks.clear()
    primary.move(90)
    assert isinstance(step.look(), Done)
    assert primary.seen()["ConfigurationErrors"] == 0.0
