"""Heartbeats and the lease: small items beside the desk's book, overwritten by whoever they speak of.

`pk` is `<platform>#beats`; `sk` says whose it is. Times are whole milliseconds since 1970, UTC. Nobody's decision is
made by writing one: they are observations, and the desk reads them through its reader like everything else.

- `primary`: the primary's agent. `at`, its newest row's `n` and `written_at`, and `write`: what its last attempt to
  write to the database met (`ok`; `refused` with the SQLSTATE; `silent`, nobody answered), since when, and why.
- `replica`: the newest of those rows that the replica had replayed when it was looked at: `n`, `written_at`, `at`.
- `standby`: the standby's agent, while the standby's database is the one that takes writes; as `primary`.
- `witness`: the control heartbeat of a third region, `at`.
- `tick`: when the responder's newest tick began, `at`: who reads it knows that the clock ran and the table took.
- `integrity`: what the primary's agent found in the database's content: `good_at`, when every check last found it
  whole; `bad_at`, when one first did not after that (0 while all is well), and `because`; `at`, when it last asked.
- `lease`: the primary may take writes until `until`; `revoked_at` when the responder took it back, `given_up_at` when
  the primary has fenced itself and says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

Who = Literal["primary", "replica", "standby", "witness", "lease", "integrity", "tick"]
Value = str | int


@dataclass(frozen=True, slots=True)
class Beat:
    """One item as it was read; empty when nobody ever wrote it."""

    values: Mapping[str, Value]

    def moment(self, name: str) -> datetime | None:
        """A time of it, aware UTC."""
        found = self.values.get(name)
        return datetime.fromtimestamp(found / 1000, UTC) if isinstance(found, int) else None

    def number(self, name: str) -> int | None:
        """A number of it."""
        found = self.values.get(name)
        return found if isinstance(found, int) else None

    def text(self, name: str) -> str:
        """A text of it, '' when it has none."""
        found = self.values.get(name)
        return found if isinstance(found, str) else ""


def key(platform: str, who: Who) -> dict[str, Any]:
    """The item's key, as DynamoDB takes it."""
    return {"pk": {"S": f"{platform}#beats"}, "sk": {"S": who}}


def parse(answer: Mapping[str, Any]) -> Beat:
    """GetItem's answer."""
    item = {k: v for k, v in answer.get("Item", {}).items() if k not in ("pk", "sk")}
    return Beat({k: int(v["N"]) if "N" in v else str(v["S"]) for k, v in item.items()})


def millis(at: datetime) -> int:
    """As times are kept here."""
    return int(at.timestamp() * 1000)


def forget(names: Sequence[str]) -> dict[str, Any]:
    """UpdateItem's parameters that take these attributes away, whether they are there or not."""
    return {
        "UpdateExpression": "REMOVE " + ", ".join(f"#{name}" for name in names),
        "ExpressionAttributeNames": {f"#{name}": name for name in names},
    }


def update(values: Mapping[str, Value]) -> dict[str, Any]:
    """UpdateItem's parameters that set these attributes and leave the others."""
    return {
        "UpdateExpression": "SET " + ", ".join(f"#{name} = :{name}" for name in values),
        "ExpressionAttributeNames": {f"#{name}": name for name in values},
        "ExpressionAttributeValues": {
            f":{name}": {"N": str(v)} if isinstance(v, int) else {"S": v} for name, v in values.items()
        },
    }
