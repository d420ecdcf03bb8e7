"""AWS on the wire: a stand-in's methods answer as an AWS service, in its own protocol, from botocore's description.

A service is any object whose methods are operations under boto3's names (`describe_db_instances`); it takes and gives
botocore's parameters and output as plain dicts, and refuses with `AwsError`. A method of a service that has regions
takes `(region, account, params)`, one of a global service takes `(params)`.

Requests are read, routed and answers written by moto.core, the server side of botocore's own clients; parameters
are checked by botocore's validator. What is added here is the scope, the refusals, and an aiohttp app; clients whose
HTTP never leaves the process are made in aws_clients.py.

Region and account are those of the signature's scope: an access key of twelve digits is the account, as in MiniStack,
any other is of the account that the model was given. The signature itself is not verified. Sources:
- *protocols*: smithy.io/2.0/aws/protocols (query, ec2, json, rest)
- *common*: docs.aws.amazon.com/AmazonRDS/latest/APIReference/CommonErrors.html, and the page of that name of
  EC2, EKS and Route 53 (InvalidAction, MissingParameter, MissingAuthenticationToken, ValidationError)
"""

from __future__ import annotations

import asyncio
import inspect
import json
import re
import uuid
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import cache
from typing import Any, Final, NamedTuple

from aiohttp import web
from botocore import xform_name
from botocore.loaders import Loader
from botocore.utils import parse_timestamp
from botocore.validate import ParamValidator
from moto.core.model import OperationModel, ServiceModel
from moto.core.parse import PROTOCOL_PARSERS, RequestParserError
from moto.core.request import Request, determine_request_protocol
from moto.core.routing import ServiceOperationRouter
from moto.core.serialize import SerializationContext, get_serializer_class
from multidict import CIMultiDict
from werkzeug.exceptions import HTTPException

DEFAULT_ACCOUNT: Final = "000000000000"
"""The account of an access key that is not twelve digits, unless the model is given another; as in MiniStack."""
SETTLES_EVERY: Final = 0.25
"""Seconds between two looks for what has fallen due."""
TURN: Final = web.AppKey("turn", asyncio.Lock)
SEEN: Final = 1000
"""How many requests `seen` remembers."""
COMMON_ERRORS: Final = {
    "AccessDenied": 403,
    "AccessDeniedException": 403,
    "InternalFailure": 500,
    "InternalServerError": 500,
    "InvalidAction": 400,
    "InvalidParameterCombination": 400,
    "InvalidParameterValue": 400,
    "MalformedInput": 400,
    "MissingAuthenticationToken": 403,
    "MissingParameter": 400,
    "NotImplemented": 501,
    "ServiceUnavailable": 503,
    "Throttling": 400,
    "ThrottlingException": 400,
    "UnknownOperationException": 404,
    "ValidationError": 400,
    "ValidationException": 400,
}
"""*common*: what a service answers without its description saying so, and with which status."""

_SCOPE: Final = re.compile(r"(?P<key>[^/=\s]+)(?:/|%2F)\d{8}(?:/|%2F)(?P<region>[^/%]+)(?:/|%2F)(?P<name>[^/%]+)")


class AwsError(Exception):
    """A refusal: the service's code, a sentence, and the HTTP status where it is not the one of the description.
    `members` are the further members of the error's shape (EKS: `clusterName`).
    """

    def __init__(self, code: str, message: str, status: int | None = None, /, **members: Any) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        vars(self).update(members)


