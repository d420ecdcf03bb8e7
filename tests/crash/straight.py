"""A model of an AWS service asked without a client, for what no test is about: most of a request's time goes into
serialising, signing and parsing it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from drctl.neighbours.aws import AwsError


@dataclass(frozen=True, slots=True)
class Straight:
    """Its operations are boto3's, with the same parameters, answers and ClientErrors; a body is bytes. `reached` raises
    what boto3 would where the service cannot be reached.
    """

    service: Any
    region: str
    account: str
    reached: Callable[[], None] = lambda: None

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        def asked(**params: Any) -> Any:
            self.reached()
            try:
                return getattr(self.service, operation)(self.region, self.account, params)
            except AwsError as refusal:
                told: Any = {"Error": {"Code": refusal.code, "Message": refusal.message}}
                raise ClientError(told, operation) from refusal

        return asked
