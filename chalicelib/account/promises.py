"""Every promise of policy that the clock looks after (core/promises.py), looked at once. It reads, and tells nobody."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Final

from chalicelib.account import alarms, backlog, endpoint, locks, replica, replication, through
from chalicelib.account.through import Through
from chalicelib.account.verdicts import NotSeen, Row, Subject, Verdict
from chalicelib.actions.contract import Op, Reader
from chalicelib.policy import Policy

log = logging.getLogger("responder")
READS: Final[tuple[Op, ...]] = tuple(dict.fromkeys((*through.READS, *replica.READS, *locks.READS)))
"""What a reader for a round must have been declared to read."""
LONGEST: Final = 900
"""Characters of a promise's sentence: a signal's reason is cut at 1,024."""
ALSO: Final = "`drctl backups` shows what mends it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What a look needs. `serving` is the region that serves as the desk has it."""

    policy: Policy
    asks: Through
    reader: Reader
    serving: str
    now: datetime


LOOKS: Final[Mapping[str, Callable[[Around], Iterator[Row]]]] = {
    "replication": lambda a: chain(replication.replications(a.policy, a.asks), backlog.behind(a.policy, a.asks, a.now)),
    "replica": lambda a: replica.replica(a.policy, a.reader, a.serving, a.now),
    "locks": lambda a: locks.locks(a.policy, a.reader),
    "health-check": lambda a: endpoint.endpoint(a.policy, a.asks),
    "alarms": lambda a: alarms.alarms(a.policy, a.asks),
}


def looked(
    policy: Policy, reader: Reader, serving: str, now: datetime, *, names: Collection[str] = tuple(LOOKS)
) -> Mapping[str, Sequence[Row]]:
    """The rows of each promise, by its name."""
    around = Around(policy=policy, asks=Through(reader), reader=reader, serving=serving, now=now)
    return {name: _looked(name, look, around) for name, look in LOOKS.items() if name in names}


def _looked(name: str, look: Callable[[Around], Iterator[Row]], around: Around) -> Sequence[Row]:
    try:
        return tuple(look(around))
    except Exception as error:  # a look that failed has seen nothing, and the others go on
        log.exception("the look at what policy promises of %s failed", name)
        why = NotSeen(f"looking failed: {type(error).__name__}: {error}")
        return (Subject(name, "").unseen("everything", True, why),)


def kept(rows: Sequence[Row]) -> tuple[bool | None, str]:
    """Whether a promise is kept, None when nobody knows; and a sentence. What is broken is so whatever else was not
    seen.
    """
    broken = [row for row in rows if row.verdict is Verdict.DIFFERS]
    unseen = [row for row in rows if row.verdict is Verdict.NOT_SEEN]
    if broken:
        return False, _sentence(broken)
    if unseen:
        more = f"; and {len(unseen) - 1} more were not seen" if len(unseen) > 1 else ""
        return None, f"{unseen[0].sentence()[:LONGEST]}{more}"
    if not rows:
        return True, "there is nothing of it to look at now"
    return True, f"{len(rows)} properties are as policy says"


def _sentence(broken: Sequence[Row]) -> str:
    said, mends = "", {row.mend for row in broken if row.mend}
    for n, row in enumerate(broken):
        one = row.sentence()
        if said and len(said) + len(one) > LONGEST // 2:
            said += f"; and {len(broken) - n} more"
            break
        said += f"; {one[: LONGEST // 2]}" if said else one[: LONGEST // 2]
    (mend,) = mends if len(mends) == 1 else (ALSO,)
    if mend is not ALSO and len(said) + len(mend) < LONGEST:
        return f"{said}; mend it with: {mend}"
    return f"{said}; {ALSO}"
