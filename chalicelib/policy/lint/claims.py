"""Rules about what steps move: that somebody wrote it down, and that two steps of one plan do not move it at once."""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.core.plan import Plan, Step
from chalicelib.core.things import TABLE, Thing, UnknownThingError, moved_by
from chalicelib.policy.lint.finding import Flaw, Whole, error

_PLACES = ("primary", "standby", "tertiary")


def step_says_what_it_moves(whole: Whole) -> Iterator[Flaw]:
    """What a step's action moves is on the table, and the step names the one it means: or nothing could hold it."""
    for i, runbook in enumerate(whole.policy.runbooks.runbooks):
        steps = whole.plan(runbook.scenario)
        if steps is None or whole.policy.runbook(runbook.scenario) is not runbook:
            continue
        for j, row in enumerate(runbook.steps):
            every = (*steps.steps, *steps.undos)
            made = [s for s in every if s.action == row.action and (s.id == row.id or row.for_each)]
            if row.action not in whole.actions or not _aimed(row.with_.get("cluster"), whole):
                continue  # action-is-known and step-target-is-known say so
            try:
                for step in made:
                    moved_by(step, whole.policy.platform.regions.primary, whole.policy)
            except UnknownThingError as unknown:
                yield error(
                    *("runbooks", "runbooks", i, "steps", j, "action"),
                    allowed="an action of which core/things.py says what it moves, and a `with` that names which",
                    found=row.action,
                    because=f"{unknown}, so step {row.id!r} would be held for ever and two incidents could not be told"
                    " apart from one",
                )


def one_thing_is_moved_by_one_step_at_a_time(whole: Whole) -> Iterator[Flaw]:
    """Of two steps that put the same thing somewhere one needs the other: steps of one plan do not wait for each other
    by what they move, as two incidents do.
    """
    for i, runbook in enumerate(whole.policy.runbooks.runbooks):
        steps = whole.plan(runbook.scenario)
        if steps is None or whole.policy.runbook(runbook.scenario) is not runbook:
            continue
        ids = {row.id: j for j, row in enumerate(runbook.steps)}
        for first, second, thing in _at_once(steps, whole):
            yield error(
                *("runbooks", "runbooks", i, "steps", ids.get(second.id, 0), "needs"),
                allowed=f"{first.id!r} among what {second.id!r} needs, or the other way round",
                found=", ".join(second.needs) or "nothing",
                because=f"{first.id!r} and {second.id!r} both move {thing} and could do so at once: which comes last"
                " would be chance",
            )


def _at_once(steps: Plan, whole: Whole) -> Iterator[tuple[Step, Step, Thing]]:
    """Pairs that no need orders and that move the same thing, of those that stay where they are put. What is of best
    effort has no place in the order.
    """
    placed = [(s, t) for s in steps.steps if not s.best_effort for t in _things(s, whole) if t.stays]
    for n, (first, thing) in enumerate(placed):
        for second, other in placed[n + 1 :]:
            if thing == other and first.id not in _before(second, steps) and second.id not in _before(first, steps):
                yield first, second, thing


def _things(step: Step, whole: Whole) -> tuple[Thing, ...]:
    if step.action not in TABLE:
        return ()
    try:
        return moved_by(step, whole.policy.platform.regions.primary, whole.policy)
    except UnknownThingError:
        return ()


def _aimed(cluster: object, whole: Whole) -> bool:
    clusters = whole.policy.platform.clusters
    return cluster is None or (cluster in _PLACES and getattr(clusters, str(cluster)) is not None)


def _before(step: Step, steps: Plan) -> set[str]:
    found: set[str] = set()
    wave = list(step.needs)
    while wave:
        need = wave.pop()
        if need not in found:
            found.add(need)
            wave += steps.step(need).needs
    return found
