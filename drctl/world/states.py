"""Terraform's states as they lie in the platform's account: two versions each, a digest, and nobody's lock."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any, Final

from chalicelib.policy import Policy
from chalicelib.policy.backups import TerraformState
from drctl.world.deploy import make_bucket

Clients = Callable[[str, str], Any]
LINEAGE: Final = "3f1e0c52-7d7a-4a3e-9c1b-5a2b7c9d0e11"
RESOURCES: Final = ("aws_vpc.main", "aws_eks_cluster.primary", "aws_db_instance.main")


def furnish(policy: Policy, clients: Clients) -> None:
    """The buckets, the tables of the locks, and the states."""
    for row in policy.backups.terraform_states:
        make_bucket(clients("s3", row.region), row.bucket, row.region)
        clients("s3", row.region).put_bucket_versioning(
            Bucket=row.bucket, VersioningConfiguration={"Status": "Enabled"}
        )
        if row.lock_table:
            clients("dynamodb", row.region).create_table(
                TableName=row.lock_table,
                KeySchema=[{"AttributeName": "LockID", "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": "LockID", "AttributeType": "S"}],
                BillingMode="PAY_PER_REQUEST",
            )
        for serial, count in ((40, 2), (41, 3)):
            write(row, clients, state(serial, *RESOURCES[:count]))


def state(serial: int, *resources: str) -> bytes:
    """As Terraform writes it (internal/states/statefile/version4.go), less what nobody looks at here."""
    rows = [{"type": r.partition(".")[0], "name": r.partition(".")[2], "instances": []} for r in resources]
    return json.dumps({"version": 4, "serial": serial, "lineage": LINEAGE, "outputs": {}, "resources": rows}).encode()


def write(row: TerraformState, clients: Clients, body: bytes) -> None:
    """A new version, and its digest, as an apply leaves them."""
    clients("s3", row.region).put_object(Bucket=row.bucket, Key=row.key, Body=body)
    if row.lock_table:
        digest = hashlib.md5(body, usedforsecurity=False).hexdigest()
        item = {"LockID": {"S": f"{row.bucket}/{row.key}-md5"}, "Digest": {"S": digest}}
        clients("dynamodb", row.region).put_item(TableName=row.lock_table, Item=item)


def read(row: TerraformState, clients: Clients) -> bytes:
    """What is there now."""
    body: bytes = clients("s3", row.region).get_object(Bucket=row.bucket, Key=row.key)["Body"].read()
    return body
