"""Rules about runbooks: that they give a plan, and that the plan asks and proves where it must."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from chalicelib.core.plan import Plan, PlanError, Step, plan
from chalicelib.policy.base import show_duration
from chalicelib.policy.lint.finding import Flaw, Whole, error, meant, one_of, repeats
from chalicelib.policy.lint.times import PROOFS, SWITCH
from chalicelib.policy.runbooks import Runbook, RunbookStep
from chalicelib.policy.scenarios import Automation
from chalicelib.policy.where import Path

_FRESHEST = timedelta(minutes=2)
"""Traffic moves only to a place that was verified less than this ago."""


def _services(row: RunbookStep, whole: Whole) -> list[str]:
    """The services for which a row is done: as core's plan reads `for_each`."""
    return [
        s.name
        for s in whole.policy.services.services
        if row.for_each and s.kind == "workload" and (row.for_each == "workloads" or s.tier == 1)
    ]


def _ids(runbook: Runbook, whole: Whole) -> list[tuple[int, str]]:
    """The number of a row, and the id of each step that it makes."""
    return [
        (j, row.id.replace("{service}", name) if name else row.id)
        for j, row in enumerate(runbook.steps)
        for name in (_services(row, whole) if row.for_each else [""])
    ]


def step_id_is_single(whole: Whole) -> Iterator[Flaw]:
    """Each step of a plan has an id of its own."""
    for i, runbook in enumerate(whole.policy.runbooks.runbooks):
        ids = _ids(runbook, whole)
        told: set[int] = set()
        for n, first, step_id in repeats(name for _, name in ids):
            j = ids[n][0]
            if j not in told:
                told.add(j)
                yield error(
                    *("runbooks", "runbooks", i, "steps", j, "id"),
                    allowed="an id that no other step of the runbook has; with for_each it holds {service}",
                    found=runbook.steps[j].id,
                    because=f"{step_id!r} already is made by steps[{ids[first][0]}]; what needs it could mean either",
                )


def placeholder_is_filled(whole: Whole) -> Iterator[Flaw]:
    """`{service}` stands for something only in a step that is done for each service."""
    for i, runbook in enumerate(whole.policy.runbooks.runbooks):
        for j, row in enumerate(runbook.steps):
            texts: list[tuple[tuple[str, ...], str]] = [(("id",), row.id), (("title",), row.title)]
            texts += [(("with", key), str(value)) for key, value in row.with_.items()]
            for field, text in texts:
                if row.for_each is None and ("{service}" in text or "{display}" in text):
                    path: Path = ("runbooks", "runbooks", i, "steps", j, *field)
                    yield error(
                        *path,
                        allowed="{service} and {display} only beside for_each",
                        found=text,
                        because=f"step {row.id!r} is done once, for no service, so {text!r} would stay as it is",
                    )


def step_need_is_known(whole: Whole) -> Iterator[Flaw]:
    """What a step needs is a step of the same runbook."""
    for i, runbook in enumerate(whole.policy.runbooks.runbooks):
        ids = {name for _, name in _ids(runbook, whole)}
        families = [row.id for row in runbook.steps]
        for j, row in enumerate(runbook.steps):
            for field in ("needs", "needs_if_database"):
                for k, need in enumerate(getattr(row, field)):
                    wanted = [need.replace("{service}", s) for s in _services(row, whole)] if row.for_each else [need]
                    unknown = [w for w in wanted if w not in ids]
                    if unknown:
                        yield error(
                            *("runbooks", "runbooks", i, "steps", j, field, k),
                            allowed=one_of([f for f in families if f != row.id]),
                            found=need,
                            because=f"step {row.id!r} needs {unknown[0]!r}, which is no step of {runbook.scenario!r}"
                            + meant(unknown[0], sorted(ids)),
                        )


def runbook_gives_a_plan(whole: Whole) -> Iterator[Flaw]:
    """Steps that need each other in a circle have no first one."""
    known = set(_unknown_needs(whole))
    for i, runbook in enumerate(whole.policy.runbooks.runbooks):
        if i in known:
            continue
        try:
            plan(runbook.scenario, policy=whole.policy)
        except PlanError as reason:
            yield error(
                *("runbooks", "runbooks", i, "steps"),
                allowed="steps of which each needs only steps that can be done before it",
                found=reason,
                because=f"{runbook.scenario!r} gives no plan, so nothing of it would ever be done: {reason}",
            )
        except KeyError:
            continue  # a tier without a row; service-tier-is-known says so


