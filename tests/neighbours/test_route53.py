"""Route 53's health checks over the wire: what MiniStack 1.5.33 lacks or gets wrong, asked with a real boto3 client."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from drctl.neighbours.aws import Aws
from drctl.neighbours.aws_clients import make_client
from drctl.neighbours.healthchecks import HealthCheckers

ENDPOINT = {
    "Type": "HTTPS",
    "FullyQualifiedDomainName": "api.neurectomy.io",
    "ResourcePath": "/health",
    "RequestInterval": 10,
    "FailureThreshold": 3,
}


@pytest.fixture
def model() -> HealthCheckers:
    return HealthCheckers(lambda: datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture
def route53(model: HealthCheckers) -> Any:
    return make_client(Aws({"route53": model}), "route53", "us-east-1")


def refused(call: Any, **params: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as caught:
        call(**params)
    answer = caught.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


def test_refuses_what_does_not_exist(route53: Any) -> None:
    assert refused(route53.get_health_check_status, HealthCheckId="gone") == ("NoSuchHealthCheck", 404)
    assert refused(route53.update_health_check, HealthCheckId="gone", Inverted=True) == ("NoSuchHealthCheck", 404)


def test_refuses_a_stale_version(route53: Any) -> None:
    made = route53.create_health_check(CallerReference="r", HealthCheckConfig=ENDPOINT)["HealthCheck"]
    route53.update_health_check(HealthCheckId=made["Id"], HealthCheckVersion=1, Inverted=True)
    stale = refused(route53.update_health_check, HealthCheckId=made["Id"], HealthCheckVersion=1, Inverted=False)
    assert stale == ("HealthCheckVersionMismatch", 409)


def test_refuses_a_reference_that_was_used_otherwise(route53: Any) -> None:
    route53.create_health_check(CallerReference="r", HealthCheckConfig=ENDPOINT)
    other = {**ENDPOINT, "ResourcePath": "/other"}
    found = refused(route53.create_health_check, CallerReference="r", HealthCheckConfig=other)
    assert found == ("HealthCheckAlreadyExists", 409)


def test_an_update_of_inverted_and_disabled_counts(route53: Any, model: HealthCheckers) -> None:
    check = route53.create_health_check(CallerReference="r", HealthCheckConfig=ENDPOINT)["HealthCheck"]["Id"]
    assert model.healthy(check)
    updated = route53.update_health_check(HealthCheckId=check, Inverted=True)["HealthCheck"]
    assert (updated["HealthCheckConfig"]["Inverted"], updated["HealthCheckVersion"]) == (True, 2)
    assert not model.healthy(check)
    route53.update_health_check(HealthCheckId=check, Inverted=False, Disabled=True)
    found = route53.get_health_check(HealthCheckId=check)["HealthCheck"]["HealthCheckConfig"]
    assert (found["Inverted"], found["Disabled"]) == (False, True)
    assert model.healthy(check)


def test_each_checker_tells_what_it_saw(route53: Any, model: HealthCheckers) -> None:
    check = route53.create_health_check(CallerReference="r", HealthCheckConfig=ENDPOINT)["HealthCheck"]["Id"]
    model.observe(check, {"us-east-1": False, "eu-west-1": True}, model.clock())
    found = route53.get_health_check_status(HealthCheckId=check)["HealthCheckObservations"]
    said = {o["Region"]: o["StatusReport"]["Status"].partition(":")[0] for o in found}
    assert said == {"us-east-1": "Failure", "eu-west-1": "Success"}
    assert found[0]["StatusReport"]["CheckedTime"] == model.clock()


def test_checks_are_listed_and_go_when_deleted(route53: Any) -> None:
    check = route53.create_health_check(CallerReference="r", HealthCheckConfig=ENDPOINT)["HealthCheck"]["Id"]
    pages = route53.get_paginator("list_health_checks").paginate()
    assert [c["Id"] for page in pages for c in page["HealthChecks"]] == [check]
    route53.delete_health_check(HealthCheckId=check)
    assert route53.list_health_checks()["HealthChecks"] == []
