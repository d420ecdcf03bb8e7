"""Rows for the actions that lead out of AWS: facts → next."""

from __future__ import annotations

from typing import Any

from chalicelib.actions.cloudflare_traffic import Answers
from chalicelib.actions.dumps import Restore
from chalicelib.actions.jobs import Job
from chalicelib.actions.secrets_pointed import Pointing
from chalicelib.actions.verify_write import Proof
from chalicelib.core.elsewhere import marker_text
from chalicelib.core.outcome import Act, Done, Next, Stuck, Wait
from tests.actions.stage import AT, DENIED, SILENT, target

THERE: dict[str, str] = {"cluster": "tertiary"}
DUMP = "neurectomy-20261124T020000Z.dump"
HOST = "neurectomy-pg-azw2.postgres.database.azure.com"
TARGET = "api.westus2.neurectomy.io"
RECORD = {"name": "api.neurectomy.io", "type": "CNAME", "content": "api.us-east-1.neurectomy.io"}
FOUND = Job("dr-find-dump-1", complete=True, failed="", said=f"{DUMP} 2026-11-24 01:59:59.25+00")
NAMED = Job("dr-find-dump-1", complete=True, failed="", said=DUMP)
LOADED = Job("dr-restore-dump-1", complete=True, failed="", said=DUMP)
RUNS = Job("dr-restore-dump-1", complete=False, failed="", said="")
FAILED = Job("dr-restore-dump-1", complete=False, failed="BackoffLimitExceeded: no more", said='relation "a" exists')
INCIDENT = target().incident
MARKED = [{"content": f'"{marker_text(incident=INCIDENT, by="ana", at=AT)}"'}]
OTHERS = [{"content": f'"{marker_text(incident="a-b-1", by="bob", at=AT)}"'}]
ROWS: list[tuple[str, dict[str, str], Any, type[Next], str]] = [
    ("marker-left", THERE, SILENT, Wait, "looking again"),
    ("marker-left", THERE, DENIED, Stuck, "AccessDenied"),
    ("marker-left", THERE, [], Act, "does not tell AWS's side yet"),
    ("marker-left", THERE, [{"content": '"v=spf1 -all"'}], Act, "does not tell AWS's side yet"),
    ("marker-left", THERE, MARKED, Done, "ana acts since 2026-11-24T03:00:00Z; AWS's side pauses by it"),
    ("marker-left", THERE, OTHERS, Stuck, "bob acts for a-b-1 since 2026-11-24T03:00:00Z: two engines must not act"),
    ("marker-left", THERE, [*MARKED, *OTHERS], Stuck, "bob acts for a-b-1"),
    ("dump-found", THERE, SILENT, Wait, "looking again"),
    ("dump-found", THERE, DENIED, Stuck, "AccessDenied"),
    ("dump-found", THERE, None, Act, "is not known yet"),
    ("dump-found", THERE, RUNS, Wait, "looks for the newest dump"),
    ("dump-found", THERE, FAILED, Stuck, 'its pod says: relation "a" exists; mend it and delete the Job'),
    ("dump-found", THERE, Job("j", complete=True, failed="", said="passwd"), Stuck, "which is no dump's name"),
    ("dump-found", THERE, NAMED, Done, "2026-11-24 02:00:00 UTC (by its name, it holds no heartbeat) is not in it, 1h"),
    (
        "dump-found",
        THERE,
        FOUND,
        Done,
        "2026-11-24 01:59:59 UTC (by its heartbeat's last row) is not in it, 1h1s or 3,6",
    ),
    ("dump-found", THERE, FOUND, Done, "until AWS took no more writes, which is not known"),
    ("dump-restored", THERE, SILENT, Wait, "looking again"),
    ("dump-restored", THERE, DENIED, Stuck, "AccessDenied"),
    ("dump-restored", THERE, Restore(None, None), Stuck, "no Job of this incident has found a dump"),
    ("dump-restored", THERE, Restore(FOUND, None), Act, f"{HOST} does not hold {DUMP} yet"),
    ("dump-restored", THERE, Restore(FOUND, RUNS), Wait, f"restores {DUMP} into {HOST}"),
    ("dump-restored", THERE, Restore(FOUND, FAILED), Stuck, "BackoffLimitExceeded"),
    ("dump-restored", THERE, Restore(FOUND, LOADED), Done, f"{HOST} holds {DUMP}: what was written after"),
    ("dump-restored", THERE, Restore(FOUND, LOADED), Done, "by its heartbeat's last row"),
    ("dump-restored", THERE, Restore(None, LOADED), Done, "by its name, it holds no heartbeat"),
    ("secrets-pointed", THERE, SILENT, Wait, "looking again"),
    ("secrets-pointed", THERE, DENIED, Stuck, "AccessDenied"),
    ("secrets-pointed", THERE, Pointing(("auth",), {}), Stuck, "is not there in auth"),
    ("secrets-pointed", THERE, Pointing((), {"ml": "old:5432"}), Act, "in 'ml' points at old:5432"),
    ("secrets-pointed", THERE, Pointing((), {}), Done, f"points at {HOST}:5432 in ml, auth, monitoring"),
    ("verify-outage-write", THERE, SILENT, Wait, "looking again"),
    ("verify-outage-write", THERE, DENIED, Stuck, "AccessDenied"),
    ("verify-outage-write", THERE, Proof(HOST, 5432, None), Act, "has not been proven by a write yet"),
    ("verify-outage-write", THERE, Proof(HOST, 5432, 3.0), Done, "was read back"),
    ("record-moved", THERE, SILENT, Wait, "looking again"),
    ("record-moved", THERE, DENIED, Stuck, "AccessDenied"),
    ("record-moved", THERE, RECORD, Act, "leads to api.us-east-1.neurectomy.io, not to"),
    ("record-moved", THERE, {**RECORD, "name": "www.neurectomy.io"}, Stuck, "policy means 'api.neurectomy.io'"),
    ("record-moved", THERE, {**RECORD, "type": "A"}, Stuck, "expected a CNAME; nothing is changed"),
    ("record-moved", THERE, {**RECORD, "content": TARGET}, Done, f"leads to {TARGET}"),
    ("verify-move", THERE, SILENT, Wait, "looking again"),
    ("verify-move", THERE, DENIED, Stuck, "AccessDenied"),
    ("verify-move", THERE, Answers(("ada",), {"ns-1": "ns-1 says no"}, (), False), Wait, "ns-1 says no; expected"),
    (
        "verify-move",
        THERE,
        Answers(("ada", "rick"), {}, ("ns-2",), False),
        Done,
        "by 2 name servers; ns-2 answer nobody",
    ),
    ("verify-move", THERE, Answers(("ada",), {}, (), True), Done, "through Cloudflare's proxy"),
]
