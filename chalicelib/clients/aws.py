"""boto3 clients with explicit timeouts, and AWS failures as outcomes, translated here by error code and nowhere else.

Clients that read may try twice; clients that write try once, because what a lost answer did is found out by looking.
What a call names decides which account it is made in (policy/accounts.py); another than the responder's own is entered
by its role, and silence of STS is silence of whatever lies behind it: NoData to a look, Doubtful to a change.
Codes: https://docs.aws.amazon.com/awssupport/latest/user/CommonErrors.html (EC2 and RDS have the same families).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from threading import Lock
from types import MappingProxyType
from typing import Any, Final

import boto3
import botocore
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ParamValidationError,
)

from chalicelib.clients.roles import Keys, Roles
from chalicelib.core.outcome import Doubtful, Made, NoData, Outcome, Refused
from chalicelib.policy.accounts import Account, holder, named
from chalicelib.policy.platform import Platform

CONNECT_S: Final = 2
READ_S: Final = 4
WRITE_S: Final = 5
READ_ONLY: Final = ("describe_", "get_", "list_", "head_")

# Said before anything was done: nothing changed, and trying again later may work.
_NOT_NOW: Final = frozenset(
    {
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "Throttled",
        "RequestThrottled",
        "RequestThrottledException",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "BandwidthLimitExceeded",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "SlowDown",
        "PriorRequestNotComplete",
        "EC2ThrottledException",
    }
)
# Said after something may have been done.
_BROKEN: Final = frozenset(
    {
        "InternalFailure",
        "InternalError",
        "InternalServerError",
        "InternalServiceError",
        "InternalServerException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServerException",
        "InternalServiceFault",
        "InternalServiceException",
    }
)


@dataclass(frozen=True, slots=True)
class Others:
    """The other accounts of a platform, and how their roles are assumed."""

    platform: Platform
    roles: Roles


class AwsClients:
    """Clients by service and region, made once. `session` is for tests that bring their own.

    `endpoints` are the addresses of services that have one of their own for each customer, by service and region
    (any_endpoint.py). Such a client tries once even to read: another endpoint is the second try. `others` is given
    where policy names other accounts; without it every call is made in the responder's own.
    """

    def __init__(
        self,
        session: Any = None,
        *,
        endpoints: Mapping[tuple[str, str], str] = MappingProxyType({}),
        others: Others | None = None,
    ) -> None:
        self._session = session or boto3.session.Session()
        self._endpoints = endpoints
        self._others = others
        self._made: dict[tuple[str, str, bool], Any] = {}
        self._elsewhere: dict[tuple[str, str, bool, str], tuple[Keys, Any]] = {}
        self._bulk: dict[tuple[str, str], Any] = {}
        self._lock = Lock()

    @property
    def session(self) -> Any:
        """The boto3 session, for signing."""
        return self._session

    def reading(self, service: str, region: str) -> Any:
        """A client for looking, in the responder's own account."""
        return self._client(service, region, writes=False)

    def writing(self, service: str, region: str) -> Any:
        """A client for changing, in the responder's own account: one attempt."""
        return self._client(service, region, writes=True)

    def for_call(self, service: str, region: str, params: Mapping[str, Any], *, writes: bool) -> Any | Refused | NoData:
        """A client in the account that holds what the call names; NoData when its role could not be asked for."""
        account = holder(self._others.platform, service, region, named(service, params)) if self._others else None
        if self._others is None or account is None:
            return self._client(service, region, writes=writes)
        keys = self._others.roles.keys(self._session, account, writes=writes)
        return self._as_role(service, region, account, keys, writes=writes) if isinstance(keys, Keys) else keys

    def bulk(self, service: str, region: str, *, connections: int, read_s: int) -> Any:
        """A client for many changes side by side, one attempt each; the first who asks says how many and how long."""
        with self._lock:
            if (service, region) not in self._bulk:
                config = Config(
                    connect_timeout=CONNECT_S,
                    read_timeout=read_s,
                    max_pool_connections=connections,
                    retries={"total_max_attempts": 1, "mode": "standard"},
                    s3={"addressing_style": "path"},
                )
                self._bulk[service, region] = self._session.client(service, region_name=region, config=config)
            return self._bulk[service, region]

    def _client(self, service: str, region: str, *, writes: bool) -> Any:
        key = (service, region, writes)
        with self._lock:  # making clients from one session is not safe side by side
            if key not in self._made:
                own = self._endpoints.get((service, region))
                where = {"endpoint_url": own} if own else {}
                config = _config(writes=writes, once=writes or own is not None)
                self._made[key] = self._session.client(service, region_name=region, config=config, **where)
            return self._made[key]

    def _as_role(self, service: str, region: str, account: Account, keys: Keys, *, writes: bool) -> Any:
        """A client with these keys, made anew when they are."""
        key = (service, region, writes, account.role_for(writes=writes))
        with self._lock:
            known = self._elsewhere.get(key)
            if known is None or known[0] != keys:
                client = self._session.client(
                    service,
                    region_name=region,
                    config=_config(writes=writes, once=writes),
                    aws_access_key_id=keys.access_key,
                    aws_secret_access_key=keys.secret,
                    aws_session_token=keys.token,
                )
                known = self._elsewhere[key] = (keys, client)
            return known[1]


