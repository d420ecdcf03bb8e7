"""What the actions of a planned switchover, and of its way back, answer, as rows of tests/actions/test_next.py."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from chalicelib.actions.open_primary import Opening
from chalicelib.actions.replica_caught_up import Replay
from chalicelib.core.outcome import Act, Done, Next, Stuck, Wait
from chalicelib.store.beat import Beat, millis
from tests.actions.fences import AFTER, BEFORE, GIVEN_UP, REVOKED, beat
from tests.actions.stage import AT, DENIED, SILENT

SOURCE: Final = "arn:aws:rds:us-east-1:111122223333:db:neurectomy-pg"
FREE: Final = Beat({"until": millis(AT)})
OPENING: Final = Opening(source=SOURCE, lease=FREE, primary=beat(AFTER, "ok"), acls=())
SEEN: Final = {"opened_at": BEFORE.timestamp()}
"""What an earlier look kept: since when nothing of ours denies the port."""


def written(write: str, n: int = 7) -> Beat:
    return Beat({"n": n, "written_at": millis(BEFORE), "at": millis(AFTER), "write": write, "because": "it timed out"})


ROWS: Final[list[tuple[str, dict[str, str], Any, type[Next], str]]] = [
    ("open-primary", {}, SILENT, Wait, "looking again"),
    ("open-primary", {}, DENIED, Stuck, "AccessDenied"),
    ("open-primary", {}, replace(OPENING, lease=REVOKED), Act, "the lease of 'neurectomy-pg' in us-east-1 is revoked"),
    ("open-primary", {}, replace(OPENING, lease=GIVEN_UP, acls=("acl-1",)), Act, "is revoked"),
    ("open-primary", {}, replace(OPENING, acls=("acl-1", "acl-2")), Act, "acl-1 still denies port 5432 by our rule"),
    ("open-primary", {}, replace(OPENING, acls=SILENT), Wait, "nobody answered"),
    ("open-primary", {}, replace(OPENING, acls=DENIED), Stuck, "AccessDenied"),
    # Whatever else stands there: two databases would take writes.
    (
        "open-primary",
        {},
        replace(OPENING, source=None, lease=REVOKED, acls=("acl-1",)),
        Done,
        "'neurectomy-pg' in us-east-1 stays fenced; two would take writes",
    ),
    ("open-primary", {}, OPENING, Wait, "waiting for a write of 'neurectomy-pg'"),
    ("replica-caught-up", {}, SILENT, Wait, "looking again"),
    ("replica-caught-up", {}, DENIED, Stuck, "AccessDenied"),
    ("replica-caught-up", {}, Replay(Beat({}), 7), Wait, "no row of the primary's agent is known"),
    # As long as it writes, nobody knows which row will be the last.
    ("replica-caught-up", {}, Replay(written("ok"), 7), Wait, "the primary still writes (row 7)"),
    ("replica-caught-up", {}, Replay(written("silent"), 6), Wait, "is 1 row of the heartbeat behind row 7"),
    ("replica-caught-up", {}, Replay(written("refused"), 4), Wait, "is 3 rows of the heartbeat behind row 7"),
    ("replica-caught-up", {}, Replay(written("refused"), 7), Done, "holds row 7 of the heartbeat"),
    ("replica-caught-up", {}, Replay(written("silent"), 7), Done, "nothing is lost"),
]
PROVEN: Final[list[tuple[Opening, type[Next], str]]] = [
    (OPENING, Done, "takes writes again"),
    (replace(OPENING, primary=beat(AFTER, "silent")), Wait, "has not been seen to write since"),
    (replace(OPENING, primary=beat(BEFORE, "ok")), Wait, "has not been seen to write since"),
    (replace(OPENING, primary=Beat({})), Wait, "has not been seen to write since"),
    (replace(OPENING, acls=("acl-1",)), Act, "acl-1 still denies"),
]
"""The looks that come after nothing of ours was seen to deny the port."""
