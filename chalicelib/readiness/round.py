"""One round: every judge and every step looked at once, side by side, within a time, and one report of it all.

It holds readers and nothing that could change anything. What is not answered within the time is NoData: a region that
is dark costs its own verdicts, and holds up no other.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from chalicelib.actions.contract import Action, Answer, Op, Reader
from chalicelib.core.book import Book
from chalicelib.core.judging import Check, Lacking, Report, RunbookReport, Unseen, Verdict, runbook
from chalicelib.core.outcome import NoData
from chalicelib.core.plan import Plan, PlanError, Step, plan
from chalicelib.policy import Policy
from chalicelib.policy.scenarios import ScopeKind
from chalicelib.readiness import steps
from chalicelib.readiness.contract import Around, Judge, Said
from chalicelib.readiness.registry import PLAN, SERVING

log = logging.getLogger("responder")
WITHIN: Final = timedelta(seconds=60)
"""Most of an invocation. A read tries twice and gives up after about ten seconds, so that this is reached only when a
judge asks many things of somebody who does not answer.
"""
SIDE_BY_SIDE: Final = 16


class Clock(Protocol):
    """The time."""

    def now(self) -> datetime: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What a round needs. `reader` gives a reader for declared operations; the rest is as in `Around`."""

    policy: Policy
    clock: Clock
    actions: Mapping[str, Action]
    judges: Mapping[str, Judge]
    reader: Callable[[tuple[Op, ...]], Reader]
    get: Callable[[str, Mapping[str, str]], Answer | NoData]
    rights: Callable[[], Mapping[str, Any] | NoData]
    slack_url: str
    pagerduty_url: str
    within: timedelta = WITHIN
    side_by_side: int = SIDE_BY_SIDE

    def make(self, serving: str, before: Report | None, book: Book | None = None) -> Report:
        """Looks at everything once. `serving` is the region that serves; `before` the last round's report; `book` the
        desk's, None before it has worked.
        """
        at, policy = self.clock.now(), self.policy
        plans = tuple(_plans(policy))
        pool = ThreadPoolExecutor(self.side_by_side, thread_name_prefix="judge")
        looks: dict[object, Future[Verdict]] = {}
        judged: dict[str, Future[Sequence[Said]]] = {}
        rights = pool.submit(self.rights)

        def around(reads: tuple[Op, ...]) -> Around:
            return Around(
                policy=policy,
                now=at,
                serving=serving,
                reader=self.reader(reads),
                get=self.get,
                rights=lambda: rights.result(timeout=self.within.total_seconds()),
                clock=self.clock.now,
                slack_url=self.slack_url,
                pagerduty_url=self.pagerduty_url,
                book=book,
            )

        for judge in self.judges.values():
            if any(_speaks(judge, each) for each in plans if isinstance(each, Plan)):
                judged[judge.name] = pool.submit(_judge, judge, around(judge.reads))
        for step in (s for p in plans if isinstance(p, Plan) for s in (*p.steps, *p.undos)):
            action = self.actions[step.action]
            if steps.unseen(step, action) is None and steps.likely(step) not in looks:
                job = around(action.reads)
                looks[steps.likely(step)] = pool.submit(steps.observed, step, action, job, job.reader)
        until = at + self.within
        said = {name: self._answer(future, until, name) for name, future in judged.items()}
        found = {key: self._answer(future, until, str(key)) for key, future in looks.items()}
        pool.shutdown(wait=False, cancel_futures=True)
        runbooks = [
            self._failed(each, before, at)
            if isinstance(each, PlanError)
            else self._runbook(each, said, found, serving, before, at)
            for each in plans
        ]
        seconds = (self.clock.now() - at).total_seconds()
        return Report(at=at, seconds=seconds, runbooks=tuple(r for r in runbooks if r is not None))

    def _answer(self, future: Future[Any], until: datetime, name: str) -> Any:
        left = max(0.0, (until - self.clock.now()).total_seconds())
        try:
            return future.result(timeout=left)
        except TimeoutError:
            return NoData(because=f"{name} was not answered within {self.within.total_seconds():g} s")
        except Exception as error:  # a judge that fails has seen nothing, and the others go on
            log.exception("a judge of readiness failed: %s", name)
            return NoData(because=f"judging {name} failed: {type(error).__name__}: {error}")

    def _runbook(
        self,
        plan_: Plan,
        said: Mapping[str, Sequence[Said] | NoData],
        found: Mapping[object, Verdict],
        serving: str,
        before: Report | None,
        at: datetime,
    ) -> RunbookReport:
        scenario, regions = self.policy.scenario(plan_.scenario), self.policy.platform.regions
        if scenario.scope is ScopeKind.REGION and serving != regions.primary:
            away = NoData(because=f"{serving} serves, and this runbook moves people there: there is nothing to judge")
            checks = [Check(judge=SERVING, subject="region that serves", verdict=away)]
            return runbook(plan_.scenario, checks, (), policy=self.policy, before=before, at=at)
        checks = [check for name, one in said.items() for check in self._checks(self.judges[name], plan_, one)]
        unseen: list[Unseen] = []
        for step in (*plan_.steps, *plan_.undos):
            if why := steps.unseen(step, self.actions[step.action]):
                unseen.append(Unseen(subject=step.title, because=why))
                continue
            # What recovery does not wait for does not lower it either.
            lowers = not step.best_effort and step.undoes is None
            verdict, mend = found[steps.likely(step)], steps.MEND.format(scenario=plan_.scenario)
            checks.append(Check(judge=steps.NAME, subject=step.title, verdict=verdict, lowers=lowers, mend=mend))
        return runbook(plan_.scenario, checks, unseen, policy=self.policy, before=before, at=at)

    @staticmethod
    def _checks(judge: Judge, plan_: Plan, said: Sequence[Said] | NoData) -> Iterator[Check]:
        if _speaks(judge, plan_):
            rows = [(judge.name, said)] if isinstance(said, NoData) else said
            for subject, verdict in rows:
                yield Check(judge=judge.name, subject=subject, verdict=verdict, lowers=judge.lowers, mend=judge.mend)

    def _failed(self, error: PlanError, before: Report | None, at: datetime) -> RunbookReport | None:
        """A runbook that gives no plan; None when it is of no scenario that policy has."""
        scenario = str(error.args[1]) if len(error.args) > 1 else ""
        if not self.policy.has_scenario(scenario):
            return None
        check = Check(judge=PLAN, subject="plan", verdict=Lacking(because=str(error.args[0])), mend="drctl lint")
        return runbook(scenario, [check], (), policy=self.policy, before=before, at=at)


def _plans(policy: Policy) -> Iterator[Plan | PlanError]:
    for row in policy.runbooks.runbooks:
        try:
            yield plan(row.scenario, policy=policy)
        except PlanError as error:
            yield PlanError(str(error), row.scenario)


def _judge(judge: Judge, around: Around) -> Sequence[Said]:
    return tuple(judge.judge(judge.look(around), around.policy, around.now))


def _speaks(judge: Judge, plan_: Plan) -> bool:
    return any(_of(judge, step) for step in plan_.steps if not step.best_effort) or _for_all(judge)


def _for_all(judge: Judge) -> bool:
    return judge.place is None and not judge.actions


def _of(judge: Judge, step: Step) -> bool:
    """One step has both: a restore that goes elsewhere says nothing of the backups here."""
    there = judge.place is None or step.params.get("cluster") == judge.place
    return there and (not judge.actions or step.action in judge.actions)
