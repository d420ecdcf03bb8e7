from __future__ import annotations

import pytest

from tests.policy.broken import Broken


@pytest.mark.parametrize(
    ("event", "other", "severity"),
    [("dr-activated", "recovery-started", "error"), ("step-late", "step-stuck", "warning")],
)
def test_an_event_that_nobody_is_told_of_is_found(broken: Broken, event: str, other: str, severity: str) -> None:
    broken.edit("notifications", f"- event: {event}", f"- event: {other}").says(
        "event-is-told",
        "notifications.yaml matrix",
        at="matrix:",
        found=f"no row for {event}",
        allowed="incident-detected, dr-activated",
        severity=severity,
    )


def test_a_notice_without_a_channel_is_told(broken: Broken) -> None:
    broken.edit("notifications", "    internal: [pagerduty]\n", "").says(
        "notice-has-a-channel",
        "notifications.yaml matrix[0]",
        at="- event: incident-detected",
        found="neither",
        allowed="at least one channel",
    )


def test_an_event_with_two_deadlines_for_one_severity_is_told(broken: Broken) -> None:
    broken.edit("notifications", "- event: step-late", "- event: approval-needed").says(
        "event-has-one-row",
        "notifications.yaml matrix[7].severities[0]",
        at=58,
        found="low",
        allowed="each event once a severity",
        because="matrix[6]",
    )


def test_what_rings_and_is_never_resolved_is_told(broken: Broken) -> None:
    there = "  - event: recovery-complete\n    internal: [pagerduty]\n    within: 5m\n    severities: [low, medium]\n"
    broken.edit("notifications", there, there.replace("low, medium", "low")).says(
        "what-rings-is-resolved",
        "notifications.yaml matrix",
        at="matrix:",
        found="no row",
        allowed="a row for recovery-complete of severity medium with pagerduty",
        because="what was opened there stays open",
    )


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("internal: [email-all-hands]", "internal: [email-all-hand]", "matrix[2].internal[0]"),
        ("external: [email-customers]", "external: [email-customer]", "matrix[2].external[0]"),
        ("slack-incidents, email-on-call]", "slack-incidents, email-oncall]", "ladder[2].channels[2]"),
        ("fallback: email-on-call", "fallback: email-oncall", "channels[1].fallback"),
    ],
)
def test_a_channel_that_is_not_there_is_told_with_the_one_that_was_meant(
    broken: Broken, old: str, new: str, field: str
) -> None:
    name = new.replace("]", "").split()[-1].replace("[", "")
    meant = old.replace("]", "").split()[-1].replace("[", "")
    broken.edit("notifications", old, new).says(
        "channel-is-known",
        f"notifications.yaml {field}",
        at=new,
        found=name,
        allowed="one of: pagerduty, slack-incidents",
        because=f"did you mean '{meant}'?",
    )


def test_two_channels_of_one_name_are_told(broken: Broken) -> None:
    broken.edit("notifications", "- name: email-customers", "- name: email-all-hands").says(
        "channel-is-single",
        "notifications.yaml channels[4].name",
        at=14,
        found="email-all-hands",
        allowed="no other channel",
    )


def test_a_channel_that_nothing_names_is_a_warning(broken: Broken) -> None:
    broken.edit("notifications", "internal: [email-all-hands]", "internal: [slack-incidents]").says(
        "channel-is-used",
        "notifications.yaml channels[3].name",
        at="- name: email-all-hands",
        found="email-all-hands",
        allowed="a row, a rung or a fallback",
        severity="warning",
    )


def test_fallbacks_that_go_in_a_circle_are_told_once(broken: Broken) -> None:
    broken.edit("notifications", "recipients: [on-call@neurectomy.io]", "recipients: []\n    fallback: pagerduty").says(
        "fallbacks-make-no-circle",
        "notifications.yaml channels[0].fallback",
        at="name: pagerduty",
        found="pagerduty → slack-incidents → email-on-call → pagerduty",
        allowed="do not come back here",
    )
    assert len(broken.findings("fallbacks-make-no-circle")) == 1


def test_an_internal_channel_that_falls_back_onto_the_public_page_is_told(broken: Broken) -> None:
    broken.edit(
        "notifications", 'channel: "#incidents", fallback: email-on-call', 'channel: "#i", fallback: status-page'
    )
    broken.says(
        "internal-notice-stays-inside",
        "notifications.yaml channels[1].fallback",
        at='channel: "#i"',
        found="status-page",
        allowed="the public does not read",
    )


def test_a_finding_that_customers_would_be_told_is_found(broken: Broken) -> None:
    row = "- event: finding-raised\n    internal: [pagerduty, slack-incidents]\n"
    broken.edit("notifications", row, row + "    external: [pagerduty]\n").says(
        "finding-stays-inside",
        "notifications.yaml matrix[12].external",
        at="external: [pagerduty]",
        found="pagerduty",
        allowed="no external channel",
    )


def test_a_rung_that_is_not_later_than_the_one_before_is_told(broken: Broken) -> None:
    broken.edit("notifications", "after: 15m", "after: 5m").says(
        "ladder-climbs",
        "notifications.yaml ladder[2].after",
        at="who: head of platform",
        found="5m",
        allowed="more than 5m",
    )


def test_a_ladder_without_rungs_is_told(broken: Broken) -> None:
    path = broken.folder / "notifications.yaml"
    head, _, tail = path.read_text().partition("ladder:\n")
    path.write_text(head + "ladder: []\n" + tail[tail.index("status_levels:") :])
    broken.says("ladder-climbs", "notifications.yaml ladder", at="ladder:", found="none", allowed="at least one rung")


def test_a_level_that_the_status_page_has_no_words_for_is_told(broken: Broken) -> None:
    broken.edit("notifications", "name: under_maintenance", "name: operational")
    found = {f.found for f in broken.findings("status-level-is-there")}
    assert found == {"operational 2 times", "under_maintenance 0 times"}
    broken.edit("notifications", "  - { name: operational, display: Maintenance, meaning: Planned. }\n", "").says(
        "status-level-is-there",
        "notifications.yaml status_levels",
        at="status_levels:",
        found="under_maintenance 0 times",
        allowed="under_maintenance once",
    )
