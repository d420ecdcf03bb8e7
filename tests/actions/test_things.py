"""Every operation that an action may call stands on the table once: it moves a thing, or says why it is shared."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest

from chalicelib.actions.contract import AwsOp, KubeOp, Op
from chalicelib.actions.registry import ACTIONS
from chalicelib.core.plan import Step, plan
from chalicelib.core.things import TABLE, Kind, Moves, Shares, Thing, UnknownThingError, moved_by
from tests.core.stage import POLICY

STEPS: Final = [
    (runbook.scenario, step)
    for runbook in POLICY.runbooks.runbooks
    for made in [plan(runbook.scenario, policy=POLICY)]
    for step in (*made.steps, *made.undos)
]


def named(op: Op) -> str:
    """An operation as the table names it."""
    match op:
        case AwsOp():
            return f"{op.service} {op.operation}"
        case KubeOp():
            return f"{op.verb} {op.named}"
        case other:
            return f"cloudflare {other.verb} {other.resource}"


@pytest.mark.parametrize("name", ACTIONS)
def test_every_operation_of_an_action_moves_a_thing_or_says_why_it_is_shared(name: str) -> None:
    assert name in TABLE, f"what does {name} move? (core/things.py)"
    told = [op for row in TABLE[name] for op in row.ops]
    assert len(told) == len(set(told)), "an operation stands there once"
    assert set(told) == {named(op) for op in ACTIONS[name].calls}


def test_nothing_is_on_the_table_that_no_action_does() -> None:
    assert set(TABLE) == set(ACTIONS)


@pytest.mark.parametrize("row", [row for rows in TABLE.values() for row in rows if isinstance(row, Shares)])
def test_what_is_shared_says_why(row: Shares) -> None:
    assert row.because.strip()
    assert row.ops


@pytest.mark.parametrize(("scenario", "step"), STEPS, ids=[f"{s}/{step.id}" for s, step in STEPS])
def test_every_step_of_the_shipped_runbooks_says_what_it_moves(scenario: str, step: Step) -> None:
    found = moved_by(step, "us-east-1", POLICY)
    kinds = {row.kind for row in TABLE[step.action] if isinstance(row, Moves)}
    assert {thing.kind for thing in found} == kinds, scenario
    assert all(thing.name for thing in found)


def step_of(scenario: str, name: str) -> Step:
    return plan(scenario, policy=POLICY).step(name)


@pytest.mark.parametrize(
    ("scenario", "step", "kind", "name"),
    [
        ("region-failure", "promote", Kind.DATABASE, "postgresql"),
        ("region-failure", "fence", Kind.DATABASE, "postgresql"),
        ("region-failure", "repoint", Kind.DATABASE, "postgresql"),
        ("region-failure", "reopen", Kind.DATABASE, "postgresql"),
        ("region-failure", "traffic", Kind.TRAFFIC, "api.neurectomy.io"),
        ("region-failure", "protect-backups", Kind.LOCATION, "neurectomy-usw2/default"),
        ("region-failure", "restore-redis", Kind.APPLICATIONS, "neurectomy-usw2"),
        ("region-failure", "capacity", Kind.NODES, "neurectomy-usw2"),
        ("region-failure", "pause-primary-schedules", Kind.SCHEDULES, "neurectomy-use1"),
        ("node-failure", "volumes", Kind.NODES, "neurectomy-use1"),
    ],
)
def test_a_thing_is_named_as_people_call_it(scenario: str, step: str, kind: Kind, name: str) -> None:
    assert moved_by(step_of(scenario, step), "us-east-1", POLICY) == (Thing(kind, name),)
    assert str(Thing(kind, name)) == f"{kind} {name}"


def test_two_incidents_of_different_scenarios_mean_the_same_database_by_the_same_name() -> None:
    one, other = step_of("region-failure", "promote"), step_of("planned-switchover", "drain")
    assert moved_by(one, "us-east-1", POLICY) == moved_by(other, "us-west-2", POLICY)


def test_an_action_that_nobody_wrote_down_and_a_step_that_does_not_say_are_refused_with_their_names() -> None:
    promote = step_of("region-failure", "promote")
    with pytest.raises(UnknownThingError, match="nobody has written down what action 'dance' moves"):
        moved_by(replace(promote, action="dance"), "us-east-1", POLICY)
    with pytest.raises(UnknownThingError, match="step 'promote' does not say what it moves: 'cluster' is missing"):
        moved_by(replace(promote, action="node-capacity"), "us-east-1", POLICY)
