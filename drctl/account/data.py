"""The database, the desk's table and the secrets.

Field names: botocore's models of RDS, S3, DynamoDB and Secrets Manager.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from chalicelib.account.verdicts import Claim, NotThere, Row, Subject, at
from chalicelib.policy import Policy
from chalicelib.policy.notifications import PagerDutyChannel, SlackChannel
from drctl.account.asking import Account
from drctl.deployment.resources import resources


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
