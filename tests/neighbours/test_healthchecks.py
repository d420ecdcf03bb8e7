from __future__ import annotations

import asyncio
import copy
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from drctl.neighbours.aws import AwsError
from drctl.neighbours.healthchecks import CHECKERS, Evaluation, HealthCheckers, http_fetch, run_checkers

ENDPOINT = {
    "Type": "HTTPS",
    "FullyQualifiedDomainName": "api.neurectomy.io",
    "ResourcePath": "/health",
    "RequestInterval": 10,
    "FailureThreshold": 3,
}
METRIC = {
    "Type": "CLOUDWATCH_METRIC",
    "AlarmIdentifier": {"Region": "us-west-2", "Name": "switch"},
    "InsufficientDataHealthStatus": "LastKnownStatus",
}

CONTROL = {"Type": "RECOVERY_CONTROL", "RoutingControlArn": "arn:aws:route53-recovery-control::1:control"}


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


class Alarms:
    def __init__(self) -> None:
        self.said: Evaluation | None = None

    def __call__(self, region: str, name: str) -> Evaluation | None:
        assert (region, name) == ("us-west-2", "switch")
        return self.said


class Controls:
    def __init__(self) -> None:
        self.on: bool | None = True

    def __call__(self, arn: str) -> bool | None:
        assert arn == CONTROL["RoutingControlArn"]
        return self.on


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def controls() -> Controls:
    return Controls()


@pytest.fixture
def alarms() -> Alarms:
    return Alarms()


@pytest.fixture
def model(clock: Clock, alarms: Alarms, controls: Controls) -> HealthCheckers:
    return HealthCheckers(clock, speed=10, alarm=alarms, control=controls)


def create(model: HealthCheckers, config: dict[str, Any], reference: str = "r", **changed: Any) -> str:
    params = {"CallerReference": reference, "HealthCheckConfig": {**config, **changed}}
    return str(model.create_health_check(params)["HealthCheck"]["Id"])


def observe(model: HealthCheckers, check: str, rounds: int, **ok: bool) -> None:
    said = dict.fromkeys(CHECKERS, False) if not ok else {r.replace("_", "-"): v for r, v in ok.items()}
    for _ in range(rounds):
        model.observe(check, said, model.clock())


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({**ENDPOINT, "Type": "PING"}, "Type 'PING' is not kept here"),
        ({**ENDPOINT, "FullyQualifiedDomainName": ""}, "IPAddress or FullyQualifiedDomainName is required"),
        ({**ENDPOINT, "RequestInterval": 5}, "RequestInterval must be 10 or 30"),
        ({**ENDPOINT, "FailureThreshold": 11}, "FailureThreshold must be from 1 to 10"),
        ({**ENDPOINT, "Type": "HTTP_STR_MATCH"}, "SearchString is required"),
        ({**ENDPOINT, "Regions": ["us-east-1", "eu-west-1"]}, "at least three valid Regions are required"),
        ({**ENDPOINT, "Regions": ["us-east-1", "eu-west-1", "us-east-2"]}, "at least three valid Regions are required"),
        ({**METRIC, "AlarmIdentifier": {"Name": "switch"}}, "AlarmIdentifier and InsufficientDataHealthStatus"),
        ({**METRIC, "InsufficientDataHealthStatus": "Up"}, "AlarmIdentifier and InsufficientDataHealthStatus"),
        ({"Type": "CALCULATED"}, "HealthThreshold is required"),
        ({"Type": "RECOVERY_CONTROL"}, "RoutingControlArn is required"),
        ({**CONTROL, "RequestInterval": 10}, "RequestInterval is not supported for RECOVERY_CONTROL"),
        ({**CONTROL, "FailureThreshold": 3}, "FailureThreshold is not supported for RECOVERY_CONTROL"),
        ({**CONTROL, "MeasureLatency": True}, "MeasureLatency is not supported for RECOVERY_CONTROL"),
    ],
)
def test_refuses_an_invalid_configuration(model: HealthCheckers, config: dict[str, Any], message: str) -> None:
    with pytest.raises(AwsError, match=message) as refusal:
        create(model, config)
    assert refusal.value.code == "InvalidInput"
    assert model.statuses() == {}


@pytest.mark.parametrize(
    "operation", ["get_health_check", "get_health_check_status", "update_health_check", "delete_health_check"]
)
def test_refuses_an_id_that_does_not_exist(model: HealthCheckers, operation: str) -> None:
    with pytest.raises(AwsError) as refusal:
        getattr(model, operation)({"HealthCheckId": "none"})
    assert refusal.value.code == "NoSuchHealthCheck"


def test_repeating_a_creation_answers_the_same_check_and_other_settings_are_refused(model: HealthCheckers) -> None:
    one = create(model, ENDPOINT)
    assert create(model, ENDPOINT) == one
    assert create(model, ENDPOINT, reference="other") != one
    with pytest.raises(AwsError) as refusal:
        create(model, ENDPOINT, FailureThreshold=5)
    assert refusal.value.code == "HealthCheckAlreadyExists"
    model.delete_health_check({"HealthCheckId": one})
    with pytest.raises(AwsError):
        create(model, ENDPOINT)


