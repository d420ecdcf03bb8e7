"""Keeps logs, and what a cluster holds of a namespace, in a bucket under Object Lock.

Where it has come is read in the bucket: what stands there under its name, with its lock, is done, by whoever wrote it.
Logs go a page of their listing at a time; those are kept that were written from a day before the moment on until the
first look, since logs are written all the time. Nothing here deletes, and nothing of it can be taken back.
Sources: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html (in the order of keys, 1,000 a page),
API_HeadObject.html (the lock, to whoever has s3:GetObjectRetention).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from chalicelib.actions.contract import AwsOp, KubeOp, Op, Reader, Target
from chalicelib.actions.places import cluster_of
from chalicelib.actions.quarantine import containment_of, silent
from chalicelib.core.bounds import listed, moment, spelled
from chalicelib.core.evidence_calls import AT_A_TIME, HELD, KEEP_LOGS, KEEP_OBJECTS, Locked, keep_logs, keep_objects
from chalicelib.core.outcome import Act, Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.policy import Policy
from chalicelib.policy.containment import Log

LOOK_BACK: Final = timedelta(days=1)
AT_ONCE: Final = timedelta(0)
FOLDER: Final = "incidents"
_EVIDENCE: Final = ("{evidence_objects}",)
_HEAD: Final = AwsOp(
    service="s3", operation="head_object", resources=_EVIDENCE, iam=("s3:GetObject", "s3:GetObjectRetention")
)
_LIST: Final = AwsOp(
    service="s3", operation="list_objects_v2", resources=("{log_buckets}", "{evidence_bucket}"), iam=("s3:ListBucket",)
)


def _locked(batch: str, operation: str) -> tuple[AwsOp, ...]:
    written = ("s3:PutObject", "s3:PutObjectRetention")
    return (
        AwsOp(service="s3", operation=operation, resources=_EVIDENCE, iam=written, batch=batch),
        AwsOp(
            service="kms",
            operation="generate_data_key",
            resources=("{evidence_keys}",),
            batch=batch,
            iam=("kms:GenerateDataKey", "kms:Decrypt"),
        ),
    )


def _lists(named: str) -> tuple[KubeOp, ...]:
    """To list `apps/v1 deployments`, in both clusters."""
    version, resource = named.split(" ")
    group, _, number = version.rpartition("/")
    return tuple(
        KubeOp(verb="list", group=group, resource=resource, version=number, where=where)
        for where in ("standby", "primary")
    )


_HOLDS: Final = tuple(op for named in HELD for op in _lists(named))


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a log's listing: what of it is to be kept and is not yet, its last key ('' at the end of the log),
    how many are kept, and why the last of those could be taken away ('' for not).
    """

    log: Log
    missing: tuple[str, ...]
    last: str
    kept: int
    lock: str


@dataclass(frozen=True, slots=True)
class Ended:
    """Every log was gone through."""


class LogsKept:
    """`with: {since: …}`; up to AT_A_TIME objects a call, one page a look."""

    name: ClassVar[str] = "logs-kept"
    reads: ClassVar[tuple[Op, ...]] = (_LIST, _HEAD)
    calls: ClassVar[tuple[Op, ...]] = (
        *_locked(KEEP_LOGS, "copy_object"),
        AwsOp(service="s3", operation="get_object", resources=("{log_objects}",), batch=KEEP_LOGS),
        AwsOp(service="kms", operation="decrypt", resources=("{log_keys}",), batch=KEEP_LOGS),
    )

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Page | Ended | Refused | NoData:
        logs, number = containment_of(policy).logs, int(target.facts.get("log", 0.0))
        if number >= len(logs):
            return Ended()
        log, evidence = logs[number], containment_of(policy).evidence
        after, folder = str(target.facts.get("after", "")), _folder(target, log)
        asked = {"StartAfter": after} if after else {}
        page = reader.aws("s3", log.region, "list_objects_v2", Bucket=log.bucket, Prefix=log.prefix, **asked)
        if not isinstance(page, Mapping):
            return page
        beyond = {"StartAfter": f"{folder}{after}"} if after else {}
        there = reader.aws("s3", evidence.region, "list_objects_v2", Bucket=evidence.bucket, Prefix=folder, **beyond)
        if not isinstance(there, Mapping):
            return there
        since, until = moment(target.params["since"]) - LOOK_BACK, _until(target)
        rows = [r for r in page.get("Contents", ()) if r["Key"] > after]
        wanted = [str(r["Key"]) for r in rows if since <= r["LastModified"] <= until]
        stands = {str(r["Key"]) for r in there.get("Contents", ())}
        kept = [key for key in wanted if f"{folder}{key}" in stands]
        last = str(rows[-1]["Key"]) if rows and page.get("IsTruncated") else ""
        lock = _lock(reader, evidence.region, evidence.bucket, f"{folder}{kept[-1]}", target, policy) if kept else ""
        if isinstance(lock, Refused | NoData):
            return lock
        return Page(log, tuple(k for k in wanted if k not in kept), last, len(kept), lock)

    def next(self, target: Target, policy: Policy, facts: Page | Ended | Refused | NoData, now: datetime) -> Next:
        facts_kept: dict[str, str | float] = {"until": spelled(_until(target)), **target.facts}
        count = float(facts_kept.get("kept", 0.0))
        match facts:
            case Ended():
                bucket = containment_of(policy).evidence.bucket
                return Done(because=f"{count:g} logs are kept in {bucket!r} under Object Lock", facts=facts_kept)
            case Refused() | NoData():
                return silent(facts)
            case Page(lock=lock) if lock:
                return Stuck(because=lock)
            case Page(log=log, missing=missing) if missing:
                call = keep_logs(
                    Locked.of(containment_of(policy).evidence, target.opened_at),
                    bucket=log.bucket,
                    region=log.region,
                    folder=_folder(target, log),
                    keys=missing[:AT_A_TIME],
                )
                because = f"{len(missing)} logs of {log.name} from {missing[0]!r} on are not kept yet"
                return Act(because=because, call=call, facts=facts_kept)
            case Page(log=log, last=last, kept=kept):
                number = float(facts_kept.get("log", 0.0))
                facts_kept |= {"after": last, "log": number if last else number + 1, "kept": count + kept}
                return Wait(because=f"{kept} logs of {log.name} are kept", again_in=AT_ONCE, facts=facts_kept)


