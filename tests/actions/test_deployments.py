"""A bad deployment against the stand-ins, through real clients: what is aborted, what goes back, what stays held."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib.actions.applications import HELD
from chalicelib.core.outcome import Act, Done, Made, Refused, Stuck, Wait
from chalicelib.policy import Policy
from drctl.neighbours.kubernetes.kinds import by_key
from drctl.neighbours.kubernetes.objects import Obj
from drctl.world.breaks import Breaks
from tests.actions.stage import POLICY
from tests.actions.test_failures import Primary

LATE = 140.0
"""Seconds after which a deployment that does not come forward is called Degraded, a push and a sync included."""


@pytest.fixture
def primary() -> Primary:
    return Primary()


@pytest.fixture
def breaks(primary: Primary) -> Breaks:
    return Breaks(POLICY, primary.api, primary.ec2, primary.rds)


def app(primary: Primary, name: str) -> Obj:
    every = primary.api.objects("applications.argoproj.io")
    return next(a for a in every if a["metadata"]["name"] == name)


def made(primary: Primary, name: str) -> Act:
    found = primary.look(name)
    assert isinstance(found, Act), found
    assert isinstance(primary.executor.make(found.call), Made)
    return found


def test_on_a_good_day_nothing_is_missing(primary: Primary) -> None:
    for name in ("canary-aborted", "application-rolled-back", "auto-sync-given-back"):
        found = primary.look(name)
        assert isinstance(found, Done), found
    assert primary.seen()["DegradedApplications"] == 0.0


def test_a_bad_deployment_goes_back_stays_back_and_gets_its_sync_back_with_the_next_commit(
    primary: Primary, breaks: Breaks
) -> None:
    breaks.add(1, {"kind": "deployment", "service": "redis"})
    primary.move(LATE)
    assert primary.seen()["DegradedApplications"] == 1.0
    assert primary.seen()["AvailablePodsPercent"] == 0.0
    assert isinstance(primary.look("canary-aborted"), Done)
    bad = app(primary, "redis")["status"]["history"][-1]["revision"]
    found = made(primary, "application-rolled-back")
    assert isinstance(primary.executor.make(found.call), Refused)  # it has changed since
    assert found.call.params["automated_sync"] == "held"
    held = app(primary, "redis")
    assert "automated" not in held["spec"]["syncPolicy"]
    assert held["spec"]["syncPolicy"]["syncOptions"] == ["CreateNamespace=true"]
    assert json.loads(held["metadata"]["annotations"][HELD])["automated"] == {"prune": True, "selfHeal": True}
    assert isinstance(primary.look("application-rolled-back"), Wait)
    primary.move(60)
    done = primary.look("application-rolled-back")
    assert isinstance(done, Done), done
    assert isinstance(primary.look("pods-recovered"), Done)
    primary.move(600)
    assert primary.seen() == {**primary.seen(), "DegradedApplications": 0.0, "AvailablePodsPercent": 100.0}
    assert app(primary, "redis")["status"]["sync"] == {
        **app(primary, "redis")["status"]["sync"],
        "status": "OutOfSync",
        "revision": bad,
    }
    waits = primary.look("auto-sync-given-back")
    assert isinstance(waits, Wait)
    assert "stays off until there is another commit" in waits.because
    breaks.clear()
    primary.move(5)
    made(primary, "auto-sync-given-back")
    primary.move(60)
    assert isinstance(primary.look("auto-sync-given-back"), Done)
    back = app(primary, "redis")
    assert back["spec"]["syncPolicy"]["automated"] == {"prune": True, "selfHeal": True}
    assert HELD not in (back["metadata"].get("annotations") or {})
    assert (back["status"]["sync"]["status"], back["status"]["health"]["status"]) == ("Synced", "Healthy")


def test_a_bad_canary_is_aborted_and_its_application_is_left_alone(primary: Primary, breaks: Breaks) -> None:
    breaks.add(1, {"kind": "deployment", "service": "ml-service", "canary": True})
    primary.move(LATE)
    assert primary.seen()["DegradedApplications"] == 1.0
    assert isinstance(primary.look("application-rolled-back"), Act)  # so the canary comes first
    found = made(primary, "canary-aborted")
    assert found.call.operation == "patch argoproj.io/v1alpha1 rollouts/status"
    primary.move(5)
    assert isinstance(primary.look("canary-aborted"), Done)
    left = primary.look("application-rolled-back")
    assert isinstance(left, Done), left
    assert "the canary of application 'ml-service' is aborted" in left.because
    assert primary.api.objects("rollouts.argoproj.io")[0]["status"]["availableReplicas"] == 2
    breaks.clear()
    primary.move(60)
    assert primary.seen()["DegradedApplications"] == 0.0


def test_a_canary_that_waits_at_its_pause_is_left_alone(primary: Primary) -> None:
    primary.api.workloads.pull = lambda _: None
    breaks = Breaks(POLICY, primary.api, primary.ec2, primary.rds)
    breaks.add(1, {"kind": "deployment", "service": "ml-service", "canary": True})
    primary.move(LATE)
    found = primary.look("canary-aborted")
    assert isinstance(found, Done)
    assert "goes forward (Paused) and is left alone" in found.because


def test_a_revision_that_is_gone_from_git_is_told_and_nothing_is_moved(primary: Primary, breaks: Breaks) -> None:
    breaks.add(1, {"kind": "deployment", "service": "api-gateway"})
    primary.move(LATE)
    found = primary.look("application-rolled-back")
    assert isinstance(found, Act)
    primary.api.argocd.forget("argocd", "api-gateway", str(found.facts["to"]))
    before = primary.api.objects("deployments.apps")
    assert isinstance(primary.executor.make(found.call), Made)
    primary.move(10)
    stuck = primary.look("application-rolled-back")
    assert isinstance(stuck, Stuck)
    assert "could not go back to" in stuck.because
    assert "failed to checkout revision" in stuck.because
    assert [d["spec"] for d in primary.api.objects("deployments.apps")] == [d["spec"] for d in before]


def test_a_crash_loop_is_no_bad_deployment(primary: Primary) -> None:
    primary.api.trouble.crash("cache", "redis")
    primary.move(900)
    assert primary.seen()["DegradedApplications"] == 0.0
    assert isinstance(primary.look("application-rolled-back"), Done)


def test_a_person_s_switching_it_on_gives_it_back(primary: Primary, breaks: Breaks) -> None:
    breaks.add(1, {"kind": "deployment", "service": "api-gateway"})
    primary.move(LATE)
    made(primary, "application-rolled-back")
    primary.move(30)
    breaks.clear()
    primary.move(5)
    found = app(primary, "api-gateway")
    cluster = primary.api.cluster
    cluster.write(
        by_key("applications.argoproj.io"), found | {"spec": {**found["spec"], "syncPolicy": {"automated": {}}}}
    )
    primary.move(30)
    act = made(primary, "auto-sync-given-back")
    assert "a person has switched automated sync of application 'api-gateway' on" in act.because
    assert app(primary, "api-gateway")["spec"]["syncPolicy"] == {"automated": {}}


def test_an_application_that_the_table_names_and_argo_cd_has_not_is_told() -> None:
    rows = [
        s.model_copy(update={"managed_by": s.managed_by.model_copy(update={"application": "other"})})
        if s.name == "redis" and s.managed_by
        else s
        for s in POLICY.services.services
    ]
    policy: Policy = POLICY.model_copy(
        update={"services": POLICY.services.model_copy(update={"services": tuple(rows)})}
    )
    primary = Primary()
    found: Any = primary.look("application-rolled-back", policy)
    assert isinstance(found, Stuck)
    assert "Argo CD has no application 'other' in namespace 'argocd'" in found.because
