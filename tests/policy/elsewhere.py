"""The shipped policies with parts of the platform in two other accounts."""

from __future__ import annotations

from pathlib import Path

from chalicelib.policy import Policy
from chalicelib.policy.load import load
from tests.policy.broken import Broken

DATA, SHARED = "444455556666", "777788889999"
ACCOUNTS = f"""accounts:
  - name: data
    id: "{DATA}"
    external_id: neurectomy-dr/5d1c
    role: arn:aws:iam::{DATA}:role/dr/neurectomy-dr-reads
    write_role: arn:aws:iam::{DATA}:role/dr/neurectomy-dr-writes
  - name: shared
    id: "{SHARED}"
    external_id: neurectomy-dr/9a7e
    role: arn:aws:iam::{SHARED}:role/neurectomy-dr
    session_minutes: 20
"""


def spread(broken: Broken) -> Broken:
    """The database, its fence and the application's secret stand in `data`, both clusters in `shared`."""
    for old in ("instance: neurectomy-pg ", "instance: neurectomy-pg-west "):
        broken.edit("platform", old, f'{old.rstrip()}, account: "{DATA}" ')
    for region in ("us-east-1", "us-west-2"):
        held = f"    region: {region}\n    node_group"
        broken.edit("platform", held, f'    region: {region}\n    account: "{SHARED}"\n    node_group')
    broken.edit("platform", "  name: neurectomy/database\n", f'  name: neurectomy/database\n  account: "{DATA}"\n')
    # A load balancer and a cluster are shifted in the account that holds them.
    for service in ("elasticloadbalancing", "eks"):
        broken.edit(
            "platform", f'"arn:aws:{service}:us-east-1:111122223333:', f'"arn:aws:{service}:us-east-1:{SHARED}:'
        )
    return broken.edit("platform", "responder:\n", f"{ACCOUNTS}responder:\n")


def policy_elsewhere(folder: Path, *, speed: float = 1) -> Policy:
    """`folder` is where the copy goes."""
    return load(spread(Broken.copied(folder)).folder, speed=speed)
