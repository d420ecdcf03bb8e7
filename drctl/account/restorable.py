"""The buckets that are put back as of a moment: that they keep what was overwritten, and for as long as is promised.

How long is read from the rules as readiness reads it (chalicelib/actions/keeping.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from chalicelib.account.replication import bucket_as_claimed
from chalicelib.account.verdicts import Claim, NotThere, Row, Subject
from chalicelib.actions.keeping import kept_days
from chalicelib.policy import Policy
from chalicelib.policy.backups import Restorable
from drctl.account.asking import Account


def restorable(policy: Policy, account: Account) -> Iterator[Row]:
    """Region, versioning and encryption of each, and how long its lifecycle keeps what is current no more."""
    for i, row in enumerate(policy.backups.restorable):
        subject = Subject(f"bucket {row.bucket}", f"backups.restorable[{i}]")
        seen = list(bucket_as_claimed(account, subject, row.bucket, row.region, row.encryption))
        yield from seen
        if any(r.what == "exists" for r in seen):
            continue
        rules = account.ask("s3", row.region, "get_bucket_lifecycle_configuration", Bucket=row.bucket)
        # Without a lifecycle everything is kept.
        yield from subject.claims({} if isinstance(rules, NotThere) else rules, tuple(_kept(policy, row)))


def _kept(policy: Policy, row: Restorable) -> Iterator[Claim]:
    """A claim a prefix. S3's days are real ones, whatever the speed is."""
    days = round(row.lifecycle_keeps.total_seconds() * policy.speed / 86400)
    enough = f"{days} days or more"
    for prefix in row.prefixes:

        def read(answer: Mapping[str, Any], prefix: str = prefix) -> str:
            shortest = kept_days(answer, prefix)
            return enough if shortest is None or shortest >= days else f"{shortest} days"

        yield Claim(f"versions below {prefix!r} are kept", enough, read)
