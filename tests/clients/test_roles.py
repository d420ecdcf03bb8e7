"""Parts of the platform in other accounts: entered by their role, at STS's regional endpoint, on moto's STS and RDS.

moto gives a role's keys the account of its ARN, so what is found with them is what stands in that account.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError
from moto import mock_aws

from chalicelib.clients.aws import AwsClients, Others, read, write
from chalicelib.clients.roles import Roles
from chalicelib.core.outcome import Doubtful, Made, NoData, Refused
from chalicelib.policy import Policy
from tests.policy.elsewhere import DATA, policy_elsewhere

STANDBY = "us-west-2"
STS = f"https://sts.{STANDBY}.amazonaws.com"
READS, WRITES = (f"arn:aws:iam::{DATA}:role/dr/neurectomy-dr-{what}" for what in ("reads", "writes"))


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    return policy_elsewhere(tmp_path_factory.mktemp("elsewhere") / "policies")


@dataclass
class Session:
    """A real session whose requests to STS are written down, and answered as `sts` says instead when it is given."""

    asked: list[Mapping[str, Any]] = field(default_factory=list)
    hosts: list[str] = field(default_factory=list)
    keys: list[tuple[str, str]] = field(default_factory=list)
    sts: Callable[[], None] | None = None
    inner: Any = field(default_factory=lambda: boto3.Session("own", "secret"))

    def client(self, service: str, **given: Any) -> Any:
        client = self.inner.client(service, **given)
        client.meta.events.register("before-send", self._sent)
        if service == "sts":
            self.hosts.append(client.meta.endpoint_url)
            client.meta.events.register("before-parameter-build.sts.AssumeRole", self._assumed)
        return client

    def _assumed(self, params: Mapping[str, Any], **_: Any) -> None:
        self.asked.append(dict(params))
        if self.sts:
            self.sts()

    def _sent(self, request: Any, event_name: str, **_: Any) -> None:
        signed = request.headers["Authorization"]
        signed = signed.decode() if isinstance(signed, bytes) else signed
        self.keys.append((event_name.rpartition(".")[2], signed.partition("Credential=")[2].partition("/")[0]))


@dataclass
class House:
    """The responder's clients, a clock, and who was asked."""

    policy: Policy
    session: Session = field(default_factory=Session)
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __post_init__(self) -> None:
        roles = Roles(region=STANDBY, endpoint=STS, session_name="neurectomy-dr", now=lambda: self.now)
        self.aws = AwsClients(self.session, others=Others(self.policy.platform, roles))

    def replica(self) -> Any:
        name = self.policy.platform.database.replica.instance
        return read(self.aws, "rds", STANDBY, "describe_db_instances", {"DBInstanceIdentifier": name})

    def promote(self) -> Any:
        name = self.policy.platform.database.replica.instance
        return write(self.aws, "rds", STANDBY, "promote_read_replica", {"DBInstanceIdentifier": name}, until="told")


def in_account(account: str, service: str) -> Any:
    """A client of somebody who is at home there."""
    held = boto3.client("sts", region_name=STANDBY).assume_role(
        RoleArn=f"arn:aws:iam::{account}:role/owner", RoleSessionName="owner"
    )["Credentials"]
    return boto3.client(
        service,
        region_name=STANDBY,
        aws_access_key_id=held["AccessKeyId"],
        aws_secret_access_key=held["SecretAccessKey"],
        aws_session_token=held["SessionToken"],
    )


@pytest.fixture
def house(policy: Policy, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "owner")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with mock_aws():
        name = policy.platform.database.replica.instance
        made = {"Engine": "postgres", "DBInstanceClass": "db.t3.micro", "AllocatedStorage": 20}
        rds = in_account(DATA, "rds")
        rds.create_db_instance(DBInstanceIdentifier=f"{name}-source", **made)
        rds.create_db_instance_read_replica(DBInstanceIdentifier=name, SourceDBInstanceIdentifier=f"{name}-source")
        yield House(policy)


def denied(code: str = "AccessDenied", status: int = 403) -> Callable[[], None]:
    def answer() -> None:
        said = {"Error": {"Code": code, "Message": "said STS"}, "ResponseMetadata": {"HTTPStatusCode": status}}
        raise ClientError(said, "AssumeRole")

    return answer


def silent(error: Any = EndpointConnectionError) -> Callable[[], None]:
    def answer() -> None:
        raise error(endpoint_url=STS)

    return answer


def test_what_stands_in_another_account_is_found_there_and_not_in_our_own(house: House) -> None:
    found = house.replica()
    assert found["DBInstances"][0]["DBInstanceArn"].split(":")[4] == DATA
    own = AwsClients(boto3.Session())
    name = house.policy.platform.database.replica.instance
    refused = read(own, "rds", STANDBY, "describe_db_instances", {"DBInstanceIdentifier": name})
    assert isinstance(refused, Refused)
    assert refused.code.startswith("DBInstanceNotFound")


