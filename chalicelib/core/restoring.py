"""The words of one call that puts a span of a bucket back, written by the action and read by whoever carries it out.

Rules. A call names the span and the moment, never the objects: those are found from the bucket again when it is made,
by the same judgement, so that a call that was made twice, late or half has less to do and nothing to undo. All of it is
text, so that a person can read it and the book can keep it. Times are whole seconds in UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, cast

from chalicelib.core.outcome import Call
from chalicelib.core.versions import Aim

RESTORE: Final = "restore_span"
"""The operation of the call; no operation of boto3's, but many of them."""
TAKES: Final = timedelta(seconds=25)
"""How long a call may take. A shift has less than a minute and begins only what fits into the rest of it, so with this
several follow one another.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restoring:
    """A span of a bucket below a prefix: after the key `after` ('' the first) through the key `through`."""

    bucket: str
    region: str
    prefix: str
    aim: Aim
    after: str
    through: str

    def call(self, until: str) -> Call:
        """As a call."""
        return Call(
            system="aws",
            service="s3",
            region=self.region,
            operation=RESTORE,
            params={
                "Bucket": self.bucket,
                "Prefix": self.prefix,
                "AsOf": written(self.aim.as_of),
                "Begun": written(self.aim.begun),
                "Newer": self.aim.newer,
                "Encryption": "SSE-S3" if self.aim.digests else "SSE-KMS",
                "After": self.after,
                "Through": self.through,
            },
            until=until,
            # No version is deleted: what is put back can be put back from in its turn.
            reversible=True,
            timeout=TAKES,
        )

    @classmethod
    def of(cls, call: Call) -> Restoring:
        """From a call; KeyError or ValueError when it is not one of these."""
        params = cast("Mapping[str, str]", call.params)
        newer = params["Newer"]
        if newer not in ("keep", "remove"):
            raise ValueError(f"Newer is {newer!r}, allowed are keep and remove")
        aim = Aim(
            as_of=datetime.fromisoformat(params["AsOf"]),
            begun=datetime.fromisoformat(params["Begun"]),
            newer=cast("Literal['keep', 'remove']", newer),
            digests=params["Encryption"] == "SSE-S3",
        )
        return cls(
            bucket=params["Bucket"],
            region=call.region,
            prefix=params["Prefix"],
            aim=aim,
            after=params["After"],
            through=params["Through"],
        )


def written(moment: datetime) -> str:
    """`2026-11-24T03:00:00Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment_of(text: str) -> datetime:
    """A moment as a person writes it, in UTC. ValueError says what is allowed and what was found."""
    allowed = "a date and a time with its offset, in whole seconds, like 2026-11-24T03:00:00Z"
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no moment; allowed: {allowed}") from None
    if found.tzinfo is None:
        raise ValueError(f"{text!r} does not say in which time zone it is; allowed: {allowed}")
    if found.microsecond:
        raise ValueError(f"{text!r} has a part of a second, and S3 stamps versions in whole ones; allowed: {allowed}")
    return found.astimezone(UTC)
