"""What a drill's steps aim at in place of what people use: names that only a drill has.

Namespaces of copies have fixed names, not one a drill: Kubernetes grants `delete` by name only, never by a pattern
(https://kubernetes.io/docs/reference/access-authn-authz/rbac/#referring-to-resources), and whoever could delete any
namespace could delete the platform. One drill runs at a time, and one that finds such a namespace there before it has
begun does not take it for its own. IAM knows patterns, so the throw-away instance is named after its drill.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from chalicelib.actions.contract import AwsOp, Reader, Target
from chalicelib.actions.places import namespace_of
from chalicelib.actions.restored import DESCRIBE_PRIMARY, TAG, USABLE, Absent, base_of, instance, tags
from chalicelib.core.outcome import NoData, Refused
from chalicelib.core.rehearsal import COPY, DRILL
from chalicelib.policy import Policy
from chalicelib.policy.drills import TestRecord
from chalicelib.policy.services import Service

NAMESPACE: Final = "drill-"
"""What stands before the namespace that a copy is of; a namespace's name has at most 63 characters."""
ROOM: Final = "clean-"
"""What stands before the namespace that a clean room's is of."""
CLEAN_ROOM: Final = "clean"
"""`copy: clean` in a step's parameters: aim at the clean room and at nothing else."""
THROWN_AWAY: Final = "-drill-"
"""Between the primary's name and the drill's token."""
DRILL_ONES: Final = f"arn:aws:rds:{{primary}}:{{account}}:db:{{restored_instances}}{THROWN_AWAY}*"
DESCRIBE_DRILLED: Final = AwsOp(
    service="rds",
    operation="describe_db_instances",
    resources=(*DESCRIBE_PRIMARY.resources, DRILL_ONES),
    where="primary",
)


def is_copy(target: Target) -> bool:
    """Whether the step is a drill's."""
    return target.params.get(COPY) == DRILL


def is_clean(target: Target) -> bool:
    """Whether the step is aimed at the clean room."""
    return target.params.get(COPY) == CLEAN_ROOM


def cleaned(namespace: str) -> str:
    """`clean-ml`."""
    return f"{ROOM}{namespace}"[:63].rstrip("-")


def room_namespaces(policy: Policy) -> tuple[str, ...]:
    """Every namespace that a clean room may have, in order."""
    rows = (s for s in policy.services.in_order() if s.kind == "workload")
    return tuple(dict.fromkeys(cleaned(namespace_of(s)) for s in rows))


def namespace_in(target: Target, service: Service) -> str:
    """Where the step's service stands: its own namespace, or its copy's."""
    return copied(namespace_of(service)) if is_copy(target) else namespace_of(service)


def copied(namespace: str) -> str:
    """`drill-ml`."""
    return f"{NAMESPACE}{namespace}"[:63].rstrip("-")


def drill_namespaces(policy: Policy) -> tuple[str, ...]:
    """Every namespace that a drill may make, in order."""
    rows = (s for s in policy.services.in_order() if s.kind == "workload" and not policy.drills.without(s.name))
    return tuple(dict.fromkeys(copied(namespace_of(s)) for s in rows))


def throw_away(policy: Policy, target: Target) -> str:
    """`acme-pg-drill-3f9a0c1b2d`: the same for every worker of the drill."""
    return f"{base_of(policy)}{THROWN_AWAY}{hashlib.sha256(target.incident.encode()).hexdigest()[:10]}"


def thrown(target: Target, policy: Policy, reader: Reader) -> tuple[str, int] | Refused | NoData:
    """Where the drill's throw-away instance listens."""
    name = throw_away(policy, target)
    found: Mapping[str, Any] | Absent | Refused | NoData = instance(policy, reader, name)
    if isinstance(found, Absent):
        return Refused(code="NotRestored", because=f"there is no instance {name!r}: it must be restored first")
    if not isinstance(found, Mapping):
        return found
    if tags(found).get(TAG) != target.incident:
        return Refused(code="NotOurs", because=f"instance {name!r} was not made by {target.incident}")
    endpoint = found.get("Endpoint") or {}
    if found["DBInstanceStatus"] not in USABLE or not endpoint.get("Address"):
        return NoData(because=f"instance {name!r} is {found['DBInstanceStatus']!r}, expected 'available'")
    return str(endpoint["Address"]), int(endpoint["Port"])


def the_test_record(policy: Policy) -> TestRecord:
    """The record that nobody uses; KeyError where policy names none."""
    if policy.drills.test_record is None:
        raise KeyError("drills.yaml names no test_record")
    return policy.drills.test_record
