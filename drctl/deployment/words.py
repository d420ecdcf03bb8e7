"""What may stand in braces in an `AwsOp`'s resources and condition: names of policy, and whole lists of ARNs.

A list is empty where policy has none of its kind, and then nothing is granted.
"""

from __future__ import annotations

from typing import Final

from chalicelib import names
from chalicelib.actions.drill_folder import test_folder
from chalicelib.actions.lifecycles_paused import platform_buckets
from chalicelib.actions.restored import base_of
from chalicelib.actions.sides import aside_base
from chalicelib.core.rehearsal import DRILL
from chalicelib.policy import Policy
from chalicelib.policy.airgap import AzureVault, S3Vault
from chalicelib.policy.notifications import PagerDutyChannel, SlackChannel
from chalicelib.policy.platform import ArcSwitch, MetricSwitch, ObjectSwitch
from chalicelib.reports.readiness.render import KEY

LOG_WORDS: Final = ("log_buckets", "log_objects", "log_keys")
IMAGE_WORDS: Final = ("primary_repositories", "standby_repositories")
EVIDENCE_WORDS: Final = ("evidence_bucket", "evidence_objects", "evidence_keys")
VAULT_WORDS: Final = ("vault_buckets", "vault_objects", "vault_secrets")


def words(policy: Policy) -> dict[str, str]:
    """What may stand in braces in an `AwsOp`'s resources and condition."""
    platform = policy.platform
    switch = platform.traffic.switch
    standby = platform.clusters.standby
    found = {
        "standby": platform.regions.standby,
        "primary": platform.regions.primary,
        "account": platform.account,
        "replica": platform.database.replica.instance,
        "primary_instance": platform.database.primary.instance,
        "restored_instances": base_of(policy),
        "primary_aside": aside_base(platform.database.primary.instance),
        "replica_aside": aside_base(platform.database.replica.instance),
        "primary_secret": platform.primary_secret.name if platform.primary_secret else "",
        "cluster": standby.name,
        "primary_cluster": platform.clusters.primary.name,
        "node_group": standby.node_group.name if standby.node_group else "",
        "application_secret": platform.application_secret.name,
        "credentials_secret": platform.database.credentials_secret,
        "table": platform.responder.table,
        "status_bucket": platform.responder.status_bucket,
        "operators_bucket": platform.responder.operators_bucket or "",
        "readiness_page": KEY,
        "failed_queue": names.failed_queue(policy),
        "undelivered_queue": names.undelivered_queue(policy),
        "wake": names.function(policy, "wake"),
        "own_namespace": names.metrics_namespace(policy),
    }
    # Where there is no such switch the other's name stands in its place, and grants nothing more.
    test = policy.drills.test_record
    if test is not None:
        found |= {"switch_alarm": test.switch.alarm, "switch_namespace": test.switch.namespace}
    match switch:
        case MetricSwitch():
            found |= {"switch_alarm": switch.alarm, "switch_namespace": switch.namespace}
        case ObjectSwitch():
            found |= {"switch_bucket": switch.bucket, "switch_key": switch.key}
        case ArcSwitch():
            found |= {"primary_control": switch.primary_control, "standby_control": switch.standby_control}
    found["drill_alarm"] = test.switch.alarm if test else found.get("switch_alarm", "")
    return found


def lists(policy: Policy) -> dict[str, tuple[str, ...]]:
    """What a resource of an `AwsOp` may be as a whole, in braces: all of the ARNs of one kind that policy has."""
    rows, states = policy.backups.restorable, policy.backups.terraform_states
    locks = tuple(f"arn:aws:s3:::{row.bucket}/{row.key}.tflock" for row in states if row.lock_file)
    zones, group = policy.platform.zones, policy.platform.clusters.standby.node_group
    return {
        # EC2 knows no resource to describe reservations by; who has none asks for none.
        "{capacity_reservations}": ("*",) if group and group.reserved else (),
        "{zonal_shifts}": tuple(row.arn for row in zones.shifts) if zones else (),
        "{restorable_buckets}": tuple(f"arn:aws:s3:::{row.bucket}" for row in rows),
        "{restorable_objects}": tuple(
            f"arn:aws:s3:::{row.bucket}/{prefix}*" for row in rows for prefix in row.prefixes
        ),
        "{terraform_buckets}": tuple(f"arn:aws:s3:::{row.bucket}" for row in states),
        "{terraform_states}": tuple(f"arn:aws:s3:::{row.bucket}/{row.key}" for row in states),
        "{terraform_locks}": locks,
        "{terraform_objects}": (*(f"arn:aws:s3:::{row.bucket}/{row.key}" for row in states), *locks),
        "{terraform_tables}": tuple(
            f"arn:aws:dynamodb:{row.region}:{{account}}:table/{row.lock_table}" for row in states if row.lock_table
        ),
        "{terraform_keys}": tuple(dict.fromkeys(row.kms_key for row in states if row.kms_key)),
        "{channel_secrets}": tuple(
            f"arn:aws:secretsmanager:{{standby}}:{{account}}:secret:{row.secret}-??????"
            for row in policy.notifications.channels
            if isinstance(row, PagerDutyChannel | SlackChannel)
        ),
        "{alarms}": tuple(
            f"arn:aws:cloudwatch:{region}:{{account}}:alarm:*"
            for region in dict.fromkeys((*names.alarm_regions(policy), policy.platform.regions.standby))
        ),
        "{replicated_buckets}": tuple(
            f"arn:aws:s3:::{bucket}" for row in policy.backups.replication for bucket in (row.source, row.destination)
        ),
        "{backup_objects}": tuple(f"arn:aws:s3:::{row.destination}/*" for row in policy.backups.replication),
        # Of a replica's key policy has the ARN only where copies are made of it; S3 alone may use it for us.
        "{backup_keys}": ("arn:aws:kms:{standby}:{account}:key/*",)
        if any(row.encryption == "SSE-KMS" for row in policy.backups.replication)
        else (),
        "{platform_buckets}": tuple(f"arn:aws:s3:::{bucket}" for bucket, _ in platform_buckets(policy)),
        "{restorable_keys}": tuple(dict.fromkeys(row.kms_key for row in rows if row.kms_key)),
        **_drill_lists(policy),
        **_airgap_lists(policy),
        **_evidence_lists(policy),
    }


