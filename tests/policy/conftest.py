from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from chalicelib.policy.lint import reading
from chalicelib.policy.where import read_marked
from tests.policy.broken import Broken


@pytest.fixture(scope="session", autouse=True)
def _read_once() -> Iterator[None]:
    """A file of the same content is parsed once: a test changes one of them, and the linter reads them all."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "read_marked", cache(read_marked))
        yield


@pytest.fixture
def broken(tmp_path: Path) -> Broken:
    return Broken.copied(tmp_path / "policies")
