"""Rows for the actions of a configuration error: facts → next."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from chalicelib.actions.places import token_of
from chalicelib.actions.secrets_refreshed import Fetched
from chalicelib.actions.terraform import Kept, Lock, Version
from chalicelib.core.outcome import Act, Done, Next, Refused, Stuck, Wait
from tests.actions.stage import DENIED, SILENT, target

PRIMARY: Final[dict[str, str]] = {"cluster": "primary"}
STATE: Final[dict[str, str]] = {"state": "infrastructure"}
ASKED: Final = token_of(target())[:16]
READY = Fetched("settings", "edge", "7", "2026-11-24T02:10:00Z", "", ready=True, message="secret synced")
FETCHED = replace(READY, asked=ASKED)
GOOD = Version("v1", "2026-11-23 10:00 UTC", "aa", "line", 41, 120)
EMPTY = Version("v2", "2026-11-24 02:00 UTC", "bb", "line", 42, 0)
BROKEN = Version("v2", "2026-11-24 02:00 UTC", "cc")
GONE_STATE = Version("m1", "2026-11-24 02:30 UTC", "", deleted=True)
NEXT = Version("v2", "2026-11-24 02:00 UTC", "dd", "line", 42, 121)
LEFT = Lock("6b0e", "ana@laptop since 02:40 (OperationTypeApply)", "{}")
GONE = Refused(code="NoSuchVersion", because="state 'infrastructure' has no version 'v9'; the newest are v2, v1")

ROWS: list[tuple[str, dict[str, str], Any, type[Next], str]] = [
    ("secrets-refreshed", PRIMARY, SILENT, Wait, "looking again"),
    ("secrets-refreshed", PRIMARY, DENIED, Stuck, "AccessDenied"),
    ("secrets-refreshed", PRIMARY, (), Done, "all 0 external secrets"),
    ("secrets-refreshed", PRIMARY, (READY,), Act, "is to fetch again now, 1 in all"),
    ("secrets-refreshed", PRIMARY, (FETCHED, replace(READY, name="x")), Act, "external secret 'x'"),
    ("secrets-refreshed", PRIMARY, (FETCHED,), Done, "all 1 external secrets"),
    ("secrets-refreshed", PRIMARY, (replace(FETCHED, ready=False, message="gone"),), Stuck, "as it was: gone; mend"),
    ("secrets-refreshed", PRIMARY, (replace(READY, once=True),), Done, "1 more are fetched once only"),
    ("secrets-refreshed", {**PRIMARY, "namespaces": "none"}, (READY,), Done, "no secret is to be fetched again"),
    ("terraform-state-restored", {**STATE, "version": "none"}, SILENT, Done, "is to be put back, as was chosen"),
    ("terraform-state-restored", {**STATE, "version": "found"}, Kept(EMPTY, (GOOD,), digest="bb"), Act, "to be locked"),
    ("terraform-state-restored", STATE, Kept(GONE_STATE, (GOOD,), digest="aa"), Act, "is to be locked"),
    (
        "terraform-state-restored",
        STATE,
        Kept(GONE_STATE, (BROKEN,), digest="aa"),
        Stuck,
        "it is deleted since 2026-11-2",
    ),
    ("terraform-state-restored", STATE, SILENT, Wait, "looking again"),
    ("terraform-state-restored", STATE, DENIED, Stuck, "AccessDenied"),
    (
        "terraform-state-restored",
        STATE,
        GONE,
        Stuck,
        "has no version 'v9'; the newest are v2, v1 (NoSuchVersion)",
    ),
    ("terraform-state-restored", {"state": "other"}, Kept(GOOD, ()), Stuck, "'other' is not in backups.yaml"),
    ("terraform-state-restored", STATE, Kept(GOOD, (), digest="aa"), Done, "looks sound: version v1"),
    ("terraform-state-restored", STATE, Kept(NEXT, (GOOD,), digest="dd"), Done, "looks sound: version v2"),
    ("terraform-state-restored", STATE, Kept(EMPTY, (GOOD,), digest="bb"), Act, "is to be locked"),
    ("terraform-state-restored", STATE, Kept(BROKEN, (GOOD,), digest="cc"), Act, "is to be locked"),
    ("terraform-state-restored", STATE, Kept(BROKEN, (), digest="cc"), Stuck, "no version before it is any better"),
    ("terraform-state-restored", STATE, Kept(EMPTY, (GOOD,), file=LEFT), Stuck, "locked by ana@laptop since 02:40"),
    ("terraform-state-restored", STATE, Kept(EMPTY, (GOOD,), item=LEFT), Stuck, "terraform force-unlock 6b0e"),
    (
        "terraform-state-restored",
        {**STATE, "version": "v1"},
        Kept(NEXT, (GOOD,), digest="dd"),
        Act,
        "is to be locked",
    ),
]
