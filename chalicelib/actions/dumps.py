"""The database from the newest copy that lies outside AWS: found by one Job, restored by another, in the cluster there.

A managed PostgreSQL elsewhere takes no snapshot and no log of RDS: what it takes is a logical dump. The first Job
looks for the newest dump whose table of contents can be read, so that a torn one is passed over. The second restores
it in one transaction that also writes down which dump it was: killed on the way it has left nothing, and run twice it
sees that it was done. It fails where there already are tables, so it never overwrites anything.
Sources: https://www.postgresql.org/docs/current/app-pgdump.html, /app-pgrestore.html (`--list`, `-f -`), /app-psql.html
(`--single-transaction` with several `-c` and `-f`); https://learn.microsoft.com/azure/postgresql/flexible-server/
how-to-migrate-using-dump-and-restore, .../concepts-networking-ssl-tls (TLS is required).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final

from chalicelib.actions import jobs
from chalicelib.actions.contract import Op, Reader, Target
from chalicelib.actions.jobs import Job
from chalicelib.actions.places import outage_of
from chalicelib.core.outcome import Act, Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.policy import Policy

AGAIN: Final = timedelta(seconds=10)
FIND, RESTORE = "find-dump", "restore-dump"
FOUND_WITHIN_S: Final = 900
RESTORED_WITHIN_S: Final = 7200
NAME: Final = re.compile(r"[a-z0-9-]+-(?P<at>\d{8}T\d{6}Z)\.dump")
"""`orders-20261126T030000Z.dump`: when it was begun, which is the moment that it holds."""
MARK: Final = "dr_restored_from"
_FIND: Final = r"""
for dump in $(ls -1 /dumps | grep -E '^[a-z0-9-]+-[0-9]{8}T[0-9]{6}Z[.]dump$' | sort -r); do
  if pg_restore --list "/dumps/$dump" > /dev/null; then printf '%s' "$dump" > /dev/termination-log; exit 0; fi
done
printf 'no dump that can be read' > /dev/termination-log; exit 3
"""
# The dump's name has been matched against NAME, which leaves no room for a quotation mark.
_RESTORE: Final = f"""
have=$(psql -XtAc 'SELECT dump FROM {MARK} LIMIT 1' 2> /dev/null || true)
if [ "$have" != "$DUMP" ]; then
  pg_restore --no-owner --no-privileges -f /tmp/dump.sql "/dumps/$DUMP"
  psql -Xq -v ON_ERROR_STOP=1 --single-transaction -f /tmp/dump.sql \\
    -c "CREATE TABLE {MARK} AS SELECT '$DUMP'::text AS dump, now() AS restored_at" 2> /tmp/why \\
    || {{ tail -c 2000 /tmp/why > /dev/termination-log; exit 4; }}
fi
printf '%s' "$DUMP" > /dev/termination-log
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Restore:
    """The Job that found the dump, and the one that restores it; None while it was not made."""

    found: Job | None
    restored: Job | None


class DumpFound:
    """One Job that only reads; what it wrote at its end is the dump's name."""

    name: ClassVar[str] = "dump-found"
    reads: ClassVar[tuple[Op, ...]] = jobs.READS
    calls: ClassVar[tuple[Op, ...]] = jobs.CALLS

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Job | Refused | NoData | None:
        return jobs.job(target, policy, reader, outage_of(policy).database.dumps.namespace, FIND)

    def next(self, target: Target, policy: Policy, facts: Job | Refused | NoData | None, now: datetime) -> Next:
        match facts:
            case NoData() | Refused():
                return _silent(facts)
            case None:
                call = jobs.made(
                    *(target, policy, outage_of(policy).database.dumps.namespace, FIND, _pod(policy, FIND, _FIND, "")),
                    limit_s=FOUND_WITHIN_S,
                    until="its pod names the newest dump that can be read",
                )
                return Act(because="which copy of the database is the newest outside AWS is not known yet", call=call)
            case Job(complete=True, said=said):
                at = taken_at(said)
                if at is None:
                    return Stuck(because=f"Job {facts.name!r} names {said!r}, which is no dump's name")
                because = f"the newest dump that can be read is {said}: {_lost(at, policy, now)}"
                return Done(because=because, facts={"dump": said, "taken_at": at.isoformat()})
            case _:
                return _running(facts, "looks for the newest dump")


