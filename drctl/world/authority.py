"""What the gate asks IAM before it lets a function's request through to a service where nobody else asks.

MiniStack, started with AUTH=true, runs functions as their roles and judges the services that it keeps, by action and
resource: DynamoDB, S3, Secrets Manager, SQS, Lambda, and SES with a mend. What never reaches it (RDS, EC2, EKS, ECR,
GuardDuty, ARC and Route 53's health checks are neighbours) it cannot judge; of CloudWatch it knows neither the alarms
that are named nor `cloudwatch:namespace`, of DynamoDB not `dynamodb:LeadingKeys`. Those are judged here, by what the
function's deployed role has. STS's GetCallerIdentity needs no permission.

Resources and condition keys: https://docs.aws.amazon.com/service-authorization/latest/reference/, the pages of Amazon
RDS, EC2, EKS, ECR, Route 53, Route 53 Recovery Cluster, CloudWatch and DynamoDB.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

from botocore.parsers import RpcV2CBORParser

from drctl.world import faults
from drctl.world.iam import Principal, Request
from drctl.world.wire import Asked

ACTIONS: Final = {"monitoring": "cloudwatch"}
"""Signing name → IAM's prefix, where they differ."""
QUERY_CODE: Final = "AccessDenied"
JSON_CODE: Final = "AccessDeniedException"
EC2_CODE: Final = "UnauthorizedOperation"
"""The codes of a denial, in XML, in JSON and of EC2:
https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/CommonErrors.html,
https://docs.aws.amazon.com/eks/latest/APIReference/CommonErrors.html,
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
"""
_EKS: Final = re.compile(r"/clusters/(?P<cluster>[^/?]+)(?:/node-groups/(?P<group>[^/?]+))?")
_CHECK: Final = re.compile(r"/2013-04-01/healthcheck/(?P<id>[^/?]+)")

Resources = Callable[[Asked, str, str, bytes], list[Request]]
"""`resources(asked, account, raw_path, body)`: all that must be allowed for the request to pass."""


@dataclass
class Authority:
    """Judges the requests of functions; `principals` are theirs by region and logical id, once they are deployed."""

    account: str
    principals: Mapping[tuple[str, str], Principal] = field(default_factory=dict)

    def refusal(self, asked: Asked, raw_path: str, body: bytes) -> faults.Wording | None:
        """The service's own answer to who may not; None for whoever may, and for an account's own keys."""
        judged = JUDGED.get(asked.service)
        if judged is None or re.fullmatch(r"\d{12}", asked.access_key):
            return None
        principal = self.principals.get((asked.function_region, asked.function))
        if principal is None:
            message = "The security token included in the request is invalid."
            return faults.word(asked, 403, "InvalidClientTokenId", message)
        code = QUERY_CODE if asked.protocol in ("query", "rest-xml") else JSON_CODE
        code = EC2_CODE if asked.protocol == "ec2" else code
        for request in judged(asked, self.account, raw_path, body):
            if denial := principal.denial(request):
                return faults.word(asked, 403, code, denial)
        return None


def _action(asked: Asked) -> str:
    return f"{ACTIONS.get(asked.service, asked.service)}:{asked.operation}"


def _rds(asked: Asked, account: str, raw_path: str, body: bytes) -> list[Request]:
    given = dict(parse_qsl(raw_path.partition("?")[2])) | dict(parse_qsl(body.decode("utf-8", "replace")))
    if asked.operation == "DescribeDBInstanceAutomatedBackups":
        return [Request(_action(asked))]
    if asked.operation == "RestoreDBInstanceToPointInTime":
        return _rds_restore(asked, account, given)
    # To describe all of them is asked of all of them.
    name = given.get("DBInstanceIdentifier") or "*"
    arn = name if name.startswith("arn:") else f"arn:aws:rds:{asked.region}:{account}:db:{name}"
    return [Request(_action(asked), arn)]


