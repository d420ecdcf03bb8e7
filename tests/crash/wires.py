"""The wires between a worker and the outside, cut where all its requests pass: boto3's sending, httpx2's transport,
slack_sdk's opening of a URL, the store's and the database's methods. Everything above them is the real client.

slack_sdk takes no transport, so the one method in which it opens a URL is replaced; what it sends is its own.
"""

from __future__ import annotations

import io
import re
import urllib.error
from collections.abc import Callable, Mapping, Sequence
from email.message import Message as Headers
from functools import cached_property
from typing import Any, Final
from urllib.request import Request

import botocore.session
import httpx2
from boto3.session import Session
from botocore.config import Config
from botocore.exceptions import ConnectTimeoutError, ReadTimeoutError
from botocore.loaders import Loader
from slack_sdk import WebClient

from chalicelib.channels.slack import SlackChannel
from chalicelib.core.outcome import Doubtful, NoData, Outcome, Refused
from chalicelib.store.contract import StoreUnavailableError
from chalicelib.store.memory import MemoryStore
from drctl.neighbours.aws import Answer, Aws, read_scope
from drctl.neighbours.aws_clients import attach
from drctl.neighbours.rds.client import InMemoryClients
from drctl.neighbours.slack import Slack
from tests.crash.outside import Outside

_NAMED: Final = re.compile(r"(/apis/[^/]+/[^/]+|/api/v1)(/namespaces/[^/]+)?/(?P<plural>[^/]+)(?P<name>/.+)?")


class OutsideStore:
    """A `Store` whose every method is a call to the outside."""

    def __init__(self, store: MemoryStore, outside: Outside) -> None:
        self._store = store
        self._outside = outside

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._store, name)

        def call(*arguments: Any, **named: Any) -> Any:
            return self._outside.call(
                f"store {name}",
                lambda: method(*arguments, **named),
                lambda: StoreUnavailableError(f"the answer to {name} was lost"),
            )

        return call


class OutsideDatabase:
    """The responder's database port. A statement list is one transaction, so it is one call."""

    def __init__(self, clients: InMemoryClients, outside: Outside) -> None:
        self._clients = clients
        self._outside = outside

    def query(
        self, host: str, port: int, statement: str, arguments: Sequence[Any] = ()
    ) -> list[list[Any]] | Refused | NoData:
        try:
            return self._outside.call(
                f"postgres {statement}", lambda: self._clients.query(host, port, statement, arguments), _LostError
            )
        except _LostError:
            # As chalicelib/clients/database.py says it.
            return NoData(because=f"database {host}:{port} did not answer {statement}")

    def execute(
        self, host: str, port: int, statements: Sequence[str], arguments: Sequence[Any], *, until: str
    ) -> Outcome:
        try:
            return self._outside.call(
                f"postgres {statements[-1]}",
                lambda: self._clients.execute(host, port, statements, arguments, until=until),
                _LostError,
            )
        except _LostError:
            # As chalicelib/clients/database.py says it.
            return Doubtful(because=f"database {host}:{port} went away during {statements[-1]}")


class _LostError(Exception):
    pass


class _WithoutCbor(Loader):  # type: ignore[misc] # botocore ships no types
    """botocore's descriptions, with CloudWatch in the query protocol: moto reads no CBOR."""

    def load_service_model(self, service_name: str, type_name: str, api_version: str | None = None) -> Any:
        found = super().load_service_model(service_name, type_name, api_version)
        if (service_name, type_name) != ("cloudwatch", "service-2"):
            return found
        return {**found, "metadata": {**found["metadata"], "protocol": "query", "protocols": ["query"]}}


def session(account: str) -> Session:
    """A boto3 session with an access key of this account. Making one takes a moment; it can serve every worker."""
    core = botocore.session.Session()
    core.set_credentials(account, "local")
    core.register_component(
        "data_loader", _WithoutCbor(extra_search_paths=core.get_component("data_loader").search_paths)
    )
    return Session(botocore_session=core)


