"""The AWS services that recovery asks and no neighbour keeps: secrets, metrics with their alarms, mail, files, items.

As small as their callers allow and as strict as the real ones where that decides an ending: tokens that make a repeat
harmless or a conflict, alarms that are judged from the clock when somebody asks, senders and buckets that must exist.
Their methods are named as boto3's; botocore's own description checks what comes in (drctl/neighbours/aws.py).

Sources, named below by their short names:
- *put secret*: docs.aws.amazon.com/secretsmanager/latest/apireference/API_PutSecretValue.html
- *alarms*: docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html
- *send*: docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html
- *account*, *identity*: …/APIReference-V2/API_GetAccount.html, …/API_GetEmailIdentity.html
- *update item*: docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateItem.html
- *list*, *delete object*: docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html, …/API_DeleteObject.html
- *head object*, *get object*: docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html, …/API/API_GetObject.html
- *lifecycle*: docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLifecycleConfiguration.html, …/API/
  API_PutBucketLifecycleConfiguration.html (a rule has a Status and one Filter or Prefix; ids are single)
- *versioning*: docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketVersioning.html (a bucket where it never was
  enabled answers without a Status)
- *copy object*, *lock*: docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html, …/userguide/object-lock.html
- *put object*: docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html, …/API/sigv4-streaming-trailers.html
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import unquote

from drctl.neighbours.aws import AwsError
from drctl.world.inside.alarms import datapoints, judge

Params = Mapping[str, Any]
MAX_RECIPIENTS: Final = 50


@dataclass(slots=True)
class Secret:
    """`versions` by token; the newest is current."""

    versions: dict[str, str]
    current: str


class SecretsManager:
    """Secrets by region and name."""

    def __init__(self) -> None:
        self.secrets: dict[tuple[str, str], Secret] = {}

    def add(self, region: str, name: str, value: Mapping[str, Any]) -> None:
        """A secret that is there from the start."""
        self.secrets[region, name] = Secret({"0" * 32: json.dumps(value)}, "0" * 32)

    def value(self, region: str, name: str) -> Mapping[str, Any]:
        """What it holds now, read as JSON."""
        secret = self.secrets[region, name]
        held: Mapping[str, Any] = json.loads(secret.versions[secret.current])
        return held

    def get_secret_value(self, region: str, _account: str, params: Params) -> dict[str, Any]:
        secret = self._known(region, params["SecretId"])
        text = secret.versions[secret.current]
        return {"Name": params["SecretId"], "SecretString": text, "VersionId": secret.current}

    def put_secret_value(self, region: str, _account: str, params: Params) -> dict[str, Any]:
        """*put secret*: a known token with the same content is ignored, with another one it is an error."""
        secret = self._known(region, params["SecretId"])
        token, text = params["ClientRequestToken"], params["SecretString"]
        if secret.versions.setdefault(token, text) != text:
            message = f"You can't use ClientRequestToken {token} because that value is already in use for a version"
            raise AwsError("ResourceExistsException", message)
        secret.current = token
        return {"Name": params["SecretId"], "VersionId": token, "VersionStages": ["AWSCURRENT"]}

    def _known(self, region: str, name: str) -> Secret:
        if (region, name) not in self.secrets:
            raise AwsError("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
        return self.secrets[region, name]


@dataclass(slots=True)
class Alarm:
    """`properties` as PutMetricAlarm takes them. An alarm looks once a period, as `looked_at` remembers."""

    properties: Mapping[str, Any]
    state: str = "OK"
    looked_at: int = 0


class CloudWatch:
    """Metrics and the alarms over them, by region. `speed` divides an alarm's period."""

    def __init__(self, clock: Callable[[], datetime], speed: float) -> None:
        self.clock = clock
        self.speed = speed
        self.alarms: dict[tuple[str, str], Alarm] = {}
        self.down = False
        self._points: dict[tuple[str, str, str], list[dict[str, float]]] = {}

    def add(self, region: str, properties: Mapping[str, Any]) -> None:
        """An alarm that is there from the start, and OK."""
        self.alarms[region, properties["AlarmName"]] = Alarm(properties)

    def state(self, region: str, name: str) -> Any:
        """The alarm's state now, or None when there is no such alarm."""
        alarm = self.alarms.get((region, name))
        if alarm is None:
            return None
        length = float(alarm.properties["Period"]) / self.speed
        period = math.floor(self.clock().timestamp() / length)
        if period > alarm.looked_at:
            alarm.looked_at = period
            key = (region, alarm.properties["Namespace"], alarm.properties["MetricName"])
            points = self._points.get(key, [])
            values = datapoints(alarm.properties, points, now=period * length, speed=self.speed, statistic=_highest)
            judged = judge(alarm.properties, values, ever=bool(points))
            alarm.state = judged[0] if judged else alarm.state
        return alarm.state

    def forget(self) -> None:
        """No metric has a datapoint any more, as fifteen months later."""
        self._points.clear()

    def describe_alarms(self, region: str, _account: str, params: Params) -> dict[str, Any]:
        _up(down=self.down)
        names = [n for n in params.get("AlarmNames", ()) if (region, n) in self.alarms]
        return {"MetricAlarms": [self._shown(region, name) for name in names], "CompositeAlarms": []}

    def put_metric_data(self, region: str, _account: str, params: Params) -> dict[str, Any]:
        for row in params["MetricData"]:
            at = row.get("Timestamp", self.clock()).timestamp()
            points = self._points.setdefault((region, params["Namespace"], row["MetricName"]), [])
            points.append({"Timestamp": at, "Value": float(row["Value"])})
        return {}

    def get_metric_statistics(self, region: str, _account: str, params: Params) -> dict[str, Any]:
        """The highest value of every period that has a datapoint; other statistics are not kept here."""
        if params.get("Statistics") != ["Maximum"]:
            raise AwsError("InvalidParameterCombination", "only the statistic Maximum is kept here")
        start, end, period = params["StartTime"].timestamp(), params["EndTime"].timestamp(), params["Period"]
        found: dict[int, float] = {}
        for point in self._points.get((region, params["Namespace"], params["MetricName"]), []):
            if start <= point["Timestamp"] < end:
                slot = int(point["Timestamp"] // period)
                found[slot] = max(point["Value"], found.get(slot, point["Value"]))
        rows = [
            {"Timestamp": datetime.fromtimestamp(slot * period, UTC), "Maximum": value, "Unit": "None"}
            for slot, value in found.items()
        ]
        return {"Label": params["MetricName"], "Datapoints": rows}

    def _shown(self, region: str, name: str) -> dict[str, Any]:
        state = self.state(region, name)
        return {**self.alarms[region, name].properties, "StateValue": state, "StateUpdatedTimestamp": self.clock()}


def _highest(_alarm: Mapping[str, Any], points: Sequence[Mapping[str, Any]]) -> float:
    return max(float(point["Value"]) for point in points)


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail that was taken."""

    sender: str
    recipients: tuple[str, ...]
    subject: str
    text: str


class Ses:
    """*send*: only verified senders, at most fifty recipients. Nothing deduplicates."""

    def __init__(self, senders: set[str]) -> None:
        self.senders = senders
        self.sending = True
        self.mails: list[Mail] = []

    def get_account(self, _region: str, _account: str, _params: Params) -> dict[str, Any]:
        """*account*: whether it sends, and out of the sandbox."""
        status = "HEALTHY" if self.sending else "SHUTDOWN"
        return {"SendingEnabled": self.sending, "ProductionAccessEnabled": True, "EnforcementStatus": status}

    def get_email_identity(self, _region: str, _account: str, params: Params) -> dict[str, Any]:
        """*identity*: NotFoundException for what was never made one."""
        who = params["EmailIdentity"]
        if who not in self.senders:
            raise AwsError("NotFoundException", f"Email identity {who} does not exist.", 404)
        return {"IdentityType": "EMAIL_ADDRESS", "VerifiedForSendingStatus": True}

    def send_email(self, _region: str, _account: str, params: Params) -> dict[str, Any]:
        sender = params.get("FromEmailAddress", "")
        if sender not in self.senders:
            raise AwsError("MessageRejected", f"Email address is not verified: {sender}")
        recipients = tuple(a for key in ("ToAddresses", "BccAddresses") for a in params["Destination"].get(key, ()))
        if not 1 <= len(recipients) <= MAX_RECIPIENTS:
            raise AwsError("BadRequestException", f"Recipient count is {len(recipients)}, allowed are 1 to 50.")
        simple = params["Content"]["Simple"]
        self.mails.append(Mail(sender, recipients, simple["Subject"]["Data"], simple["Body"]["Text"]["Data"]))
        return {"MessageId": f"mail-{len(self.mails)}"}


@dataclass(slots=True)
class Bucket:
    """Objects by key; `puts` counts what was taken. `rules` is its lifecycle."""

    objects: dict[str, bytes] = field(default_factory=dict)
    puts: int = 0
    rules: list[dict[str, Any]] = field(default_factory=list)
    written: datetime = datetime(2026, 11, 23, tzinfo=UTC)
    """When everything in it was written."""
    versioning: str | None = "Enabled"
    """None where it never was enabled; objects here have one version."""
    locks: dict[str, tuple[str, datetime]] | None = None
    """Mode and end by key; None where Object Lock is not enabled."""


class S3:
    """Buckets by name."""

    def __init__(self, *buckets: str) -> None:
        self.buckets = {name: Bucket() for name in buckets}
        self.down = False

    def add(self, bucket: str) -> None:
        """A bucket that is there from the start, and empty."""
        self.buckets[bucket] = Bucket()

    def list_objects_v2(self, _region: str, _account: str, params: Params) -> dict[str, Any]:
        """*list*: the keys that begin with the prefix, in the order of their bytes, a page at a time; a token says
        where the next one begins.
        """
        _up(down=self.down)
        prefix, most = params.get("Prefix", ""), params.get("MaxKeys", 1000)
        bucket, after = self._bucket(params), params.get("ContinuationToken", params.get("StartAfter", ""))
        keys = sorted(key for key in bucket.objects if key.startswith(prefix) and key > after)
        rows = [{"Key": key, "LastModified": bucket.written, "Size": len(bucket.objects[key])} for key in keys[:most]]
        told = {"Name": params["Bucket"], "Prefix": prefix, "MaxKeys": most, "KeyCount": len(rows), "Contents": rows}
        more = len(keys) > most
        return {**told, "IsTruncated": more, **({"NextContinuationToken": rows[-1]["Key"]} if more else {})}

    def get_object_lock_configuration(self, _region: str, _account: str, params: Params) -> dict[str, Any]:
        """*lock*: a bucket that was made without it has none
        (https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectLockConfiguration.html).
        """
        _up(down=self.down)
        if self._bucket(params).locks is None:
            message = "Object Lock configuration does not exist for this bucket"
            raise AwsError("ObjectLockConfigurationNotFoundError", message, 404)
        return {"ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled"}}

    def head_bucket(self, _region: str, _account: str, params: Params) -> dict[str, Any]:
        """*head object*: as there."""
        _up(down=self.down)
        if params["Bucket"] not in self.buckets:
            raise AwsError("404", "Not Found", 404)
        return {}

    def head_object(self, _region: str, _account: str, params: Params) -> dict[str, Any]:
        """*head object*: no body, so that what is missing is a bare 404."""
        _up(down=self.down)
        found = self._bucket(params).objects.get(params["Key"])
        if found is None:
            raise AwsError("404", "Not Found", 404)
        lock = (self._bucket(params).locks or {}).get(params["Key"])
        locked = {"ObjectLockMode": lock[0], "ObjectLockRetainUntilDate": lock[1]} if lock else {}
        return {"ContentLength": len(found), **locked}

    def get_object(self, _region: str, _account: str, params: Params) -> dict[str, Any]:
        """*get object*."""
        _up(down=self.down)
        found = self._bucket(params).objects.get(params["Key"])
        if found is None:
            raise AwsError("NoSuchKey", "The specified key does not exist.", 404)
        return {"Body": found, "ContentLength": len(found)}

    def get_bucket_versioning(self, _region: str, _account: str, params: Params) -> dict[str, Any]:
        """*versioning*."""
        _up(down=self.down)
        status = self._bucket(params).versioning
        return {"Status": status} if status else {}

    def get_bucket_lifecycle_configuration(self, _region: str, _account: str, params: Params) -> dict[str, Any]:
        """*lifecycle*."""
        _up(down=self.down)
        rules = self._bucket(params).rules
        if not rules:
            raise AwsError("NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist", 404)
        return {"Rules": rules, "TransitionDefaultMinimumObjectSize": "all_storage_classes_128K"}

    def put_bucket_lifecycle_configuration(self, _region: str, _account: str, params: Params) -> dict[str, Any]:
        """*lifecycle*: the whole of it."""
        bucket, rules = self._bucket(params), [dict(rule) for rule in params["LifecycleConfiguration"]["Rules"]]
        for n, rule in enumerate(rules):
            rule.setdefault("ID", f"{n:048d}")
            if ("Filter" in rule) == ("Prefix" in rule) or rule["Status"] not in ("Enabled", "Disabled"):
                raise AwsError("MalformedXML", "The XML you provided was not well-formed", 400)
        if len({rule["ID"] for rule in rules}) < len(rules):
            raise AwsError("InvalidArgument", "Rule ID must be unique. Found same ID for more than one rule", 400)
        bucket.rules = rules
        return {}

    def delete_object(self, _region: str, _account: str, params: Params) -> dict[str, Any]:
        """*delete object*: success whether or not there was one."""
        self._bucket(params).objects.pop(params["Key"], None)
        return {}

    def put_object(self, _region: str, _account: str, params: Params) -> dict[str, Any]:
        """*put object*: the body comes in signed chunks when its checksum travels behind it."""
        bucket = self._bucket(params)
        _lock(bucket, params)
        bucket.objects[params["Key"]] = body_of(params)
        bucket.puts += 1
        return {"ETag": f'"{bucket.puts}"'}

    def copy_object(self, _region: str, _account: str, params: Params) -> dict[str, Any]:
        """*copy object*: from a bucket that is there, a key that is there."""
        source = params["CopySource"]
        from_bucket, _, key = source.partition("/")
        held = self._bucket({"Bucket": from_bucket}).objects.get(unquote(key))
        if held is None:
            raise AwsError("NoSuchKey", "The specified key does not exist.", 404)
        bucket = self._bucket(params)
        _lock(bucket, params)
        bucket.objects[params["Key"]] = held
        bucket.puts += 1
        return {"CopyObjectResult": {"ETag": f'"{bucket.puts}"'}}

    def _bucket(self, params: Params) -> Bucket:
        bucket = self.buckets.get(params["Bucket"])
        if bucket is None:
            raise AwsError("NoSuchBucket", "The specified bucket does not exist", 404)
        return bucket


def body_of(params: Params) -> bytes:
    """*put object*: what is put, without its chunks' signatures."""
    body = bytes(params.get("Body", b""))
    return _unchunked(body) if "aws-chunked" in params.get("ContentEncoding", "") else body


def _lock(bucket: Bucket, params: Params) -> None:
    """*lock*: only where the bucket has Object Lock."""
    if "ObjectLockMode" not in params:
        return
    if bucket.locks is None:
        raise AwsError("InvalidRequest", "Bucket is missing Object Lock Configuration", 400)
    bucket.locks[params["Key"]] = (params["ObjectLockMode"], params["ObjectLockRetainUntilDate"])


def _up(*, down: bool) -> None:
    """What a service that is down answers to those who look: 503, as every service of AWS may."""
    if down:
        raise AwsError("ServiceUnavailable", "Service is unable to handle request.", 503)


def _unchunked(body: bytes) -> bytes:
    found, rest = b"", body
    while True:
        head, _, rest = rest.partition(b"\r\n")
        size = int(head.split(b";")[0], 16)
        if size == 0:
            return found
        found, rest = found + rest[:size], rest[size + 2 :]
