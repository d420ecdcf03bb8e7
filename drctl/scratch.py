"""Where working files lie that nobody needs afterwards: in memory, where the machine has room for them there.

The local world unpacks a package and fills databases at every start, and removes it all at its end. On a disk that
discards what is removed, the removal alone takes longer than the start.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

MEMORY: Final = Path("/dev/shm")  # noqa: S108  # names under it are made by whoever uses it, for their owner only
ROOM: Final = 2 * 1024**3
"""Bytes: what a world writes is a fifth of it."""


def scratch(memory: Path = MEMORY) -> Path | None:
    """A folder in memory in which programs may also be run; None where there is none, or too little room."""
    try:
        about = os.statvfs(memory)
    except OSError:
        return None
    runs = not about.f_flag & os.ST_NOEXEC
    return memory if runs and about.f_bavail * about.f_frsize >= ROOM and os.access(memory, os.W_OK) else None
