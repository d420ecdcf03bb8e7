"""One round over the whole platform in process: each fault is found by its name, nothing is changed, and a dark primary
region costs its own verdicts only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any, ClassVar

import pytest

from chalicelib import rights
from chalicelib.actions.contract import AwsOp, KubeOp, Op, Reader, Target
from chalicelib.actions.database_elsewhere import Writer
from chalicelib.actions.reader import LiveReader
from chalicelib.actions.registry import ACTIONS
from chalicelib.clients.web import HttpAnswer, Web
from chalicelib.core.happened import Readiness
from chalicelib.core.judging import Lacking, Ready, Report, Row, RunbookReport
from chalicelib.core.outcome import Next, NoData, Refused
from chalicelib.core.plan import plan
from chalicelib.policy import Policy
from chalicelib.policy.platform import NodeGroup
from chalicelib.readiness.contract import Around
from chalicelib.readiness.registry import JUDGES, READS
from chalicelib.readiness.round import Round
from chalicelib.readiness.steps import observed
from drctl.cli.readiness import word
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
        self.policy = POLICY
        self.unheard: str | None = None
        self.platform.beat()
        self.before: Report | None = None

    def round(self, serving: str = REGIONS.primary) -> Report:
        responder = self.platform.responder()

        def may() -> Mapping[str, Any]:
            found = rights.check(POLICY, responder.ports.kube.afresh())
            return {"rights": [one.shown() for one in found]}

        made = Round(
            policy=self.policy,
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
        if self.unheard and self.unheard in url:
            return NoData(because=f"{url} did not answer")
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


def node_group(day: Day) -> Any:
    group = CLUSTERS.standby.node_group
    assert group is not None
    return day.platform.eks.nodegroup(CLUSTERS.standby.name, group.name)


def ill_nodes(day: Day) -> None:
    issue = {"code": "AsgInstanceLaunchFailures", "message": "You've reached your quota", "resourceIds": ["asg-1"]}
    node_group(day).issues.append(issue)


def too_small_a_group(day: Day) -> None:
    """Policy itself gives the standby fewer nodes than a failover needs, and EKS has it no other way."""
    node_group(day).sizes["maxSize"] = 1
    small = node_group_row().model_copy(update={"max_size": 1})
    day.policy = with_node_group(small)


def node_group_row() -> NodeGroup:
    group = CLUSTERS.standby.node_group
    assert group is not None
    return group


def with_node_group(group: NodeGroup) -> Policy:
    standby = CLUSTERS.standby.model_copy(update={"node_group": group})
    clusters = CLUSTERS.model_copy(update={"standby": standby})
    return POLICY.model_copy(update={"platform": POLICY.platform.model_copy(update={"clusters": clusters})})


def twice_named(day: Day) -> None:
    """The standby has made a backup of its own under a name that the primary made one under."""
    day.platform.clock.pass_to(day.platform.clock.now() + timedelta(seconds=30))  # what lies in the bucket is synced
    backups = by_key("backups.velero.io")
    theirs = day.platform.clusters[CLUSTERS.primary.name].objects("backups.velero.io")
    name = next(b["metadata"]["name"] for b in theirs if b["status"]["phase"] == "Completed")
    ours = next(b for b in day.standby.objects("backups.velero.io") if b["metadata"]["name"] == name)
    ours["status"]["startTimestamp"] = "2026-11-20T01:00:00Z"
    day.standby.cluster.write(backups, ours)


def no_application_secret(day: Day) -> None:
    secret = POLICY.platform.application_secret
    del day.platform.secrets.secrets[secret.region, secret.name]


def no_warm_node(day: Day) -> None:
    day.standby.set_nodes(0)


def nobody_breaks_the_glass(day: Day) -> None:
    roles = [r.model_copy(update={"may": tuple(s for s in r.may if s != "break-glass")}) for r in POLICY.people.roles]
    day.policy = POLICY.model_copy(update={"people": POLICY.people.model_copy(update={"roles": tuple(roles)})})


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
        (no_rights, "steps", "its look is refused"),
        (ill_nodes, "capacity", "is ill: AsgInstanceLaunchFailures: You've reached your quota"),
        (too_small_a_group, "capacity", "may have 1 nodes, 6 are needed"),
        (twice_named, "backups", "1 names stand for two backups"),
        (no_application_secret, "steps", "its look is refused"),
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
        (no_warm_node, "warm", "no node is Ready in the standby: tier 1 waits for the first to start"),
        (nobody_breaks_the_glass, "break-glass", "nobody in people.yaml may break the glass"),
    ],
)
def test_what_stops_no_recovery_is_a_finding_and_lowers_nothing(day: Day, fault: Fault, judge: str, said: str) -> None:
    fault(day)
    found = day.runbook()
    assert [row.because for row in lacking(found) if row.judge == judge] == [said]
    assert found.state is not Readiness.NOT_READY


def test_sts_that_does_not_answer_is_no_finding_and_lowers_nothing(day: Day) -> None:
    day.unheard = f"sts.{POLICY.platform.responder.region}"
    found = day.runbook()
    assert [r.state for r in found.rows if r.subject == f"STS in {POLICY.platform.responder.region}"] == ["unknown"]
    assert [(r.subject, r.because) for r in found.rows if r.lowers] == []


def test_the_refusal_of_one_step_says_which_step_and_what_refused_it(day: Day) -> None:
    no_application_secret(day)
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
