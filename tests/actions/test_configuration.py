"""A configuration error against the stand-ins, through real clients: what goes back, and what is fetched again."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Final

import pytest

from chalicelib.actions.applications import HELD
from chalicelib.actions.reader import LiveReader
from chalicelib.actions.registry import ACTIONS
from chalicelib.core.outcome import Act, Done, Made, Next, Stuck, Wait
from drctl.neighbours.kubernetes.objects import Obj
from drctl.world.breaks import Breaks
from tests.actions.stage import POLICY, target
from tests.actions.test_failures import Primary

assert POLICY.services.configuration is not None
APPLICATION: Final = POLICY.services.configuration.application


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


def test_only_the_secrets_of_the_chosen_namespaces_are_fetched_again(primary: Primary) -> None:
    primary.move(600)
    step = Step(primary, "secrets-refreshed", cluster="primary", namespaces="edge")
    step.run()
    primary.move(10)
    done = step.look()
    assert isinstance(done, Done)
    assert "all 1 external secrets" in done.because


def test_a_value_that_makes_nothing_degraded_goes_back_to_the_revision_that_a_person_names(primary: Primary) -> None:
    primary.move(600)
    (app,) = (a for a in primary.api.objects("applications.argoproj.io") if a["metadata"]["name"] == APPLICATION)
    known = app["status"]["history"][0]["revision"]
    found = Step(primary, "application-rolled-back", cluster="primary", of="configuration", revision="found")
    assert isinstance(found.look(), Done)
    step = Step(primary, "application-rolled-back", cluster="primary", of="configuration", revision=known[:10])
    assert isinstance(step.run(), Wait)
    primary.move(30)
    done = step.look()
    assert isinstance(done, Done)
    assert f"went back to {known[:7]} and is Healthy" in done.because
    other = Step(primary, "application-rolled-back", cluster="primary", of="configuration", revision="0123456789")
    stuck = other.look()
    assert isinstance(stuck, Stuck)
    assert "revision '0123456789' is in the history of no application: nothing is moved" in stuck.because


def test_gone_back_a_second_time_it_is_given_back_what_it_had_at_first(primary: Primary) -> None:
    """Git's head is what it is held for, and its automated sync as it was before the first time."""
    primary.move(600)

    def app() -> Obj:
        every = primary.api.objects("applications.argoproj.io")
        return next(a for a in every if a["metadata"]["name"] == APPLICATION)

    older, newer = (e["revision"] for e in app()["status"]["history"])
    automated = app()["spec"]["syncPolicy"]["automated"]
    for revision in (older, newer):
        Step(primary, "application-rolled-back", cluster="primary", of="configuration", revision=revision).run()
        primary.move(30)
    assert json.loads(app()["metadata"]["annotations"][HELD]) == {"from": newer, "to": newer, "automated": automated}


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
