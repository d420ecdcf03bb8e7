"""An account on moto that is as the policies claim, made by ordinary clients; a test then changes one thing of it."""

from __future__ import annotations

import io
import json
import zipfile
from functools import cache
from typing import Any

import boto3
from botocore.awsrequest import AWSResponse
from botocore.exceptions import EndpointConnectionError

from chalicelib import names
from chalicelib.account.endpoint import endpoint_check
from chalicelib.account.verdicts import Row, Verdict
from chalicelib.names import logical
from chalicelib.policy import Policy
from chalicelib.policy.notifications import EmailChannel, PagerDutyChannel, SlackChannel
from chalicelib.policy.platform import MetricSwitch
from drctl.account.asking import Account
from drctl.account.verify import verify
from drctl.deployment.primary import alarm_stack
from drctl.deployment.resources import resources
from drctl.world import hosted_zones

PRIMARY, STANDBY = "eu-west-1", "eu-central-1"
ACCOUNT = "123456789012"
"""moto's own."""
TRUST = {"Version": "2012-10-17", "Statement": []}


@cache
def _session() -> boto3.Session:
    """One for all: a service's model is parsed once."""
    return boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", aws_session_token="test")


def new_client(service: str, region: str) -> Any:
    """A client of its own."""
    return _session().client(service, region_name=region)


@cache
def client(service: str, region: str) -> Any:
    """One for all who build or look."""
    return new_client(service, region)


class Watched:
    """Clients as `verify-account` has them. `asked` is each operation that was called, `denied` are refused as IAM
    does, `silent` are not answered. What moto does not keep is put into its answers: SES's GetAccount and whether an
    identity is verified, what a check over an alarm looks at, what of a bucket is replicated, a promotion.
    """

    def __init__(
        self,
        policy: Policy,
        *,
        denied: tuple[str, ...] = (),
        silent: tuple[str, ...] = (),
        sandbox: bool = False,
        verified: bool = True,
        alarm: str | None = None,
        encrypted: str = "Enabled",
        promoted: bool = False,
        markers: str = "Disabled",
    ) -> None:
        self.asked: set[tuple[str, str]] = set()
        self._clients: dict[tuple[str, str], Any] = {}
        self._denied, self._silent, self._sandbox = denied, silent, sandbox
        self._verified, self._promoted, self._markers = verified, promoted, markers
        self._switch, self._encrypted = _switch_check(policy), encrypted
        if alarm:
            self._switch["AlarmIdentifier"]["Name"] = alarm

    def __call__(self, service: str, region: str) -> Any:
        """A client that is watched, and nobody else's."""
        if (service, region) not in self._clients:
            mine = self._clients[service, region] = new_client(service, region)
            mine.meta.events.register("before-call", self._before)
            mine.meta.events.register("after-call.rds.DescribeDBInstances", self._instances)
            mine.meta.events.register("after-call.sesv2.GetEmailIdentity", self._identity)
            mine.meta.events.register("after-call.route53.ListHealthChecks", self._checks)
            mine.meta.events.register("after-call.s3.GetBucketReplication", self._replication)
        return self._clients[service, region]

    def _instances(self, parsed: dict[str, Any], **_: Any) -> None:
        for instance in parsed.get("DBInstances", []) if self._promoted else ():
            instance.pop("ReadReplicaSourceDBInstanceIdentifier", None)

    def _identity(self, parsed: dict[str, Any], **_: Any) -> None:
        if "Error" not in parsed:
            parsed["VerifiedForSendingStatus"] = self._verified

    def _checks(self, parsed: dict[str, Any], **_: Any) -> None:
        for check in parsed.get("HealthChecks", []):
            if check["HealthCheckConfig"]["Type"] == "CLOUDWATCH_METRIC":
                check["HealthCheckConfig"] = self._switch | check["HealthCheckConfig"]

    def _replication(self, parsed: dict[str, Any], **_: Any) -> None:
        for rule in parsed.get("ReplicationConfiguration", {}).get("Rules", []):
            rule.setdefault("SourceSelectionCriteria", {"SseKmsEncryptedObjects": {"Status": self._encrypted}})
            rule["DeleteMarkerReplication"] = {"Status": self._markers}

    def _before(self, model: Any, **_: Any) -> tuple[AWSResponse, dict[str, Any]] | None:
        self.asked.add((model.service_model.service_name, model.name))
        if model.name in self._silent:
            raise EndpointConnectionError(endpoint_url=f"https://{model.service_model.service_name}.test")
        if model.name in self._denied:
            return _answer(403, {"Error": {"Code": "AccessDenied", "Message": f"not authorized: {model.name}"}})
        if model.name == "GetAccount":
            said = {"ProductionAccessEnabled": not self._sandbox, "SendingEnabled": True}
            assert set(said) <= set(model.output_shape.members)
            return _answer(200, said)
        return None


