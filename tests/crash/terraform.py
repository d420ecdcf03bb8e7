"""Terraform's states in one process: where they lie, what is overwritten, and whether all is as an apply leaves it."""

from __future__ import annotations

import hashlib
from typing import Any

from chalicelib.policy import Policy
from drctl.neighbours.aws import Aws
from drctl.neighbours.aws_clients import make_client
from drctl.world import states
from tests.crash.straight import Straight
from tests.crash.tables import Tables
from tests.crash.versioned import VersionedS3


def furnish(policy: Policy, aws: Aws, s3: VersionedS3) -> None:
    """As drctl/world/states.py has them in the local world, with the key that their buckets encrypt with."""
    states.furnish(policy, lambda service, region: Straight(aws.services[service], region, aws.account))
    for row in policy.backups.terraform_states:
        s3.kms[row.bucket] = row.kms_key or ""


def clients(aws: Aws) -> states.Clients:
    """Of the platform's account."""
    return lambda service, region: make_client(aws, service, region)


def kept(policy: Policy, tables: Tables, s3: VersionedS3) -> dict[str, Any]:
    """Of each state: what is current, its digest as the table has it, how many versions there are, and its locks."""
    found: dict[str, Any] = {}
    for row in policy.backups.terraform_states:
        body, path = s3.buckets[row.bucket].objects[row.key], f"{row.bucket}/{row.key}"
        items = tables.tables[row.lock_table].items if row.lock_table else {}
        digest = items.get((f"{path}-md5",), {}).get("Digest", {}).get("S")
        locks = [key for key in s3.buckets[row.bucket].objects if key != row.key] + [k for k in items if k == (path,)]
        found[row.name] = {
            "current": body.decode(),
            "digest is the state's": digest == hashlib.md5(body, usedforsecurity=False).hexdigest(),
            "versions": len([v for v in s3.versions[row.bucket] if v.key == row.key]),
            "locks": locks,
        }
    return found
