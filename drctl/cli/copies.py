"""The copy of the book that every look leaves on this machine, for the night in which AWS cannot be asked."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from chalicelib.store.beats import Beats
from chalicelib.store.contract import StoreUnavailableError
from drctl.cli.places import ROOT, Place, err
from drctl.offline.book import Copy, take

FOLDER: Final = ROOT / ".offline"


def folder_of() -> Path:
    """Where the engine of this machine keeps its files: DR_OFFLINE, or `.offline` here."""
    return Path(os.environ.get("DR_OFFLINE") or FOLDER)


def copied(where: Place) -> Copy | None:
    """Copies the book, and the last write of the primary that its heart has told of. StoreUnavailableError when the
    table does not answer, OSError when the file cannot be written.
    """
    name, table = where.policy.platform.name, where.policy.platform.responder.table
    heart = Beats(where.client("dynamodb"), table=table, platform=name).read("primary")
    whence, wrote_at = f"stage {where.stage}", heart.moment("written_at")
    return take(where.store, folder_of(), name, whence=whence, now=datetime.now(UTC), wrote_at=wrote_at)


def keep(where: Place) -> None:
    """Copies the book; that it could not be is told, and stops nobody from looking."""
    try:
        copied(where)
    except (OSError, StoreUnavailableError) as error:
        err.print(f"[yellow]no copy of the book was kept on this machine:[/yellow] {error}")