def _answer(status: int, parsed: dict[str, Any]) -> tuple[AWSResponse, dict[str, Any]]:
    metadata = {"ResponseMetadata": {"HTTPStatusCode": status}}
    return AWSResponse("", status, {}, None), parsed | metadata


def differing(policy: Policy, watched: Watched | None = None) -> list[Row]:
    """The rows that are not as claimed."""
    return [row for row in verify(policy, Account(watched or Watched(policy))) if row.verdict is not Verdict.AS_CLAIMED]


def _switch_check(policy: Policy) -> dict[str, Any]:
    switch = policy.platform.traffic.switch
    assert isinstance(switch, MetricSwitch)
    made = resources(policy)["Resources"]["TrafficSwitchCheck"]["Properties"]["HealthCheckConfig"]
    return {**made, "AlarmIdentifier": {"Name": switch.alarm, "Region": switch.region}}


def build(policy: Policy) -> None:
    _database(policy)
    _clusters(policy)
    _buckets(policy)
    _traffic(policy)
    _alarms(policy)
    _secrets_and_mail(policy)
    _table(policy)
    _functions(policy)


def _database(policy: Policy) -> None:
    claimed = policy.platform.database
    client("rds", claimed.primary.region).create_db_instance(
        DBInstanceIdentifier=claimed.primary.instance,
        DBInstanceClass="db.m6g.large",
        Engine="postgres",
        DBName=claimed.name,
        MasterUsername="owner",
        MasterUserPassword="of the test",
        AllocatedStorage=20,
        Port=claimed.port,
        MultiAZ=True,
    )
    client("rds", claimed.replica.region).create_db_instance_read_replica(
        DBInstanceIdentifier=claimed.replica.instance,
        SourceDBInstanceIdentifier=(
            f"arn:aws:rds:{claimed.primary.region}:{policy.platform.account}:db:{claimed.primary.instance}"
        ),
        SourceRegion=claimed.primary.region,
    )


def _clusters(policy: Policy) -> None:
    role = f"arn:aws:iam::{policy.platform.account}:role/eks"
    for cluster in (policy.platform.clusters.primary, policy.platform.clusters.standby):
        eks = client("eks", cluster.region)
        eks.create_cluster(
            name=cluster.name, roleArn=role, resourcesVpcConfig={"subnetIds": ["subnet-12345678", "subnet-12345679"]}
        )
        group = cluster.node_group
        assert group is not None
        eks.create_nodegroup(
            clusterName=cluster.name,
            nodegroupName=group.name,
            nodeRole=role,
            subnets=["subnet-12345678"],
            scalingConfig={"minSize": 1, "maxSize": group.max_size, "desiredSize": 1},
        )


def _bucket(name: str, region: str) -> None:
    s3 = client("s3", region)
    where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    s3.create_bucket(Bucket=name, **where)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})


