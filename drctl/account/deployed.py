"""The account itself, its regions, clusters, mail, and the responder's functions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from chalicelib import names
from chalicelib.account.verdicts import Claim, NotSeen, NotThere, Row, Subject, at
from chalicelib.names import logical
from chalicelib.policy import Policy
from chalicelib.policy.notifications import EmailChannel
from drctl.account.asking import Account
from drctl.deployment.config import config
from drctl.deployment.resources import resources

ENABLED: Final = ("opt-in-not-required", "opted-in")
"""https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Region.html"""


def identity(policy: Policy, account: Account) -> Iterator[Row]:
    """Whether this is the account that policy names, and whether its regions may be used."""
    region = policy.platform.responder.region
    who = account.ask("sts", region, "get_caller_identity")
    yield from Subject("account", "platform.account").claims(
        who, (Claim("number", policy.platform.account, at("Account")),)
    )
    answer = account.ask("ec2", region, "describe_regions", AllRegions=True)
    regions = policy.platform.regions
    rows = {"primary": regions.primary, "standby": regions.standby, "witness": regions.witness}
    for role, name in rows.items():
        claim = Claim("enabled", True, _enabled(name))
        yield from Subject(f"region {name}", f"platform.regions.{role}").claims(answer, (claim,))


def _enabled(name: str) -> Any:
    return lambda a: any(r["RegionName"] == name and r.get("OptInStatus") in ENABLED for r in a["Regions"])


def clusters(policy: Policy, account: Account) -> Iterator[Row]:
    """Both clusters and their node groups."""
    for role in ("primary", "standby"):
        cluster = policy.platform.cluster(role)
        field = f"platform.clusters.{role}"
        subject = Subject(f"cluster {cluster.name} in {cluster.region}", field)
        answer = account.ask("eks", cluster.region, "describe_cluster", name=cluster.name)
        yield from subject.claims(answer, (Claim("status", "ACTIVE", at("cluster", "status")),))
        if isinstance(answer, NotThere) or cluster.node_group is None:
            continue
        group = cluster.node_group
        one = Subject(f"node group {group.name} of {cluster.name}", f"{field}.node_group")
        asked = {"clusterName": cluster.name, "nodegroupName": group.name}
        found = account.ask("eks", cluster.region, "describe_nodegroup", **asked)
        size = ("nodegroup", "scalingConfig")
        claims = (
            Claim("status", "ACTIVE", at("nodegroup", "status")),
            Claim("largest size", group.max_size, at(*size, "maxSize")),
            Claim("can take the failover size", True, _reaches(group.failover_size)),
        )
        yield from one.claims(found, claims)


def _reaches(size: int) -> Any:
    return lambda answer: int(answer["nodegroup"]["scalingConfig"]["maxSize"]) >= size


def mail(policy: Policy, account: Account) -> Iterator[Row]:
    """SES: every sender verified, itself or by its domain, and the account out of the sandbox."""
    region = policy.platform.responder.region
    senders: dict[str, int] = {}
    for i, channel in enumerate(policy.notifications.channels):
        if isinstance(channel, EmailChannel):
            senders.setdefault(channel.sender, i)
    for sender, i in senders.items():
        subject = Subject(f"sender {sender}", f"notifications.channels[{i}].sender")
        answers = [
            account.ask("sesv2", region, "get_email_identity", EmailIdentity=who)
            for who in (sender, sender.rpartition("@")[2])
        ]
        seen = [a for a in answers if not isinstance(a, NotSeen | NotThere)]
        verified = any(a.get("VerifiedForSendingStatus") for a in seen)
        silent = next((a for a in answers if isinstance(a, NotSeen)), None)
        if silent is not None and not verified:
            yield subject.unseen("verified", True, silent)
        else:
            yield subject.row("verified", True, verified)
    answer = account.ask("sesv2", region, "get_account")
    claims = (
        Claim("out of the sandbox", True, at("ProductionAccessEnabled")),
        Claim("may send", True, at("SendingEnabled")),
    )
    if senders:
        yield from Subject(f"SES in {region}", "notifications.channels").claims(answer, claims)


def functions(policy: Policy, account: Account) -> Iterator[Row]:
    """Every function with the settings that it is deployed with."""
    region = policy.platform.responder.region
    wanted = config(policy)["stages"]["prod"]
    template = resources(policy)["Resources"]
    for name in names.FUNCTIONS:
        function, row = names.function(policy, name), wanted["lambda_functions"][name]
        subject = Subject(f"function {function} in {region}", "platform.responder")
        answer = account.ask("lambda", region, "get_function_configuration", FunctionName=function)
        claims = (
            Claim("timeout", row["lambda_timeout"], at("Timeout")),
            Claim("memory", row["lambda_memory_size"], at("MemorySize")),
            Claim("stage", wanted["environment_variables"]["DR_STAGE"], at("Environment", "Variables", "DR_STAGE")),
        )
        yield from subject.claims(answer, claims)
        if isinstance(answer, NotThere):
            continue
        kept = account.ask("lambda", region, "get_function_concurrency", FunctionName=function)
        reserved = Claim("reserved concurrency", row.get("reserved_concurrency"), at("ReservedConcurrentExecutions"))
        yield from subject.claims(kept, (reserved,))
        yield from _invoked(
            subject, template[logical(name)]["Properties"]["EventInvokeConfig"], account, region, function
        )


def _invoked(
    subject: Subject, wanted: Mapping[str, Any], account: Account, region: str, function: str
) -> Iterator[Row]:
    answer = account.ask("lambda", region, "get_function_event_invoke_config", FunctionName=function)
    if isinstance(answer, NotThere):
        yield subject.missing("what becomes of failed events")
        return
    destination = at("DestinationConfig", "OnFailure", "Destination")
    claims = (
        Claim("more tries", wanted["MaximumRetryAttempts"], at("MaximumRetryAttempts")),
        Claim("oldest event in seconds", wanted["MaximumEventAgeInSeconds"], at("MaximumEventAgeInSeconds")),
        Claim("keeps what failed", True, lambda a: ":sqs:" in str(destination(a))),
    )
    yield from subject.claims(answer, claims)
