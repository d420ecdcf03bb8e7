"""What stands in the platform's AWS account before anything goes wrong: secrets, mail identities, roles, the checks.

MiniStack's CloudFormation knows neither `AWS::Route53::HealthCheck` nor `AWS::CloudWatch::CompositeAlarm`, and has no
cluster that an `AWS::EKS::AccessEntry` could be made in, so those of the templates are made through the API (the last
in rights.py), and the templates are deployed without them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from chalicelib import names
from chalicelib.account.endpoint import endpoint_check
from chalicelib.policy import Policy
from chalicelib.policy.notifications import EmailChannel, PagerDutyChannel, SlackChannel, WebListener
from chalicelib.policy.platform import ArcSwitch
from chalicelib.policy.rewrites import Role
from drctl.neighbours.arc import Arc
from drctl.neighbours.eks import issuer

ACCESS_ENTRY: Final = "AWS::EKS::AccessEntry"
Clients = Callable[[str, str], Any]
"""`clients(service, region)` is a boto3 client."""
UNKNOWN: Final = frozenset({"AWS::Route53::HealthCheck", "AWS::CloudWatch::CompositeAlarm", ACCESS_ENTRY})
ROUTING_KEY: Final = "0123456789abcdef0123456789abcdef"
INTEGRATION_KEY: Final = "fedcba9876543210fedcba9876543210"
"""Of the pager's integration that alarms on the responder itself are posted to."""
BOT_TOKEN: Final = "xoxb-local-responder"  # noqa: S105  # known to the local Slack only
DATABASE_USER: Final = "responder"
DATABASE_PASSWORD: Final = "local"  # noqa: S105  # of a database on loopback that lives as long as the world


def secrets(clients: Clients, policy: Policy, *, host: str, port: int, pager: str) -> None:
    """The channels' keys, the responder's database user, where the applications find their database, and the address at
    the `pager` that the trouble topics post to.
    """
    platform = policy.platform
    region, application = platform.responder.region, platform.application_secret
    user = {"username": DATABASE_USER, "password": DATABASE_PASSWORD}
    wanted: dict[tuple[str, str], Mapping[str, Any]] = {
        (region, platform.database.credentials_secret): user,
        # Replicated to the primary, where the heart writes with it.
        (platform.database.primary.region, platform.database.credentials_secret): user,
        (application.region, application.name): {
            **user,
            application.host_key: host,
            application.port_key: port,
        },
    }
    if own := platform.primary_secret:
        wanted[own.region, own.name] = {**user, own.host_key: host, own.port_key: port}
    for channel in policy.notifications.channels:
        match channel:
            case PagerDutyChannel(secret=name):
                wanted[region, name] = {"routing_key": ROUTING_KEY}
            case SlackChannel(secret=name):
                wanted[region, name] = {"bot_token": BOT_TOKEN}
            case _:
                pass
    for listener in policy.notifications.trouble:
        if isinstance(listener, WebListener):
            for where in (region, platform.regions.witness, *names.alarm_regions(policy)):
                wanted[where, listener.secret] = {"url": f"{pager}/integration/{INTEGRATION_KEY}/enqueue"}
    for (where, name), value in wanted.items():
        clients("secretsmanager", where).create_secret(Name=name, SecretString=json.dumps(value))


def mail(clients: Clients, policy: Policy) -> None:
    """The senders' identities in SES."""
    senders = {c.sender for c in policy.notifications.channels if isinstance(c, EmailChannel)}
    client = clients("sesv2", policy.platform.responder.region)
    for sender in sorted(senders):
        client.create_email_identity(EmailIdentity=sender)


def roles(clients: Clients, policy: Policy) -> None:
    """The roles of service accounts: each side's trusts the tokens of its own cluster, and no other's
    (docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html).
    """
    platform = policy.platform
    iam = clients("iam", platform.regions.primary)
    for row in policy.rewrites.rewrites:
        if not isinstance(row, Role):
            continue
        for arn, cluster in ((row.from_, platform.clusters.primary), (row.to, platform.clusters.standby)):
            provider = issuer(cluster.region, cluster.name).removeprefix("https://")
            trust = {
                "Effect": "Allow",
                "Principal": {"Federated": f"arn:aws:iam::{platform.account}:oidc-provider/{provider}"},
                "Action": "sts:AssumeRoleWithWebIdentity",
            }
            document = {"Version": "2012-10-17", "Statement": [trust]}
            iam.create_role(RoleName=arn.rpartition("/")[2], AssumeRolePolicyDocument=json.dumps(document))


def checks(clients: Clients, policy: Policy, responder: Mapping[str, Any]) -> dict[str, str]:
    """Both health checks, made as the templates say: `endpoint` and `switch` → id."""
    client = clients("route53", policy.platform.regions.primary)
    switch = dict(responder["Resources"]["TrafficSwitchCheck"]["Properties"]["HealthCheckConfig"])
    if "AlarmIdentifier" in switch:
        alarm = responder["Resources"]["TrafficSwitch"]["Properties"]["AlarmName"]
        switch["AlarmIdentifier"] = {"Name": alarm, "Region": policy.platform.responder.region}
    configs = {"endpoint": endpoint_check(policy), "switch": switch}
    if test := policy.drills.test_record:
        drill = dict(responder["Resources"]["DrillSwitchCheck"]["Properties"]["HealthCheckConfig"])
        configs["drill"] = drill | {"AlarmIdentifier": {"Name": test.switch.alarm, "Region": test.switch.region}}
    return {
        name: client.create_health_check(CallerReference=name, HealthCheckConfig=config)["HealthCheck"]["Id"]
        for name, config in configs.items()
    }


def controls(policy: Policy) -> Arc:
    """The cluster's two routing controls with the primary's On, and a rule that one of them is; without any where the
    switch is of another kind.
    """
    arc, switch, account = Arc(), policy.platform.traffic.switch, policy.platform.account
    if isinstance(switch, ArcSwitch):
        arc.add(switch.primary_control, "primary", "On", account=account)
        arc.add(switch.standby_control, "standby", "Off", account=account)
        panel = switch.primary_control.partition("/routingcontrol/")[0]
        both = [switch.primary_control, switch.standby_control]
        arc.assert_at_least(1, both, rule=f"{panel}/safetyrule/0000000000000001")
    return arc


def composites(clients: Clients, policy: Policy) -> None:
    """Composite alarms, once their children are there; each speaks to the topic of its region."""
    for alarm in policy.signals.composites:
        topic = names.alarm_topic_arn(policy, alarm.region)
        clients("cloudwatch", alarm.region).put_composite_alarm(
            AlarmName=alarm.name,
            AlarmRule=alarm.rule,
            AlarmActions=[topic],
            OKActions=[topic],
            InsufficientDataActions=[topic],
        )


def known_part(template: Mapping[str, Any], ids: Mapping[str, str]) -> dict[str, Any]:
    """The template without what MiniStack cannot make; `ids` (logical id → id) stand where that was referred to. Nobody
    on loopback has a certificate, so a topic posts by http.
    """
    kept = {name: r for name, r in template["Resources"].items() if r.get("Type") not in UNKNOWN}
    text = json.dumps({**template, "Resources": kept}).replace('"Protocol": "https"', '"Protocol": "http"')
    for name, known in ids.items():
        text = text.replace(json.dumps({"Ref": name}), json.dumps(known))
    found: dict[str, Any] = json.loads(text)
    return found
