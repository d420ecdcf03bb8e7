"""Rules about what a breach is contained with: a step that takes it finds it in policy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from chalicelib.policy.lint.finding import Flaw, Whole, error

LEANS: Final = {
    "instances-quarantined": "",
    "subnets-quarantined": "",
    "logs-kept": "",
    "objects-kept": "",
    "databases-kept": "databases",
    "images-kept": "repositories",
}
"""Action → the part of `containment` that it goes by, '' for what is in every one."""


def containment_stands_ready(whole: Whole) -> Iterator[Flaw]:
    """On the day nobody writes policy: a step that finds nothing there does nothing, or is stuck."""
    containment = whole.policy.platform.containment
    for i, runbook in enumerate(whole.policy.runbooks.runbooks):
        for j, step in enumerate(runbook.steps):
            part = LEANS.get(step.action)
            if part is None or (containment is not None and (not part or getattr(containment, part))):
                continue
            named = f"containment.{part}" if part else "containment"
            yield error(
                *("runbooks", "runbooks", i, "steps", j, "action"),
                allowed=f"an action that platform.yaml has everything for; this one goes by {named}",
                found=step.action,
                because=f"platform.yaml has no {named}: step {step.id!r} would contain nothing",
            )
