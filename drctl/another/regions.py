"""What is chosen for a platform when nobody names it: the witness, the health checkers' regions, the third cloud's.

Sources: botocore's endpoints for the regions of a partition;
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/multi-region-strong-consistency-gt.html for the sets of
regions that are strongly consistent together; https://learn.microsoft.com/azure/reliability/regions-list for Azure's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Final

import botocore.session

from chalicelib.policy.signals import CHECKER_REGIONS

PARTITION: Final = "aws"
"""The only partition: ARNs in the generated templates and IAM policies start with `arn:aws:`."""
SHAPE: Final = re.compile(r"([a-z]{2})-([a-z]+)-(\d)")
STRONG_TOGETHER: Final = (
    ("us-east-1", "us-east-2", "us-west-2"),
    ("eu-west-1", "eu-west-2", "eu-west-3", "eu-central-1"),
    ("ap-northeast-1", "ap-northeast-2", "ap-northeast-3"),
)
"""Regions that can hold one strongly consistent global table together: a witness from the same set keeps that open."""
DIRECTIONS: Final = {"north": "n", "south": "s", "east": "e", "west": "w", "central": "c"}
FEWEST_CHECKERS: Final = 3
"""The fewest that Route 53 takes: https://docs.aws.amazon.com/Route53/latest/APIReference/API_HealthCheckConfig.html."""


@dataclass(frozen=True, slots=True)
class CloudRegion:
    """A region of another cloud. `short` goes into names, as `use1` does for AWS's."""

    name: str
    display: str
    short: str


AZURE: Final = {
    "us": CloudRegion("centralus", "Azure Central US", "azcu"),
    "ca": CloudRegion("canadacentral", "Azure Canada Central", "azcc"),
    "mx": CloudRegion("centralus", "Azure Central US", "azcu"),
    "sa": CloudRegion("brazilsouth", "Azure Brazil South", "azbs"),
    "eu": CloudRegion("westeurope", "Azure West Europe", "azwe"),
    "me": CloudRegion("uaenorth", "Azure UAE North", "azun"),
    "il": CloudRegion("israelcentral", "Azure Israel Central", "azic"),
    "af": CloudRegion("southafricanorth", "Azure South Africa North", "azsn"),
    "ap": CloudRegion("southeastasia", "Azure Southeast Asia", "azse"),
}
"""One Azure region for the first part of an AWS region's name."""


class RegionUnknownError(Exception):
    """Regions that cannot be a platform's; the text names the option, what is allowed and what was found."""


@cache
def known() -> tuple[str, ...]:
    """Every region of the partition."""
    found: list[str] = botocore.session.get_session().get_available_regions("dynamodb", partition_name=PARTITION)
    return tuple(found)


def check(option: str, region: str) -> None:
    """RegionUnknownError when it is no region of the partition; `option` is named in the error."""
    if not SHAPE.fullmatch(region):
        raise RegionUnknownError(f"{option} is {region!r}; allowed: an AWS region like 'eu-west-1'")
    if region not in known():
        raise RegionUnknownError(
            f"{option} is {region!r}, which is no region of the partition {PARTITION!r}; allowed: {', '.join(known())}"
        )


def short(region: str) -> str:
    """`eu-west-1` → `euw1`, `ap-southeast-2` → `apse2`: what names of clusters are made with."""
    shape = SHAPE.fullmatch(region)
    if shape is None:
        raise RegionUnknownError(f"{region!r} is no AWS region like 'eu-west-1'")
    continent, direction, number = shape.groups()
    letters = "".join(DIRECTIONS[word] for word in re.findall("|".join(DIRECTIONS), direction))
    return f"{continent}{letters}{number}"


def witness(primary: str, standby: str) -> str:
    """A third region: of the set that is strongly consistent together when both are of one, else of the continent,
    else any.
    """
    together = [r for group in STRONG_TOGETHER if {primary, standby} <= set(group) for r in group]
    near = [r for r in known() if r.startswith(primary[:3])]
    return next(r for r in (*together, *near, *known()) if r not in (primary, standby))


def checkers(own: tuple[str, ...], count: int) -> tuple[str, ...]:
    """Where Route 53 asks from: the platform's own regions last, so that no checker is lost with what it asks."""
    return tuple(sorted(CHECKER_REGIONS, key=lambda region: region in own)[: max(count, FEWEST_CHECKERS)])


def azure(primary: str) -> CloudRegion:
    """The third cloud's region, on the primary's continent."""
    return AZURE.get(primary[:2], AZURE["ap"])
