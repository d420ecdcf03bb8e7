"""The words of the two calls that keep evidence under Object Lock: the action writes them, who makes them reads them.

Rules. A call names what is kept and where it goes, never the content: logs are found again when it is made, and so is
what a cluster holds, so that no book carries it. A name is the incident's own and creating it twice creates a version
more and takes none away. The lock's end is reckoned from the incident's opening, so that every worker says the same.
Nothing here may say how to delete, or how to shorten a lock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, cast

from chalicelib.core.outcome import Call
from chalicelib.policy.containment import Evidence

KEEP_LOGS: Final = "keep_logs_as_evidence"
KEEP_OBJECTS: Final = "keep_objects_as_evidence"
"""No operations of boto3's, but several of them."""
AT_A_TIME: Final = 50
"""So many logs are copied by one call, one after another."""
HELD: Final = ("v1 pods", "v1 events", "v1 configmaps", "apps/v1 deployments", "networking.k8s.io/v1 networkpolicies")
"""What is kept of a namespace. Secrets are left where they are: evidence is read by many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """A place for evidence, and the lock that is asked for with each object."""

    bucket: str
    region: str
    mode: str
    until: datetime
    kms_key: str

    @classmethod
    def of(cls, evidence: Evidence, opened_at: datetime) -> Locked:
        """Policy's bucket, locked for so many days from the incident's opening on."""
        until = opened_at.replace(microsecond=0) + timedelta(days=evidence.lock.days)
        return cls(
            bucket=evidence.bucket,
            region=evidence.region,
            mode=evidence.lock.mode,
            until=until,
            kms_key=evidence.kms_key or "",
        )

    def words(self) -> Mapping[str, str]:
        """As they stand in a call."""
        return {"To": self.bucket, "Mode": self.mode, "Until": self.until.isoformat(), "Key": self.kms_key}

    @classmethod
    def read(cls, call: Call) -> Locked:
        """From a call; KeyError or ValueError when it is none of these."""
        params = cast("Mapping[str, str]", call.params)
        until = datetime.fromisoformat(params["Until"])
        return cls(bucket=params["To"], region=call.region, mode=params["Mode"], until=until, kms_key=params["Key"])


def keep_logs(locked: Locked, *, bucket: str, region: str, folder: str, keys: tuple[str, ...]) -> Call:
    """Copies these keys, in their order, from a bucket of logs into a folder of the evidence."""
    params = {**locked.words(), "From": bucket, "FromRegion": region, "Folder": folder, "Keys": list(keys)}
    until = f"they stand below {folder} in {locked.bucket!r}, locked until {locked.until:%Y-%m-%d}"
    return _call(locked, KEEP_LOGS, params, until)


def keep_objects(locked: Locked, *, cluster: str, namespace: str, name: str) -> Call:
    """Writes what a namespace of a cluster holds, as one document."""
    params = {**locked.words(), "Cluster": cluster, "Namespace": namespace, "Name": name}
    until = f"{name} stands in {locked.bucket!r}, locked until {locked.until:%Y-%m-%d}"
    return _call(locked, KEEP_OBJECTS, params, until)


def _call(locked: Locked, operation: str, params: Mapping[str, object], until: str) -> Call:
    return Call(
        system="aws",
        service="s3",
        region=locked.region,
        operation=operation,
        params=params,
        until=until,
        # What is locked cannot be taken away again; that it is there does no harm.
        reversible=True,
        timeout=timedelta(seconds=12),
    )
