"""Access entries: refusals first, then who a cluster takes a caller for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from drctl.neighbours.aws import Aws
from drctl.neighbours.aws_clients import make_client
from drctl.neighbours.eks import Eks
from drctl.neighbours.sts_token import Identity, canonical

ACCOUNT, REGION, CLUSTER = "111122223333", "us-west-2", "west"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/tick"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/tick/worker-1"
AT = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.fixture
def model() -> Eks:
    eks = Eks(lambda: AT)
    eks.add(REGION, CLUSTER, endpoint="https://west.example", certificate="", nodegroups={}, account=ACCOUNT)
    return eks


@pytest.fixture
def eks(model: Eks) -> Any:
    return make_client(Aws({"eks": model}), "eks", REGION, account=ACCOUNT)


def caller(arn: str) -> Identity:
    return Identity(arn, canonical(arn), ACCOUNT, "AROATICK:worker-1", "ASIA")


def refused(eks: Any, **asked: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as refusal:
        eks.create_access_entry(clusterName=CLUSTER, **{"principalArn": ROLE, **asked})
    error = refusal.value.response["Error"]
    return error["Code"], error["Message"]


@pytest.mark.parametrize("reserved", ["system:", "eks:", "aws:", "amazon:", "iam:"])
def test_a_reserved_name_is_refused(eks: Any, reserved: str) -> None:
    assert refused(eks, kubernetesGroups=[f"{reserved}masters"]) == (
        "InvalidParameterException",
        f"The kubernetes group name {reserved}masters is invalid, it cannot start with {reserved}",
    )
    assert refused(eks, username=f"{reserved}me") == (
        "InvalidParameterException",
        f"The username must not begin with {reserved}",
    )
    assert eks.list_access_entries(clusterName=CLUSTER)["accessEntries"] == []


@pytest.mark.parametrize("principal", [SESSION, "arn:aws:iam::111122223333:group/ops", "tick", f"{ROLE} "])
def test_a_principal_that_iam_does_not_keep_is_refused(eks: Any, principal: str) -> None:
    code, message = refused(eks, principalArn=principal)
    assert (code, message) == (
        "InvalidParameterException",
        "The specified principalArn is invalid: invalid principal.",
    )


def test_a_principal_has_one_entry_only(eks: Any) -> None:
    eks.create_access_entry(clusterName=CLUSTER, principalArn=ROLE)
    assert refused(eks) == (
        "ResourceInUseException",
        "The specified access entry resource is already in use on this cluster.",
    )


def test_an_entry_of_no_cluster_or_for_nobody_is_not_found(eks: Any) -> None:
    with pytest.raises(eks.exceptions.ResourceNotFoundException):
        eks.create_access_entry(clusterName="east", principalArn=ROLE)
    for ask in (eks.describe_access_entry, eks.delete_access_entry):
        with pytest.raises(eks.exceptions.ResourceNotFoundException):
            ask(clusterName=CLUSTER, principalArn=ROLE)


def test_a_caller_without_an_entry_is_nobody(model: Eks, eks: Any) -> None:
    eks.create_access_entry(clusterName=CLUSTER, principalArn=f"{ROLE}-2", kubernetesGroups=["dr"])
    assert model.user(CLUSTER, caller(SESSION)) is None


def test_a_role_s_session_is_known_by_its_session_and_in_the_entry_s_groups(model: Eks, eks: Any) -> None:
    made = eks.create_access_entry(clusterName=CLUSTER, principalArn=ROLE, kubernetesGroups=["dr"])["accessEntry"]
    assert made["username"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/tick/{{{{SessionName}}}}"
    assert made["type"] == "STANDARD"
    user = model.user(CLUSTER, caller(SESSION))
    assert user is not None
    assert (user.name, user.groups) == (SESSION, ("dr",))


def test_an_iam_user_is_known_by_its_arn(model: Eks, eks: Any) -> None:
    arn = f"arn:aws:iam::{ACCOUNT}:user/ann"
    eks.create_access_entry(clusterName=CLUSTER, principalArn=arn)
    user = model.user(CLUSTER, caller(arn))
    assert user is not None
    assert (user.name, user.groups) == (arn, ())


def test_a_deleted_entry_lets_nobody_in(model: Eks, eks: Any) -> None:
    eks.create_access_entry(clusterName=CLUSTER, principalArn=ROLE, kubernetesGroups=["dr"])
    eks.delete_access_entry(clusterName=CLUSTER, principalArn=ROLE)
    assert model.user(CLUSTER, caller(SESSION)) is None
