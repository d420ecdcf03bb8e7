"""The linter over all policy files together: what `drctl lint` says, as values.

First every file is read (YAML, keys that stand twice), then every field gets its shape (the models), and when all
have theirs, the rules look at everything together. It is made for a person's desk and for checks before a deploy:
it leans on croniter, which is not shipped, so nothing on the way of an alarm may import it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from chalicelib.policy.lint.finding import ActionFacts, Finding, Severity, Whole, name_of, show_field
from chalicelib.policy.lint.reading import read, shape
from chalicelib.policy.lint.rules import RULES

__all__ = ["RULES", "ActionFacts", "Finding", "Severity", "lint"]


def lint(folder: Path, *, actions: Mapping[str, ActionFacts], judges: Collection[str]) -> tuple[Finding, ...]:
    """Everything there is to say about a policy folder, by file and line; raises only when a file cannot be opened.

    Where a file has not its shape, only that is told: rules about meaning need all files. `actions` are the
    registered actions by name: a step may name no other, and what they lean on is judged by where it goes.
    `judges` are the names that readiness.yaml may give its rows.
    """
    texts = read(folder)
    policy, misshapen = shape(texts)
    findings = [*texts.findings, *misshapen]
    if policy is not None:
        whole = Whole(policy=policy, actions=actions, judges=tuple(judges))
        for rule in RULES:
            for flaw in rule(whole):
                file = str(flaw.path[0])
                findings.append(
                    Finding(
                        rule=name_of(rule),
                        severity=flaw.severity,
                        file=f"{file}.yaml",
                        line=texts.places[file].line(flaw.path[1:]),
                        field=show_field(flaw.path[1:]),
                        allowed=flaw.allowed,
                        found=flaw.found,
                        because=flaw.because,
                    )
                )
    return tuple(sorted(findings, key=lambda f: (f.file, f.line)))