def test_refuses_an_update_that_names_a_stale_version(model: HealthCheckers) -> None:
    check = create(model, ENDPOINT)
    model.update_health_check({"HealthCheckId": check, "HealthCheckVersion": 1, "Inverted": True})
    with pytest.raises(AwsError) as refusal:
        model.update_health_check({"HealthCheckId": check, "HealthCheckVersion": 1, "Inverted": False})
    assert refusal.value.code == "HealthCheckVersionMismatch"
    shown = model.get_health_check({"HealthCheckId": check})["HealthCheck"]
    assert (shown["HealthCheckVersion"], shown["HealthCheckConfig"]["Inverted"]) == (2, True)


def test_refuses_the_status_of_a_calculated_check(model: HealthCheckers) -> None:
    child = create(model, ENDPOINT)
    check = create(model, {"Type": "CALCULATED", "ChildHealthChecks": [child], "HealthThreshold": 1}, reference="c")
    with pytest.raises(AwsError) as refusal:
        model.get_health_check_status({"HealthCheckId": check})
    assert refusal.value.code == "InvalidInput"
    observe(model, child, 3)
    assert model.healthy(check) is False


def test_a_new_endpoint_check_is_healthy_and_stays_so_through_two_failures(model: HealthCheckers) -> None:
    check = create(model, ENDPOINT)
    assert model.healthy(check) is True
    observe(model, check, 2)
    assert model.healthy(check) is True
    observe(model, check, 1)
    assert model.healthy(check) is False


def test_a_success_between_failures_starts_the_count_again(model: HealthCheckers) -> None:
    check = create(model, ENDPOINT)
    observe(model, check, 2)
    model.observe(check, dict.fromkeys(CHECKERS, True), model.clock())
    observe(model, check, 2)
    assert model.healthy(check) is True


def test_one_of_three_regions_is_more_than_eighteen_percent_and_keeps_the_check_healthy(model: HealthCheckers) -> None:
    check = create(model, ENDPOINT)
    observe(model, check, 3, us_east_1=False, eu_west_1=False, ap_southeast_1=True)
    assert model.healthy(check) is True
    observe(model, check, 3, ap_southeast_1=False)
    assert model.healthy(check) is False


def test_one_of_six_regions_is_not_more_than_eighteen_percent(model: HealthCheckers) -> None:
    regions = ["us-east-1", "us-west-1", "us-west-2", "eu-west-1", "ap-southeast-1", "sa-east-1"]
    check = create(model, ENDPOINT, Regions=regions)
    for _ in range(3):
        model.observe(check, {r: r == "sa-east-1" for r in regions}, model.clock())
    assert model.healthy(check) is False


def test_recovery_takes_as_many_successes_as_failure_took_failures(model: HealthCheckers) -> None:
    check = create(model, ENDPOINT)
    observe(model, check, 3)
    observe(model, check, 2, us_east_1=True)
    assert model.healthy(check) is False
    observe(model, check, 1, us_east_1=True)
    assert model.healthy(check) is True


def test_a_region_that_said_nothing_is_not_counted_as_failing(model: HealthCheckers) -> None:
    check = create(model, ENDPOINT)
    observe(model, check, 9, us_east_1=False)
    assert model.healthy(check) is True
    found = model.get_health_check_status({"HealthCheckId": check})["HealthCheckObservations"]
    assert [(o["Region"], o["StatusReport"]["Status"][:7]) for o in found] == [("us-east-1", "Failure")]


def test_disabled_is_healthy_and_inverted_turns_it_round(model: HealthCheckers) -> None:
    check = create(model, ENDPOINT)
    observe(model, check, 3)
    model.update_health_check({"HealthCheckId": check, "Inverted": True})
    assert model.healthy(check) is True
    model.update_health_check({"HealthCheckId": check, "Inverted": False, "Disabled": True})
    assert model.healthy(check) is True
    model.update_health_check({"HealthCheckId": check, "Inverted": True})
    assert model.healthy(check) is False
    assert model.metric_values(model.clock()) == []


def test_a_new_metric_check_without_data_is_healthy_and_remembers_what_it_last_knew(
    model: HealthCheckers, alarms: Alarms
) -> None:
    check = create(model, METRIC)
    assert model.statuses() == {check: True}
    alarms.said = "ALARM"
    assert model.statuses() == {check: False}
    for silence in ("INSUFFICIENT_DATA", None):
        alarms.said = silence
        assert model.statuses() == {check: False}
    status = model.get_health_check_status({"HealthCheckId": check})["HealthCheckObservations"][0]["StatusReport"]
    assert status["Status"].startswith("Failure")
    alarms.said = "OK"
    assert model.statuses() == {check: True}


