"""Rules about other accounts: none is entered but those that are listed, each by a role of its own, by name.

Limits: docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html.
"""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.policy import Policy
from chalicelib.policy.accounts import EXTERNAL_ID, ROLE
from chalicelib.policy.lint.finding import Flaw, Whole, error, one_of, repeats, warning
from chalicelib.policy.where import Path


def account_is_another(whole: Whole) -> Iterator[Flaw]:
    """The responder's own account is entered by no role."""
    platform = whole.policy.platform
    for i, row in enumerate(platform.accounts):
        if row.id == platform.account:
            yield error(
                *("platform", "accounts", i, "id"),
                allowed=f"an account other than {platform.account}, the responder's own",
                found=row.id,
                because=f"{row.name!r} is the responder's own account: its functions have rights there already",
            )


def account_is_single(whole: Whole) -> Iterator[Flaw]:
    """One row an account, and one a name."""
    rows = whole.policy.platform.accounts
    for field, values in (("name", [r.name for r in rows]), ("id", [r.id for r in rows])):
        for i, first, value in repeats(values):
            yield error(
                *("platform", "accounts", i, field),
                allowed="one row an account",
                found=value,
                because=f"{value!r} already is accounts[{first}]; only the first of them is entered",
            )


def account_is_in_the_list(whole: Whole) -> Iterator[Flaw]:
    """A part stands in the responder's own account, or in one that the list allows."""
    platform = whole.policy.platform
    allowed = [platform.account, *(row.id for row in platform.accounts)]
    for path, account in _parts(whole.policy):
        if account is not None and account not in allowed:
            yield error(
                *("platform", *path, "account"),
                allowed=one_of(allowed),
                found=account,
                because=f"account {account} is not in the list of accounts, so there is no role by which it is entered",
            )


def account_holds_something(whole: Whole) -> Iterator[Flaw]:
    """A way into an account that holds nothing of the platform is a right too many."""
    held = {account for _, account in _parts(whole.policy)}
    for i, row in enumerate(whole.policy.platform.accounts):
        if row.id not in held:
            yield warning(
                *("platform", "accounts", i, "id"),
                allowed="an account that a cluster, a side of the database, the fence or the secret names",
                found=row.id,
                because=f"nothing of the platform stands in account {row.id}, and the responder may enter it",
            )


def role_is_of_its_account(whole: Whole) -> Iterator[Flaw]:
    """A role of another account than its row's would be entered in that one's name."""
    for i, row in enumerate(whole.policy.platform.accounts):
        for field, arn in (("role", row.role), ("write_role", row.write_role)):
            parts = ROLE.fullmatch(arn) if arn else None
            if parts and parts["account"] != row.id:
                yield error(
                    *("platform", "accounts", i, field),
                    allowed=f"a role of account {row.id}",
                    found=arn,
                    because=f"{arn!r} is a role of account {parts['account']}, and the row is account {row.id}",
                )


def external_id_is_one(whole: Whole) -> Iterator[Flaw]:
    """STS takes no other: the call would never be sent."""
    for i, row in enumerate(whole.policy.platform.accounts):
        if not EXTERNAL_ID.fullmatch(row.external_id):
            yield error(
                *("platform", "accounts", i, "external_id"),
                allowed="2 to 1224 characters of letters, digits and _+=,.@:/-",
                found=f"{row.external_id!r} ({len(row.external_id)} characters)",
                because="it is no ExternalId that STS takes, so no role of this account can be assumed",
            )


def _parts(policy: Policy) -> Iterator[tuple[Path, str | None]]:
    """The path of every part that can stand in another account, and the account that it names."""
    platform = policy.platform
    yield ("clusters", "primary"), platform.clusters.primary.account
    yield ("clusters", "standby"), platform.clusters.standby.account
    yield ("database", "primary"), platform.database.primary.account
    yield ("database", "replica"), platform.database.replica.account
    yield ("fence",), platform.fence.account
    yield ("application_secret",), platform.application_secret.account
    if platform.primary_secret:
        yield ("primary_secret",), platform.primary_secret.account
