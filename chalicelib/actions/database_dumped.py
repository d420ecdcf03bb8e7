"""A logical dump of the database, made by a Job in the standby's cluster: what another cloud's PostgreSQL can take.

An export of an RDS snapshot to S3 is Parquet, which nothing restores into PostgreSQL
(docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ExportSnapshot.html), so the dump is pg_dump's own. It reads the
database of the standby, which burdens no user and goes on while the primary region is dark. The dump is written to a
volume and its table of contents read before it is uploaded: an upload of what a pipe gave would end well when pg_dump
did not. S3 shows an object only when all of it is there.
Sources: https://www.postgresql.org/docs/current/app-pgdump.html (custom format, `--file`; on a standby a conflict with
replay can end it, and then the Job tries again), …/app-pgrestore.html (`--list`); kubernetes.io/docs/concepts/storage/
ephemeral-volumes/#generic-ephemeral-volumes, …/workloads/controllers/ttlafterfinished/.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final

from chalicelib.actions import jobs
from chalicelib.actions.contract import AwsOp, KubeOp, Op, Reader, Target
from chalicelib.actions.jobs import Job
from chalicelib.core.airgap import dumped_at
from chalicelib.core.outcome import Act, Call, Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.policy import Policy
from chalicelib.policy.airgap import AirGap, DumpJob

AGAIN: Final = timedelta(seconds=15)
PART: Final = "dump-database"
KEPT_S: Final = 86400
"""How long Kubernetes keeps a Job that has ended, for whoever wants to know why."""
_SCRIPT: Final = r"""
dump="$NAME-$(date -u +%Y%m%dT%H%M%SZ).dump"
{ pg_dump --format=custom --no-password --file="/scratch/$dump" \
  && pg_restore --list "/scratch/$dump" > /dev/null \
  && aws s3 cp --only-show-errors --checksum-algorithm SHA256 "/scratch/$dump" "s3://$BUCKET/$dump"
} 2> /tmp/why || { tail -c 2000 /tmp/why > /dev/termination-log; exit 4; }
printf '%s' "$dump" > /dev/termination-log
"""


@dataclass(frozen=True, slots=True)
class Dumps:
    """The newest dump's key ('' when there is none) and moment, and this period's Job; None while none was made."""

    newest: str
    at: datetime | None
    job: Job | None


class DatabaseDumped:
    """One Job a period; its name is the period's, so that two workers make one."""

    name: ClassVar[str] = "database-dumped"
    reads: ClassVar[tuple[Op, ...]] = (
        AwsOp(service="s3", operation="list_objects_v2", resources=("{dump_bucket}",), iam=("s3:ListBucket",)),
        KubeOp(verb="get", group="batch", resource="jobs", within="dumps"),
        KubeOp(verb="list", group="", resource="pods", within="dumps"),
    )
    calls: ClassVar[tuple[Op, ...]] = (KubeOp(verb="create", group="batch", resource="jobs", within="dumps"),)

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Dumps | Refused | NoData:
        dump = airgap_of(policy).dump
        newest = newest_dump(reader, dump, policy)
        if isinstance(newest, Refused | NoData):
            return newest
        made = jobs.job(_aimed(target, dump), policy, reader, dump.namespace, PART)
        return made if isinstance(made, Refused | NoData) else Dumps(newest, dumped_at(newest), made)

    def next(self, target: Target, policy: Policy, facts: Dumps | Refused | NoData, now: datetime) -> Next:
        dump, again = airgap_of(policy).dump, f"looking again in {AGAIN.seconds} s"
        match facts:
            case NoData(because=because):
                return Wait(because=f"{because}; {again}", again_in=AGAIN)
            case Refused(because=because, code=code):
                return Stuck(because=f"{because} ({code})")
        if facts.at is not None and now - facts.at < dump.every:
            return Done(because=f"the newest dump is {facts.newest}, {policy.real(now - facts.at)} old")
        job = facts.job
        if job is None:
            age = f", the newest is {policy.real(now - facts.at)} old" if facts.at else " and there is none"
            because = f"a dump of the database is due every {policy.real(dump.every)}{age}"
            return Act(because=because, call=self._call(target, policy, dump))
        if job.complete:
            because = f"Job {job.name!r} says it has made {job.said!r}, which is not listed yet; {again}"
            return Wait(because=because, again_in=AGAIN)
        if job.failed:
            why = f", its pod says: {job.said}" if job.said else ""
            return Stuck(because=f"Job {job.name!r} failed ({job.failed}){why}; the next period's Job tries again")
        if job.waits:
            return Wait(because=f"Job {job.name!r} has not begun, its pod waits ({job.waits}); {again}", again_in=AGAIN)
        return Wait(because=f"Job {job.name!r} dumps the database; {again}", again_in=AGAIN)

    @staticmethod
    def _call(target: Target, policy: Policy, dump: DumpJob) -> Call:
        limit = max(1, round(dump.within.total_seconds()))
        call = jobs.made(
            *(_aimed(target, dump), policy, dump.namespace, PART, _pod(policy, dump)),
            limit_s=limit,
            until="its pod has uploaded a dump that it could read",
        )
        body = call.params["body"]
        spec = {**body["spec"], "ttlSecondsAfterFinished": KEPT_S}
        return replace(call, params={**call.params, "body": {**body, "spec": spec}})


