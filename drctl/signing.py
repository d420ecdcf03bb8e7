"""Signs a command: the presigned question to STS by which the responder learns who says it (intake/identity.py).

By botocore's own signer; only the time is passed in. Nothing is sent here, and the secret key stays where it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from botocore.auth import SIGV4_TIMESTAMP, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from chalicelib import names
from chalicelib.intake import identity
from chalicelib.policy import Policy

LIVES: Final = timedelta(minutes=5)
"""How long a signed command may be on its way; after that it is signed anew."""


class _Presigner(SigV4QueryAuth):  # type: ignore[misc] # botocore ships no types
    """botocore's, at a time that is given."""

    def presign(self, request: AWSRequest, now: datetime) -> str:
        """What `SigV4QueryAuth.add_auth` does, which reads the machine's clock."""
        request.context["timestamp"] = now.astimezone(UTC).strftime(SIGV4_TIMESTAMP)
        self._modify_request_before_signing(request)
        text = self.string_to_sign(request, self.canonical_request(request))
        self._inject_signature_to_request(request, self.signature(text, request))
        return str(request.url)


def presigned(
    region: str, headers: Mapping[str, str], *, credentials: Credentials, now: datetime, lives: timedelta = LIVES
) -> str:
    """A GET of GetCallerIdentity at a region's own STS, with these headers among what is signed."""
    url = f"https://{identity.host(region)}/?Action=GetCallerIdentity&Version=2011-06-15"
    signer = _Presigner(credentials, "sts", region, expires=int(lives.total_seconds()))
    return signer.presign(AWSRequest(method="GET", url=url, headers=dict(headers)), now)


def signed(payload: Mapping[str, Any], policy: Policy, *, credentials: Credentials, now: datetime) -> dict[str, Any]:
    """The command with its `identity`: whose credentials these are says it."""
    to, region = names.function_arn(policy, "command"), policy.platform.responder.region
    headers = {identity.HEADER: identity.digest(payload, to=to)}
    return {**payload, identity.FIELD: presigned(region, headers, credentials=credentials, now=now)}
