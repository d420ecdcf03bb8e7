"""Route 53's check of the platform's public endpoint: as policy has it, and whether the account's is so.

Field names: botocore's model of Route 53 (HealthCheckConfig). A check has no name of its own: it is known by what it
looks at. Where checkers ask from several regions, each asks at the interval (…/DeveloperGuide/
dns-failover-determining-health-of-endpoints.html).
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from chalicelib.account.verdicts import Asks, Claim, NotSeen, NotThere, Row, Subject, Verdict
from chalicelib.policy import Policy

NEVER: Final = ("Inverted", "Disabled")
"""A check that is turned round or switched off says healthy when it should not."""
FIXED: Final = ("Type", "RequestInterval")
"""What UpdateHealthCheck cannot change: https://docs.aws.amazon.com/Route53/latest/APIReference/API_UpdateHealthCheck.html
"""
FLAGS: Final = {
    "FullyQualifiedDomainName": "--fully-qualified-domain-name",
    "Port": "--port",
    "ResourcePath": "--resource-path",
    "FailureThreshold": "--failure-threshold",
    "Regions": "--regions",
}
"""The AWS CLI's words for update-health-check."""


def endpoint_check(policy: Policy) -> dict[str, Any]:
    """The HealthCheckConfig of the platform's public endpoint."""
    check = policy.signals.health_check
    scheme, _, rest = check.url.partition("://")
    host, slash, path = rest.partition("/")
    return {
        "Type": scheme.upper(),
        "FullyQualifiedDomainName": host,
        "Port": 443 if scheme == "https" else 80,
        "ResourcePath": slash + path,
        # Policy's durations are divided by the speed; the template is what stands on AWS.
        "RequestInterval": round((check.interval * policy.speed).total_seconds()),
        "FailureThreshold": check.failures,
        "Regions": list(check.regions),
    } | ({"EnableSNI": True} if scheme == "https" else {})


def endpoint(policy: Policy, account: Asks) -> Iterator[Row]:
    """The endpoint's check alone."""
    answer = account.ask("route53", policy.platform.responder.region, "list_health_checks")
    yield from of_check("endpoint", "signals.health_check", endpoint_check(policy), answer)


def of_check(
    name: str, field: str, wanted: Mapping[str, Any], answer: Mapping[str, Any] | NotSeen | NotThere
) -> Iterator[Row]:
    """One check against its HealthCheckConfig; `answer` is ListHealthChecks'."""
    subject = Subject(f"health check '{name}'", field)
    if isinstance(answer, NotSeen | NotThere):
        yield subject.unseen("exists", True, NotSeen(answer.because))
        return
    check = find(answer["HealthChecks"], wanted)
    if check is None:
        yield replace(subject.missing(), mend=_made(name, wanted))
        return
    for row in subject.claims(check["HealthCheckConfig"], tuple(_claims(wanted))):
        if row.verdict is Verdict.DIFFERS:
            yield replace(row, mend=_mend(row.what, check["Id"], name, wanted))
        else:
            yield row


def find(checks: Sequence[Mapping[str, Any]], wanted: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """By what it looks at."""
    key = "AlarmIdentifier" if "AlarmIdentifier" in wanted else "FullyQualifiedDomainName"
    return next((c for c in checks if c["HealthCheckConfig"].get(key) == wanted[key]), None)


def _claims(wanted: Mapping[str, Any]) -> Iterator[Claim]:
    for key, value in wanted.items():
        claimed = sorted(value) if isinstance(value, list) else value
        yield Claim(key, claimed, _sorted(key))
    for key in NEVER:
        yield Claim(key, False, lambda config, key=key: bool(config.get(key)))  # type: ignore[misc] # bound now


def _sorted(key: str) -> Any:
    def read(config: Mapping[str, Any]) -> object:
        value = config.get(key)
        return sorted(value) if isinstance(value, list) else value

    return read


def _mend(what: str, id_: str, name: str, wanted: Mapping[str, Any]) -> str:
    update = f"aws route53 update-health-check --health-check-id {id_}"
    if what in NEVER:
        return f"{update} --no-{what.lower()}"
    if what == "EnableSNI":
        return f"{update} --enable-sni"
    if what in FLAGS:
        value = wanted[what]
        words = value if isinstance(value, list) else [value]
        return f"{update} {FLAGS[what]} {' '.join(shlex.quote(str(word)) for word in words)}"
    if what in FIXED:
        # Its alarm then looks at the old one, which is a difference of its own.
        return f"{_made(name, wanted)}; aws route53 delete-health-check --health-check-id {id_}"
    return ""


def _made(name: str, wanted: Mapping[str, Any]) -> str:
    if "AlarmIdentifier" in wanted:
        return "the responder's own stack makes it: deploy template.json again"
    words = ",".join(
        f"{key}={','.join(value) if isinstance(value, list) else str(value).lower() if value is True else value}"
        for key, value in wanted.items()
        if key != "Regions"
    )
    regions = f",Regions=[{','.join(wanted['Regions'])}]" if "Regions" in wanted else ""
    return (
        f"aws route53 create-health-check --caller-reference {name}-again"
        f" --health-check-config {shlex.quote(words + regions)}"
    )
