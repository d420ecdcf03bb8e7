"""What has to be created in another account that holds parts of the platform: the roles that the responder assumes.

Each role trusts exactly the responder's own roles, and only with the ExternalId of policy. It is granted the operations
that actions declare on what that account holds, the looks to one and the changes to the other. The callers' ARNs are
known only once the responder's stacks stand, so they are parameters; a caller that is made anew must be named anew, for
IAM keeps its id and not its name (docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html).
"""

from __future__ import annotations

from typing import Any, Final

from chalicelib import names
from chalicelib.clients.aws import READ_ONLY
from chalicelib.policy import Policy
from chalicelib.policy.accounts import ROLE, Account
from drctl.deployment import agents
from drctl.deployment.permissions import grants, looking, operations, roles_of, statements_of

ROLE_ARN: Final[dict[str, Any]] = {"Type": "String", "AllowedPattern": r"arn:[\w-]+:iam::\d{12}:role/.+"}
SESSION_S: Final = 3600
"""No session of ours is longer: a role that is assumed by an assumed role ends after an hour."""


def template(policy: Policy, account: Account) -> dict[str, Any]:
    """A CloudFormation template for the other account; it is deployed once, in whichever region."""
    callers = _callers(policy, account)
    found: dict[str, Any] = {}
    for i, role in enumerate(roles_of(account)):
        # Whoever only looks comes in by the role for looking.
        its = [c for c in callers if not i or c != names.logical(names.READINESS)]
        found["Writes" if i else "Reads"] = _role(policy, account, role, its)
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"{policy.platform.display_name}: the disaster-recovery responder's way into this account",
        "Parameters": {f"{caller}RoleArn": ROLE_ARN for caller in callers},
        "Resources": found,
        "Outputs": {name: {"Value": {"Fn::GetAtt": [name, "Arn"]}} for name in found},
    }


def _callers(policy: Policy, account: Account) -> list[str]:
    """Logical ids of the functions that come in: the responder's, and the heart if its part stands there."""
    heart = grants(policy, agents.OPERATIONS[names.HEART], account)
    return [names.logical(name) for name in (*names.FUNCTIONS, *((names.HEART,) if heart else ()))]


def _role(policy: Policy, account: Account, arn: str, callers: list[str]) -> dict[str, Any]:
    parts = ROLE.fullmatch(arn)
    if parts is None:
        raise ValueError(f"{arn!r} is no ARN of a role; the linter says so")
    everything = (*operations(policy), *looking(policy), *agents.OPERATIONS[names.HEART])
    ops = [op for op in everything if arn == account.role_for(writes=not op.operation.startswith(READ_ONLY))]
    statements = statements_of(grants(policy, ops, account))
    trust = {
        "Effect": "Allow",
        "Principal": {"AWS": [{"Ref": f"{caller}RoleArn"} for caller in callers]},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"sts:ExternalId": account.external_id}},
    }
    properties: dict[str, Any] = {
        "RoleName": parts["name"],
        "Path": parts["path"],
        "MaxSessionDuration": SESSION_S,
        "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]},
    }
    if statements:
        document = {"Version": "2012-10-17", "Statement": statements}
        properties["Policies"] = [{"PolicyName": names.app(policy), "PolicyDocument": document}]
    return {"Type": "AWS::IAM::Role", "Properties": properties}
