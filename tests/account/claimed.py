"""An account that answers as policy promises, in plain values; every answer is held to botocore's model of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, cast

import botocore.session
from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator

from chalicelib import names
from chalicelib.account.alarms import alarm_properties
from chalicelib.account.endpoint import endpoint_check
from chalicelib.account.promises import READS
from chalicelib.actions.contract import AwsOp, Locked, Reader
from chalicelib.core.outcome import NoData, Refused
from chalicelib.policy.load import load
from chalicelib.store.beat import Beat, millis
from drctl.neighbours.s3_replication import ReplicatedRule
from tests.account.metrics import Metrics

POLICY = load(Path(__file__).parents[2] / "policies", speed=1.0)
ROW = POLICY.backups.replication[0]
AT = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
CHECK = "5f0c1c9e-2b7a-4d0e-9a51-3c6f0a7b8d21"
KEY = f"arn:aws:kms:{ROW.destination_region}:{POLICY.platform.account}:key/k"
AIRGAP = POLICY.backups.airgap
assert AIRGAP is not None


@dataclass(frozen=True, slots=True)
class Object:
    """One object of a vault."""

    at: datetime
    lock: str
    locked_until: datetime | None


def configuration() -> dict[str, Any]:
    """As GetBucketReplication shows it, with a rule of another's before ours."""
    other = {"ID": "logs", "Status": "Enabled", "Destination": {"Bucket": "arn:aws:s3:::somebody-else"}}
    rule = {
        "ID": "whole-bucket",
        "Priority": 1,
        "Filter": {},
        "Status": "Enabled",
        "DeleteMarkerReplication": {"Status": "Disabled"},
        "SourceSelectionCriteria": {"SseKmsEncryptedObjects": {"Status": "Enabled"}},
        "Destination": {
            "Bucket": f"arn:aws:s3:::{ROW.destination}",
            "EncryptionConfiguration": {"ReplicaKmsKeyID": KEY},
            "ReplicationTime": {"Status": "Enabled", "Time": {"Minutes": 15}},
            "Metrics": {"Status": "Enabled", "EventThreshold": {"Minutes": 15}},
        },
    }
    role = f"arn:aws:iam::{POLICY.platform.account}:role/replication"
    return {"ReplicationConfiguration": {"Role": role, "Rules": [other, rule]}}


def of_policy(name: str) -> dict[str, Any]:
    """An alarm as DescribeAlarms shows it."""
    alarm = next(a for a in POLICY.signals.alarms if a.name == name)
    topic = [names.alarm_topic_arn(POLICY, alarm.region)]
    actions = dict.fromkeys(("AlarmActions", "OKActions", "InsufficientDataActions"), topic)
    return {**alarm_properties(alarm, POLICY, CHECK), "ActionsEnabled": True, **actions}


