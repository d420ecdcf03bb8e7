"""The database, the buckets, the desk's table and the secrets.

Field names: botocore's models of RDS, S3, DynamoDB and Secrets Manager.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from chalicelib.policy import Policy
from chalicelib.policy.backups import BucketReplication
from chalicelib.policy.notifications import PagerDutyChannel, SlackChannel
from drctl.account.asking import Account, NotThere
from drctl.account.verdicts import Claim, Row, Subject, at
from drctl.deployment.resources import resources

UNNAMED_REGION: Final = "us-east-1"
"""What a bucket's location is when GetBucketLocation answers null.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLocation.html
"""
ENCRYPTION: Final = {"SSE-KMS": "aws:kms", "SSE-S3": "AES256"}


def database(policy: Policy, account: Account) -> Iterator[Row]:
    """The primary, alone and Multi-AZ as claimed, and a replica that replicates from it."""
    claimed = policy.platform.database
    arn = f"arn:aws:rds:{claimed.primary.region}:{policy.platform.account}:db:{claimed.primary.instance}"
    sides = (
        (
            "primary",
            claimed.primary,
            Claim("replicates from", None, _instance("ReadReplicaSourceDBInstanceIdentifier")),
        ),
        ("replica", claimed.replica, Claim("replicates from", arn, _instance("ReadReplicaSourceDBInstanceIdentifier"))),
    )
    for role, side, relation in sides:
        subject = Subject(f"RDS instance {side.instance} in {side.region}", f"platform.database.{role}")
        answer = account.ask("rds", side.region, "describe_db_instances", DBInstanceIdentifier=side.instance)
        claims = [relation, Claim("engine", "postgres", _instance("Engine"))]
        if role == "primary":
            # A Multi-AZ instance writes to its standby synchronously, and there is no other way to have that:
            # https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Concepts.MultiAZSingleStandby.html
            synchronous = claimed.primary_replication == "synchronous"
            claims += [
                Claim("Multi-AZ", synchronous, _instance("MultiAZ")),
                Claim("database", claimed.name, _instance("DBName")),
                Claim("port", claimed.port, _instance("Endpoint", "Port")),
            ]
        yield from subject.claims(answer, tuple(claims))


def _instance(*path: str) -> Any:
    return at("DBInstances", 0, *path)


def backups(policy: Policy, account: Account) -> Iterator[Row]:
    """Both buckets of each replication, and how it is configured."""
    for i, row in enumerate(policy.backups.replication):
        field = f"backups.replication[{i}]"
        for role, bucket, region in (
            ("source", row.source, row.source_region),
            ("destination", row.destination, row.destination_region),
        ):
            yield from bucket_as_claimed(
                account, Subject(f"bucket {bucket}", f"{field}.{role}"), bucket, region, row.encryption
            )
        answer = account.ask("s3", row.source_region, "get_bucket_replication", Bucket=row.source)
        subject = Subject(f"replication of {row.source}", field)
        if isinstance(answer, NotThere):
            yield subject.missing()
        else:
            yield from subject.claims(answer, tuple(_replication(row)))


def bucket_as_claimed(account: Account, subject: Subject, bucket: str, region: str, encryption: str) -> Iterator[Row]:
    """Where a bucket is, that it keeps versions, and how it encrypts; one row when it is not there."""
    where = account.ask("s3", region, "get_bucket_location", Bucket=bucket)
    location = Claim("region", region, lambda a: a.get("LocationConstraint") or UNNAMED_REGION)
    yield from subject.claims(where, (location,))
    if isinstance(where, NotThere):
        return
    versions = account.ask("s3", region, "get_bucket_versioning", Bucket=bucket)
    # S3 replicates between buckets that keep versions only.
    yield from subject.claims(versions, (Claim("versioning", "Enabled", at("Status")),))
    held = account.ask("s3", region, "get_bucket_encryption", Bucket=bucket)
    rule = at("ServerSideEncryptionConfiguration", "Rules", 0, "ApplyServerSideEncryptionByDefault", "SSEAlgorithm")
    if isinstance(held, NotThere):
        yield subject.missing("encryption", ENCRYPTION[encryption])
    else:
        yield from subject.claims(held, (Claim("encryption", ENCRYPTION[encryption], rule),))


def _replication(row: BucketReplication) -> Iterator[Claim]:
    destination = f"arn:aws:s3:::{row.destination}"

    def rule(*path: str | int) -> Any:
        def read(answer: Mapping[str, Any]) -> object:
            rules = answer.get("ReplicationConfiguration", {}).get("Rules", [])
            to_it = [r for r in rules if r.get("Destination", {}).get("Bucket") == destination]
            return at(*path)(to_it[0]) if to_it else None

        return read

    yield Claim("rule to the destination", "Enabled", rule("Status"))
    yield Claim(
        "replication time control", "Enabled" if row.rtc else None, rule("Destination", "ReplicationTime", "Status")
    )
    if row.rtc:
        minutes = round(row.objective.total_seconds() / 60)
        yield Claim("its objective in minutes", minutes, rule("Destination", "ReplicationTime", "Time", "Minutes"))
    if row.encryption == "SSE-KMS":
        # Without both, S3 passes objects under a KMS key over in silence:
        # https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-config-for-kms-objects.html
        path = ("SourceSelectionCriteria", "SseKmsEncryptedObjects", "Status")
        yield Claim("objects under a KMS key", "Enabled", rule(*path))
        key = rule("Destination", "EncryptionConfiguration", "ReplicaKmsKeyID")
        yield Claim("a key for the copies", True, lambda answer: bool(key(answer)))
    # Deleting at the source must not delete the copy: that is what the copy is for.
    yield Claim(
        "delete markers are copied",
        "Disabled",
        lambda answer: rule("DeleteMarkerReplication", "Status")(answer) or "Disabled",
    )


def table(policy: Policy, account: Account) -> Iterator[Row]:
    """The desk's table and the status page's bucket, as the template makes them."""
    responder = policy.platform.responder
    made = resources(policy)
    wanted = made["Resources"]["Desk"]["Properties"]
    subject = Subject(f"table {responder.table} in {responder.region}", "platform.responder.table")
    answer = account.ask("dynamodb", responder.region, "describe_table", TableName=responder.table)
    keys = [f"{k['AttributeName']} {k['KeyType']}" for k in wanted["KeySchema"]]
    claims = (
        Claim("status", "ACTIVE", at("Table", "TableStatus")),
        Claim("keys", keys, lambda a: [f"{k['AttributeName']} {k['KeyType']}" for k in a["Table"]["KeySchema"]]),
        Claim("billing", wanted["BillingMode"], at("Table", "BillingModeSummary", "BillingMode")),
        Claim("encrypted by KMS", "ENABLED", at("Table", "SSEDescription", "Status")),
    )
    yield from subject.claims(answer, claims)
    if not isinstance(answer, NotThere):
        kept = account.ask("dynamodb", responder.region, "describe_continuous_backups", TableName=responder.table)
        path = ("ContinuousBackupsDescription", "PointInTimeRecoveryDescription", "PointInTimeRecoveryStatus")
        yield from subject.claims(kept, (Claim("point-in-time recovery", "ENABLED", at(*path)),))
    for field in ("status_bucket", "operators_bucket"):
        if name := getattr(responder, field):
            yield from _private(account, name, responder.region, f"platform.responder.{field}")


def _private(account: Account, name: str, region: str, field: str) -> Iterator[Row]:
    bucket = Subject(f"bucket {name}", field)
    versions = account.ask("s3", region, "get_bucket_versioning", Bucket=name)
    yield from bucket.claims(versions, (Claim("versioning", "Enabled", at("Status")),))
    if isinstance(versions, NotThere):
        return
    closed = account.ask("s3", region, "get_public_access_block", Bucket=name)
    names = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
    if isinstance(closed, NotThere):
        yield bucket.missing("public access block", names)
    else:
        blocked = [Claim(name, True, at("PublicAccessBlockConfiguration", name)) for name in names]
        yield from bucket.claims(closed, tuple(blocked))


def secrets(policy: Policy, account: Account) -> Iterator[Row]:
    """That each secret is there, in the region where it will be read, and not about to be deleted."""
    platform = policy.platform
    rows = [
        (platform.application_secret.region, platform.application_secret.name, "platform.application_secret"),
        (platform.responder.region, platform.database.credentials_secret, "platform.database.credentials_secret"),
    ]
    if platform.primary_secret:
        rows.append((platform.primary_secret.region, platform.primary_secret.name, "platform.primary_secret"))
    for i, channel in enumerate(policy.notifications.channels):
        if isinstance(channel, PagerDutyChannel | SlackChannel):
            rows.append((platform.responder.region, channel.secret, f"notifications.channels[{i}].secret"))
    for region, name, field in rows:
        answer = account.ask("secretsmanager", region, "describe_secret", SecretId=name)
        claim = Claim("will be deleted", False, lambda a: a.get("DeletedDate") is not None)
        yield from Subject(f"secret {name} in {region}", field).claims(answer, (claim,))
