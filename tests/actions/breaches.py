"""Rows for the actions of a security breach: facts → next."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from chalicelib.actions.breach_found import Found, Suspect
from chalicelib.actions.clean_room import Room, Running
from chalicelib.actions.copies_whole import Judged
from chalicelib.actions.databases_kept import Kept
from chalicelib.actions.evidence_kept import Ended, Page
from chalicelib.actions.images_kept import AT_MOST, Expiry
from chalicelib.actions.instances_quarantined import Standing, Standings
from chalicelib.actions.lifecycles_paused import Lifecycle
from chalicelib.actions.namespaces_quarantined import Space
from chalicelib.actions.quarantine import containment_of
from chalicelib.actions.subnets_quarantined import Associations
from chalicelib.actions.velero_location import Location
from chalicelib.actions.velero_schedules import Schedules
from chalicelib.actions.volumes_snapshotted import Snapshot, Taken
from chalicelib.core.outcome import Act, Done, Next, Stuck, Wait
from drctl.world.workloads import LIFECYCLE
from tests.actions.stage import AT, DENIED, POLICY, SILENT, STANDBY

READY: Final = containment_of(POLICY)
GROUP, ACL = READY.quarantine_group, READY.quarantine_acl
ONE, OTHER = "i-00000000000000001", "i-00000000000000002"
INSTANCES: Final = {"instances": f"{ONE},{OTHER}"}
FREE: Final = Standing(id=ONE, state="running", protected=True, interfaces=(("eni-1", ("sg-a", "sg-b")),))
HELD: Final = replace(FREE, interfaces=(("eni-1", (GROUP,)),))
DEAD: Final = Standing(id=OTHER, state="terminated", protected=False, interfaces=())
SUBNETS: Final = {"subnets": "subnet-1,subnet-2"}
CUT: Final = (("subnet-1", "aclassoc-1", ACL), ("subnet-2", "aclassoc-2", ACL))
SPACES: Final = {"cluster": "primary", "namespaces": "ml"}
OURS: Final = "us-east-1-region-failure-20261124T030000"
"""The incident of the stage's target."""
OPEN: Final = Space("ml", "", (("theirs", ""),))
SHUT: Final = Space("ml", OURS, (("theirs", OURS),))
RULE: Final[dict[str, Any]] = {"ID": "old", "Filter": {"Prefix": ""}, "Status": "Enabled", "Expiration": {"Days": 1}}
OFF: Final = {**RULE, "Status": "Disabled"}
KEEPS: Final = Lifecycle("b", "us-east-1", (OFF,))
EAST: Final = Kept("pg", "us-east-1", "available", protected=True, retention=35)
WEST: Final = Kept("pg-west", "us-west-2", "available", protected=True, retention=0)
RULES: Final = LIFECYCLE
API: Final = Expiry("team/api", "us-east-1")
SUSPECT: Final = Suspect(
    type="Trojan:EC2/DNSDataExfiltration",
    severity=8,
    region="us-east-1",
    first_seen=AT - timedelta(hours=2),
    instances=(ONE,),
    namespaces=("ml", "theirs"),
    buckets=("b",),
)
BEFORE: Final = {"as_of": "2026-11-24T02:00:00Z"}
SINCE: Final = {"since": "2026-11-24T02:00:00Z"}
CLEAN: Final = {"cluster": "standby", "namespaces": "ml"}
COPY: Final = Judged("a", "20261124T010000Z-daily", "", looked=4, trusted=90)
LOOSE: Final = Snapshot("snap-1", ONE, "vol-1", "completed", locked=False)
PAGE: Final = Page(READY.logs[0], ("a", "b"), "", 0, "")
_WRITABLE: Final = Location("ReadWrite", "Available", "")
ROWS: Final[list[tuple[str, dict[str, str], Any, type[Next], str]]] = [
    ("breach-found", {}, SILENT, Wait, "looking again"),
    ("breach-found", {}, DENIED, Stuck, "AccessDenied"),
    ("breach-found", {}, Found(()), Done, "tells of nothing that policy counts: a person says what to contain"),
    ("breach-found", {}, Found((), unwatched=("us-west-2",)), Done, "it is not on in us-west-2"),
    ("breach-found", {}, Found((SUSPECT,)), Done, f"(8 of 10) at {ONE}, namespace ml, namespace theirs, b"),
    ("breach-found", {}, Found((SUSPECT,) * 7, more=True), Done, "and 2 more; only the newest 50 were read"),
    ("instances-quarantined", INSTANCES, SILENT, Wait, "looking again"),
    ("instances-quarantined", INSTANCES, DENIED, Stuck, "AccessDenied"),
    ("instances-quarantined", {"instances": "none"}, Standings(()), Done, "no instance was chosen"),
    ("instances-quarantined", INSTANCES, Standings((FREE, DEAD), "sg has 2 rules"), Stuck, "sg has 2 rules"),
    ("instances-quarantined", INSTANCES, Standings((FREE,)), Stuck, f"EC2 knows no {OTHER}"),
    (
        "instances-quarantined",
        INSTANCES,
        Standings((replace(FREE, protected=False), DEAD)),
        Act,
        f"instance {ONE} could be terminated, and it is evidence",
    ),
    ("instances-quarantined", INSTANCES, Standings((FREE, DEAD)), Act, f"eni-1 of {ONE} is in sg-a, sg-b"),
    (
        "instances-quarantined",
        INSTANCES,
        Standings((replace(FREE, interfaces=(("eni-1", (GROUP, "sg-a")),)), DEAD)),
        Act,
        f"expected {GROUP} alone",
    ),
    ("instances-quarantined", INSTANCES, Standings((HELD, DEAD)), Done, f"{ONE} (running), {OTHER} (terminated) stand"),
    ("instances-released", INSTANCES, SILENT, Wait, "looking again"),
    ("instances-released", INSTANCES, DENIED, Stuck, "AccessDenied"),
    # Nothing was noted: whoever quarantined it, this incident did not.
    ("instances-released", INSTANCES, Standings((HELD,)), Done, "nothing of i-"),
    ("instances-released", INSTANCES, Standings(()), Done, "nothing of no instance"),
    ("subnets-quarantined", SUBNETS, SILENT, Wait, "looking again"),
    ("subnets-quarantined", SUBNETS, DENIED, Stuck, "AccessDenied"),
    ("subnets-quarantined", {"subnets": "none"}, Associations(()), Done, "no subnet was chosen"),
    ("subnets-quarantined", SUBNETS, Associations(CUT, "allows by rule 100"), Stuck, "allows by rule 100"),
    ("subnets-quarantined", SUBNETS, Associations(CUT[:1]), Stuck, "EC2 knows no network ACL of subnet-2"),
    (
        "subnets-quarantined",
        SUBNETS,
        Associations((CUT[0], ("subnet-2", "aclassoc-2", "acl-b"))),
        Act,
        f"subnet subnet-2 has acl-b, expected {ACL}",
    ),
    ("subnets-quarantined", SUBNETS, Associations(CUT), Done, "everything in them is cut off"),
    ("subnets-released", SUBNETS, SILENT, Wait, "looking again"),
    ("subnets-released", SUBNETS, DENIED, Stuck, "AccessDenied"),
    ("subnets-released", SUBNETS, Associations(CUT), Done, "no subnet of subnet-1,subnet-2 is in quarantine by this"),
    ("namespaces-quarantined", SPACES, SILENT, Wait, "looking again"),
    ("namespaces-quarantined", SPACES, DENIED, Stuck, "AccessDenied"),
    ("namespaces-quarantined", SPACES, (), Done, "no namespace was chosen"),
    ("namespaces-quarantined", SPACES, (OPEN,), Act, "has no policy that allows nothing"),
    ("namespaces-quarantined", SPACES, (replace(OPEN, quarantined_for=OURS),), Act, "'theirs' in namespace 'ml' still"),
    ("namespaces-quarantined", SPACES, (SHUT,), Done, "is let through by no policy"),
    ("namespaces-released", SPACES, SILENT, Wait, "looking again"),
    ("namespaces-released", SPACES, DENIED, Stuck, "AccessDenied"),
    # Theirs first: while ours stands nothing is allowed that theirs do not allow.
    ("namespaces-released", SPACES, (SHUT,), Act, "policy 'theirs' in namespace 'ml' chooses no pod"),
    (
        "namespaces-released",
        SPACES,
        (replace(SHUT, others=(("theirs", ""),)),),
        Act,
        "is in quarantine for this incident",
    ),
    (
        "namespaces-released",
        SPACES,
        (Space("ml", "another", (("theirs", "another"),)),),
        Done,
        "nothing is in quarantine",
    ),
    ("namespaces-released", SPACES, (OPEN,), Done, "nothing is in quarantine for this incident"),
    ("lifecycles-paused", {}, (Lifecycle("b", "us-east-1", unseen=SILENT),), Wait, "bucket 'b': nobody answered"),
    ("lifecycles-paused", {}, (Lifecycle("b", "us-east-1", unseen=DENIED),), Stuck, "bucket 'b': not for you"),
    (
        "lifecycles-paused",
        {},
        (Lifecycle("a", "us-east-1", unseen=SILENT), replace(KEEPS, rules=(RULE, OFF))),
        Act,
        "bucket 'b' deletes or moves by itself, by its rules old",
    ),
    ("lifecycles-paused", {}, (KEEPS, Lifecycle("c", "us-west-2")), Done, "1 rules of 2 buckets are Disabled"),
    ("databases-kept", {}, (), Done, "policy names no side of the database"),
    ("databases-kept", {}, (replace(EAST, unseen=SILENT), WEST), Wait, "'pg' in us-east-1: nobody answered"),
    ("databases-kept", {}, (replace(EAST, unseen=DENIED), WEST), Stuck, "'pg' in us-east-1: not for you"),
    # One that is not heard keeps no other from being kept.
    (
        "databases-kept",
        {},
        (replace(EAST, unseen=SILENT), replace(WEST, protected=False)),
        Act,
        "'pg-west' in us-west-2 could be deleted",
    ),
    (
        "databases-kept",
        {},
        (replace(EAST, retention=14), WEST),
        Act,
        "'pg' in us-east-1 keeps automated backups for 14 days, expected 35",
    ),
    (
        "databases-kept",
        {},
        (replace(EAST, retention=14, protected=False), WEST),
        Act,
        "could be deleted, and keeps automated backups for 14 days",
    ),
    ("databases-kept", {}, (replace(EAST, retention=14, status="modifying"), WEST), Wait, "is 'modifying', expected"),
    (
        "databases-kept",
        {},
        (replace(EAST, protected=False, status="stopped"), WEST),
        Stuck,
        "RDS changes nothing of it",
    ),
    # To begin with backups stops I/O: an instance that has none is given none.
    (
        "databases-kept",
        {},
        (EAST, WEST),
        Done,
        "'pg-west' in us-west-2 is protected from deletion, and has no automated",
    ),
    ("databases-given-back", {}, (), Done, "instances it had kept: none"),
    ("databases-given-back", {}, (replace(EAST, unseen=SILENT),), Wait, "nobody answered"),
    ("databases-given-back", {}, (replace(EAST, unseen=DENIED),), Stuck, "not for you"),
    ("images-kept", {}, (), Done, "policy names no repository"),
    ("images-kept", {}, (replace(API, unseen=SILENT),), Wait, "us-east-1/team/api: nobody answered"),
    ("images-kept", {}, (replace(API, unseen=DENIED),), Stuck, "us-east-1/team/api: not for you"),
    (
        "images-kept",
        {},
        (replace(API, unseen=SILENT), replace(API, region="us-west-2", text=RULES)),
        Act,
        "images of us-west-2/team/api expire",
    ),
    ("images-kept", {}, (replace(API, text="x" * (AT_MOST + 1)),), Stuck, "keep its text, and delete it by hand"),
    (
        "images-kept",
        {},
        (API, replace(API, region="us-west-2", missing=True)),
        Done,
        "2 repositories have no lifecycle policy; not there: us-west-2/team/api",
    ),
    ("images-expire", {}, (), Done, "repositories whose policy had been taken away: none"),
    ("images-expire", {}, (replace(API, unseen=SILENT),), Wait, "nobody answered"),
    ("images-expire", {}, (replace(API, unseen=DENIED),), Stuck, "not for you"),
    ("velero-location-opened", STANDBY, SILENT, Wait, "looking again"),
    ("velero-location-opened", STANDBY, DENIED, Stuck, "AccessDenied"),
    ("velero-location-opened", STANDBY, replace(_WRITABLE, access_mode="ReadOnly"), Done, "left as it is"),
    ("velero-schedules-resumed", STANDBY, SILENT, Wait, "looking again"),
    ("velero-schedules-resumed", STANDBY, DENIED, Stuck, "AccessDenied"),
    ("velero-schedules-resumed", STANDBY, Schedules((), ("daily",)), Done, "no schedule of cluster"),
    ("copies-whole", BEFORE, SILENT, Wait, "looking again"),
    ("copies-whole", BEFORE, DENIED, Stuck, "AccessDenied"),
    ("copies-whole", BEFORE, (), Stuck, "policy names no vault of air-gapped copies"),
    ("copies-whole", BEFORE, (replace(COPY, wrong="it is not there"),), Stuck, "vault 'a': it is not there"),
    (
        "copies-whole",
        BEFORE,
        (COPY, replace(COPY, vault="b", wrong="no lock")),
        Done,
        "in vault 'a' (4 objects looked at, 90 not); manifest, dump and the backup's own files are there and locked",
    ),
    (
        "copies-whole",
        BEFORE,
        (COPY, replace(COPY, vault="b", wrong="no lock")),
        Done,
        "that anything holds what it should, nobody looked at; vault 'b': no lock",
    ),
    ("volumes-snapshotted", INSTANCES, SILENT, Wait, "looking again"),
    ("volumes-snapshotted", INSTANCES, DENIED, Stuck, "AccessDenied"),
    ("volumes-snapshotted", {"instances": "none"}, Taken(()), Done, "no instance was chosen"),
    ("volumes-snapshotted", INSTANCES, Taken((), (OTHER,)), Act, f"no snapshot of the volumes of {ONE}"),
    ("volumes-snapshotted", INSTANCES, Taken((LOOSE,), (OTHER,)), Act, "snapshot snap-1 of vol-1 could be deleted"),
    (
        "volumes-snapshotted",
        INSTANCES,
        Taken((replace(LOOSE, locked=True, state="pending"),), (OTHER,)),
        Wait,
        "snap-1 are taken and not complete",
    ),
    ("volumes-snapshotted", INSTANCES, Taken((replace(LOOSE, state="error"),), (OTHER,)), Stuck, "snap-1 failed"),
    (
        "volumes-snapshotted",
        INSTANCES,
        Taken((replace(LOOSE, locked=True),), (OTHER,)),
        Done,
        f"snap-1 of vol-1; {OTHER} had ended",
    ),
    ("logs-kept", SINCE, SILENT, Wait, "looking again"),
    ("logs-kept", SINCE, DENIED, Stuck, "AccessDenied"),
    ("logs-kept", SINCE, PAGE, Act, "2 logs of cloudtrail from 'a' on are not kept yet"),
    ("logs-kept", SINCE, replace(PAGE, lock="it is not locked"), Stuck, "it is not locked"),
    ("logs-kept", SINCE, replace(PAGE, missing=(), kept=2), Wait, "2 logs of cloudtrail are kept"),
    ("logs-kept", SINCE, Ended(), Done, "0 logs are kept"),
    ("objects-kept", SPACES, SILENT, Wait, "looking again"),
    ("objects-kept", SPACES, DENIED, Stuck, "AccessDenied"),
    ("objects-kept", SPACES, "it is not locked", Stuck, "it is not locked"),
    ("objects-kept", SPACES, ("ml",), Act, "holds of namespace 'ml' is not kept yet"),
    ("objects-kept", SPACES, (), Done, "under Object Lock"),
    ("clean-room-made", CLEAN, SILENT, Wait, "looking again"),
    ("clean-room-made", CLEAN, DENIED, Stuck, "AccessDenied"),
    ("clean-room-made", CLEAN, (), Done, "no namespace was chosen"),
    ("clean-room-made", CLEAN, (Room("clean-ml", ""),), Act, "has no namespace 'clean-ml'"),
    ("clean-room-made", CLEAN, (Room("clean-ml", OURS),), Act, "'clean-ml' of cluster 'neurectomy-usw2' is not shut"),
    ("clean-room-made", CLEAN, (Room("clean-ml", "another", shut=True),), Stuck, "is not this incident's"),
    ("clean-room-made", CLEAN, (Room("clean-ml", OURS, ending=True),), Wait, "must be gone first"),
    ("clean-room-made", CLEAN, (Room("clean-ml", OURS, shut=True),), Done, "reach nothing but themselves"),
    ("clean-room-runs", CLEAN, SILENT, Wait, "looking again"),
    ("clean-room-runs", CLEAN, DENIED, Stuck, "AccessDenied"),
    (
        "clean-room-runs",
        CLEAN,
        Running(2, ("clean-ml/a has 0 of 2 pods ready", "b")),
        Wait,
        "a has 0 of 2 pods ready; and 1",
    ),
    ("clean-room-runs", CLEAN, Running(2, ()), Done, "all 2 deployments"),
    ("clean-room-gone", CLEAN, SILENT, Wait, "looking again"),
    ("clean-room-gone", CLEAN, DENIED, Stuck, "AccessDenied"),
    ("clean-room-gone", CLEAN, (Room("clean-ml", OURS),), Act, "is of this incident's clean room"),
    ("clean-room-gone", CLEAN, (Room("clean-ml", OURS, ending=True),), Wait, "clean-ml are ending"),
    ("clean-room-gone", CLEAN, (Room("clean-ml", "another"), Room("clean-x", "")), Done, "nothing of this incident's"),
    ("lifecycles-resumed", {}, (), Done, "buckets that had been paused: none"),
]
BACK: Final[list[tuple[str, dict[str, str], dict[str, str | float], Any, type[Next], str]]] = [
    (
        "instances-released",
        INSTANCES,
        {"was.eni-1": "sg-a,sg-b"},
        Standings((HELD,)),
        Act,
        f"eni-1 of {ONE} is in quarantine, and was in sg-a,sg-b",
    ),
    ("instances-released", INSTANCES, {"was.eni-1": "sg-a"}, Standings((FREE,)), Done, "nothing of"),
    (
        "instances-released",
        INSTANCES,
        {f"unprotected.{ONE}": 1.0},
        Standings((FREE,)),
        Act,
        f"the termination of {ONE} is refused, and was not before",
    ),
    ("instances-released", INSTANCES, {f"unprotected.{OTHER}": 1.0}, Standings((DEAD,)), Done, "nothing of"),
    (
        "subnets-released",
        SUBNETS,
        {"was.subnet-2": "acl-b"},
        Associations(CUT),
        Act,
        "subnet subnet-2 has the quarantine's ACL, and had acl-b",
    ),
    ("subnets-released", SUBNETS, {"was.subnet-1": "acl-b"}, Associations((("subnet-1", "x", "acl-c"),)), Done, "no"),
    (
        "databases-given-back",
        {},
        {"retention.pg": 14.0},
        (EAST,),
        Act,
        "'pg' in us-east-1 kept automated backups for 14 days before this incident",
    ),
    ("databases-given-back", {}, {"unprotected.pg-west": 1.0}, (WEST,), Act, "'pg-west' in us-west-2 could be deleted"),
    # Somebody has set another retention since, or has taken the protection away already.
    ("databases-given-back", {}, {"retention.pg": 14.0}, (replace(EAST, retention=20),), Done, "had kept: pg"),
    ("databases-given-back", {}, {"unprotected.pg": 1.0}, (replace(EAST, protected=False),), Done, "had kept: pg"),
    (
        "databases-given-back",
        {},
        {"unprotected.pg": 1.0},
        (replace(EAST, status="backing-up"),),
        Wait,
        "is 'backing-up', expected 'available'",
    ),
    ("images-expire", {}, {"expires.us-east-1/team/api": RULES}, (API,), Act, "had one before this incident"),
    (
        "images-expire",
        {},
        {"expires.us-east-1/team/api": RULES},
        (replace(API, text=RULES),),
        Done,
        "had been taken away: us-east-1/team/api",
    ),
    (
        "images-expire",
        {},
        {"expires.us-east-1/team/api": RULES},
        (replace(API, text="another"),),
        Done,
        "of another text than before, which is left: us-east-1/team/api",
    ),
    ("images-expire", {}, {"expires.us-east-1/team/api": RULES}, (replace(API, missing=True),), Done, "images expire"),
    ("lifecycles-resumed", {}, {"rules.b": '["old"]'}, (KEEPS,), Act, "rules old of bucket 'b' were enabled before"),
    ("lifecycles-resumed", {}, {"rules.b": '["new"]'}, (KEEPS,), Done, "buckets that had been paused: b"),
    (
        "lifecycles-resumed",
        {},
        {"rules.b": '["old"]'},
        (replace(KEEPS, rules=(), unseen=SILENT),),
        Wait,
        "nobody answered",
    ),
    (
        "velero-location-opened",
        STANDBY,
        {"before": "ReadWrite"},
        replace(_WRITABLE, access_mode="ReadOnly"),
        Act,
        "is ReadOnly, and was ReadWrite",
    ),
    (
        "velero-schedules-resumed",
        STANDBY,
        {"before": "daily,hourly"},
        Schedules(("daily",), ("hourly", "weekly")),
        Act,
        "schedule 'hourly' of cluster",
    ),
]
"""What takes a step back, with what that step has noted: action, parameters, facts kept, facts seen, answer, words."""
