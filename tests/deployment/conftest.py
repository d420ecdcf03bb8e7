"""The package as Chalice makes it, once a session."""

from __future__ import annotations

from pathlib import Path

import pytest

from chalicelib.policy.load import load
from drctl.deployment.project import package_of
from drctl.world.package import Package

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def made() -> Package:
    folder = ROOT / "policies"
    return package_of(ROOT, folder, load(folder), "local")
