"""The traffic switch in each of its three ways: facts → next, where it stands, and the call that throws it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.validate import validate_parameters

from chalicelib.actions.contract import AwsOp
from chalicelib.actions.registry import ACTIONS
from chalicelib.actions.switches import arc, metric
from chalicelib.actions.switches import object as object_
from chalicelib.actions.switches.arc import Controls
from chalicelib.actions.switches.metric import Alarm
from chalicelib.actions.switches.object import Presence
from chalicelib.actions.switches.stand import Position
from chalicelib.core.outcome import Act, Call, Done, Next, NoData, Stuck, Wait
from chalicelib.policy import Policy
from chalicelib.policy.platform import ArcSwitch, MetricSwitch, ObjectSwitch
from tests.actions.stage import AT, DENIED, SILENT, target
from tests.policy.switches import platform_with

SWITCH = ACTIONS["switch-traffic"]


@pytest.fixture(scope="module")
def policies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Policy]:
    folder: Path = tmp_path_factory.mktemp("switches")
    return {kind: platform_with(kind, folder / kind) for kind in ("metric", "object", "arc")}


ROWS: list[tuple[str, str, Any, type[Next], str]] = [
    ("object", "standby", SILENT, Wait, "nobody answered"),
    ("object", "standby", DENIED, Stuck, "AccessDenied"),
    ("object", "standby", Presence(there=False), Act, "there is no object s3://neurectomy-switch/standby-takes-over"),
    ("object", "standby", Presence(there=True), Done, "is there: traffic goes to us-west-2"),
    ("object", "primary", Presence(there=True), Act, "traffic is to go to the primary"),
    ("object", "primary", Presence(there=False), Done, "traffic goes to us-east-1"),
    ("arc", "standby", SILENT, Wait, "nobody answered"),
    ("arc", "standby", DENIED, Stuck, "AccessDenied"),
    ("arc", "standby", Controls("On", "Off", "eu-west-1"), Act, "is On, the standby's Off; expected Off and On"),
    ("arc", "standby", Controls("On", "On", "eu-west-1"), Act, "expected Off and On"),
    ("arc", "standby", Controls("Off", "Off", "eu-west-1"), Act, "expected Off and On"),
    ("arc", "standby", Controls("Off", "On", "eu-west-1"), Done, "traffic goes to us-west-2"),
    ("arc", "primary", Controls("Off", "On", "eu-west-1"), Act, "expected On and Off"),
    ("arc", "primary", Controls("On", "Off", "eu-west-1"), Done, "traffic goes to us-east-1"),
]


@pytest.mark.parametrize(("kind", "to", "facts", "expected", "because"), ROWS)
def test_says_the_one_thing_that_is_missing(
    policies: dict[str, Policy], kind: str, to: str, facts: Any, expected: type[Next], because: str
) -> None:
    found = SWITCH.next(target(to=to), policies[kind], facts, AT)
    assert isinstance(found, expected), found
    assert because in found.because


def test_facts_of_another_kind_of_switch_are_an_error(policies: dict[str, Policy]) -> None:
    with pytest.raises(TypeError, match="of kind 'arc'"):
        SWITCH.next(target(to="standby"), policies["arc"], Presence(there=False), AT)


CALLS = [(kind, to, facts) for kind, to, facts, expected, _ in ROWS if expected is Act]


def call_of(policies: dict[str, Policy], kind: str, to: str, facts: Any) -> Call:
    found = SWITCH.next(target(to=to), policies[kind], facts, AT)
    assert isinstance(found, Act)
    return found.call


@pytest.mark.parametrize(("kind", "to", "facts"), CALLS)
def test_a_call_is_declared_for_its_kind_and_one_that_the_service_would_take(
    policies: dict[str, Policy], kind: str, to: str, facts: Any
) -> None:
    call = call_of(policies, kind, to, facts)
    declared = {(o.service, o.operation, o.switch) for o in SWITCH.calls if isinstance(o, AwsOp)}
    assert (call.service, call.operation, kind) in declared
    assert call.reversible
    model = botocore.session.get_session().get_service_model(call.service)
    name = next(o for o in model.operation_names if o.lower() == call.operation.replace("_", ""))
    validate_parameters(dict(call.params), model.operation_model(name).input_shape)


@pytest.mark.parametrize(("kind", "to", "facts"), CALLS)
def test_a_call_is_the_same_at_any_time(policies: dict[str, Policy], kind: str, to: str, facts: Any) -> None:
    later = replace(target(to=to), at=AT + timedelta(minutes=7))
    found = SWITCH.next(later, policies[kind], facts, AT + timedelta(minutes=7))
    assert isinstance(found, Act)
    assert found.call == call_of(policies, kind, to, facts)


def test_both_controls_are_set_by_one_call_at_the_endpoint_that_answered(policies: dict[str, Policy]) -> None:
    call = call_of(policies, "arc", "standby", Controls("On", "Off", "ap-northeast-1"))
    assert (call.region, call.operation) == ("ap-northeast-1", "update_routing_control_states")
    switch = policies["arc"].platform.traffic.switch
    assert isinstance(switch, ArcSwitch)
    states = {e["RoutingControlArn"]: e["RoutingControlState"] for e in call.params["UpdateRoutingControlStateEntries"]}
    assert states == {switch.primary_control: "Off", switch.standby_control: "On"}
    assert "SafetyRulesToOverride" not in call.params


@pytest.mark.parametrize(
    ("state", "at"), [("OK", "primary"), ("ALARM", "standby"), ("INSUFFICIENT_DATA", None), ("", None)]
)
def test_an_alarm_without_data_has_no_position(policies: dict[str, Policy], state: str, at: str | None) -> None:
    switch = policies["metric"].platform.traffic.switch
    assert isinstance(switch, MetricSwitch)
    found = metric.stands(switch, state)
    assert isinstance(found, NoData) if at is None else isinstance(found, Position) and found.at == at
    assert isinstance(metric.missing(switch, "primary", Alarm(state, None)), Done if at == "primary" else Act)


@pytest.mark.parametrize(
    ("primary", "standby", "at", "settled"),
    [
        ("On", "Off", "primary", True),
        ("Off", "On", "standby", True),
        ("On", "On", "primary", False),
        ("Off", "Off", "standby", False),
    ],
)
def test_the_primary_s_control_alone_moves_people(primary: str, standby: str, at: str, settled: bool) -> None:
    found = arc.stands(Controls(primary, standby, "eu-west-1"))
    assert (found.at, found.settled) == (at, settled)
    assert found.because


def test_an_object_s_position_is_whether_it_is_there(policies: dict[str, Policy]) -> None:
    switch = policies["object"].platform.traffic.switch
    assert isinstance(switch, ObjectSwitch)
    assert object_.stands(switch, Presence(there=True)).at == "standby"
    assert object_.stands(switch, Presence(there=False)).at == "primary"
