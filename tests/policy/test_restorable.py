from __future__ import annotations

import pytest

from tests.policy.broken import SHIPPED, Broken

FIRST_RUNBOOK = (SHIPPED / "runbooks.yaml").read_text().partition("\n  - scenario: pod-failure")[0]
LAST = FIRST_RUNBOOK.count("\n      - id: ")
MLFLOW = "neurectomy-mlflow-us-east-1"
KEY = "arn:aws:kms:us-east-1:111122223333:key/5f0c1c9e-2b7a-4d0e-9a51-3c6f0a7b8d21"
STEP = """
      - id: artifacts
        title: Put the artifacts back
        action: {action}
        with: {{ {given} }}
        automatic: true
        reversible: true
        expected: 5m
        deadline: 1h
"""


def with_step(broken: Broken, given: str, action: str = "s3-restore") -> Broken:
    """One step more at the end of the first runbook."""
    step = STEP.format(action=action, given=given)
    return broken.edit("runbooks", "\n  - scenario: pod-failure", f"{step}  - scenario: pod-failure")


def test_a_bucket_in_two_rows_is_told(broken: Broken) -> None:
    broken.edit("backups", "- bucket: neurectomy-backups-us-east-1", f"- bucket: {MLFLOW}").says(
        "restorable-bucket-is-single",
        "backups.yaml restorable[1].bucket",
        at=35,
        found=MLFLOW,
        allowed="no other row",
        because="restorable[0]",
    )


def test_a_prefix_within_another_is_a_warning(broken: Broken) -> None:
    broken.edit("backups", "prefixes: [artifacts/]", "prefixes: [artifacts/, artifacts/run-1/]").says(
        "restorable-prefix-is-single",
        "backups.yaml restorable[0].prefixes[1]",
        at="artifacts/run-1/",
        found="artifacts/run-1/",
        allowed="lies in no other",
        severity="warning",
    )


def test_a_promise_that_goes_back_further_than_the_lifecycle_keeps_is_told(broken: Broken) -> None:
    broken.edit("backups", "restores_back: 30d", "restores_back: 36d").says(
        "restore-reaches-what-is-kept",
        "backups.yaml restorable[0].restores_back",
        at="restores_back: 36d",
        found="36d",
        allowed="at most 35d",
        because="in part only",
    )


@pytest.mark.parametrize("keeps", ["35d12h", "90d1s"])
def test_a_lifecycle_that_counts_other_than_whole_days_is_told(broken: Broken, keeps: str) -> None:
    broken.edit("backups", "lifecycle_keeps: 35d", f"lifecycle_keeps: {keeps}").says(
        "restore-reaches-what-is-kept",
        "backups.yaml restorable[0].lifecycle_keeps",
        at=f"lifecycle_keeps: {keeps}",
        found=keeps,
        allowed="whole days",
    )


def test_kms_without_its_key_is_told(broken: Broken) -> None:
    broken.edit("backups", f"    kms_key: {KEY}\n", "").says(
        "kms-key-is-named",
        "backups.yaml restorable[0].kms_key",
        at=28,
        found="nothing",
        allowed="the ARN of the key",
    )


def test_a_key_of_another_region_is_told(broken: Broken) -> None:
    key = KEY.replace("us-east-1", "us-west-2")
    broken.edit("backups", KEY, key).says(
        "kms-key-is-named",
        "backups.yaml restorable[0].kms_key",
        at=key,
        found=key,
        allowed="a key in us-east-1",
    )


@pytest.mark.parametrize("action", ["s3-restore", "s3-count"])
def test_a_step_over_a_bucket_that_is_not_in_the_table_is_told(broken: Broken, action: str) -> None:
    with_step(broken, "bucket: elsewhere, prefix: artifacts/", action).says(
        "restore-step-names-a-restorable-bucket",
        f"runbooks.yaml runbooks[0].steps[{LAST}].with.bucket",
        at="bucket: elsewhere",
        found="elsewhere",
        allowed=f"one of: {MLFLOW}",
    )