def _buckets(policy: Policy) -> None:
    for row in policy.backups.replication:
        for name, region in ((row.destination, row.destination_region), (row.source, row.source_region)):
            _bucket(name, region)
            rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}
            client("s3", region).put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": [rule]})
        client("s3", row.source_region).put_bucket_replication(
            Bucket=row.source, ReplicationConfiguration=replication(policy)
        )
    _restorable(policy)
    responder = policy.platform.responder
    made = resources(policy)["Resources"]
    for properties in (made[name]["Properties"] for name in ("StatusBucket", "OperatorsBucket") if name in made):
        _bucket(properties["BucketName"], responder.region)
        client("s3", responder.region).put_public_access_block(
            Bucket=properties["BucketName"],
            PublicAccessBlockConfiguration=properties["PublicAccessBlockConfiguration"],
        )


def _restorable(policy: Policy) -> None:
    made = {row.source for row in policy.backups.replication}
    for row in policy.backups.restorable:
        if row.bucket not in made:
            _bucket(row.bucket, row.region)
            rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}
            encryption = {"Rules": [rule]}
            client("s3", row.region).put_bucket_encryption(
                Bucket=row.bucket, ServerSideEncryptionConfiguration=encryption
            )
        lifecycle(policy, row.bucket, row.lifecycle_keeps.days)


def lifecycle(policy: Policy, bucket: str, days: int, prefix: str = "") -> None:
    """The bucket's only rule."""
    row = next(r for r in policy.backups.restorable if r.bucket == bucket)
    rule = {"ID": "old", "Status": "Enabled", "Filter": {"Prefix": prefix}}
    client("s3", row.region).put_bucket_lifecycle_configuration(
        Bucket=bucket,
        LifecycleConfiguration={"Rules": [{**rule, "NoncurrentVersionExpiration": {"NoncurrentDays": days}}]},
    )


def replication(policy: Policy) -> dict[str, Any]:
    """As PutBucketReplication takes it."""
    row = policy.backups.replication[0]
    return {
        "Role": f"arn:aws:iam::{policy.platform.account}:role/replication",
        "Rules": [
            {
                "ID": "all",
                "Priority": 1,
                "Filter": {"Prefix": ""},
                "Status": "Enabled",
                "DeleteMarkerReplication": {"Status": "Disabled"},
                "SourceSelectionCriteria": {"SseKmsEncryptedObjects": {"Status": "Enabled"}},
                "Destination": {
                    "Bucket": f"arn:aws:s3:::{row.destination}",
                    "EncryptionConfiguration": {
                        "ReplicaKmsKeyID": f"arn:aws:kms:{row.destination_region}:{policy.platform.account}:key/k"
                    },
                    "ReplicationTime": {"Status": "Enabled", "Time": {"Minutes": 15}},
                    "Metrics": {"Status": "Enabled", "EventThreshold": {"Minutes": 15}},
                },
            }
        ],
    }


def _traffic(policy: Policy) -> None:
    route53 = client("route53", policy.platform.responder.region)
    configs = {"endpoint": endpoint_check(policy), "switch": _switch_check(policy)}
    ids = {
        name: route53.create_health_check(CallerReference=name, HealthCheckConfig=config)["HealthCheck"]["Id"]
        for name, config in configs.items()
    }
    regions = policy.platform.regions
    hosts = {region: f"{region}.example" for region in (regions.primary, regions.standby)}
    for zone, rows in hosted_zones.rows(policy, {**ids, "drill": ids["switch"]}, hosts).items():
        made = route53.create_hosted_zone(Name=zone, CallerReference=zone)["HostedZone"]["Id"]
        changes = [{"Action": "CREATE", "ResourceRecordSet": row} for row in rows]
        route53.change_resource_record_sets(HostedZoneId=made, ChangeBatch={"Changes": changes})


