"""The roles by which parts of the platform in other accounts are entered, and their temporary keys.

The regional endpoint of STS is asked, of the region that the function runs in: the global one leans on us-east-1
(docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_region-endpoints.html). Keys are renewed while the last
ones are still good, and those serve on when STS is silent. A role that nobody could be asked for is NoData: what lies
behind it has said nothing. STS's own "no" is Refused, with STS's code.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import Any, Final

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.core.outcome import NoData, Refused
from chalicelib.policy.accounts import Account

log = logging.getLogger("responder")
CONNECT_S: Final = 2
READ_S: Final = 4
RENEW: Final = 0.25
"""Keys are renewed when this much of their time is left."""
SPARE: Final = timedelta(minutes=1)
"""Keys that end sooner are not begun with: a call, and a clock that is a little off, must fit in."""
SILENCE: Final = timedelta(seconds=5)
"""How long STS is not asked again after it did not answer, so that calls side by side do not each wait for it."""
LONGEST_NAME: Final = 64
_REFUSALS: Final = frozenset(
    {
        "AccessDenied",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "MalformedPolicyDocument",
        "PackedPolicyTooLarge",
        "RegionDisabledException",
        "SignatureDoesNotMatch",
        "ValidationError",
    }
)
"""What STS says for good: its page of AssumeRole, and the errors common to all its actions. All else is no answer."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Temporary credentials of an assumed role."""

    access_key: str
    secret: str
    token: str
    ends_at: datetime


@dataclass(slots=True)
class _Role:
    lock: Lock
    keys: Keys | None = None
    silent: NoData | None = None
    silent_until: datetime | None = None


class Roles:
    """Keys by role, asked for once and kept. `region` is where this function runs, `endpoint` STS's address
    there. `session_name` is the same for every worker, and stands in the other account's trail.
    """

    def __init__(self, *, region: str, endpoint: str, session_name: str, now: Callable[[], datetime]) -> None:
        self._region = region
        self._name = session_name[:LONGEST_NAME]
        self._now = now
        self._endpoint = endpoint
        self._client: Any = None
        self._roles: dict[str, _Role] = {}
        self._lock = Lock()

    def keys(self, session: Any, account: Account, *, writes: bool) -> Keys | Refused | NoData:
        """Keys that are good for a call now. `session` is the function's own boto3 session."""
        arn = account.role_for(writes=writes)
        with self._lock:
            held = self._roles.setdefault(arn, _Role(Lock()))
        with held.lock:
            now = self._now()
            if held.keys and held.keys.ends_at - now > timedelta(minutes=account.session_minutes) * RENEW:
                return held.keys
            if held.silent and held.silent_until and now < held.silent_until:
                return _still_good(held.keys, now) or held.silent
            said = self._assume(session, account, arn)
            if isinstance(said, Keys):
                held.keys, held.silent = said, None
                return said
            if isinstance(said, NoData):
                held.silent, held.silent_until = said, now + SILENCE
            if good := _still_good(held.keys, now):
                log.warning("the keys of %s serve until %s, since %s", arn, good.ends_at, said.because)
                return good
            return said

    def _assume(self, session: Any, account: Account, arn: str) -> Keys | Refused | NoData:
        what = f"assuming role {arn} at {self._endpoint}"
        try:
            answer = self._sts(session).assume_role(
                RoleArn=arn,
                RoleSessionName=self._name,
                ExternalId=account.external_id,
                DurationSeconds=account.session_minutes * 60,
            )
        except ClientError as error:
            said = error.response.get("Error", {})
            code, text = str(said.get("Code", "Unknown")), str(said.get("Message", "no message"))
            if code in _REFUSALS:
                return Refused(code=code, because=f"{what}: {text}")
            return NoData(because=f"{what}: {text} ({code}); nothing was asked behind it")
        except BotoCoreError as error:
            because = (
                f"{what} was not answered: {type(error).__name__}: {str(error)[:200]}; nothing was asked behind it"
            )
            return NoData(because=because)
        found = answer["Credentials"]
        return Keys(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"], found["Expiration"])

    def _sts(self, session: Any) -> Any:
        with self._lock:
            if self._client is None:
                config = Config(
                    connect_timeout=CONNECT_S,
                    read_timeout=READ_S,
                    # To assume a role changes nothing, so it may be tried twice.
                    retries={"total_max_attempts": 2, "mode": "standard"},
                )
                self._client = session.client(
                    "sts", region_name=self._region, config=config, endpoint_url=self._endpoint
                )
            return self._client


def _still_good(keys: Keys | None, now: datetime) -> Keys | None:
    return keys if keys and keys.ends_at - now > SPARE else None
