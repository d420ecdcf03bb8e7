"""What an action says after it looked: done, wait, one call that is missing, or stuck.

Rules. An action's `next` is pure and says *one* thing. A `Call` is data: the dry run, the text a person
approves, `observe` mode, IAM permissions and the crash points all read the same one. Names and tokens in it are
deterministic, so that making it twice is harmless; how one knows that it was done stands in `until`.
Never put a client, a function or a time of day into a call.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, Literal

HIDDEN: Final = frozenset({"body", "SecretString", "LifecycleConfiguration", "Body"})
"""Parameters that are whole documents, or secret: `because` and `until` say what they are for."""
System = Literal["aws", "kubernetes", "postgres", "cloudflare", "channel"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call that changes something.

    aws: `service` and `operation` are boto3's (`rds`, `promote_read_replica`), `params` its keyword arguments.
    kubernetes: `service` is the cluster's name, `operation` is `create|patch|delete <apiVersion> <plural>`,
    `params` holds `namespace`, `name`, `body`.
    cloudflare: `service` is the zone, `operation` is `create|patch dns_records`, `params` holds `record` and `body`.
    postgres: `service` is the host, `operation` names the statement, `params` its arguments.
    """

    system: System
    service: str
    region: str
    operation: str
    params: Mapping[str, Any] = field(default_factory=dict)
    until: str
    reversible: bool
    timeout: timedelta = timedelta(seconds=6)

    def sentence(self) -> str:
        """`aws rds promote_read_replica in us-west-2 (DBInstanceIdentifier=pg-west)`: what a person reads."""
        shown = ", ".join(f"{k}={v}" for k, v in self.params.items() if k not in HIDDEN)
        return f"{self.system} {self.service} {self.operation} in {self.region}" + (f" ({shown})" if shown else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """Nothing is missing. `facts` is kept on the step for the report (strings and numbers only)."""

    because: str
    facts: Mapping[str, str | float] = field(default_factory=dict)
    kind: Literal["done"] = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Somebody else is at work; look again after `again_in` (real time; the desk scales it by the speed)."""

    because: str
    again_in: timedelta
    facts: Mapping[str, str | float] = field(default_factory=dict)
    kind: Literal["wait"] = "wait"


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One call is missing. `facts` is what the gates judge it by."""

    because: str
    call: Call
    facts: Mapping[str, str | float] = field(default_factory=dict)
    kind: Literal["act"] = "act"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stuck:
    """Only a person can mend this. It is looked at again after `again_in`, since people do mend things."""

    because: str
    again_in: timedelta = timedelta(seconds=30)
    facts: Mapping[str, str | float] = field(default_factory=dict)
    kind: Literal["stuck"] = "stuck"


Next = Done | Wait | Act | Stuck
"""What an action's `next` answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoData:
    """A look that brought no answer, and why. Never "down", never "fenced", never an empty result."""

    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A call was answered with success."""

    because: str
    kind: Literal["made"] = "made"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A call was answered with a refusal: it had no effect. `code` is the service's own error code."""

    code: str
    because: str
    kind: Literal["refused"] = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubtful:
    """A call was not answered: it may have had its effect. The next look finds out."""

    because: str
    kind: Literal["doubtful"] = "doubtful"


Outcome = Made | Refused | Doubtful
"""What became of a call."""
