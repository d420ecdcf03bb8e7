"""Rules about node groups: what stands warm is a part of what a failover needs, as that is of the largest size."""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.policy.lint.finding import Flaw, Whole, error


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
