"""What steps move that other incidents may need as well: one table, by action.

Rules. Every operation that an action may call stands here once: it moves a thing, and then one incident at a time does;
or it is shared, and then the reason says why two at once do no harm. A thing is derived from the step, the scope of its
incident and policy, never from what a look found, so that two incidents that mean the same name it alike. A step moves
what any of its operations moves, from its first call on. Never give a thing a wider name than what is really moved:
what is held for no reason is recovery that waits for none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal, cast

from chalicelib.core.evidence_calls import HELD
from chalicelib.core.plan import Step
from chalicelib.policy import Policy
from chalicelib.policy.platform import Cluster


class Kind(StrEnum):
    """What kind of thing it is, as people read it."""

    DATABASE = "database"
    TRAFFIC = "traffic record"
    ZONE = "traffic of zone"
    LOCATION = "backup location"
    SCHEDULES = "backup schedules of cluster"
    APPLICATIONS = "applications of cluster"
    NODES = "nodes of cluster"
    BUCKET = "bucket"
    STATE = "Terraform state"
    QUARANTINE = "quarantine in"
    ROOM = "clean room in"
    LIFECYCLES = "lifecycle rules of"
    KEPT = "what keeps the database of"
    IMAGES = "what expires images of"


STAYS: Final = frozenset({Kind.DATABASE, Kind.TRAFFIC, Kind.ZONE})
"""What must stay where its incident has put it until that incident is closed: what comes after leans on it."""


@dataclass(frozen=True, slots=True, order=True)
class Thing:
    """One thing that one incident at a time moves."""

    kind: Kind
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"

    @property
    def stays(self) -> bool:
        """Whether it is held until its incident is closed, and not only until its step is done."""
        return self.kind in STAYS


class UnknownThingError(Exception):
    """Nobody has written down what an action moves, or a step does not say what its is; the text says which."""


Names = Callable[[Step, str, Policy], str]


@dataclass(frozen=True, slots=True)
class Moves:
    """Operations of which each moves the one thing that `name` derives from a step, its incident's scope and policy."""

    ops: tuple[str, ...]
    kind: Kind
    name: Names


@dataclass(frozen=True, slots=True)
class Shares:
    """Operations that several incidents may make at once, and why that does no harm."""

    ops: tuple[str, ...]
    because: str


def _database(_: Step, __: str, policy: Policy) -> str:
    # The primary, its replica and the address that the applications go by are one thing: they are moved together.
    return policy.platform.database.service


def _traffic(_: Step, __: str, policy: Policy) -> str:
    return policy.platform.traffic.record


def _zone(_: Step, scope: str, __: Policy) -> str:
    return scope


def _place(step: Step, policy: Policy) -> Cluster:
    return policy.platform.cluster(cast("Literal['primary', 'standby', 'tertiary']", step.params["cluster"]))


def _cluster(step: Step, _: str, policy: Policy) -> str:
    return _place(step, policy).name


def _location(step: Step, _: str, policy: Policy) -> str:
    return f"{_place(step, policy).name}/{_place(step, policy).backup_location}"


def _bucket(step: Step, _: str, __: Policy) -> str:
    # A folder is a choice of people; two restores into one bucket wait for one another whatever their prefixes are.
    return step.params["bucket"] if "bucket" in step.params else step.params["folder"].partition("/")[0]


def _network(_: Step, __: str, policy: Policy) -> str:
    return f"the network of {policy.platform.regions.primary}"


def _pods(step: Step, _: str, policy: Policy) -> str:
    return f"cluster {_place(step, policy).name}"


def _platform(_: Step, __: str, policy: Policy) -> str:
    return policy.platform.name


def _state(step: Step, _: str, __: Policy) -> str:
    return step.params["state"]


