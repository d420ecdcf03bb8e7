"""A module of MiniStack, to be mended by name."""

from __future__ import annotations

import importlib
from typing import Any


class Service:
    """A module of MiniStack, any of whose functions may be replaced."""

    def __init__(self, name: str) -> None:
        self.module: Any = importlib.import_module(f"ministack.{name}")

    def replace(self, name: str, by: Any) -> Any:
        """Puts `by` in place and returns what was there. A name that is gone means another MiniStack than the
        pinned one.
        """
        was = getattr(self.module, name, None)
        if was is None:
            raise SystemExit(f"MiniStack has no {self.module.__name__}.{name}: it is not the version that is pinned")
        setattr(self.module, name, by)
        return was
