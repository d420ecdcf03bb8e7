"""A month of the platform in one process: every schedule of the deployed app fires when its expression says, Velero's
crons run, people answer, and the responder that decides is the real one, on the real store's protocol.

What is left out of a month, for time alone: while nothing is open or under way, what runs oftener than once an hour
runs once an hour, at the full hour. As soon as anything is open (an incident, a drill, a finding, a synthetic alarm on
its way, a test of the channels), every schedule fires at each of its times until it is over.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, cast

from app import app
from chalicelib import names, rights, ways_in
from chalicelib.actions.contract import Op, Reader
from chalicelib.actions.reader import LiveReader
from chalicelib.actions.registry import ACTIONS
from chalicelib.bootstrap import Responder
from chalicelib.clients.web import HttpAnswer, Web
from chalicelib.core.book import Book
from chalicelib.core.drill_clock import DAYS
from chalicelib.core.drilling import of
from chalicelib.core.happened import AlarmState, Signal, SignalKind
from chalicelib.core.incident import Incident, NoticeState
from chalicelib.core.judging import Report
from chalicelib.core.outcome import Call, NoData
from chalicelib.desk import Desk
from chalicelib.intake.commands import parse_command
from chalicelib.policy import Policy
from chalicelib.policy.load import load
from chalicelib.readiness.registry import JUDGES
from chalicelib.readiness.round import Round
from chalicelib.store.codec import read_incident
from drctl.backups.audit import Page, audit
from drctl.backups.look import look
from drctl.deployment.primary import alarm_stack
from drctl.neighbours.pagerduty import Alert
from tests.crash.drills import Overheard, left, nodes
from tests.crash.outside import Clock
from tests.crash.platform_in_process import FOLDER, SETTINGS, START, Platform
from tests.crash.vaults import vaults

MINUTE: Final = timedelta(minutes=1)
HOUR: Final = timedelta(hours=1)
SHIFT: Final = timedelta(seconds=50)
BEGINS: Final = START + timedelta(minutes=70)
"""Velero, whose schedules were made at `START`, has taken the first backup of the hour by then."""
A_LOOK: Final = timedelta(seconds=1)
"""How long a probe looks here, where nothing else goes on meanwhile; the deployed one does for most of its minute."""
ANSWERS_AFTER: Final = timedelta(minutes=2)
OFTEN: Final = {
    "data-corruption": timedelta(days=13),
    "region-failure": timedelta(days=14),
    "provider-outage": timedelta(days=24),
    "security-breach": timedelta(days=25),
}
"""How often the drills of this month's policy are held, in place of every 90 and 180 days: within a month each is due,
and those with copies are due twice, so that there is a trend. The clock has the last tenth of the time for one, a day
or two here and nine of ninety, so this month's window is on every day of the week.
"""


def policy() -> Policy:
    """The shipped policy at the speed of the clock, with drills that come round within a month."""
    shipped = load(FOLDER)
    rows = tuple(r.model_copy(update={"every": OFTEN.get(r.runbook, r.every)}) for r in shipped.drills.rows)
    assert shipped.drills.window is not None
    window = shipped.drills.window.model_copy(update={"days": DAYS})
    return shipped.model_copy(update={"drills": shipped.drills.model_copy(update={"rows": rows, "window": window})})


def expressions() -> dict[str, timedelta]:
    """How often each scheduled function of the deployed app runs, by what Chalice writes into the template."""
    found = {}
    for source in app.event_sources:
        if text := getattr(source, "schedule_expression", None):
            told = re.fullmatch(
                r"rate\((\d+) (minute|hour|day)s?\)", text if isinstance(text, str) else text.to_string()
            )
            assert told, text
            found[source.name] = int(told[1]) * timedelta(**{f"{told[2]}s": 1})
    return found


class Leaping(Clock):
    """A clock of months: nothing is told of each of its seconds."""

    def pass_to(self, when: datetime) -> None:
        self._now = max(self._now, when)


class Rounds:
    """Where the newest round is kept."""

    def __init__(self) -> None:
        self.kept: list[Report] = []

    def newest(self) -> Report | None:
        return self.kept[-1] if self.kept else None

    def put(self, report: Report) -> bool:
        self.kept.append(report)
        return True


class Month:
    """From `BEGINS` on. `fired` counts what ran, `calls` is everything that the desk had made."""

    def __init__(self) -> None:
        self.policy = policy()
        self.platform = Platform(policy=self.policy, clock=Leaping(START))
        self.clock = self.platform.clock
        self.every = expressions()
        self.fired: Counter[str] = Counter()
        self.calls: list[Call] = []
        self.rounds = Rounds()
        self.metrics: list[tuple[str, float, dict[str, str]]] = []
        self.platform.backups.remove = self._removed
        self._minute = int((BEGINS - START) / MINUTE)
        self._answered: set[str] = set()
        self._rang: dict[str, Any] = {}
        for region in names.alarm_regions(self.policy):
            resources = alarm_stack(self.policy, region)["Resources"].values()
            for found in (r["Properties"] for r in resources if r["Type"] == "AWS::CloudWatch::Alarm"):
                if found["AlarmName"] == names.synthetic_alarm(self.policy):
                    self.platform.cloudwatch.add(region, found)
                    self._rang[region] = "OK"
        self.worker = self._responder()
        # In this order where several are due at once; a round that is an hour old would be stale.
        self._does: dict[str, Callable[[], object]] = {
            "readiness": lambda: ways_in.readiness(self.worker),
            "tick": lambda: ways_in.tick(self.worker, until=self.clock.now() + SHIFT),
            "probe": lambda: ways_in.probe(self.worker, until=self.clock.now() + A_LOOK),
            # What policy promises of the account besides is not modelled in this process: tests/account.
            "backups": lambda: ways_in.schedules(self.worker, until=self.clock.now() + SHIFT),
            "drills": lambda: ways_in.drills(self.worker, until=self.clock.now() + SHIFT),
            "airgap": self._copied,
        }
        assert set(self._does) == set(self.every), "a function with a schedule that this month does not run"
        self.clock.pass_to(BEGINS)
        self.platform.beat()
        self.before = (left(self.platform), nodes(self.platform), self.platform.serving())
        """What a drill could leave, as it was when the month began."""
        self.say({"command": "set-mode", "mode": "automatic"})

    def pass_days(self, days: float) -> None:
        """So much of the month."""
        until = self.clock.now() + timedelta(days=days)
        while True:
            # While nothing is open, to the next full hour.
            minute = self._minute + (1 if self.awake() else 60 - self._minute % 60)
            if START + minute * MINUTE > until:
                break
            self._minute = minute
            self.clock.sleep(max(0.0, (START + minute * MINUTE - self.clock.now()).total_seconds()))
            self._fire()
        self.clock.pass_to(until)

    def awake(self) -> bool:
        """Whether anything is open or under way."""
        book = self.book()
        ringing = any(ring.state != "arrived" for ring in book.rings.values()) or "ALARM" in self._rang.values()
        testing = book.tested is not None and any(
            n.state not in (NoticeState.SENT, NoticeState.FAILED) for n in book.tested.notices.values()
        )
        return bool(book.incidents or book.drills or book.findings or ringing or testing)

    def book(self) -> Book:
        found = self.platform.book()
        assert found is not None
        return found

    def drills(self) -> list[Incident]:
        """Those that are kept, oldest first."""
        kept = [read_incident(body) for body in self.platform.store.docs.get("drill", {}).values()]
        return sorted(kept, key=lambda case: case.opened_at)

    def kept(self) -> Page:
        """What `drctl backups` would show of the primary now."""
        with self.platform.outside.life():
            reading = cast("Callable[[tuple[Op, ...]], Reader]", partial(LiveReader, self.worker.ports))
            self.platform.forget_tokens()
            return audit(self.policy, "primary", look(self.policy, "primary", reading), self.clock.now())

    def say(self, payload: dict[str, Any]) -> None:
        """A person of policy says it, proven."""
        person, now = self.policy.people.people[0], self.clock.now()
        arn = next(a for a in person.principals if a.startswith("arn:"))
        command = parse_command({"id": f"said-{now:%Y%m%dT%H%M%S}", "by": person.name, **payload}, now=now)
        proven = replace(command, said=replace(command.said, by=person.name, arn=arn))
        with self.platform.outside.life():
            self.worker.desk.receive(proven)
        self._run("tick")

    def _fire(self) -> None:
        self.platform.beat()
        self.platform.traffic.watch()
        quiet = not self.awake()
        for name in self._does:
            if quiet or not self._minute % int(self.every[name] / MINUTE):
                self._run(name)
        self._alarms()
        self._answer()

    def _run(self, name: str) -> None:
        self.platform.forget_tokens()
        with self.platform.outside.life():
            self._does[name]()
        self.fired[name] += 1

    def _alarms(self) -> None:
        """What the synthetic alarms have become, by way of their topic."""
        for region, before in tuple(self._rang.items()):
            name = names.synthetic_alarm(self.policy)
            state = self.platform.cloudwatch.state(region, name)
            if state != before:
                self._rang[region] = state
                account = self.policy.platform.account
                signal = Signal(
                    source=f"arn:aws:cloudwatch:{region}:{account}:alarm:{name}",
                    name=name,
                    kind=SignalKind.METRIC_ALARM,
                    state=AlarmState(state),
                    changed_at=self.clock.now(),
                    reason="Threshold Crossed",
                    region=region,
                    account=account,
                )
                with self.platform.outside.life():
                    ways_in.alarms(self.worker, [signal], until=self.clock.now() + SHIFT)
                self.fired["on_alarm_sns"] += 1

    def _answer(self) -> None:
        """Who is asked in a tabletop answers after a while."""
        for case in self.book().drills.values():
            asked = of(case).kind == "people" and of(case).over_at is None and case.id not in self._answered
            if asked and self.clock.now() - case.opened_at >= ANSWERS_AFTER:
                self._answered.add(case.id)
                self.say({"command": "acknowledge", "incident": case.id})

    def _copied(self) -> None:
        """A whole copy that is due is there at once: how one is made is held by tests/airgap, on real vaults."""
        airgap = self.policy.backups.airgap
        assert airgap is not None
        for name, fresh in vaults(self.policy, self.clock.now()).items():
            vault = self.platform.vaults[name]
            if self.clock.now() - vault.at >= airgap.new_copy_after:
                vault.at, vault.texts, vault.locked_until = fresh.at, fresh.texts, fresh.locked_until

    def _removed(self, folder: str) -> None:
        """Velero's collector takes a backup's folder away; a deletion is not replicated."""
        held = self.platform.s3.buckets[self.platform.backups.buckets[0]].objects
        for key in [k for k in held if k.startswith(folder)]:
            del held[key]

    def _responder(self) -> Responder:
        """The worker of every function, warm for a month, with what only the deployed one has."""
        made = self.platform.responder()
        hands = Overheard(cast("Any", made.desk.tools.hands), self.calls)
        tools = replace(made.desk.tools, hands=cast("Any", hands), meter=self._metered)
        desk = Desk(tools)

        def may() -> dict[str, Any]:
            return {"rights": [one.shown() for one in rights.check(self.policy, made.ports.kube.afresh())]}

        judged = Round(
            policy=self.policy,
            clock=self.clock,
            actions=ACTIONS,
            judges=JUDGES,
            reader=partial(LiveReader, made.ports),
            get=partial(self._get, made.ports.web),
            rights=may,
            slack_url=SETTINGS.slack_url,
            pagerduty_url=SETTINGS.pagerduty_url,
            side_by_side=1,
        )
        return replace(made, desk=desk, rounds=cast("Any", self.rounds), round=judged, replayed=lambda _: None)

    def _get(self, web: Web, url: str, headers: Any) -> HttpAnswer | NoData:
        if url.startswith(SETTINGS.slack_url):
            said = self.platform.slack.request("GET", url.removeprefix(SETTINGS.slack_url), headers)
            return HttpAnswer(said.status, said.body.decode())
        return web.get(url, timeout_s=4, headers=headers)

    def _metered(self, metric: str, value: float = 1, **dimensions: str) -> None:
        self.metrics.append((metric, value, dimensions))


def of_a_test(alert: Alert) -> bool:
    """Whether what rang was the weekly test."""
    return bool(str(alert.payload["custom_details"]["incident"]).startswith("channel-test-"))
