"""What boto3 itself refuses to send had no effect and never will: that is a refusal, not a lost answer or a silence."""

from __future__ import annotations

import boto3

from chalicelib.clients.aws import AwsClients, read, write
from chalicelib.core.outcome import Refused


def clients() -> AwsClients:
    return AwsClients(boto3.Session(aws_access_key_id="111122223333", aws_secret_access_key="local"))


def test_a_change_that_is_never_sent_is_refused_with_what_is_wrong_in_it() -> None:
    given = {"DBInstanceIdentifier": "pg-east", "Unheard": 1}
    found = write(clients(), "rds", "us-east-1", "modify_db_instance", given, until="it is so")
    assert isinstance(found, Refused)
    assert found.code == "NeverSent"
    assert "rds modify_db_instance in us-east-1 was not sent, botocore " in found.because
    assert 'Unknown parameter in input: "Unheard"' in found.because


def test_a_look_that_is_never_sent_is_refused_and_not_read_as_silence() -> None:
    found = read(clients(), "rds", "us-east-1", "describe_db_instances", {"Unheard": 1})
    assert isinstance(found, Refused)
    assert found.code == "NeverSent"
