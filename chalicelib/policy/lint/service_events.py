"""Rules about what AWS services say: a code that AWS does not have is never heard, and no finding is ever good."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from chalicelib.patterns import service_events
from chalicelib.policy.lint.finding import Flaw, Whole, error, meant, note, one_of, warning

SERVICES: Final = (
    *("ACM", "APIGATEWAY", "AUTOSCALING", "AUTOSCALE", "BACKUP", "CLOUDFORMATION", "CLOUDFRONT", "CLOUDTRAIL"),
    *("CLOUDWATCH", "COGNITO", "DIRECTCONNECT", "DYNAMODB", "EBS", "EC2", "ECR", "ECR_PUBLIC", "ECS", "EKS"),
    *("ELASTICACHE", "ELASTICFILESYSTEM", "ELASTICLOADBALANCING", "EVENTS", "FARGATE", "GLOBALACCELERATOR", "IAM"),
    *("INTERNETCONNECTIVITY", "KINESIS", "KMS", "LAMBDA", "MSK", "MULTIPLE_SERVICES", "NATGATEWAY", "NETWORKFIREWALL"),
    *("ORGANIZATIONS", "PRIVATELINK", "RDS", "RISK", "ROUTE53", "ROUTE53RESOLVER", "S3", "SECRETSMANAGER", "SES"),
    *("SNS", "SQS", "SSM", "STATES", "STS", "TRANSITGATEWAY", "VPC", "VPN", "WAF"),
)
"""Codes of `detail.service` that were met. AWS publishes no list (only the API's DescribeEventTypes has one, for those
who pay for support), so one that is not here is a warning.
"""
PURPOSES: Final = (
    *("AttackSequence", "Backdoor", "Behavior", "CredentialAccess", "CryptoCurrency", "DefenseEvasion", "Discovery"),
    *("Execution", "Exfiltration", "Impact", "InitialAccess", "Object", "PenTest", "Persistence", "Policy"),
    *("PrivilegeEscalation", "Recon", "Stealth", "Trojan", "UnauthorizedAccess"),
)
"""What a finding's type begins with, before its colon: its threat purpose.
https://docs.aws.amazon.com/guardduty/latest/ug/guardduty_finding-format.html
"""
PATTERN_MAX: Final = 2048
"""Characters of an event pattern, unless AWS has raised it.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html
"""


def health_service_is_known(whole: Whole) -> Iterator[Flaw]:
    """A service code that AWS Health does not use is never heard of."""
    for i, row in enumerate(whole.policy.signals.health):
        for j, service in enumerate(row.services):
            if service not in SERVICES:
                yield warning(
                    *("signals", "health", i, "services", j),
                    allowed=f"a code that AWS Health has been seen to use: {one_of(SERVICES)}",
                    found=service,
                    because=f"if {service!r} is no code of AWS Health, {row.name!r} never hears of it"
                    + meant(service, SERVICES),
                )


def finding_type_is_known(whole: Whole) -> Iterator[Flaw]:
    """A type that begins with no threat purpose of GuardDuty is never found."""
    for i, row in enumerate(whole.policy.signals.findings):
        for j, pattern in enumerate(row.types):
            purpose = pattern.partition(":")[0]
            if purpose not in PURPOSES:
                yield error(
                    *("signals", "findings", i, "types", j),
                    allowed=f"a type whose threat purpose is {one_of(PURPOSES)}",
                    found=pattern,
                    because=f"GuardDuty finds nothing of the purpose {purpose!r}, so {row.name!r} never hears of it"
                    + meant(purpose, PURPOSES),
                )


def findings_never_clear(whole: Whole) -> Iterator[Flaw]:
    """No finding is ever good: an incident that only findings speak for ends by a person's word."""
    for i, rule in enumerate(whole.policy.signals.rules):
        if rule.observers and all(o.findings and not (o.alarms or o.probe or o.health) for o in rule.observers):
            yield note(
                *("signals", "rules", i, "observers"),
                allowed="an observer beside findings, if a suspicion is to clear by itself",
                found="findings only",
                because=f"a {rule.scenario} that is suspected for findings stays so until a person says what it is",
            )


def event_pattern_is_short_enough(whole: Whole) -> Iterator[Flaw]:
    """EventBridge refuses a rule whose pattern is too long. The responder's region has the longest: everybody's."""
    policy = whole.policy
    length = len(json.dumps(service_events(policy, policy.platform.responder.region)))
    if length > PATTERN_MAX:
        yield error(
            *("signals", "health" if policy.signals.health else "findings"),
            allowed=f"services and types that make a pattern of at most {PATTERN_MAX} characters",
            found=f"{length} characters",
            because="EventBridge refuses such a rule, so the stack could not be deployed",
        )