class ObjectsKept:
    """`with: {cluster: …, namespaces: …}`; one document a namespace."""

    name: ClassVar[str] = "objects-kept"
    reads: ClassVar[tuple[Op, ...]] = (_HEAD,)
    calls: ClassVar[tuple[Op, ...]] = (
        *_locked(KEEP_OBJECTS, "put_object"),
        *_HOLDS,
    )

    def observe(self, target: Target, policy: Policy, reader: Reader) -> tuple[str, ...] | str | Refused | NoData:
        """The namespaces that nothing is kept of yet; a text when what is kept could be taken away."""
        evidence, missing = containment_of(policy).evidence, []
        for namespace in listed(target.params["namespaces"]):
            name = _document(target, policy, namespace)
            lock = _lock(reader, evidence.region, evidence.bucket, name, target, policy)
            if isinstance(lock, Refused) and lock.code in ("404", "NoSuchKey", "NotFound"):
                missing.append(namespace)
            elif isinstance(lock, Refused | NoData) or lock:
                return lock
        return tuple(missing)

    def next(
        self, target: Target, policy: Policy, facts: tuple[str, ...] | str | Refused | NoData, now: datetime
    ) -> Next:
        match facts:
            case Refused() | NoData():
                return silent(facts)
            case str():
                return Stuck(because=facts)
            case ():
                bucket, chosen = containment_of(policy).evidence.bucket, target.params["namespaces"]
                return Done(because=f"what the cluster holds of {chosen} is kept in {bucket!r} under Object Lock")
        cluster = cluster_of(target, policy)
        call = keep_objects(
            Locked.of(containment_of(policy).evidence, target.opened_at),
            cluster=cluster.name,
            namespace=facts[0],
            name=_document(target, policy, facts[0]),
        )
        return Act(because=f"what cluster {cluster.name!r} holds of namespace {facts[0]!r} is not kept yet", call=call)


def _until(target: Target) -> datetime:
    known = target.facts.get("until")
    return moment(str(known)) if known else target.at.replace(microsecond=0)


def _folder(target: Target, log: Log) -> str:
    return f"{FOLDER}/{target.incident}/logs/{log.name}/"


def _document(target: Target, policy: Policy, namespace: str) -> str:
    return f"{FOLDER}/{target.incident}/clusters/{cluster_of(target, policy).name}/{namespace}.json"


def _lock(reader: Reader, region: str, bucket: str, key: str, target: Target, policy: Policy) -> str | Refused | NoData:
    """Why what is kept could be taken away again; '' when it is locked as policy says."""
    head: Mapping[str, Any] | Refused | NoData = reader.aws("s3", region, "head_object", Bucket=bucket, Key=key)
    if not isinstance(head, Mapping):
        return head
    wanted = Locked.of(containment_of(policy).evidence, target.opened_at)
    mode, until = head.get("ObjectLockMode"), head.get("ObjectLockRetainUntilDate")
    if mode == wanted.mode and until is not None and until >= wanted.until:
        return ""
    return (
        f"{key!r} in {bucket!r} stands without the lock that policy wants: it is {mode or 'not locked'} until {until}"
    )
