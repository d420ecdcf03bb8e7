"""boto3 clients with explicit timeouts, and AWS failures as outcomes, translated here by error code and nowhere else.

Clients that read may try twice; clients that write try once, because what a lost answer did is found out by looking.
Codes: https://docs.aws.amazon.com/awssupport/latest/user/CommonErrors.html (EC2 and RDS have the same families).
"""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock
from types import MappingProxyType
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, EndpointConnectionError

from chalicelib.core.outcome import Doubtful, Made, NoData, Outcome, Refused

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


class AwsClients:
    """Clients by service and region, made once. `session` is for tests that bring their own.

    `endpoints` are the addresses of services that have one of their own for each customer, by service and region
    (any_endpoint.py). Such a client tries once even to read: another endpoint is the second try.
    """

    def __init__(self, session: Any = None, *, endpoints: Mapping[tuple[str, str], str] = MappingProxyType({})) -> None:
        self._session = session or boto3.session.Session()
        self._endpoints = endpoints
        self._made: dict[tuple[str, str, bool], Any] = {}
        self._lock = Lock()

    @property
    def session(self) -> Any:
        """The boto3 session, for signing."""
        return self._session

    def reading(self, service: str, region: str) -> Any:
        """A client for looking."""
        return self._client(service, region, writes=False)

    def writing(self, service: str, region: str) -> Any:
        """A client for changing: one attempt."""
        return self._client(service, region, writes=True)

    def _client(self, service: str, region: str, *, writes: bool) -> Any:
        key = (service, region, writes)
        with self._lock:  # making clients from one session is not safe side by side
            if key not in self._made:
                own = self._endpoints.get((service, region))
                config = Config(
                    connect_timeout=CONNECT_S,
                    read_timeout=WRITE_S if writes else READ_S,
                    retries={"total_max_attempts": 1 if writes or own else 2, "mode": "standard"},
                    s3={"addressing_style": "path"},
                )
                where = {"endpoint_url": own} if own else {}
                self._made[key] = self._session.client(service, region_name=region, config=config, **where)
            return self._made[key]


def read(
    clients: AwsClients, service: str, region: str, operation: str, params: Mapping[str, Any]
) -> Mapping[str, Any] | Refused | NoData:
    """One read. ValueError for an operation whose name says that it changes something."""
    if not operation.startswith(READ_ONLY):
        raise ValueError(f"{service} {operation} is no read; reads begin with {', '.join(READ_ONLY)}")
    try:
        answer: Mapping[str, Any] = getattr(clients.reading(service, region), operation)(**params)
    except ClientError as error:
        code, text = _said(error)
        because = f"{service} {operation} in {region}: {text}"
        if code in _NOT_NOW or code in _BROKEN or _status(error) >= 500:
            return NoData(because=f"{because} ({code})")
        return Refused(code=code, because=because)
    except BotoCoreError as error:
        return NoData(because=f"{service} {operation} in {region} was not answered: {_short(error)}")
    return answer


def write(
    clients: AwsClients, service: str, region: str, operation: str, params: Mapping[str, Any], *, until: str
) -> Outcome:
    """One call that changes something, tried once."""
    name = f"{service} {operation} in {region}"
    try:
        getattr(clients.writing(service, region), operation)(**params)
    except ClientError as error:
        return refusal(name, error)
    except (ConnectTimeoutError, EndpointConnectionError) as error:
        # The request never left: nothing can have happened.
        return Refused(code="Unreachable", because=f"{name} was not reached: {_short(error)}")
    except BotoCoreError as error:
        return Doubtful(because=f"{name} was not answered: {_short(error)}")
    return Made(because=f"{name} was accepted; done when {until}")


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
