"""Working files lie in memory only where there is room, and where programs may be run."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from drctl import scratch


def filesystem(*, flag: int = 0, free: int = scratch.ROOM) -> SimpleNamespace:
    return SimpleNamespace(f_flag=flag, f_bavail=free // 4096, f_frsize=4096)


@pytest.mark.parametrize(
    ("about", "taken"),
    [
        (filesystem(), True),
        (filesystem(flag=os.ST_NOEXEC), False),
        (filesystem(free=scratch.ROOM - 4096), False),
    ],
    ids=["room", "no programs", "too little room"],
)
def test_a_folder_in_memory_is_taken_with_room_and_where_programs_run(
    about: SimpleNamespace, *, taken: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "statvfs", lambda _: about)
    assert scratch.scratch(tmp_path) == (tmp_path if taken else None)


def test_without_one_there_is_none(tmp_path: Path) -> None:
    assert scratch.scratch(tmp_path / "shm") is None
