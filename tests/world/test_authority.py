"""What functions may not, the gate refuses in the service's own words: asked by ordinary clients, for each service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import urlencode

import boto3
import botocore.session
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.serialize import create_serializer

from chalicelib.policy.load import load
from drctl.deployment.permissions import document
from drctl.world.authority import Authority
from drctl.world.faults import throttled
from drctl.world.gate import Gate
from drctl.world.iam import Principal
from drctl.world.wire import read
from tests.world.conftest import ROOT

pytestmark = pytest.mark.asyncio
ACCOUNT, REGION = "111122223333", "us-west-2"
POLICY = load(ROOT / "policies")
TICK = f"arn:aws:sts::{ACCOUNT}:assumed-role/tick/neurectomy-dr-tick"
GROUP: Final = {"clusterName": "neurectomy-usw2", "nodegroupName": "workers"}
OUTCOME: Final = {"Namespace": "NeurectomyDR", "MetricData": [{"MetricName": "StandbyTakesOver", "Value": 1}]}
Send = Callable[[Any], Any]

ALLOWED: Final[Mapping[str, tuple[str, Send]]] = {
    "promote": ("rds", lambda c: c.promote_read_replica(DBInstanceIdentifier="neurectomy-pg-west")),
    "describe one": ("rds", lambda c: c.describe_db_instances(DBInstanceIdentifier="neurectomy-pg-west")),
    "cluster": ("eks", lambda c: c.describe_cluster(name="neurectomy-usw2")),
    "node group": ("eks", lambda c: c.update_nodegroup_config(**GROUP, scalingConfig={"desiredSize": 6})),
    "metric": ("cloudwatch", lambda c: c.put_metric_data(**OUTCOME)),
    "item": ("dynamodb", lambda c: c.get_item(TableName="neurectomy-dr", Key={"pk": {"S": "a"}, "sk": {"S": "b"}})),
    "network ACLs": ("ec2", lambda c: c.describe_network_acls()),
    "who it is": ("sts", lambda c: c.get_caller_identity()),
    "alarms": ("cloudwatch", lambda c: c.describe_alarms(AlarmNames=["a", "b"])),
}
REFUSED: Final[Mapping[str, tuple[str, Send, str, str]]] = {
    "another database": (
        "rds",
        lambda c: c.promote_read_replica(DBInstanceIdentifier="neurectomy-pg"),
        "AccessDenied",
        f"rds:PromoteReadReplica on resource: arn:aws:rds:{REGION}:{ACCOUNT}:db:neurectomy-pg",
    ),
    "all databases": (
        "rds",
        lambda c: c.describe_db_instances(),
        "AccessDenied",
        f"rds:DescribeDBInstances on resource: arn:aws:rds:{REGION}:{ACCOUNT}:db:*",
    ),
    "another operation": (
        "rds",
        lambda c: c.delete_db_instance(DBInstanceIdentifier="neurectomy-pg-west"),
        "AccessDenied",
        f"rds:DeleteDBInstance on resource: arn:aws:rds:{REGION}:{ACCOUNT}:db:neurectomy-pg-west",
    ),
    "a restore of another database": (
        "rds",
        lambda c: c.restore_db_instance_to_point_in_time(
            SourceDBInstanceIdentifier="neurectomy-pg-west",
            TargetDBInstanceIdentifier="neurectomy-pg-at-20261126030000",
            UseLatestRestorableTime=True,
        ),
        "AccessDenied",
        f"rds:RestoreDBInstanceToPointInTime on resource: arn:aws:rds:{REGION}:{ACCOUNT}:db:neurectomy-pg-west",
    ),
    "another cluster": (
        "eks",
        lambda c: c.describe_cluster(name="neurectomy-use1"),
        "AccessDeniedException",
        f"eks:DescribeCluster on resource: arn:aws:eks:{REGION}:{ACCOUNT}:cluster/neurectomy-use1",
    ),
    "another node group": (
        "eks",
        lambda c: c.describe_nodegroup(**GROUP | {"nodegroupName": "gpus"}),
        "AccessDeniedException",
        f"eks:DescribeNodegroup on resource: arn:aws:eks:{REGION}:{ACCOUNT}:nodegroup/neurectomy-usw2/gpus/0",
    ),
    "an access entry": (
        "eks",
        lambda c: c.list_access_entries(clusterName="neurectomy-usw2"),
        "AccessDeniedException",
        f"eks:ListAccessEntries on resource: arn:aws:eks:{REGION}:{ACCOUNT}:cluster/neurectomy-usw2",
    ),
    "another namespace": (
        "cloudwatch",
        lambda c: c.put_metric_data(**OUTCOME | {"Namespace": "AWS/Route53"}),
        "AccessDeniedException",
        "cloudwatch:PutMetricData on resource: *",
    ),
    "an alarm's state": (
        "cloudwatch",
        lambda c: c.set_alarm_state(AlarmName="a", StateValue="OK", StateReason="r"),
        "AccessDeniedException",
        f"cloudwatch:SetAlarmState on resource: arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:a",
    ),
    "a network ACL": (
        "ec2",
        lambda c: c.delete_network_acl(NetworkAclId="acl-1"),
        "UnauthorizedOperation",
        "ec2:DeleteNetworkAcl on resource: *",
    ),
    "an instance's attribute in another region": (
        "ec2",
        lambda c: c.modify_instance_attribute(InstanceId="i-1", DisableApiTermination={"Value": True}),
        "UnauthorizedOperation",
        f"ec2:ModifyInstanceAttribute on resource: arn:aws:ec2:{REGION}:{ACCOUNT}:instance/i-1",
    ),
    "an interface's groups in another region": (
        "ec2",
        lambda c: c.modify_network_interface_attribute(NetworkInterfaceId="eni-1", Groups=["sg-1"]),
        "UnauthorizedOperation",
        f"ec2:ModifyNetworkInterfaceAttribute on resource: arn:aws:ec2:{REGION}:{ACCOUNT}:network-interface/eni-1",
    ),
    "a subnet's ACL in another region": (
        "ec2",
        lambda c: c.replace_network_acl_association(AssociationId="aclassoc-1", NetworkAclId="acl-1"),
        "UnauthorizedOperation",
        f"ec2:ReplaceNetworkAclAssociation on resource: arn:aws:ec2:{REGION}:{ACCOUNT}:network-acl/acl-1",
    ),
    "a volume's tags": (
        "ec2",
        lambda c: c.create_tags(Resources=["vol-1"], Tags=[{"Key": "a", "Value": "b"}]),
        "UnauthorizedOperation",
        f"ec2:CreateTags on resource: arn:aws:ec2:{REGION}:{ACCOUNT}:volume/vol-1",
    ),
    "a finding archived": (
        "guardduty",
        lambda c: c.archive_findings(DetectorId="1" * 32, FindingIds=["f"]),
        "AccessDeniedException",
        "guardduty:ArchiveFindings on resource: *",
    ),
    "an image": (
        "ecr",
        lambda c: c.describe_images(repositoryName="web"),
        "AccessDeniedException",
        f"ecr:DescribeImages on resource: arn:aws:ecr:{REGION}:{ACCOUNT}:repository/web",
    ),
    "a routing control": (
        "route53-recovery-cluster",
        lambda c: c.get_routing_control_state(RoutingControlArn=f"arn:aws:route53-recovery-control::{ACCOUNT}:c"),
        "AccessDeniedException",
        f"route53-recovery-cluster:GetRoutingControlState on resource: arn:aws:route53-recovery-control::{ACCOUNT}:c",
    ),
    "another table": (
        "dynamodb",
        lambda c: c.get_item(TableName="other", Key={"pk": {"S": "a"}, "sk": {"S": "b"}}),
        "AccessDeniedException",
        f"dynamodb:GetItem on resource: arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/other",
    ),
    "a table of locks": (
        "dynamodb",
        lambda c: c.put_item(TableName="locks", Item={"LockID": {"S": "bucket/key"}}),
        "AccessDeniedException",
        f"dynamodb:PutItem on resource: arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/locks",
    ),
    "a health check": (
        "route53",
        lambda c: c.delete_health_check(HealthCheckId="abc"),
        "AccessDenied",
        "route53:DeleteHealthCheck on resource: arn:aws:route53:::healthcheck/abc",
    ),
}


class Behind:
    """Counts what came through."""

    def __init__(self) -> None:
        self.reached = 0

    async def take(self, request: web.Request) -> web.Response:
        self.reached += 1
        # A throttle is an answer in every protocol; what matters is that the request came through.
        said = throttled(read(request.method, request.raw_path, request.headers, await request.read()))
        return web.Response(status=said.status, headers=said.headers, body=said.body)


@asynccontextmanager
async def gate(*, key: str = "ASIATICK", function: str = "Tick") -> AsyncIterator[tuple[Behind, Callable[..., Any]]]:
    """A gate that knows the tick with its shipped policy, what is behind it, and a way to ask."""
    behind, app = Behind(), web.Application()
    app.router.add_route("*", "/{anything:.*}", behind.take)
    authority = Authority(ACCOUNT, {(REGION, "Tick"): Principal(TICK, (document(POLICY, "tick"),))})
    async with TestServer(app) as server:
        made = Gate(default=str(server.make_url("")).rstrip("/"), authority=authority)
        async with TestServer(made.app()) as front:
            config = Config(retries={"total_max_attempts": 1}, user_agent_appid=f"{REGION}.{function}")

            def blocking(service: str, send: Send) -> tuple[str, str]:
                client = boto3.client(
                    service,
                    region_name=REGION,
                    endpoint_url=str(front.make_url("")).rstrip("/"),
                    aws_access_key_id=key,
                    aws_secret_access_key="s",
                    config=config,
                )
                with pytest.raises(ClientError) as told:
                    send(client)
                error = told.value.response["Error"]
                return error["Code"], error.get("Message", "")

            async def ask(service: str, send: Send) -> tuple[str, str]:
                return await asyncio.to_thread(blocking, service, send)

            yield behind, ask


@pytest.mark.parametrize("what", ALLOWED)
async def test_what_the_policy_grants_passes(what: str) -> None:
    async with gate() as (behind, ask):
        code, _ = await ask(*ALLOWED[what])
        assert "AccessDenied" not in code
        assert behind.reached == 1


@pytest.mark.parametrize("what", REFUSED)
async def test_what_the_policy_does_not_grant_is_denied_and_reaches_nobody(what: str) -> None:
    service, send, code, about = REFUSED[what]
    async with gate() as (behind, ask):
        action = about.partition(" ")[0]
        why = f"because no identity-based policy allows the {action} action"
        assert await ask(service, send) == (code, f"User: {TICK} is not authorized to perform: {about} {why}")
        assert behind.reached == 0


async def test_the_account_s_own_keys_may_everything() -> None:
    async with gate(key=ACCOUNT, function="Nobody") as (behind, ask):
        await ask(*REFUSED["another operation"][:2])
        assert behind.reached == 1


async def test_a_temporary_key_of_nobody_known_is_refused() -> None:
    async with gate(function="Stranger") as (behind, ask):
        assert (await ask(*ALLOWED["promote"]))[0] == "InvalidClientTokenId"
        assert behind.reached == 0


@pytest.mark.parametrize("protocol", ["smithy-rpc-v2-cbor", "json", "query"])
@pytest.mark.parametrize(("namespace", "passes"), [("NeurectomyDR", True), ("AWS/Route53", False)])
async def test_a_metric_s_namespace_is_read_in_every_protocol(protocol: str, namespace: str, *, passes: bool) -> None:
    model = botocore.session.get_session().get_service_model("cloudwatch")
    sent = create_serializer(protocol).serialize_to_request(
        dict(OUTCOME | {"Namespace": namespace}), model.operation_model("PutMetricData")
    )
    body = sent["body"]
    raw = urlencode(body).encode() if isinstance(body, dict) else body
    signed = {"Authorization": f"AWS4-HMAC-SHA256 Credential=ASIATICK/20261123/{REGION}/monitoring/aws4_request"}
    asked = read("POST", sent["url_path"], {**sent["headers"], **signed, "User-Agent": f"app/{REGION}.Tick"}, raw)
    assert asked.operation == "PutMetricData"
    authority = Authority(ACCOUNT, {(REGION, "Tick"): Principal(TICK, (document(POLICY, "tick"),))})
    assert (authority.refusal(asked, sent["url_path"], raw) is None) is passes
