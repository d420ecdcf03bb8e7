"""The copy of the book that every look leaves on this machine, for the night in which AWS cannot be asked."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from chalicelib.store.contract import StoreUnavailableError
from drctl.cli.places import ROOT, Place, err
from drctl.offline.book import take

FOLDER: Final = ROOT / ".offline"


def folder_of() -> Path:
    """Where the engine of this machine keeps its files: DR_OFFLINE, or `.offline` here."""
    return Path(os.environ.get("DR_OFFLINE") or FOLDER)


def keep(where: Place) -> None:
    """Copies the book; that it could not be is told, and stops nobody from looking."""
    try:
        take(where.store, folder_of(), where.policy.platform.name, whence=f"stage {where.stage}", now=datetime.now(UTC))
    except (OSError, StoreUnavailableError) as error:
        err.print(f"[yellow]no copy of the book was kept on this machine:[/yellow] {error}")
