"""Route 53's health checks: checkers that ask an endpoint, checks over a CloudWatch alarm, over a routing control of
ARC, calculated ones.

What follows from them for traffic is in dns.py.

Sources, named below by their short names:
- *determines*: docs.aws.amazon.com/Route53/latest/DeveloperGuide/dns-failover-determining-health-of-endpoints.html
- *values*: …/DeveloperGuide/health-checks-creating-values.html
- *api*: docs.aws.amazon.com/Route53/latest/APIReference (HealthCheckConfig and the operations)
- *metrics*: …/DeveloperGuide/monitoring-health-checks.html (`AWS/Route53`, kept in us-east-1 alone)
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal

import aiohttp
from botocore.exceptions import BotoCoreError, ClientError

CHECKERS: Final = {"us-east-1": "192.0.2.1", "eu-west-1": "192.0.2.2", "ap-southeast-1": "192.0.2.3"}
"""Where checkers stand when a check names no regions, and their addresses. The real default is all eight regions."""
VALID_REGIONS: Final = frozenset(
    {"us-east-1", "us-west-1", "us-west-2", "eu-west-1"}
    | {"ap-southeast-1", "ap-southeast-2", "ap-northeast-1", "sa-east-1"}
)
METRICS_NAMESPACE: Final = "AWS/Route53"
METRICS_REGION: Final = "us-east-1"
HEALTHY_SHARE: Final = 0.18
"""*determines*: more than this share of the checkers must say healthy."""
ENDPOINT_TYPES: Final = ("HTTP", "HTTPS", "HTTP_STR_MATCH", "HTTPS_STR_MATCH")
WORDS: Final = {
    "CLOUDWATCH_METRIC": ("Success: the alarm's metric is OK", "Failure: the alarm's metric is in ALARM"),
    "RECOVERY_CONTROL": ("Success: the routing control is On", "Failure: the routing control is Off"),
}
"""What a status says of checks that no checker asks for."""
FASTEST: Final = timedelta(seconds=10)
_LOG: Final = logging.getLogger(__name__)

Evaluation = Literal["OK", "ALARM", "INSUFFICIENT_DATA"]
Fetch = Callable[[str, Mapping[str, Any]], Awaitable[bool]]
"""`fetch(region, config)`: one checker's request; True is a pass."""


@dataclass(slots=True)
class _Checker:
    """One region's checker. It counts as healthy until it has seen enough to say otherwise (*values*: a new check is
    considered healthy until there is enough data).
    """

    healthy: bool = True
    against: int = 0
    said: bool | None = None
    at: datetime | None = None


@dataclass(slots=True)
class _Check:
    id: str
    caller_reference: str
    config: dict[str, Any]
    version: int = 1
    checkers: dict[str, _Checker] = field(default_factory=dict)
    last_known: bool = True
    asked_at: datetime | None = None


