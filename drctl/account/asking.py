"""Asks an account, and can do nothing else: only the operations listed here, each a Describe, Get or List.

An answer that says "there is none" is a finding. Any other refusal, and silence, is none: a missing permission is never
read as a missing resource.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.account.verdicts import NOT_THERE, Answer, NotSeen, NotThere
from chalicelib.policy.accounts import holder, named
from chalicelib.policy.platform import Platform
from drctl.deployment.permissions import iam_action

READS: Final[Mapping[str, tuple[str, ...]]] = {
    "sts": ("get_caller_identity",),
    "ec2": ("describe_regions",),
    "rds": ("describe_db_instances",),
    "eks": ("describe_cluster", "describe_nodegroup"),
    "s3": (
        *("get_bucket_location", "get_bucket_versioning", "get_bucket_replication", "get_bucket_encryption"),
        *("get_public_access_block", "get_bucket_lifecycle_configuration"),
    ),
    "route53": ("list_hosted_zones_by_name", "list_resource_record_sets", "list_health_checks"),
    "cloudwatch": ("describe_alarms",),
    "sns": ("get_topic_attributes", "list_subscriptions_by_topic"),
    "secretsmanager": ("describe_secret",),
    "sesv2": ("get_email_identity", "get_account"),
    "dynamodb": ("describe_table", "describe_continuous_backups"),
    "lambda": (
        *("get_function_configuration", "get_function_concurrency", "get_function_event_invoke_config"),
        "get_policy",
    ),
}
"""Service → every operation that is ever called. Never GetSecretValue: whether a secret exists is all that is asked."""
IAM_NAMES: Final = {
    ("s3", "get_bucket_replication"): "s3:GetReplicationConfiguration",
    ("s3", "get_bucket_encryption"): "s3:GetEncryptionConfiguration",
    ("s3", "get_bucket_lifecycle_configuration"): "s3:GetLifecycleConfiguration",
    ("s3", "get_public_access_block"): "s3:GetBucketPublicAccessBlock",
}
"""https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html"""


class UndeclaredError(Exception):
    """An operation that is not listed in READS: the IAM policy that is printed would not allow it either."""


class Account:
    """`clients(service, region)` is a boto3 client. Each question is asked once. `platform` is given where it stands in
    several accounts: what is another's than the credentials' is not asked for, as "there is none" would be no finding.
    """

    def __init__(self, clients: Callable[[str, str], Any], platform: Platform | None = None) -> None:
        self._clients = clients
        self._platform = platform if platform and platform.accounts else None
        self._known: dict[tuple[object, ...], Answer] = {}

    def ask(self, service: str, region: str, operation: str, **params: Any) -> Answer:
        """All pages of the answer, as boto3 gives it."""
        if operation not in READS.get(service, ()):
            raise UndeclaredError(f"{service} {operation} is not among what verifying an account may ask")
        key = (service, region, operation, repr(sorted(params.items())))
        if key not in self._known:
            elsewhere = self._elsewhere(service, region, operation, params)
            self._known[key] = elsewhere or self._asked(service, region, operation, params)
        return self._known[key]

    def _elsewhere(self, service: str, region: str, operation: str, params: Mapping[str, Any]) -> NotSeen | None:
        """Why these credentials cannot see it; None when they can, and for the questions whose they are, and which
        regions their account may use.
        """
        if self._platform is None or service == "sts" or operation == "describe_regions":
            return None
        row = holder(self._platform, service, region, named(service, params))
        wanted = row.id if row else self._platform.account
        who = self.ask("sts", self._platform.responder.region, "get_caller_identity")
        if not isinstance(who, Mapping):
            return NotSeen(f"it stands in account {wanted}, and whose these credentials are is not known")
        if who["Account"] == wanted:
            return None
        return NotSeen(f"it stands in account {wanted}, and these credentials are of account {who['Account']}")

    def _asked(self, service: str, region: str, operation: str, params: Mapping[str, Any]) -> Answer:
        name = f"{service} {operation} in {region}"
        try:
            client = self._clients(service, region)
            if client.can_paginate(operation):
                whole: Mapping[str, Any] = client.get_paginator(operation).paginate(**params).build_full_result()
                return whole
            answer: Mapping[str, Any] = getattr(client, operation)(**params)
        except ClientError as error:
            said = error.response.get("Error", {})
            because = f"{name}: {said.get('Code', 'Unknown')}: {said.get('Message', 'no message')}"
            return NotThere(because) if said.get("Code") in NOT_THERE else NotSeen(because)
        except BotoCoreError as error:
            return NotSeen(f"{name} was not answered: {type(error).__name__}: {str(error)[:200]}")
        return answer


def iam_policy() -> dict[str, Any]:
    """What an identity needs to ask all this. GetCallerIdentity needs no permission."""
    actions = [
        IAM_NAMES.get((service, operation)) or iam_action(service, operation)
        for service, operations in READS.items()
        for operation in operations
        if service != "sts"
    ]
    return {
        "Version": "2012-10-17",
        "Statement": [{"Sid": "VerifyAccount", "Effect": "Allow", "Action": sorted(actions), "Resource": "*"}],
    }
