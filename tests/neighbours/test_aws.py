from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import aiohttp
import boto3
import pytest
from aiohttp.test_utils import TestServer
from botocore.config import Config
from botocore.exceptions import ClientError

from drctl.neighbours.aws import Aws, AwsError, make_app, read_scope
from drctl.neighbours.aws_clients import attach, make_client

AT = datetime(2026, 1, 1, 12, 30, tzinfo=UTC)


class Databases:
    """Keeps three operations of RDS, and tells what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Mapping[str, Any]]] = []

    def describe_db_instances(self, region: str, account: str, params: Mapping[str, Any]) -> dict[str, Any]:
        self.asked.append((region, account, params))
        if params.get("DBInstanceIdentifier") == "gone":
            raise AwsError("DBInstanceNotFound", "DBInstance gone not found.")
        found = {"DBInstanceIdentifier": "pg", "InstanceCreateTime": AT, "MultiAZ": True, "AllocatedStorage": 20}
        return {"DBInstances": [found | {"StatusInfos": [{"StatusType": "read replication", "Normal": False}]}]}

    def promote_read_replica(self, region: str, account: str, params: Mapping[str, Any]) -> dict[str, Any]:
        self.asked.append((region, account, params))
        return {"DBInstance": {"DBInstanceIdentifier": params["DBInstanceIdentifier"]}}

    def restore_db_instance_to_point_in_time(
        self, region: str, account: str, params: Mapping[str, Any]
    ) -> dict[str, Any]:
        self.asked.append((region, account, params))
        return {}


class Clusters:
    def describe_nodegroup(self, _region: str, _account: str, params: Mapping[str, Any]) -> dict[str, Any]:
        name = params["clusterName"]
        raise AwsError("ResourceNotFoundException", f"No cluster found for name: {name}.", clusterName=name)

    def update_nodegroup_config(self, _region: str, _account: str, params: Mapping[str, Any]) -> dict[str, Any]:
        return {"update": {"id": "u", "createdAt": AT, "params": [{"type": "DesiredSize", "value": str(params)}]}}


class Checks:
    """A service without regions."""

    def create_health_check(self, params: Mapping[str, Any]) -> dict[str, Any]:
        if params["CallerReference"] == "used":
            raise AwsError("HealthCheckAlreadyExists", "used with other settings", 409)
        shown = {
            "Id": "h",
            "CallerReference": params["CallerReference"],
            "HealthCheckConfig": params["HealthCheckConfig"],
        }
        return {"HealthCheck": {**shown, "HealthCheckVersion": 1}, "Location": "https://route53.amazonaws.com/h"}


class Growing:
    """Has something to do though nobody asks."""

    def __init__(self) -> None:
        self.settled = threading.Event()

    def settle(self) -> None:
        self.settled.set()


class Machines:
    def stop_instances(self, _region: str, _account: str, params: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "StoppingInstances": [
                {"InstanceId": i, "CurrentState": {"Name": "stopping"}} for i in params["InstanceIds"]
            ]
        }


class Tables:
    def get_item(self, _region: str, _account: str, params: Mapping[str, Any]) -> dict[str, Any]:
        if params["TableName"] == "gone":
            raise AwsError("ResourceNotFoundException", "Requested resource not found")
        return {"Item": params["Key"]}


@pytest.fixture
def databases() -> Databases:
    return Databases()


@pytest.fixture
def aws(databases: Databases) -> Aws:
    kept = {"rds": databases, "eks": Clusters(), "route53": Checks(), "ec2": Machines(), "dynamodb": Tables()}
    return Aws(kept, clock=lambda: AT)


def refused(call: Any, **params: Any) -> tuple[str, int, str]:
    with pytest.raises(ClientError) as caught:
        call(**params)
    answer = caught.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Message"]


def unchecked(aws: Aws, service: str, region: str = "us-west-2") -> Any:
    """A client that sends what it is given, so that the stand-in's own validation is what refuses."""
    return attach(
        boto3.client(
            service,
            region_name=region,
            aws_access_key_id="1" * 12,
            aws_secret_access_key="s",
            config=Config(parameter_validation=False, retries={"total_max_attempts": 1}),
        ),
        aws,
    )


def test_a_request_without_a_signature_is_refused(aws: Aws) -> None:
    answer = aws.request("POST", "http://localhost/", {}, b"Action=DescribeDBInstances")
    assert (answer.status, answer.headers["X-Amzn-Errortype"]) == (403, "MissingAuthenticationToken")


def test_a_service_that_is_not_kept_is_refused_by_name(aws: Aws) -> None:
    code, status, message = refused(make_client(aws, "sqs", "us-west-2").list_queues)
    assert (code, status) == ("UnknownService", 400)
    assert "'sqs' is not kept here" in message


