"""An air-gapped copy in one vault: what is missing there, one call at a time.

What it is a copy of is chosen by looking: the newest good backup that has had its time to be replicated, and the newest
dump. How far it has come is read in the vault: a part whose record stands is done, by whoever wrote it. What a worker
remembers of it spares it looks and decides nothing. Nothing here deletes, and nothing could.
Sources: https://velero.io/docs/v1.18/output-file-format/ (a location's folders); velero pkg/persistence/
object_store.go (`IsValid`: a foreign folder makes a location invalid; `BackupExists`: by velero-backup.json).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final

from chalicelib.actions.contract import VAULT_BUCKETS, AwsOp, KubeOp, Op, Reader, Target
from chalicelib.actions.database_dumped import airgap_of, newest_dump
from chalicelib.core.airgap import MANIFESTS, METADATA, Copy, Part, Progress, Set, copies, dumped_at, held_at
from chalicelib.core.airgap_calls import COPY_SPAN, WRITE_MANIFEST, Ending, Stretch
from chalicelib.core.outcome import Act, Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.policy import Policy
from chalicelib.policy.airgap import AirGap

BACKUPS: Final = "velero.io/v1 backups"
AT_ONCE: Final = timedelta(0)
LATER: Final = timedelta(minutes=5)
MOST_BYTES: Final = 8 * 1024**3
"""A stretch ends with the object that reaches it, so that its record does not wait too long."""
LOOKS: Final[tuple[Op, ...]] = (
    AwsOp(service="s3", operation="list_objects_v2", resources=(VAULT_BUCKETS,), iam=("s3:ListBucket",)),
    AwsOp(
        service="s3",
        operation="get_object",
        resources=("{vault_objects}",),
        iam=("s3:GetObject", "s3:GetObjectRetention"),
    ),
    AwsOp(service="secretsmanager", operation="get_secret_value", resources=("{vault_secrets}",)),
)
"""What it takes to look at a vault, and nothing that could change one."""


@dataclass(frozen=True, slots=True)
class Under:
    """A copy under way: its next part's record when that stands, else the stretch that it is of; `absent` says what of
    the source is not there.
    """

    progress: Progress
    record: Part | None = None
    stretch: Stretch | None = None
    absent: str = ""


@dataclass(frozen=True, slots=True)
class Rest:
    """No copy is under way: the newest whole one's id ('' when there is none), and what the next one would be of."""

    newest: str
    copy: Copy | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Whole:
    """The manifest of the copy that was under way stands."""

    copy: Copy


Facts = Under | Rest | Whole | Refused | NoData


