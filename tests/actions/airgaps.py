"""Rows for the actions of the air gap: facts → next."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from chalicelib.actions.database_dumped import Dumps
from chalicelib.actions.jobs import Job
from chalicelib.actions.vault_copied import Rest, Under, Whole
from chalicelib.core.airgap import Copy, Part, Progress
from chalicelib.core.airgap_calls import Stretch
from chalicelib.core.outcome import Act, Done, Next, Stuck, Wait
from tests.actions.stage import AT, DENIED, SILENT

VAULT: dict[str, str] = {"vault": "other-account"}
HOUR = timedelta(hours=1)
COPY = Copy(backup="hourly-1", dump="neurectomy-20261124T013000Z.dump", holds_at=AT - HOUR)
OLD = replace(COPY, holds_at=AT - 7 * HOUR).id
YOUNG = replace(COPY, holds_at=AT - 2 * HOUR).id
PROGRESS = Progress(copy=COPY, begun=AT)
WRITTEN = replace(PROGRESS, number=3, set="backup", written=True)
STRETCH = Stretch(
    vault="other-account",
    region="us-west-2",
    bucket="neurectomy-backups-us-west-2",
    prefix="velero/kopia/",
    to="velero/kopia/",
    progress=PROGRESS,
    through="velero/kopia/p1",
    last=True,
)
PART = Part(number=0, set="volumes", after="", through="velero/kopia/p1", last=True, objects=())
NONE = Dumps("", None, None)
RUNNING = Job("dr-dump-1", complete=False, failed="", said="")

ROWS: list[tuple[str, dict[str, str], Any, type[Next], str]] = [
    ("database-dumped", {}, SILENT, Wait, "looking again"),
    ("database-dumped", {}, DENIED, Stuck, "AccessDenied"),
    ("database-dumped", {}, Dumps(COPY.dump, AT - HOUR, None), Done, "the newest dump is neurectomy-2026"),
    ("database-dumped", {}, NONE, Act, "is due every 6h and there is none"),
    ("database-dumped", {}, Dumps(COPY.dump, AT - 7 * HOUR, None), Act, "the newest is 7h old"),
    ("database-dumped", {}, replace(NONE, job=RUNNING), Wait, "'dr-dump-1' dumps the database"),
    ("database-dumped", {}, replace(NONE, job=replace(RUNNING, waits="ImagePullBackOff: x")), Wait, "ImagePullBackOff"),
    ("database-dumped", {}, replace(NONE, job=replace(RUNNING, complete=True, said="x")), Wait, "is not listed yet"),
    ("database-dumped", {}, replace(NONE, job=replace(RUNNING, failed="DeadlineExceeded")), Stuck, "DeadlineExceeded"),
    ("database-dumped", {}, replace(NONE, job=replace(RUNNING, failed="x", said="no room")), Stuck, "says: no room"),
    ("vault-copied", VAULT, SILENT, Wait, "nobody answered within 4 s"),
    ("vault-copied", VAULT, DENIED, Stuck, "AccessDenied"),
    ("vault-copied", VAULT, Rest("", None, "no dump"), Stuck, "there is no copy yet, and none can be made: no dump"),
    ("vault-copied", VAULT, Rest("", COPY), Wait, "begins, of backup 'hourly-1'"),
    ("vault-copied", VAULT, Rest(OLD, COPY), Wait, "begins, of backup 'hourly-1'"),
    ("vault-copied", VAULT, Rest(YOUNG, COPY), Done, "a new one begins at 6h"),
    ("vault-copied", {**VAULT, "now": "yes"}, Rest(YOUNG, COPY), Wait, "begins, of backup 'hourly-1'"),
    ("vault-copied", {**VAULT, "now": "yes"}, Rest(COPY.id, COPY), Done, "nothing newer is there"),
    ("vault-copied", VAULT, Under(PROGRESS, stretch=STRETCH), Act, "lacks part 0 (volumes)"),
    ("vault-copied", VAULT, Under(PROGRESS, record=PART), Wait, "part 0 (volumes) of"),
    ("vault-copied", VAULT, Under(PROGRESS, absent="'x' is not in the source"), Wait, "is given up, 'x'"),
    ("vault-copied", VAULT, Under(WRITTEN), Act, "has all 3 parts"),
    ("vault-copied", VAULT, Whole(COPY), Done, "holds 20261124T020000Z-hourly-1, 1h old"),
]
