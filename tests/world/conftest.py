"""A world, or a bare MiniStack, that runs beside the tests in a thread with a loop of its own, so that tests use
ordinary blocking AWS clients. Each has a folder of its own for its state: a demo that is up meanwhile is not disturbed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from drctl.world.ministack import MiniStack, install
from drctl.world.supervisor import World
from tests.world.cloud import ACCOUNT, Cloud, looping

ROOT = Path(__file__).parents[2]
SPEED = 60.0


@pytest.fixture(scope="session")
def installed() -> Path:
    install(ROOT)
    return ROOT


@pytest.fixture(scope="module")
def world(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(installed, SPEED, ACCOUNT, local=tmp_path_factory.mktemp("world"))
    with looping() as loop:
        loop.run(made.__aenter__())
        yield made
        loop.run(made.__aexit__(None, None, None))


@pytest.fixture(scope="module")
def cloud(world: World) -> Cloud:
    cloud = Cloud(world.gate_url)
    cloud.notebook()
    return cloud


@pytest.fixture(scope="module")
def unmended(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """MiniStack as it is, without a gate in front."""
    bare = MiniStack(installed, account=ACCOUNT, mended=False, local=tmp_path_factory.mktemp("bare"))
    with looping() as loop:
        loop.run(bare.start())
        cloud = Cloud(bare.url)
        cloud.notebook()
        yield cloud
        loop.run(bare.stop())
