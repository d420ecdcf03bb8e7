"""Rules about names: whatever one file calls by name is in another."""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.policy.lint.finding import Flaw, Whole, error, meant, one_of, repeats
from chalicelib.policy.scenarios import Automation


def scenario_is_single(whole: Whole) -> Iterator[Flaw]:
    """Each scenario is one row of the matrix."""
    for i, first, name in repeats(s.name for s in whole.policy.scenarios.scenarios):
        yield error(
            *("scenarios", "scenarios", i, "name"),
            allowed="a name that no other scenario has",
            found=name,
            because=f"{name!r} already is scenarios[{first}]; only the last of them would hold",
        )


def scenario_belongs_to_a_row(whole: Whole) -> Iterator[Flaw]:
    """A case with a runbook of its own belongs to a row of the matrix, not to another case."""
    rows = {s.name: s for s in whole.policy.scenarios.scenarios if s.belongs_to is None}
    for i, scenario in enumerate(whole.policy.scenarios.scenarios):
        if scenario.belongs_to is None:
            continue
        row = rows.get(scenario.belongs_to)
        if row is None:
            yield error(
                *("scenarios", "scenarios", i, "belongs_to"),
                allowed=one_of(rows),
                found=scenario.belongs_to,
                because=f"{scenario.name!r} belongs to {scenario.belongs_to!r}, which is no row of the matrix"
                + meant(scenario.belongs_to, list(rows)),
            )


def scenario_has_a_runbook(whole: Whole) -> Iterator[Flaw]:
    """An incident without a runbook has nothing to do and nobody to ask."""
    written = [r.scenario for r in whole.policy.runbooks.runbooks]
    for i, scenario in enumerate(whole.policy.scenarios.scenarios):
        if scenario.name not in written:
            yield error(
                *("scenarios", "scenarios", i, "name"),
                allowed=f"scenarios with a runbook in runbooks.yaml: {', '.join(written) or 'none'}",
                found=scenario.name,
                because=f"{scenario.name!r} has no runbook: its incident would open and nothing would be due",
            )


def automatic_recovery_is_by_something(whole: Whole) -> Iterator[Flaw]:
    """A scenario that recovers by itself says by what."""
    for i, scenario in enumerate(whole.policy.scenarios.scenarios):
        if scenario.automatic is not Automation.NO and not scenario.by:
            yield error(
                *("scenarios", "scenarios", i, "by"),
                allowed="what recovers it",
                found="nothing",
                because=f"{scenario.name!r} is automatic: {scenario.automatic.value}, and nothing is named for it",
            )


def case_scenario_is_known(whole: Whole) -> Iterator[Flaw]:
    """A case of the failure categories belongs to a row of the matrix."""
    known = [s.name for s in whole.policy.scenarios.scenarios]
    for i, case in enumerate(whole.policy.scenarios.cases):
        if case.scenario not in known:
            yield error(
                *("scenarios", "cases", i, "scenario"),
                allowed=one_of(known),
                found=case.scenario,
                because=f"case {case.name!r} belongs to {case.scenario!r}, which is no scenario"
                + meant(case.scenario, known),
            )


def runbook_scenario_is_known(whole: Whole) -> Iterator[Flaw]:
    """A runbook is for a row of the matrix, and each row has one."""
    runbooks = whole.policy.runbooks.runbooks
    known = [s.name for s in whole.policy.scenarios.scenarios]
    for i, runbook in enumerate(runbooks):
        if runbook.scenario not in known:
            yield error(
                *("runbooks", "runbooks", i, "scenario"),
                allowed=one_of(known),
                found=runbook.scenario,
                because=f"runbook {runbook.title!r} is for {runbook.scenario!r}, which is no scenario"
                + meant(runbook.scenario, known),
            )
    for i, first, name in repeats(r.scenario for r in runbooks):
        yield error(
            *("runbooks", "runbooks", i, "scenario"),
            allowed="one runbook a scenario",
            found=name,
            because=f"{name!r} already has runbooks[{first}]; only the last of them would be followed",
        )


def action_is_known(whole: Whole) -> Iterator[Flaw]:
    """A step names an action that there is."""
    for i, runbook in enumerate(whole.policy.runbooks.runbooks):
        for j, step in enumerate(runbook.steps):
            if step.action not in whole.actions:
                yield error(
                    *("runbooks", "runbooks", i, "steps", j, "action"),
                    allowed=one_of(sorted(whole.actions)),
                    found=step.action,
                    because=f"step {step.id!r} is done by {step.action!r}, which is no action"
                    + meant(step.action, whole.actions),
                )


def restored_database_can_be_used(whole: Whole) -> Iterator[Flaw]:
    """Who restores a database beside the old one has said by what it is checked, and where the applications look."""
    platform = whole.policy.platform
    wanted = {
        "integrity-check": (platform.integrity, "integrity in platform.yaml", "says whether it is whole"),
        "point-restored": (platform.primary_secret, "primary_secret in platform.yaml", "finds it"),
    }
    for i, runbook in enumerate(whole.policy.runbooks.runbooks):
        for j, row in enumerate(runbook.steps):
            there, allowed, nobody = wanted.get(row.action, (True, "", ""))
            if there is None:
                yield error(
                    *("runbooks", "runbooks", i, "steps", j, "action"),
                    allowed=f"{row.action} only beside {allowed}",
                    found=row.action,
                    because=f"step {row.id!r} is about a restored database, and without {allowed} nobody {nobody}",
                )


def step_target_is_known(whole: Whole) -> Iterator[Flaw]:
    """What a step is aimed at, a cluster or a service, is there."""
    clusters = whole.policy.platform.clusters
    places = [p for p in ("primary", "standby", "tertiary") if getattr(clusters, p) is not None]
    services = [s.name for s in whole.policy.services.services]
    for i, runbook in enumerate(whole.policy.runbooks.runbooks):
        for j, step in enumerate(runbook.steps):
            for key, known in (("cluster", places), ("service", services)):
                target = step.with_.get(key)
                if target is None or target in known or (step.for_each and target == "{service}"):
                    continue
                yield error(
                    *("runbooks", "runbooks", i, "steps", j, "with", key),
                    allowed=one_of(known),
                    found=target,
                    because=f"step {step.id!r} is aimed at {key} {target!r}, which is not there"
                    + meant(str(target), known),
                )


def database_is_a_service(whole: Whole) -> Iterator[Flaw]:
    """The platform's database is the row of the service table that others lean on."""
    databases = [s.name for s in whole.policy.services.services if s.kind == "database"]
    name = whole.policy.platform.database.service
    if name not in databases:
        yield error(
            *("platform", "database", "service"),
            allowed=one_of(databases),
            found=name,
            because=f"{name!r} is no service of kind database, so nothing would wait for its promotion"
            + meant(name, databases),
        )
