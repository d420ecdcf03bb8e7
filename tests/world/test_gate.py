"""The gate with a stand-in behind it, asked by ordinary AWS clients: what each fault looks like to them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import boto3
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, HTTPClientError

from drctl.world.control import control
from drctl.world.faults import Fault
from drctl.world.gate import Gate
from drctl.world.ledger import Ledger

pytestmark = pytest.mark.asyncio
CONFIG = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}, user_agent_appid="us-east-1.Alarm")
SENDS: dict[str, Callable[[Any], Any]] = {
    "dynamodb": lambda c: c.put_item(TableName="t", Item={}),
    "sqs": lambda c: c.list_queues(),
    "sns": lambda c: c.list_topics(),
    "s3": lambda c: c.get_object(Bucket="b", Key="k"),
    "lambda": lambda c: c.list_functions(),
    "route53": lambda c: c.list_hosted_zones(),
    "cloudwatch": lambda c: c.describe_alarms(),
    "ec2": lambda c: c.describe_regions(),
    "sts": lambda c: c.get_caller_identity(),
    "sesv2": lambda c: c.list_email_identities(),
    "iam": lambda c: c.list_roles(),
}


class Behind:
    """What stands behind the gate: remembers what reached it, and answers what it is given."""

    def __init__(self, answer: web.Response | None = None) -> None:
        self.reached: list[tuple[str, str, bytes]] = []
        self.answer = answer

    async def take(self, request: web.Request) -> web.Response:
        self.reached.append((request.method, request.raw_path, await request.read()))
        # PutObject answers without a body, and the client looks for an error in any other.
        body = "" if request.method == "PUT" else "{}"
        return self.answer or web.Response(text=body, headers={"x-seen": "behind"})

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_route("*", "/{anything:.*}", self.take)
        return app


class Setup:
    """A gate, what is behind it, and a neighbour beside it."""

    def __init__(self, gate: Gate, url: str, behind: Behind, neighbour: Behind, waits: list[float]) -> None:
        self.gate, self.url, self.behind, self.neighbour, self.waits = gate, url, behind, neighbour, waits

    async def call(self, service: str, region: str = "us-east-1", send: Callable[[Any], Any] | None = None) -> Any:
        def blocking() -> Any:
            client = boto3.client(
                service,
                region_name=region,
                endpoint_url=self.url,
                aws_access_key_id="111122223333",
                aws_secret_access_key="secret",
                config=CONFIG,
            )
            return (send or SENDS[service])(client)

        return await asyncio.to_thread(blocking)


@asynccontextmanager
async def standing(routes: tuple[str, ...] = (), ledger: Path | None = None) -> AsyncIterator[Setup]:
    behind, neighbour, waits = Behind(), Behind(), []

    async def waited(seconds: float) -> None:
        waits.append(seconds)

    async with TestServer(behind.app()) as first, TestServer(neighbour.app()) as second:
        to = dict.fromkeys(routes, f"http://127.0.0.1:{second.port}")
        gate = Gate(f"http://127.0.0.1:{first.port}", to, Ledger(ledger), sleep=waited)
        async with TestServer(gate.app()) as server:
            yield Setup(gate, f"http://127.0.0.1:{server.port}", behind, neighbour, waits)


async def test_passes_a_call_on_as_it_came_and_writes_it_down(tmp_path: Path) -> None:
    async with standing(ledger=tmp_path / "ledger.jsonl") as setup:
        await setup.call("s3", "us-west-2", lambda c: c.put_object(Bucket="b", Key="a b/ü+c", Body=b"body"))
        ((method, path, _),) = setup.behind.reached
        assert (method, path) == ("PUT", "/b/a%20b/%C3%BC%2Bc")
        (call,) = setup.gate.ledger
        assert (call.region, call.service, call.operation, call.status) == ("us-west-2", "s3", "PutObject", 200)
        assert (call.function, call.function_region, call.access_key) == ("Alarm", "us-east-1", "111122223333")
        assert call.line() in (tmp_path / "ledger.jsonl").read_text()


@pytest.mark.parametrize(
    ("service", "code", "status"),
    [
        ("dynamodb", "ProvisionedThroughputExceededException", 400),
        ("sqs", "ThrottlingException", 400),
        ("sns", "Throttled", 429),
        ("s3", "SlowDown", 503),
        ("lambda", "TooManyRequestsException", 429),
        ("route53", "Throttling", 400),
        ("cloudwatch", "ThrottlingException", 400),
        ("ec2", "RequestLimitExceeded", 503),
        ("sts", "Throttling", 400),
        ("sesv2", "TooManyRequestsException", 429),
    ],
)
async def test_a_throttle_speaks_the_service_s_protocol(service: str, code: str, status: int) -> None:
    async with standing() as setup:
        setup.gate.faults.add(Fault("throttle", times=1))
        with pytest.raises(ClientError) as thrown:
            await setup.call(service)
        assert thrown.value.response["Error"]["Code"] == code
        assert thrown.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
        assert setup.behind.reached == []


async def test_a_lost_region_answers_nothing_and_others_do() -> None:
    async with standing() as setup:
        setup.gate.faults.add(Fault("lose", region="us-west-2"))
        with pytest.raises((ConnectionClosedError, HTTPClientError)):
            await setup.call("dynamodb", "us-west-2")
        assert setup.behind.reached == []
        (call,) = setup.gate.ledger
        assert (call.status, call.fault) == (0, "lose before")
        await setup.call("dynamodb", "us-east-2")
        assert len(setup.behind.reached) == 1


async def test_losing_us_east_1_loses_route_53_and_iam() -> None:
    async with standing() as setup:
        setup.gate.faults.add(Fault("lose", region="us-east-1"))
        for service in ("route53", "iam"):
            with pytest.raises((ConnectionClosedError, HTTPClientError)):
                await setup.call(service, "us-west-2")


async def test_a_function_in_a_lost_region_reaches_nothing_elsewhere_either() -> None:
    async with standing() as setup:
        setup.gate.faults.add(Fault("lose", region="us-east-1"))
        # The caller names itself `us-east-1.Alarm` in its user agent, as our functions do.
        with pytest.raises((ConnectionClosedError, HTTPClientError)):
            await setup.call("dynamodb", "us-west-2")


async def test_a_lost_answer_leaves_the_effect() -> None:
    async with standing() as setup:
        setup.gate.faults.add(Fault("lose", service="dynamodb", operation="PutItem", phase="after", times=1))
        with pytest.raises((ConnectionClosedError, HTTPClientError)):
            await setup.call("dynamodb")
        assert len(setup.behind.reached) == 1
        await setup.call("dynamodb")
        assert len(setup.behind.reached) == 2


async def test_an_error_after_the_effect_hides_it() -> None:
    async with standing() as setup:
        setup.gate.faults.add(Fault("error", service="dynamodb", phase="after", times=1))
        with pytest.raises(ClientError, match="InternalFailure"):
            await setup.call("dynamodb")
        assert len(setup.behind.reached) == 1


async def test_a_slow_call_waits_and_passes() -> None:
    async with standing() as setup:
        setup.gate.faults.add(Fault("slow", service="dynamodb", seconds=7))
        await setup.call("dynamodb")
        assert setup.waits == [7]
        assert len(setup.behind.reached) == 1


async def test_a_service_or_one_operation_of_it_goes_to_a_neighbour() -> None:
    async with standing(("eks", "route53:GetHealthCheckStatus")) as setup:
        await setup.call("eks", send=lambda c: c.list_clusters())
        await setup.call("dynamodb")
        setup.neighbour.answer = web.Response(
            text="<GetHealthCheckStatusResponse><HealthCheckObservations/></GetHealthCheckStatusResponse>"
        )
        await setup.call("route53", send=lambda c: c.get_health_check_status(HealthCheckId="h"))
        assert [path for _, path, _ in setup.neighbour.reached] == ["/clusters", "/2013-04-01/healthcheck/h/status"]
        assert len(setup.behind.reached) == 1


async def test_a_call_to_nobody_gets_no_answer() -> None:
    async with standing() as setup:
        setup.gate.default = "http://127.0.0.1:1"
        with pytest.raises((ConnectionClosedError, HTTPClientError)):
            await setup.call("dynamodb")


async def test_control_sets_lists_and_mends_faults_and_tells_which_regions_are_dark() -> None:
    dark: list[frozenset[str]] = []

    async def darken(regions: frozenset[str], _: frozenset[str]) -> None:
        dark.append(regions)

    async with standing() as setup, TestServer(control(setup.gate, darken)) as server, aiohttp.ClientSession() as http:
        faults = f"http://127.0.0.1:{server.port}/faults"
        async with http.post(faults, json={"kind": "lose", "region": "us-east-1"}) as answer:
            assert answer.status == 201
            first = (await answer.json())["id"]
        async with http.post(faults, json={"kind": "throttle", "service": "s3", "times": 2}) as answer:
            assert answer.status == 201
        assert dark[-1] == {"us-east-1"}
        async with http.delete(f"{faults}/{first}") as answer:
            assert (await answer.json())["region"] == "us-east-1"
        assert dark[-1] == frozenset()
        async with http.get(faults) as answer:
            assert [fault["kind"] for fault in await answer.json()] == ["throttle"]
        async with http.delete(faults) as answer:
            assert len(await answer.json()) == 1
        async with http.delete(f"{faults}/{first}") as answer:
            assert answer.status == 404


async def test_a_lost_provider_takes_every_region_and_says_so_and_a_lost_service_does_not() -> None:
    dark: list[tuple[frozenset[str], frozenset[str]]] = []
    gone: list[bool] = []
    everywhere = frozenset({"us-east-1", "us-west-2"})

    async def darken(*told: frozenset[str]) -> None:
        dark.append((told[0], told[1]))

    async with standing() as setup:
        app = control(setup.gate, darken, everywhere=everywhere, gone=gone.append)
        async with TestServer(app) as server, aiohttp.ClientSession() as http:
            faults = f"http://127.0.0.1:{server.port}/faults"
            for wanted in ({"kind": "lose", "service": "rds"}, {"kind": "slow", "seconds": 1.0}, {"kind": "lose"}):
                async with http.post(faults, json=wanted) as answer:
                    assert answer.status == 201
            async with http.delete(faults) as answer:
                assert len(await answer.json()) == 3
    nothing: frozenset[str] = frozenset()
    assert gone == [False, False, True, False]
    assert dark == [(nothing, nothing), (nothing, nothing), (everywhere, everywhere), (nothing, nothing)]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"kind": "melt"}, "fault kind is 'melt', allowed are lose, slow, throttle, error"),
        ({"kind": "slow", "seconds": -1}, "fault seconds is -1"),
        ({"kind": "lose", "times": 0}, "fault times is 0"),
        ({"kind": "lose", "zone": "a"}, "expected an object of"),
        ([], "expected an object of"),
    ],
)
async def test_control_refuses_what_is_no_fault(wrong: Any, said: str) -> None:
    async with standing() as setup, TestServer(control(setup.gate)) as server, aiohttp.ClientSession() as http:
        async with http.post(f"http://127.0.0.1:{server.port}/faults", json=wrong) as answer:
            assert answer.status == 400
            assert said in (await answer.json())["error"]
        assert list(setup.gate.faults) == []


async def test_control_finds_calls_in_the_ledger() -> None:
    async with standing() as setup, TestServer(control(setup.gate)) as server, aiohttp.ClientSession() as http:
        await setup.call("dynamodb", "us-west-2")
        await setup.call("sqs", "us-east-2")
        ledger = f"http://127.0.0.1:{server.port}/ledger"
        async with http.get(ledger, params={"service": "sqs"}) as answer:
            assert [call["region"] for call in await answer.json()] == ["us-east-2"]
        async with http.get(ledger, params={"last": "1", "since": "2020-01-01T00:00:00+00:00"}) as answer:
            assert [call["service"] for call in await answer.json()] == ["sqs"]
        async with http.get(ledger, params={"colour": "red"}) as answer:
            assert "a call has no colour" in (await answer.json())["error"]
        async with http.get(ledger, params={"since": "2020-01-01"}) as answer:
            assert answer.status == 400