@pytest.mark.parametrize(("configured", "healthy"), [("Healthy", True), ("Unhealthy", False)])
def test_without_data_a_metric_check_is_what_it_was_configured_to_be(
    model: HealthCheckers, alarms: Alarms, configured: str, healthy: bool
) -> None:
    check = create(model, METRIC, InsufficientDataHealthStatus=configured)
    assert model.healthy(check) is healthy
    alarms.said = "ALARM" if healthy else "OK"
    assert model.healthy(check) is not healthy
    alarms.said = "INSUFFICIENT_DATA"
    assert model.healthy(check) is healthy


def test_a_routing_control_that_is_off_is_unhealthy_and_one_that_is_gone_changes_nothing(
    model: HealthCheckers, controls: Controls
) -> None:
    check = create(model, CONTROL)
    assert model.statuses() == {check: True}
    controls.on = False
    assert model.statuses() == {check: False}
    controls.on = None
    assert model.statuses() == {check: False}
    assert model.due(model.clock()) == ()
    said = model.get_health_check_status({"HealthCheckId": check})["HealthCheckObservations"][0]["StatusReport"]
    assert said["Status"].startswith("Failure")
    controls.on = True
    assert model.statuses() == {check: True}


def test_an_inverted_endpoint_check_is_unhealthy_until_enough_checkers_have_failed(model: HealthCheckers) -> None:
    check = create(model, ENDPOINT, Inverted=True)
    assert model.healthy(check) is False
    observe(model, check, 3)
    assert model.healthy(check) is True
    observe(model, check, 3, **{r.replace("-", "_"): True for r in CHECKERS})
    assert model.healthy(check) is False


def test_requests_are_due_every_ten_seconds_over_the_speed_from_every_region(
    model: HealthCheckers, clock: Clock
) -> None:
    fast = create(model, ENDPOINT)
    slow = create(model, ENDPOINT, reference="slow", RequestInterval=30)
    create(model, METRIC, reference="metric")
    create(model, ENDPOINT, reference="off", Disabled=True)
    assert {(c, r) for c, r, _ in model.due(clock.now)} == {(c, r) for c in (fast, slow) for r in CHECKERS}
    assert model.due(clock.now) == ()
    clock.now += timedelta(seconds=1)
    assert {c for c, _, _ in model.due(clock.now)} == {fast}
    clock.now += timedelta(seconds=2)
    assert {c for c, _, _ in model.due(clock.now)} == {fast, slow}


def test_a_copy_of_the_model_goes_its_own_way(model: HealthCheckers) -> None:
    check = create(model, ENDPOINT)
    other = copy.deepcopy(model)
    observe(other, check, 3)
    assert (model.healthy(check), other.healthy(check)) == (True, False)


def test_the_checkers_find_a_failing_endpoint_tell_the_change_and_outlive_a_failing_publish(clock: Clock) -> None:
    model = HealthCheckers(clock, speed=1000)
    check = create(model, ENDPOINT, FailureThreshold=2)
    hosts, published, changes = [], [], []

    async def play() -> None:
        stop = asyncio.Event()
        answers = {"status": 200}

        async def health(request: web.Request) -> web.Response:
            hosts.append(request.host)
            return web.Response(status=answers["status"])

        def changed(check_id: str, healthy: bool) -> None:
            changes.append((check_id, healthy))
            answers["status"] = 302
            if healthy:
                stop.set()

        async def publish(values: list[dict[str, Any]]) -> None:
            clock.now += timedelta(milliseconds=10)
            published.append(values[0]["Value"])
            if len(published) == 1:
                answers["status"] = 500
                raise ConnectionRefusedError("us-east-1 is dark")

        app = web.Application()
        app.router.add_get("/health", health)
        async with TestServer(app) as server, aiohttp.ClientSession() as session:
            fetch = http_fetch(session, lambda config: str(server.make_url(config["ResourcePath"])))
            running = run_checkers(model, fetch, on_change=changed, publish=publish, stop=stop)
            await asyncio.wait_for(running, timeout=20)

    asyncio.run(play())
    assert changes == [(check, False), (check, True)]
    assert published == [1.0, 1.0, 0.0, 0.0, 1.0]
    assert set(hosts) == {"api.neurectomy.io"}


def test_a_checker_counts_an_unreachable_endpoint_and_a_missing_search_string_as_failures() -> None:
    async def play() -> list[bool]:
        async def health(_request: web.Request) -> web.Response:
            return web.Response(text="all is well")

        app = web.Application()
        app.router.add_get("/", health)
        async with aiohttp.ClientSession() as session:
            server = TestServer(app)
            await server.start_server()
            url = str(server.make_url("/"))
            fetch = http_fetch(session, lambda _config: url)
            found = [await fetch("us-east-1", {"SearchString": s}) for s in ("well", "ill")]
            await server.close()
            return [*found, await fetch("us-east-1", {})]

    assert asyncio.run(play()) == [True, False, False]
