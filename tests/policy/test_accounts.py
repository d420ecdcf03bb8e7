"""No account is entered but one that is listed, by a role of its own."""

from __future__ import annotations

import pytest

from tests.policy.broken import Broken
from tests.policy.elsewhere import DATA, SHARED, spread

RULES = {
    "account-is-another",
    "account-is-single",
    "account-is-in-the-list",
    "account-holds-something",
    "role-is-of-its-account",
    "external-id-is-one",
}


def test_a_platform_that_is_spread_over_accounts_has_nothing_wrong(broken: Broken) -> None:
    before = {(f.rule, f.field) for f in broken.findings()}
    assert {(f.rule, f.field) for f in spread(broken).findings()} == before
    assert not {rule for rule, _ in before} & RULES


@pytest.mark.parametrize(
    ("old", "field"),
    [
        (f'neurectomy-pg-west, account: "{DATA}"', "database.replica.account"),
        (f'    account: "{SHARED}"\n    node_group', "clusters.primary.account"),
        (f'  name: neurectomy/database\n  account: "{DATA}"', "application_secret.account"),
    ],
)
def test_a_part_in_an_account_that_is_not_listed_is_told(broken: Broken, old: str, field: str) -> None:
    changed = old.replace(DATA, "000011112222").replace(SHARED, "000011112222")
    spread(broken).edit("platform", old, changed).says(
        "account-is-in-the-list",
        f"platform.yaml {field}",
        at="000011112222",
        found="000011112222",
        allowed=f"111122223333, {DATA}, {SHARED}",
        because="no role by which it is entered",
    )


def test_a_fence_in_an_account_that_is_not_listed_is_told(broken: Broken) -> None:
    spread(broken).edit("platform", "fence:\n", 'fence:\n  account: "000011112222"\n').says(
        "account-is-in-the-list",
        "platform.yaml fence.account",
        at="000011112222",
        found="000011112222",
        allowed=DATA,
    )


@pytest.mark.parametrize(("field", "role"), [("role", "reads"), ("write_role", "writes")])
def test_a_role_of_another_account_is_told(broken: Broken, field: str, role: str) -> None:
    old, new = (f"arn:aws:iam::{account}:role/dr/neurectomy-dr-{role}" for account in (DATA, SHARED))
    spread(broken).edit("platform", old, new).says(
        "role-is-of-its-account",
        f"platform.yaml accounts[0].{field}",
        at=new,
        found=new,
        allowed=f"a role of account {DATA}",
        because=f"is a role of account {SHARED}",
    )


@pytest.mark.parametrize("external_id", ["x", "two words", "x" * 1225, "ümlaut"])
def test_an_external_id_that_sts_does_not_take_is_told(broken: Broken, external_id: str) -> None:
    """botocore's model of AssumeRole: min 2, max 1224, [\\w+=,.@:\\/-]*."""
    spread(broken).edit("platform", "neurectomy-dr/5d1c", f'"{external_id}"').says(
        "external-id-is-one",
        "platform.yaml accounts[0].external_id",
        at=f'external_id: "{external_id}"',
        found=f"{external_id!r} ({len(external_id)} characters)",
        allowed="2 to 1224 characters",
    )


def test_the_shortest_external_id_is_taken(broken: Broken) -> None:
    assert not spread(broken).edit("platform", "neurectomy-dr/5d1c", "x1").findings("external-id-is-one")


def test_the_responder_s_own_account_is_entered_by_no_role(broken: Broken) -> None:
    spread(broken).edit("platform", f'id: "{SHARED}"', 'id: "111122223333"').says(
        "account-is-another",
        "platform.yaml accounts[1].id",
        at='id: "111122223333"',
        found="111122223333",
        allowed="other than 111122223333",
    )


def test_an_account_that_holds_nothing_is_told(broken: Broken) -> None:
    spread(broken)
    for _ in range(2):
        broken.edit("platform", f'    account: "{SHARED}"\n', "")
    broken.says(
        "account-holds-something",
        "platform.yaml accounts[1].id",
        at=f'id: "{SHARED}"',
        found=SHARED,
        allowed="names",
        severity="warning",
    )


def test_an_account_that_is_listed_twice_is_told(broken: Broken) -> None:
    spread(broken).edit("platform", "name: shared", "name: data")
    lines = (broken.folder / "platform.yaml").read_text().splitlines()
    broken.says(
        "account-is-single",
        "platform.yaml accounts[1].name",
        at=[n for n, row in enumerate(lines, 1) if row.strip() == "- name: data"][1],
        found="data",
        allowed="one row an account",
    )


@pytest.mark.parametrize("minutes", ["14", "61"])
def test_a_session_that_sts_does_not_give_is_told(broken: Broken, minutes: str) -> None:
    """A function's role is assumed itself, and a chain of roles ends after an hour."""
    spread(broken).edit("platform", "session_minutes: 20", f"session_minutes: {minutes}").says(
        "value-fits",
        "platform.yaml accounts[1].session_minutes",
        at="session_minutes",
        found=minutes,
        allowed="at least 15, at most 60",
    )


@pytest.mark.parametrize("account", ["44445555666", "4444-5555-6666"])
def test_an_account_that_is_none_is_told(broken: Broken, account: str) -> None:
    spread(broken).edit("platform", f'id: "{DATA}"', f'id: "{account}"').says(
        "value-fits",
        "platform.yaml accounts[0].id",
        at=f'id: "{account}"',
        found=repr(account),
        allowed="twelve digits",
    )
