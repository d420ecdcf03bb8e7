from __future__ import annotations

import pytest

from chalicelib.patterns import service_events
from chalicelib.policy.load import load
from tests.policy.broken import SHIPPED, Broken

FINDINGS = """  - name: takeover
    regions: [us-east-1]
    types: ["UnauthorizedAccess:IAMUser/*"]
    severity: 7
    counts_for: 24h
"""
RULE = """rules:
  - scenario: accidental-deletion
    scope: us-east-1/identities
    observers:
      - { name: guardduty, findings: takeover }
    quorum: 2
    hold: 0s
    clear_after: 1m
"""


@pytest.fixture
def watching(broken: Broken) -> Broken:
    """The shipped policies, with an example of findings in the place of their own."""
    text = (broken.folder / "signals.yaml").read_text()
    own = text[text.index("  - name: intruder\n") : text.index("rules:\n")]
    broken.edit("signals", own, FINDINGS)
    for theirs in ("intruder", "encryption"):
        broken.edit("signals", f"findings: {theirs}", "alarms: [DeploymentHealth]")
    return broken.edit("signals", "rules:\n", RULE)


def test_the_example_of_findings_has_no_errors(watching: Broken) -> None:
    assert [f.rule for f in watching.findings() if f.severity == "error"] == []


def test_events_that_no_rule_reads_are_told(broken: Broken) -> None:
    broken.edit("signals", "health: aws-us-east-1, ", "probe: standby-probe, ").says(
        "signal-is-read",
        "signals.yaml health[0].name",
        at="- name: aws-us-east-1",
        found="aws-us-east-1",
        allowed="health that an observer of a rule names",
        severity="warning",
    )


def test_an_observer_of_unknown_events_is_told(watching: Broken) -> None:
    watching.edit("signals", "findings: takeover", "findings: takeovers").says(
        "observer-source-is-known",
        "signals.yaml rules[0].observers[0].findings",
        at="findings: takeovers",
        found="takeovers",
        allowed="one of: takeover",
        because="did you mean 'takeover'?",
    )


def test_a_service_that_health_was_never_seen_to_name_is_a_warning(broken: Broken) -> None:
    broken.edit("signals", "services: [MULTIPLE_SERVICES, EC2,", "services: [MULTIPLE_SERVICE, EC2,").says(
        "health-service-is-known",
        "signals.yaml health[0].services[0]",
        at="MULTIPLE_SERVICE,",
        found="MULTIPLE_SERVICE",
        allowed="a code that AWS Health has been seen to use",
        because="did you mean 'MULTIPLE_SERVICES'?",
        severity="warning",
    )


def test_a_type_of_a_purpose_that_guardduty_does_not_have_is_told(watching: Broken) -> None:
    watching.edit("signals", "UnauthorizedAccess:IAMUser/*", "UnauthorisedAccess:IAMUser/*").says(
        "finding-type-is-known",
        "signals.yaml findings[0].types[0]",
        at="UnauthorisedAccess",
        found="UnauthorisedAccess:IAMUser/*",
        allowed="a type whose threat purpose is one of: AttackSequence",
        because="did you mean 'UnauthorizedAccess'?",
    )


@pytest.mark.parametrize("pattern", ["UnauthorizedAccess", "Unauthorized*Access:IAMUser", "*", "Recon:EC2/ X"])
def test_a_pattern_that_eventbridge_could_not_be_given_is_told(watching: Broken, pattern: str) -> None:
    watching.edit("signals", "UnauthorizedAccess:IAMUser/*", pattern).says(
        "value-fits",
        "signals.yaml findings[0].types[0]",
        at=f'["{pattern}"]',
        found=repr(pattern),
        allowed="",
    )


@pytest.mark.parametrize("severity", ["0.9", "10.1", "high"])
def test_a_severity_that_guardduty_does_not_have_is_told(watching: Broken, severity: str) -> None:
    (finding,) = watching.edit("signals", "severity: 7", f"severity: {severity}").findings("value-fits")
    assert finding.field == "findings[0].severity"


def test_what_only_findings_speak_for_never_clears_by_itself(watching: Broken) -> None:
    watching.says(
        "findings-never-clear",
        "signals.yaml rules[0].observers",
        at="observers:",
        found="findings only",
        allowed="an observer beside findings",
        because="stays so until a person says what it is",
        severity="note",
    )


def test_more_than_eventbridge_takes_in_a_pattern_is_told(watching: Broken) -> None:
    many = ", ".join(f'"Recon:EC2/{"X" * 90}{n}"' for n in range(20))
    watching.edit("signals", '"UnauthorizedAccess:IAMUser/*"', many)
    (finding,) = watching.findings("event-pattern-is-short-enough")
    watching.says(
        "event-pattern-is-short-enough",
        "signals.yaml health",
        at=finding.line,
        found=finding.found,
        allowed="a pattern of at most 2048 characters",
        because="could not be deployed",
    )
    assert int(finding.found.split()[0]) > 2048


def test_an_opening_that_only_silent_observers_could_reach_is_told(broken: Broken) -> None:
    path = "signals.yaml rules[0].opens"
    broken.edit("signals", "opens: 1\n    quorum: 3", "opens: 6\n    quorum: 6").says(
        "quorum-can-be-met",
        path,
        at="opens: 6",
        found="6",
        allowed="at most 5: the quorum is 6, the observers that may open it are 5",
    )


def test_each_region_hands_on_what_policy_names_there_and_the_responder_s_all_of_it(watching: Broken) -> None:
    policy = load(watching.folder)
    home, there = (service_events(policy, region) for region in ("us-west-2", "us-east-1"))
    assert home == there
    assert home["source"] == ["aws.health", "aws.guardduty"]
    health, found = home["detail"]["$or"]
    assert health["eventRegion"] == ["us-east-1"]
    assert found == {
        "region": ["us-east-1"],
        "severity": [{"numeric": [">=", 7.0]}],
        "type": [{"prefix": "UnauthorizedAccess:IAMUser/"}],
    }
    assert service_events(policy, "eu-west-1")["detail"] == {"eventRegion": ["none"]}


def test_the_shipped_policies_listen_to_the_primary_s_events_in_both_regions_that_they_are_sent_to() -> None:
    policy = load(SHIPPED)
    assert policy.signals.event_regions == ("us-east-1", "us-west-2")
    assert service_events(policy, "us-west-2")["source"] == ["aws.health", "aws.guardduty"]
    assert service_events(policy, "us-east-1")["source"] == ["aws.health", "aws.guardduty"]
