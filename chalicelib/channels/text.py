"""Cutting text to what a place takes, at a word where that is possible, and saying that something is missing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

ELLIPSIS: Final = "…"


def shorten(text: str, most: int) -> str:
    """`text` in one line of at most `most` characters; what was cut ends in `…`, after a whole word if one is near."""
    text = " ".join(text.split())
    if len(text) <= most:
        return text
    cut = text[: most - 1]
    space = cut.rfind(" ")
    # A word longer than a third of the room is cut: better half an identifier than most of the sentence lost.
    return (cut[:space] if space >= most * 2 // 3 else cut).rstrip(" ,;:") + ELLIPSIS


def shorten_escaped(text: str, most: int, escape: Callable[[str], str]) -> str:
    """`escape(text)`, with the text shortened beforehand until what is escaped fits into `most` characters.

    Cutting afterwards would leave half an entity behind.
    """
    room = most
    while len(escaped := escape(shorten(text, room))) > most:
        room = min(room - 1, room * most // len(escaped))
    return escaped
