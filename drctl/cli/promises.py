"""What `drctl backups` shows of the other promises: looked at now with one's own rights, or as the clock saw it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rich.markup import escape

from chalicelib.account.promises import LOOKS, READS, kept, looked
from chalicelib.account.verdicts import Row, Verdict
from chalicelib.core.book import Watermark
from chalicelib.core.happened import AlarmState
from chalicelib.core.promises import PROMISES, source
from chalicelib.store.contract import StoreUnavailableError
from drctl.cli.looking import book_of
from drctl.cli.places import Place, out
from drctl.cli.ready import reading

THE_CLOCKS = frozenset({"locks"})
"""What people's rights do not reach: a vault lets the responder's functions in, and nobody else."""
STATUS = {True: 0, None: 3, False: 1}
WORDS = {True: "[green]kept[/green]", None: "[yellow]not known[/yellow]", False: "[red]broken[/red]"}
STATES = {AlarmState.OK: True, AlarmState.ALARM: False, AlarmState.INSUFFICIENT_DATA: None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One promise. `rows` are what was looked at now, None where only the clock can; `told` is what the desk knows."""

    name: str
    rows: Sequence[Row] | None
    told: Watermark | None

    @property
    def kept(self) -> bool | None:
        """None when nobody knows."""
        if self.rows is not None:
            return kept(self.rows)[0]
        return STATES[self.told.state] if self.told else None

    @property
    def because(self) -> str:
        """A sentence."""
        if self.rows is not None:
            return kept(self.rows)[1]
        if self.told is None:
            return "the clock has told nothing of it yet"
        return f"{self.told.reason} (as the clock saw it at {self.told.changed_at:%Y-%m-%d %H:%M} UTC)"


def seen(where: Place) -> tuple[Seen, ...]:
    """Every promise."""
    policy = where.policy
    try:
        book = book_of(where)
    except StoreUnavailableError:
        book = None
    serving = book.serving if book else policy.platform.regions.primary
    names = [name for name in LOOKS if name not in THE_CLOCKS]
    rows = looked(policy, reading(where)(READS), serving, datetime.now(UTC), names=names)
    marks = book.watermarks if book else {}
    return tuple(Seen(name=n, rows=rows.get(n), told=marks.get(source(n))) for n in LOOKS)


def worst(found: Sequence[Seen]) -> int:
    """0, 1 when one is broken, 3 when of one nobody knows."""
    states = {STATUS[one.kept] for one in found}
    return next((status for status in (1, 3) if status in states), 0)


def show(found: Sequence[Seen]) -> None:
    """As text: a line a promise, then what differs, each with what mends it."""
    out.print()
    for one in found:
        because = "" if one.kept is False else escape(one.because)
        out.print(f"{WORDS[one.kept]} {one.name}  [dim]{because}[/dim]", soft_wrap=True)
        if one.rows is None and one.kept is False:
            out.print(f"  [red]✗[/red] {escape(one.because)}", soft_wrap=True)
        for row in one.rows or ():
            if row.verdict is Verdict.DIFFERS:
                out.print(f"  [red]✗[/red] {escape(row.sentence())}", soft_wrap=True)
                if row.mend:
                    out.print(f"    {row.mend}", soft_wrap=True, markup=False)


def as_json(found: Sequence[Seen]) -> list[dict[str, Any]]:
    """For other programs: every property that is not as policy says, and how many are."""
    return [
        {
            "promise": one.name,
            "means": PROMISES[one.name].kept,
            "kept": one.kept,
            "because": one.because,
            "told_at": one.told.changed_at.isoformat() if one.told else None,
            "as_policy_says": sum(r.verdict is Verdict.AS_CLAIMED for r in one.rows or ()),
            "others": [
                {
                    "subject": r.subject,
                    "what": r.what,
                    "policy": r.claimed,
                    "found": r.found,
                    "field": r.field,
                    "verdict": r.verdict,
                    "mend": r.mend or None,
                }
                for r in one.rows or ()
                if r.verdict is not Verdict.AS_CLAIMED
            ],
        }
        for one in found
    ]
