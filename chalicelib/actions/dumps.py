"""The database from the newest copy that lies outside AWS: found by one Job, restored by another, in the cluster there.

A managed PostgreSQL elsewhere takes no snapshot and no log of RDS: what it takes is a logical dump. The first Job looks
for the newest dump that can be read to its end: a table of contents stands at a dump's head, and a torn one has it
whole. It also reads the heartbeat's last row out of it, the last write that it holds, whatever its name says. One that
was begun after the step's `until` is passed over: what was written then may be an intruder's. The second restores it in
one transaction that also writes down which dump it was: killed on the way it has left nothing, and run twice it sees
that it was done. It fails where there already are tables, so it never overwrites anything.
Sources: https://www.postgresql.org/docs/current/app-pgdump.html (its scripts empty the search_path),
/app-pgrestore.html (`-f -`, `--data-only`), /app-psql.html (`--single-transaction` with several `-c` and `-f`);
https://learn.microsoft.com/azure/postgresql/flexible-server/how-to-migrate-using-dump-and-restore,
.../concepts-networking-ssl-tls (TLS is required), .../how-to-allow-extensions (what a dump creates must be allowed).
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
from chalicelib.actions.places import outage_of, until_of
from chalicelib.core.bounds import moment
from chalicelib.core.outcome import Act, Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.policy import Policy

AGAIN: Final = timedelta(seconds=10)
FIND, RESTORE = "find-dump", "restore-dump"
FOUND_WITHIN_S: Final = 3600
RESTORED_WITHIN_S: Final = 7200
NAME: Final = re.compile(r"[a-z0-9-]+-(?P<at>\d{8}T\d{6}Z)\.dump")
"""`orders-20261126T030000Z.dump`: when it was begun, which is the moment that it holds."""
MARK: Final = "dr_restored_from"
# Read to nowhere first: only what can be read to its end is named.
_FIND: Final = r"""
for dump in $(ls -1 /dumps | grep -E '^[a-z0-9-]+-[0-9]{8}T[0-9]{6}Z[.]dump$' | sort -r); do
  at=${dump##*-}
  if [ -n "$UNTIL" ] && expr "x${at%.dump}" \> "x$UNTIL" > /dev/null; then continue; fi
  if pg_restore -f /dev/null "/dumps/$dump"; then
    tab=$(printf '\t')
    beat=$(pg_restore -f - --data-only -t "$BEATS" "/dumps/$dump" \
      | grep -E "$tab[0-9]+$tab" | cut -f 3 | sort | tail -n 1)
    printf '%s %s' "$dump" "$beat" > /dev/termination-log
    exit 0
  fi
done
printf 'no dump that can be read%s' "${UNTIL:+ and was begun until $UNTIL}" > /dev/termination-log; exit 3
"""
# The dump's name has been matched against NAME, which leaves no room for a quotation mark. The schema is named, since
# a dump's script leaves the session without a search_path.
_RESTORE: Final = f"""
have=$(psql -XtAc 'SELECT dump FROM public.{MARK} LIMIT 1' 2> /dev/null || true)
if [ "$have" != "$DUMP" ]; then
  pg_restore --no-owner --no-privileges -f /tmp/dump.sql "/dumps/$DUMP"
  psql -Xq -v ON_ERROR_STOP=1 --single-transaction -f /tmp/dump.sql \\
    -c "CREATE TABLE public.{MARK} AS SELECT '$DUMP'::text AS dump, now() AS restored_at" 2> /tmp/why \\
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
                    *(
                        target,
                        policy,
                        outage_of(policy).database.dumps.namespace,
                        FIND,
                        _pod(policy, FIND, _FIND, {"BEATS": _beats(policy), "UNTIL": _until(target)}),
                    ),
                    limit_s=FOUND_WITHIN_S,
                    until="its pod names the newest dump that can be read",
                )
                bound = f" of those until {until}" if (until := until_of(target)) else ""
                because = f"which copy of the database is the newest{bound} outside AWS is not known yet"
                return Act(because=because, call=call)
            case Job(complete=True, said=said):
                dump, at = _named(said)
                if at is None:
                    return Stuck(because=f"Job {facts.name!r} names {said!r}, which is no dump's name")
                bound = f" of those until {until}" if (until := until_of(target)) else ""
                because = f"the newest dump{bound} that can be read is {dump}: {_lost(said, policy, now)}"
                holds_until = (_beat(said) or at).isoformat()
                return Done(
                    because=because, facts={"dump": dump, "taken_at": at.isoformat(), "holds_until": holds_until}
                )
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
        database, found = outage_of(policy).database, facts.found.said if facts.found and facts.found.complete else ""
        dump, at = _named(found)
        match facts.restored:
            case None if at is None:
                return Stuck(because="no Job of this incident has found a dump any more; abort, and declare anew")
            case None:
                call = jobs.made(
                    *(
                        target,
                        policy,
                        database.dumps.namespace,
                        RESTORE,
                        _pod(policy, RESTORE, _RESTORE, {"DUMP": dump}),
                    ),
                    limit_s=RESTORED_WITHIN_S,
                    until=f"{database.host} holds {dump}",
                )
                return Act(because=f"{database.host} does not hold {dump} yet: {_lost(found, policy, now)}", call=call)
            case Job(complete=True, said=said):
                lost = f": {_lost(found if dump == said else said, policy, now)}" if taken_at(said) else ""
                return Done(because=f"{database.host} holds {said}{lost}", facts={"dump": said})
            case job:
                return _running(job, f"restores {dump} into {database.host}")


