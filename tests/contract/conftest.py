"""The servers, once for all tests of the contract."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from drctl.world.ministack import MiniStack, install
from tests.contract import stands
from tests.world.cloud import looping


@pytest.fixture(scope="session")
def ministack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    install(stands.ROOT)
    server = MiniStack(stands.ROOT, account=stands.ACCOUNT, local=tmp_path_factory.mktemp("ministack"))
    with looping() as loop:
        loop.run(server.start())
        yield server.url
        loop.run(server.stop())


@pytest.fixture(scope="session")
def dynalite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with stands.dynalite(tmp_path_factory.mktemp("dynalite")) as url:
        yield url
