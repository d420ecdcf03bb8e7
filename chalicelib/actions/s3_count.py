"""Counts what it would take to put a prefix of a bucket back as of a moment; changes nothing.

It goes on over as many looks as it takes, and its facts are what the person who approves the restore is shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final

from chalicelib.actions.contract import Op, Reader, Target
from chalicelib.actions.s3_progress import Progress
from chalicelib.actions.versions import READS, Place, Unwanted, Wrong, aimed, look, versioning
from chalicelib.core.bounds import NONE
from chalicelib.core.outcome import Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.core.restoring import written
from chalicelib.core.spans import Span
from chalicelib.policy import Policy

AGAIN: Final = timedelta(seconds=5)
AT_ONCE: Final = timedelta()
WRONG_AGAIN: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Seen:
    """Where the step stands, and the span that comes next; None where there was none to be read."""

    place: Place
    progress: Progress
    span: Span | None


Facts = Seen | Unwanted | Wrong | Refused | NoData


def begin(target: Target, policy: Policy, reader: Reader) -> Facts | Place:
    """The first look of a step: whether it makes sense, and where it begins. The place when it has begun already."""
    if target.params.get("folder") == NONE:
        return Unwanted()
    known = Progress.of(target.facts)
    fresh = Progress(begun=written(target.at))
    place = aimed(target, policy, (known or fresh).began, reader)
    if known is not None or not isinstance(place, Place):
        return place
    return versioning(place, reader) or Seen(place, fresh, None)


def silent(facts: Unwanted | Wrong | Refused | NoData) -> Next:
    """What is said of a look that brought nothing."""
    match facts:
        case Unwanted():
            return Done(because="no folder of S3 was chosen to be put back")
        case Wrong(because=because):
            return Stuck(because=f"{because}; nothing was moved", again_in=WRONG_AGAIN)
        case NoData(because=because):
            return Wait(because=f"{because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
        case Refused(because=because, code=code):
            return Stuck(because=f"{because} ({code})")


class S3Count:
    """Looks only."""

    name: ClassVar[str] = "s3-count"
    reads: ClassVar[tuple[Op, ...]] = READS
    calls: ClassVar[tuple[Op, ...]] = ()

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Facts:
        place, progress = begin(target, policy, reader), Progress.of(target.facts)
        if not isinstance(place, Place):
            return place
        if progress is None:
            raise ValueError(f"step {target.step!r} was begun and is not")
        span = look(place, place.aim(progress.began), reader, progress.after)
        return span if isinstance(span, Refused | NoData) else Seen(place, progress, span)

    def next(self, target: Target, policy: Policy, facts: Facts, now: datetime) -> Next:
        if not isinstance(facts, Seen):
            return silent(facts)
        progress, span = facts.progress, facts.span
        if span is None:
            because = f"{facts.place.named()}: its versions are counted, from {progress.begun} on"
            return Wait(because=because, again_in=AT_ONCE, facts=progress.facts())
        progress = progress.passing(span)
        because = progress.sentence(facts.place)
        if span.end is None:
            return Done(because=because, facts=progress.facts())
        return Wait(because=because, again_in=AT_ONCE, facts=progress.facts())
