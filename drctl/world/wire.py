"""What a request is: its region, service and operation, read from what is sent over the wire.

Every AWS request is signed with a scope `access key/date/region/service/aws4_request`, in the Authorization
header or in the query
(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html). The operation is
in `X-Amz-Target` (json), in the path (rpc-v2-cbor, rest) or in the form field `Action` (query); for rest
services it is found in botocore's own description of the service, so nothing has to be listed here. IAM and
Route 53 have their control planes in us-east-1, whatever region a client that was given an endpoint signs with
(https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/global-services.html): losing
that region loses them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal
from urllib.parse import parse_qs, parse_qsl, unquote

from botocore.exceptions import UnknownServiceError
from botocore.loaders import Loader

Protocol = Literal["json", "query", "rest-json", "rest-xml", "ec2", "cbor"]

MODELS = {
    "monitoring": "cloudwatch",
    "ses": "sesv2",
    "email": "sesv2",
    "elasticloadbalancing": "elbv2",
    "execute-api": "apigatewaymanagementapi",
    "states": "stepfunctions",
}
"""Signing names that are not the name of botocore's description."""

HOMES = {"iam": "us-east-1", "route53": "us-east-1", "organizations": "us-east-1", "cloudfront": "us-east-1"}
"""Where a global service's control plane stands."""

_SCOPE = re.compile(r"(?P<key>[^/=\s]+)/\d{8}/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request")
_CBOR_PATH = re.compile(r"/service/[^/]+/operation/(?P<operation>\w+)$")
_FUNCTION = re.compile(r"(?:^|\s)app/(?P<region>[a-z]+-[a-z]+-\d)\.(?P<name>\S+)")


@dataclass(frozen=True, slots=True)
class Asked:
    """One request. `function` and `function_region` tell which Lambda function sent it, if one of ours did:
    its deployment names it in the SDK's user agent (`AWS_SDK_UA_APP_ID`, see deploy.py).
    """

    region: str
    service: str
    operation: str
    protocol: Protocol
    access_key: str = ""
    function: str = ""
    function_region: str = ""


def read(method: str, raw_path: str, headers: Mapping[str, str], body: bytes) -> Asked:
    """Reads a request. `raw_path` is path and query as sent. One that is not signed is of service and region
    'unknown'.
    """
    path, _, query = raw_path.partition("?")
    asked = {k: v[0] for k, v in parse_qs(query, keep_blank_values=True).items()}
    scope = _SCOPE.search(headers.get("Authorization", "")) or _SCOPE.search(asked.get("X-Amz-Credential", ""))
    sender = _FUNCTION.search(headers.get("User-Agent", ""))
    function = {"function": sender["name"], "function_region": sender["region"]} if sender else {}
    if scope is None:
        return Asked("unknown", "unknown", f"{method} {path}", "rest-json", **function)
    service = scope["service"]
    operation, protocol = _operation(service, method, _told(path), asked, headers, body)
    return Asked(HOMES.get(service, scope["region"]), service, operation, protocol, scope["key"], **function)


def _told(path: str) -> str:
    """The path as it is meant. A slash within one of its parts, as an ARN's, is sent as %2F and stays one part."""
    return unquote(re.sub("%2f", "%252F", path, flags=re.IGNORECASE))


def _operation(
    service: str, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes
) -> tuple[str, Protocol]:
    if target := headers.get("X-Amz-Target"):
        return target.rpartition(".")[2], "json"
    if found := _CBOR_PATH.search(path):
        return found["operation"], "cbor"
    if (action := query.get("Action")) or "x-www-form-urlencoded" in headers.get("Content-Type", ""):
        form = dict(parse_qsl(body.decode("utf-8", "replace")))
        if action := action or form.get("Action"):
            return action, "ec2" if service == "ec2" else "query"
    rest = _rest(service)
    for route in rest.routes:
        if route.method == method and route.path.fullmatch(path) and route.query_fits(query):
            return _told_apart(service, route.operation, query, headers), rest.protocol
    return f"{method} {path}", rest.protocol


def _told_apart(service: str, operation: str, query: Mapping[str, str], headers: Mapping[str, str]) -> str:
    """S3 has operations that only a header or an optional query parameter tells apart."""
    if service != "s3":
        return operation
    names = {name.lower() for name in headers}
    match operation:
        case "PutObject" | "CopyObject" | "UploadPart" | "UploadPartCopy":
            copied = "x-amz-copy-source" in names
            if "uploadId" in query:
                return "UploadPartCopy" if copied else "UploadPart"
            return "CopyObject" if copied else "PutObject"
        case "DeleteObject" | "AbortMultipartUpload":
            return "AbortMultipartUpload" if "uploadId" in query else "DeleteObject"
        case "GetObject" | "ListParts":
            return "ListParts" if "uploadId" in query else "GetObject"
        case _:
            return operation


@dataclass(frozen=True, slots=True)
class Route:
    operation: str
    method: str
    path: re.Pattern[str]
    literal: Mapping[str, str]

    def query_fits(self, query: Mapping[str, str]) -> bool:
        return all(name in query and value in ("", query[name]) for name, value in self.literal.items())


@dataclass(frozen=True, slots=True)
class Rest:
    protocol: Protocol
    routes: tuple[Route, ...]


@cache
def _rest(service: str) -> Rest:
    """A rest service's operations, the most particular first; none for one that botocore does not know. Of two with
    one address, it is not the deprecated one that is asked for.
    """
    try:
        model: dict[str, Any] = Loader().load_service_model(MODELS.get(service, service), "service-2")
    except UnknownServiceError:
        return Rest("rest-json", ())
    protocol: Protocol = "rest-xml" if model["metadata"].get("protocol") == "rest-xml" else "rest-json"
    routes = []
    for name, described in sorted(model["operations"].items(), key=lambda row: bool(row[1].get("deprecated"))):
        path, _, query = described["http"]["requestUri"].partition("?")
        # `{Key+}` takes slashes, `{Bucket}` does not; a trailing slash is optional, as it is to S3.
        pattern = re.sub(r"\\{\w+\\\+\\}", "(?P<_>.+)", re.escape(path), count=1).replace("(?P<_>.+)", ".+")
        pattern = re.sub(r"\\{[\w-]+\\}", "[^/]+", pattern.rstrip("/"))
        routes.append(
            Route(name, described["http"]["method"], re.compile(pattern + "/?"), dict(parse_qsl(query, True)))
        )
    routes.sort(
        key=lambda route: (-len(route.literal), route.path.pattern.count("[^/]+") + route.path.pattern.count(".+"))
    )
    return Rest(protocol, tuple(routes))
