"""What stands in AWS's place on an operator's machine: nothing. Whoever asks it hears that it was not asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NoReturn

from botocore.exceptions import EndpointConnectionError

from chalicelib.core.outcome import NoData

NOT_ASKED: Final = NoData(because="AWS is not asked from an operator's machine; what it would say is not known")


class NoAws:
    """Answers as `AwsClients` does, without a session: no client is made, nothing is signed, nothing leaves."""

    def for_call(self, service: str, region: str, params: Mapping[str, Any], *, writes: bool) -> NoData:  # noqa: ARG002  # the clients' signature
        return NOT_ASKED

    def reading(self, service: str, region: str) -> Nobody:
        return Nobody(service, region)

    def writing(self, service: str, region: str) -> Nobody:
        return Nobody(service, region)

    def bulk(self, service: str, region: str, **_: int) -> Nobody:
        return Nobody(service, region)


class Nobody:
    """A client whose every operation finds nobody, as botocore says it."""

    def __init__(self, service: str, region: str) -> None:
        self._where = f"{service} in {region}, which is not asked from an operator's machine"

    def __getattr__(self, operation: str) -> Any:
        if operation.startswith("__"):
            raise AttributeError(operation)

        def nobody(*_: Any, **__: Any) -> NoReturn:
            raise EndpointConnectionError(endpoint_url=self._where)

        return nobody
