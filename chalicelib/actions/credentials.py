"""The read by which whoever speaks to a database has the responder's own name and password for it."""

from __future__ import annotations

from typing import Final

from chalicelib.actions.contract import AwsOp

READ_CREDENTIALS: Final = AwsOp(
    service="secretsmanager",
    operation="get_secret_value",
    resources=("arn:aws:secretsmanager:{standby}:{account}:secret:{credentials_secret}-??????",),
)
"""Secrets Manager shows a secret's name with six characters after it
(https://docs.aws.amazon.com/secretsmanager/latest/userguide/auth-and-access_iam-policies.html).
"""