def _config(*, writes: bool, once: bool) -> Config:
    return Config(
        connect_timeout=CONNECT_S,
        read_timeout=WRITE_S if writes else READ_S,
        retries={"total_max_attempts": 1 if once else 2, "mode": "standard"},
        s3={"addressing_style": "path"},
    )


def read(
    clients: AwsClients, service: str, region: str, operation: str, params: Mapping[str, Any]
) -> Mapping[str, Any] | Refused | NoData:
    """One read. ValueError for an operation whose name says that it changes something."""
    if not operation.startswith(READ_ONLY):
        raise ValueError(f"{service} {operation} is no read; reads begin with {', '.join(READ_ONLY)}")
    client = clients.for_call(service, region, params, writes=False)
    if isinstance(client, Refused | NoData):
        return replace(client, because=f"{service} {operation} in {region}: {client.because}")
    try:
        answer: Mapping[str, Any] = getattr(client, operation)(**params)
        if hasattr(answer.get("Body"), "read"):
            # What was not read to its end was not answered.
            answer = {**answer, "Body": answer["Body"].read()}
    except ClientError as error:
        code, text = _said(error)
        because = f"{service} {operation} in {region}: {text}"
        if code in _NOT_NOW or code in _BROKEN or _status(error) >= 500:
            return NoData(because=f"{because} ({code})")
        return Refused(code=code, because=because)
    except ParamValidationError as error:
        return _never_sent(f"{service} {operation} in {region}", error)
    except BotoCoreError as error:
        return NoData(because=f"{service} {operation} in {region} was not answered: {_short(error)}")
    return answer


def write(
    clients: AwsClients, service: str, region: str, operation: str, params: Mapping[str, Any], *, until: str
) -> Outcome:
    """One call that changes something, tried once."""
    name = f"{service} {operation} in {region}"
    client = clients.for_call(service, region, params, writes=True)
    match client:
        case Refused():
            return replace(client, because=f"{name}: {client.because}")
        case NoData(because=because):
            return Doubtful(because=f"{name}: {because}")
    try:
        getattr(client, operation)(**params)
    except ClientError as error:
        return refusal(name, error)
    except (ConnectTimeoutError, EndpointConnectionError) as error:
        # The request never left: nothing can have happened.
        return Refused(code="Unreachable", because=f"{name} was not reached: {_short(error)}")
    except ParamValidationError as error:
        return _never_sent(name, error)
    except BotoCoreError as error:
        return Doubtful(because=f"{name} was not answered: {_short(error)}")
    return Made(because=f"{name} was accepted; done when {until}")


def _never_sent(name: str, error: ParamValidationError) -> Refused:
    """What boto3 itself refuses to send: nothing happened, and nothing will by trying again."""
    said = " ".join(str(error).split())
    version = botocore.__version__
    return Refused(code="NeverSent", because=f"{name} was not sent, botocore {version} refuses it: {said[:300]}")


def refusal(name: str, error: ClientError) -> Refused | Doubtful:
    """What an error answer to a writing call means."""
    code, text = _said(error)
    if code in _BROKEN or (_status(error) >= 500 and code not in _NOT_NOW):
        return Doubtful(because=f"{name} broke: {text} ({code})")
    return Refused(code=code, because=f"{name} was refused: {text}")


def _said(error: ClientError) -> tuple[str, str]:
    said = error.response.get("Error", {})
    return str(said.get("Code", "Unknown")), str(said.get("Message", "no message"))


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error)[:200]}"