def _unknown_needs(whole: Whole) -> Iterator[int]:
    for flaw in step_need_is_known(whole):
        yield int(flaw.path[2])


def asking_step_says_why(whole: Whole) -> Iterator[Flaw]:
    """A person who is asked in the night is told why."""
    for i, runbook in enumerate(whole.policy.runbooks.runbooks):
        for j, row in enumerate(runbook.steps):
            if not row.automatic and not row.asks_because:
                yield error(
                    *("runbooks", "runbooks", i, "steps", j, "asks_because"),
                    allowed="a sentence, where automatic is false",
                    found="nothing",
                    because=f"step {row.id!r} asks a person and does not say why",
                )


def irreversible_step_comes_late(whole: Whole) -> Iterator[Flaw]:
    """What cannot be undone comes after something that can: the replica is not burnt before the standby runs pods."""
    for i, j, row, made in _steps(whole):
        for step, steps in made[:1]:
            before = _before(step, steps)
            if not row.reversible and not any(s.reversible for s in before):
                yield error(
                    *("runbooks", "runbooks", i, "steps", j, "needs"),
                    allowed="at least one reversible step that comes before it",
                    found=", ".join(step.needs) or "nothing",
                    because=f"step {row.id!r} cannot be undone and needs nothing that can: it would come first",
                )


def person_decides_where_policy_says_so(whole: Whole) -> Iterator[Flaw]:
    """A scenario that is never automatic has no automatic step."""
    for i, runbook in enumerate(whole.policy.runbooks.runbooks):
        if not whole.policy.has_scenario(runbook.scenario):
            continue
        if whole.policy.scenario(runbook.scenario).automatic is not Automation.NO:
            continue
        for j, row in enumerate(runbook.steps):
            if row.automatic:
                yield error(
                    *("runbooks", "runbooks", i, "steps", j, "automatic"),
                    allowed="false, as the scenario matrix says",
                    found=row.automatic,
                    because=f"step {row.id!r} would run without a person, and {runbook.scenario!r} is automatic: no",
                )


def switch_wants_fresh_proof(whole: Whole) -> Iterator[Flaw]:
    """Traffic moves only to a place that wrote to its database less than two minutes ago."""
    for i, j, row, made in _steps(whole):
        if row.action != SWITCH:
            continue
        for step, steps in made[:1]:
            direct = [steps.step(n) for n in step.needs]
            if not any(s.action in PROOFS for s in direct):
                yield error(
                    *("runbooks", "runbooks", i, "steps", j, "needs"),
                    allowed=f"a step of the action {one_of(sorted(PROOFS))} among them",
                    found=", ".join(step.needs) or "nothing",
                    because=f"step {row.id!r} would send users to a database that nobody has proven with a write",
                )
            for proof in direct:
                if proof.action.startswith("verify-") and not _fresh(proof):
                    yield error(
                        *("runbooks", "runbooks", i, "steps", j, "needs", _place(row, proof.id)),
                        allowed="steps whose fresh_for is at most 2m",
                        found=f"{proof.id} with fresh_for {_shown(proof.fresh_for)}",
                        because=f"step {row.id!r} leans on {proof.id!r}, which may have been true longer than 2m ago",
                    )


def _fresh(step: Step) -> bool:
    return step.fresh_for is not None and step.fresh_for <= _FRESHEST


def _shown(value: timedelta | None) -> str:
    return "unset" if value is None else show_duration(value)


def _place(row: RunbookStep, step_id: str) -> int:
    return row.needs.index(step_id) if step_id in row.needs else 0


def _steps(whole: Whole) -> Iterator[tuple[int, int, RunbookStep, list[tuple[Step, Plan]]]]:
    """Each row of each runbook that gives a plan, with the steps that it makes."""
    for i, runbook in enumerate(whole.policy.runbooks.runbooks):
        steps = whole.plan(runbook.scenario)
        if steps is None or whole.policy.runbook(runbook.scenario) is not runbook:
            continue
        for j, row in enumerate(runbook.steps):
            ids = {row.id.replace("{service}", n) for n in _services(row, whole)} if row.for_each else {row.id}
            yield i, j, row, [(s, steps) for s in steps.steps if s.id in ids]


def _before(step: Step, steps: Plan) -> list[Step]:
    """Everything that must be done before a step."""
    found: dict[str, Step] = {}
    wave = list(step.needs)
    while wave:
        need = wave.pop()
        if need not in found:
            found[need] = steps.step(need)
            wave += found[need].needs
    return list(found.values())
