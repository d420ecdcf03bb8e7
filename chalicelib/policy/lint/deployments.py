"""Rules about what goes back: a step's own words must mean something before the night in which they are read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from chalicelib.policy.base import parse_duration
from chalicelib.policy.lint.finding import Flaw, Whole, error, meant, one_of

ROLLBACK: Final = "application-rolled-back"
GIVEN_BACK: Final = "auto-sync-given-back"
STATE: Final = "terraform-state-restored"
OF: Final = ("services", "configuration")


def rollback_says_what_it_means(whole: Whole) -> Iterator[Flaw]:
    """Whose Applications go back, and by which times they are judged."""
    for i, runbook in enumerate(whole.policy.runbooks.runbooks):
        for j, step in enumerate(runbook.steps):
            if step.action not in (ROLLBACK, GIVEN_BACK):
                continue
            path = ("runbooks", "runbooks", i, "steps", j, "with")
            of = str(step.with_.get("of", OF[0]))
            if of not in OF:
                because = f"step {step.id!r} is of {of!r}, and would find no application" + meant(of, OF)
                yield error(*(*path, "of"), allowed=one_of(OF), found=of, because=because)
            elif not whole.policy.services.managed(of):
                because = f"step {step.id!r} is of the {of}, and nothing in services.yaml says what deploys them"
                yield error(*path, allowed="a managed_by, or a configuration", found="neither", because=because)
            for key in ("stood", "blames"):
                try:
                    parse_duration(str(step.with_.get(key, "1h")))
                except ValueError as unreadable:
                    found, because = step.with_[key], f"step {step.id!r} could not be judged: {unreadable}"
                    yield error(*(*path, key), allowed="a duration like 10m", found=found, because=because)


def state_step_names_a_state(whole: Whole) -> Iterator[Flaw]:
    """Terraform's state that a step puts back is a row of backups.yaml."""
    known = [row.name for row in whole.policy.backups.terraform_states]
    for i, runbook in enumerate(whole.policy.runbooks.runbooks):
        for j, step in enumerate(runbook.steps):
            name = str(step.with_.get("state", ""))
            if step.action == STATE and name not in known:
                because = f"step {step.id!r} puts back {name!r}, which is no state" + meant(name, known)
                path = ("runbooks", "runbooks", i, "steps", j, "with", "state")
                yield error(*path, allowed=one_of(known), found=name or "nothing", because=because)