class DumpRestored:
    """One Job; the database itself says which dump it holds."""

    name: ClassVar[str] = "dump-restored"
    reads: ClassVar[tuple[Op, ...]] = jobs.READS
    calls: ClassVar[tuple[Op, ...]] = jobs.CALLS

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Restore | Refused | NoData:
        namespace = outage_of(policy).database.dumps.namespace
        found = jobs.job(target, policy, reader, namespace, FIND)
        if isinstance(found, Refused | NoData):
            return found
        restored = jobs.job(target, policy, reader, namespace, RESTORE)
        return restored if isinstance(restored, Refused | NoData) else Restore(found, restored)

    def next(self, target: Target, policy: Policy, facts: Restore | Refused | NoData, now: datetime) -> Next:
        if isinstance(facts, NoData | Refused):
            return _silent(facts)
        database, dump = outage_of(policy).database, facts.found.said if facts.found and facts.found.complete else ""
        at = taken_at(dump)
        match facts.restored:
            case None if at is None:
                return Stuck(because="no Job of this incident has found a dump any more; abort, and declare anew")
            case None:
                call = jobs.made(
                    *(target, policy, database.dumps.namespace, RESTORE, _pod(policy, RESTORE, _RESTORE, dump)),
                    limit_s=RESTORED_WITHIN_S,
                    until=f"{database.host} holds {dump}",
                )
                return Act(because=f"{database.host} does not hold {dump} yet: {_lost(at, policy, now)}", call=call)
            case Job(complete=True, said=said):
                held = taken_at(said)
                lost = f": {_lost(held, policy, now)}" if held else ""
                return Done(because=f"{database.host} holds {said}{lost}", facts={"dump": said})
            case job:
                return _running(job, f"restores {dump} into {database.host}")


def taken_at(dump: str) -> datetime | None:
    """The moment that a dump holds, by its name; None for another name."""
    found = NAME.fullmatch(dump)
    return datetime.strptime(found["at"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC) if found else None


def _lost(at: datetime | None, policy: Policy, now: datetime) -> str:
    if at is None:
        return "how old it is is not known"
    return f"what was written after {at:%Y-%m-%d %H:%M:%S} UTC is not in it, {policy.real(now - at)} until now"


def _silent(facts: NoData | Refused) -> Wait | Stuck:
    match facts:
        case NoData(because=because):
            return Wait(because=f"{because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
        case Refused(because=because, code=code):
            return Stuck(because=f"{because} ({code})")


def _running(job: Job, does: str) -> Wait | Stuck:
    if job.failed:
        said = f", its pod says: {job.said}" if job.said else ""
        advice = "mend it and delete the Job, and it is made anew"
        return Stuck(because=f"Job {job.name!r} failed ({job.failed}){said}; {advice}")
    return Wait(because=f"Job {job.name!r} {does}; looking again in {AGAIN.seconds} s", again_in=AGAIN)


def _pod(policy: Policy, part: str, script: str, dump: str) -> Mapping[str, Any]:
    """No password stands in it: the container is given it by Kubernetes, from the Secret."""
    database = outage_of(policy).database
    values = {"PGHOST": database.host, "PGPORT": str(database.port), "PGDATABASE": policy.platform.database.name}
    env: list[Mapping[str, Any]] = [{"name": k, "value": v} for k, v in {**values, "PGSSLMODE": "require"}.items()]
    env += [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": database.dumps.secret, "key": key}}}
        for name, key in (("PGUSER", "username"), ("PGPASSWORD", "password"))
    ]
    container = {
        "name": part,
        "image": database.dumps.image,
        "command": ["/bin/sh", "-ceu", script],
        "env": [*env, {"name": "DUMP", "value": dump}] if dump else [],
        "volumeMounts": [{"name": "dumps", "mountPath": "/dumps", "readOnly": True}],
    }
    claim = {"claimName": database.dumps.claim, "readOnly": True}
    return {"containers": [container], "volumes": [{"name": "dumps", "persistentVolumeClaim": claim}]}
