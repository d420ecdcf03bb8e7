"""Carries out one call that puts a span of a bucket back: finds what is missing in it, and does that side by side.

Each object is changed by one request that S3 makes as a whole or not at all (a copy of parts by the one that completes
it), is tried once, and only if nobody wrote the key meanwhile. So a crash before or after any request leaves each
object either as it was or put back, and whoever makes the call again finds the rest. Nothing is begun when the time
would not do for its end, and nothing more when S3 asks to slow down.

A copy is encrypted, stored and described as its source was; tags come along, an ACL and a lock do not (the bucket's
own default retention holds for the copy). Where the copy's ETag cannot show what it is a copy of, its metadata does.
Sources: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html (5 GB, directives, 200 with an error),
API_UploadPartCopy.html, API_DeleteObject.html (a delete marker by its version id),
https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html (a current delete marker is no object).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from threading import Event
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.clients import s3_copies
from chalicelib.clients.aws import AwsClients, refusal
from chalicelib.core.outcome import Call, Doubtful, Made, Outcome, Refused
from chalicelib.core.restoring import Restoring
from chalicelib.core.spans import Span, read_span
from chalicelib.core.versions import CHANGES, Verdict, cleared

SIDE_BY_SIDE: Final = 16
READ_S: Final = 12
BEGINS_WITHIN_S: Final = 10.0
"""Seconds of the call after which nothing more is begun: what is under way then ends before the call's time does."""
ENDS_WITHIN_S: Final = 23.0
TOLD: Final = 3
_SLOW: Final = frozenset({"SlowDown", "Throttling", "RequestLimitExceeded", "503"})
"""https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html: reduce your request rate."""
DONE: Final = {"copy": "copied over", "unmark": "undeleted", "remove": "hidden by a delete marker"}


@dataclass(frozen=True, slots=True)
class Failure:
    """What became of an object that was not put back. `doubtful`: it may have been."""

    key: str
    code: str
    because: str
    doubtful: bool


@dataclass(slots=True)
class Tally:
    """What became of the objects of one call; only the caller's thread writes it."""

    done: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)
    left: int = 0

    def sentence(self, bucket: str) -> str:
        """`412 objects of bucket 'b' put back (400 copied over, 12 undeleted), 2 failed: 'k' was refused: …`."""
        kinds = ", ".join(f"{self.done[kind]:,} {said}" for kind, said in DONE.items() if self.done[kind])
        count = sum(self.done.values())
        said = f"{count:,} objects of bucket {bucket!r} put back" + (f" ({kinds})" if kinds else "")
        if self.failures:
            first = "; ".join(f"{f.key!r} {f.because} ({f.code})" for f in self.failures[:TOLD])
            more = f"; and {len(self.failures) - TOLD:,} more" if len(self.failures) > TOLD else ""
            said += f", {len(self.failures):,} failed: {first}{more}"
        return said + (f", {self.left:,} not begun, since time ran out or S3 asked to slow down" if self.left else "")


def restore(
    clients: AwsClients,
    call: Call,
    *,
    now: Callable[[], float] = time.monotonic,
    side_by_side: int = SIDE_BY_SIDE,
    cut: s3_copies.Cut = s3_copies.CUT,
) -> Outcome:
    """Makes the call. Refused when nothing was changed; Doubtful when some objects were put back and others not."""
    started = now()
    asked = Restoring.of(call)
    client = clients.bulk("s3", asked.region, connections=2 * side_by_side, read_s=READ_S)
    try:
        found = _missing(client, asked)
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", "Unknown"))
        return Refused(code=code, because=f"bucket {asked.bucket!r} was not read: {error}")
    except BotoCoreError as error:
        return Refused(code="Unreachable", because=f"bucket {asked.bucket!r} was not read: {error}")
    if isinstance(found, Refused):
        return found
    tally = _side_by_side(client, asked, found, started, now, side_by_side, cut)
    said = tally.sentence(asked.bucket)
    if not tally.failures and not tally.left:
        return Made(because=f"{said}; done when {call.until}")
    if not tally.done and tally.failures and not any(f.doubtful for f in tally.failures):
        return Refused(code=tally.failures[0].code, because=said)
    return Doubtful(because=said)


