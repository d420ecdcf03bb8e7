"""Rules about what services lean on that is no service: each has a type, is looked at, and has a way back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from chalicelib.policy.lint.finding import Flaw, Whole, error, meant, one_of, warning
from chalicelib.policy.services import CHECKS, WAYS_BACK, Storage

TYPES = get_args(Storage)


def infrastructure_has_a_type(whole: Whole) -> Iterator[Flaw]:
    """Without a type nobody knows what there is to look at, or what brings it back."""
    for i, row in enumerate(whole.policy.services.infrastructure):
        if row.type is None:
            yield error(
                *("services", "infrastructure", i, "type"),
                allowed=one_of(TYPES),
                found="nothing",
                because=f"nobody knows what {row.name!r} is: it can be neither checked nor brought back",
            )


def infrastructure_is_checked(whole: Whole) -> Iterator[Flaw]:
    """What nobody looks at is believed to be there until it is needed."""
    for i, row in enumerate(whole.policy.services.infrastructure):
        allowed = CHECKS[row.type] if row.type else ()
        if row.type and not row.checks:
            yield error(
                *("services", "infrastructure", i, "checks"),
                allowed=f"at least one of: {', '.join(allowed)}",
                found="nothing",
                because=f"{row.name!r} has no check: that it is gone would be found when it is needed",
            )
        for j, check in enumerate(row.checks):
            if row.type and check not in allowed:
                yield error(
                    *("services", "infrastructure", i, "checks", j),
                    allowed=one_of(allowed),
                    found=check,
                    because=f"{row.name!r} is of the type {row.type}, which cannot be {check}: it would never be sound",
                )


def infrastructure_has_a_way_back(whole: Whole) -> Iterator[Flaw]:
    """A way back is an action that brings such a thing back, and that a runbook takes."""
    taken = {step.action for runbook in whole.policy.runbooks.runbooks for step in runbook.steps}
    for i, row in enumerate(whole.policy.services.infrastructure):
        if row.type is None:
            continue
        ways = WAYS_BACK[row.type]
        if not row.way_back:
            yield error(
                *("services", "infrastructure", i, "way_back"),
                allowed=f"at least one of: {', '.join(ways)}",
                found="nothing",
                because=f"{row.name!r} has no way back: once it is gone, nobody knows what to do",
            )
        for j, name in enumerate(row.way_back):
            if name not in ways:
                because = f"{name!r} does not bring a {row.type} back{meant(name, ways)}"
            elif name not in taken:
                because = f"no runbook takes {name!r}, so nothing ever brings {row.name!r} back by it"
            else:
                continue
            allowed = one_of(w for w in ways if w in taken)
            yield error(*("services", "infrastructure", i, "way_back", j), allowed=allowed, found=name, because=because)


def infrastructure_buckets_are_restorable(whole: Whole) -> Iterator[Flaw]:
    """Buckets are named where there are some, and are among those whose objects can be put back."""
    known = [row.bucket for row in whole.policy.backups.restorable]
    for i, row in enumerate(whole.policy.services.infrastructure):
        if row.type == "s3-bucket" and not row.buckets:
            yield error(
                *("services", "infrastructure", i, "buckets"),
                allowed=one_of(known),
                found="nothing",
                because=f"{row.name!r} is of the type s3-bucket and names none: there is nothing to look at",
            )
        for j, bucket in enumerate(row.buckets):
            if bucket not in known or row.type != "s3-bucket":
                yield error(
                    *("services", "infrastructure", i, "buckets", j),
                    allowed=f"of an s3-bucket, {one_of(known)}",
                    found=bucket,
                    because=f"{row.name!r} names {bucket!r}, whose objects nothing puts back{meant(bucket, known)}",
                )


def infrastructure_is_leaned_on(whole: Whole) -> Iterator[Flaw]:
    """What no service leans on is a row for nothing."""
    wanted = {name for service in whole.policy.services.services for name in service.depends_on}
    for i, row in enumerate(whole.policy.services.infrastructure):
        if row.name not in wanted:
            yield warning(
                *("services", "infrastructure", i, "name"),
                allowed=one_of(sorted(wanted)),
                found=row.name,
                because=f"no service leans on {row.name!r}: it is checked for nobody",
            )


def checked_infrastructure_is_known(whole: Whole) -> Iterator[Flaw]:
    """A step that looks at infrastructure names a row of the table."""
    known = [row.name for row in whole.policy.services.infrastructure]
    for i, runbook in enumerate(whole.policy.runbooks.runbooks):
        for j, step in enumerate(runbook.steps):
            name = step.with_.get("infrastructure")
            if step.action == "infrastructure-sound" and name not in known:
                yield error(
                    *("runbooks", "runbooks", i, "steps", j, "with"),
                    allowed=f"infrastructure: {one_of(known)}",
                    found=name or "nothing",
                    because=f"step {step.id!r} looks at infrastructure {name!r}, which is no row of the service table"
                    + meant(str(name), known),
                )
