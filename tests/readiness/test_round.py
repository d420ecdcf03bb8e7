"""One round over the whole platform in process: each fault is found by its name, nothing is changed, and a dark primary
region costs its own verdicts only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest

from chalicelib import rights
from chalicelib.actions.contract import AwsOp, KubeOp
from chalicelib.actions.reader import LiveReader
from chalicelib.actions.registry import ACTIONS
from chalicelib.clients.web import HttpAnswer, Web
from chalicelib.core.happened import Readiness
from chalicelib.core.judging import Report, Row, RunbookReport
from chalicelib.core.outcome import NoData
from chalicelib.readiness.registry import JUDGES, READS
from chalicelib.readiness.round import Round
from drctl.neighbours.kubernetes.kinds import by_key
from tests.crash.platform_in_process import POLICY, SETTINGS, Platform

REGION = "region-failure"
REGIONS, CLUSTERS = POLICY.platform.regions, POLICY.platform.clusters
READING = re.compile(
    r"\w[\w-]*\.(Describe|Get|List|Head)\w*|kubernetes GET.*|postgres (beat|role|proof|clock)|http.*|dns|store read.*"
)


class Day:
    """A good day; `round` judges it as the deployed function does, one look after another."""

    def __init__(self) -> None:
        self.platform = Platform()
        self.platform.beat()
        self.before: Report | None = None

    def round(self, serving: str = REGIONS.primary) -> Report:
        responder = self.platform.responder()

        def may() -> Mapping[str, Any]:
            found = rights.check(POLICY, responder.ports.kube.afresh())
            return {"rights": [one.shown() for one in found]}

        made = Round(
            policy=POLICY,
            clock=self.platform.clock,
            actions=ACTIONS,
            judges=JUDGES,
            reader=partial(LiveReader, responder.ports),
            get=partial(self.get, responder.ports.web),
            rights=may,
            slack_url=SETTINGS.slack_url,
            pagerduty_url=SETTINGS.pagerduty_url,
            side_by_side=1,
        )
        with self.platform.outside.life():
            self.before = made.make(serving, self.before)
        return self.before

    def get(self, web: Web, url: str, headers: Mapping[str, str]) -> HttpAnswer | NoData:
        if url.startswith(SETTINGS.slack_url):
            said = self.platform.slack.request("GET", url.removeprefix(SETTINGS.slack_url), headers)
            return HttpAnswer(said.status, said.body.decode())
        return web.get(url, timeout_s=4, headers=headers)

    def runbook(self, scenario: str = REGION) -> RunbookReport:
        return next(r for r in self.round().runbooks if r.scenario == scenario)

    @property
    def standby(self) -> Any:
        return self.platform.clusters[CLUSTERS.standby.name]

    def instance(self) -> Any:
        side = POLICY.platform.database.replica
        return self.platform.rds.instance(side.region, side.instance, POLICY.platform.account)


@pytest.fixture
def day() -> Day:
    return Day()


def lacking(found: RunbookReport) -> list[Row]:
    return [row for row in found.rows if row.state == "lacking"]


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


def stopped(day: Day) -> None:
    day.instance().resting = "stopped"


def alone(day: Day) -> None:
    day.instance().source = None


def severed(day: Day) -> None:
    day.instance().source_lost = True


def backups_too_old(day: Day) -> None:
    day.platform.clock.pass_to(day.platform.clock.now() + 3 * POLICY.backups.rpo)


def no_rights(day: Day) -> None:
    for kind in ("rolebindings", "clusterrolebindings"):
        for binding in day.standby.objects(f"{kind}.rbac.authorization.k8s.io"):
            binding["subjects"] = []
            day.standby.cluster.write(by_key(f"{kind}.rbac.authorization.k8s.io"), binding)


def bad_token(day: Day) -> None:
    row = next(c for c in POLICY.notifications.channels if c.kind == "slack")
    day.platform.secrets.add(POLICY.platform.responder.region, row.secret, {"bot_token": "xoxb-revoked"})


def ahead(day: Day) -> None:
    day.platform.engine.clock = lambda: day.platform.clock.now() + timedelta(seconds=60)


def no_switch(day: Day) -> None:
    day.platform.cloudwatch.alarms.clear()


Fault = Callable[[Day], None]


@pytest.mark.parametrize(
    ("fault", "judge", "said"),
    [
        (stopped, "replica", "is 'stopped', expected 'available'"),
        (alone, "replica", "there is no replica to promote"),
        (severed, "replica", "does not replicate although its source is 'available'"),
        (backups_too_old, "backups", "old, allowed are 1h15m"),
        (no_switch, "switch", "cannot be thrown"),
        (no_rights, "standby-rights", "are missing"),
    ],
)
def test_a_fault_is_found_in_one_round_by_name_and_the_runbook_is_not_ready(
    day: Day, fault: Fault, judge: str, said: str
) -> None:
    fault(day)
    found = day.runbook()
    assert found.state is Readiness.NOT_READY
    rows = [r for r in lacking(found) if r.judge == judge]
    assert rows, [(r.judge, r.because) for r in lacking(found)]
    assert any(said in row.because for row in rows), [row.because for row in rows]
    assert all(row.owner and row.mend and row.lowers for row in rows)


@pytest.mark.parametrize(
    ("fault", "judge", "said"),
    [
        (bad_token, "channels", "Slack refuses the token: invalid_auth"),
        (ahead, "clocks", "it is 60 s ahead of ours, allowed are 5 s"),
    ],
)
def test_what_stops_no_recovery_is_a_finding_and_lowers_nothing(day: Day, fault: Fault, judge: str, said: str) -> None:
    fault(day)
    found = day.runbook()
    assert [row.because for row in lacking(found) if row.judge == judge] == [said]
    assert found.state is not Readiness.NOT_READY


def test_what_is_mended_is_ready_in_the_next_round_and_keeps_since_when(day: Day) -> None:
    stopped(day)
    first = day.runbook()
    again = day.runbook()
    assert again.since == first.since
    assert {r.since for r in lacking(again)} == {r.since for r in lacking(first)}
    day.instance().resting = "available"
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
    backups_too_old(day)
    found = day.runbook(OUTAGE)
    elsewhere = {u.subject for u in found.unseen if "operator's machine" in u.because}
    assert {"Tell AWS's side that somebody else acts", "Find the newest copy of the database there"} <= elsewhere
    assert [row for row in found.rows if row.judge == "steps"] == []
    # Of the standby's backups and nodes that runbook takes nothing, however ill they are.
    assert {row.judge for row in found.rows} == {"channels", "break-glass"}
    assert found.state is not Readiness.NOT_READY


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
