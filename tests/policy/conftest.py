from __future__ import annotations

from pathlib import Path

import pytest

from tests.policy.broken import Broken


@pytest.fixture
def broken(tmp_path: Path) -> Broken:
    return Broken.copied(tmp_path / "policies")
