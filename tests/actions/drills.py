"""The rows of a drill's own actions, and of real ones aimed at copies."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from chalicelib.actions.copies import throw_away
from chalicelib.actions.drill_gone import Left
from chalicelib.actions.restore_instance import Beside
from chalicelib.actions.restored import TAG, Absent
from chalicelib.actions.switches.metric import Alarm
from chalicelib.actions.velero_restore import Backup, Restoring
from chalicelib.actions.verify_service import Verified
from chalicelib.actions.verify_write import Proof
from chalicelib.actions.workload_ready import Readiness
from chalicelib.core.outcome import Act, Done, Next, Stuck, Wait
from tests.actions.stage import AT, DENIED, POLICY, SILENT, STANDBY, target

COPY: Final = {"copy": "drill"}
HERE: Final = STANDBY | COPY
NAME: Final = throw_away(POLICY, target())
OURS: Final = [{"Key": TAG, "Value": target().incident}]
OLD: Final[dict[str, Any]] = {
    "DBInstanceIdentifier": POLICY.platform.database.primary.instance,
    "DBInstanceStatus": "available",
    "DBInstanceClass": "db.r6g.large",
    "BackupRetentionPeriod": 7,
    "LatestRestorableTime": AT - timedelta(minutes=4),
    "MultiAZ": True,
    "DeletionProtection": True,
}
NEW: Final[dict[str, Any]] = OLD | {
    "DBInstanceIdentifier": NAME,
    "MultiAZ": False,
    "DeletionProtection": False,
    "TagList": OURS,
    "Endpoint": {"Address": "copy.example", "Port": 5432},
}
NOTHING: Final = Left((), (), (), "")
TEST = POLICY.drills.test_record
assert TEST

ROWS: list[tuple[str, dict[str, str], Any, type[Next], str]] = [
    ("drill-clear", HERE, SILENT, Wait, "looking again"),
    ("drill-clear", HERE, DENIED, Stuck, "AccessDenied"),
    ("drill-clear", HERE, (), Done, "nothing stands where the copies will"),
    ("drill-clear", HERE, ("drill-ml",), Stuck, "'drill-ml' is there, and this drill has not made it"),
    ("drill-copies-gone", HERE, SILENT, Wait, "looking again"),
    ("drill-copies-gone", HERE, DENIED, Stuck, "AccessDenied"),
    ("drill-copies-gone", HERE, NOTHING, Done, "no namespace, volume, restore or ConfigMap"),
    (
        "drill-copies-gone",
        HERE,
        Left((("dr-a", "InProgress", False),), (("drill-ml", False),), (), ""),
        Wait,
        "'dr-a' is at work, and Velero stops none",
    ),
    ("drill-copies-gone", HERE, Left((), (("drill-ml", False),), (), ""), Act, "'drill-ml' is there"),
    ("drill-copies-gone", HERE, Left((), (("drill-ml", True),), (), ""), Wait, "drill-ml is ending"),
    ("drill-copies-gone", HERE, Left((), (), ("pvc-1",), ""), Wait, "volume pvc-1 of a copy's claim"),
    ("drill-copies-gone", HERE, Left((("dr-a", "Completed", False),), (), (), ""), Act, "restore 'dr-a' is there"),
    ("drill-copies-gone", HERE, Left((("dr-a", "Completed", True),), (), (), ""), Wait, "is being deleted"),
    ("drill-copies-gone", HERE, Left((), (), (), "dr-drill-rewrites"), Act, "'dr-drill-rewrites' is there"),
    ("drill-instance-gone", COPY, SILENT, Wait, "looking again"),
    ("drill-instance-gone", COPY, DENIED, Stuck, "AccessDenied"),
    ("drill-instance-gone", COPY, Absent("not found"), Done, f"there is no instance {NAME!r}"),
    ("drill-instance-gone", COPY, NEW, Act, "is to be gone"),
    ("drill-instance-gone", COPY, NEW | {"DBInstanceStatus": "creating"}, Wait, "'creating'"),
    ("drill-instance-gone", COPY, NEW | {"DBInstanceStatus": "deleting"}, Wait, "'deleting'"),
    ("drill-instance-gone", COPY, NEW | {"TagList": []}, Stuck, "was made by somebody else: it is left as it is"),
    ("drill-write", COPY, SILENT, Wait, "looking again"),
    ("drill-write", COPY, DENIED, Stuck, "AccessDenied"),
    ("drill-write", COPY, Proof("copy.example", 5432, None), Act, "has not been proven by a write yet"),
    ("drill-write", COPY, Proof("copy.example", 5432, 1.0), Done, "read back from copy.example:5432"),
    ("restore-instance", COPY, Beside(OLD, None), Act, f"{NAME!r}, 'neurectomy-pg' as it was at"),
    ("restore-instance", COPY, Beside(OLD, NEW), Done, "at copy.example:5432"),
    ("restore-instance", COPY, Beside(OLD, NEW | {"DeletionProtection": True}), Act, "DeletionProtection"),
    ("restore-instance", COPY, Beside(OLD, NEW | {"TagList": []}), Stuck, "not for"),
    (
        "velero-restore",
        HERE | {"service": "redis"},
        Restoring((), (Backup("hourly-2", AT - timedelta(minutes=35)),), ()),
        Act,
        "'hourly-2' is 35m old",
    ),
    (
        "verify-service",
        HERE | {"service": "redis"},
        Verified(Readiness(()), None, None, ""),
        Done,
        "its copy's pods are ready",
    ),
    ("switch-traffic", COPY | {"to": "standby"}, Alarm("OK", 0.0), Act, TEST.switch.alarm),
    ("switch-traffic", COPY | {"to": "standby"}, Alarm("ALARM", 1.0), Done, f"{TEST.record} goes to the standby"),
    ("switch-traffic", COPY | {"to": "primary"}, Alarm("OK", 0.0), Done, f"{TEST.record} goes to the primary"),
]