def airgap_of(policy: Policy) -> AirGap:
    """Policy's air gap; KeyError when it has none."""
    if policy.backups.airgap is None:
        raise KeyError("backups.yaml has no airgap: no copies are made outside the platform's reach")
    return policy.backups.airgap


def newest_dump(reader: Reader, dump: DumpJob, policy: Policy) -> str | Refused | NoData:
    """The key of the newest dump, '' when there is none. Names of one platform's dumps sort by their moment."""
    prefix, newest = f"{policy.platform.name}-", ""
    asked: dict[str, str] = {}
    while True:
        page = reader.aws("s3", dump.region, "list_objects_v2", Bucket=dump.bucket, Prefix=prefix, **asked)
        if isinstance(page, Refused | NoData):
            return page
        rows: Sequence[Mapping[str, Any]] = page.get("Contents", ())
        newest = max([newest, *(str(row["Key"]) for row in rows if dumped_at(row["Key"]))])
        if not page.get("IsTruncated"):
            return newest
        asked = {"ContinuationToken": page["NextContinuationToken"]}


def _aimed(target: Target, dump: DumpJob) -> Target:
    """At the standby's cluster, for the period that it is now."""
    period = int(target.at.timestamp() // dump.every.total_seconds())
    begun = datetime.fromtimestamp(period * dump.every.total_seconds(), UTC)
    return replace(target, incident=f"airgap-{begun:%Y%m%dT%H%M%S}", params={**target.params, "cluster": "standby"})


def _pod(policy: Policy, dump: DumpJob) -> Mapping[str, Any]:
    """No password stands in it: the container is given it by Kubernetes, from the Secret."""
    database = policy.platform.database
    values = {"NAME": policy.platform.name, "BUCKET": dump.bucket, "AWS_DEFAULT_REGION": dump.region}
    values |= {"PGPORT": str(database.port), "PGDATABASE": database.name, "PGSSLMODE": "require"}
    env: list[Mapping[str, Any]] = [{"name": k, "value": v} for k, v in values.items()]
    env += [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": dump.secret, "key": key}}}
        for name, key in (("PGHOST", "host"), ("PGUSER", "username"), ("PGPASSWORD", "password"))
    ]
    container = {
        "name": PART,
        "image": dump.image,
        "command": ["/bin/sh", "-ceu", _SCRIPT],
        "env": env,
        "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
    }
    claim = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": dump.scratch_class,
        "resources": {"requests": {"storage": dump.scratch}},
    }
    volume = {"name": "scratch", "ephemeral": {"volumeClaimTemplate": {"spec": claim}}}
    return {"serviceAccountName": dump.service_account, "containers": [container], "volumes": [volume]}