@dataclass
class House:
    """Everything that is asked. `refused` is operation → error code; `silent` are services of regions."""

    rule: ReplicatedRule = field(
        default_factory=lambda: ReplicatedRule(
            id="whole-bucket",
            source=ROW.source,
            source_region=ROW.source_region,
            destination=ROW.destination,
            destination_region=ROW.destination_region,
        )
    )
    replication: dict[str, Any] = field(default_factory=configuration)
    check: dict[str, Any] = field(default_factory=lambda: endpoint_check(POLICY))
    alarms: dict[str, dict[str, Any]] = field(
        default_factory=lambda: {a.name: of_policy(a.name) for a in POLICY.signals.alarms}
    )
    instance: dict[str, Any] = field(default_factory=dict)
    beats: dict[str, Beat] = field(default_factory=dict)
    vaults: dict[str, dict[str, Object]] = field(default_factory=dict)
    metrics: Metrics = field(default_factory=Metrics)
    refused: dict[str, str] = field(default_factory=dict)
    silent: set[tuple[str, str]] = field(default_factory=set)
    asked: list[tuple[str, str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        side = POLICY.platform.database
        self.instance = {
            "DBInstanceIdentifier": side.replica.instance,
            "DBInstanceStatus": "available",
            "ReadReplicaSourceDBInstanceIdentifier": side.primary.instance,
            "StatusInfos": [{"StatusType": "read replication", "Normal": True, "Status": "replicating"}],
        }
        row = {"n": 100, "written_at": millis(AT), "at": millis(AT)}
        self.beats = {"primary": Beat(row), "replica": Beat(row)}
        for vault in AIRGAP.vaults if AIRGAP else ():
            mode, days = (vault.lock.mode, vault.lock.days) if vault.kind == "s3" else ("Locked", vault.immutable_days)
            name = f"manifests/{AT:%Y%m%dT%H%M%SZ}-hourly-1.json"
            self.vaults[vault.name] = {name: Object(AT, mode, AT + timedelta(days=days))}
        for minute in range(15, 0, -1):
            self.metrics.publish(self.rule, AT - timedelta(minutes=minute))

    def minutes(self, count: int = 1) -> None:
        """Publishes the newest minutes again, as the rule stands now."""
        for minute in range(count, 0, -1):
            self.metrics.publish(self.rule, AT - timedelta(seconds=59 * minute))

    def aws(self, service: str, region: str, operation: str, **params: Any) -> Mapping[str, Any] | Refused | NoData:
        self.asked.append((service, region, operation))
        assert any(isinstance(op, AwsOp) and (op.service, op.operation) == (service, operation) for op in READS)
        if (service, region) in self.silent:
            return NoData(because=f"{service} {operation} in {region} was not answered: ReadTimeoutError")
        if operation in self.refused:
            return Refused(code=self.refused[operation], because=f"{service} {operation} in {region}: no")
        answers: dict[str, Callable[[], dict[str, Any]]] = {
            "get_bucket_location": lambda: {"LocationConstraint": None if region == "us-east-1" else region},
            "get_bucket_versioning": lambda: {"Status": "Enabled"},
            "get_bucket_encryption": lambda: {
                "ServerSideEncryptionConfiguration": {
                    "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}]
                }
            },
            "get_bucket_replication": lambda: self.replication,
            "list_health_checks": lambda: {
                "HealthChecks": [
                    {"Id": CHECK, "CallerReference": "c", "HealthCheckConfig": self.check, "HealthCheckVersion": 1}
                ],
                "Marker": "",
                "IsTruncated": False,
                "MaxItems": "100",
            },
            "describe_alarms": lambda: {
                "MetricAlarms": [self.alarms[n] for n in params["AlarmNames"] if n in self.alarms]
            },
            "describe_db_instances": lambda: {"DBInstances": [self.instance]},
        }
        if operation == "get_metric_data":
            _fits(service, operation, params, given=True)
            try:
                return self.metrics.get_metric_data(region, params)
            except ClientError as error:
                return Refused(code=error.response["Error"]["Code"], because=error.response["Error"]["Message"])
        if operation == "get_item":
            beat = self.beats.get(params["Key"]["sk"]["S"])
            values = beat.values if beat else {}
            return {"Item": {k: {"N": str(v)} if isinstance(v, int) else {"S": v} for k, v in values.items()}}
        _fits(service, operation, params, given=True)
        answer = deepcopy(answers[operation]())
        _fits(service, operation, answer, given=False)
        return answer

    def sql(self, *_: object, **__: object) -> NoData:
        return NoData(because="the replica was not asked")

    def vault_top(self, vault: str, prefix: str) -> tuple[str, ...]:
        return tuple(name for name in self.vaults[vault] if name.startswith(prefix))

    def vault_stands(self, vault: str, name: str) -> Locked | None:
        return self.vaults[vault].get(name)

    @property
    def reader(self) -> Reader:
        return cast("Reader", self)


def _fits(service: str, operation: str, value: Mapping[str, Any], *, given: bool) -> None:
    """AssertionError where botocore's model knows no such field, or has another type for it."""
    shape = _model(service).operation_model(_named(service, operation))
    wanted = shape.input_shape if given else shape.output_shape
    cleaned = {k: v for k, v in value.items() if v is not None}
    report = ParamValidator().validate(cleaned, wanted)
    problems = [e for e in report._errors if e[0] != "missing required field"] if not given else report._errors
    assert not problems, problems


@cache
def _model(service: str) -> Any:
    return botocore.session.get_session().get_service_model(service)


@cache
def _named(service: str, operation: str) -> str:
    return next(str(name) for name in _model(service).operation_names if xform_name(name) == operation)
