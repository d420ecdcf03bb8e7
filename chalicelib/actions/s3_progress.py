"""How far a step over a bucket's versions has come, kept as the step's facts, so that any later invocation goes on.

A pass goes over the whole prefix, span by span. The first only counts; each later one puts back what it finds missing,
and looks at a span again until nothing is missing there or trying again brings nothing more. The last one finds
nothing. What is kept is where the pass stands and how much was counted; what is missing is never kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime

from chalicelib.actions.versions import Place
from chalicelib.core.restoring import written
from chalicelib.core.spans import Span
from chalicelib.core.versions import UNRESTORABLE, Verdict, sizes

TRIES = 2
"""Calls that may leave a span as it was before what is missing in it counts as failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """`number` 0 is the pass that counts. `after` is the last key that is dealt with, `through` the last key of the
    span that calls are made for, '' while there is none. `copies` to `counted` are what the first pass counted;
    `examined` to `failed` are of the present one; `begun` is when the first look was, and then when the last one before
    the first call was; `calls_*` are the step's calls when the span or the pass began.
    """

    begun: str
    number: int = 0
    after: str = ""
    through: str = ""
    total: int = 0
    copies: int = 0
    undeletes: int = 0
    removes: int = 0
    size: int = 0
    counted: str = ""
    put_back: int = 0
    examined: int = 0
    newer: int = 0
    since: int = 0
    unrestorable: int = 0
    first_unrestorable: str = ""
    failed: int = 0
    first_failed: str = ""
    missing: int = 0
    calls_span: int = 0
    calls_pass: int = 0
    rested_at: str = ""

    @classmethod
    def of(cls, facts: Mapping[str, str | float]) -> Progress | None:
        """From what a step's earlier looks kept; None when there was none."""
        if "begun" not in facts:
            return None
        read = {f.name: (str if f.type == "str" else int)(facts[f.name]) for f in fields(cls) if f.name in facts}
        return cls(**read)  # type: ignore[arg-type] # each is of the type that its field has

    def facts(self) -> dict[str, str | float]:
        """As a step keeps it: the book knows text and floats."""
        return {name: value if isinstance(value, str) else float(value) for name, value in asdict(self).items()}

    @property
    def began(self) -> datetime:
        """What was written from then on is nobody's accident."""
        return datetime.fromisoformat(self.begun)

    @property
    def to_change(self) -> int:
        """How many objects the first pass found to be changed."""
        return self.copies + self.undeletes + self.removes

    def passing(self, span: Span, failed: tuple[Verdict, ...] = ()) -> Progress:
        """Past a span, of which these could not be put back."""
        kinds = [v.kind for v in span.verdicts]
        lost = [v for v in span.verdicts if v.kind in UNRESTORABLE]
        counted = self.number == 0
        return replace(
            self,
            after=self.through or span.end or "",
            through="",
            missing=0,
            examined=self.examined + span.examined,
            copies=self.copies + (kinds.count("copy") if counted else 0),
            undeletes=self.undeletes + (kinds.count("unmark") if counted else 0),
            removes=self.removes + (kinds.count("remove") if counted else 0),
            size=self.size + (sizes(span.verdicts) if counted else 0),
            newer=self.newer + kinds.count("newer"),
            since=self.since + kinds.count("since"),
            unrestorable=self.unrestorable + len(lost),
            first_unrestorable=self.first_unrestorable or (f"{lost[0].key!r} ({lost[0].kind})" if lost else ""),
            failed=self.failed + len(failed),
            first_failed=self.first_failed or (repr(failed[0].key) if failed else ""),
        )

    def trying(self, missing: tuple[Verdict, ...], calls: int) -> Progress:
        """With a look at a span in which this is missing; a call that brought something begins the tries anew."""
        if not self.through:
            if not missing:
                return self
            return replace(self, through=missing[-1].key, missing=len(missing), calls_span=calls)
        brought = self.missing - len(missing)
        if brought <= 0:
            return self
        return replace(self, put_back=self.put_back + brought, missing=len(missing), calls_span=calls)

    def given_up(self, calls: int) -> bool:
        """Whether as many calls as may be made for the span brought nothing more."""
        return bool(self.through) and calls - self.calls_span >= TRIES

    def again(self, calls: int) -> Progress:
        """At the beginning of the next pass."""
        return Progress(
            begun=self.begun,
            number=self.number + 1,
            total=self.examined if self.number == 0 else self.total,
            copies=self.copies,
            undeletes=self.undeletes,
            removes=self.removes,
            size=self.size,
            counted=self.counts() if self.number == 0 else self.counted,
            put_back=self.put_back,
            calls_pass=calls,
        )

    def resting(self, now: datetime) -> Progress:
        """At the end of a pass that leaves something for a person to mend."""
        return replace(self, after="", through="", rested_at=written(now))

    def counts(self) -> str:
        """`412 objects are to be put back (300 copied over, 12.3 GB; 112 undeleted; 0 hidden), 3 newer ones stay`."""
        said = (
            f"{self.to_change:,} objects are to be put back ({self.copies:,} copied over, {_bytes(self.size)};"
            f" {self.undeletes:,} undeleted; {self.removes:,} hidden)"
        )
        return said + self.left_alone()

    def left_alone(self) -> str:
        """What stays as it is, and why; '' when there is nothing of the kind."""
        said = f", {self.newer:,} that were not there then stay" if self.newer else ""
        said += f", {self.since:,} written since {self.begun} stay" if self.since else ""
        if self.unrestorable:
            said += f", {self.unrestorable:,} cannot be put back, first {self.first_unrestorable}"
        return said

    def sentence(self, place: Place) -> str:
        """`s3://b/p as of …: 37,000 of about 120,000 versions examined, 412 objects put back, 0 failed`."""
        of = f" of about {self.total:,}" if self.number else ""
        said = f"{place.named()}: {self.examined:,}{of} versions examined"
        if self.number == 0:
            return f"{said}, {self.counts()}"
        return f"{said}, {self.put_back:,} objects put back, {self.failed:,} failed"


def _bytes(size: int) -> str:
    """`12.3 GB`, in powers of ten as S3's bills are."""
    value, units = float(size), ["bytes", "kB", "MB", "GB", "TB", "PB"]
    while value >= 1000 and len(units) > 1:
        value, units = value / 1000, units[1:]
    return f"{value:.1f} {units[0]}" if units[0] != "bytes" else f"{size} bytes"
