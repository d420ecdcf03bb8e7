"""One IAM policy a function: exactly the reads and calls that its actions declare, the store's, the channels'.

Action names are the operation's own (https://docs.aws.amazon.com/service-authorization/latest/reference/); where the
service's prefix differs from its boto3 name it stands in `PREFIXES`. `*` as a resource only where the API knows none.
What stands in another account is granted to that account's role and not to the function, which may assume it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Final

import botocore.session
from botocore import xform_name

from chalicelib import names
from chalicelib.account.promises import READS as PROMISED
from chalicelib.actions.contract import Action, AwsOp
from chalicelib.actions.registry import ACTIONS, AIRGAP
from chalicelib.actions.rights import kube_rights, used
from chalicelib.agents.declared import QUEUES, SYNTHETIC
from chalicelib.core.airgap_calls import COPY_SPAN, WRITE_MANIFEST
from chalicelib.policy import Policy
from chalicelib.policy.accounts import Account, holder, named_by
from chalicelib.policy.notifications import EmailChannel, PagerDutyChannel, SlackChannel
from chalicelib.readiness.registry import READS
from chalicelib.store.rounds import FAMILY
from drctl.deployment.words import lists, words

KEEPER: Final = "airgap"
AUDITS: Final = "backups"
"""The function that compares what stands with policy."""
PREFIXES: Final = {"sesv2": "ses", "cloudwatch": "cloudwatch", "service-quotas": "servicequotas"}
TABLE: Final = ("arn:aws:dynamodb:{standby}:{account}:table/{table}",)
STORE: Final = tuple(
    AwsOp(service="dynamodb", operation=operation, resources=TABLE)
    for operation in ("get_item", "put_item", "update_item", "delete_item", "query")
)
CLUSTER: Final = ("arn:aws:eks:{standby}:{account}:cluster/{cluster}",)
# What the executor, the reader and the channels need beside what actions declare.
COMMON: Final = (
    AwsOp(service="eks", operation="describe_cluster", resources=CLUSTER),
    AwsOp(service="s3", operation="put_object", resources=("arn:aws:s3:::{status_bucket}/*",)),
    # The probe wakes the desk when it has seen something.
    AwsOp(
        service="lambda",
        operation="invoke",
        resources=("arn:aws:lambda:{standby}:{account}:function:{wake}",),
        iam=("lambda:InvokeFunction",),
    ),
    AwsOp(service="sqs", operation="send_message", resources=("arn:aws:sqs:{standby}:{account}:{failed_queue}",)),
)
PRIMARY_CLUSTER: Final = AwsOp(
    service="eks",
    operation="describe_cluster",
    resources=("arn:aws:eks:{primary}:{account}:cluster/{primary_cluster}",),
    where="primary",
)


# Lambda makes a function's network interfaces in the role's name: AWSLambdaVPCAccessExecutionRole's, less its logs.
INTERFACES: Final = (
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
)


def targets(policy: Policy, op: AwsOp) -> tuple[str, ...]:
    """What an operation is aimed at, each without the front of its ARN: `table/locks`, `bucket/key`; empty for `*`."""
    filled, many = words(policy), lists(policy)
    whole = (r for named in op.resources for r in many.get(named, (named,)) if r != "*")
    return tuple(r.format(**filled).split(":", 5)[-1] for r in whole)


def declared(policy: Policy, known: Mapping[str, Action] = ACTIONS) -> tuple[AwsOp, ...]:
    """What the actions declare that a runbook uses; of the traffic switch only what the kind in policy needs."""
    kinds = {None, policy.platform.traffic.switch.kind, *(("metric",) if policy.drills.test_record else ())}
    ops = (op for action in used(policy, known) for op in (*action.reads, *action.calls))
    return tuple(op for op in ops if isinstance(op, AwsOp) and op.switch in kinds)


def operations(policy: Policy, known: Mapping[str, Action] = ACTIONS) -> tuple[AwsOp, ...]:
    """Every AWS operation that the functions may come to."""
    primary = (PRIMARY_CLUSTER,) if kube_rights(policy, "primary", known) else ()
    ring = (SYNTHETIC,) if policy.readiness.synthetic else ()
    common = (*STORE, *COMMON, *primary, _alarms(), *ring)
    return (*common, *_channel_operations(policy), *declared(policy, known), *assumed(policy))


# The page that operators read is put by whoever judges, into a bucket that nobody else of the functions comes to.
OPERATORS_PAGE: Final = AwsOp(
    service="s3", operation="put_object", resources=("arn:aws:s3:::{operators_bucket}/{readiness_page}",)
)
LOOKS: Final = (
    # The book says which region serves; the report lies beside it. A round is told by the inbox, and by no other way.
    AwsOp(service="dynamodb", operation="get_item", resources=TABLE, items=("desk", FAMILY)),
    AwsOp(service="dynamodb", operation="put_item", resources=TABLE, items=("inbox", FAMILY)),
    *(op for op in COMMON if op.service in ("eks", "lambda", "sqs")),
)


def looking(policy: Policy) -> tuple[AwsOp, ...]:
    """What the function that judges readiness comes to: reads, its own report, the inbox, and waking the desk. It looks
    at runbooks' steps, and the air gap's actions are in none.
    """
    kind = policy.platform.traffic.switch.kind
    reads = (op for action in used(policy) if action.name not in AIRGAP for op in action.reads)
    aws = (op for op in (*reads, *READS) if isinstance(op, AwsOp) and op.switch in (None, kind))
    page = (OPERATORS_PAGE,) if policy.platform.responder.operators_bucket else ()
    return (*LOOKS, *page, PRIMARY_CLUSTER, *aws, *assumed(policy, writes=False))


def of_function(policy: Policy, function: str) -> tuple[AwsOp, ...]:
    """What one function may come to. All that work the desk come to the same; they look at vaults and create nothing
    there; the probe also feels the pulse. The keeper of copies creates there, and can do nothing else to the platform
    than start a dump. The one that judges readiness looks.
    """
    if function == names.READINESS:
        return looking(policy)
    if function != KEEPER:
        promised = tuple(op for op in PROMISED if isinstance(op, AwsOp)) if function == AUDITS else ()
        pulse = QUEUES if function == names.PROBE else ()
        return (*(op for op in operations(policy) if op.batch not in (COPY_SPAN, WRITE_MANIFEST)), *promised, *pulse)
    actions = [ACTIONS[name] for name in AIRGAP] if policy.backups.airgap else []
    its = [op for action in actions for op in (*action.reads, *action.calls) if isinstance(op, AwsOp)]
    failed = [op for op in COMMON if op.service in ("eks", "sqs")]
    return (*STORE, *failed, *its, *assumed(policy))


def assumed(policy: Policy, *, writes: bool = True) -> tuple[AwsOp, ...]:
    """AssumeRole on exactly the roles that policy names, or on those for looking; nothing where everything is in one
    account.
    """
    reading = (row.role_for(writes=False) for row in policy.platform.accounts)
    roles = tuple(r for row in policy.platform.accounts for r in roles_of(row)) if writes else tuple(reading)
    return (AwsOp(service="sts", operation="assume_role", resources=roles),) if roles else ()


def roles_of(account: Account) -> tuple[str, ...]:
    """The ARNs of an account's roles, once each."""
    return tuple(dict.fromkeys(account.role_for(writes=writes) for writes in (False, True)))


