"""How buckets, what lies below them, their keys and their locks are written, in whichever policy file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from chalicelib.policy.base import Row

Bucket = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
Prefix = Annotated[str, Field(pattern=r"^([^/*?$][^*?$]*/)?$", description="'' or a folder, which ends with a slash")]
Key = Annotated[str, Field(pattern=r"^arn:aws:kms:[a-z0-9-]+:\d{12}:key/[A-Za-z0-9-]+$")]


class Lock(Row):
    """S3 Object Lock. In COMPLIANCE nobody shortens it, not the owner of the account either."""

    mode: Literal["COMPLIANCE", "GOVERNANCE"]
    days: Annotated[int, Field(ge=1, le=36500)] = Field(description="S3's own days, which no speed divides")
