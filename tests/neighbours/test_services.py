from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer

from drctl.neighbours.services import Health, RegionServices, make_app


@dataclass
class World:
    dark: set[str] = field(default_factory=set)
    not_ready: set[tuple[str, str]] = field(default_factory=set)
    write: str = "ok"
    asked: list[tuple[str, str]] = field(default_factory=list)
    goes_dark_on_write: bool = False

    def database_write(self, region: str, service: str) -> str:
        self.asked.append((region, service))
        if self.goes_dark_on_write:
            self.dark.add(region)
        return self.write


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def west(world: World) -> RegionServices:
    return RegionServices(
        region="us-west-2",
        services={"api-gateway": False, "ml-service": True},
        gateway="api-gateway",
        region_up=lambda region: region not in world.dark,
        deployment_ready=lambda region, service: (region, service) not in world.not_ready,
        database_write=world.database_write,
    )


def answer(found: Health | None) -> tuple[int, dict[str, Any]]:
    assert found is not None
    return found.status, found.body


def test_refuses_with_the_database_error_when_the_service_cannot_write(west: RegionServices, world: World) -> None:
    world.write = "cannot execute INSERT in a read-only transaction"
    status, body = answer(west.health("ml-service"))
    assert (status, body["database"]) == (503, world.write)
    assert world.write in body["reason"]
    assert west.health() == Health(200, {"service": "api-gateway", "region": "us-west-2", "database": "not used"})


def test_refuses_without_trying_the_database_when_the_deployment_is_not_ready(
    west: RegionServices, world: World
) -> None:
    world.not_ready.add(("us-west-2", "ml-service"))
    status, body = answer(west.health("ml-service"))
    assert (status, body["database"]) == (503, "not tried")
    assert "no ready pods in us-west-2" in body["reason"]
    assert world.asked == []


def test_says_nothing_at_all_when_the_region_is_dark(west: RegionServices, world: World) -> None:
    world.dark.add("us-west-2")
    assert west.health() is None
    assert west.health("nobody") is None


def test_says_nothing_when_the_region_goes_dark_during_the_write(west: RegionServices, world: World) -> None:
    world.goes_dark_on_write = True
    assert west.health("ml-service") is None


def test_refuses_a_service_that_does_not_exist(west: RegionServices) -> None:
    assert answer(west.health("nobody"))[0] == 404


def test_is_healthy_when_region_deployment_and_write_are(west: RegionServices, world: World) -> None:
    assert answer(west.health("ml-service")) == (
        200,
        {"service": "ml-service", "region": "us-west-2", "database": "ok"},
    )
    assert world.asked == [("us-west-2", "ml-service")]


def test_over_http_a_dark_region_drops_the_connection_and_a_light_one_answers(
    west: RegionServices, world: World
) -> None:
    async def play() -> None:
        async with TestClient(TestServer(make_app(west))) as client:
            assert (await client.get("/health")).status == 200
            assert (await (await client.get("/ml-service/health")).json())["database"] == "ok"
            assert (await client.get("/nobody/health")).status == 404
            world.write = "connection refused"
            assert (await client.get("/ml-service/health")).status == 503
            world.dark.add("us-west-2")
            with pytest.raises(aiohttp.ClientConnectionError):
                await client.get("/health")

    asyncio.run(play())
