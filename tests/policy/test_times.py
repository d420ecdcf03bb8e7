from __future__ import annotations

from tests.policy.broken import Broken

KEPT = (
    "11m25s = 3 of 5 observers bad after 40s + held for 10s + waiting for an az-failure at most 3m"
    " + capacity 1m30s + ready-api-gateway 20s"
    " + a person's answer to promote 3m + promote 2m + repoint 5s + verify-database 5s + verify-ml-service 5s"
    " + traffic 30s"
)


def test_an_rto_that_is_kept_is_a_note_with_its_margin(broken: Broken) -> None:
    broken.says(
        "rto-can-be-kept",
        "services.yaml services[0].tier",
        at=15,
        found=KEPT,
        allowed="at most 15m, its RTO",
        because="takes 11m25s of its RTO of 15m; 3m35s left",
        severity="note",
    )


def test_an_rto_that_answers_and_steps_cannot_keep_is_told_with_its_sum(broken: Broken) -> None:
    broken.edit("platform", "answer_time: 3m", "answer_time: 10m")
    for service in ("api-gateway", "postgresql"):
        i = 0 if service == "api-gateway" else 3
        broken.says(
            "rto-can-be-kept",
            f"services.yaml services[{i}].tier",
            at=15 if i == 0 else 49,
            found=KEPT.replace("11m25s", "18m25s").replace("promote 3m", "promote 10m"),
            allowed="at most 15m",
            because=f"'{service}' in a region-failure takes 18m25s = ",
        )


def test_detection_waits_for_the_observer_that_completes_the_quorum(broken: Broken) -> None:
    broken.edit("signals", "quorum: 3\n    hold: 10s", "quorum: 5\n    hold: 10s")
    finding = next(f for f in broken.findings("rto-can-be-kept") if f.field == "services[0].tier")
    assert finding.found.startswith("12m45s = 5 of 5 observers bad after 2m + held for 10s")


def test_a_tighter_rto_is_inherited_by_the_database(broken: Broken) -> None:
    broken.edit("services", "{ tier: 1, name: critical, rto: 15m }", "{ tier: 1, name: critical, rto: 11m }").says(
        "rto-can-be-kept",
        "services.yaml services[3].tier",
        at=49,
        found=KEPT,
        allowed="at most 11m",
        because="25s more than its RTO of 11m",
    )


def test_a_recovery_time_that_people_and_steps_cannot_keep_is_told(broken: Broken) -> None:
    broken.edit("runbooks", "expected: 45m\n", "expected: 3h50m\n").says(
        "recovery-time-can-be-kept",
        "scenarios.yaml scenarios[4].recovery_time",
        at=47,
        found="4h46m40s = a person's answer to leave 3m + leave 20m + a person's answer to find-dump 3m + find-dump "
        "10m + a person's answer to restore-database 3m + restore-database 3h50m + a person's answer to "
        "point-secrets 3m + point-secrets 10s + a person's answer to verify-database 3m + verify-database 10s "
        "+ a person's answer to verify-ml-service 3m + verify-ml-service 10s + a person's answer to traffic "
        "3m + traffic 10s + a person's answer to verify-move 3m + verify-move 2m",
        allowed="at most 4h",
        because="46m40s more than its recovery time of 4h",
    )


def test_a_recovery_time_whose_lower_end_is_above_the_upper_is_told(broken: Broken) -> None:
    broken.edit("scenarios", "recovery_time_min: 15m", "recovery_time_min: 45m").says(
        "recovery-time-is-a-range",
        "scenarios.yaml scenarios[3].recovery_time_min",
        at="recovery_time_min: 45m",
        found="45m",
        allowed="at most recovery_time",
    )


def test_a_deadline_before_the_step_can_be_done_is_told(broken: Broken) -> None:
    broken.edit("runbooks", "expected: 90s\n        deadline: 6m", "expected: 90s\n        deadline: 1m").says(
        "deadline-holds-expected",
        "runbooks.yaml runbooks[0].steps[2].deadline",
        at=29,
        found="1m",
        allowed="at least 1m30s",
    )


def test_a_restore_that_is_to_lose_less_than_rds_uploads_is_told(broken: Broken) -> None:
    broken.edit("platform", "restore_rpo: 10m", "restore_rpo: 4m").says(
        "a-restore-can-keep-its-rpo",
        "platform.yaml database.restore_rpo",
        at="restore_rpo",
        found="4m",
        allowed="at least 5m",
    )


def test_a_lag_that_is_called_well_and_breaks_the_rpo_is_told(broken: Broken) -> None:
    broken.edit("platform", "lag_threshold: 1s", "lag_threshold: 2m").says(
        "lag-fits-the-database-rpo",
        "platform.yaml database.lag_threshold",
        at="lag_threshold",
        found="2m",
        allowed="at most 1m",
    )
