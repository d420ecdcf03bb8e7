"""A good day of the whole platform in process, judged as the deployed function does."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from chalicelib import rights
from chalicelib.account.alarms import alarm_properties
from chalicelib.actions.reader import LiveReader
from chalicelib.actions.registry import ACTIONS
from chalicelib.clients.web import HttpAnswer, Web
from chalicelib.core.book import Book, ChannelTest
from chalicelib.core.channel_test import key_of
from chalicelib.core.incident import NoticeRecord, NoticeState
from chalicelib.core.judging import Report, Row, RunbookReport
from chalicelib.core.outcome import NoData
from chalicelib.policy import Policy
from chalicelib.readiness.registry import JUDGES
from chalicelib.readiness.round import Round
from tests.core.stage import empty
from tests.crash.cloud import Alarm
from tests.crash.platform_in_process import POLICY, SETTINGS, Platform

REGION, NODE = "region-failure", "node-failure"
REGIONS, CLUSTERS = POLICY.platform.regions, POLICY.platform.clusters


class Day:
    """A good day; `round` judges it as the deployed function does, one look after another."""

    def __init__(self) -> None:
        self.platform = Platform()
        self.policy = POLICY
        self.unheard: str | None = None
        self.kept: dict[str, Any] = {}
        """What a fault took away, for whoever mends it."""
        # Velero has looked at its bucket, and has synced what lies there.
        self.platform.clock.pass_to(self.platform.clock.now() + timedelta(seconds=30))
        self.platform.beat()
        for alarm in POLICY.signals.alarms:
            # As CloudWatch says it: nobody publishes in this process, and so none is ever looked at anew.
            there = Alarm(alarm_properties(alarm, POLICY, "a check"), looked_at=sys.maxsize)
            self.platform.cloudwatch.alarms[alarm.region, alarm.name] = there
        self.before: Report | None = None
        self.book = channels_tested(self.platform.clock.now())

    def round(self, serving: str = REGIONS.primary, *, only: str = "") -> Report:
        """One round; of `only` one scenario's runbook where the others do not matter."""
        self.platform.forget_tokens()
        responder = self.platform.responder()

        def may() -> Mapping[str, Any]:
            with self.called_by("tick"):
                found = rights.check(POLICY, responder.ports.kube.afresh())
            return {"rights": [one.shown() for one in found]}

        made = Round(
            policy=_narrowed(self.policy, only),
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
        with self.platform.outside.life(), self.called_by("readiness"):
            self.before = made.make(serving, self.before, self.book)
        return self.before

    @contextmanager
    def called_by(self, function: str) -> Iterator[None]:
        """Whose role signs for the clusters: the round's own may look, and no more."""
        before, self.platform.caller = self.platform.caller, function
        self.platform.forget_tokens()
        yield
        self.platform.caller = before
        self.platform.forget_tokens()

    def get(self, web: Web, url: str, headers: Mapping[str, str]) -> HttpAnswer | NoData:
        if self.unheard and self.unheard in url:
            return NoData(because=f"{url} did not answer")
        if url.startswith(SETTINGS.slack_url):
            said = self.platform.slack.request("GET", url.removeprefix(SETTINGS.slack_url), headers)
            return HttpAnswer(said.status, said.body.decode())
        return web.get(url, timeout_s=4, headers=headers)

    def runbook(self, scenario: str = REGION) -> RunbookReport:
        (found,) = self.round(only=scenario).runbooks
        return found

    @property
    def report(self) -> Report:
        """The newest round's."""
        assert self.before is not None
        return self.before

    @property
    def primary(self) -> Any:
        return self.platform.clusters[CLUSTERS.primary.name]

    @property
    def standby(self) -> Any:
        return self.platform.clusters[CLUSTERS.standby.name]

    def instance(self) -> Any:
        side = POLICY.platform.database.replica
        return self.platform.rds.instance(side.region, side.instance, POLICY.platform.account)


def channels_tested(at: datetime) -> Book:
    """A book with a test that began then, and reached every channel."""
    rows = POLICY.notifications.channels
    done = NoticeRecord(state=NoticeState.SENT, due_at=at, at=at, tries=1, message_at=at)
    test = ChannelTest(id=f"channel-test-{at:%Y%m%d}", at=at, notices={key_of(c.name): done for c in rows})
    return replace(empty(), tested=test, rings_since=at)


def _narrowed(policy: Policy, scenario: str) -> Policy:
    if not scenario:
        return policy
    rows = tuple(row for row in policy.runbooks.runbooks if row.scenario == scenario)
    return policy.model_copy(update={"runbooks": policy.runbooks.model_copy(update={"runbooks": rows})})


def lacking(found: RunbookReport) -> list[Row]:
    """What lacks of a runbook."""
    return [row for row in found.rows if row.state == "lacking"]
