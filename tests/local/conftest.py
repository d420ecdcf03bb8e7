"""A local world a module, each in a folder of its own: a demo that is up meanwhile is not disturbed."""

from __future__ import annotations

import os

import pytest

for variable in [name for name in os.environ if name.startswith(("AWS_", "DR_"))]:
    del os.environ[variable]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "/tests/local/" in str(item.path):
            item.add_marker(pytest.mark.local)