def taken_at(dump: str) -> datetime | None:
    """The moment that a dump holds, by its name; None for another name."""
    found = NAME.fullmatch(dump)
    return datetime.strptime(found["at"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC) if found else None


def _named(said: str) -> tuple[str, datetime | None]:
    """The dump that the first Job said, and the moment in its name; behind it may stand the heartbeat's last row."""
    dump, _, _ = said.partition(" ")
    return dump, taken_at(dump)


def _beat(said: str) -> datetime | None:
    """When the heartbeat wrote last into what was dumped, as PostgreSQL writes it; None where the dump has none."""
    _, _, beat = said.partition(" ")
    try:
        return datetime.fromisoformat(beat.strip()).astimezone(UTC)
    except ValueError:
        return None


def _lost(said: str, policy: Policy, now: datetime) -> str:
    """What is not there, as far as the dump itself tells it: in seconds, since an RPO is."""
    dump, at = _named(said)
    if at is None:
        return f"{dump!r} does not say how old it is"
    beat = _beat(said)
    held = beat or at
    told = "its heartbeat's last row" if beat else "its name, it holds no heartbeat"
    since = policy.real(now - held)
    seconds = (now - held).total_seconds() * policy.speed
    return (
        f"what was written after {held:%Y-%m-%d %H:%M:%S} UTC (by {told}) is not in it, {since} or {seconds:,.0f} s"
        " until now, and until AWS took no more writes, which is not known"
    )


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


def _until(target: Target) -> str:
    """The latest moment as a dump's name writes it, '' where there is no bound."""
    return f"{moment(until_of(target)):%Y%m%dT%H%M%SZ}" if until_of(target) else ""


def _beats(policy: Policy) -> str:
    """The table of one row a source that the heart writes (clients/database.py, `prepare-beat`)."""
    return f"{policy.platform.database.heartbeat_table}_beat"


def _pod(policy: Policy, part: str, script: str, told: Mapping[str, str]) -> Mapping[str, Any]:
    """No password stands in it: the container is given it by Kubernetes, from the Secret."""
    database = outage_of(policy).database
    values = {"PGHOST": database.host, "PGPORT": str(database.port), "PGDATABASE": policy.platform.database.name}
    env: list[Mapping[str, Any]] = [
        {"name": k, "value": v} for k, v in {**values, "PGSSLMODE": "require", **told}.items()
    ]
    env += [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": database.dumps.secret, "key": key}}}
        for name, key in (("PGUSER", "username"), ("PGPASSWORD", "password"))
    ]
    container = {
        "name": part,
        "image": database.dumps.image,
        "command": ["/bin/sh", "-ceu", script],
        "env": env if part == RESTORE else [{"name": k, "value": v} for k, v in told.items()],
        "volumeMounts": [{"name": "dumps", "mountPath": "/dumps", "readOnly": True}],
        # Where a program ends with an error and the script said nothing, its last lines are what the pod says.
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    claim = {"claimName": database.dumps.claim, "readOnly": True}
    return {"containers": [container], "volumes": [{"name": "dumps", "persistentVolumeClaim": claim}]}
