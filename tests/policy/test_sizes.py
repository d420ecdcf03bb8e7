from __future__ import annotations

import pytest

from tests.policy.broken import Broken

STANDBY = (
    "name: neurectomy-usw2\n    region: us-west-2\n    node_group: { name: workers, failover_size: 6, max_size: 12 }"
)


@pytest.mark.parametrize(
    ("sizes", "field", "found", "allowed"),
    [
        ("warm_size: 7, failover_size: 6, max_size: 12", "warm_size", "7", "at most failover_size, which is 6"),
        ("failover_size: 13, max_size: 12", "failover_size", "13", "at most max_size, which is 12"),
    ],
)
def test_what_stands_warm_is_a_part_of_what_a_failover_needs(
    broken: Broken, sizes: str, field: str, found: str, allowed: str
) -> None:
    broken.edit("platform", STANDBY, STANDBY.replace("failover_size: 6, max_size: 12", sizes))
    broken.says(
        "node-group-sizes-rise",
        f"platform.yaml clusters.standby.node_group.{field}",
        at=18,
        found=found,
        allowed=allowed,
        because="node group 'workers' would need more nodes",
    )
