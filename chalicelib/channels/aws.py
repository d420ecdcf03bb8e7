"""What AWS said to a channel, by error code: refused for good, or come back.

One place for all of them. Codes: docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html,
docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html and the errors common to all services.
"""

from __future__ import annotations

from typing import Final

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    PartialCredentialsError,
)

from chalicelib.core.outcome import Doubtful, Outcome, Refused

PASSING: Final = frozenset(
    {
        "TooManyRequestsException",
        "LimitExceededException",
        "Throttling",
        "ThrottlingException",
        "RequestLimitExceeded",
        "RequestTimeout",
        "RequestTimeoutException",
        "SlowDown",
        "InternalError",
        "InternalFailure",
        "InternalServiceErrorException",
        "ServiceUnavailable",
        "OperationAborted",
        "ConditionalRequestConflict",
    }
)
"""Codes that ask to come back, whatever their status."""
_BEFORE_SENDING: Final = (
    ParamValidationError,
    NoCredentialsError,
    PartialCredentialsError,
    CredentialRetrievalError,
    NoRegionError,
)


def judged(error: ClientError | BotoCoreError, what: str) -> Outcome:
    """The outcome of a call that raised. `what` is its subject, e.g. `SES, mail 'i1/…'`."""
    if isinstance(error, ClientError):
        code = str(error.response.get("Error", {}).get("Code", "Unknown"))
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        if code in PASSING or status >= 500 or status == 429:
            return Doubtful(because=f"{what}: answered {status} {code}; asked to come back")
        said = str(error.response.get("Error", {}).get("Message", ""))[:300]
        return Refused(code=code, because=f"{what}: refused with {code}: {said}")
    if isinstance(error, _BEFORE_SENDING):
        return Refused(code=type(error).__name__, because=f"{what}: not sent: {error}")
    return Doubtful(because=f"{what}: no answer: {type(error).__name__}: {error}")