def _rds_restore(asked: Asked, account: str, given: Mapping[str, str]) -> list[Request]:
    """Of the source, of what is made, and of the groups that are named; its tags want a right of their own.

    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonrds.html
    """
    kinds = {
        "SourceDBInstanceIdentifier": "db",
        "TargetDBInstanceIdentifier": "db",
        "DBParameterGroupName": "pg",
        "DBSubnetGroupName": "subgrp",
    }
    scope = f"arn:aws:rds:{asked.region}:{account}"
    found = [Request(_action(asked), f"{scope}:{kind}:{given[name]}") for name, kind in kinds.items() if name in given]
    if any(name.startswith("Tags.") for name in given):
        found.append(Request("rds:AddTagsToResource", f"{scope}:db:{given.get('TargetDBInstanceIdentifier', '*')}"))
    return found


def _eks(asked: Asked, account: str, raw_path: str, body: bytes) -> list[Request]:
    del body
    found = _EKS.match(unquote(raw_path))
    if found is None:
        return [Request(_action(asked))]
    scope = f"arn:aws:eks:{asked.region}:{account}"
    if found["group"]:
        # The last part is an id that EKS gives; nothing but a wildcard can stand for it in a policy.
        return [Request(_action(asked), f"{scope}:nodegroup/{found['cluster']}/{found['group']}/0")]
    return [Request(_action(asked), f"{scope}:cluster/{found['cluster']}")]


def _route53(asked: Asked, account: str, raw_path: str, body: bytes) -> list[Request]:
    del account, body
    found = _CHECK.match(raw_path)
    return [Request(_action(asked), f"arn:aws:route53:::healthcheck/{found['id']}" if found else "*")]


def _cloudwatch(asked: Asked, account: str, raw_path: str, body: bytes) -> list[Request]:
    given = _given(asked, raw_path, body)
    match asked.operation:
        case "PutMetricData":
            namespace = given.get("Namespace")
            return [Request(_action(asked), "*", {"cloudwatch:namespace": namespace} if namespace else {})]
        case "DescribeAlarms" | "SetAlarmState" | "PutMetricAlarm" | "DeleteAlarms":
            names = given.get("AlarmNames") or [given.get("AlarmName", "*")]
            return [Request(_action(asked), f"arn:aws:cloudwatch:{asked.region}:{account}:alarm:{n}") for n in names]
        case _:
            return [Request(_action(asked))]


def _cbor(body: bytes) -> Any:
    return RpcV2CBORParser().parse_data_item(io.BufferedReader(io.BytesIO(body)))


def _given(asked: Asked, raw_path: str, body: bytes) -> Mapping[str, Any]:
    """The parameters, in whichever of CloudWatch's three protocols the client speaks."""
    if asked.protocol in ("cbor", "json"):
        read = _cbor if asked.protocol == "cbor" else json.loads
        found: Mapping[str, Any] = read(body) if body else {}
        return found
    pairs = parse_qsl(raw_path.partition("?")[2]) + parse_qsl(body.decode("utf-8", "replace"))
    names = [value for name, value in pairs if name.startswith("AlarmNames.member.")]
    return dict(pairs) | ({"AlarmNames": names} if names else {})


