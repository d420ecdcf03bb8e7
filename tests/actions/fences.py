"""What the actions that keep the old primary from writing answer, as rows of tests/actions/test_next.py."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from chalicelib.actions.fence_acl import Denials
from chalicelib.actions.fence_primary import Fence
from chalicelib.actions.velero_schedules import Schedules
from chalicelib.core.outcome import Act, Done, Next, Stuck, Wait
from chalicelib.store.beat import Beat, millis
from tests.actions.stage import AT, DENIED, SILENT, STANDBY

OPEN: Final = Denials(denied=(), missing=("acl-1", "acl-2"), bare=(), in_the_way=None)
CLOSED: Final = Denials(denied=("acl-1", "acl-2"), missing=(), bare=(), in_the_way=None)
BEFORE, AFTER = AT - timedelta(seconds=20), AT - timedelta(seconds=1)
SEEN: Final = {"denied_at": (AT - timedelta(seconds=10)).timestamp()}
"""What an earlier look kept: since when the port is known to be denied."""


def beat(at: datetime, write: str = "silent") -> Beat:
    return Beat({"at": millis(at), "write": write, "because": "it timed out"})


REVOKED: Final = Beat({"revoked_at": millis(AT), "until": millis(AFTER)})
GIVEN_UP: Final = Beat({**REVOKED.values, "given_up_at": millis(AFTER), "because": "row 7 could not be written"})
FENCE: Final = Fence(acls=CLOSED, primary=beat(AFTER), lease=REVOKED)
ROWS: Final[list[tuple[str, dict[str, str], Any, type[Next], str]]] = [
    ("velero-schedules-paused", STANDBY, SILENT, Wait, "looking again"),
    ("velero-schedules-paused", STANDBY, DENIED, Stuck, "AccessDenied"),
    ("velero-schedules-paused", STANDBY, Schedules((), ()), Done, "has no schedules"),
    ("velero-schedules-paused", STANDBY, Schedules(("daily", "hourly"), ()), Act, "'daily' of cluster"),
    ("velero-schedules-paused", STANDBY, Schedules((), ("daily",)), Done, "paused are daily"),
    ("fence-acl", {}, SILENT, Wait, "looking again"),
    ("fence-acl", {}, DENIED, Stuck, "AccessDenied"),
    ("fence-acl", {}, OPEN, Act, "acl-1 in us-east-1 lets port 5432 through"),
    ("fence-acl", {}, replace(OPEN, bare=("subnet-9",)), Stuck, "no network ACL in us-east-1 is associated"),
    ("fence-acl", {}, replace(OPEN, in_the_way="acl-1 rule 1"), Stuck, "number it higher"),
    ("fence-acl", {}, CLOSED, Done, "is denied by acl-1, acl-2"),
    ("fence-primary", {}, SILENT, Wait, "looking again"),
    ("fence-primary", {}, DENIED, Stuck, "AccessDenied"),
    ("fence-primary", {}, replace(FENCE, lease=Beat({})), Act, "still has its lease"),
    ("fence-primary", {}, replace(FENCE, acls=SILENT), Wait, "nobody answered"),
    ("fence-primary", {}, replace(FENCE, acls=DENIED), Stuck, "AccessDenied"),
    ("fence-primary", {}, replace(FENCE, acls=OPEN), Act, "lets port 5432 through"),
    # Nothing is proven by a denial alone, nor by silence alone.
    ("fence-primary", {}, FENCE, Wait, "waiting for a write that fails behind it"),
    ("fence-primary", {}, replace(FENCE, acls=SILENT, lease=GIVEN_UP), Done, "SelfFenced: it gave up its lease"),
    (
        "fence-primary",
        {},
        replace(FENCE, acls=SILENT, lease=Beat({**GIVEN_UP.values, "until": millis(AT)})),
        Wait,
        "nobody answered",
    ),
]
PROVEN: Final[list[tuple[Fence, type[Next], str]]] = [
    (replace(FENCE, primary=Beat({})), Wait, "its agent never spoke"),
    (replace(FENCE, primary=beat(BEFORE)), Wait, "no write was tried since"),
    (replace(FENCE, primary=beat(AFTER, "ok")), Wait, "still takes writes"),
    (FENCE, Done, "is Fenced: port 5432 is denied by acl-1, acl-2, and a write was refused there: it timed out"),
    (replace(FENCE, primary=beat(AFTER, "refused")), Done, "is Fenced"),
    (replace(FENCE, acls=SILENT), Wait, "nobody answered"),
]
"""The looks that come after the denial was first seen."""
