"""Books, incidents and plans as JSON and back. Pydantic reads the core's own frozen types; nothing is written twice."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from chalicelib.core.book import FORMAT, Book, Entry, Finding
from chalicelib.core.incident import Incident
from chalicelib.core.plan import Plan
from chalicelib.core.times import Times
from chalicelib.policy import Policy
from chalicelib.policy.load import PolicyUnreadableError


class BookUnreadableError(Exception):
    """A stored book that this code cannot read; the text says what and where."""


@cache
def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def dump_book(book: Book) -> str:
    """The book as JSON text."""
    return _adapter(Book).dump_json(book).decode()


def read_book(body: str) -> tuple[Book, dict[str, str]]:
    """The book, and the incidents and findings that had to be set aside because they cannot be read (id → why).

    BookUnreadableError when the book itself cannot be read, or was written by a newer format.
    """
    raw = json.loads(body)
    if raw.get("format", 0) > FORMAT:
        raise BookUnreadableError(
            f"the book has format {raw['format']}, this code reads up to {FORMAT}: deploy the newer code"
        )
    aside: dict[str, str] = {}
    for held, kind in (("incidents", Incident), ("drills", Incident), ("findings", Finding)):
        for name, found in list(raw.get(held, {}).items()):
            try:
                _adapter(kind).validate_python(found)
            except ValidationError as error:
                what = kind.__name__.lower()
                aside[name] = f"{what} {name!r} cannot be read: {error.errors()[0]['msg']}: {json.dumps(found)}"
                del raw[held][name]
    try:
        book: Book = _adapter(Book).validate_python(raw)
    except ValidationError as error:
        raise BookUnreadableError(f"the book cannot be read: {error}") from error
    return book, aside


def dump_entry(entry: Entry) -> dict[str, Any]:
    """A timeline entry as plain data."""
    plain: dict[str, Any] = _adapter(Entry).dump_python(entry, mode="json")
    return plain


def dump_plan(plan: Plan) -> str:
    """A plan as JSON text."""
    return _adapter(Plan).dump_json(plan).decode()


def read_plan(body: str) -> Plan:
    """A plan from its JSON text."""
    plan: Plan = _adapter(Plan).validate_json(body)
    return plan


def dump_policy(policy: Policy) -> str:
    """A whole policy as JSON text, its durations as they are used (already divided by the speed)."""
    return policy.model_dump_json(by_alias=True)


def read_policy(body: str) -> Policy:
    """A policy from its JSON text; PolicyUnreadableError when this code's policies look otherwise."""
    try:
        return Policy.model_validate_json(body)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise PolicyUnreadableError(f"{where}: {first['msg']} ({error.error_count()} faults)") from error


def dump_incident(incident: Incident) -> str:
    """An incident's archive as JSON text."""
    return _adapter(Incident).dump_json(incident).decode()


def read_incident(body: str) -> Incident:
    """An incident from its archive."""
    incident: Incident = _adapter(Incident).validate_json(body)
    return incident


def dump_times(times: Times) -> str:
    """How long recoveries of one scenario took, as JSON text."""
    return _adapter(Times).dump_json(times).decode()


def read_times(body: str) -> Times:
    """The same from its JSON text; ValueError when this code cannot read it."""
    times: Times = _adapter(Times).validate_json(body)
    return times