Condition = tuple[str, str, str | tuple[str, ...]]
"""IAM's operator, key and value."""
Grants = Mapping[tuple[tuple[str, ...], Condition | None], set[str]]
"""(resources, condition) → IAM actions."""


def grants(policy: Policy, ops: Iterable[AwsOp], account: Account | None = None) -> Grants:
    """What of these operations is granted in an account: the responder's own, unless one is given."""
    filled, found = words(policy), defaultdict[tuple[tuple[str, ...], Condition | None], set[str]](set)
    for op in ops:
        # Where policy has none of what an operation is for, a statement without a resource would be none.
        if resources := tuple(r for r, held_by in _resources(policy, op, filled) if held_by == account):
            found[resources, _condition(policy, op, filled)].update(op.iam or (iam_action(op.service, op.operation),))
    return found


def _condition(policy: Policy, op: AwsOp, filled: Mapping[str, str]) -> Condition | None:
    if op.items:
        # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
        keys = tuple(f"{policy.platform.name}#{family}" for family in op.items)
        return "ForAllValues:StringEquals", "dynamodb:LeadingKeys", keys
    return ("StringEquals", op.condition[0], op.condition[1].format(**filled)) if op.condition else None


def _resources(policy: Policy, op: AwsOp, filled: Mapping[str, str]) -> Iterable[tuple[str, Account | None]]:
    """Each resource of an operation, with the account that holds it; None for the responder's own."""
    many = lists(policy)
    for resource in (r for named in op.resources for r in many.get(named, (named,))):
        service, region, name = named_by(resource.format(**filled))
        if not service:  # `*`: the operation says which service and region it goes to
            service, region = op.service, filled[op.where]
        account = holder(policy.platform, service, region, name)
        there = {**filled, "account": account.id} if account else filled
        yield resource.format(**there), account


