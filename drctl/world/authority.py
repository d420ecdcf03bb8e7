"""What the gate asks IAM before it lets a function's request through to a service where nobody else asks.

MiniStack, started with AUTH=true, runs functions as their roles and judges the services that it keeps, by action and
resource: DynamoDB, S3, Secrets Manager, SQS, and SES with a mend. What never reaches it (RDS, EKS and Route 53's health
checks are neighbours) it cannot judge, and of CloudWatch it knows neither the alarms that are named nor
`cloudwatch:namespace`. Those are judged here, by what the function's deployed role has.

Resources and condition keys: https://docs.aws.amazon.com/service-authorization/latest/reference/, the pages of Amazon
RDS, Amazon EKS, Amazon Route 53 and Amazon CloudWatch.
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
"""The codes of a denial, in XML and in JSON:
https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/CommonErrors.html,
https://docs.aws.amazon.com/eks/latest/APIReference/CommonErrors.html
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
        code = QUERY_CODE if asked.protocol in ("query", "ec2", "rest-xml") else JSON_CODE
        for request in judged(asked, self.account, raw_path, body):
            if denial := principal.denial(request):
                return faults.word(asked, 403, code, denial)
        return None


def _action(asked: Asked) -> str:
    return f"{ACTIONS.get(asked.service, asked.service)}:{asked.operation}"


def _rds(asked: Asked, account: str, raw_path: str, body: bytes) -> list[Request]:
    given = dict(parse_qsl(raw_path.partition("?")[2])) | dict(parse_qsl(body.decode("utf-8", "replace")))
    # To describe all of them is asked of all of them.
    name = given.get("DBInstanceIdentifier") or "*"
    arn = name if name.startswith("arn:") else f"arn:aws:rds:{asked.region}:{account}:db:{name}"
    return [Request(_action(asked), arn)]


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


JUDGED: Final[Mapping[str, Resources]] = {"rds": _rds, "eks": _eks, "route53": _route53, "monitoring": _cloudwatch}