class VaultCopied:
    """`with: {vault: …}` names it; `now: yes` begins a new copy however young the newest is."""

    name: ClassVar[str] = "vault-copied"
    reads: ClassVar[tuple[Op, ...]] = (
        *LOOKS,
        AwsOp(service="s3", operation="list_objects_v2", resources=("{airgap_buckets}",), iam=("s3:ListBucket",)),
        KubeOp(verb="list", group="velero.io", resource="backups"),
    )
    calls: ClassVar[tuple[Op, ...]] = (
        AwsOp(service="s3", operation="get_object", resources=("{airgap_objects}",), batch=COPY_SPAN),
        AwsOp(service="kms", operation="decrypt", resources=("{airgap_keys}",), batch=COPY_SPAN),
        *(
            AwsOp(
                service="s3",
                operation="put_object",
                resources=("{vault_objects}",),
                iam=("s3:PutObject", "s3:PutObjectRetention"),
                batch=batch,
            )
            for batch in (COPY_SPAN, WRITE_MANIFEST)
        ),
    )

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Facts:
        airgap, vault = airgap_of(policy), target.params["vault"]
        progress = Progress.of(target.facts)
        if progress is None:
            return _rest(airgap, vault, policy, reader, target.at)
        if progress.written:
            stands = reader.vault_document(vault, progress.copy.manifest)
            if isinstance(stands, Refused | NoData):
                return stands
            return Whole(progress.copy) if stands is not None else Under(progress)
        record = reader.vault_document(vault, progress.copy.record(progress.number))
        if isinstance(record, Refused | NoData):
            return record
        if record is not None:
            return Under(progress, record=Part.of(record))
        return _stretch(airgap, vault, progress, reader)

    def next(self, target: Target, policy: Policy, facts: Facts, now: datetime) -> Next:
        vault, airgap = target.params["vault"], airgap_of(policy)
        kept = dict(target.facts)
        match facts:
            case NoData(because=because):
                return Wait(because=f"vault {vault!r}: {because}", again_in=LATER, facts=kept)
            case Refused(because=because, code=code):
                return Stuck(because=f"vault {vault!r}: {because} ({code})")
            case Whole(copy=copy):
                return Done(because=f"vault {vault!r} holds {copy.id}, {_age(policy, copy.id, now)} old")
            case Rest(newest=newest, copy=copy, why=why):
                return _begins(target, policy, airgap, newest, copy, why, now)
            case Under(progress=progress, record=Part() as part):
                on = progress.past(part)
                because = f"vault {vault!r}: part {part.number} ({part.set}) of {on.copy.id} is recorded"
                return Wait(because=because, again_in=AT_ONCE, facts=on.facts())
            case Under(progress=progress, absent=absent) if absent:
                because = (
                    f"vault {vault!r}: {progress.copy.id} is given up, {absent}; another begins with the next look"
                )
                return Wait(because=because, again_in=LATER)
            case Under(progress=progress, stretch=Stretch() as stretch):
                number = progress.number
                return Act(
                    because=f"vault {vault!r} lacks part {number} ({progress.set}) of {progress.copy.id}",
                    call=stretch.call(f"{progress.copy.record(number)} stands"),
                    facts=progress.facts(),
                )
            case Under(progress=progress):
                ending = Ending(vault=vault, region=airgap.source.region, progress=progress)
                return Act(
                    because=f"vault {vault!r} has all {progress.number} parts of {progress.copy.id}, and no manifest",
                    call=ending.call(f"{progress.copy.manifest} stands"),
                    facts=progress.facts(),
                )


def newest_copy(reader: Reader, vault: str) -> str | Refused | NoData:
    """The id of a vault's newest whole copy, '' when it has none."""
    names = reader.vault_top(vault, MANIFESTS)
    return names if isinstance(names, Refused | NoData) else (copies(names) or ("",))[-1]


def _begins(
    target: Target, policy: Policy, airgap: AirGap, newest: str, copy: Copy | None, why: str, now: datetime
) -> Next:
    vault = target.params["vault"]
    has = f"the newest copy is {newest}, {_age(policy, newest, now)} old" if newest else "there is no copy yet"
    if copy is None:
        return Stuck(because=f"vault {vault!r}: {has}, and none can be made: {why}", again_in=LATER)
    if newest and copy.id <= newest:
        return Done(because=f"vault {vault!r}: {has}; nothing newer is there to be copied")
    if newest and now - held_at(newest) < airgap.new_copy_after and target.params.get("now") != "yes":
        return Done(because=f"vault {vault!r}: {has}; a new one begins at {policy.real(airgap.new_copy_after)}")
    # To the second, since that is how exactly a vault says when something was created.
    progress = Progress(copy=copy, begun=now.replace(microsecond=0))
    because = f"vault {vault!r}: {has}; {copy.id} begins, of backup {copy.backup!r} and dump {copy.dump!r}"
    return Wait(because=because, again_in=AT_ONCE, facts=progress.facts())


