"""The heart and the witness as template resources: one function, its role, its log and its schedule each.

They run the responder's own package in another region, so the template takes where that lies as parameters: a copy of
the zip in a bucket of the region (Lambda reads code only from its own).
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-lambda-function-code.html
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Final

from chalicelib import names
from chalicelib.policy import Policy

TIMEOUT_S: Final = 75
"""A minute of beats, and the last one's own time limits."""
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


def heart(policy: Policy) -> dict[str, Any]:
    """What the primary's agent needs: its database, its network ACLs, and three items beside the desk."""
    platform = policy.platform
    region, account = platform.database.primary.region, platform.account
    allowed = [
        _table(policy, ["dynamodb:GetItem", "dynamodb:UpdateItem"], ["beats"]),
        _allow(["rds:DescribeDBInstances"], f"arn:aws:rds:{region}:{account}:db:{platform.database.primary.instance}"),
        _allow(
            ["secretsmanager:GetSecretValue"],
            f"arn:aws:secretsmanager:{region}:{account}:secret:{platform.database.credentials_secret}-??????",
        ),
        # DescribeNetworkAcls knows no resource (EC2's page of the service authorization reference).
        _allow(["ec2:DescribeNetworkAcls"], "*"),
        _allow(["ec2:CreateNetworkAclEntry"], f"arn:aws:ec2:{region}:{account}:network-acl/*"),
    ]
    network = [
        "ec2:CreateNetworkInterface",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets",
        "ec2:DeleteNetworkInterface",
        "ec2:AssignPrivateIpAddresses",
        "ec2:UnassignPrivateIpAddresses",
    ]
    found = _function(policy, region, names.HEART, allowed)
    # https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html: these know no resource for a function.
    role = found["HeartRole"]["Properties"]
    role["Policies"].append(
        {
            "Fn::If": [
                "HasNetwork",
                {
                    "PolicyName": "network",
                    "PolicyDocument": {"Version": "2012-10-17", "Statement": [_allow(network, "*")]},
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
    wake = names.function_arn(policy, "wake")
    allowed = [
        _table(policy, ["dynamodb:GetItem"], ["desk"]),
        _table(policy, ["dynamodb:PutItem"], ["inbox"]),
        _table(policy, ["dynamodb:UpdateItem"], ["beats"]),
        _allow(["lambda:InvokeFunction"], wake),
    ]
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"{platform.display_name}: a witness that tells the primary's silence from the messenger's",
        "Parameters": PARAMETERS,
        "Resources": _function(policy, platform.regions.witness, names.WITNESS, allowed),
    }


def _function(policy: Policy, region: str, name: str, allowed: Sequence[dict[str, Any]]) -> dict[str, Any]:
    full, logical = names.function(policy, name), name.capitalize()
    account = policy.platform.account
    group = f"arn:aws:logs:{region}:{account}:log-group:/aws/lambda/{full}"
    logs = [_allow(["logs:CreateLogStream", "logs:PutLogEvents"], f"{group}:*")]
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
                "Policies": [
                    {
                        "PolicyName": name,
                        "PolicyDocument": {"Version": "2012-10-17", "Statement": [*logs, *allowed]},
                    }
                ],
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


def _table(policy: Policy, actions: list[str], families: list[str]) -> dict[str, Any]:
    """Items of these families of the desk's table, by their partition key.
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
    """
    responder, name = policy.platform.responder, policy.platform.name
    table = f"arn:aws:dynamodb:{responder.region}:{policy.platform.account}:table/{responder.table}"
    keys = [f"{name}#{family}" for family in families]
    return _allow(actions, table) | {"Condition": {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": keys}}}


def _allow(actions: list[str], resource: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": [resource]}
