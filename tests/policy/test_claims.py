"""What steps move: that it is known of each, and that no two steps of one plan move the same at once."""

from __future__ import annotations

from chalicelib.policy.lint import ActionFacts
from tests.policy.broken import Broken


def test_an_action_of_which_nobody_wrote_down_what_it_moves_is_told(broken: Broken) -> None:
    broken.actions = {**broken.actions, "dance": ActionFacts(name="dance")}
    broken.edit("runbooks", "action: node-capacity", "action: dance").says(
        "step-says-what-it-moves",
        "runbooks.yaml runbooks[0].steps[2].action",
        at="action: dance",
        found="dance",
        allowed="core/things.py says what it moves",
        because="nobody has written down what action 'dance' moves",
    )


def test_a_step_that_does_not_say_which_it_moves_is_told(broken: Broken) -> None:
    old = "        action: node-capacity\n        with: { cluster: standby }\n"
    broken.edit("runbooks", old, "        action: node-capacity\n").says(
        "step-says-what-it-moves",
        "runbooks.yaml runbooks[0].steps[2].action",
        at=broken.line("runbooks.yaml", "action: node-capacity"),
        found="node-capacity",
        allowed="a `with` that names which",
        because="'cluster' is missing or unknown",
    )


def test_a_cluster_that_is_not_there_is_left_to_the_rule_about_targets(broken: Broken) -> None:
    broken.edit("runbooks", "with: { cluster: standby }", "with: { cluster: stand-by }")
    assert broken.findings("step-target-is-known")
    assert not broken.findings("step-says-what-it-moves")


def test_two_steps_of_one_plan_that_move_the_database_in_any_order_are_told(broken: Broken) -> None:
    old = "        action: point-application\n        needs: [promote]\n"
    broken.edit("runbooks", old, "        action: point-application\n        needs: [capacity]\n").says(
        "one-thing-is-moved-by-one-step-at-a-time",
        "runbooks.yaml runbooks[0].steps[6].needs",
        at="needs: [capacity]",
        found="capacity",
        allowed="'promote' among what 'repoint' needs, or the other way round",
        because="both move database postgresql",
    )


def test_what_is_of_best_effort_has_no_place_in_the_order_and_is_not_told(broken: Broken) -> None:
    assert not broken.findings("one-thing-is-moved-by-one-step-at-a-time")
    assert not broken.findings("step-says-what-it-moves")