def _rest(airgap: AirGap, vault: str, policy: Policy, reader: Reader, now: datetime) -> Facts:
    newest = newest_copy(reader, vault)
    if isinstance(newest, Refused | NoData):
        return newest
    dump = newest_dump(reader, airgap.dump, policy)
    if isinstance(dump, Refused | NoData):
        return dump
    at = dumped_at(dump)
    if at is None:
        return Rest(newest, None, f"there is no dump of the database in {airgap.dump.bucket!r}")
    cluster = policy.platform.clusters.standby
    found = reader.kube(cluster.name, BACKUPS, namespace=cluster.velero_namespace)
    if isinstance(found, Refused | NoData):
        return found
    settled = max((r.objective for r in policy.backups.replication), default=timedelta(0))
    good = _good(found if isinstance(found, Sequence) else (), cluster.backup_location, now - settled)
    if not good:
        return Rest(newest, None, f"cluster {cluster.name!r} knows no good backup older than {policy.real(settled)}")
    completed, backup = max(good)
    return Rest(newest, Copy(backup=backup, dump=dump, holds_at=min(completed, at)))


def _good(backups: Sequence[Mapping[str, Any]], location: str, until: datetime) -> list[tuple[datetime, str]]:
    """(begun, name) of every good backup that was completed before `until`; what it holds is of when it was begun."""
    found = []
    for backup in backups:
        spec, status = backup.get("spec") or {}, backup.get("status") or {}
        if status.get("phase") != "Completed" or status.get("errors", 0) or backup["metadata"].get("deletionTimestamp"):
            continue
        if spec.get("storageLocation", "default") != location or spec.get("labelSelector"):
            continue
        if "*" not in (spec.get("includedNamespaces") or ["*"]) or not status.get("completionTimestamp"):
            continue
        if datetime.fromisoformat(status["completionTimestamp"]) <= until:
            begun = datetime.fromisoformat(status.get("startTimestamp") or status["completionTimestamp"])
            found.append((begun.astimezone(UTC).replace(microsecond=0), str(backup["metadata"]["name"])))
    return found


def _stretch(airgap: AirGap, vault: str, progress: Progress, reader: Reader) -> Facts:
    region, bucket, prefix, to = _place(airgap, progress)
    asked = {"StartAfter": progress.after} if progress.after else {}
    page = reader.aws("s3", region, "list_objects_v2", Bucket=bucket, Prefix=prefix, **asked)
    if isinstance(page, Refused | NoData):
        return page
    rows = [row for row in page.get("Contents", ()) if row["Key"] > progress.after]
    if absent := _absent(progress, prefix, {row["Key"] for row in rows}):
        return Under(progress, absent=absent)
    size, taken = 0, 0
    for row in rows:
        size, taken = size + int(row["Size"]), taken + 1
        if size >= MOST_BYTES:
            break
    last = taken == len(rows) and not page.get("IsTruncated")
    return Under(
        progress,
        stretch=Stretch(
            vault=vault,
            region=region,
            bucket=bucket,
            prefix=prefix,
            to=to,
            progress=progress,
            through=rows[taken - 1]["Key"] if rows else progress.after,
            last=last,
        ),
    )


def _place(airgap: AirGap, progress: Progress) -> tuple[str, str, str, str]:
    """Region, bucket and prefix of the source, and the prefix in the vault, of the set that comes next."""
    source, dump, copy, which = airgap.source, airgap.dump, progress.copy, progress.set
    places: Mapping[Set, tuple[str, str, str, str]] = {
        "volumes": (source.region, source.bucket, f"{source.prefix}kopia/", "velero/kopia/"),
        "dump": (dump.region, dump.bucket, copy.dump, f"dumps/{copy.dump}"),
        "backup": (
            source.region,
            source.bucket,
            f"{source.prefix}backups/{copy.backup}/",
            f"velero/backups/{copy.backup}/",
        ),
    }
    return places[which]


def _absent(progress: Progress, prefix: str, keys: set[str]) -> str:
    """What must be in the source and is not: a backup or a dump that expired, or was not replicated."""
    name = progress.copy.backup
    wanted = {"volumes": (), "dump": (prefix,), "backup": (f"{prefix}{METADATA}", f"{prefix}{name}.tar.gz")}
    missing = [key for key in wanted[progress.set] if key not in keys]
    return f"{', '.join(map(repr, missing))} is not in the source" if missing else ""


def _age(policy: Policy, copy: str, now: datetime) -> str:
    return policy.real(now - held_at(copy))
