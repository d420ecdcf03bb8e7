"""Where the traffic switch stands, told to people within a tick when that is not where it should be: and only then."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from typing import Final

import pytest

from chalicelib.core.book import Book, Finding
from chalicelib.core.due import due, wake_at
from chalicelib.core.findings import standing
from chalicelib.core.happened import Abort, AlarmState, Pause, SetMode
from chalicelib.core.incident import Incident, NoticeState, StepState
from chalicelib.core.message import Message
from chalicelib.core.outcome import NoData, Refused
from chalicelib.core.plan import Step
from chalicelib.core.switch import LOST, MOVED, SILENT, Found, LookAtSwitch, Stands, SwitchSeen, Unset, alike, expected
from chalicelib.policy.notifications import NoticeEvent
from chalicelib.policy.platform import Mode
from chalicelib.policy.scenarios import Severity
from chalicelib.store.codec import dump_book, read_book
from tests.core.little_world import LOST as NO_ANSWER
from tests.core.little_world import MADE, REFUSED, LittleWorld, Worker
from tests.core.stage import POLICY, PRIMARY, RULES, STANDBY, approve, at, confirmed, empty, only, reread, said, take

MINUTE: Final = 60
AT_PRIMARY: Final = Stands(region=PRIMARY, because="the switch is in OK")
AT_STANDBY: Final = Stands(region=STANDBY, because="the switch is in ALARM")
GONE: Final = Refused(code="ResourceNotFound", because="alarm 'switch' does not exist in us-west-2")
NO_DATA: Final = NoData(because="cloudwatch describe_alarms in us-west-2 was not answered: ReadTimeoutError")
NEVER_THROWN: Final = Unset(because="the switch is in INSUFFICIENT_DATA")
CHANNELS: Final = {"pagerduty", "slack-incidents"}


def idle(found: Found = AT_PRIMARY, **world: object) -> Worker:
    """Nothing is open, and the switch was looked at once, at 0 s."""
    made = LittleWorld(switch=found, **world)  # type: ignore[arg-type]  # its own fields
    worker = Worker(made, empty(), RULES)
    tick(worker, 0)
    return worker


def tick(worker: Worker, seconds: float) -> None:
    """A visit by the clock: what the look found is acted on in the same visit."""
    worker.round(at(seconds))
    worker.round(at(seconds))


def told(worker: Worker, event: str = "finding-raised") -> list[Message]:
    return [m for m in worker.world.told if m.event == event]


def finding(book: Book) -> Finding:
    (found,) = book.findings.values()
    return found


def after_a_failover() -> tuple[Worker, int]:
    """Everything is archived and blocked, and the traffic at the standby; the second at which that was."""
    worker = Worker(LittleWorld(dark=True), confirmed(), RULES)
    now = 10
    while worker.book.incidents:
        worker.round(at(now))
        for incident in worker.book.incidents.values():
            if incident.step("promote").state is StepState.ASKING:
                worker.take(approve(worker.book, f"yes-{now}", now, "promote"), at(now))
                break
        now += 5
    assert worker.book.serving == STANDBY
    return worker, now


# Told


def test_a_deleted_switch_is_told_within_one_tick_and_is_not_said_to_have_moved() -> None:
    worker = idle()
    worker.world.switch = GONE
    tick(worker, MINUTE)
    assert {m.channel for m in told(worker)} == CHANNELS
    (headline,) = {m.headline for m in told(worker)}
    assert headline == "The traffic switch cannot be thrown"
    (line,) = told(worker)[0].lines
    assert "alarm 'switch' does not exist in us-west-2 (ResourceNotFound)" in line
    assert "it was last seen at us-east-1" in line
    assert standing(worker.book, MOVED) is None
    assert worker.book.serving == PRIMARY


def test_a_switch_thrown_by_hand_is_told_within_one_tick_as_critical() -> None:
    worker = idle()
    worker.world.switch = AT_STANDBY
    tick(worker, MINUTE)
    assert {m.channel for m in told(worker)} == CHANNELS
    assert {m.severity for m in told(worker)} == {Severity.CRITICAL}
    assert {m.headline for m in told(worker)} == {"The traffic switch stands at us-west-2, expected us-east-1"}
    assert worker.book.serving == PRIMARY, "what somebody did by hand is not what the responder left"


def test_a_switch_moved_back_by_hand_in_the_block_window_is_told() -> None:
    worker, now = after_a_failover()
    assert worker.book.blocks
    assert told(worker) == []
    worker.world.switch = AT_PRIMARY
    tick(worker, now + MINUTE)
    assert {m.headline for m in told(worker)} == {"The traffic switch stands at us-east-1, expected us-west-2"}


def test_a_half_thrown_switch_is_told() -> None:
    worker = idle()
    worker.world.switch = Stands(region=PRIMARY, because="both routing controls are On", whole=False)
    tick(worker, MINUTE)
    assert {m.headline for m in told(worker)} == {"The traffic switch is not wholly at us-east-1"}


@pytest.mark.parametrize("mode", Mode)
def test_it_is_looked_at_and_told_in_every_mode_and_while_paused(mode: Mode) -> None:
    worker = idle()
    worker.take(SetMode(said=said("mode"), mode=mode), at(1))
    worker.take(Pause(said=said("halt")), at(2))
    worker.world.switch = GONE
    tick(worker, MINUTE)
    assert {m.channel for m in told(worker)} == CHANNELS
    assert {m.audience for m in told(worker)} == {"internal"}


def test_it_is_told_while_an_incident_is_open_and_before_its_switch_step() -> None:
    worker = Worker(LittleWorld(broken={"capacity"}), confirmed(), RULES)
    tick(worker, 10)
    worker.world.switch = GONE
    tick(worker, 10 + MINUTE)
    assert worker.book.incidents
    assert {m.channel for m in told(worker)} == CHANNELS


# Told once


def test_what_stands_for_an_hour_is_told_once_and_settles_once() -> None:
    worker = idle()
    worker.world.switch = AT_STANDBY
    for minute in range(1, 60):
        tick(worker, minute * MINUTE)
    assert len(told(worker)) == len(CHANNELS)
    opened = finding(worker.book).id
    worker.world.switch = AT_PRIMARY
    for minute in range(60, 65):
        tick(worker, minute * MINUTE)
    over = told(worker, "finding-settled")
    assert {m.channel for m in over} == CHANNELS
    assert len(over) == len(CHANNELS)
    assert {(m.incident, m.closes) for m in over} == {(opened, True)}
    assert "It was found 59m before" in over[0].lines[1]
    assert worker.book.findings == {}
    kinds = [e.kind for e in worker.timeline if opened in e.text]
    assert kinds == ["finding", *["notice-sent"] * 2, "settled", *["notice-sent"] * 2]


def test_what_comes_back_after_it_settled_is_another_finding() -> None:
    worker = idle()
    ids = set()
    again: list[Found] = [GONE, AT_PRIMARY, GONE]
    for minute, found in enumerate(again, start=1):
        worker.world.switch = found
        tick(worker, minute * MINUTE)
        ids |= {m.incident for m in told(worker)}
    assert len(ids) == 2
    assert len(told(worker)) == 2 * len(CHANNELS)


def test_another_sentence_of_the_same_finding_is_noted_and_rings_nobody() -> None:
    worker = idle()
    worker.world.switch = GONE
    tick(worker, MINUTE)
    worker.world.switch = replace(GONE, code="AccessDenied", because="describe_alarms in us-west-2: not authorized")
    tick(worker, 2 * MINUTE)
    assert len(told(worker)) == len(CHANNELS)
    assert "AccessDenied" in finding(worker.book).because
    assert sum(e.kind == "finding" for e in worker.timeline) == 2


def test_a_refused_page_goes_down_its_fallback_and_a_lost_one_is_tried_again() -> None:
    answers = {"pagerduty": REFUSED, "slack-incidents": NO_ANSWER}
    worker = idle(answer_message=lambda m: answers.get(m.channel, MADE))
    worker.world.switch = GONE
    tick(worker, MINUTE)
    wake = wake_at(worker.book, rules=RULES, now=at(MINUTE))
    assert wake is not None
    assert wake <= at(MINUTE + 5), "a page that may not have come is not left to the next tick"
    answers["slack-incidents"] = MADE
    worker.round(wake)
    notices = finding(worker.book).notices
    assert notices["finding-raised/pagerduty"].state is NoticeState.FAILED
    assert notices["finding-raised/pagerduty>slack-incidents"].state is NoticeState.SENT
    assert notices["finding-raised/slack-incidents"].tries == 2


def test_what_settles_before_anybody_knows_that_it_was_told_pages_nobody_late() -> None:
    worker = idle(answer_message=lambda _: NO_ANSWER)
    worker.world.switch = GONE
    tick(worker, MINUTE)
    worker.world.switch = AT_PRIMARY
    worker.take(SwitchSeen(expected=(PRIMARY,), at=at(MINUTE + 1), found=AT_PRIMARY), at(MINUTE + 1))
    worker.world.answer_message = lambda _: MADE
    before = len(told(worker))
    for minute in range(2, 6):
        tick(worker, minute * MINUTE)
    assert len(told(worker)) == before, "an alert that was closed is not opened again"
    assert {m.channel for m in told(worker, "finding-settled")} == CHANNELS
    assert worker.book.findings == {}
    assert any(e.kind == "notice-lapsed" for e in worker.timeline)


def test_a_worker_that_stops_before_any_act_leaves_a_finding_that_the_next_one_tells() -> None:
    for stop in range(3):
        worker = idle()
        worker.world.switch = GONE
        worker.round(at(MINUTE))
        worker.round(at(MINUTE), crash_before=stop)
        tick(worker, 2 * MINUTE)
        assert {m.channel for m in told(worker)} == CHANNELS, stop
        assert len({m.id for m in told(worker)}) == len(CHANNELS), stop
        assert {n.state for n in finding(worker.book).notices.values()} == {NoticeState.SENT}


# Not told


def test_during_the_failover_s_own_move_nothing_is_told_at_any_moment() -> None:
    sights = []

    def look(book: Book, _: Incident, step: Step, now: datetime) -> None:
        """While the call is on its way, and whichever side answers."""
        if step.id != "traffic":
            return
        for found in (AT_PRIMARY, AT_STANDBY, Stands(region=PRIMARY, because="both are On", whole=False)):
            seen = take(
                book, SwitchSeen(expected=expected(book, RULES), at=now, found=found), seconds=now.timestamp() - ZERO
            )
            sights.append(seen.findings)

    worker = Worker(LittleWorld(dark=True, before_call=look), confirmed(), RULES)
    now = 10
    while worker.book.incidents:
        worker.round(at(now))
        for incident in worker.book.incidents.values():
            if incident.step("promote").state is StepState.ASKING:
                worker.take(approve(worker.book, f"yes-{now}", now, "promote"), at(now))
                break
        now += 5
    assert sights == [{}, {}, {}]
    assert told(worker) == []
    assert worker.world.seen > 1


ZERO: Final = at(0).timestamp()


def test_a_look_that_began_before_the_switch_was_thrown_says_nothing_about_now() -> None:
    before = empty()
    late = SwitchSeen(expected=expected(before, RULES), at=at(0), found=AT_PRIMARY)
    after = replace(before, serving=STANDBY)
    assert take(after, late) == after
    assert any(isinstance(w, LookAtSwitch) for w in due(after, rules=RULES, now=at(0))), "it is looked at again"


def test_traffic_that_an_aborted_failover_has_moved_is_told() -> None:
    """The step called, nobody saw it done, and a person ended the incident."""
    worker = Worker(LittleWorld(broken=set()), confirmed(), RULES)
    now = 10
    while worker.book.incidents and not only(worker.book).step("traffic").calls:
        worker.round(at(now))
        if only(worker.book).step("promote").state is StepState.ASKING:
            worker.take(approve(worker.book, f"yes-{now}", now, "promote"), at(now))
        now += 5
    worker.take(Abort(said=said("enough", now), incident=only(worker.book).id), at(now))
    assert worker.book.serving == PRIMARY
    tick(worker, now + MINUTE)
    assert {m.headline for m in told(worker)} == {"The traffic switch stands at us-west-2, expected us-east-1"}


# No data


def test_silence_is_no_sign_of_a_move_and_is_told_as_such_only_when_it_lasts() -> None:
    worker = idle()
    worker.world.switch = NO_DATA
    for minute in (1, 2, 3):
        tick(worker, minute * MINUTE)
        assert worker.book.findings == {}, f"minute {minute}"
    tick(worker, 4 * MINUTE)
    assert {m.headline for m in told(worker)} == {"Nobody can say where the traffic switch stands"}
    assert {m.severity for m in told(worker)} == {Severity.MEDIUM}
    assert "since 03:01:00 UTC" in told(worker)[0].lines[0]
    assert standing(worker.book, MOVED) is None
    assert standing(worker.book, LOST) is None
    worker.world.switch = AT_PRIMARY
    tick(worker, 5 * MINUTE)
    assert {m.channel for m in told(worker, "finding-settled")} == CHANNELS


def test_silence_that_ends_in_time_is_told_to_nobody() -> None:
    worker = idle()
    blips: list[Found] = [NO_DATA, NO_DATA, AT_PRIMARY]
    for minute, found in enumerate(blips * 5, start=1):
        worker.world.switch = found
        tick(worker, minute * MINUTE)
    assert worker.world.told == []


def test_losing_the_standby_s_s3_and_cloudwatch_after_the_failover_is_no_data_and_not_moved() -> None:
    worker, now = after_a_failover()
    worker.world.switch = NO_DATA
    for minute in range(1, 6):
        tick(worker, now + minute * MINUTE)
    assert {m.headline for m in told(worker)} == {"Nobody can say where the traffic switch stands"}
    assert "it was last seen at us-west-2" in told(worker)[0].lines[0]
    assert worker.book.serving == STANDBY


@pytest.mark.parametrize("found", [AT_STANDBY, GONE])
def test_silence_settles_nothing(found: Found) -> None:
    worker = idle()
    worker.world.switch = found
    tick(worker, MINUTE)
    worker.world.switch = NO_DATA
    tick(worker, 2 * MINUTE)
    assert finding(worker.book).settled_at is None
    assert told(worker, "finding-settled") == []


# A switch that nobody has thrown


def test_a_switch_that_was_never_thrown_is_at_the_primary_and_worth_no_page() -> None:
    worker = idle(NEVER_THROWN)
    for minute in range(1, 30):
        tick(worker, minute * MINUTE)
    assert worker.world.told == []
    assert worker.book.switch is not None
    assert worker.book.switch.region is None


def test_a_switch_that_has_forgotten_where_it_stood_is_told() -> None:
    """An alarm that was deleted and made anew: its check keeps what it last knew, and nobody can ask it."""
    worker, now = after_a_failover()
    worker.world.switch = NEVER_THROWN
    for minute in range(1, 6):
        tick(worker, now + minute * MINUTE)
    assert standing(worker.book, SILENT) is not None


def test_a_switch_that_is_made_anew_settles_that_it_was_gone() -> None:
    worker = idle(NEVER_THROWN)
    worker.world.switch = GONE
    tick(worker, MINUTE)
    worker.world.switch = NEVER_THROWN
    tick(worker, 2 * MINUTE)
    assert {m.channel for m in told(worker, "finding-settled")} == CHANNELS
    assert worker.book.findings == {}


# How often


def test_the_switch_is_looked_at_once_a_tick_however_often_the_desk_is_visited() -> None:
    worker = idle()
    for second in range(10 * MINUTE):
        worker.round(at(second))
    assert 10 <= worker.world.seen - 1 <= 12


def test_a_tick_that_comes_a_little_early_still_looks() -> None:
    worker = idle()
    tick(worker, MINUTE - 5)
    assert worker.world.seen == 2


def test_a_look_that_was_answered_late_does_not_keep_the_next_tick_from_looking() -> None:
    late = SwitchSeen(expected=(PRIMARY,), at=at(0), found=NO_DATA)
    book = take(empty(), late, seconds=15)
    assert any(isinstance(w, LookAtSwitch) for w in due(reread(book), rules=RULES, now=at(MINUTE)))


def test_looking_alone_changes_nothing_that_is_worth_a_write() -> None:
    worker = idle()
    before = worker.book
    tick(worker, MINUTE)
    assert worker.book != before
    assert alike(worker.book, before)
    worker.world.switch = NO_DATA
    tick(worker, 2 * MINUTE)
    assert not alike(worker.book, before)


def test_a_book_that_an_older_code_wrote_is_looked_at_at_once() -> None:
    assert any(isinstance(w, LookAtSwitch) for w in due(reread(empty()), rules=RULES, now=at(0)))


def test_a_finding_in_the_book_is_read_again_as_it_was() -> None:
    worker = idle()
    worker.world.switch = GONE
    tick(worker, MINUTE)
    assert reread(worker.book) == worker.book


def test_a_finding_that_cannot_be_read_is_set_aside_and_found_again() -> None:
    worker = idle()
    worker.world.switch = GONE
    tick(worker, MINUTE)
    raw = json.loads(dump_book(worker.book))
    (name,) = raw["findings"]
    raw["findings"][name]["severity"] = "dreadful"
    book, aside = read_book(json.dumps(raw))
    assert list(aside) == [name]
    assert aside[name].startswith(f"finding '{name}' cannot be read")
    assert book == replace(worker.book, findings={})
    anew = take(book, SwitchSeen(expected=(PRIMARY,), at=at(2 * MINUTE), found=GONE), seconds=2 * MINUTE)
    assert finding(anew).kind == LOST


def test_a_signal_is_taken_in_as_ever_while_a_finding_stands() -> None:
    worker = idle()
    worker.world.switch = GONE
    tick(worker, MINUTE)
    book = confirmed(worker.book)
    assert finding(book) == finding(worker.book)
    assert only(book).confirmed_at is not None
    assert AlarmState.ALARM in {m.state for m in book.watermarks.values()}


def test_the_policy_tells_findings_where_its_ladder_begins() -> None:
    rows = {n.event: n for n in POLICY.notifications.matrix}
    foot = set(POLICY.notifications.ladder[0].channels)
    for event in (NoticeEvent.FINDING_RAISED, NoticeEvent.FINDING_SETTLED):
        assert foot <= set(rows[event].internal)