def _alarms(policy: Policy) -> None:
    for region in names.alarm_regions(policy):
        sns, arn = client("sns", region), names.alarm_topic_arn(policy, region)
        sns.create_topic(Name=names.alarm_topic(policy))
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "cloudwatch.amazonaws.com"},
            "Action": "sns:Publish",
            "Resource": arn,
        }
        document = {"Version": "2012-10-17", "Statement": [statement]}
        sns.set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue=json.dumps(document))
        sns.subscribe(TopicArn=arn, Protocol="lambda", Endpoint=names.function_arn(policy, "on_alarm_sns"))
        _put_alarms(alarm_stack(policy, region), region, arn)
    trouble = f"arn:aws:sns:{policy.platform.responder.region}:{policy.platform.account}:trouble"
    _put_alarms(resources(policy), policy.platform.responder.region, trouble)


def _put_alarms(template: dict[str, Any], region: str, topic: str) -> None:
    for resource in template["Resources"].values():
        if resource.get("Type") == "AWS::CloudWatch::Alarm":
            wanted = {**resource["Properties"], "Dimensions": []}
            wanted |= {key: [topic] for key in wanted if key.endswith("Actions")}
            client("cloudwatch", region).put_metric_alarm(**wanted)


def _secrets_and_mail(policy: Policy) -> None:
    platform, region = policy.platform, policy.platform.responder.region
    secrets = {platform.application_secret.name, platform.database.credentials_secret}
    for channel in policy.notifications.channels:
        if isinstance(channel, PagerDutyChannel | SlackChannel):
            secrets.add(channel.secret)
        if isinstance(channel, EmailChannel):
            client("ses", region).verify_email_identity(EmailAddress=channel.sender)
    for name in sorted(secrets):
        client("secretsmanager", region).create_secret(Name=name, SecretString="never read")
    if own := platform.primary_secret:
        client("secretsmanager", own.region).create_secret(Name=own.name, SecretString="never read")


def _table(policy: Policy) -> None:
    responder = policy.platform.responder
    wanted = resources(policy)["Resources"]["Desk"]["Properties"]
    dynamodb = client("dynamodb", responder.region)
    dynamodb.create_table(
        TableName=responder.table,
        BillingMode=wanted["BillingMode"],
        AttributeDefinitions=wanted["AttributeDefinitions"],
        KeySchema=wanted["KeySchema"],
        SSESpecification={"Enabled": True},
    )
    dynamodb.update_continuous_backups(
        TableName=responder.table, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )


def _functions(policy: Policy) -> None:
    region, account = policy.platform.responder.region, policy.platform.account
    role = client("iam", region).create_role(RoleName="dr", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    aws = client("lambda", region)
    queue = client("sqs", region).create_queue(QueueName=f"{names.app(policy)}-failed")["QueueUrl"].rpartition("/")[2]
    made = resources(policy)["Resources"]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as opened:
        opened.writestr("app.py", "")
    for name in names.FUNCTIONS:
        function = names.function(policy, name)
        aws.create_function(
            FunctionName=function,
            Runtime="python3.11",
            Role=role,
            Handler=f"app.{name}",
            Code={"ZipFile": packed.getvalue()},
            Timeout=900 if name == "airgap" else 90,
            MemorySize=512,
            Environment={"Variables": {"DR_STAGE": "prod"}},
        )
        invoked = made[logical(name)]["Properties"]["EventInvokeConfig"]
        aws.put_function_event_invoke_config(
            FunctionName=function,
            MaximumRetryAttempts=invoked["MaximumRetryAttempts"],
            MaximumEventAgeInSeconds=invoked["MaximumEventAgeInSeconds"],
            DestinationConfig={"OnFailure": {"Destination": f"arn:aws:sqs:{region}:{account}:{queue}"}},
        )
    for i, where in enumerate(names.alarm_regions(policy)):
        aws.add_permission(
            FunctionName=names.function(policy, "on_alarm_sns"),
            StatementId=f"topic{i}",
            Action="lambda:InvokeFunction",
            Principal="sns.amazonaws.com",
            SourceArn=names.alarm_topic_arn(policy, where),
        )
