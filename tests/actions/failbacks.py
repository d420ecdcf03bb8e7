"""What the actions of a failback answer, as rows of tests/actions/test_next.py."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from chalicelib.actions.fence_acl import Denials
from chalicelib.actions.fence_lifted import Lifting
from chalicelib.actions.fence_standby import Drain
from chalicelib.actions.following import Drained, Followed
from chalicelib.actions.instance_aside import Standing
from chalicelib.actions.node_capacity import Capacity
from chalicelib.actions.point_application import Pointing
from chalicelib.actions.promote_primary import Home
from chalicelib.actions.reopen_standby import Reopening
from chalicelib.actions.restored import Absent
from chalicelib.actions.sides import RETURNS
from chalicelib.actions.velero_location import Location
from chalicelib.actions.velero_schedules import Schedules
from chalicelib.actions.verify_write import Proof
from chalicelib.actions.workloads_gone import Moved
from chalicelib.actions.wrong_side import Only, WrongSide
from chalicelib.core.outcome import Act, Done, Next, Stuck, Wait
from chalicelib.store.beat import Beat, millis
from tests.actions.fences import AFTER, BEFORE, REVOKED
from tests.actions.stage import AT, DENIED, SILENT, STANDBY

FAILOVER: Final = "us-east-1-region-failure-20261123T030006"
PRIMARY: Final = {"side": "primary", "failover": FAILOVER}
WEST: Final = {"side": "standby", "failover": FAILOVER}
OF: Final = {"failover": FAILOVER}
WEST_ARN: Final = "arn:aws:rds:us-west-2:111122223333:db:neurectomy-pg-west"
EAST_ARN: Final = "arn:aws:rds:us-east-1:111122223333:db:neurectomy-pg"
ASIDE: Final = "neurectomy-pg-aside-20261123030006"


def instance(name: str, status: str = "available", **more: Any) -> dict[str, Any]:
    """As DescribeDBInstances shows one that stands alone."""
    return {
        "DBInstanceIdentifier": name,
        "DBInstanceStatus": status,
        "DBInstanceClass": "db.r6g.large",
        "MultiAZ": True,
        "BackupRetentionPeriod": 14,
        "PreferredBackupWindow": "07:00-07:30",
        "DeletionProtection": True,
        "CopyTagsToSnapshot": True,
        "VpcSecurityGroups": [{"VpcSecurityGroupId": "sg-1"}],
        "DBParameterGroups": [{"DBParameterGroupName": "tuned"}],
        "DBSubnetGroup": {"DBSubnetGroupName": "private"},
        "KmsKeyId": "arn:aws:kms:us-east-1:111122223333:key/1",
        "Endpoint": {"Address": f"{name}.example", "Port": 5432},
        "TagList": [{"Key": "team", "Value": "data"}, {"Key": "aws:x", "Value": "theirs"}],
        **more,
    }


def anew(name: str, source: str | None, **more: Any) -> dict[str, Any]:
    """One that this return has made."""
    follows = {"ReadReplicaSourceDBInstanceIdentifier": source} if source else {}
    return instance(name, **{"TagList": [{"Key": RETURNS, "Value": FAILOVER}], **follows, **more})


OLD: Final = instance("neurectomy-pg")
WRITER: Final = instance("neurectomy-pg-west", BackupRetentionPeriod=1)
KEPT: Final = instance(ASIDE)
MADE: Final = anew("neurectomy-pg", WEST_ARN)
ALONE: Final = anew("neurectomy-pg", None)
BEGINS: Final = Standing(OLD, None, WRITER)
MISSING: Final = Standing(None, KEPT, WRITER)
THERE: Final = Standing(MADE, KEPT, WRITER)
DENYING: Final = Denials(denied=("acl-1", "acl-2"), missing=(), bare=(), in_the_way=None)
OPEN: Final = Denials(denied=("acl-1",), missing=("acl-2",), bare=(), in_the_way=None)
LIFTING: Final = Lifting(MADE, Beat({}), ())
ONLY: Final = Only("primary", 3, AT - timedelta(seconds=7), AT)
CAPACITY: Final = Capacity(status="ACTIVE", desired=6, minimum=1, maximum=12, health="", nodes_ready=6)
LOWER: Final = STANDBY | {"to": "1/1/12"}
RUN: Final = {"cluster": "primary", "names": "daily,hourly"}
WRITE: Final = {"cluster": "primary", "mode": "ReadWrite"}
RESTORE: Final = ("dr-redis-x-1", "Completed", False)


def written(write: str, n: int = 7) -> Beat:
    return Beat({"n": n, "written_at": millis(BEFORE), "at": millis(AFTER), "write": write, "because": "it timed out"})


Rows = list[tuple[str, dict[str, str], Any, type[Next], str]]
ROWS: Final[Rows] = [
    ("instance-aside", PRIMARY, SILENT, Wait, "looking again"),
    ("instance-aside", PRIMARY, DENIED, Stuck, "AccessDenied"),
    ("instance-aside", PRIMARY, BEGINS, Act, "stands where the replica of 'neurectomy-pg-west' is to be"),
    ("instance-aside", PRIMARY, MISSING, Done, f"is kept aside as {ASIDE!r}"),
    ("instance-aside", PRIMARY, replace(MISSING, aside=instance(ASIDE, "renaming")), Wait, "'renaming'"),
    ("instance-aside", PRIMARY, Standing(None, None, WRITER), Stuck, "a person must say which database is whose"),
    ("instance-aside", PRIMARY, THERE, Done, "was made anew by this return"),
    # Promoted already: whoever renamed it now would rename the database that takes writes.
    ("instance-aside", PRIMARY, Standing(ALONE, KEPT, WRITER), Done, "was made anew by this return"),
    ("instance-aside", PRIMARY, replace(BEGINS, aside=KEPT), Stuck, "which of them is the older one"),
    ("instance-aside", PRIMARY, replace(BEGINS, here=instance("neurectomy-pg", "modifying")), Wait, "'modifying'"),
    ("instance-aside", PRIMARY, replace(BEGINS, here=instance("neurectomy-pg", "stopped")), Stuck, "'stopped'"),
    (
        "instance-aside",
        PRIMARY,
        replace(BEGINS, here=instance("neurectomy-pg", ReadReplicaDBInstanceIdentifiers=["pg-2"])),
        Stuck,
        "is followed by pg-2",
    ),
    # The other one follows this one: nothing else takes writes.
    (
        "instance-aside",
        PRIMARY,
        replace(BEGINS, there=instance("neurectomy-pg-west", ReadReplicaSourceDBInstanceIdentifier=EAST_ARN)),
        Stuck,
        "no other database takes writes",
    ),
    ("instance-aside", PRIMARY, replace(BEGINS, there=None), Stuck, "no other database takes writes"),
    (
        "instance-aside",
        WEST,
        Standing(instance("neurectomy-pg-west", ReadReplicaSourceDBInstanceIdentifier=EAST_ARN), None, OLD),
        Done,
        "nothing stands in its way",
    ),
    (
        "instance-aside",
        WEST,
        Standing(WRITER, None, ALONE),
        Act,
        "stands where the replica of 'neurectomy-pg' is to be",
    ),
    ("replica-rebuilt", PRIMARY, SILENT, Wait, "looking again"),
    ("replica-rebuilt", PRIMARY, DENIED, Stuck, "AccessDenied"),
    ("replica-rebuilt", PRIMARY, MISSING, Act, "a replica of 'neurectomy-pg-west' in us-west-2, is not there yet"),
    ("replica-rebuilt", PRIMARY, replace(MISSING, aside=None), Stuck, "nobody knows the settings"),
    ("replica-rebuilt", PRIMARY, replace(MISSING, there=None), Stuck, "is no source of a replica"),
    (
        "replica-rebuilt",
        PRIMARY,
        replace(MISSING, there=WRITER | {"DBInstanceStatus": "backing-up"}),
        Wait,
        "backing-up",
    ),
    ("replica-rebuilt", PRIMARY, replace(MISSING, there=WRITER | {"DBInstanceStatus": "failed"}), Stuck, "'failed'"),
    (
        "replica-rebuilt",
        PRIMARY,
        replace(MISSING, there=WRITER | {"BackupRetentionPeriod": 0}),
        Stuck,
        "no automated backups",
    ),
    ("replica-rebuilt", PRIMARY, replace(THERE, here=MADE | {"DBInstanceStatus": "creating"}), Wait, "'creating'"),
    ("replica-rebuilt", PRIMARY, replace(THERE, here=MADE | {"DBInstanceStatus": "failed"}), Stuck, "'failed'"),
    ("replica-rebuilt", PRIMARY, THERE, Done, "is there and follows 'neurectomy-pg-west'"),
    ("replica-rebuilt", PRIMARY, replace(THERE, here=ALONE), Done, "stands alone"),
    (
        "replica-rebuilt",
        PRIMARY,
        replace(THERE, here=MADE | {"MultiAZ": False}),
        Act,
        "differs from the one kept aside in MultiAZ",
    ),
    (
        "replica-rebuilt",
        PRIMARY,
        replace(THERE, here=MADE | {"MultiAZ": False, "PendingModifiedValues": {"MultiAZ": True}}),
        Wait,
        "applies MultiAZ",
    ),
    # While it is a replica RDS takes no backups of it, and nothing is asked for.
    (
        "replica-rebuilt",
        PRIMARY,
        replace(THERE, here=MADE | {"BackupRetentionPeriod": 0}),
        Done,
        "is there and follows",
    ),
    ("replica-rebuilt", PRIMARY, replace(THERE, here=OLD), Stuck, "it must be set aside first"),
    (
        "replica-rebuilt",
        WEST,
        Standing(instance("neurectomy-pg-west", ReadReplicaSourceDBInstanceIdentifier=EAST_ARN), None, OLD),
        Done,
        "this return has not made it",
    ),
    ("fence-lifted", PRIMARY, SILENT, Wait, "looking again"),
    ("fence-lifted", PRIMARY, DENIED, Stuck, "AccessDenied"),
    ("fence-lifted", PRIMARY, replace(LIFTING, lease=REVOKED, acls=("acl-1",)), Act, "the lease of 'neurectomy-pg'"),
    ("fence-lifted", PRIMARY, replace(LIFTING, acls=("acl-1", "acl-2")), Act, "acl-1 still denies port 5432"),
    ("fence-lifted", PRIMARY, LIFTING, Done, "nothing of ours denies port 5432"),
    ("fence-lifted", PRIMARY, replace(LIFTING, here=None, acls=("acl-1",)), Stuck, "must stay fenced until"),
    # The old primary itself would take writes beside the standby.
    ("fence-lifted", PRIMARY, replace(LIFTING, here=OLD, acls=("acl-1",)), Stuck, "it stays fenced"),
    ("fence-lifted", WEST, Lifting(WRITER, Beat({}), ("acl-9",)), Stuck, "it stays fenced"),
    ("fence-lifted", WEST, Lifting(anew("neurectomy-pg-west", EAST_ARN), Beat({}), ("acl-9",)), Act, "acl-9"),
    ("wrong-side-listed", OF, SILENT, Wait, "looking again"),
    ("wrong-side-listed", OF, DENIED, Stuck, "AccessDenied"),
    ("wrong-side-listed", OF, Absent(because="there is no 'x' any more"), Done, "nothing of it is left to be listed"),
    ("wrong-side-listed", OF, WrongSide(ASIDE, ()), Done, "nothing was written on the wrong side"),
    (
        "wrong-side-listed",
        OF,
        WrongSide(ASIDE, (ONLY,)),
        Wait,
        "3 rows of 'primary' in 7s until 2026-11-24 03:00:00 UTC",
    ),
    (
        "wrong-side-listed",
        OF,
        WrongSide(ASIDE, (Only("application", 1, None, AT),)),
        Wait,
        "1 row of 'application', the newest of 2026-11-24 03:00:00 UTC",
    ),
    ("replica-following", PRIMARY, SILENT, Wait, "looking again"),
    ("replica-following", PRIMARY, DENIED, Stuck, "AccessDenied"),
    ("replica-following", PRIMARY, Followed(WEST_ARN, (9, 5000), (9, 5000)), Done, "up to row 9"),
    ("replica-following", PRIMARY, Followed(WEST_ARN, (9, 9000), (7, 4000)), Wait, "is 5s and 2 rows behind"),
    ("replica-following", PRIMARY, Followed(WEST_ARN, (9, 9000), None), Wait, "9 rows behind 'neurectomy-pg-west'"),
    ("replica-following", PRIMARY, Followed(WEST_ARN, (9, 5000), (8, 4500)), Done, "follows 'neurectomy-pg-west'"),
    ("replica-following", PRIMARY, Followed(WEST_ARN, None, None), Wait, "no row of the standby's agent"),
    ("replica-following", PRIMARY, Followed("arn:x", (9, 5000), (9, 5000)), Stuck, "expected 'neurectomy-pg-west'"),
    ("replica-following", PRIMARY, Followed(None, None, None), Done, "takes writes itself"),
    ("replica-following", WEST, Followed(EAST_ARN, (3, 1), (3, 1)), Done, "'neurectomy-pg-west' in us-west-2 follows"),
    ("moment-reached", {"at": "now"}, None, Done, "as soon as everything is ready"),
    ("moment-reached", {"at": "2026-11-24T03:00:00Z"}, None, Done, "the moment that was chosen"),
    ("moment-reached", {"at": "2026-11-24T04:00:00Z"}, None, Wait, "it begins at 2026-11-24T04:00:00Z"),
    ("fence-standby", OF, SILENT, Wait, "looking again"),
    ("fence-standby", OF, DENIED, Stuck, "AccessDenied"),
    ("fence-standby", OF, Drain(None, OPEN, written("ok")), Act, "acl-2 in us-west-2 lets port 5432 through"),
    ("fence-standby", OF, Drain(None, DENYING, written("silent")), Wait, "waiting for a write that fails behind it"),
    ("fence-standby", OF, Drain(EAST_ARN, DENYING, written("ok")), Done, "so it takes no writes"),
    ("reopen-standby", OF, SILENT, Wait, "looking again"),
    ("reopen-standby", OF, DENIED, Stuck, "AccessDenied"),
    ("reopen-standby", OF, Reopening(False, ("acl-1", "acl-2")), Act, "acl-1 still denies port 5432"),
    ("reopen-standby", OF, Reopening(False, ()), Done, "it takes writes again"),
    ("reopen-standby", OF, Reopening(True, ("acl-1",)), Done, "stays fenced; two would take writes"),
    ("primary-caught-up", OF, SILENT, Wait, "looking again"),
    ("primary-caught-up", OF, DENIED, Stuck, "AccessDenied"),
    ("primary-caught-up", OF, Drained(Beat({}), 7, False), Wait, "no row of the standby's agent is known"),
    ("primary-caught-up", OF, Drained(written("ok"), 7, False), Wait, "the standby still writes (row 7)"),
    ("primary-caught-up", OF, Drained(written("silent"), 6, False), Wait, "is 1 row of the heartbeat behind row 7"),
    ("primary-caught-up", OF, Drained(written("silent"), None, False), Wait, "is 7 rows of the heartbeat behind row 7"),
    ("primary-caught-up", OF, Drained(written("refused"), 7, False), Done, "nothing is lost"),
    ("primary-caught-up", OF, Drained(written("ok"), 7, True), Done, "was promoted"),
    ("promote-primary", OF, SILENT, Wait, "looking again"),
    ("promote-primary", OF, DENIED, Stuck, "AccessDenied"),
    ("promote-primary", OF, Home(None, KEPT, ours=False), Stuck, "it must be made anew first"),
    ("promote-primary", OF, Home(MADE, KEPT, ours=True), Act, "still replicates from"),
    ("promote-primary", OF, Home(MADE | {"DBInstanceStatus": "rebooting"}, KEPT, ours=True), Wait, "'rebooting'"),
    ("promote-primary", OF, Home(MADE | {"DBInstanceStatus": "stopped"}, KEPT, ours=True), Stuck, "'stopped'"),
    ("promote-primary", OF, Home(ALONE, KEPT, ours=True), Done, "is the primary again"),
    ("promote-primary", OF, Home(OLD, None, ours=False), Stuck, "it is the old one, or somebody else's"),
    ("promote-primary", OF, Home(MADE, KEPT, ours=False), Stuck, "was not made anew by this return"),
    ("point-home", PRIMARY, SILENT, Wait, "nobody answered"),
    ("point-home", PRIMARY, DENIED, Stuck, "AccessDenied"),
    ("point-home", PRIMARY, None, Done, "the primary's applications go by the endpoint"),
    ("point-home", PRIMARY, Pointing("old", "5432", "new", "5432"), Act, "old:5432, not at new:5432"),
    ("point-home", WEST, Pointing("new", "5432", "new", "5432"), Done, "points at new:5432"),
    ("verify-home-write", {}, SILENT, Wait, "nobody answered"),
    ("verify-home-write", {}, DENIED, Stuck, "SQLSTATE AccessDenied"),
    ("verify-home-write", {}, Proof("db", 5432, None), Act, "not been proven"),
    ("verify-home-write", {}, Proof("db", 5432, 0.2), Done, "0.2 s ago"),
    ("workloads-gone", STANDBY, SILENT, Wait, "looking again"),
    ("workloads-gone", STANDBY, DENIED, Stuck, "AccessDenied"),
    (
        "workloads-gone",
        STANDBY,
        Moved((("r", "InProgress", False),), (("cache", False),), ()),
        Wait,
        "Velero stops none",
    ),
    ("workloads-gone", STANDBY, Moved((RESTORE,), (("cache", False),), ("m",)), Act, "namespace 'cache' is there"),
    ("workloads-gone", STANDBY, Moved((RESTORE,), (("cache", True),), ("m",)), Wait, "namespace cache is ending"),
    ("workloads-gone", STANDBY, Moved((RESTORE,), (), ("m",)), Act, "restore 'dr-redis-x-1' is there"),
    ("workloads-gone", STANDBY, Moved(((*RESTORE[:2], True),), (), ()), Wait, "is being deleted"),
    ("workloads-gone", STANDBY, Moved((), (), ("m",)), Act, "ConfigMap 'm' is there"),
    ("workloads-gone", STANDBY, Moved((), (), ()), Done, "nothing that the move has restored is left"),
    ("node-capacity-lowered", LOWER, SILENT, Wait, "looking again"),
    ("node-capacity-lowered", LOWER, DENIED, Stuck, "AccessDenied"),
    ("node-capacity-lowered", LOWER, CAPACITY, Act, "wants 6 nodes, it was 1 before"),
    ("node-capacity-lowered", LOWER, replace(CAPACITY, status="UPDATING"), Wait, "UPDATING"),
    ("node-capacity-lowered", LOWER, replace(CAPACITY, status="DEGRADED", health="no IPs"), Stuck, "no IPs"),
    ("node-capacity-lowered", LOWER, replace(CAPACITY, desired=1), Wait, "still has 6 nodes Ready"),
    ("node-capacity-lowered", LOWER, replace(CAPACITY, desired=1, nodes_ready=SILENT), Wait, "nobody answered"),
    ("node-capacity-lowered", LOWER, replace(CAPACITY, desired=1, nodes_ready=1), Done, "again, as before"),
    # Never raised by this.
    ("node-capacity-lowered", LOWER | {"to": "1/9/12"}, CAPACITY, Done, "wants 6 nodes"),
    ("node-capacity-lowered", LOWER | {"to": "none"}, CAPACITY, Done, "was not raised"),
    ("velero-schedules-resumed", RUN, SILENT, Wait, "looking again"),
    ("velero-schedules-resumed", RUN, DENIED, Stuck, "AccessDenied"),
    ("velero-schedules-resumed", RUN, Schedules((), ("daily", "hourly", "weekly")), Act, "'daily' of cluster"),
    # What somebody had paused before the move stays paused.
    ("velero-schedules-resumed", RUN, Schedules(("daily", "hourly"), ("weekly",)), Done, "are daily, hourly"),
    ("velero-schedules-resumed", RUN, Schedules(("daily",), ()), Done, "gone meanwhile: hourly"),
    ("velero-schedules-resumed", RUN | {"names": "none"}, Schedules((), ("daily",)), Done, "no schedule"),
    ("velero-location-opened", WRITE, SILENT, Wait, "looking again"),
    ("velero-location-opened", WRITE, DENIED, Stuck, "AccessDenied"),
    ("velero-location-opened", WRITE, None, Stuck, "does not exist"),
    ("velero-location-opened", WRITE, Location("ReadOnly", "Available", ""), Act, "was ReadWrite before"),
    ("velero-location-opened", WRITE, Location("ReadWrite", "Available", ""), Done, "is ReadWrite again"),
    ("velero-location-opened", WRITE | {"mode": "none"}, Location("ReadOnly", "", ""), Done, "not made read-only then"),
    ("instance-discarded", PRIMARY, SILENT, Wait, "looking again"),
    ("instance-discarded", PRIMARY, DENIED, Stuck, "AccessDenied"),
    ("instance-discarded", PRIMARY, Standing(ALONE, None, WRITER), Done, "is in its last snapshot"),
    ("instance-discarded", PRIMARY, Standing(None, KEPT, WRITER), Stuck, "is all there is of it"),
    ("instance-discarded", PRIMARY, Standing(OLD, KEPT, WRITER), Stuck, "was not made anew"),
    ("instance-discarded", PRIMARY, Standing(ALONE, KEPT, WRITER), Act, "is protected from deletion"),
    (
        "instance-discarded",
        PRIMARY,
        Standing(ALONE, KEPT | {"DeletionProtection": False}, WRITER),
        Act,
        "is still kept aside",
    ),
    (
        "instance-discarded",
        PRIMARY,
        Standing(ALONE, KEPT | {"DBInstanceStatus": "deleting"}, WRITER),
        Wait,
        "'deleting'",
    ),
    (
        "instance-discarded",
        PRIMARY,
        Standing(ALONE, KEPT | {"DBInstanceStatus": "failed"}, WRITER),
        Stuck,
        "no last snapshot",
    ),
]
SEEN: Final = {"denied_at": BEFORE.timestamp()}
"""What an earlier look kept: since when our rule is seen to deny the port."""
PROVEN: Final[list[tuple[Drain, type[Next], str]]] = [
    (Drain(None, DENYING, written("silent")), Done, "is Fenced"),
    (Drain(None, DENYING, written("refused")), Done, "a write was refused there"),
    (Drain(None, DENYING, written("ok")), Wait, "still takes writes"),
    (Drain(None, DENYING, Beat({"at": millis(BEFORE), "write": "silent"})), Wait, "no write was tried since"),
    (Drain(None, DENYING, Beat({})), Wait, "its agent never spoke"),
    (Drain(None, OPEN, written("silent")), Act, "lets port 5432 through"),
]
