"""What `drctl backups` shows of the promises: what was looked at now, else what the clock saw, and how it ends."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chalicelib.account.promises import LOOKS, looked
from chalicelib.core.book import Watermark
from chalicelib.core.happened import AlarmState, SignalKind
from drctl.cli.places import out
from drctl.cli.promises import Seen, as_json, show, worst
from tests.account.claimed import AT, POLICY, House


def mark(state: AlarmState) -> Watermark:
    return Watermark(name="locks", kind=SignalKind.AUDIT, state=state, changed_at=AT, reason="said so")


def seen(house: House, locks: AlarmState | None = AlarmState.OK) -> tuple[Seen, ...]:
    rows = looked(POLICY, house.reader, POLICY.platform.regions.primary, AT, names=set(LOOKS) - {"locks"})
    told = mark(locks) if locks else None
    return tuple(Seen(name=n, rows=rows.get(n), told=told if n == "locks" else None) for n in LOOKS)


Change = Callable[[House], object]


@pytest.mark.parametrize(
    ("change", "locks", "status"),
    [
        (lambda _: None, AlarmState.OK, 0),
        (lambda _: None, None, 3),
        (lambda _: None, AlarmState.INSUFFICIENT_DATA, 3),
        (lambda _: None, AlarmState.ALARM, 1),
        (lambda h: h.silent.add(("route53", "us-west-2")), AlarmState.OK, 3),
        (lambda h: h.check.update(FailureThreshold=9), None, 1),
    ],
)
def test_it_ends_with_what_is_worst(change: Change, locks: AlarmState | None, status: int) -> None:
    house = House()
    change(house)
    assert worst(seen(house, locks)) == status


def test_what_differs_is_shown_with_the_command_that_mends_it_and_as_json() -> None:
    house = House()
    house.check["FailureThreshold"] = 9
    found = seen(house, AlarmState.ALARM)
    with out.capture() as captured:
        show(found)
    text = " ".join(captured.get().split())
    assert "health check 'endpoint': FailureThreshold: 9, expected 3 (signals.health_check)" in text
    assert "--failure-threshold 3" in text
    assert "said so (as the clock saw it at 2026-11-26 12:00 UTC)" in text
    (check,) = [p for p in as_json(found) if p["promise"] == "health-check"]
    assert check["kept"] is False
    assert [(o["what"], o["found"], o["policy"]) for o in check["others"]] == [("FailureThreshold", "9", "3")]
    assert "--failure-threshold 3" in check["others"][0]["mend"]
    assert check["as_policy_says"] > 5


def test_brackets_of_a_name_are_text_and_no_colour() -> None:
    house = House()
    house.rule.seconds = 3600
    house.minutes()
    with out.capture() as captured:
        show(seen(house))
    assert "(backups.replication[0])" in " ".join(captured.get().split())
