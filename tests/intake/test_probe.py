"""A probe's verdict is a signal; no verdict is no data."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from chalicelib.core.happened import AlarmState, SignalKind
from chalicelib.intake.codec import dump, read
from chalicelib.intake.probe import from_probe

AT = datetime(2026, 3, 4, 6, 0, 0, 123456, tzinfo=UTC)


@pytest.mark.parametrize(
    ("healthy", "state"),
    [(True, AlarmState.OK), (False, AlarmState.ALARM), (None, AlarmState.INSUFFICIENT_DATA)],
)
def test_a_probe_that_could_not_look_has_no_data_and_is_not_down(healthy: bool | None, state: AlarmState) -> None:
    signal = from_probe("standby-probe", healthy=healthy, changed_at=AT, reason="3 of 3 timed out")
    assert signal.state is state
    assert (signal.source, signal.name, signal.kind) == ("probe:standby-probe", "standby-probe", SignalKind.PROBE)
    assert (signal.region, signal.account) == (None, None)
    assert read(dump(signal)) == signal


def test_the_same_moment_is_the_same_signal_in_whatever_zone_it_is_told() -> None:
    here = from_probe("p", healthy=True, changed_at=AT, reason="200")
    there = from_probe("p", healthy=True, changed_at=AT.astimezone(timezone(timedelta(hours=9))), reason="200")
    assert here == there
    assert here.id == "probe:p#2026-03-04T06:00:00.123+00:00#OK"
    assert here.changed_at.microsecond == 123000


def test_a_reason_is_cut_and_never_empty() -> None:
    assert len(from_probe("p", healthy=True, changed_at=AT, reason="x" * 2000).reason) == 1024
    assert from_probe("p", healthy=True, changed_at=AT, reason="").reason == "no reason given"


def test_a_naive_time_or_no_name_is_a_fault_of_ours_and_raised() -> None:
    with pytest.raises(ValueError, match="names no zone"):
        from_probe("p", healthy=True, changed_at=AT.replace(tzinfo=None), reason="")
    with pytest.raises(ValueError, match="name is empty"):
        from_probe(" ", healthy=True, changed_at=AT, reason="")