def test_an_unknown_action_is_refused_by_the_query_protocol(aws: Aws) -> None:
    headers = {
        "Authorization": "AWS4-HMAC-SHA256 Credential=AKIA/20260101/us-west-2/rds/aws4_request",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    answer = aws.request("POST", "http://localhost/", headers, b"Action=Promote&Version=2014-10-31")
    assert answer.status == 400
    assert b"<Code>InvalidAction</Code>" in answer.body


def test_an_unknown_path_is_refused_by_the_rest_protocol(aws: Aws) -> None:
    headers = {"Authorization": "AWS4-HMAC-SHA256 Credential=AKIA/20260101/us-west-2/eks/aws4_request"}
    answer = aws.request("PATCH", "http://localhost/nothing", headers, b"")
    assert (answer.status, answer.headers["X-Amzn-Errortype"]) == (404, "UnknownOperationException")


def test_an_operation_that_is_not_kept_says_so(aws: Aws) -> None:
    code, status, message = refused(make_client(aws, "rds", "us-west-2").describe_db_clusters)
    assert (code, status) == ("NotImplemented", 501)
    assert "keeps no DescribeDBClusters" in message


@pytest.mark.parametrize(
    ("service", "operation", "params", "code"),
    [
        ("rds", "promote_read_replica", {}, "MissingParameter"),
        ("rds", "promote_read_replica", {"DBInstanceIdentifier": "a", "BackupRetentionPeriod": "x"}, "ValidationError"),
        ("ec2", "stop_instances", {}, "MissingParameter"),
        ("dynamodb", "get_item", {"TableName": "t"}, "ValidationException"),
        (
            "eks",
            "update_nodegroup_config",
            {"clusterName": "c", "nodegroupName": "n", "scalingConfig": {"maxSize": 0}},
            "InvalidParameterException",
        ),
        ("route53", "create_health_check", {"CallerReference": "r"}, "InvalidInput"),
    ],
)
def test_parameters_against_the_description_are_refused_with_the_services_code(
    aws: Aws, service: str, operation: str, params: dict[str, Any], code: str
) -> None:
    found, status, _ = refused(getattr(unchecked(aws, service), operation), **params)
    assert (found, status) == (code, 400)


def test_a_refusal_has_the_status_of_the_description(aws: Aws) -> None:
    rds = make_client(aws, "rds", "us-west-2")
    with pytest.raises(rds.exceptions.DBInstanceNotFoundFault) as caught:
        rds.describe_db_instances(DBInstanceIdentifier="gone")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404
    assert caught.value.response["Error"]["Message"] == "DBInstance gone not found."


def test_a_refusals_own_status_goes_before_the_description(aws: Aws) -> None:
    config = {"Type": "CALCULATED", "HealthThreshold": 1}
    call = make_client(aws, "route53", "us-east-1").create_health_check
    code, status, _ = refused(call, CallerReference="used", HealthCheckConfig=config)
    assert (code, status) == ("HealthCheckAlreadyExists", 409)


def test_a_rest_json_refusal_carries_its_members(aws: Aws) -> None:
    eks = make_client(aws, "eks", "us-west-2")
    with pytest.raises(eks.exceptions.ResourceNotFoundException) as caught:
        eks.describe_nodegroup(clusterName="prod", nodegroupName="n")
    assert caught.value.response["clusterName"] == "prod"
    assert caught.value.response["Error"]["Message"] == "No cluster found for name: prod."


def test_a_json_refusal_is_the_modelled_exception(aws: Aws) -> None:
    dynamodb = make_client(aws, "dynamodb", "us-west-2")
    with pytest.raises(dynamodb.exceptions.ResourceNotFoundException):
        dynamodb.get_item(TableName="gone", Key={"k": {"S": "v"}})


def test_a_broken_service_answers_its_fault_as_often_as_set(aws: Aws, databases: Databases) -> None:
    rds = make_client(aws, "rds", "us-west-2")
    aws.fail_next(2, "ServiceUnavailable", 503)
    assert refused(rds.describe_db_instances)[:2] == ("ServiceUnavailable", 503)
    assert refused(rds.describe_db_instances)[:2] == ("ServiceUnavailable", 503)
    assert databases.asked == []
    assert rds.describe_db_instances()["DBInstances"]


def test_a_fault_after_the_effect_loses_only_the_answer(aws: Aws, databases: Databases) -> None:
    aws.fail_next(1, after_effect=True)
    call = make_client(aws, "rds", "us-west-2").promote_read_replica
    assert refused(call, DBInstanceIdentifier="pg")[:2] == ("InternalFailure", 500)
    assert [p for _, _, p in databases.asked] == [{"DBInstanceIdentifier": "pg"}]


def test_query_answers_and_nested_parameters_survive_the_wire(aws: Aws, databases: Databases) -> None:
    rds = make_client(aws, "rds", "us-west-2", account="123456789012")
    answer = rds.describe_db_instances(Filters=[{"Name": "engine", "Values": ["postgres", "mysql"]}], MaxRecords=20)
    found = answer["DBInstances"][0]
    assert found["InstanceCreateTime"] == AT
    assert found["StatusInfos"] == [{"StatusType": "read replication", "Normal": False}]
    assert (found["MultiAZ"], found["AllocatedStorage"]) == (True, 20)
    assert answer["ResponseMetadata"]["RequestId"]
    filters = [{"Name": "engine", "Values": ["postgres", "mysql"]}]
    assert databases.asked == [("us-west-2", "123456789012", {"Filters": filters, "MaxRecords": 20})]


def test_times_arrive_aware(aws: Aws, databases: Databases) -> None:
    rds = make_client(aws, "rds", "us-east-1")
    rds.restore_db_instance_to_point_in_time(TargetDBInstanceIdentifier="t", RestoreTime=AT)
    assert databases.asked[0][2]["RestoreTime"] == AT


def test_rest_json_answers_survive_the_wire(aws: Aws) -> None:
    eks = make_client(aws, "eks", "us-west-2")
    scaling = {"minSize": 1, "desiredSize": 2, "maxSize": 3}
    update = eks.update_nodegroup_config(clusterName="c", nodegroupName="n/1", scalingConfig=scaling)["update"]
    assert update["createdAt"] == AT
    assert "'nodegroupName': 'n/1'" in update["params"][0]["value"]


def test_rest_xml_answers_survive_the_wire(aws: Aws) -> None:
    config = {"Type": "CALCULATED", "HealthThreshold": 1, "ChildHealthChecks": ["a", "b"], "Inverted": True}
    route53 = make_client(aws, "route53", "us-east-1")
    answer = route53.create_health_check(CallerReference="r", HealthCheckConfig=config)
    assert answer["HealthCheck"]["HealthCheckConfig"] == config
    assert answer["Location"] == "https://route53.amazonaws.com/h"
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 201


def test_ec2_answers_survive_the_wire(aws: Aws) -> None:
    answer = make_client(aws, "ec2", "us-west-2").stop_instances(InstanceIds=["i-1", "i-2"])
    assert [i["InstanceId"] for i in answer["StoppingInstances"]] == ["i-1", "i-2"]


def test_json_answers_survive_the_wire(aws: Aws) -> None:
    answer = make_client(aws, "dynamodb", "us-west-2").get_item(TableName="t", Key={"k": {"B": b"\x00\x01"}})
    assert answer["Item"] == {"k": {"B": b"\x00\x01"}}


def test_everything_asked_is_seen_in_order_with_its_outcome(aws: Aws) -> None:
    rds = make_client(aws, "rds", "us-east-1")
    rds.promote_read_replica(DBInstanceIdentifier="pg")
    refused(rds.describe_db_instances, DBInstanceIdentifier="gone")
    seen = [(s["region"], s["operation"], s["status"], s["code"]) for s in aws.seen()]
    assert seen == [
        ("us-east-1", "PromoteReadReplica", 200, ""),
        ("us-east-1", "DescribeDBInstances", 404, "DBInstanceNotFound"),
    ]


def test_an_access_key_of_twelve_digits_is_the_account() -> None:
    header = "AWS4-HMAC-SHA256 Credential={}/20260101/us-west-2/eks/aws4_request, SignedHeaders=host, Signature=00"
    scope = read_scope("http://h/", {"Authorization": header.format("210987654321")})
    assert scope is not None
    assert (scope.region, scope.account, scope.signing_name) == ("us-west-2", "210987654321", "eks")
    other = read_scope("http://h/", {"Authorization": header.format("AKIAEXAMPLE")})
    assert other is not None
    assert other.account == "000000000000"


def test_a_presigned_url_is_scoped_by_its_query(aws: Aws, databases: Databases) -> None:
    rds = make_client(aws, "rds", "us-west-2", account="1" * 12)
    url = rds.generate_presigned_url("describe_db_instances")
    assert aws.request("GET", url, {}, b"").status == 200
    assert databases.asked == [("us-west-2", "111111111111", {})]


def test_answers_over_http_as_in_process(aws: Aws, databases: Databases) -> None:
    async def play() -> None:
        server = TestServer(make_app(aws))
        await server.start_server()
        url = str(server.make_url("/"))
        rds = boto3.client(
            "rds",
            region_name="us-west-2",
            endpoint_url=url,
            aws_access_key_id="2" * 12,
            aws_secret_access_key="s",
            config=Config(retries={"total_max_attempts": 1}),
        )
        try:
            answer = await asyncio.to_thread(rds.describe_db_instances)
            assert answer["DBInstances"][0]["DBInstanceIdentifier"] == "pg"
            async with aiohttp.ClientSession() as session:
                await session.post(url + "_fail?count=1&code=Throttling&status=400")
                assert (await asyncio.to_thread(refused, rds.describe_db_instances))[0] == "Throttling"
                async with session.get(url + "_seen") as seen:
                    assert [s["code"] for s in await seen.json()] == ["", "Throttling"]
        finally:
            rds.close()
            await server.close()

    asyncio.run(play())
    assert databases.asked[0][:2] == ("us-west-2", "2" * 12)


def test_what_falls_due_is_done_though_nobody_asks() -> None:
    async def play() -> bool:
        growing = Growing()
        server = TestServer(make_app({"eks": growing, "rds": Databases()}))
        await server.start_server()
        try:
            return await asyncio.to_thread(growing.settled.wait, 5)
        finally:
            await server.close()

    assert asyncio.run(play())
