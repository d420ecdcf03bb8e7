"""The package as Chalice makes it, once a session."""

from __future__ import annotations

from pathlib import Path

import pytest

from drctl.deployment import generate
from drctl.world.package import Package, package

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def made() -> Package:
    return package(ROOT, "local", merge=ROOT / ".chalice" / generate.MERGED)