def _missing(client: Any, asked: Restoring) -> Sequence[Verdict] | Refused:
    """What is missing in the span now."""
    versioning = client.get_bucket_versioning(Bucket=asked.bucket).get("Status", "never enabled")
    if versioning != "Enabled":
        because = f"versioning of bucket {asked.bucket!r} is {versioning}: what is written now would overwrite for good"
        return Refused(code="VersioningNotEnabled", because=because)

    def page(markers: Mapping[str, str]) -> Mapping[str, Any]:
        listed: Mapping[str, Any] = client.list_object_versions(
            Bucket=asked.bucket, Prefix=asked.prefix, OptionalObjectAttributes=["RestoreStatus"], **markers
        )
        return listed

    span = read_span(page, asked.after, asked.aim, through=asked.through)
    if not isinstance(span, Span):
        raise TypeError(f"a page of bucket {asked.bucket!r} comes or raises; reading it gave {span!r}")
    return span.changes


def _side_by_side(
    client: Any,
    asked: Restoring,
    verdicts: Sequence[Verdict],
    started: float,
    now: Callable[[], float],
    side_by_side: int,
    cut: s3_copies.Cut,
) -> Tally:
    stop = Event()

    def one(verdict: Verdict) -> str | Failure | None:
        """The kind of what was done, '' when there was nothing to do, None when it was not begun."""
        if stop.is_set() or now() - started > BEGINS_WITHIN_S:
            return None
        try:
            return _change(client, asked, verdict, cut, stop)
        except ClientError as error:
            outcome = refusal("which", error)
            code = str(error.response.get("Error", {}).get("Code", "Unknown"))
            if code in _SLOW:
                stop.set()
            return Failure(verdict.key, code, outcome.because, isinstance(outcome, Doubtful))
        except s3_copies.NotCopiedError as error:
            return Failure(verdict.key, error.code, error.because, doubtful=False)
        except BotoCoreError as error:
            return Failure(verdict.key, type(error).__name__, f"was not answered: {str(error)[:120]}", doubtful=True)

    # Large objects one at a time, since their parts are side by side. Not as contexts: those would wait for whatever
    # is under way, and the call has an end.
    pool, alone = ThreadPoolExecutor(side_by_side, "s3-restore"), ThreadPoolExecutor(1, "s3-large")
    futures = {(alone if _large(v, cut) else pool).submit(one, v): v for v in verdicts}
    wait(futures, timeout=max(0.0, ENDS_WITHIN_S - (now() - started)))
    stop.set()
    for used in (pool, alone):
        used.shutdown(wait=False, cancel_futures=True)
    tally = Tally()
    for future, verdict in futures.items():
        _count(tally, future, verdict)
    return tally


def _large(verdict: Verdict, cut: s3_copies.Cut) -> bool:
    return verdict.kind == "copy" and verdict.wanted is not None and verdict.wanted.size > cut.above


def _count(tally: Tally, future: Future[str | Failure | None], verdict: Verdict) -> None:
    if future.cancelled():
        tally.left += 1
    elif not future.done():
        tally.failures.append(Failure(verdict.key, "Unanswered", "was under way when the call's time ended", True))
    else:
        match future.result():
            case None:
                tally.left += 1
            case Failure() as failure:
                tally.failures.append(failure)
            case "":
                pass
            case kind:
                tally.done[kind] += 1


def _change(client: Any, asked: Restoring, verdict: Verdict, cut: s3_copies.Cut, stop: Event) -> str:
    where = {"Bucket": asked.bucket, "Key": verdict.key}
    if verdict.doubtful and verdict.current is not None:
        head = client.head_object(**where, VersionId=verdict.current.version)
        verdict = cleared(verdict, head.get("Metadata"), asked.aim)
        if verdict.kind not in CHANGES:
            return ""
    match verdict.kind:
        case "copy":
            s3_copies.copy(client, asked.bucket, verdict, digests=asked.aim.digests, stop=stop, cut=cut)
        case "unmark":
            for marker in verdict.markers:  # as long as one is left, the key is as deleted as before
                client.delete_object(**where, VersionId=marker)
        case "remove" if verdict.current is not None:
            client.delete_object(**where, IfMatch=verdict.current.etag)
        case _:
            raise ValueError(f"{verdict.kind!r} is no change")
    return verdict.kind