class HealthCheckers:
    """The model: no I/O, no timer.

    `alarm(region, name)` is what CloudWatch's evaluation of the *metric* says, not the alarm's state: a state set by
    hand moves no traffic (*determines*). None, for an alarm that cannot be read, is no data. `control(arn)` is whether
    a routing control is On; one that is gone (None) leaves the check as it was, since nothing says more.
    """

    def __init__(
        self,
        clock: Callable[[], datetime],
        speed: float = 1.0,
        *,
        alarm: Callable[[str, str], Evaluation | None] = lambda _region, _name: None,
        control: Callable[[str], bool | None] = lambda _arn: None,
    ) -> None:
        self.clock = clock
        self.speed = speed
        self.alarm = alarm
        self.control = control
        self._checks: dict[str, _Check] = {}
        self._deleted: set[str] = set()

    # What the checkers do

    def due(self, at: datetime) -> tuple[tuple[str, str, dict[str, Any]], ...]:
        """(check id, region, config) of every request whose time has come, and marks them as sent. Each checker asks
        every `RequestInterval` seconds; a disabled check asks nothing (*api*, Disabled).
        """
        found = []
        for check in self._checks.values():
            config = check.config
            if config["Type"] not in ENDPOINT_TYPES or config["Disabled"]:
                continue
            # A tick that comes a little early must not make the check wait for the next one.
            interval = (timedelta(seconds=config["RequestInterval"]) - FASTEST / 20) / self.speed
            if check.asked_at is None or at - check.asked_at >= interval:
                check.asked_at = at
                found += [(check.id, region, config) for region in check.checkers]
        return tuple(found)

    def observe(self, check_id: str, endpoint_ok: Mapping[str, bool], at: datetime) -> None:
        """Takes in one round: region → whether its request passed. A region that is not named said nothing.

        A checker changes its mind after `FailureThreshold` results in a row that contradict it (*determines*).
        """
        check = self._known(check_id)
        for region, passed in endpoint_ok.items():
            checker = check.checkers[region]
            checker.said, checker.at = passed, at
            checker.against = 0 if passed == checker.healthy else checker.against + 1
            if checker.against >= check.config["FailureThreshold"]:
                checker.healthy, checker.against = passed, 0

    def statuses(self) -> dict[str, bool]:
        """Check id → whether Route 53 considers it healthy now. Reads the alarms, and remembers what they said."""
        return {check_id: self.healthy(check_id) for check_id in self._checks}

    def healthy(self, check_id: str) -> bool:
        """The status after `Disabled` (always healthy) and `Inverted` (turned round, also when disabled: *api* names
        inverting as the way to stop traffic with a disabled check).
        """
        check = self._known(check_id)
        found = True if check.config["Disabled"] else self._found(check)
        return found is not bool(check.config["Inverted"])

    def metric_values(self, at: datetime) -> list[dict[str, Any]]:
        """`HealthCheckStatus` of every enabled check in PutMetricData's shape, 1 healthy and 0 not (*metrics*), for
        `METRICS_NAMESPACE` in `METRICS_REGION`. A disabled check is not monitored, so it has no value.
        """
        return [
            {
                "MetricName": "HealthCheckStatus",
                "Dimensions": [{"Name": "HealthCheckId", "Value": check.id}],
                "Timestamp": at,
                "Value": 1.0 if self.healthy(check.id) else 0.0,
                "Unit": "None",
            }
            for check in self._checks.values()
            if not check.config["Disabled"]
        ]

    def _found(self, check: _Check) -> bool:
        config = check.config
        if config["Type"] == "CALCULATED":
            children = [self.healthy(c) for c in config.get("ChildHealthChecks", ()) if c in self._checks]
            return sum(children) >= int(config["HealthThreshold"])
        if config["Type"] == "RECOVERY_CONTROL":
            on = self.control(config["RoutingControlArn"])
            check.last_known = check.last_known if on is None else on
            return check.last_known
        if config["Type"] != "CLOUDWATCH_METRIC":
            agreeing = sum(c.healthy for c in check.checkers.values())
            return agreeing / len(check.checkers) > HEALTHY_SHARE
        said = self.alarm(config["AlarmIdentifier"]["Region"], config["AlarmIdentifier"]["Name"])
        if said in ("OK", "ALARM"):
            check.last_known = said == "OK"
            return check.last_known
        match config["InsufficientDataHealthStatus"]:
            case "Healthy":
                return True
            case "Unhealthy":
                return False
            case _:  # LastKnownStatus: that of the last sufficient data, healthy if there never was any (*api*)
                return check.last_known

    # Route 53's operations: botocore's parameters in, botocore's output out

    def create_health_check(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """CreateHealthCheck. Repeating it with the same reference and settings answers the existing check; the same
        reference with other settings, or of a deleted check, is HealthCheckAlreadyExists (*api*).
        """
        reference, given = params["CallerReference"], dict(params["HealthCheckConfig"])
        config = _with_defaults(given)
        _refuse_invalid(config)
        same = next((c for c in self._checks.values() if c.caller_reference == reference), None)
        if reference in self._deleted or (same is not None and same.config != config):
            raise _error(
                "HealthCheckAlreadyExists", f"caller reference {reference!r} was used with other settings", 409
            )
        if same is None:
            same = _Check(str(uuid.uuid4()), reference, config)
            self._checks[same.id] = same
            self._place(same)
        location = f"https://route53.amazonaws.com/2013-04-01/healthcheck/{same.id}"
        return {"HealthCheck": _shown(same), "Location": location}

    def get_health_check(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """GetHealthCheck, or NoSuchHealthCheck."""
        return {"HealthCheck": _shown(self._known(params["HealthCheckId"]))}

    def get_health_check_status(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """GetHealthCheckStatus: what each checker last saw, before it counts to the threshold and before `Inverted`.
        Checkers without a result are not listed; a calculated check is refused (*api*). For a check that asks
        nobody the real texts are documented nowhere; here they tell the status by the same first word.
        """
        check = self._known(params["HealthCheckId"])
        kind = check.config["Type"]
        if kind == "CALCULATED":
            raise _error("InvalidInput", "the status of a calculated health check cannot be read with this operation")
        if kind in WORDS:
            said = WORDS[kind][0] if self._found(check) else WORDS[kind][1]
            reports = [(region, said, self.clock()) for region in CHECKERS]
        else:
            reports = [
                (
                    region,
                    f"{'Success' if c.said else 'Failure'}: {kind} request {'passed' if c.said else 'failed'}",
                    c.at,
                )
                for region, c in check.checkers.items()
                if c.at is not None
            ]
        return {
            "HealthCheckObservations": [
                {
                    "Region": region,
                    "IPAddress": CHECKERS.get(region, "192.0.2.9"),
                    "StatusReport": {"Status": status, "CheckedTime": at},
                }
                for region, status, at in reports
            ]
        }

    def list_health_checks(self, params: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002 (one page holds all)
        """ListHealthChecks, in one page."""
        checks = [_shown(c) for c in self._checks.values()]
        return {"HealthChecks": checks, "Marker": "", "IsTruncated": False, "MaxItems": "100"}

    def update_health_check(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """UpdateHealthCheck: what is not named stays; a stale `HealthCheckVersion` is HealthCheckVersionMismatch."""
        check = self._known(params["HealthCheckId"])
        version = params.get("HealthCheckVersion", check.version)
        if int(version) != check.version:
            raise _error("HealthCheckVersionMismatch", f"version is {check.version}, the request names {version}", 409)
        given = {k: v for k, v in params.items() if k not in ("HealthCheckId", "HealthCheckVersion", "ResetElements")}
        kept = {k: v for k, v in check.config.items() if k not in params.get("ResetElements", ())}
        config = _with_defaults(kept | given)
        _refuse_invalid(config)
        check.config = config
        check.version += 1
        self._place(check)
        return {"HealthCheck": _shown(check)}

    def delete_health_check(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """DeleteHealthCheck: not prevented by records or calculated checks that still name it (*api*)."""
        check = self._known(params["HealthCheckId"])
        self._deleted.add(check.caller_reference)
        del self._checks[check.id]
        return {}

    def _known(self, check_id: str) -> _Check:
        if check_id not in self._checks:
            raise _error("NoSuchHealthCheck", f"there is no health check with id {check_id!r}", 404)
        return self._checks[check_id]

    def _place(self, check: _Check) -> None:
        """Checkers where the config wants them; those that stay keep what they have counted."""
        if check.config["Type"] in ENDPOINT_TYPES:
            regions = check.config.get("Regions") or list(CHECKERS)
            check.checkers = {r: check.checkers.get(r, _Checker()) for r in regions}


def _shown(check: _Check) -> dict[str, Any]:
    return {
        "Id": check.id,
        "CallerReference": check.caller_reference,
        "HealthCheckConfig": dict(check.config),
        "HealthCheckVersion": check.version,
    }


def _with_defaults(config: dict[str, Any]) -> dict[str, Any]:
    """*api*, HealthCheckConfig: what Route 53 fills in."""
    defaults: dict[str, Any] = {"Inverted": False, "Disabled": False}
    if config.get("Type") in ENDPOINT_TYPES:
        port = 443 if config["Type"].startswith("HTTPS") else 80
        defaults |= {"RequestInterval": 30, "FailureThreshold": 3, "MeasureLatency": False, "Port": port}
    return defaults | config


def _refuse_invalid(config: Mapping[str, Any]) -> None:
    """InvalidInput with the first thing that is wrong (*api*, HealthCheckConfig)."""
    kind, regions = config.get("Type"), config.get("Regions")
    is_endpoint = kind in ENDPOINT_TYPES
    wrong = {
        f"Type {kind!r} is not kept here": not is_endpoint and kind not in (*WORDS, "CALCULATED"),
        "IPAddress or FullyQualifiedDomainName is required": is_endpoint
        and not (config.get("IPAddress") or config.get("FullyQualifiedDomainName")),
        "RequestInterval must be 10 or 30": is_endpoint and config.get("RequestInterval") not in (10, 30),
        "FailureThreshold must be from 1 to 10": is_endpoint and not 1 <= config.get("FailureThreshold", 3) <= 10,
        "SearchString is required": str(kind).endswith("STR_MATCH") and not config.get("SearchString"),
        "at least three valid Regions are required": regions is not None
        and (len(set(regions)) < 3 or not VALID_REGIONS.issuperset(regions)),
        "AlarmIdentifier and InsufficientDataHealthStatus are required": kind == "CLOUDWATCH_METRIC"
        and not (
            {"Region", "Name"} <= set(config.get("AlarmIdentifier") or ())
            and config.get("InsufficientDataHealthStatus") in ("Healthy", "Unhealthy", "LastKnownStatus")
        ),
        "HealthThreshold is required": kind == "CALCULATED" and "HealthThreshold" not in config,
        "RoutingControlArn is required": kind == "RECOVERY_CONTROL" and not config.get("RoutingControlArn"),
    }
    wrong |= {
        f"{name} is not supported for RECOVERY_CONTROL": kind == "RECOVERY_CONTROL" and name in config
        for name in ("RequestInterval", "FailureThreshold", "MeasureLatency")
    }
    for message, is_wrong in wrong.items():
        if is_wrong:
            raise _error("InvalidInput", message)


def _error(code: str, message: str, status: int = 400) -> Exception:
    # Here and not above: the server that answers for AWS imports the models it serves.
    from drctl.neighbours.aws import AwsError

    return AwsError(code, message, status)


async def run_checkers(
    model: HealthCheckers,
    fetch: Fetch,
    *,
    on_change: Callable[[str, bool], None],
    publish: Callable[[list[dict[str, Any]]], Awaitable[None]],
    stop: asyncio.Event,
) -> None:
    """The checkers at work until `stop` is set: every 10 s over the speed they send what is due, tell `on_change(check
    id, healthy)` of every change, and hand `HealthCheckStatus` to `publish`. A publish that fails (us-east-1 may be
    what is down) is logged and its values are lost, as they would be; the checkers go on.
    """
    before = await asyncio.to_thread(model.statuses)
    while not stop.is_set():
        started = asyncio.get_running_loop().time()
        asked = model.due(model.clock())
        passed = await asyncio.gather(*(fetch(region, config) for _, region, config in asked))
        for (check_id, region, _), ok in zip(asked, passed, strict=True):
            model.observe(check_id, {region: ok}, model.clock())
        # The alarms may be read over the network: not on the event loop, which may be serving that very network.
        after = await asyncio.to_thread(model.statuses)
        values = await asyncio.to_thread(model.metric_values, model.clock())
        for check_id, healthy in after.items():
            if before.get(check_id, healthy) != healthy:
                on_change(check_id, healthy)
        before = after
        try:
            await publish(values)
        except (OSError, TimeoutError, aiohttp.ClientError, BotoCoreError, ClientError) as error:
            _LOG.warning("HealthCheckStatus was not published: %s; these values are lost", error)
        left = (FASTEST / model.speed).total_seconds() - (asyncio.get_running_loop().time() - started)
        try:
            await asyncio.wait_for(stop.wait(), timeout=max(left, 0.01))
        except TimeoutError:
            continue


def http_fetch(session: aiohttp.ClientSession, url_of: Callable[[Mapping[str, Any]], str]) -> Fetch:
    """A `Fetch` over real HTTP. `url_of(config)` is where the endpoint is to be found on loopback; its own name goes
    along as the Host header. A pass (*determines*): connected within 4 s, and 2xx or 3xx, not followed, within 2 s
    more; with a `SearchString`, that text in the first 5,120 bytes. Both times are the network's, so speed does not
    divide them.
    """
    timeout = aiohttp.ClientTimeout(sock_connect=4, sock_read=2)

    async def fetch(_region: str, config: Mapping[str, Any]) -> bool:
        headers = {"User-Agent": "Amazon-Route53-Health-Check-Service", "Connection": "close"}
        if config.get("FullyQualifiedDomainName"):
            headers["Host"] = config["FullyQualifiedDomainName"]
        try:
            async with session.get(url_of(config), headers=headers, allow_redirects=False, timeout=timeout) as answer:
                start = await answer.content.read(5120) if "SearchString" in config else b""
                return 200 <= answer.status < 400 and config.get("SearchString", "").encode() in start
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False

    return fetch
