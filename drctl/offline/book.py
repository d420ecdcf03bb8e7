"""The last copy of the book that an operator has, and the book that the operator's engine begins with.

A copy says what was so when it was taken. What was open then is not carried on: its steps lean on AWS, and AWS's side
goes on with it when it returns; it is named, so that people know. What a person had decided (a pause) and what was
known (where the traffic goes) is kept. The mode is `approve`: outside AWS every step asks, whatever it was before.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from chalicelib.core.book import Book
from chalicelib.core.incidents import PLATFORM, note
from chalicelib.policy import Policy
from chalicelib.policy.platform import Mode
from chalicelib.store.codec import BookUnreadableError, dump_book, dump_entry, read_book
from chalicelib.store.contract import Store
from drctl.offline.store import SqliteStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """A copy as it lies on the operator's machine: the stored text, its revision, when and whence it was taken.
    `wrote_at` is the last write of the primary that its heart had told of by then, None when that is not known.
    """

    body: str
    rev: int
    taken_at: datetime
    whence: str
    wrote_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class NoCopy:
    """Why there is no copy that can be used; `lies_there` when there is one that cannot."""

    because: str
    lies_there: bool = False


def path_of(folder: Path, platform: str) -> Path:
    """Where a platform's copy lies."""
    return folder / f"book-{platform}.json"


def take(
    store: Store, folder: Path, platform: str, *, whence: str, now: datetime, wrote_at: datetime | None = None
) -> Copy | None:
    """Copies the book as it is stored now; None when none was ever saved. The former copy stays until this one is
    whole on the disk.
    """
    stored = store.read_book()
    if stored.body is None:
        return None
    taken = Copy(body=stored.body, rev=stored.rev, taken_at=now, whence=whence, wrote_at=wrote_at)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = path_of(folder, platform)
    text = {
        "platform": platform,
        "rev": taken.rev,
        "taken_at": now.isoformat(),
        "whence": whence,
        "wrote_at": wrote_at and wrote_at.isoformat(),
        "body": taken.body,
    }
    fresh = path.with_suffix(".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(text, file)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    return taken


def newest(folder: Path, platform: str) -> Copy | NoCopy:
    """The copy, or why there is none that can be used."""
    path = path_of(folder, platform)
    try:
        held: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        of = str(held.get("platform", platform))
        if of != platform:
            return NoCopy(f"the copy at {path} is of platform {of!r}, this is {platform!r}", lies_there=True)
        wrote_at = held.get("wrote_at")
        copy = Copy(
            body=str(held["body"]),
            rev=int(held["rev"]),
            taken_at=datetime.fromisoformat(str(held["taken_at"])).astimezone(UTC),
            whence=str(held["whence"]),
            wrote_at=datetime.fromisoformat(str(wrote_at)).astimezone(UTC) if wrote_at else None,
        )
        read_book(copy.body)
    except FileNotFoundError:
        return NoCopy(f"there is no copy of the book at {path}")
    except BookUnreadableError as error:
        because = f"the copy at {path} cannot be used: {error}; bring drctl on this machine up to date"
        return NoCopy(because, lies_there=True)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return NoCopy(f"the copy at {path} cannot be read: {type(error).__name__}: {error}", lies_there=True)
    return copy


def begun(copy: Copy | NoCopy, policy: Policy, now: datetime) -> Book:
    """The book that the operator's engine begins with, and on its timeline what is known and what is not."""
    serving = policy.platform.regions.primary
    if isinstance(copy, NoCopy):
        book = Book(mode=Mode.APPROVE, serving=serving)
        unknown = "what is open, paused or owed in AWS is not known, nor where people go"
        text = f"{copy.because}: the book begins empty; {unknown}"
        return note(book, PLATFORM, "begun-empty", text, now)
    held, unread = read_book(copy.body)
    book = Book(
        mode=Mode.APPROVE,
        serving=held.serving,
        paused=held.paused,
        blocks=held.blocks,
        replies=held.replies,
        history=held.history,
        entries=held.entries,
    )
    for sentence in said_of(copy, policy, now):
        book = note(book, PLATFORM, "begun-from-a-copy", sentence, now)
    left = [*held.incidents, *unread, *(d.what for d in held.debts)]
    if left:
        text = f"left to AWS's side, which goes on with it when it returns: {', '.join(left)}"
        book = note(book, PLATFORM, "left-to-aws", text, now)
    return replace(book, switch=None)


def said_of(copy: Copy, policy: Policy, now: datetime) -> tuple[str, ...]:
    """How old the copy is, and what may have changed since."""
    held, _ = read_book(copy.body)
    open_ones = ", ".join(held.incidents) or "nothing"
    pause = f"paused by {held.paused.by} ({held.paused.because})" if held.paused else "not paused"
    taken = f"taken at {copy.taken_at:%Y-%m-%d %H:%M:%S} UTC, {policy.real(now - copy.taken_at)} ago"
    then = f"the traffic went to {held.serving}, the mode was {held.mode}, it was {pause}, and {open_ones} was open"
    unknown = "all of that may have changed since, and whether the old primary still takes writes is not known"
    return (f"the book is a copy of revision {copy.rev} of {copy.whence}, {taken}", f"then {then}; {unknown}")


def found(store: Store, copy: Copy | NoCopy, policy: Policy, now: datetime) -> bool:
    """Puts that book into an empty store; whether it was empty. Two that begin at once put it there once."""
    if store.read_book().body is not None:
        return False
    book = begun(copy, policy, now)
    store.save(0, 0, dump_book(book))
    for entry in book.outbox:
        store.put_timeline(entry.incident, entry.n, dump_entry(entry))
    return True


def set_aside(path: Path, platform: str, now: datetime) -> Path | None:
    """Puts the file of an earlier night (or of a rehearsal) beside, so that this one begins with the newest copy; where
    it lies then. None when there is nothing to put away: it is not there, something is open in it, or somebody has it.
    """
    if not path.exists():
        return None
    store = SqliteStore(path, platform=platform)
    try:
        body, lock = store.read_book().body, store.read_lock()
        held, unread = read_book(body) if body else (None, ())
        if held is None or held.incidents or unread or not store.inbox_empty() or (lock and lock.until >= now):
            return None
    finally:
        store.close()
    # Whoever closes it last takes its log away: while that lies there, somebody else has the file open.
    if path.with_name(f"{path.name}-wal").exists():
        return None
    aside = path.with_name(f"{path.stem}-{now:%Y%m%dT%H%M%SZ}{path.suffix}")
    path.rename(aside)
    return aside