class InProcessSession:
    """The session that `AwsClients` makes its clients from. Clients are kept and serve one platform after another, as
    they hold nothing of a worker's; `of` says which platform that is now.
    """

    def __init__(self, inner: Session) -> None:
        self._inner = inner
        self._made: dict[tuple[str, str, str], Any] = {}
        self.of: tuple[Aws, Outside, Callable[[], frozenset[str]]] | None = None

    @property
    def events(self) -> Any:
        return self._inner.events

    def get_credentials(self) -> Any:
        return self._inner.get_credentials()

    def client(
        self, service: str, *, region_name: str, config: Config, endpoint_url: str | None = None, **keys: str
    ) -> Any:
        """A real client. It tries once even if it reads: between two attempts botocore would really sleep. `keys` are
        those of an assumed role.
        """
        known = service, region_name, keys.get("aws_access_key_id", "")
        if known not in self._made:
            once = config.merge(Config(retries={"total_max_attempts": 1}))
            client = self._inner.client(
                service, region_name=region_name, config=once, endpoint_url=endpoint_url, **keys
            )
            gate = _Way(self)
            client.meta.events.register_first("before-send", gate.named)
            self._made[known] = attach(client, gate)  # type: ignore[arg-type] # it answers as Aws does
        return self._made[known]


class _Way:
    """A kept client's way to the platform that the session serves now."""

    def __init__(self, session: InProcessSession) -> None:
        self._session = session
        self._operation = ""

    def named(self, event_name: str, **_: Any) -> None:
        """botocore's event says which operation is sent: `before-send.rds.PromoteReadReplica`."""
        self._operation = event_name.partition(".")[2]

    def request(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        if self._session.of is None:
            raise RuntimeError(f"{self._operation} was sent, and the session serves no platform yet")
        aws, outside, dark = self._session.of
        scope = read_scope(url, headers)

        def effect() -> Answer:
            if scope is None or scope.region in dark():
                raise ConnectTimeoutError(endpoint_url=url)
            return aws.request(method, url, headers, body)

        return outside.call(self._operation, effect, lambda: ReadTimeoutError(endpoint_url=url))


class OutsideTransport(httpx2.BaseTransport):
    """A transport whose every request is a call to the outside, called `name` there."""

    def __init__(self, name: str, inner: httpx2.BaseTransport, outside: Outside) -> None:
        self._name = name
        self._inner = inner
        self._outside = outside

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        return self._outside.call(
            f"{self._name} {request.method} {_what(request.url)}",
            lambda: self._inner.handle_request(request),
            lambda: httpx2.ReadTimeout("the answer was lost", request=request),
        )


def _what(url: httpx2.URL) -> str:
    """`restores` for a collection, `restores/*` for one of them; a path of nobody's Kubernetes as it is."""
    found = _NAMED.fullmatch(url.path)
    if found is None:
        return f"{url.host}{url.path}"
    return found["plural"] + ("/*" if found["name"] else "")


class _InProcessWebClient(WebClient):
    """slack_sdk's client, which asks the model where it would open a URL."""

    def __init__(self, model: Slack, outside: Outside, **named: Any) -> None:
        super().__init__(**named)
        self._model = model
        self._outside = outside

    def _perform_urllib_http_request_internal(self, url: str, req: Request) -> dict[str, Any]:
        method = url.rpartition("/")[2]
        body = req.data if isinstance(req.data, bytes) else b""
        answer = self._outside.call(
            f"slack {method}",
            lambda: self._model.request(req.get_method(), method, dict(req.header_items()), body),
            lambda: TimeoutError("the answer was lost"),
        )
        headers = Headers()
        for name, value in answer.headers.items():
            headers[name] = value
        if answer.status >= 400:
            raise urllib.error.HTTPError(url, answer.status, "", headers, io.BytesIO(answer.body))
        return {"status": answer.status, "headers": headers, "body": answer.body.decode()}


class InProcessSlackChannel(SlackChannel):
    """The real channel, over the client above."""

    def __init__(self, name: str, model: Slack, outside: Outside, *, token: str, channel: str) -> None:
        super().__init__(name, token=token, channel=channel)
        self._model = model
        self._outside = outside

    @cached_property
    def _slack(self) -> WebClient:
        return _InProcessWebClient(
            self._model, self._outside, token=self._token, base_url=self._base_url, retry_handlers=[]
        )