@pytest.mark.parametrize(("given", "found"), [("", "the whole bucket"), (", prefix: other/", "other/")])
def test_a_step_over_a_prefix_that_is_not_in_the_table_is_told(broken: Broken, given: str, found: str) -> None:
    with_step(broken, f"bucket: {MLFLOW}{given}").says(
        "restore-step-names-a-restorable-bucket",
        f"runbooks.yaml runbooks[0].steps[{LAST}].with.prefix",
        at=f"bucket: {MLFLOW}",
        found=found,
        allowed="artifacts/",
    )


def test_a_step_that_would_purge_what_is_newer_is_told(broken: Broken) -> None:
    with_step(broken, f"bucket: {MLFLOW}, prefix: artifacts/, newer: purge").says(
        "restore-step-names-a-restorable-bucket",
        f"runbooks.yaml runbooks[0].steps[{LAST}].with.newer",
        at="newer: purge",
        found="purge",
        allowed="keep, remove",
    )


@pytest.mark.parametrize("prefix", ["artifacts/*", "a?", "${aws:username}/", "/"])
def test_a_prefix_that_iam_would_read_otherwise_has_not_the_shape_of_policy(broken: Broken, prefix: str) -> None:
    broken.edit("backups", "prefixes: [artifacts/]", f'prefixes: ["{prefix}"]').says(
        "value-fits",
        "backups.yaml restorable[0].prefixes[0]",
        at=30,
        found=f"'{prefix}'",
        allowed="the beginning of keys",
    )


@pytest.mark.parametrize("bucket", ["Neurectomy_MLflow", "ab"])
def test_a_bucket_that_s3_would_not_make_has_not_the_shape_of_policy(broken: Broken, bucket: str) -> None:
    broken.edit("backups", f"bucket: {MLFLOW}", f"bucket: {bucket}").says(
        "value-fits", "backups.yaml restorable[0].bucket", at=28, found=f"'{bucket}'", allowed="a bucket's name"
    )


def test_an_alias_of_a_key_has_not_the_shape_of_policy(broken: Broken) -> None:
    alias = "arn:aws:kms:us-east-1:111122223333:alias/artifacts"
    broken.edit("backups", KEY, alias).says(
        "value-fits", "backups.yaml restorable[0].kms_key", at=34, found=f"'{alias}'", allowed="a KMS key's ARN"
    )


def test_the_shipped_table_is_fine(broken: Broken) -> None:
    assert not [f for f in broken.findings() if "restor" in f.rule or "kms" in f.rule]


@pytest.mark.parametrize("scenario", ["data-corruption", "ransomware"])
def test_a_margin_that_an_alarm_s_periods_fill_is_told(broken: Broken, scenario: str) -> None:
    with_margin(broken, scenario, "60s").says(
        "margin-holds-what-alarms-measure",
        f"runbooks.yaml runbooks[{number(broken, scenario)}].steps[0].with.margin",
        at="margin: 60s",
        found="60s",
        allowed=f"more than 1m, what an alarm of {scenario} measures",
        because="would propose a moment at which harm may have been done already",
    )


def test_a_margin_that_cannot_be_read_is_told(broken: Broken) -> None:
    with_margin(broken, "security-breach", "a while").says(
        "margin-holds-what-alarms-measure",
        f"runbooks.yaml runbooks[{number(broken, 'security-breach')}].steps[0].with.margin",
        at="margin: a while",
        found="a while",
        allowed="a duration like 15m",
        because="could propose no moment",
    )


def number(broken: Broken, scenario: str) -> int:
    """The place of a runbook in its file."""
    text = (broken.folder / "runbooks.yaml").read_text()
    return text.partition(f"  - scenario: {scenario}\n")[0].count("\n  - scenario: ")


def with_margin(broken: Broken, scenario: str, margin: str) -> Broken:
    path = broken.folder / "runbooks.yaml"
    before, title, rest = path.read_text().partition(f"  - scenario: {scenario}\n")
    path.write_text(before + title + rest.replace("margin: 15m", f"margin: {margin}", 1))
    return broken