def _ec2(asked: Asked, account: str, raw_path: str, body: bytes) -> list[Request]:
    """Of each resource that the call must be allowed for; what lists knows none. A resource that the call makes, or
    that only EC2 knows (the subnet of an association), is asked of all of its kind.

    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html
    """
    given = dict(parse_qsl(raw_path.partition("?")[2])) | dict(parse_qsl(body.decode("utf-8", "replace")))
    scope, snapshots = f"arn:aws:ec2:{asked.region}:{account}", f"arn:aws:ec2:{asked.region}:"
    of = {
        "CreateNetworkAclEntry": [f"network-acl/{given.get('NetworkAclId')}"],
        "DeleteNetworkAclEntry": [f"network-acl/{given.get('NetworkAclId')}"],
        "ReplaceNetworkAclAssociation": [f"network-acl/{given.get('NetworkAclId')}", "subnet/*"],
        "DescribeInstanceAttribute": [f"instance/{given.get('InstanceId')}"],
        "ModifyInstanceAttribute": [f"instance/{given.get('InstanceId')}"],
        "ModifyNetworkInterfaceAttribute": [
            f"network-interface/{given.get('NetworkInterfaceId')}",
            *(f"security-group/{group}" for key, group in given.items() if key.startswith("SecurityGroupId.")),
        ],
        "CreateSnapshots": [f"instance/{given.get('InstanceSpecification.InstanceId')}", "volume/*"],
        "CreateTags": [f"{_kind_of(name)}/{name}" for key, name in given.items() if key.startswith("ResourceId.")],
    }
    found = [Request(_action(asked), f"{scope}:{name}") for name in of.get(asked.operation, ())]
    # A snapshot's ARN names no account.
    if asked.operation == "CreateSnapshots":
        found.append(Request(_action(asked), f"{snapshots}:snapshot/*"))
    if asked.operation == "LockSnapshot":
        found.append(Request(_action(asked), f"{snapshots}:snapshot/{given.get('SnapshotId')}"))
    if asked.operation == "CreateSnapshots" and any(key.startswith("TagSpecification.") for key in given):
        # Tags that are given with what is made want a right of their own.
        found.append(Request("ec2:CreateTags", f"{snapshots}:snapshot/*"))
    return found or [Request(_action(asked))]


def _kind_of(name: str) -> str:
    """The resource type of an id's prefix."""
    kinds = {"i": "instance", "eni": "network-interface", "vol": "volume", "snap": "snapshot", "sg": "security-group"}
    prefix = name.partition("-")[0]
    return kinds.get(prefix, prefix)


def _guardduty(asked: Asked, account: str, raw_path: str, body: bytes) -> list[Request]:
    """What lists and gets findings knows no resource."""
    del account, raw_path, body
    return [Request(_action(asked))]


def _ecr(asked: Asked, account: str, raw_path: str, body: bytes) -> list[Request]:
    del raw_path
    name = (json.loads(body) if body else {}).get("repositoryName", "*")
    return [Request(_action(asked), f"arn:aws:ecr:{asked.region}:{account}:repository/{name}")]


def _arc(asked: Asked, account: str, raw_path: str, body: bytes) -> list[Request]:
    """All routing controls that are to change, in one request; to list them knows no resource."""
    del account, raw_path
    given = json.loads(body) if body else {}
    rows = given.get("UpdateRoutingControlStateEntries") or [given]
    return [Request(_action(asked), row.get("RoutingControlArn", "*")) for row in rows]


def _dynamodb(asked: Asked, account: str, raw_path: str, body: bytes) -> list[Request]:
    """The operations on one item: by the partition key that it has, where it is the desk's; Terraform's table of locks
    has another. All others are MiniStack's to judge.
    """
    del raw_path
    if asked.operation not in ("GetItem", "PutItem", "UpdateItem", "DeleteItem"):
        return []
    given = json.loads(body)
    key = (given.get("Key") or given["Item"]).get("pk")
    table = given["TableName"]
    arn = table if table.startswith("arn:") else f"arn:aws:dynamodb:{asked.region}:{account}:table/{table}"
    return [Request(_action(asked), arn, {"dynamodb:LeadingKeys": tuple(key.values())} if key else {})]


JUDGED: Final[Mapping[str, Resources]] = {
    "rds": _rds,
    "ec2": _ec2,
    "guardduty": _guardduty,
    "eks": _eks,
    "ecr": _ecr,
    "route53": _route53,
    "route53-recovery-cluster": _arc,
    "monitoring": _cloudwatch,
    "dynamodb": _dynamodb,
}
