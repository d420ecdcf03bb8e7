from __future__ import annotations

import copy
from typing import Any

import pytest
from botocore.exceptions import ClientError

from drctl.neighbours.arc import REGIONS, Arc
from drctl.neighbours.aws import Aws
from drctl.neighbours.aws_clients import make_client

ACCOUNT = "111122223333"
PANEL = f"arn:aws:route53-recovery-control::{ACCOUNT}:controlpanel/0123456789abcdef0123456789abcdef"
EAST, WEST = f"{PANEL}/routingcontrol/aaaaaaaaaaaaaaaa", f"{PANEL}/routingcontrol/bbbbbbbbbbbbbbbb"
RULE = f"{PANEL}/safetyrule/cccccccccccccccc"


@pytest.fixture
def model() -> Arc:
    arc = Arc()
    arc.add(EAST, "east", "On", account=ACCOUNT)
    arc.add(WEST, "west", "Off", account=ACCOUNT)
    arc.assert_at_least(1, [EAST, WEST], rule=RULE)
    return arc


def client(model: Arc, region: str = "eu-west-1", account: str = ACCOUNT) -> Any:
    return make_client(Aws({"route53-recovery-cluster": model}), "route53-recovery-cluster", region, account=account)


def entries(**states: str) -> list[dict[str, str]]:
    arns = {"east": EAST, "west": WEST}
    return [{"RoutingControlArn": arns.get(k, k), "RoutingControlState": v} for k, v in states.items()]


def refused(call: Any, **params: Any) -> dict[str, Any]:
    with pytest.raises(ClientError) as caught:
        call(**params)
    answer = caught.value.response
    return {"status": answer["ResponseMetadata"]["HTTPStatusCode"], **answer["Error"], **answer}


def state(model: Arc, control: str) -> str:
    return str(client(model).get_routing_control_state(RoutingControlArn=control)["RoutingControlState"])


@pytest.mark.parametrize(
    ("operation", "params"),
    [
        ("get_routing_control_state", {"RoutingControlArn": f"{EAST}0"}),
        ("update_routing_control_state", {"RoutingControlArn": f"{EAST}0", "RoutingControlState": "On"}),
        (
            "update_routing_control_states",
            {
                "UpdateRoutingControlStateEntries": [
                    *entries(west="On"),
                    {"RoutingControlArn": f"{EAST}0", "RoutingControlState": "Off"},
                ]
            },
        ),
        ("list_routing_controls", {"ControlPanelArn": f"{PANEL}0"}),
    ],
)
def test_refuses_a_control_or_panel_that_it_does_not_hold(model: Arc, operation: str, params: dict[str, Any]) -> None:
    said = refused(getattr(client(model), operation), **params)
    assert (said["status"], said["Code"]) == (404, "ResourceNotFoundException")
    assert said["resourceId"].endswith("0")
    assert state(model, WEST) == "Off"


def test_refuses_another_account_s_controls(model: Arc) -> None:
    stranger = client(model, account="999999999999")
    said = refused(stranger.get_routing_control_state, RoutingControlArn=EAST)
    assert said["Code"] == "ResourceNotFoundException"


def test_refuses_to_break_a_safety_rule_and_names_it(model: Arc) -> None:
    said = refused(client(model).update_routing_control_state, RoutingControlArn=EAST, RoutingControlState="Off")
    assert (said["status"], said["Code"], said["resourceId"]) == (409, "ConflictException", RULE)
    assert RULE in said["Message"]
    assert state(model, EAST) == "On"
    all_off = entries(east="Off", west="Off")
    said = refused(client(model).update_routing_control_states, UpdateRoutingControlStateEntries=all_off)
    assert said["Code"] == "ConflictException"
    assert (state(model, EAST), state(model, WEST)) == ("On", "Off")


def test_refuses_a_rule_to_override_that_it_does_not_hold(model: Arc) -> None:
    said = refused(
        client(model).update_routing_control_state,
        RoutingControlArn=EAST,
        RoutingControlState="Off",
        SafetyRulesToOverride=[f"{RULE}0"],
    )
    assert said["Code"] == "ResourceNotFoundException"


def test_refuses_a_state_that_there_is_not_and_an_empty_batch(model: Arc) -> None:
    said = refused(client(model).update_routing_control_state, RoutingControlArn=EAST, RoutingControlState="ON")
    assert (said["status"], said["Code"]) == (400, "ValidationException")
    said = refused(client(model).update_routing_control_states, UpdateRoutingControlStateEntries=[])
    assert (said["status"], said["Code"]) == (400, "ValidationException")


def test_refuses_two_states_for_one_control(model: Arc) -> None:
    twice = [*entries(east="On"), *entries(east="Off")]
    said = refused(client(model).update_routing_control_states, UpdateRoutingControlStateEntries=twice)
    assert said["Code"] == "ValidationException"


@pytest.mark.parametrize("region", REGIONS)
def test_an_endpoint_in_maintenance_refuses_reads_and_writes_and_changes_nothing(model: Arc, region: str) -> None:
    model.take_away(region)
    asked = client(model, region)
    said = refused(asked.get_routing_control_state, RoutingControlArn=EAST)
    assert (said["status"], said["Code"]) == (503, "EndpointTemporarilyUnavailableException")
    swapped = entries(east="Off", west="On")
    said = refused(asked.update_routing_control_states, UpdateRoutingControlStateEntries=swapped)
    assert said["Code"] == "EndpointTemporarilyUnavailableException"
    other = next(r for r in REGIONS if r != region)
    assert client(model, other).get_routing_control_state(RoutingControlArn=EAST)["RoutingControlState"] == "On"
    model.give_back(region)
    assert asked.get_routing_control_state(RoutingControlArn=EAST)["RoutingControlState"] == "On"


def test_there_is_no_endpoint_outside_the_five_regions(model: Arc) -> None:
    assert len(set(REGIONS)) == 5
    with pytest.raises(KeyError, match="us-east-2"):
        model.take_away("us-east-2")
    said = refused(client(model, "us-east-2").get_routing_control_state, RoutingControlArn=EAST)
    assert (said["status"], said["Code"]) == (403, "AccessDeniedException")


def test_sets_both_controls_at_once_and_every_endpoint_tells_it(model: Arc) -> None:
    swapped = entries(east="Off", west="On")
    client(model, "us-west-2").update_routing_control_states(UpdateRoutingControlStateEntries=swapped)
    for region in REGIONS:
        rows = client(model, region).list_routing_controls(ControlPanelArn=PANEL)["RoutingControls"]
        assert {r["RoutingControlName"]: r["RoutingControlState"] for r in rows} == {"east": "Off", "west": "On"}
    assert model.is_on(WEST) is True
    assert model.is_on(EAST) is False
    assert model.is_on(f"{EAST}0") is None


def test_a_rule_that_is_overridden_by_its_arn_does_not_hold(model: Arc) -> None:
    client(model).update_routing_control_state(
        RoutingControlArn=EAST, RoutingControlState="Off", SafetyRulesToOverride=[RULE]
    )
    assert (state(model, EAST), state(model, WEST)) == ("Off", "Off")


def test_a_copy_goes_its_own_way(model: Arc) -> None:
    other = copy.deepcopy(model)
    client(other).update_routing_control_states(UpdateRoutingControlStateEntries=entries(east="Off", west="On"))
    assert state(model, EAST) == "On"
