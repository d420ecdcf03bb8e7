"""What the actions on a drill's own folder find, and what they say is missing, as rows of test_next.py."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from chalicelib.actions.drill_folder import GAP, PLANNED, SECOND, Folder, folder_of
from chalicelib.actions.drill_objects import Found, Read, Unversioned
from chalicelib.core.outcome import Act, Done, Next, Stuck, Wait
from chalicelib.core.versions import Entry
from tests.actions.stage import AT, DENIED, POLICY, SILENT, target

COPY: Final = {"copy": "drill"}
FOLDER: Final[Folder] = folder_of(target(), POLICY)
WRITTEN: Final = AT - timedelta(seconds=30)
MARKED: Final = WRITTEN + GAP
MOMENT: Final = MARKED - SECOND
CHANGED: Final = MARKED + SECOND


def entry(key: str, seconds: float = 0, *, marker: bool = False, latest: bool = True) -> Entry:
    """A version, or a delete marker, from so many seconds after the first objects were written."""
    at = WRITTEN + timedelta(seconds=seconds)
    return Entry(key, f"{key}@{seconds}", at, marker=marker, latest=latest, etag="e", size=1)


THERE: Final = tuple(p for p in PLANNED if p.there)
FIRST: Final = tuple(entry(FOLDER.key(p)) for p in THERE)
MARK: Final = entry(FOLDER.mark, GAP.total_seconds())


def changes(count: int, seconds: float = 4) -> tuple[Entry, ...]:
    """The first so many of the changes, in order."""
    every = [entry(FOLDER.key(p), seconds, marker=c == "delete") for p in PLANNED for c in p.changes]
    return tuple(every[:count])


ALL: Final = sum(len(p.changes) for p in PLANNED)
WAS: Final = {FOLDER.key(p): FOLDER.was(p).encode() for p in THERE}


def found(*entries: Entry) -> Found:
    return Found(entries)


def but(name: str, body: bytes | None) -> dict[str, bytes]:
    """What was there, and one object otherwise: its body, None where it is not there."""
    key = f"{FOLDER.objects}{name}"
    held = {k: v for k, v in WAS.items() if k != key}
    return held if body is None else {**held, key: body}


def _rows(name: str, *cases: tuple[Any, type[Next], str]) -> Sequence[tuple[str, dict[str, str], Any, type[Next], str]]:
    return [(name, COPY, facts, kind, because) for facts, kind, because in cases]


ROWS: Final[list[tuple[str, dict[str, str], Any, type[Next], str]]] = [
    *_rows(
        "drill-objects",
        (SILENT, Wait, "looking again"),
        (DENIED, Stuck, "AccessDenied"),
        (Unversioned("Suspended"), Stuck, "is Suspended, expected Enabled"),
        (found(), Act, "objects/kept' is not there yet"),
        (found(*FIRST[:2]), Act, "objects/deleted' is not there yet"),
        (found(entry(FOLDER.key(THERE[0]), marker=True), *FIRST[1:]), Act, "objects/kept' is not there yet"),
        (found(*FIRST), Act, "no object marks the moment, 2 s after"),
        # One that is stamped too early marks nothing.
        (found(*FIRST, entry(FOLDER.mark, 1)), Act, "no object marks the moment"),
        (found(*FIRST, MARK), Act, "objects/overwritten' is to be written after"),
        (found(*FIRST, MARK, *changes(1)), Act, "objects/deleted' is to be deleted after"),
        (found(*FIRST, MARK, *changes(2)), Act, "objects/overwritten-and-deleted' is to be written after"),
        (found(*FIRST, MARK, *changes(3)), Act, "objects/overwritten-and-deleted' is to be deleted after"),
        (found(*FIRST, MARK, *changes(4)), Act, "objects/added' is to be written after"),
        # What bears the moment itself was not changed after it.
        (found(*FIRST, MARK, *changes(1, seconds=1)), Act, "objects/overwritten' is to be written after"),
        (found(*FIRST, MARK, *changes(ALL)), Done, "5 objects stand in"),
        (found(*FIRST, MARK, *changes(ALL, seconds=29)), Wait, "a restore leaves alone what was written since: 1 s"),
    ),
    *_rows(
        "drill-objects-same",
        (SILENT, Wait, "looking again"),
        (DENIED, Stuck, "AccessDenied"),
        (Read(WAS, None), Stuck, "has no moment"),
        (Read(WAS, MOMENT), Done, "4 objects in"),
        (Read(but("deleted", None), MOMENT), Stuck, "objects/deleted' is not there"),
        (Read(but("overwritten", b"x"), MOMENT), Stuck, "objects/overwritten' is not as it was"),
        (Read(but("added", b"x"), MOMENT), Stuck, "objects/added' was not there then, and can be read"),
    ),
    *_rows(
        "drill-objects-gone",
        (SILENT, Wait, "looking again"),
        (DENIED, Stuck, "AccessDenied"),
        (found(), Done, "no version and no delete marker is left"),
        (found(entry("artifacts/0/run-000/model.bin")), Done, "no version and no delete marker is left"),
        (found(*FIRST), Act, "one of 4"),
        (found(entry(FOLDER.mark, marker=True)), Act, "delete marker"),
    ),
]
