"""The switch that falls back: an object in the standby region's bucket, watched by an inverted check.

While the object is there, Route 53's checkers get 200 and the inverted check is unhealthy: the failover. Whatever takes
the object away, its deletion or S3's absence, sends everyone back: so deletion is denied to all but the responder, and
the primary's ingress is closed. Sources: https://aws.amazon.com/blogs/networking-and-content-delivery/
creating-disaster-recovery-mechanisms-using-amazon-route-53/ ("standby takes over primary"),
https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html (keys in order, strongly consistent).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from chalicelib.actions.contract import AwsOp, Op, Reader
from chalicelib.actions.switches.stand import Position, Side
from chalicelib.core.outcome import Act, Call, Done, NoData, Refused
from chalicelib.policy.platform import ObjectSwitch

# A HEAD answers 404 for a bucket that is not there too; a listing tells the two apart.
READS: Final[tuple[Op, ...]] = (
    AwsOp(
        service="s3",
        operation="list_objects_v2",
        resources=("arn:aws:s3:::{switch_bucket}",),
        iam=("s3:ListBucket",),
        switch="object",
    ),
)
OBJECT: Final = ("arn:aws:s3:::{switch_bucket}/{switch_key}",)
CALLS: Final[tuple[Op, ...]] = (
    AwsOp(service="s3", operation="put_object", resources=OBJECT, switch="object"),
    AwsOp(service="s3", operation="delete_object", resources=OBJECT, switch="object"),
)


@dataclass(frozen=True, slots=True)
class Presence:
    """Whether the object is there."""

    there: bool


def look(switch: ObjectSwitch, reader: Reader) -> Presence | Refused | NoData:
    """The key itself comes first among those that begin with it."""
    found = reader.aws("s3", switch.region, "list_objects_v2", Bucket=switch.bucket, Prefix=switch.key, MaxKeys=1)
    if not isinstance(found, Mapping):
        return found
    return Presence(any(row["Key"] == switch.key for row in found.get("Contents") or ()))


def stands(switch: ObjectSwitch, presence: Presence) -> Position:
    """There is no third state: what the checkers make of it is asked of the name servers."""
    name = f"s3://{switch.bucket}/{switch.key}"
    if presence.there:
        return Position(at="standby", because=f"the object {name} is there")
    return Position(at="primary", because=f"there is no object {name}")


def missing(switch: ObjectSwitch, to: Side, presence: Presence) -> Done | Act:
    """The object, or its absence."""
    found = stands(switch, presence)
    if found.at == to:
        return Done(because=found.because)
    named: dict[str, Any] = {"Bucket": switch.bucket, "Key": switch.key}
    writes = to == "standby"
    call = Call(
        system="aws",
        service="s3",
        region=switch.region,
        operation="put_object" if writes else "delete_object",
        params=named | ({"Body": "the standby has the traffic\n", "ContentType": "text/plain"} if writes else {}),
        until=f"the object s3://{switch.bucket}/{switch.key} is {'there' if writes else 'gone'}",
        reversible=True,
    )
    return Act(because=f"{found.because}, and traffic is to go to the {to}", call=call)
