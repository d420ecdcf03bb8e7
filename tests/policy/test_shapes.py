from __future__ import annotations

import pytest

from tests.policy.broken import Broken


def test_text_that_is_no_yaml_is_told_with_its_line(broken: Broken) -> None:
    broken.edit("services", "    order: 6\n", "    order: [6\n").says(
        "yaml-is-readable",
        "services.yaml ",
        at=70,
        found="expected ',' or ']', but got ':'",
        allowed="one YAML document",
    )


def test_an_impossible_date_is_told_with_its_line(broken: Broken) -> None:
    broken.edit("services", "order: 6", "order: 2026-13-01").says(
        "yaml-is-readable",
        "services.yaml ",
        at="2026-13-01",
        found="'2026-13-01' cannot be read: month must be in 1..12",
        allowed="one YAML document",
    )


def test_bytes_that_are_no_text_are_told(broken: Broken) -> None:
    (broken.folder / "backups.yaml").write_bytes(b"rpo: \xff\xfe\x00")
    (finding,) = broken.findings()
    assert (finding.rule, finding.file, finding.line) == ("yaml-is-readable", "backups.yaml", 1)


def test_a_file_that_is_not_there_is_told_alone(broken: Broken) -> None:
    (broken.folder / "backups.yaml").unlink()
    broken.says("file-is-there", "backups.yaml ", at=1, found="no such file", allowed="backups.yaml")
    assert len(broken.findings()) == 1


def test_a_file_that_nobody_reads_is_a_warning_with_the_one_that_was_meant(broken: Broken) -> None:
    (broken.folder / "backup.yaml").write_text("rpo: 2h\n")
    broken.says(
        "file-is-read",
        "backup.yaml ",
        at=1,
        found="backup.yaml",
        allowed="services.yaml",
        because="did you mean 'backups.yaml'?",
        severity="warning",
    )


def test_an_empty_file_is_told(broken: Broken) -> None:
    (broken.folder / "backups.yaml").write_text("# nothing yet\n")
    broken.says("value-fits", "backups.yaml ", at=1, found="nothing", allowed="a mapping with audit, schedules, scope")


def test_a_key_that_stands_twice_is_told_with_both_lines(broken: Broken) -> None:
    broken.edit("services", "    order: 6\n", "    order: 6\n    order: 60\n").says(
        "key-is-single",
        "services.yaml services[5].order",
        at="order: 60",
        found="'order' again, after line 69",
        allowed="each key once",
    )


def test_an_unknown_key_is_told_with_the_keys_there_are_and_the_one_that_was_meant(broken: Broken) -> None:
    broken.edit("services", "    depends_on: [postgresql, s3]", "    dependson: [postgresql, s3]").says(
        "key-is-known",
        "services.yaml services[4].dependson",
        at="dependson:",
        found="'dependson'",
        allowed="one of: name, display, tier, order, depends_on",
        because="did you mean 'depends_on'?",
    )


def test_an_unknown_key_inside_a_union_is_told_at_its_field(broken: Broken) -> None:
    broken.edit("platform", "    insufficient_data:", "    insuficient_data:").says(
        "key-is-known",
        "platform.yaml traffic.switch.insuficient_data",
        at="insuficient_data",
        found="'insuficient_data'",
        allowed="one of: kind, region, namespace, metric, alarm",
        because="did you mean 'insufficient_data'?",
    )


def test_a_field_that_is_missing_is_told_where_it_belongs(broken: Broken) -> None:
    broken.edit("services", "    order: 6\n", "").says(
        "field-is-there",
        "services.yaml services[5].order",
        at="- name: redis",
        found="nothing",
        allowed="a whole number, at least 1",
    )


@pytest.mark.parametrize(
    ("file", "old", "new", "field", "found", "allowed"),
    [
        ("services", "order: 6", "order: six", "services[5].order", "'six'", "a whole number, at least 1"),
        ("services", "order: 6", "order: 0", "services[5].order", "0", "a whole number, at least 1"),
        ("services", "rto: 15m", "rto: 15 minutes", "tiers[0].rto", "'15 minutes'", "a duration like '15m'"),
        ("services", "rto: 15m", "rto: 15", "tiers[0].rto", "15", "a duration like '15m'"),
        (
            "platform",
            "service: postgresql",
            "service: PostgreSQL",
            "database.service",
            "'PostgreSQL'",
            "a name: lower case",
        ),
        ("services", "[redis]", "cache-0", "services[5].deployments", "'cache-0'", "a list, each text"),
        ("platform", "witness: us-east-2", "witness: ohio", "regions.witness", "'ohio'", "an AWS region like"),
        ("platform", 'account: "111122223333"', "account: 111122223333", "account", "111122223333", "an AWS account"),
        ("platform", "url: https:", "url: ftp:", "responder.status_url", "'ftp://status.neurectomy.io'", "a URL"),
        ("backups", "namespaces: all", "namespaces: some", "scope.namespaces", "'some'", "one of: all or a list"),
        ("backups", "secrets: encrypted", "secrets: plain", "scope.secrets", "'plain'", "one of: encrypted, left-out"),
        ("scenarios", "severity: high", "severity: hi", "scenarios[3].severity", "'hi'", "one of: low, medium, high"),
        (
            "runbooks",
            "automatic: true",
            "automatic: maybe",
            "runbooks[0].steps[0].automatic",
            "'maybe'",
            "true or false",
        ),
    ],
)
def test_a_value_that_does_not_fit_is_told_with_what_is_allowed(
    broken: Broken, file: str, old: str, new: str, field: str, found: str, allowed: str
) -> None:
    broken.edit(file, old, new).says("value-fits", f"{file}.yaml {field}", at=new, found=found, allowed=allowed)


def test_a_bare_yes_is_told_to_want_quotes(broken: Broken) -> None:
    broken.edit("scenarios", 'automatic: "yes"', "automatic: yes").says(
        "value-fits",
        "scenarios.yaml scenarios[0].automatic",
        at="automatic: yes",
        found="true",
        allowed="one of: yes, partial, no",
        because="put it in quotes",
    )


def test_an_unknown_kind_is_told_with_the_kinds_there_are(broken: Broken) -> None:
    broken.edit("notifications", "kind: slack", "kind: slak").says(
        "value-fits",
        "notifications.yaml channels[1].kind",
        at="kind: slak",
        found="'slak'",
        allowed="one of: email, pagerduty, slack, status-page",
        because="did you mean 'slack'?",
    )


def test_a_kind_that_is_missing_is_told(broken: Broken) -> None:
    broken.edit("notifications", "kind: slack, ", "").says(
        "value-fits",
        "notifications.yaml channels[1].kind",
        at="name: slack-incidents",
        found="nothing",
        allowed="one of: email, pagerduty, slack, status-page",
    )


def test_every_file_that_has_not_its_shape_is_told_at_once(broken: Broken) -> None:
    broken.edit("services", "order: 6", "order: six").edit("backups", "rpo: 75m", "rpo: soon")
    broken.edit("signals", "  - name: ClusterHealth", "  - name: [ClusterHealth")
    assert [(f.file, f.rule) for f in broken.findings()] == [
        ("backups.yaml", "value-fits"),
        ("services.yaml", "value-fits"),
        ("signals.yaml", "yaml-is-readable"),
    ]