def _alarms() -> AwsOp:
    """DescribeAlarms is asked of the regions that alarms stand in, the primary too: bounded, and off the path."""
    return AwsOp(service="cloudwatch", operation="describe_alarms", resources=("{alarms}",))


def _channel_operations(policy: Policy) -> Iterable[AwsOp]:
    for channel in policy.notifications.channels:
        match channel:
            case PagerDutyChannel(secret=secret) | SlackChannel(secret=secret):
                arn = f"arn:aws:secretsmanager:{{standby}}:{{account}}:secret:{secret}-??????"
                yield AwsOp(service="secretsmanager", operation="get_secret_value", resources=(arn,))
            case EmailChannel(sender=sender):
                domain = sender.rpartition("@")[2]
                arns = tuple(f"arn:aws:ses:{{standby}}:{{account}}:identity/{who}" for who in (sender, domain))
                yield AwsOp(service="sesv2", operation="send_email", resources=arns)
            case _:
                pass


def document(policy: Policy, function: str) -> dict[str, Any]:
    """The IAM policy document of one function."""
    filled = words(policy)
    region, account = filled["standby"], filled["account"]
    group = f"arn:aws:logs:{region}:{account}:log-group:/aws/lambda/{names.function(policy, function)}"
    statements = [
        {"Effect": "Allow", "Action": ["logs:CreateLogGroup"], "Resource": [group]},
        {"Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Resource": [f"{group}:*"]},
    ]
    statements += statements_of(grants(policy, of_function(policy, function)))
    if policy.platform.responder.network:
        statements.append({"Effect": "Allow", "Action": list(INTERFACES), "Resource": ["*"]})
    return {"Version": "2012-10-17", "Statement": statements}


def statements_of(granted: Grants) -> list[dict[str, Any]]:
    """As IAM's JSON, in an order that does not change."""
    found = []
    for (resources, condition), actions in sorted(granted.items(), key=lambda g: sorted(g[1])):
        statement: dict[str, Any] = {"Effect": "Allow", "Action": sorted(actions), "Resource": sorted(resources)}
        if condition:
            operator, key, value = condition
            statement["Condition"] = {operator: {key: list(value) if isinstance(value, tuple) else value}}
        found.append(statement)
    return found


def iam_action(service: str, operation: str) -> str:
    """`rds`, `promote_read_replica` → `rds:PromoteReadReplica`; KeyError when the service has no such operation."""
    return f"{PREFIXES.get(service, service)}:{_operations(service)[operation]}"


@cache
def _operations(service: str) -> Mapping[str, str]:
    model = botocore.session.get_session().get_service_model(service)
    return {xform_name(name): name for name in model.operation_names}
