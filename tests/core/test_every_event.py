"""Every state of an incident meets every kind of thing that can happen: fold is total, idempotent, and says why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Final, get_args

import pytest

from chalicelib.core.answers import (
    AlarmsAsked,
    Answer,
    Archived,
    Asked,
    Called,
    Decided,
    HeldBack,
    Looked,
    Telling,
    Told,
    Withdrawn,
)
from chalicelib.core.book import Book
from chalicelib.core.commands import IllegalCommandError
from chalicelib.core.due import due
from chalicelib.core.fold import Happened, fold
from chalicelib.core.happened import (
    Abort,
    Acknowledge,
    AlarmState,
    Approve,
    BreakGlass,
    Choose,
    Command,
    Declare,
    Escalate,
    GiveWay,
    KeepSwitch,
    Pause,
    Raise,
    Readiness,
    ReadinessJudged,
    Rehearse,
    Reject,
    Repin,
    Resolve,
    Resume,
    Review,
    RunbookJudged,
    SetMode,
    Signal,
    Status,
    Tick,
)
from chalicelib.core.incident import NoticeRecord, NoticeState, StepState
from chalicelib.core.outcome import Act, Done, Doubtful, Made, NoData, Refused, Stuck, Wait
from chalicelib.core.states import IncidentState
from chalicelib.core.switch import Found, Stands, SwitchSeen, Unset
from chalicelib.policy.platform import Mode
from tests.core.stage import (
    PRIMARY,
    REGION,
    ROUTE53,
    RULES,
    STANDBY,
    alarm,
    at,
    call,
    done,
    in_state,
    only,
    probe,
    said,
    take,
    wants,
    with_step,
)

NOTICE: Final = "incident-detected/pagerduty"
SIGNALS: Final[dict[str, Signal]] = {
    **{f"{name} {state}": alarm(name, state, 30) for name in (ROUTE53, "NodeReadiness") for state in AlarmState},
    **{f"probe {state}": probe(state, 30) for state in AlarmState},
    "nobody's alarm": alarm("nobody-knows-it", AlarmState.ALARM, 30),
    "an alarm of another region": alarm(ROUTE53, AlarmState.ALARM, 30, region=STANDBY),
    "an alarm from long ago": alarm(ROUTE53, AlarmState.ALARM, -9000),
}


SIGHTS: Final[dict[str, Found]] = {
    "where it should be": Stands(region=PRIMARY, because="it is in OK"),
    "elsewhere": Stands(region=STANDBY, because="it is in ALARM"),
    "half thrown": Stands(region=PRIMARY, because="both are On", whole=False),
    "never thrown": Unset(because="it is in INSUFFICIENT_DATA"),
    "gone": Refused(code="ResourceNotFound", because="there is no such alarm"),
    "silent": NoData(because="no answer within 4 s"),
}


def commands(incident: str, plan: str) -> dict[str, Command]:
    by = said("c1", 30)
    nobody = replace(by, arn=None, note="trust me")
    return {
        "declare it": Declare(said=by, scenario=REGION, scope=PRIMARY),
        "declare another": Declare(said=by, scenario="provider-outage", scope="neurectomy"),
        "declare nonsense": Declare(said=by, scenario="meteor", scope="moon"),
        "declare at an unknown scope": Declare(said=by, scenario=REGION, scope="moon"),
        "declare below a region": Declare(said=by, scenario=REGION, scope=f"{PRIMARY}/{PRIMARY}a"),
        "approve all": Approve(said=by, incident=incident, plan=plan),
        "approve one": Approve(said=by, incident=incident, plan=plan, step="promote"),
        "approve an unknown step": Approve(said=by, incident=incident, plan=plan, step="dance"),
        "approve another plan": Approve(said=by, incident=incident, plan="0" * 16),
        "break the glass": BreakGlass(said=by, incident=incident, plan=plan, step="promote"),
        "break the glass with a reason": BreakGlass(
            said=said("c1", 30, note="nobody else"), incident=incident, plan=plan, step="promote"
        ),
        "break the glass unproven": BreakGlass(said=nobody, incident=incident, plan=plan, step="promote"),
        "approve unproven": Approve(said=nobody, incident=incident, plan=plan),
        "pause unproven": Pause(said=nobody),
        "raise it": Raise(said=by, incident=incident, scenario="provider-outage"),
        "raise it to nonsense": Raise(said=by, incident=incident, scenario="meteor"),
        "raise it to itself": Raise(said=by, incident=incident, scenario=REGION),
        "repin": Repin(said=by, incident=incident),
        "repin an unknown incident": Repin(said=by, incident="never-was"),
        "choose what nobody asks for": Choose(said=by, incident=incident, choices={"as_of": "2026-01-01T00:00:00Z"}),
        "choose nothing": Choose(said=by, incident=incident, choices={}),
        "review": Review(said=by, debt=f"{incident}/promote/030030"),
        "reject": Reject(said=by, incident=incident, step="promote"),
        "reject an unknown step": Reject(said=by, incident=incident, step="dance"),
        "escalate": Escalate(said=by, incident=incident),
        "acknowledge": Acknowledge(said=by, incident=incident),
        "acknowledge the block windows": Acknowledge(said=by),
        "abort": Abort(said=by, incident=incident),
        "resolve": Resolve(said=by, incident=incident),
        "abort an unknown incident": Abort(said=by, incident="never-was"),
        "pause": Pause(said=by),
        "resume": Resume(said=by),
        **{f"mode {mode}": SetMode(said=by, mode=mode) for mode in Mode},
        "status": Status(said=by),
        "give way": GiveWay(said=by, incident=incident),
        "keep the switch": KeepSwitch(said=said("c1", 30, note="a rehearsal"), region=STANDBY),
        "rehearse it": Rehearse(said=by, runbook=REGION),
        "rehearse nonsense": Rehearse(said=by, runbook="meteor"),
        "rehearse the people": Rehearse(said=by, runbook=REGION, kind="people"),
        "keep the switch without a reason": KeepSwitch(said=by, region=STANDBY),
    }


def answers(incident: str) -> dict[str, Answer]:
    found: dict[str, Answer] = {}
    for step in ("promote", "capacity", "dance"):
        at_step = {"incident": incident, "step": step}
        found |= {
            f"{step} done": Looked(**at_step, next=Done(because="there")),
            f"{step} waits": Looked(**at_step, next=Wait(because="busy", again_in=timedelta(seconds=9))),
            f"{step} misses a call": Looked(**at_step, next=Act(because="missing", call=call())),
            f"{step} stuck": Looked(**at_step, next=Stuck(because="broken")),
            f"{step} asked": Asked(**at_step, because="may be writing"),
            f"{step} held back": HeldBack(**at_step, because="paused"),
            f"{step} decided": Decided(**at_step, because="nothing against it"),
            f"{step} made": Called(**at_step, outcome=Made(because="accepted")),
            f"{step} refused": Called(**at_step, outcome=Refused(code="X", because="not now")),
            f"{step} doubtful": Called(**at_step, outcome=Doubtful(because="no answer")),
            f"{step} withdrawn": Withdrawn(incident=incident, step=step),
        }
    return found | {
        "telling": Telling(incident=incident, key=NOTICE, due_at=at(60)),
        "told": Told(incident=incident, key=NOTICE, outcome=Made(because="sent")),
        "told nobody": Told(incident=incident, key=NOTICE, outcome=Refused(code="400", because="bad key")),
        "told perhaps": Told(incident=incident, key=NOTICE, outcome=Doubtful(because="no answer")),
        "notice withdrawn": Withdrawn(incident=incident, key=NOTICE),
        "alarms asked": AlarmsAsked(incident=incident, because="an OK can be missed"),
        "archived": Archived(incident=incident),
        "something of an incident that is gone": Archived(incident="never-was"),
    }


def everything(book: Book) -> Mapping[str, Happened]:
    incident = only(book)
    said = {**commands(incident.id, incident.plan), **answers(incident.id)}
    sights = {
        f"the switch, {name}": SwitchSeen(expected=(PRIMARY,), at=at(30), found=found) for name, found in SIGHTS.items()
    }
    rounds = {
        f"a round, {state}": ReadinessJudged(
            at=at(30), runbooks=(RunbookJudged(scenario=REGION, state=state, because="the replica is 'stopped'"),)
        )
        for state in Readiness
    }
    return {**SIGNALS, **said, **sights, **rounds, "time": Tick()}


NAMES: Final = tuple(everything(in_state(IncidentState.RESPONDING)))


def says_why(book: Book) -> None:
    for incident in book.incidents.values():
        assert incident.because.strip()
        assert all(r.because.strip() for r in incident.steps.values())
        assert all(n.because.strip() for n in incident.notices.values())
        assert all(p.because.strip() for p in incident.pagings)
    assert all(e.text.strip() for e in book.outbox)
    assert all(r.because.strip() for r in book.replies)
    assert all(b.because.strip() for b in book.blocks)
    assert all(d.because.strip() for d in book.debts)
    for finding in book.findings.values():
        assert finding.because.strip()
        assert finding.settled_at is None or finding.settled_because.strip()
        assert all(n.because.strip() for n in finding.notices.values())
    assert book.switch is None or book.switch.because.strip()
    assert book.paused is None or book.paused.because.strip()


def folded(book: Book, happened: Happened, seconds: float) -> Book:
    try:
        return fold(book, happened, rules=RULES, now=at(seconds))
    except IllegalCommandError as error:
        if not str(error).strip():
            pytest.fail("an illegal command was refused without a word")
        return book


def test_every_kind_of_thing_that_can_happen_is_tried() -> None:
    tried = {type(one) for one in everything(in_state(IncidentState.RESPONDING)).values()}
    assert tried >= {Signal, Tick, SwitchSeen, ReadinessJudged, *get_args(Command), *get_args(Answer)}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("state", IncidentState)
def test_fold_answers_every_event_in_every_state_with_a_book_that_says_why(state: IncidentState, name: str) -> None:
    before = in_state(state)
    for seconds in (30, 400, 90_000):
        after = folded(before, everything(before)[name], seconds)
        says_why(after)
        assert all(w.because.strip() for w in due(after, rules=RULES, now=at(seconds)))
        assert list(before.watermarks) == [s for s in after.watermarks if s in before.watermarks]


@pytest.mark.parametrize("name", [*SIGNALS, *commands("", "")])
@pytest.mark.parametrize("state", IncidentState)
def test_what_came_in_once_changes_nothing_when_it_comes_again(state: IncidentState, name: str) -> None:
    book = in_state(state)
    happened = everything(book)[name]
    once = folded(book, happened, 30)
    settled = take(once, Tick(), seconds=30)
    assert folded(settled, happened, 30) == settled


@pytest.mark.parametrize("state", IncidentState)
def test_a_signal_older_than_the_newest_from_its_source_changes_nothing(state: IncidentState) -> None:
    newest = take(in_state(state), alarm(ROUTE53, AlarmState.OK, 29), seconds=30)
    for late in AlarmState:
        assert take(newest, alarm(ROUTE53, late, 29), seconds=30) == newest
        assert take(newest, alarm(ROUTE53, late, 28), seconds=30) == newest


@pytest.mark.parametrize("name", list(answers("")))
def test_a_late_answer_of_an_incident_that_is_gone_changes_nothing(name: str) -> None:
    book = in_state(IncidentState.RESPONDING)
    gone = replace(book, incidents={})
    assert fold(gone, everything(book)[name], rules=RULES, now=at(30)) == gone


@pytest.mark.parametrize("outcome", [Made(because="m"), Refused(code="X", because="r"), Doubtful(because="d")])
@pytest.mark.parametrize("state", [s for s in StepState if s is not StepState.ACTING])
def test_a_late_answer_to_a_call_that_nobody_is_making_changes_nothing(
    state: StepState, outcome: Made | Refused | Doubtful
) -> None:
    book = take(with_step(in_state(IncidentState.RESPONDING), "capacity", wants(10, state=state)), Tick(), seconds=30)
    late = Called(incident=only(book).id, step="capacity", outcome=outcome)
    assert take(book, late, seconds=30) == book


@pytest.mark.parametrize("outcome", [Made(because="m"), Refused(code="X", because="r"), Doubtful(because="d")])
@pytest.mark.parametrize("state", [s for s in NoticeState if s is not NoticeState.SENDING])
def test_a_late_answer_to_a_notice_that_nobody_is_sending_changes_nothing(
    state: NoticeState, outcome: Made | Refused | Doubtful
) -> None:
    book = in_state(IncidentState.RESPONDING)
    incident = only(book)
    record = NoticeRecord(state=state, due_at=at(60), at=at(10), because="so it is", message_at=at(10), tries=1)
    book = replace(book, incidents={incident.id: replace(incident, notices={NOTICE: record})})
    book = take(book, Tick(), seconds=30)
    assert take(book, Told(incident=incident.id, key=NOTICE, outcome=outcome), seconds=30) == book


@pytest.mark.parametrize("state", [NoticeState.SENDING, NoticeState.DOUBTFUL])
def test_a_notice_left_on_its_way_lapses_with_a_reason_once_nobody_is_owed_it(state: NoticeState) -> None:
    book = in_state(IncidentState.ASKING)
    incident = only(book)
    asked_at = incident.step("promote").asked_at
    left = NoticeRecord(state=state, due_at=at(60), at=at(20), because="being sent", message_at=at(20), tries=1)
    owed, gone = f"approval-needed/promote-{asked_at:%H%M%S}/pagerduty", "approval-needed/promote-000000/pagerduty"
    book = replace(book, incidents={incident.id: replace(incident, notices={owed: left, gone: left})})
    notices = only(take(book, Tick(), seconds=40)).notices
    assert notices[owed] == left
    assert notices[gone].state is NoticeState.LAPSED
    assert notices[gone].because == "it may have been delivered, and is no longer owed; being sent"


@pytest.mark.parametrize("kind", [Asked, HeldBack, Decided])
def test_a_late_verdict_on_a_step_that_is_done_changes_nothing(kind: type[Asked | HeldBack | Decided]) -> None:
    book = with_step(in_state(IncidentState.RESPONDING), "capacity", done(10))
    late = kind(incident=only(book).id, step="capacity", because="it was due a moment ago")
    assert take(book, late, seconds=30) == book


def test_an_illegal_command_raises_and_says_what_is_allowed() -> None:
    book = in_state(IncidentState.RESPONDING)
    for name, allowed in {
        "declare nonsense": "region-failure",
        "declare at an unknown scope": PRIMARY,
        "approve an unknown step": "asking: none",
        "abort an unknown incident": only(book).id,
        "resume": "allowed: pause",
    }.items():
        with pytest.raises(IllegalCommandError, match=allowed):
            fold(book, everything(book)[name], rules=RULES, now=at(30))
