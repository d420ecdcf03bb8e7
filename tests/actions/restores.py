"""Rows for the actions that bring data back as of a moment: facts → next."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from chalicelib.actions import velero_missing
from chalicelib.actions.integrity_check import Counted
from chalicelib.actions.point_application import Pointing
from chalicelib.actions.restore_instance import Beside
from chalicelib.actions.restore_point import Known
from chalicelib.actions.restored import TAG, Absent
from chalicelib.actions.velero_missing import Missing
from chalicelib.actions.velero_restore import Attempt, Backup
from chalicelib.core.bounds import spelled
from chalicelib.core.outcome import Act, Done, Next, Refused, Stuck, Wait
from chalicelib.store.beat import Beat, millis
from tests.actions.stage import AT, DENIED, SILENT, target

THEN = AT - timedelta(minutes=30)
AS_OF: dict[str, str] = {"as_of": spelled(THEN)}
NAME = "neurectomy-pg-at-20261124023000"
MISSING: dict[str, str] = {**AS_OF, "cluster": "primary", "namespaces": "ml,cache"}
NOTHING: dict[str, str] = {**MISSING, "namespaces": "none"}

WHOLE = Beat({"good_at": millis(AT - timedelta(minutes=1)), "bad_at": 0, "because": ""})
BAD = Beat(
    {
        "good_at": millis(AT - timedelta(minutes=9)),
        "bad_at": millis(AT - timedelta(minutes=8)),
        "because": "runs-have-experiments found 12 runs of MLflow whose experiment is not there",
    }
)
KNOWN = Known(AT - timedelta(days=7), AT - timedelta(minutes=3), BAD)

OLD: dict[str, Any] = {
    "DBInstanceIdentifier": "neurectomy-pg",
    "DBInstanceStatus": "available",
    "DBInstanceClass": "db.r6g.large",
    "BackupRetentionPeriod": 14,
    "LatestRestorableTime": AT - timedelta(minutes=3),
    "MultiAZ": True,
    "DeletionProtection": True,
    "CopyTagsToSnapshot": True,
    "VpcSecurityGroups": [{"VpcSecurityGroupId": "sg-ours", "Status": "active"}],
    "DBParameterGroups": [{"DBParameterGroupName": "ours", "ParameterApplyStatus": "in-sync"}],
    "DBSubnetGroup": {"DBSubnetGroupName": "private"},
}
NEW: dict[str, Any] = {
    **OLD,
    "DBInstanceIdentifier": NAME,
    "Endpoint": {"Address": "new.example", "Port": 5432},
    "TagList": [{"Key": TAG, "Value": target().incident}],
}


def new(**more: Any) -> Beside:
    return Beside(OLD, {**NEW, **more})


GOOD = Backup("hourly-2", THEN - timedelta(minutes=35))
OLDER = Backup("hourly-1", THEN - timedelta(minutes=95))
RESTORE = Attempt("dr-missing-x-1", "hourly-2", "Completed", 0, 0, ", 3 of 3 items", "")


def restoring(*attempts: Attempt, good: tuple[Backup, ...] = (GOOD, OLDER)) -> Missing:
    return Missing(attempts, good, ("hourly-3: was completed after it",))


ROWS: list[tuple[str, dict[str, str], Any, type[Next], str]] = [
    ("restore-point", {}, SILENT, Wait, "looking again"),
    ("restore-point", {}, DENIED, Stuck, "AccessDenied"),
    ("restore-point", {}, Absent("not found"), Stuck, "nothing to restore from"),
    ("restore-point", {}, KNOWN, Done, "proposed is 2026-11-24T02:51:00Z: every integrity check found it whole at"),
    ("restore-point", {}, KNOWN, Done, "runs-have-experiments found 12 runs"),
    (
        "restore-point",
        {},
        replace(KNOWN, earliest=AT - timedelta(minutes=9), latest=AT - timedelta(minutes=9, seconds=30)),
        Wait,
        "RDS restores from 2026-11-24T02:51:00Z on, and its newest moment is 2026-11-24T02:50:30Z",
    ),
    ("restore-point", {}, replace(KNOWN, integrity=WHOLE), Done, "which is a guess: no integrity check finds anything"),
    ("restore-point", {}, replace(KNOWN, integrity=Beat({})), Done, "no integrity check ever found the database whole"),
    ("restore-point", {}, replace(KNOWN, integrity=SILENT), Done, "is not known: nobody answered within 4 s"),
    ("restore-point", {}, replace(KNOWN, integrity=DENIED), Done, "is not known: not for you"),
    (
        "restore-point",
        {},
        replace(KNOWN, latest=AT - timedelta(minutes=10)),
        Done,
        "proposed is 2026-11-24T02:50:00Z",
    ),
    (
        "restore-point",
        {},
        replace(KNOWN, earliest=AT - timedelta(minutes=5)),
        Stuck,
        "on only: what is older must come",
    ),
    ("restore-instance", AS_OF, SILENT, Wait, "looking again"),
    ("restore-instance", AS_OF, DENIED, Stuck, "AccessDenied"),
    ("restore-instance", AS_OF, Absent("not found"), Stuck, "nothing to restore from"),
    (
        "restore-instance",
        AS_OF,
        Beside(OLD, None),
        Act,
        f"instance '{NAME}', 'neurectomy-pg' as it was at 2026-11-24T02",
    ),
    ("restore-instance", AS_OF, Beside({**OLD, "BackupRetentionPeriod": 0}, None), Stuck, "has no automated backups"),
    (
        "restore-instance",
        AS_OF,
        Beside({**OLD, "LatestRestorableTime": THEN - timedelta(seconds=1)}, None),
        Wait,
        "its logs are uploaded every 5 min",
    ),
    ("restore-instance", AS_OF, new(DBInstanceStatus="creating"), Wait, "is 'creating', expected 'available'"),
    ("restore-instance", AS_OF, new(DBInstanceStatus="backing-up"), Wait, "is 'backing-up'"),
    ("restore-instance", AS_OF, new(DBInstanceStatus="incompatible-restore"), Stuck, "must look at it in RDS"),
    ("restore-instance", AS_OF, new(TagList=[]), Stuck, "was made by somebody else"),
    ("restore-instance", AS_OF, new(TagList=[{"Key": TAG, "Value": "another"}]), Stuck, "was made by another and not"),
    ("restore-instance", AS_OF, new(), Done, "as of 2026-11-24T02:30:00Z, at new.example:5432, with its settings"),
    ("restore-instance", AS_OF, new(DBInstanceStatus="storage-optimization"), Done, "with its settings"),
    ("restore-instance", AS_OF, new(MultiAZ=False), Act, "differs from 'neurectomy-pg' in MultiAZ"),
    ("restore-instance", AS_OF, new(VpcSecurityGroups=[]), Act, "differs from 'neurectomy-pg' in VpcSecurityGroupIds"),
    ("restore-instance", AS_OF, new(MultiAZ=False, PendingModifiedValues={"MultiAZ": True}), Wait, "applies MultiAZ"),
    ("integrity-check", AS_OF, SILENT, Wait, "looking again"),
    ("integrity-check", AS_OF, DENIED, Stuck, f"whether '{NAME}' is whole is not known"),
    ("integrity-check", AS_OF, Refused(code="42P01", because="no such table"), Stuck, "no such table (42P01)"),
    ("integrity-check", AS_OF, Counted("a:1", {}), Stuck, "names no integrity check"),
    (
        "integrity-check",
        AS_OF,
        Counted("a:1", {"runs-have-experiments": 0, "runs-have-artifacts": 0}),
        Done,
        "all 2 integrity checks find instance",
    ),
    (
        "integrity-check",
        AS_OF,
        Counted("a:1", {"runs-have-experiments": 12, "runs-have-artifacts": 0}),
        Stuck,
        "either: 12 runs of MLflow whose experiment is not there; abort",
    ),
    ("point-restored", AS_OF, SILENT, Wait, "looking again"),
    ("point-restored", AS_OF, DENIED, Stuck, "AccessDenied"),
    ("point-restored", AS_OF, Pointing("old", "1", "new", "2"), Act, "points at old:1, not at new:2"),
    ("point-restored", AS_OF, Pointing("new", "2", "new", "2"), Done, "points at new:2"),
    ("velero-missing", MISSING, SILENT, Wait, "nobody answered"),
    ("velero-missing", MISSING, DENIED, Stuck, "AccessDenied"),
    ("velero-missing", NOTHING, velero_missing.Unwanted(), Done, "no namespace was chosen"),
    ("velero-missing", MISSING, restoring(), Act, "backup 'hourly-2' is of 35m before 2026-11-24T02:30:00Z"),
    ("velero-missing", MISSING, restoring(good=()), Stuck, "no good backup from before 2026-11-24T02:30:00Z (hourly-3"),
    ("velero-missing", MISSING, restoring(replace(RESTORE, phase="")), Wait, "is new"),
    ("velero-missing", MISSING, restoring(replace(RESTORE, phase="Finalizing")), Wait, "Finalizing"),
    (
        "velero-missing",
        MISSING,
        restoring(RESTORE),
        Done,
        "what was missing in ml,cache is back from backup 'hourly-2'",
    ),
    ("velero-missing", MISSING, restoring(replace(RESTORE, warnings=2)), Done, "2 that exist and differ were left"),
    ("velero-missing", MISSING, restoring(replace(RESTORE, errors=1)), Act, "'hourly-1'"),
    (
        "velero-missing",
        MISSING,
        restoring(*(replace(RESTORE, name=f"r{n}", phase="Failed", why=": boom") for n in range(3))),
        Stuck,
        "attempt 3 of 3",
    ),
]
