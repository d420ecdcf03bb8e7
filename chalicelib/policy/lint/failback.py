"""Rules about the way back: that what a move away sets is taken back, and that the standby's writes can be stopped."""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.core.failback import OPPOSITES, leads_away
from chalicelib.core.plan import Step
from chalicelib.policy.lint.finding import Flaw, Whole, error
from chalicelib.policy.runbooks import ChoiceKind, Runbook


def move_away_is_taken_back(whole: Whole) -> Iterator[Flaw]:
    """Every step that a move away does has a step that takes it back, where a runbook returns; and what it must know of
    how it was before is read from the journal.
    """
    for i, runbook in _returning(whole):
        back = whole.plan(runbook.scenario)
        if back is None:
            continue
        read = {(c.of, c.cluster) for c in runbook.choices if c.kind is ChoiceKind.JOURNAL}
        for step in _away(whole):
            opposite = OPPOSITES.get(step.action)
            if opposite is None:
                continue
            cluster = step.params.get("cluster")
            found = [
                s for s in back.steps if s.action == opposite.action and s.params.get("cluster") in (cluster, None)
            ]
            path = ("runbooks", "runbooks", i, "steps")
            where = f" in the {cluster}" if cluster else ""
            if not found:
                yield error(
                    *path,
                    allowed=f"a step of the action {opposite.action}{where}",
                    found="none",
                    because=f"step {step.id!r} of a move away would stay as it is: {runbook.scenario!r} does not take"
                    f" {step.action}{where} back",
                )
            elif opposite.reads and (step.action, cluster) not in read:
                yield error(
                    *("runbooks", "runbooks", i, "choices"),
                    allowed=f"a choice of the kind journal, of: {step.action}, cluster: {cluster}",
                    found="none",
                    because=f"{opposite.action} does not know how it was before step {step.id!r} of a move away",
                )


def standby_can_be_drained(whole: Whole) -> Iterator[Flaw]:
    """The standby's writes are stopped at the network ACLs of its database's subnets, which policy must name."""
    fence = whole.policy.platform.fence
    both = sorted(set(fence.subnets) & set(fence.standby_subnets))
    if both:
        yield error(
            *("platform", "fence", "standby_subnets"),
            allowed="subnets of the standby",
            found=", ".join(both),
            because="one subnet on both sides: who stops the standby's writes would stop the primary's",
        )
    for _, runbook in _returning(whole):
        if any(row.action == "fence-standby" for row in runbook.steps) and not fence.standby_subnets:
            yield error(
                *("platform", "fence"),
                allowed="standby_subnets, those of the database's replica",
                found="none",
                because=f"{runbook.scenario!r} could not stop the standby from taking writes, and would be stuck there",
            )


def _returning(whole: Whole) -> Iterator[tuple[int, Runbook]]:
    for i, runbook in enumerate(whole.policy.runbooks.runbooks):
        if whole.policy.has_scenario(runbook.scenario) and whole.policy.scenario(runbook.scenario).returns:
            yield i, runbook


def _away(whole: Whole) -> Iterator[Step]:
    """Each thing that some move away does, once."""
    told: set[tuple[str, str]] = set()
    for runbook in whole.policy.runbooks.runbooks:
        plan = whole.plan(runbook.scenario)
        for step in plan.steps if plan and leads_away(plan) else ():
            key = (step.action, step.params.get("cluster", ""))
            if key not in told:
                told.add(key)
                yield step
