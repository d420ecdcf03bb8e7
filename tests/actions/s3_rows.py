"""What the two actions on S3 versions find, and what they say is missing, as rows of test_next.py."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from chalicelib.actions.s3_count import Seen
from chalicelib.actions.s3_progress import Progress
from chalicelib.actions.versions import Place, Wrong
from chalicelib.core.outcome import Act, Done, Next, Stuck, Wait
from chalicelib.core.restoring import written
from chalicelib.core.spans import Span
from chalicelib.core.versions import Entry, Verdict
from tests.actions.stage import AT, DENIED, POLICY, SILENT

PLACE: Final = Place(POLICY.backups.restorable[0], "artifacts/", AT - timedelta(hours=1), "keep")
FRESH: Final = Progress(begun=written(AT))
OLD: Final = Entry("a", "1", AT - timedelta(hours=2), marker=False, latest=False, etag="x", size=1_500_000)
NEW: Final = Entry("a", "2", AT - timedelta(minutes=2), marker=False, latest=True, etag="y", size=2)
COPY: Final = Verdict("copy", "a", OLD, NEW)
UNMARK: Final = Verdict("unmark", "b", OLD, replace(NEW, marker=True), ("2",))
NEWER: Final = Verdict("newer", "c", None, NEW)
COLD: Final = Verdict("archived", "d", OLD, NEW)
SECOND: Final = replace(FRESH, examined=120_000, copies=1, undeletes=1).again(calls=0)
FAILED: Final = replace(SECOND, failed=1, first_failed="'a'", put_back=411)


def seen(progress: Progress, *verdicts: Verdict, end: str | None = None, examined: int = 1000) -> Seen:
    return Seen(PLACE, progress, Span(end, examined, verdicts))


ROWS: Final[list[tuple[str, dict[str, str], Any, type[Next], str]]] = [
    ("s3-count", {}, SILENT, Wait, "nobody answered"),
    ("s3-count", {}, DENIED, Stuck, "AccessDenied"),
    ("s3-count", {}, Wrong("that is in the future"), Stuck, "in the future; nothing was moved"),
    ("s3-count", {}, Seen(PLACE, FRESH, None), Wait, "its versions are counted"),
    ("s3-count", {}, seen(FRESH, COPY, end="m"), Wait, "1,000 versions examined, 1 objects are to be put back"),
    ("s3-count", {}, seen(FRESH, COPY, UNMARK, NEWER), Done, "(1 copied over, 1.5 MB; 1 undeleted; 0 hidden), 1 that"),
    ("s3-count", {}, seen(FRESH, COLD), Done, "1 cannot be put back, first 'd' (archived)"),
    ("s3-restore", {}, SILENT, Wait, "nobody answered"),
    ("s3-restore", {}, DENIED, Stuck, "AccessDenied"),
    ("s3-restore", {}, Wrong("that is in the future"), Stuck, "in the future; nothing was moved"),
    ("s3-restore", {}, Seen(PLACE, FRESH, None), Wait, "nothing is moved yet"),
    ("s3-restore", {}, seen(FRESH, COPY, end="m"), Wait, "1,000 versions examined, 1 objects are to be put back"),
    ("s3-restore", {}, seen(FRESH, COPY, UNMARK), Wait, "2 objects are to be put back"),
    ("s3-restore", {}, seen(FRESH, NEWER), Done, "nothing is missing, 0 objects were put back, 1 that were not there"),
    ("s3-restore", {}, seen(FRESH, COLD), Wait, "1 cannot be put back, first 'd' (archived); a person must look"),
    ("s3-restore", {}, seen(SECOND, COPY, UNMARK, end="m"), Act, "0 of about 120,000 versions examined"),
    ("s3-restore", {}, seen(SECOND, UNMARK), Act, "1 are missing through key 'b'"),
    ("s3-restore", {}, seen(SECOND, end="m"), Wait, "1,000 of about 120,000 versions examined, 0 objects put back"),
    ("s3-restore", {}, seen(replace(SECOND, calls_pass=-1)), Wait, "going over it once more"),
    ("s3-restore", {}, seen(replace(SECOND, number=3)), Done, "nothing is missing"),
    ("s3-restore", {}, seen(replace(SECOND, through="b", missing=2, calls_span=-2), COPY, UNMARK), Wait, "2 failed"),
    (
        "s3-restore",
        {},
        seen(replace(SECOND, through="b", missing=3, calls_span=-2), COPY, UNMARK),
        Act,
        "1 objects put",
    ),
    ("s3-restore", {}, Seen(PLACE, replace(FAILED, rested_at=written(AT)), None), Stuck, "1 failed, first 'a' (why is"),
]
