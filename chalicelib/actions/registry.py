"""Every action by the name that runbooks.yaml gives it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from chalicelib.actions.application_rolled_back import ApplicationRolledBack
from chalicelib.actions.auto_sync import AutoSyncGivenBack
from chalicelib.actions.backup_now import BackupNow
from chalicelib.actions.breach_found import BreachFound
from chalicelib.actions.canary_aborted import CanaryAborted
from chalicelib.actions.clean_room import CleanRoomGone, CleanRoomMade, CleanRoomRuns
from chalicelib.actions.cloudflare_traffic import MarkerLeft, RecordMoved, VerifyMove
from chalicelib.actions.contract import Action
from chalicelib.actions.copies_whole import CopiesWhole
from chalicelib.actions.database_dumped import DatabaseDumped
from chalicelib.actions.database_elsewhere import DatabaseElsewhere
from chalicelib.actions.databases_kept import DatabasesGivenBack, DatabasesKept
from chalicelib.actions.drill_clear import DrillClear
from chalicelib.actions.drill_gone import DrillCopiesGone, DrillInstanceGone
from chalicelib.actions.drill_objects import DrillObjects, DrillObjectsGone, DrillObjectsSame
from chalicelib.actions.drill_write import DrillWrite
from chalicelib.actions.dumps import DumpFound, DumpRestored
from chalicelib.actions.evidence_kept import LogsKept, ObjectsKept
from chalicelib.actions.fence_acl import FenceAcl
from chalicelib.actions.fence_lifted import FenceLifted
from chalicelib.actions.fence_primary import FencePrimary
from chalicelib.actions.fence_standby import FenceStandby
from chalicelib.actions.following import PrimaryCaughtUp, ReplicaFollowing
from chalicelib.actions.images_kept import ImagesExpire, ImagesKept
from chalicelib.actions.infrastructure_sound import InfrastructureSound
from chalicelib.actions.instance_aside import InstanceAside
from chalicelib.actions.instance_discarded import InstanceDiscarded
from chalicelib.actions.instances_quarantined import InstancesQuarantined, InstancesReleased
from chalicelib.actions.integrity_check import IntegrityCheck
from chalicelib.actions.lifecycles_paused import LifecyclesPaused, LifecyclesResumed
from chalicelib.actions.moment_reached import MomentReached
from chalicelib.actions.namespaces_quarantined import NamespacesQuarantined, NamespacesReleased
from chalicelib.actions.node_capacity import NodeCapacity
from chalicelib.actions.node_capacity_lowered import NodeCapacityLowered
from chalicelib.actions.nodes_readmitted import NodesReadmitted
from chalicelib.actions.nodes_replaced import NodesReplaced
from chalicelib.actions.open_primary import OpenPrimary
from chalicelib.actions.person import Person
from chalicelib.actions.pods_recovered import PodsRecovered
from chalicelib.actions.pods_redistributed import PodsRedistributed
from chalicelib.actions.point_application import PointApplication
from chalicelib.actions.point_home import PointHome, VerifyHomeWrite
from chalicelib.actions.point_restored import PointRestored
from chalicelib.actions.promote_primary import PromotePrimary
from chalicelib.actions.promote_replica import PromoteReplica
from chalicelib.actions.reopen_standby import ReopenStandby
from chalicelib.actions.replica_caught_up import ReplicaCaughtUp
from chalicelib.actions.replica_rebuilt import ReplicaRebuilt
from chalicelib.actions.restore_instance import RestoreInstance
from chalicelib.actions.restore_point import RestorePoint
from chalicelib.actions.s3_count import S3Count
from chalicelib.actions.s3_restore import S3Restore
from chalicelib.actions.secrets_pointed import SecretsPointed
from chalicelib.actions.secrets_refreshed import SecretsRefreshed
from chalicelib.actions.subnets_quarantined import SubnetsQuarantined, SubnetsReleased
from chalicelib.actions.switch_traffic import SwitchTraffic
from chalicelib.actions.terraform_state import TerraformStateRestored
from chalicelib.actions.vault_copied import VaultCopied
from chalicelib.actions.velero_location import LocationReadOnly
from chalicelib.actions.velero_missing import VeleroMissing
from chalicelib.actions.velero_restore import VeleroRestore
from chalicelib.actions.velero_resumed import LocationOpened, SchedulesResumed
from chalicelib.actions.velero_rewrites import VeleroRewrites
from chalicelib.actions.velero_schedules import SchedulesPaused
from chalicelib.actions.velero_schedules_kept import SchedulesKept
from chalicelib.actions.verify_outage_write import VerifyOutageWrite
from chalicelib.actions.verify_service import VerifyService
from chalicelib.actions.verify_traffic import VerifyTraffic
from chalicelib.actions.verify_write import VerifyWrite
from chalicelib.actions.volumes_attached import VolumesAttached
from chalicelib.actions.volumes_snapshotted import VolumesSnapshotted
from chalicelib.actions.workload_ready import WorkloadReady
from chalicelib.actions.workloads_gone import WorkloadsGone
from chalicelib.actions.wrong_side import WrongSideListed
from chalicelib.actions.zone_returned import ZoneReturned
from chalicelib.actions.zone_shifted import ZoneShifted

ACTIONS: Final[Mapping[str, Action]] = {
    action.name: action
    for action in (
        LocationReadOnly(),
        NodeCapacity(),
        VeleroRewrites(),
        VeleroRestore(),
        WorkloadReady(),
        PromoteReplica(),
        PointApplication(),
        VerifyWrite(),
        VerifyService(),
        SwitchTraffic(),
        VerifyTraffic(),
        SchedulesPaused(),
        SchedulesKept(),
        FenceAcl(),
        FencePrimary(),
        OpenPrimary(),
        ReplicaCaughtUp(),
        S3Count(),
        S3Restore(),
        PodsRecovered(),
        NodesReplaced(),
        VolumesAttached(),
        NodesReadmitted(),
        MarkerLeft(),
        DumpFound(),
        DumpRestored(),
        SecretsPointed(),
        VerifyOutageWrite(),
        RecordMoved(),
        VerifyMove(),
        ZoneShifted(),
        DatabaseElsewhere(),
        PodsRedistributed(),
        ZoneReturned(),
        RestorePoint(),
        RestoreInstance(),
        IntegrityCheck(),
        PointRestored(),
        VeleroMissing(),
        CanaryAborted(),
        ApplicationRolledBack(),
        AutoSyncGivenBack(),
        SecretsRefreshed(),
        TerraformStateRestored(),
        BackupNow(),
        Person(),
        DatabaseDumped(),
        VaultCopied(),
        DrillClear(),
        DrillWrite(),
        DrillCopiesGone(),
        DrillInstanceGone(),
        DrillObjects(),
        DrillObjectsSame(),
        DrillObjectsGone(),
        InfrastructureSound(),
        NodeCapacityLowered(),
        SchedulesResumed(),
        LocationOpened(),
        InstanceAside(),
        ReplicaRebuilt(),
        FenceLifted(),
        WrongSideListed(),
        ReplicaFollowing(),
        MomentReached(),
        FenceStandby(),
        ReopenStandby(),
        PrimaryCaughtUp(),
        PromotePrimary(),
        PointHome(),
        VerifyHomeWrite(),
        WorkloadsGone(),
        InstanceDiscarded(),
        BreachFound(),
        InstancesQuarantined(),
        InstancesReleased(),
        SubnetsQuarantined(),
        SubnetsReleased(),
        NamespacesQuarantined(),
        NamespacesReleased(),
        LifecyclesPaused(),
        LifecyclesResumed(),
        DatabasesKept(),
        DatabasesGivenBack(),
        ImagesKept(),
        ImagesExpire(),
        CopiesWhole(),
        CleanRoomMade(),
        CleanRoomRuns(),
        CleanRoomGone(),
        VolumesSnapshotted(),
        LogsKept(),
        ObjectsKept(),
    )
}
AIRGAP: Final = (DatabaseDumped.name, VaultCopied.name)
"""Those that no incident needs: the keeper of air-gapped copies takes them by the clock."""
DRILLS: Final = (
    *(DrillClear.name, DrillWrite.name, DrillCopiesGone.name, DrillInstanceGone.name),
    *(DrillObjects.name, DrillObjectsSame.name, DrillObjectsGone.name),
)
"""Those that no runbook names: a drill's plan has them beside the real steps (core/rehearsal.py)."""
