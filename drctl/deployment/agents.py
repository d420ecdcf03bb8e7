"""The heart and the witness as template resources: one function, its role, its log and its schedule each.

They run the responder's own package in another region, so the template takes where that lies as parameters: a copy of
the zip in a bucket of the region (Lambda reads code only from its own).
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-lambda-function-code.html
"""

from __future__ import annotations

import sys
from typing import Any, Final

from chalicelib import names
from chalicelib.actions.contract import AwsOp
from chalicelib.agents.declared import HEART, WITNESS
from chalicelib.policy import Policy
from drctl.deployment import trouble
from drctl.deployment.permissions import INTERFACES, grants, roles_of, statements_of

TIMEOUT_S: Final = 135
"""Two minutes of beats (chalicelib/agents/entry.py), and the last one's own time limits."""
MEMORY_MB: Final = 256
PARAMETERS: Final[dict[str, Any]] = {
    "CodeBucket": {"Type": "String", "Description": "A bucket of this region that holds the responder's package."},
    "CodeKey": {"Type": "String", "Description": "The package's key in it."},
    "Stage": {"Type": "String", "Default": "prod", "AllowedValues": ["local", "prod"]},
}
NETWORK: Final[dict[str, Any]] = {
    "Subnets": {
        "Type": "CommaDelimitedList",
        "Default": "",
        "Description": "Subnets from which the database is reached; none if it is reached without a VPC.",
    },
    "SecurityGroups": {"Type": "CommaDelimitedList", "Default": ""},
}
IN_A_NETWORK: Final = {"HasNetwork": {"Fn::Not": [{"Fn::Equals": [{"Fn::Join": ["", {"Ref": "Subnets"}]}, ""]}]}}


OPERATIONS: Final = {names.HEART: HEART, names.WITNESS: WITNESS}


def operations(policy: Policy, name: str) -> tuple[AwsOp, ...]:
    """What an agent may come to: what it declares, and the roles of the other accounts where its part stands in one."""
    declared = OPERATIONS[name]
    entered = {row.id for row in policy.platform.accounts if grants(policy, declared, row)}
    roles = tuple(r for row in policy.platform.accounts if row.id in entered for r in roles_of(row))
    return (*declared, AwsOp(service="sts", operation="assume_role", resources=roles)) if roles else declared


def region_of(policy: Policy, name: str) -> str:
    """Where an agent runs."""
    regions = policy.platform.regions
    return regions.primary if name == names.HEART else regions.witness


def document(policy: Policy, name: str) -> dict[str, Any]:
    """The IAM policy document of an agent, but for its network."""
    full, account = names.function(policy, name), policy.platform.account
    group = f"arn:aws:logs:{region_of(policy, name)}:{account}:log-group:/aws/lambda/{full}"
    logs = {"Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Resource": [f"{group}:*"]}
    return {
        "Version": "2012-10-17",
        "Statement": [logs, *statements_of(grants(policy, operations(policy, name)))],
    }


def heart(policy: Policy) -> dict[str, Any]:
    """What the primary's agent needs: its database, its network ACLs, and three items beside the desk."""
    found = _function(policy, names.HEART)
    # https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html: these know no resource for a function.
    role = found["HeartRole"]["Properties"]
    role["Policies"].append(
        {
            "Fn::If": [
                "HasNetwork",
                {
                    "PolicyName": "network",
                    "PolicyDocument": {
                        "Version": "2012-10-17",
                        "Statement": [{"Effect": "Allow", "Action": list(INTERFACES), "Resource": ["*"]}],
                    },
                },
                {"Ref": "AWS::NoValue"},
            ]
        }
    )
    found["Heart"]["Properties"]["VpcConfig"] = {
        "Fn::If": [
            "HasNetwork",
            {"SubnetIds": {"Ref": "Subnets"}, "SecurityGroupIds": {"Ref": "SecurityGroups"}},
            {"Ref": "AWS::NoValue"},
        ]
    }
    return found


def witness(policy: Policy) -> dict[str, Any]:
    """The template of the witness region."""
    platform = policy.platform
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"{platform.display_name}: a witness that tells the primary's silence from the messenger's",
        "Parameters": PARAMETERS,
        "Resources": {**_function(policy, names.WITNESS), **trouble.witness(policy)},
    }


def _function(policy: Policy, name: str) -> dict[str, Any]:
    full, logical, region = names.function(policy, name), name.capitalize(), region_of(policy, name)
    account = policy.platform.account
    rule = f"arn:aws:events:{region}:{account}:rule/{full}"
    return {
        f"{logical}Log": {
            "Type": "AWS::Logs::LogGroup",
            "Properties": {"LogGroupName": f"/aws/lambda/{full}", "RetentionInDays": 30},
        },
        f"{logical}Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Principal": {"Service": "lambda.amazonaws.com"},
                            "Action": "sts:AssumeRole",
                        }
                    ],
                },
                "Policies": [{"PolicyName": name, "PolicyDocument": document(policy, name)}],
            },
        },
        logical: {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "FunctionName": full,
                "Runtime": f"python{sys.version_info[0]}.{sys.version_info[1]}",
                "Handler": f"chalicelib.agents.entry.{name}",
                "Code": {"S3Bucket": {"Ref": "CodeBucket"}, "S3Key": {"Ref": "CodeKey"}},
                "Role": {"Fn::GetAtt": [f"{logical}Role", "Arn"]},
                "Timeout": TIMEOUT_S,
                "MemorySize": MEMORY_MB,
                "Environment": {"Variables": {"DR_STAGE": {"Ref": "Stage"}}},
            },
        },
        f"{logical}EveryMinute": {
            "Type": "AWS::Events::Rule",
            "Properties": {
                "Name": full,
                "ScheduleExpression": "rate(1 minute)",
                "Targets": [
                    {
                        "Id": name,
                        "Arn": {"Fn::GetAtt": [logical, "Arn"]},
                        # A beat is worth nothing a minute later.
                        "RetryPolicy": {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60},
                    }
                ],
            },
        },
        f"{logical}Permission": {
            "Type": "AWS::Lambda::Permission",
            "Properties": {
                "FunctionName": {"Ref": logical},
                "Action": "lambda:InvokeFunction",
                "Principal": "events.amazonaws.com",
                "SourceArn": rule,
            },
        },
    }
