"""policies/people.yaml: who may say what to the responder, and by which AWS principal each of them is known.

A principal is matched as STS's GetCallerIdentity gives it: an assumed role with the session's name, an IAM user, a
federated user. Whoever assumes a role chooses the session's name unless the role's trust policy pins it
(`sts:RoleSessionName`, https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html;
IAM Identity Center sets it to the user's name by itself): without that, one person could speak as two.
"""

from __future__ import annotations

import re
from enum import StrEnum
from functools import lru_cache
from typing import Annotated

from pydantic import Field

from chalicelib.policy.base import Name, Row

Principal = Annotated[
    str,
    Field(
        pattern=r"^arn:aws[a-z-]*:(sts::[0-9]{12}:(assumed-role/[A-Za-z0-9_+=,.@*-]+/[A-Za-z0-9_+=,.@-]+"
        r"|federated-user/[A-Za-z0-9_+=,.@-]+)|iam::[0-9]{12}:user/([A-Za-z0-9_+=,.@-]+/)*[A-Za-z0-9_+=,.@-]+)$"
        r"|^kubernetes:[a-z0-9-]+:[A-Za-z0-9_+=,.@#/-]+$",
        description="an ARN as STS gives it (`*` may stand in the name of an assumed role, never in the session's), or "
        "`kubernetes:<cluster>:<name>`, as the tertiary cluster's API server knows the person when AWS is gone",
    ),
]


class Saying(StrEnum):
    """What a role may say: the commands, with an acknowledgement that ends block windows told from the other kind."""

    DECLARE = "declare"
    RAISE = "raise"
    REPIN = "repin"
    CHOOSE = "choose"
    APPROVE = "approve"
    REJECT = "reject"
    BREAK_GLASS = "break-glass"
    REVIEW = "review"
    ESCALATE = "escalate"
    ACKNOWLEDGE = "acknowledge"
    ACKNOWLEDGE_BLOCK = "acknowledge-block"
    ABORT = "abort"
    RESOLVE = "resolve"
    PAUSE = "pause"
    RESUME = "resume"
    SET_MODE = "set-mode"
    YIELD = "yield"
    KEEP_SWITCH = "keep-switch"
    DRILL = "drill"
    STATUS = "status"


class Unproven(StrEnum):
    """What may be said without a proof: it moves nothing, or stops what moves."""

    ESCALATE = "escalate"
    ACKNOWLEDGE = "acknowledge"
    PAUSE = "pause"
    STATUS = "status"


class Person(Row):
    """One person. `slack` is the user id by which Slack knows them: what asks mentions those who may approve."""

    name: Name
    principals: Annotated[tuple[Principal, ...], Field(min_length=1)]
    slack: Annotated[str, Field(pattern=r"^[UW][A-Z0-9]{2,20}$")] | None = None
    roles: tuple[Name, ...]

    def is_known_as(self, arn: str) -> bool:
        """Whether STS's `arn` is one of the principals."""
        return any(_pattern(principal).fullmatch(arn) for principal in self.principals)


class Role(Row):
    """What a person of this role may say, with a proof."""

    name: Name
    may: tuple[Saying, ...]


class BreakGlass(Row):
    """The override by one person. `unproven`: whether it is taken without a proof while STS cannot be asked."""

    unproven: bool = False


class People(Row):
    """People, roles, what needs no proof, and the break-glass."""

    people: tuple[Person, ...]
    roles: tuple[Role, ...]
    unproven: tuple[Unproven, ...] = Field(
        default=(Unproven.PAUSE, Unproven.ESCALATE, Unproven.ACKNOWLEDGE, Unproven.STATUS),
        description="what anybody may say who may invoke the command function; it is recorded as unproven",
    )
    break_glass: BreakGlass = BreakGlass()

    def known_as(self, arn: str) -> tuple[Person, ...]:
        """Everybody whose principals match; more than one is a fault of the policy, and proves nobody."""
        return tuple(person for person in self.people if person.is_known_as(arn))

    def who_may(self, saying: Saying) -> tuple[str, ...]:
        """The names of those who may say it with a proof."""
        roles = {role.name for role in self.roles if saying in role.may}
        return tuple(person.name for person in self.people if roles.intersection(person.roles))

    def in_slack(self, saying: Saying) -> tuple[str, ...]:
        """The Slack user ids of those who may say it, where policy knows them."""
        able = self.who_may(saying)
        return tuple(person.slack for person in self.people if person.slack and person.name in able)


@lru_cache(maxsize=256)
def _pattern(principal: str) -> re.Pattern[str]:
    """`*` stands for any part of one name: neither a slash nor a colon."""
    return re.compile("[^/:]*".join(re.escape(part) for part in principal.split("*")))


def overlap(one: str, other: str) -> bool:
    """Whether some ARN is matched by both principals. Read from their beginnings on: a star takes nothing, or one more
    character of a name.
    """
    if not one or not other:
        return not (one + other).replace("*", "")
    if one[0] != "*" and other[0] != "*":
        return one[0] == other[0] and overlap(one[1:], other[1:])
    starred, plain = (one, other) if one[0] == "*" else (other, one)
    return overlap(starred[1:], plain) or (plain[0] not in "/:" and overlap(starred, plain[1:]))