def test_a_role_is_assumed_with_its_external_id_under_one_name_at_the_regional_endpoint(house: House) -> None:
    house.replica()
    assert house.session.hosts == [STS]
    assert house.session.asked == [
        {
            "RoleArn": READS,
            "RoleSessionName": "neurectomy-dr",
            "ExternalId": "neurectomy-dr/5d1c",
            "DurationSeconds": 3600,
        }
    ]


def test_looks_and_changes_are_made_as_two_roles_with_keys_of_their_own(house: House) -> None:
    house.replica()
    assert isinstance(house.promote(), Made)
    assert [asked["RoleArn"] for asked in house.session.asked] == [READS, WRITES]
    used = [key for operation, key in house.session.keys if operation != "AssumeRole"]
    assert len(set(used)) == len(used) == 2
    assert "own" not in used
    assert [key for operation, key in house.session.keys if operation == "AssumeRole"] == ["own", "own"]


def test_what_stands_in_our_own_account_asks_sts_nothing(house: House) -> None:
    asked = {"SecretId": house.policy.platform.database.credentials_secret}
    said = read(house.aws, "secretsmanager", STANDBY, "get_secret_value", asked)
    assert isinstance(said, Refused)
    assert not house.session.asked


def test_keys_are_kept_and_renewed_before_they_end(house: House) -> None:
    house.replica()
    house.now += timedelta(minutes=44)
    house.replica()
    assert len(house.session.asked) == 1
    house.now += timedelta(minutes=2)
    house.replica()
    assert len(house.session.asked) == 2
    reads = [key for operation, key in house.session.keys if operation == "DescribeDBInstances"]
    assert reads[0] == reads[1] != reads[2]


@pytest.mark.parametrize("error", [EndpointConnectionError, ReadTimeoutError])
def test_silence_of_sts_is_no_data_to_a_look_and_doubtful_to_a_change(house: House, error: Any) -> None:
    house.session.sts = silent(error)
    look, change = house.replica(), house.promote()
    assert isinstance(look, NoData)
    assert isinstance(change, Doubtful)
    for said in (look, change):
        assert STS in said.because
        assert "was not answered" in said.because
    assert not [operation for operation, _ in house.session.keys]


@pytest.mark.parametrize(
    ("code", "status"), [("Throttling", 400), ("InternalFailure", 500), ("IDPCommunicationError", 400)]
)
def test_an_answer_of_the_moment_is_as_good_as_none(house: House, code: str, status: int) -> None:
    house.session.sts = denied(code, status)
    assert isinstance(house.replica(), NoData)
    assert isinstance(house.promote(), Doubtful)


def test_a_role_that_does_not_trust_us_refuses_in_sts_s_words(house: House) -> None:
    house.session.sts = denied()
    for said, role in ((house.replica(), READS), (house.promote(), WRITES)):
        assert isinstance(said, Refused)
        assert said.code == "AccessDenied"
        assert f"assuming role {role}" in said.because
        assert "said STS" in said.because


def test_silence_is_not_asked_again_at_once_and_then_is(house: House) -> None:
    house.session.sts = silent()
    for _ in range(3):
        assert isinstance(house.replica(), NoData)
    assert len(house.session.asked) == 1
    house.session.sts = None
    house.now += timedelta(seconds=6)
    assert isinstance(house.replica(), Mapping)


def test_keys_that_are_good_serve_on_while_sts_is_silent_and_not_after_their_end(house: House) -> None:
    house.replica()
    house.session.sts = silent()
    house.now += timedelta(minutes=50)
    assert isinstance(house.replica(), Mapping)
    assert len(house.session.asked) == 2
    house.now += timedelta(minutes=10)
    assert isinstance(house.replica(), NoData)


def test_a_refusal_does_not_take_back_keys_that_are_still_good(house: House) -> None:
    house.replica()
    house.session.sts = denied()
    house.now += timedelta(minutes=50)
    assert isinstance(house.replica(), Mapping)
    house.now += timedelta(minutes=10)
    assert isinstance(house.replica(), Refused)


def test_without_other_accounts_nobody_is_asked_for_a_role() -> None:
    session = Session()
    with mock_aws():
        said = read(AwsClients(session), "rds", STANDBY, "describe_db_instances", {"DBInstanceIdentifier": "x"})
    assert isinstance(said, Refused)
    assert not session.asked


def test_the_shipped_policies_name_no_role() -> None:
    from chalicelib.policy.load import load

    assert load(Path(__file__).parents[2] / "policies").platform.accounts == ()
