"""Rules about node groups: what stands warm or is reserved is a part of what a failover needs, as that is of the
largest size, and what is reserved is where the group can use it and where readiness can look at it.
"""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.policy.base import show_duration
from chalicelib.policy.lint.finding import Flaw, Whole, error, repeats


def node_group_sizes_rise(whole: Whole) -> Iterator[Flaw]:
    """Warm, failover, largest: EKS refuses a desired size over the maximum, and nobody can stand warm beyond it."""
    clusters = whole.policy.platform.clusters
    for place, cluster in (("primary", clusters.primary), ("standby", clusters.standby)):
        group = cluster.node_group
        if group is None:
            continue
        sizes = {"warm_size": group.warm_size, "failover_size": group.failover_size, "max_size": group.max_size}
        for (lower, fewer), (upper, more) in zip(list(sizes.items())[:-1], list(sizes.items())[1:], strict=True):
            if fewer > more:
                yield error(
                    *("platform", "clusters", place, "node_group", lower),
                    allowed=f"at most {upper}, which is {more}",
                    found=fewer,
                    because=f"node group {group.name!r} would need more nodes than {upper} gives it",
                )


def reserved_is_usable(whole: Whole) -> Iterator[Flaw]:
    """Of what is reserved elsewhere, twice, or beyond what tier 1 takes a failover has nothing. Readiness asks EC2 of
    the standby's region in one account, the replica's (chalicelib/policy/accounts.py).
    """
    platform, rounds = whole.policy.platform, whole.policy.readiness.stale_after
    for place, cluster in (("primary", platform.clusters.primary), ("standby", platform.clusters.standby)):
        group = cluster.node_group
        if group is None or group.reserved is None:
            continue
        reserved, path = group.reserved, ("platform", "clusters", place, "node_group", "reserved")
        if place == "primary":
            yield error(
                *path,
                allowed="reserved for the standby's node group alone",
                found=reserved.instance_type,
                because="tier 1 runs in the primary already: nobody looks at what is reserved there",
            )
            continue
        if reserved.count > group.warm_size:
            yield error(
                *(*path, "zones"),
                allowed=f"at most warm_size of {group.name!r}, which is {group.warm_size}",
                found=reserved.count,
                because="reserved is what carries tier 1 and does not run; more is paid for and counted nowhere",
            )
        for i, zone in enumerate(reserved.zones):
            if zone.zone[:-1] != cluster.region:
                yield error(
                    *(*path, "zones", i, "zone"),
                    allowed=f"a zone of {cluster.region}, where {cluster.name!r} is",
                    found=zone.zone,
                    because="a node starts in a zone of its cluster's region, and takes nothing that is kept elsewhere",
                )
        for i, first, name in repeats(zone.zone for zone in reserved.zones):
            yield error(
                *(*path, "zones", i, "zone"),
                allowed="a zone that no other row has",
                found=name,
                because=f"{name!r} already is zones[{first}]; one row has all that is reserved there",
            )
        if reserved.margin < rounds:
            yield error(
                *(*path, "margin"),
                allowed=f"at least two rounds of readiness, {show_duration(rounds)}",
                found=reserved.margin,
                because="a reservation would end before anybody was told",
            )
        if (cluster.account or None) != (platform.database.replica.account or None):
            yield error(
                *path,
                allowed="a cluster in the account of the replica",
                found=cluster.account or "the responder's own account",
                because=f"EC2 in {cluster.region} is asked in the replica's account, which does not have them",
            )
