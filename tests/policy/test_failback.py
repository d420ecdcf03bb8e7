"""The linter on the way back: what a move away sets is taken back, and the standby's writes can be stopped."""

from __future__ import annotations

from tests.policy.broken import Broken


def test_the_shipped_way_back_takes_everything_back(broken: Broken) -> None:
    assert not broken.findings("move-away-is-taken-back")
    assert not broken.findings("standby-can-be-drained")


def test_a_setting_that_nothing_takes_back_is_told(broken: Broken) -> None:
    broken.edit("runbooks", "action: node-capacity-lowered", "action: moment-reached").says(
        "move-away-is-taken-back",
        "runbooks.yaml runbooks[15].steps",
        at=broken.line("runbooks.yaml", "title: Look that {display} runs in the primary") - 2,
        found="none",
        allowed="a step of the action node-capacity-lowered in the standby",
        because="step 'capacity' of a move away would stay as it is",
    )


def test_a_way_back_that_does_not_know_how_it_was_is_told(broken: Broken) -> None:
    broken.edit("runbooks", "of: node-capacity, cluster: standby", "of: node-capacity, cluster: primary").says(
        "move-away-is-taken-back",
        "runbooks.yaml runbooks[15].choices",
        at=broken.line("runbooks.yaml", "- scenario: failback") + 2,
        found="none",
        allowed="a choice of the kind journal, of: node-capacity, cluster: standby",
    )


def test_a_standby_whose_writes_nobody_could_stop_is_told(broken: Broken) -> None:
    broken.edit("platform", "  standby_subnets: [subnet-0a1b2c3d4e5f70001, subnet-0a1b2c3d4e5f70002]\n", "").says(
        "standby-can-be-drained",
        "platform.yaml fence",
        at=broken.line("platform.yaml", "fence:"),
        found="none",
        allowed="standby_subnets, those of the database's replica",
    )


def test_one_subnet_on_both_sides_is_told(broken: Broken) -> None:
    broken.edit("platform", "subnet-0a1b2c3d4e5f70001", "subnet-0a1b2c3d4e5f60001").says(
        "standby-can-be-drained",
        "platform.yaml fence.standby_subnets",
        at=broken.line("platform.yaml", "standby_subnets:"),
        found="subnet-0a1b2c3d4e5f60001",
        allowed="subnets of the standby",
        because="who stops the standby's writes would stop the primary's",
    )