_READS: Final = "it only reads"
_APPLICATION_STATE: Final = ("patch argoproj.io/v1alpha1 applications",)
_FENCE: Final = ("dynamodb update_item", "ec2 create_network_acl_entry")
_SECRET: Final = (
    Moves(("secretsmanager put_secret_value",), Kind.DATABASE, _database),
    Shares(("secretsmanager get_secret_value",), _READS),
)
_SWITCH: Final = (
    "cloudwatch put_metric_data",
    "s3 put_object",
    "s3 delete_object",
    "route53-recovery-cluster update_routing_control_states",
)
_INTERFACES: Final = ("ec2 modify_instance_attribute", "ec2 modify_network_interface_attribute")
_ACLS: Final = ("ec2 replace_network_acl_association",)
_POLICIES: Final = "networking.k8s.io/v1 networkpolicies"
_LIFECYCLES: Final = ("s3 put_bucket_lifecycle_configuration",)
_LOOKED_AT: Final = tuple(f"list {resource}" for resource in HELD)
_RESTORES: Final = ("create velero.io/v1 restores",)

TABLE: Final[Mapping[str, tuple[Moves | Shares, ...]]] = {
    # The database
    # The way back: each of them is one of the database's two sides.
    "instance-aside": (Moves(("rds modify_db_instance",), Kind.DATABASE, _database),),
    "replica-rebuilt": (
        Moves(("rds create_db_instance_read_replica", "rds modify_db_instance"), Kind.DATABASE, _database),
        Shares(("kms create_grant",), "a grant on a key lets RDS use it, and moves nothing"),
    ),
    "fence-lifted": (Moves(("dynamodb update_item", "ec2 delete_network_acl_entry"), Kind.DATABASE, _database),),
    "fence-standby": (Moves(("ec2 create_network_acl_entry",), Kind.DATABASE, _database),),
    "reopen-standby": (Moves(("ec2 delete_network_acl_entry",), Kind.DATABASE, _database),),
    "promote-primary": (Moves(("rds promote_read_replica",), Kind.DATABASE, _database),),
    "point-home": _SECRET,
    "verify-home-write": (),
    "instance-discarded": (Moves(("rds modify_db_instance", "rds delete_db_instance"), Kind.DATABASE, _database),),
    "wrong-side-listed": (),
    "replica-following": (),
    "primary-caught-up": (),
    "moment-reached": (),
    "promote-replica": (Moves(("rds promote_read_replica",), Kind.DATABASE, _database),),
    "fence-acl": (Moves(_FENCE[1:], Kind.DATABASE, _database),),
    "fence-primary": (Moves(_FENCE, Kind.DATABASE, _database),),
    "open-primary": (Moves(("dynamodb update_item", "ec2 delete_network_acl_entry"), Kind.DATABASE, _database),),
    "point-application": _SECRET,
    "point-restored": _SECRET,
    "database-elsewhere": (Moves(("rds reboot_db_instance",), Kind.DATABASE, _database),),
    "restore-instance": (
        Shares(
            ("rds restore_db_instance_to_point_in_time", "rds modify_db_instance"),
            "it makes an instance of its incident's own beside the one that is used; switching over is another step",
        ),
    ),
    "replica-caught-up": (),
    "restore-point": (),
    "integrity-check": (),
    "verify-write": (),
    "dump-found": (Shares(("create batch/v1 jobs",), "its Job has its incident's own name, and only reads"),),
    "dump-restored": (Moves(("create batch/v1 jobs",), Kind.DATABASE, _database),),
    "secrets-pointed": (Moves(("patch v1 secrets",), Kind.DATABASE, _database),),
    "verify-outage-write": (),
    # Traffic
    "switch-traffic": (Moves(_SWITCH, Kind.TRAFFIC, _traffic),),
    "record-moved": (Moves(("cloudflare patch dns_records",), Kind.TRAFFIC, _traffic),),
    "marker-left": (Shares(("cloudflare create dns_records",), "it is a mark of its own that is only ever set"),),
    "verify-traffic": (),
    "verify-move": (),
    "zone-shifted": (
        Moves(("arc-zonal-shift start_zonal_shift", "arc-zonal-shift update_zonal_shift"), Kind.ZONE, _zone),
    ),
    "zone-returned": (
        Moves(("arc-zonal-shift cancel_zonal_shift",), Kind.ZONE, _zone),
        Moves(("patch v1 nodes",), Kind.NODES, _cluster),
    ),
    # Backups. A restore reads a location that somebody makes read-only meanwhile, and is not disturbed by it.
    "velero-location-read-only": (Moves(("patch velero.io/v1 backupstoragelocations",), Kind.LOCATION, _location),),
    "velero-schedules-paused": (Moves(("patch velero.io/v1 schedules",), Kind.SCHEDULES, _cluster),),
    "velero-schedules-resumed": (Moves(("patch velero.io/v1 schedules",), Kind.SCHEDULES, _cluster),),
    "velero-location-opened": (Moves(("patch velero.io/v1 backupstoragelocations",), Kind.LOCATION, _location),),
    "velero-schedules-kept": (
        Moves(("create velero.io/v1 schedules", "patch velero.io/v1 schedules"), Kind.SCHEDULES, _cluster),
    ),
    "backup-now": (
        Shares(
            ("create velero.io/v1 backups",), "its backup has its incident's own name, and only reads what it keeps"
        ),
    ),
    "s3-count": (),
    "s3-restore": (
        Moves(
            (
                "s3 copy_object",
                "s3 delete_object",
                "s3 create_multipart_upload",
                "s3 upload_part_copy",
                "s3 complete_multipart_upload",
                "s3 abort_multipart_upload",
            ),
            Kind.BUCKET,
            _bucket,
        ),
        Shares(
            (
                "s3 get_bucket_versioning",
                "s3 list_object_versions",
                "s3 head_object",
                "s3 get_object_tagging",
                "kms decrypt",
            ),
            _READS,
        ),
    ),
    "terraform-state-restored": (
        Moves(
            (
                "s3 put_object",
                "s3 copy_object",
                "s3 delete_object",
                "dynamodb put_item",
                "dynamodb delete_item",
            ),
            Kind.STATE,
            _state,
        ),
        Shares(("kms generate_data_key",), "a key for what is written is no thing that is moved"),
    ),
    # Copies that nobody here can delete, by the clock: no incident's step, and their names are of what they hold.
    "database-dumped": (
        Shares(("create batch/v1 jobs",), "its Job only reads, and writes a dump under a name of its own"),
    ),
    "vault-copied": (
        Shares(("s3 get_object", "kms decrypt"), _READS),
        Shares(("s3 put_object",), "it creates what is not there, and never writes over what is"),
    ),
    # What runs in a cluster. How restored objects are rewritten is read by every restore there.
    "velero-rewrites": (Moves(("create v1 configmaps", "patch v1 configmaps"), Kind.APPLICATIONS, _cluster),),
    "velero-restore": (Moves(_RESTORES, Kind.APPLICATIONS, _cluster),),
    "workloads-gone": (
        Moves(
            ("delete v1 namespaces", "delete velero.io/v1 restores", "delete v1 configmaps"),
            Kind.APPLICATIONS,
            _cluster,
        ),
    ),
    "velero-missing": (Moves(_RESTORES, Kind.APPLICATIONS, _cluster),),
    "canary-aborted": (Moves(("patch argoproj.io/v1alpha1 rollouts/status",), Kind.APPLICATIONS, _cluster),),
    "application-rolled-back": (Moves(_APPLICATION_STATE, Kind.APPLICATIONS, _cluster),),
    "auto-sync-given-back": (Moves(_APPLICATION_STATE, Kind.APPLICATIONS, _cluster),),
    "secrets-refreshed": (Moves(("patch external-secrets.io/v1 externalsecrets",), Kind.APPLICATIONS, _cluster),),
    "pods-recovered": (),
    "workload-ready": (),
    "infrastructure-sound": (),
    "verify-service": (),
    # A breach. Which instances, subnets and namespaces is people's choice: two incidents' lists may overlap.
    "breach-found": (),
    "instances-quarantined": (Moves(_INTERFACES, Kind.QUARANTINE, _network),),
    "instances-released": (Moves(_INTERFACES, Kind.QUARANTINE, _network),),
    "subnets-quarantined": (Moves(_ACLS, Kind.QUARANTINE, _network),),
    "subnets-released": (Moves(_ACLS, Kind.QUARANTINE, _network),),
    "namespaces-quarantined": (Moves((f"create {_POLICIES}", f"patch {_POLICIES}"), Kind.QUARANTINE, _pods),),
    "namespaces-released": (Moves((f"patch {_POLICIES}", f"delete {_POLICIES}"), Kind.QUARANTINE, _pods),),
    "lifecycles-paused": (Moves(_LIFECYCLES, Kind.LIFECYCLES, _platform),),
    "lifecycles-resumed": (Moves(_LIFECYCLES, Kind.LIFECYCLES, _platform),),
    # Not the database itself: it stays where it is and is used, and a failover need not wait for it.
    "databases-kept": (Moves(("rds modify_db_instance",), Kind.KEPT, _platform),),
    "databases-given-back": (Moves(("rds modify_db_instance",), Kind.KEPT, _platform),),
    "images-kept": (Moves(("ecr delete_lifecycle_policy",), Kind.IMAGES, _platform),),
    "images-expire": (Moves(("ecr put_lifecycle_policy",), Kind.IMAGES, _platform),),
    "copies-whole": (),
    "clean-room-made": (Moves(("create v1 namespaces", f"create {_POLICIES}"), Kind.ROOM, _pods),),
    "clean-room-runs": (),
    "clean-room-gone": (Moves(("delete v1 namespaces",), Kind.ROOM, _pods),),
    "volumes-snapshotted": (
        Shares(
            ("ec2 create_snapshots", "ec2 create_tags", "ec2 lock_snapshot"),
            "its snapshots bear its incident's tag, and take nothing from the volumes",
        ),
    ),
    "logs-kept": (
        Shares(("s3 get_object", "kms decrypt"), _READS),
        Shares(("s3 copy_object", "kms generate_data_key"), "it creates what is its incident's own, and locks it"),
    ),
    "objects-kept": (
        Shares(_LOOKED_AT, _READS),
        Shares(("s3 put_object", "kms generate_data_key"), "it creates what is its incident's own, and locks it"),
    ),
    # Nodes
    "node-capacity-lowered": (Moves(("eks update_nodegroup_config",), Kind.NODES, _cluster),),
    "node-capacity": (Moves(("eks update_nodegroup_config",), Kind.NODES, _cluster),),
    "nodes-replaced": (),
    "volumes-attached": (
        Moves(("patch v1 nodes", "delete storage.k8s.io/v1 volumeattachments"), Kind.NODES, _cluster),
    ),
    "pods-redistributed": (Moves(("patch v1 nodes",), Kind.NODES, _cluster),),
    "nodes-readmitted": (Moves(("patch v1 nodes",), Kind.NODES, _cluster),),
    # What people move by hand is known to them alone: they are told what else is open when they are asked.
    "person": (),
    # A drill's. Its other steps are these same actions aimed at copies, and it holds nothing against anybody.
    "drill-clear": (),
    "drill-write": (),
    "drill-copies-gone": (
        Shares(
            ("delete v1 namespaces", "delete velero.io/v1 restores", "delete v1 configmaps"),
            "what it deletes is its own drill's, under names that only a drill has",
        ),
    ),
    "drill-objects": (
        Shares(("s3 put_object", "s3 delete_object", "kms generate_data_key"), "the folder is its own drill's"),
    ),
    "drill-objects-same": (),
    "drill-objects-gone": (Shares(("s3 delete_object",), "the folder is its own drill's"),),
    "drill-instance-gone": (Shares(("rds delete_db_instance",), "the instance is its own drill's"),),
}
"""Action → what each of its operations moves or shares, as the executor names them: `rds promote_read_replica`,
`patch velero.io/v1 schedules`. An action that calls nothing has an empty row: it moves nothing, and somebody said so.
"""


def moved_by(step: Step, scope: str, policy: Policy) -> tuple[Thing, ...]:
    """The things that a step of an incident at `scope` moves, sorted; UnknownThingError where nobody can say."""
    row = TABLE.get(step.action)
    if row is None:
        raise UnknownThingError(f"nobody has written down what action {step.action!r} moves (core/things.py)")
    try:
        found = {Thing(m.kind, m.name(step, scope, policy)) for m in row if isinstance(m, Moves)}
    except (KeyError, AttributeError) as error:
        text = f"step {step.id!r} does not say what it moves: {error.args[0]!r} is missing or unknown"
        raise UnknownThingError(text) from error
    return tuple(sorted(found))
