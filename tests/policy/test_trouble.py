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


def test_a_row_for_the_weekly_test_is_told(broken: Broken) -> None:
    broken.edit("notifications", "- event: step-late", "- event: channel-test").says(
        "test-goes-to-every-channel",
        "notifications.yaml matrix[7].event",
        at="- event: channel-test",
        found="channel-test",
        allowed="no row",
    )


def test_mail_that_cannot_be_tried_is_told(broken: Broken) -> None:
    broken.edit("notifications", "test_mail: [dr-trouble@neurectomy.io]\n", "").says(
        "mail-can-be-tested",
        "notifications.yaml test_mail",
        at=2,
        found="none",
        allowed="weekly test",
        because="email-on-call, email-all-hands, email-customers would not be tried",
        severity="warning",
    )


def test_a_way_that_is_never_tried_is_told(broken: Broken) -> None:
    broken.edit("readiness", ", channels_on: monday", "").says(
        "health-is-rehearsed",
        "readiness.yaml synthetic",
        at="synthetic:",
        found="no day for the channels",
        allowed="channels_on",
        severity="warning",
    )
