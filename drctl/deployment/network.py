"""The functions inside the platform's network: for clusters whose API is private, and a database that is.

A function in a VPC gets no public address. What it asks of AWS in its own region goes through endpoints, so that a
recovery leans on no NAT: a gateway for DynamoDB and S3, an interface for every other service that is declared. The
channels and the look at the primary need the way out that the subnets have. A role may then make network interfaces.

- *vpc*: https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html
- *endpoints*: https://docs.aws.amazon.com/vpc/latest/privatelink/aws-services-privatelink-support.html
- *role*: https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSLambdaVPCAccessExecutionRole.html
"""

from __future__ import annotations

from typing import Any, Final

from chalicelib import names
from chalicelib.policy import Policy
from drctl.deployment.permissions import operations

GATEWAYS: Final = frozenset({"dynamodb", "s3"})
SERVICES: Final = {"cloudwatch": "monitoring", "sesv2": "email"}
"""boto3's name → the endpoint's, where they differ (*endpoints*)."""
PUBLIC: Final = frozenset({"route53-recovery-cluster"})
"""Has no endpoint in a VPC (*endpoints*)."""
ENDPOINT: Final = "Endpoint"


def vpc_config(policy: Policy) -> dict[str, Any]:
    """Properties of every function; empty when policy names no network."""
    network = policy.platform.responder.network
    if network is None:
        return {}
    return {"VpcConfig": {"SubnetIds": list(network.subnets), "SecurityGroupIds": list(network.security_groups)}}


def services(policy: Policy) -> list[str]:
    """The services of its own region that a function must reach, by their endpoints' names."""
    asked = {op.service for op in operations(policy) if op.where == "standby"} - PUBLIC
    return sorted(SERVICES.get(service, service) for service in asked)


def endpoints(policy: Policy) -> dict[str, Any]:
    """The endpoints as resources of the responder's stack; none when policy does not ask for them."""
    network = policy.platform.responder.network
    if network is None or network.endpoints is None:
        return {}
    found: dict[str, Any] = {}
    for service in services(policy):
        properties: dict[str, Any] = {
            "VpcId": network.endpoints.vpc,
            "ServiceName": {"Fn::Sub": f"com.amazonaws.${{AWS::Region}}.{service}"},
        }
        if service in GATEWAYS:
            properties |= {"VpcEndpointType": "Gateway", "RouteTableIds": list(network.endpoints.route_tables)}
        else:
            properties |= {
                "VpcEndpointType": "Interface",
                "PrivateDnsEnabled": True,
                "SubnetIds": list(network.subnets),
                "SecurityGroupIds": list(network.endpoints.security_groups),
            }
        found[f"{names.logical(service)}{ENDPOINT}"] = {"Type": "AWS::EC2::VPCEndpoint", "Properties": properties}
    return found
