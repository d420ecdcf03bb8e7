"""A stretch of a bucket's listing: from after one key to the end of another, of a size that one look can take in.

Rules. A span begins and ends between two keys, so that where to go on is one key's name, and reading a span anew
needs nothing but that. It ends when it holds enough to do, or enough pages were read, whichever comes first. Those who
speak S3's protocol do not agree whether a listing that is asked for from a key on has that key in it: it is skipped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Final

from chalicelib.core.outcome import NoData, Refused
from chalicelib.core.versions import CHANGES, Aim, Entry, Key, Verdict, entries, fold, judge

PAGES: Final = 5
"""Pages (of 1,000 versions) that a span has at most, when it has one whole key at least: a look must not take long."""
PAGES_OF_ONE_KEY: Final = 30
"""A key with more versions than these pages hold is passed over, and told."""
ENOUGH: Final = 1000
"""Changes at which a span ends with the page that brought them."""

Page = Mapping[str, Any]
List = Callable[[Mapping[str, str]], Page | Refused | NoData]
"""`list({"KeyMarker": …, "VersionIdMarker": …})`: one page of ListObjectVersions; empty from the beginning."""


@dataclass(frozen=True, slots=True)
class Span:
    """`end` is the last key that is in it as a whole, None where the listing ends with it. `examined` counts versions
    and markers of whole keys; `verdicts` are those of the keys that are not right.
    """

    end: str | None
    examined: int
    verdicts: tuple[Verdict, ...]

    @property
    def changes(self) -> tuple[Verdict, ...]:
        """What there is to do in it."""
        return tuple(v for v in self.verdicts if v.kind in CHANGES)


def read_span(pages: List, after: str, aim: Aim, *, through: str = "") -> Span | Refused | NoData:
    """The span that begins after a key ('' the first one), and ends with the key `through` where one is given."""
    markers = {"KeyMarker": after} if after else {}
    opened: Key | None = None
    end, examined, held, count = after, 0, 0, 0
    verdicts: list[Verdict] = []
    while True:
        page = pages(markers)
        if isinstance(page, Refused | NoData):
            return page
        count += 1
        rows = [e for e in entries(page) if e.key != after]
        inside = list(takewhile(lambda e: e.key <= through, rows)) if through else rows
        opened, found = fold(opened, inside, aim)
        verdicts += [v for v in found if v.kind != "right"]
        last = len(inside) < len(rows) or not page.get("IsTruncated")
        if found:
            end = found[-1].key
            whole = held + len(inside) - _of(opened, inside)
            examined, held = examined + whole, held + len(inside) - whole
        else:
            held += len(inside)
        if last:
            if opened is not None:
                verdict = judge(opened, aim)
                verdicts += [] if verdict.kind == "right" else [verdict]
                examined += held
            return Span(through if len(inside) < len(rows) else None, examined, tuple(verdicts))
        if end != after and (count >= PAGES or sum(v.kind in CHANGES for v in verdicts) >= ENOUGH):
            return Span(end, examined, tuple(verdicts))
        if count >= PAGES_OF_ONE_KEY and opened is not None:
            passed = Verdict("many", opened.current.key, opened.wanted, opened.current)
            return Span(passed.key, examined + held, (*verdicts, passed))
        markers = {"KeyMarker": page["NextKeyMarker"]}
        if page.get("NextVersionIdMarker"):
            markers["VersionIdMarker"] = page["NextVersionIdMarker"]


def _of(opened: Key | None, rows: list[Entry]) -> int:
    """How many of a page's last rows belong to the key that is not finished."""
    if opened is None:
        return 0
    return sum(1 for _ in takewhile(lambda e: e.key == opened.current.key, reversed(rows)))
