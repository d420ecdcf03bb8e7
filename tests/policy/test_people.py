from __future__ import annotations

import pytest
from pydantic import ValidationError

from chalicelib.policy.people import Person, overlap
from tests.policy.broken import Broken

ANA = "arn:aws:sts::111122223333:assumed-role/dr-operator/ana"
BOB = "arn:aws:sts::111122223333:assumed-role/dr-operator/bob"


def test_two_people_of_one_name_are_told(broken: Broken) -> None:
    broken.edit("people", "- name: bob", "- name: ana").says(
        "person-is-single",
        "people.yaml people[1].name",
        at=8,
        found="ana",
        allowed="no other row",
        because="already is people[0]",
    )


@pytest.mark.parametrize("principal", [ANA, ANA.replace("dr-operator", "dr-*"), ANA.replace("dr-operator", "*tor")])
def test_a_principal_that_can_be_two_people_is_told(broken: Broken, principal: str) -> None:
    broken.edit("people", BOB, principal).says(
        "principal-is-one-person",
        "people.yaml people[1].principals[1]",
        at=9,
        found=principal,
        allowed="cannot be anybody else's",
        because="it can also be 'ana'",
    )


def test_a_role_that_is_not_there_is_told(broken: Broken) -> None:
    broken.edit("people", "roles: [observer]", "roles: [obserer]").says(
        "person-role-is-known",
        "people.yaml people[2].roles[0]",
        at="obserer",
        found="obserer",
        allowed="one of: operator, observer",
        because="did you mean 'observer'?",
    )


def test_a_pause_that_wants_a_proof_is_told(broken: Broken) -> None:
    broken.edit("people", "unproven: [pause, escalate, ", "unproven: [escalate, ").says(
        "pause-is-always-possible",
        "people.yaml unproven",
        at="unproven: [",
        found="escalate, acknowledge, status",
        allowed="holds pause",
    )


def test_a_step_for_two_people_that_only_one_may_approve_is_told(broken: Broken) -> None:
    assert not broken.findings("question-can-be-answered")
    broken.edit("people", f'"{BOB}"]\n    roles: [operator]', f'"{BOB}"]\n    roles: [observer]').says(
        "question-can-be-answered",
        "runbooks.yaml runbooks[5].steps[3].people",
        at=broken.line("runbooks.yaml", "# What was written since the chosen moment") + 1,
        found="2",
        allowed="at most 1, those who may approve: ana",
    )


def test_a_step_for_two_people_that_says_it_is_automatic_is_told(broken: Broken) -> None:
    assert not broken.findings("two-people-are-asked")
    broken.edit("runbooks", "people: 2\n        automatic: false", "people: 2\n        automatic: true").says(
        "two-people-are-asked",
        "runbooks.yaml runbooks[5].steps[3].people",
        at=broken.line("runbooks.yaml", "# What was written since the chosen moment") + 1,
        found="2",
        allowed="1, where automatic is true",
    )


def test_a_second_person_for_whom_nobody_can_stand_in_is_told(broken: Broken) -> None:
    assert not broken.findings("glass-can-be-broken")
    broken.edit("people", "      - break-glass\n", "").says(
        "glass-can-be-broken",
        "people.yaml roles",
        at=15,
        found="nobody",
        allowed="a role with break-glass",
        because="two people, and nobody may stand in",
        severity="warning",
    )


@pytest.mark.parametrize(
    "principal",
    [
        "ana",
        "arn:aws:iam::111122223333:root",
        "arn:aws:iam::111122223333:role/dr-operator",
        "arn:aws:sts::111122223333:assumed-role/dr-operator/*",
        "arn:aws:sts::*:assumed-role/dr-operator/ana",
        "*",
    ],
)
def test_what_cannot_be_one_person_is_no_principal(principal: str) -> None:
    with pytest.raises(ValidationError):
        Person(name="ana", principals=(principal,), roles=())


def test_a_star_stands_for_part_of_one_name_only() -> None:
    sso = "arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_Dr_*/ana"
    ana = Person(name="ana", principals=(sso,), roles=())
    assert ana.is_known_as(sso.replace("*", "0123abcd"))
    assert not ana.is_known_as(sso.replace("*", "x/ana") + "a")
    assert not ana.is_known_as(sso.replace("*", "x/y"))
    assert not ana.is_known_as(sso.replace("/ana", "/ana2").replace("*", "x"))


@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [
        ("a/*_x/b", "a/y*/b", True),
        ("a/x*/b", "a/x/b", True),
        ("a/*/b", "a/x/c", False),
        ("a/*", "a/b/c", False),
        ("a*", "b*", False),
        ("*", "*", True),
    ],
)
def test_two_patterns_meet_when_one_name_fits_both(one: str, other: str, meet: bool) -> None:
    assert overlap(one, other) is overlap(other, one) is meet
