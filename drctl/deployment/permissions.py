"""One IAM policy a function: exactly the reads and calls that its actions declare, the store's, the channels'.

Action names are the operation's own (https://docs.aws.amazon.com/service-authorization/latest/reference/); where the
service's prefix differs from its boto3 name it stands in `PREFIXES`. `*` as a resource only where the API knows none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Final

import botocore.session
from botocore import xform_name

from chalicelib import names
from chalicelib.actions.contract import Action, AwsOp
from chalicelib.actions.registry import ACTIONS
from chalicelib.actions.rights import kube_rights
from chalicelib.policy import Policy
from chalicelib.policy.notifications import EmailChannel, PagerDutyChannel, SlackChannel
from chalicelib.policy.platform import ArcSwitch, MetricSwitch, ObjectSwitch

PREFIXES: Final = {"sesv2": "ses", "cloudwatch": "cloudwatch"}
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


def words(policy: Policy) -> dict[str, str]:
    """What may stand in braces in an `AwsOp`'s resources and condition."""
    platform = policy.platform
    switch = platform.traffic.switch
    standby = platform.clusters.standby
    found = {
        "standby": platform.regions.standby,
        "primary": platform.regions.primary,
        "account": platform.account,
        "replica": platform.database.replica.instance,
        "cluster": standby.name,
        "primary_cluster": platform.clusters.primary.name,
        "node_group": standby.node_group.name if standby.node_group else "",
        "application_secret": platform.application_secret.name,
        "credentials_secret": platform.database.credentials_secret,
        "table": platform.responder.table,
        "status_bucket": platform.responder.status_bucket,
        "failed_queue": f"{names.app(policy)}-failed",
        "wake": names.function(policy, "wake"),
    }
    match switch:
        case MetricSwitch():
            found |= {"switch_alarm": switch.alarm, "switch_namespace": switch.namespace}
        case ObjectSwitch():
            found |= {"switch_bucket": switch.bucket, "switch_key": switch.key}
        case ArcSwitch():
            found |= {"primary_control": switch.primary_control, "standby_control": switch.standby_control}
    return found


def declared(policy: Policy, known: Mapping[str, Action] = ACTIONS) -> tuple[AwsOp, ...]:
    """What actions declare; of the traffic switch only what the kind in policy needs."""
    kind = policy.platform.traffic.switch.kind
    ops = (op for action in known.values() for op in (*action.reads, *action.calls))
    return tuple(op for op in ops if isinstance(op, AwsOp) and op.switch in (None, kind))


def operations(policy: Policy, known: Mapping[str, Action] = ACTIONS) -> tuple[AwsOp, ...]:
    """Every AWS operation that a function may come to. All work the desk, so they come to the same."""
    primary = (PRIMARY_CLUSTER,) if kube_rights(policy, "primary", known) else ()
    common = (*STORE, *COMMON, *primary, _alarms(policy))
    return (*common, *_channel_operations(policy), *declared(policy, known))


def _alarms(policy: Policy) -> AwsOp:
    """DescribeAlarms is asked of the regions that alarms stand in, the primary too: bounded, and off the path."""
    regions = (*names.alarm_regions(policy), policy.platform.regions.standby)
    resources = tuple(f"arn:aws:cloudwatch:{region}:{{account}}:alarm:*" for region in dict.fromkeys(regions))
    return AwsOp(service="cloudwatch", operation="describe_alarms", resources=resources)


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
    grants: dict[tuple[tuple[str, ...], tuple[str, str] | None], set[str]] = defaultdict(set)
    for op in operations(policy):
        resources = tuple(resource.format(**filled) for resource in op.resources)
        condition = (op.condition[0], op.condition[1].format(**filled)) if op.condition else None
        grants[(resources, condition)].update(op.iam or (iam_action(op.service, op.operation),))
    region, account = filled["standby"], filled["account"]
    group = f"arn:aws:logs:{region}:{account}:log-group:/aws/lambda/{names.function(policy, function)}"
    statements = [
        {"Effect": "Allow", "Action": ["logs:CreateLogGroup"], "Resource": [group]},
        {"Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Resource": [f"{group}:*"]},
    ]
    for (resources, condition), actions in sorted(grants.items(), key=lambda g: sorted(g[1])):
        statement: dict[str, Any] = {"Effect": "Allow", "Action": sorted(actions), "Resource": sorted(resources)}
        if condition:
            statement["Condition"] = {"StringEquals": {condition[0]: condition[1]}}
        statements.append(statement)
    if policy.platform.responder.network:
        statements.append({"Effect": "Allow", "Action": list(INTERFACES), "Resource": ["*"]})
    return {"Version": "2012-10-17", "Statement": statements}


def iam_action(service: str, operation: str) -> str:
    """`rds`, `promote_read_replica` → `rds:PromoteReadReplica`; KeyError when the service has no such operation."""
    return f"{PREFIXES.get(service, service)}:{_operations(service)[operation]}"


@cache
def _operations(service: str) -> Mapping[str, str]:
    model = botocore.session.get_session().get_service_model(service)
    return {xform_name(name): name for name in model.operation_names}