class Answer(NamedTuple):
    """What goes back over HTTP."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Scope:
    """Who asks, where: from the signature."""

    region: str
    account: str
    signing_name: str


class Aws:
    """The model: services by boto3's name (`rds`, `eks`), reached as over HTTP. No I/O of its own."""

    def __init__(
        self,
        services: Mapping[str, object],
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        account: str = DEFAULT_ACCOUNT,
    ) -> None:
        self.services = dict(services)
        self.account = account
        self.clock = clock
        self._seen: deque[dict[str, Any]] = deque(maxlen=SEEN)
        self._faults: list[tuple[AwsError, bool]] = []

    def settle(self) -> None:
        """Has every service that has a `settle` do what has fallen due, though nobody asks it."""
        for service in self.services.values():
            due = getattr(service, "settle", None)
            if due is not None:
                due()

    def fail_next(
        self, n: int, code: str = "InternalFailure", status: int = 500, *, after_effect: bool = False
    ) -> None:
        """Answers the next `n` requests with this error; with `after_effect` the operation happens all the same."""
        self._faults = [(AwsError(code, "fault set by fail_next", status), after_effect)] * n

    def seen(self) -> list[dict[str, Any]]:
        """The last requests, oldest first: `{at, region, account, service, operation, params, status, code}`."""
        return list(self._seen)

    def request(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """One HTTP request; `url` is absolute. Nothing is raised: a refusal is an answer in the service's protocol."""
        asked = CIMultiDict(headers)
        scope = read_scope(url, asked, self.account)
        if scope is None:
            return _plain("MissingAuthenticationToken", "Missing Authentication Token", 403)
        service = next((s for s in self.services if scope.signing_name == _model(s).signing_name), None)
        if service is None:
            kept = ", ".join(sorted(self.services))
            return _plain("UnknownService", f"service {scope.signing_name!r} is not kept here; these are: {kept}", 400)
        call = _Call(service, scope, Request.from_primitives(method, url, asked, body))
        answer = self._answer(call)
        # RFC 9110, 6.6.1: whole seconds, in GMT.
        date = format_datetime(self.clock().astimezone(UTC), usegmt=True)
        answer = answer._replace(headers={**answer.headers, "Date": date})
        self._seen.append(
            {
                "at": self.clock().isoformat(),
                "region": scope.region,
                "account": scope.account,
                "service": service,
                "operation": call.operation.name if call.operation else "",
                "params": call.params,
                "status": answer.status,
                "code": call.refused,
            }
        )
        return answer

    def _answer(self, call: _Call) -> Answer:
        fault, after_effect = self._faults.pop() if self._faults else (None, False)
        if fault is not None and not after_effect:
            return call.refuse(fault)
        try:
            result = call.perform(self.services[call.service])
        except AwsError as refusal:
            return call.refuse(refusal)
        return call.refuse(fault) if fault is not None else call.write(result)


class _Call:
    """One request on its way through its service's protocol."""

    def __init__(self, service: str, scope: Scope, request: Request) -> None:
        self.service = service
        self.scope = scope
        self.model = _model(service)
        self.http = request
        self.request_id = str(uuid.uuid4())
        self.operation: OperationModel | None = None
        self.params: dict[str, Any] = {}
        self.refused = ""
        self.protocol = str(self.model.protocol)

    def perform(self, kept: object) -> Any:
        """What the service's method gives, or AwsError."""
        operation, in_path = self._routed()
        self.operation = operation
        self.params = self._read(operation, in_path)
        self._check(operation)
        method = getattr(kept, xform_name(operation.name), None)
        if method is None:
            raise AwsError("NotImplemented", f"this stand-in of {self.service} keeps no {operation.name}", 501)
        if len(inspect.signature(method).parameters) == 1:
            return method(self.params)
        return method(self.scope.region, self.scope.account, self.params)

    def refuse(self, refusal: AwsError) -> Answer:
        self.refused = refusal.code
        return self.write(refusal, refusal.status)

    def write(self, result: Any, status: int | None = None) -> Answer:
        """An output or an AwsError in the protocol's form; `status` goes before the one of the description."""
        # A refusal before an operation was found is written by none in particular.
        operation = self.operation or OperationModel({}, self.model, "Unknown")
        serializer = get_serializer_class(self.service, self.protocol)
        raw = serializer(operation, SerializationContext(self.request_id)).serialize(result)
        body = raw["body"]
        headers = {**raw["headers"], "x-amzn-RequestId": self.request_id}
        found = status or raw["status_code"]
        return Answer(found, headers, body.encode() if isinstance(body, str) else body)

    def _routed(self) -> tuple[OperationModel, dict[str, Any]]:
        try:
            self.protocol = determine_request_protocol(self.model, self.http.content_type)
            return _router(self.service).match(self.http)
        except (HTTPException, NotImplementedError) as error:
            asked = self.http.values.get("Action") or self.http.headers.get("X-Amz-Target")
            named = asked or f"{self.http.method} {self.http.path}"
            if self.protocol in ("query", "ec2"):
                said = f"The action {named} is not valid for this web service."
                raise AwsError("InvalidAction", said) from error
            raise AwsError("UnknownOperationException", f"{named} is no operation of {self.service}") from error

    def _read(self, operation: OperationModel, in_path: dict[str, Any]) -> dict[str, Any]:
        parser = PROTOCOL_PARSERS[self.protocol](operation, timestamp_parser=parse_timestamp)
        try:
            parsed = parser.parse(
                {
                    "method": self.http.method,
                    "values": self.http.values,
                    "headers": self.http.headers,
                    "body": self.http.get_data(),
                    "url_path": self.http.path,
                    "url_params": in_path,
                }
            )
        except RequestParserError as error:
            raise AwsError("MalformedInput", str(error)) from error
        except (ValueError, TypeError, AttributeError) as error:
            raise AwsError(self._invalid(), f"{operation.name}: the request cannot be read: {error}") from error
        return dict(parsed)

    def _check(self, operation: OperationModel) -> None:
        shape = operation.input_shape
        if shape is None:
            return
        missing = next((name for name in shape.required_members if name not in self.params), None)
        if missing is not None and self.protocol in ("query", "ec2"):
            raise AwsError("MissingParameter", f"The request must contain the parameter {missing}.")
        report = ParamValidator().validate(self.params, shape)
        if report.has_errors():
            raise AwsError(self._invalid(), report.generate_report())

    def _invalid(self) -> str:
        """The code for bad parameters: the service's own where its description has one, else the protocol's."""
        own = next((c for c in ("InvalidParameterException", "InvalidInput") if c in self.model.shape_names), None)
        if self.protocol in ("query", "ec2"):
            return "ValidationError" if self.protocol == "query" else "InvalidParameterValue"
        return own or "ValidationException"


def read_scope(url: str, headers: Mapping[str, str], account: str = DEFAULT_ACCOUNT) -> Scope | None:
    """The signature's scope, from the Authorization header or the query of a presigned URL; None without one.
    `account` is that of a key which is no account itself.
    """
    found = _SCOPE.search(headers.get("Authorization", "")) or _SCOPE.search(url.partition("X-Amz-Credential")[2])
    if found is None:
        return None
    key = found["key"]
    return Scope(found["region"], key if re.fullmatch(r"\d{12}", key) else account, found["name"])


@cache
def _model(service: str) -> ServiceModel:
    """The service's description, with the errors that all services share added to its own."""
    described = Loader().load_service_model(service, "service-2")
    for code, status in COMMON_ERRORS.items():
        error = {"code": code, "httpStatusCode": status, "senderFault": status < 500}
        members = {"message": {"shape": "CommonErrorMessage"}} if "json" in described["metadata"]["protocol"] else {}
        shape = {"type": "structure", "members": members, "exception": True, "error": error}
        described["shapes"].setdefault(code, shape)
    described["shapes"]["CommonErrorMessage"] = {"type": "string"}
    return ServiceModel(described, service)


@cache
def _router(service: str) -> ServiceOperationRouter:
    return ServiceOperationRouter(_model(service))


def _plain(code: str, message: str, status: int) -> Answer:
    """The answer to a request that belongs to no service, so to no protocol."""
    body = json.dumps({"__type": code, "message": message}).encode()
    headers = {"Content-Type": "application/json", "X-Amzn-Errortype": code, "x-amzn-RequestId": str(uuid.uuid4())}
    return Answer(status, headers, body)


def make_app(services: Mapping[str, object] | Aws) -> web.Application:
    """All services behind one address, `GET /_seen`, and `POST /_fail?count=&code=&status=&after_effect=`.

    Methods may take a moment (a real database is promoted), so they run beside the event loop, one at a time. Whoever
    else touches a service while the app is up takes its turn: `async with app[TURN]: await asyncio.to_thread(…)`.
    """
    aws = services if isinstance(services, Aws) else Aws(services)
    app = web.Application()
    app[TURN] = turn = asyncio.Lock()

    async def settling() -> None:
        while True:
            async with turn:
                await asyncio.to_thread(aws.settle)
            await asyncio.sleep(SETTLES_EVERY)

    async def settled(_app: web.Application) -> AsyncIterator[None]:
        task = asyncio.create_task(settling())
        yield
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    async def operation(request: web.Request) -> web.Response:
        url = f"http://{request.host}{request.raw_path}"
        body = await request.read()
        async with turn:
            answer = await asyncio.to_thread(aws.request, request.method, url, request.headers, body)
        return web.Response(status=answer.status, headers=answer.headers, body=answer.body)

    async def seen(_request: web.Request) -> web.Response:
        return web.json_response(aws.seen(), dumps=lambda found: json.dumps(found, default=str))

    async def fail(request: web.Request) -> web.Response:
        query = request.query
        aws.fail_next(
            int(query.get("count", "1")),
            query.get("code", "InternalFailure"),
            int(query.get("status", "500")),
            after_effect=query.get("after_effect") == "true",
        )
        return web.json_response({"ok": True})

    app.cleanup_ctx.append(settled)
    app.router.add_get("/_seen", seen)
    app.router.add_post("/_fail", fail)
    app.router.add_route("*", "/{rest:.*}", operation)
    return app