def _drill_lists(policy: Policy) -> dict[str, tuple[str, ...]]:
    """The folders that drills put back, by the beginning of their names; their bucket, and its key."""
    folder = test_folder(policy)
    rows = [row for row in policy.backups.restorable if folder and row.bucket == folder.bucket]
    return {
        "{drill_buckets}": tuple(f"arn:aws:s3:::{row.bucket}" for row in rows),
        "{drill_objects}": tuple(f"arn:aws:s3:::{row.bucket}/{folder.prefix}{DRILL}-*" for row in rows if folder),
        "{drill_keys}": tuple(row.kms_key for row in rows if row.kms_key),
    }


def _evidence_lists(policy: Policy) -> dict[str, tuple[str, ...]]:
    """What evidence is kept of, where it goes, and whose images do not expire meanwhile."""
    containment = policy.platform.containment
    if containment is None:
        return {f"{{{n}}}": () for n in (*LOG_WORDS, *EVIDENCE_WORDS, *IMAGE_WORDS)}
    evidence, logs = containment.evidence, containment.logs
    return {
        **{
            f"{{{place}_repositories}}": tuple(
                f"arn:aws:ecr:{{{place}}}:{{account}}:repository/{name}" for name in containment.repositories
            )
            for place in ("primary", "standby")
        },
        "{log_buckets}": tuple(dict.fromkeys(f"arn:aws:s3:::{row.bucket}" for row in logs)),
        "{log_objects}": tuple(f"arn:aws:s3:::{row.bucket}/{row.prefix}*" for row in logs),
        "{log_keys}": tuple(dict.fromkeys(row.kms_key for row in logs if row.kms_key)),
        "{evidence_bucket}": (f"arn:aws:s3:::{evidence.bucket}",),
        "{evidence_objects}": (f"arn:aws:s3:::{evidence.bucket}/incidents/*",),
        "{evidence_keys}": (evidence.kms_key,) if evidence.kms_key else (),
    }


def _airgap_lists(policy: Policy) -> dict[str, tuple[str, ...]]:
    """What copies are made of, and where they go. A vault's bucket is another account's, and its own policy lets the
    functions in: a role there could be given more by whoever holds it.
    """
    names_ = ("airgap_buckets", "airgap_objects", "airgap_keys", "dump_bucket", *VAULT_WORDS)
    airgap = policy.backups.airgap
    if airgap is None:
        return {f"{{{name}}}": () for name in names_}
    source, dump = airgap.source, airgap.dump
    buckets = tuple(row.bucket for row in airgap.vaults if isinstance(row, S3Vault))
    secrets = tuple(row.sas_secret for row in airgap.vaults if isinstance(row, AzureVault))
    secret = f"arn:aws:secretsmanager:{policy.platform.regions.standby}:{policy.platform.account}:secret"
    folders = ("backups/", "kopia/")
    return {
        "{airgap_buckets}": tuple(f"arn:aws:s3:::{bucket}" for bucket in (source.bucket, dump.bucket)),
        "{airgap_objects}": (
            *(f"arn:aws:s3:::{source.bucket}/{source.prefix}{folder}*" for folder in folders),
            f"arn:aws:s3:::{dump.bucket}/*",
        ),
        "{airgap_keys}": tuple(dict.fromkeys(key for key in (source.kms_key, dump.kms_key) if key)),
        "{dump_bucket}": (f"arn:aws:s3:::{dump.bucket}",),
        "{vault_buckets}": tuple(f"arn:aws:s3:::{bucket}" for bucket in buckets),
        "{vault_objects}": tuple(f"arn:aws:s3:::{bucket}/*" for bucket in buckets),
        "{vault_secrets}": tuple(f"{secret}:{name}-??????" for name in secrets),
    }
