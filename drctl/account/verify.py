"""All comparisons, in the order in which a person reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from chalicelib.account import replication
from chalicelib.account.verdicts import Row
from chalicelib.policy import Policy
from drctl.account import alarms, data, deployed, restorable, traffic
from drctl.account.asking import Account

Compare = Callable[[Policy, Account], Iterator[Row]]
COMPARISONS: Final[tuple[Compare, ...]] = (
    deployed.identity,
    data.database,
    deployed.clusters,
    replication.replications,
    restorable.restorable,
    traffic.traffic,
    alarms.alarms,
    alarms.topics,
    data.secrets,
    deployed.mail,
    data.table,
    deployed.functions,
)


def verify(policy: Policy, account: Account) -> tuple[Row, ...]:
    """A row for every claim."""
    return tuple(row for compare in COMPARISONS for row in compare(policy, account))
