"""A platform that `drctl init` made, up and broken: its own names, its own regions, its alarms in two of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from drctl.another.asked import Asked
from drctl.another.make import make
from tests.local.stage import ROOT, Stage, eventually, up

pytestmark = pytest.mark.long


def asked_of(stage: Stage) -> set[str]:
    """The regions whose alarms the responder asked for."""
    return {call.region for call in stage.ours() if call.operation == "DescribeAlarms"}


def test_an_incident_opens_with_the_other_platform_s_names(tmp_path: Path) -> None:
    asked = Asked.read("acme", primary="eu-west-1", standby="eu-central-1", witness="eu-west-3", account="444455556666")
    make(ROOT / "policies", asked, tmp_path / "policies")
    with up(tmp_path, speed=10, policies=tmp_path / "policies") as stage:
        stage.healthy()
        assert stage.say("set-mode", mode="automatic", id="mode")["ok"]
        stage.break_region("eu-west-1")
        (opened,) = eventually(stage.open, within=90, what="an incident")
        assert opened.scope == "eu-west-1"
        eventually(lambda: stage.step("capacity"), within=90, what="the plan")
        # The states of alarms are asked for in both regions that have any, and the one that answers stops no worker;
        # in the standby the switch's own alarm is asked for too.
        both = {"eu-west-1", "us-east-1"}
        eventually(lambda: asked_of(stage) >= both, within=90, what="both regions' alarms")
        eventually(lambda: "acme-euc1" in json.dumps(stage.timeline(opened.id)), within=90, what="a step's own cluster")
        whole = json.dumps([c.region for c in stage.ours()]) + json.dumps(stage.timeline(opened.id))
        assert not [ours for ours in ("us-west-2", "us-east-2", "neurectomy", "111122223333") if ours in whole.lower()]
