"""Texts that Velero reads: Go's durations, and robfig/cron's lines."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.policy.go import parse_cron, parse_duration, show_duration
from chalicelib.policy.lint.backups import runs


@pytest.mark.parametrize("text", ["three days", "30d", "1w", "24", "", "h", "1h 2m", "1h-2m", "٣h"])
def test_what_go_does_not_read_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="time: invalid duration"):
        parse_duration(text)


@given(st.timedeltas(min_value=timedelta(seconds=1), max_value=timedelta(days=900)))
def test_what_is_written_is_read_as_the_same_length(value: timedelta) -> None:
    assert abs(parse_duration(show_duration(value)) - value) <= timedelta(microseconds=1)


def test_durations_are_written_as_go_writes_them() -> None:
    assert [show_duration(timedelta(hours=h)) for h in (24, 720)] == ["24h0m0s", "720h0m0s"]
    assert show_duration(timedelta(seconds=90.5)) == "1m30.5s"
    with pytest.raises(ValueError, match="less than a second"):
        show_duration(timedelta())


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("", "empty"),
        ("0 * * *", "expected exactly 5 fields, found 4"),
        ("0 0 0 * * *", "expected exactly 5 fields, found 6"),
        ("61 * * * *", "not within 0-59"),
        ("0 0 * * 7", "not within 0-6"),
        ("0 0 30-2 * *", "in rising order"),
        ("0 0 * * 5#2", "is no number"),
        ("0 0 L * *", "is no number"),
        ("*/0 * * * *", "a step of 0"),
        ("1-2-3 * * * *", "too many hyphens"),
        ("*/2/3 * * * *", "too many slashes"),
        (", * * * *", "holds nothing"),
        ("@fortnightly", "is no descriptor"),
        ("@every soon", "invalid duration"),
        ("@every 6h30", "invalid duration"),
        ("CRON_TZ=Mars/Olympus 0 0 * * *", "there is no time zone 'Mars/Olympus'"),
        ("CRON_TZ=UTC", "names a time zone and no times"),
    ],
)
def test_a_line_that_robfig_cron_refuses_is_refused_with_the_reason(line: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_cron(line)


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ("0 * * * *", "0 * * * *"),
        (" 15  2 * * ? ", "15 2 * * *"),
        ("0 3 * jan-MAR sun", "0 3 * 1-3 0"),
        ("5/20 * * * *", "5-59/20 * * * *"),
        ("1,,2 * * * *", "1,2 * * * *"),
        ("*/15 * * * *", "*/15 * * * *"),
        ("@midnight", "0 0 * * *"),
    ],
)
def test_a_line_is_read_as_robfig_cron_reads_it(line: str, fields: str) -> None:
    assert parse_cron(line).fields == fields


def test_runs_are_those_of_the_lines_own_time_zone() -> None:
    after = datetime(2026, 11, 20, 12, tzinfo=UTC)
    (first,) = islice(runs("CRON_TZ=America/New_York 0 3 * * *", after), 1)
    assert first == datetime(2026, 11, 21, 8, tzinfo=UTC)
    assert list(islice(runs("@every 90m", after), 2)) == [after + timedelta(minutes=90), after + timedelta(hours=3)]
