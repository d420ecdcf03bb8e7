"""Asks policy's integrity checks of the database that was restored, read-only, before anybody is sent there.

Each check counts what must not be there. One that cannot be asked is no verdict, neither good nor bad.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final

from chalicelib.actions.contract import Op, Reader, Target
from chalicelib.actions.copies import DESCRIBE_DRILLED, is_copy, throw_away, thrown
from chalicelib.actions.credentials import READ_CREDENTIALS
from chalicelib.actions.restored import as_of, name_of, restored
from chalicelib.core.bounds import spelled
from chalicelib.core.outcome import Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.policy import Policy

AGAIN: Final = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Counted:
    """What each check counted, by its name, and at which address."""

    address: str
    counts: Mapping[str, int]


class IntegrityCheck:
    """Looks only."""

    name: ClassVar[str] = "integrity-check"
    reads: ClassVar[tuple[Op, ...]] = (
        DESCRIBE_DRILLED,
        READ_CREDENTIALS,
    )
    calls: ClassVar[tuple[Op, ...]] = ()

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Counted | Refused | NoData:
        where = thrown(target, policy, reader) if is_copy(target) else restored(target, policy, reader)
        if isinstance(where, Refused | NoData):
            return where
        host, port = where
        counts: dict[str, int] = {}
        for check in policy.platform.integrity.checks if policy.platform.integrity else ():
            rows = reader.sql(host, port, "check", [check.name])
            if isinstance(rows, Refused | NoData):
                return rows
            try:
                ((count,),) = rows
                counts[check.name] = int(count)
            except (TypeError, ValueError):
                because = f"check {check.name!r} answered {list(rows)[:2]!r}, expected one row of one number"
                return Refused(code="NoNumber", because=because)
        return Counted(f"{host}:{port}", counts)

    def next(self, target: Target, policy: Policy, facts: Counted | Refused | NoData, now: datetime) -> Next:
        name = throw_away(policy, target) if is_copy(target) else name_of(policy, as_of(target))
        match facts:
            case NoData(because=because):
                return Wait(because=f"{because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
            case Refused(because=because, code=code):
                return Stuck(because=f"{because} ({code}); whether {name!r} is whole is not known")
        if not facts.counts:
            return Stuck(
                because="platform.yaml names no integrity check, so nobody can say whether what was restored is whole"
            )
        finds = {c.name: c.finds for c in policy.platform.integrity.checks} if policy.platform.integrity else {}
        bad = [f"{n} {finds.get(check, check)}" for check, n in facts.counts.items() if n]
        if bad and is_copy(target):
            said = f"instance {name!r}, restored from the newest moment, is not whole: {', '.join(bad)}"
            return Stuck(because=f"{said}; look at the database that people use")
        if bad:
            return Stuck(
                because=f"instance {name!r} is not whole as of {spelled(as_of(target))} either: {', '.join(bad)}; "
                f"abort {target.incident} and declare anew with an earlier moment; the old instance is untouched"
            )
        because = f"all {len(facts.counts)} integrity checks find instance {name!r} whole ({', '.join(facts.counts)})"
        return Done(because=because, facts={k: float(v) for k, v in facts.counts.items()})
