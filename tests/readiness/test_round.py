"""One round over the whole platform in process: each fault is found by its name, nothing is changed, and a dark primary
region costs its own verdicts only.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, ClassVar

import pytest

from chalicelib.actions.contract import AwsOp, KubeOp, Op, Reader, Target
from chalicelib.actions.database_elsewhere import Writer
from chalicelib.actions.reader import LiveReader
from chalicelib.actions.registry import ACTIONS
from chalicelib.core.happened import Readiness
from chalicelib.core.judging import Lacking, Ready
from chalicelib.core.outcome import Next, NoData, Refused
from chalicelib.core.plan import plan
from chalicelib.policy import Policy
from chalicelib.readiness.contract import Around
from chalicelib.readiness.registry import READS
from chalicelib.readiness.steps import observed
from drctl.cli.readiness import word
from tests.crash.platform_in_process import POLICY
from tests.readiness.day import REGION, REGIONS, Day, lacking
from tests.readiness.faults_of_backups import too_old
from tests.readiness.faults_of_secrets import APPLICATION, secret_is_gone
from tests.readiness.faults_of_the_database import started, stopped

READING = re.compile(
    r"\w[\w-]*\.(Describe|Get|List|Head)\w*|kubernetes GET.*|postgres (beat|role|proof|clock)|http.*|dns|store read.*"
)


@pytest.fixture
def day() -> Day:
    return Day()


def test_on_a_good_day_the_region_failure_s_runbook_has_nothing_that_lowers_it(day: Day) -> None:
    found = day.runbook()
    assert [(r.subject, r.because) for r in found.rows if r.lowers] == []
    assert found.state is not Readiness.NOT_READY
    assert {u.subject for u in found.unseen} >= {"Prove the database with a write"}
    assert all(u.because for u in found.unseen)


def test_a_round_makes_no_call_that_changes_anything(day: Day) -> None:
    day.round()
    calls = day.platform.outside.calls
    assert len(calls) > 50
    changing = {c for c in calls if not READING.fullmatch(c) and "selfsubjectaccessreviews" not in c}
    assert changing == set()


def test_nothing_that_a_round_may_use_can_change_anything() -> None:
    for op in (*READS, *(op for action in ACTIONS.values() for op in action.reads)):
        match op:
            case AwsOp(service="kms", operation="decrypt"):
                pass  # S3 decrypts for whoever reads; the reader itself makes no such call
            case AwsOp(operation=operation):
                assert operation.startswith(("describe_", "get_", "list_", "head_")), op
            case KubeOp(verb=verb):
                assert verb in ("get", "list"), op


def test_sts_that_does_not_answer_is_no_finding_and_lowers_nothing(day: Day) -> None:
    day.unheard = f"sts.{POLICY.platform.responder.region}"
    found = day.runbook()
    assert [r.state for r in found.rows if r.subject == f"STS in {POLICY.platform.responder.region}"] == ["unknown"]
    assert [(r.subject, r.because) for r in found.rows if r.lowers] == []


def test_the_refusal_of_one_step_says_which_step_and_what_refused_it(day: Day) -> None:
    secret_is_gone(*APPLICATION)(day)
    rows = [row for row in lacking(day.runbook()) if row.judge == "steps"]
    assert [row.subject for row in rows] == ["Point the applications at the promoted database"]
    assert "ResourceNotFoundException" in rows[0].because


class Denied:
    """An action whose look comes back with a refusal inside of what it saw, or does not come back."""

    name: ClassVar[str] = "denied"
    reads: ClassVar[tuple[Op, ...]] = ()
    calls: ClassVar[tuple[Op, ...]] = ()

    def __init__(self, code: str) -> None:
        self.code = code

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Writer:
        del policy, reader
        if not self.code:
            raise KeyError(f"{target.step} has no such parameter")
        denied = Refused(code=self.code, because="events of the instance were refused")
        return Writer(zone="a", secondary="b", multi_az=True, status="available", began=denied)

    def next(self, target: Target, policy: Policy, facts: Any, now: datetime) -> Next:
        raise AssertionError(f"a round asks for no call, of {target.step} neither: {policy}, {facts}, {now}")


@pytest.mark.parametrize(
    ("code", "verdict", "said"),
    [
        ("AccessDenied", Lacking, "its look is refused: events of the instance were refused (AccessDenied)"),
        ("DBInstanceNotFound", Ready, "it can be looked at"),
        ("", Lacking, "its look fails: KeyError: 'away has no such parameter'"),
    ],
)
def test_a_look_that_is_denied_in_part_or_fails_is_found_and_what_it_merely_did_not_find_is_not(
    day: Day, code: str, verdict: type, said: str
) -> None:
    step = next(s for s in plan("az-failure", policy=POLICY).steps if s.id == "away")
    reader = LiveReader(day.platform.responder().ports, ())
    around = Around(
        policy=POLICY,
        now=day.platform.clock.now(),
        serving=REGIONS.primary,
        reader=reader,
        get=lambda _, __: NoData(because="nobody asks"),
        rights=lambda: NoData(because="nobody asks"),
        clock=day.platform.clock.now,
        slack_url="",
        pagerduty_url="",
    )
    found = observed(step, Denied(code), around, reader)
    assert (type(found), found.because) == (verdict, said)


def test_what_is_mended_is_ready_in_the_next_round_and_keeps_since_when(day: Day) -> None:
    stopped(day)
    first = day.runbook()
    again = day.runbook()
    assert again.since == first.since
    assert {r.since for r in lacking(again)} == {r.since for r in lacking(first)}
    started(day)
    mended = day.runbook()
    assert mended.state is not Readiness.NOT_READY
    assert mended.since > first.since


def test_a_dark_primary_region_lowers_nothing_of_the_runbook_that_recovers_from_it(day: Day) -> None:
    day.platform.darken()
    found = day.runbook()
    assert [(r.subject, r.because) for r in found.rows if r.lowers] == []
    assert found.state is Readiness.UNKNOWN
    assert any(row.state == "unknown" for row in found.rows)


def test_while_the_standby_serves_nobody_judges_the_way_there(day: Day) -> None:
    found = next(r for r in day.round(serving=REGIONS.standby).runbooks if r.scenario == REGION)
    assert found.state is Readiness.UNKNOWN
    assert "us-west-2 serves" in found.because


OUTAGE = next(r.scenario for r in POLICY.runbooks.runbooks if any(s.action == "marker-left" for s in r.steps))


def test_what_stands_outside_aws_is_named_as_not_seen_from_here_and_is_no_finding(day: Day) -> None:
    too_old(day)
    found = day.runbook(OUTAGE)
    elsewhere = {u.subject for u in found.unseen if "operator's machine" in u.because}
    assert {"Tell AWS's side that somebody else acts", "Find the newest copy of the database there"} <= elsewhere
    assert [row for row in found.rows if row.judge == "steps"] == []
    # Of the standby's backups and nodes that runbook takes nothing, however ill they are.
    assert {row.judge for row in found.rows} == {"channels", "channel-test", "break-glass", "evidence"}
    assert found.state is Readiness.READY
    assert found.because == (
        f"{len(found.rows)} things were looked at, and nothing stands against it; "
        f"{len(found.unseen)} steps cannot be looked at beforehand"
    )
    assert word(found) == "[yellow]ready, its steps not seen[/yellow]"
    assert word(day.runbook("pod-failure")) == "[green]ready[/green]"


@pytest.mark.parametrize("scenario", ["data-corruption", "accidental-deletion"])
def test_what_waits_for_a_person_s_choice_is_named_with_the_choice(day: Day, scenario: str) -> None:
    found = day.runbook(scenario)
    chosen = {u.subject: u.because for u in found.unseen if "a person chooses" in u.because}
    assert any("as_of" in because for because in chosen.values())
    assert not chosen.keys() & {row.subject for row in found.rows}
    assert [(r.subject, r.because) for r in found.rows if r.lowers] == []


def test_a_zone_s_runbook_is_looked_at_without_a_zone_that_fails(day: Day) -> None:
    found = day.runbook("az-failure")
    looked = {row.subject: row.state for row in found.rows if row.judge == "steps"}
    assert looked["Shift traffic away from the zone"] == "ready"
    assert [(r.subject, r.because) for r in found.rows if r.lowers] == []


def test_every_runbook_of_policy_has_a_word_and_a_sentence(day: Day) -> None:
    report = day.round()
    assert {r.scenario for r in report.runbooks} == {r.scenario for r in POLICY.runbooks.runbooks}
    assert all(r.because and len(r.because) <= 500 for r in report.runbooks)
    assert isinstance(report.at, datetime)
