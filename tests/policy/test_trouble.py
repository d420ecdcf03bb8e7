"""notifications.yaml: who hears of the responder's own trouble."""

from __future__ import annotations

from tests.policy.broken import Broken

MAIL = "  - { kind: email, address: dr-trouble@neurectomy.io }\n"
WEB = (
    "  - { kind: https, secret: neurectomy/responder-trouble }  # JSON with `url`: the pager's CloudWatch integration\n"
)


def test_a_platform_whose_trouble_topic_nobody_hears_is_told(broken: Broken) -> None:
    broken.edit("notifications", f"trouble:\n{MAIL}{WEB}", "trouble: []\n").says(
        "trouble-is-heard",
        "notifications.yaml trouble",
        at="trouble:",
        found="none",
        allowed="at least one listener",
        because="nobody hears when the responder itself stands still",
    )


def test_a_platform_that_says_nothing_of_it_is_told_too(broken: Broken) -> None:
    broken.edit("notifications", f"trouble:\n{MAIL}{WEB}", "")
    assert [f.severity for f in broken.findings("trouble-is-heard")] == ["error"]


def test_a_listener_that_stands_there_twice_is_told(broken: Broken) -> None:
    broken.edit("notifications", MAIL, MAIL + MAIL).says(
        "trouble-listener-is-single",
        "notifications.yaml trouble[1]",
        at=107,
        found="dr-trouble@neurectomy.io",
        allowed="once",
        because="already is trouble[0]",
    )


def test_trouble_that_rings_nobody_is_told(broken: Broken) -> None:
    broken.edit("notifications", WEB, "").says(
        "trouble-rings",
        "notifications.yaml trouble",
        at="trouble:",
        found="mail alone",
        allowed="kind: https",
        severity="warning",
    )
