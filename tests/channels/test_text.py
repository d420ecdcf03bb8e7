"""Cutting: never too long, never mute about it, never half an entity."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.channels.slack import escape
from chalicelib.channels.text import shorten, shorten_escaped

TEXT = st.text(alphabet=st.sampled_from("ab &<>\n\U0001f525é"), max_size=400)


def test_a_cut_ends_after_a_whole_word() -> None:
    assert shorten("the replica is being promoted", 20) == "the replica is…"
    assert shorten("the replica\nis   up", 20) == "the replica is up"


def test_an_identifier_that_is_longer_than_the_room_is_cut_itself() -> None:
    assert shorten("at arn:aws:sns:us-east-1:111122223333:alarms", 20) == "at arn:aws:sns:us-e…"


@given(TEXT, st.integers(min_value=10, max_value=200))
def test_what_is_cut_fits_and_says_so(text: str, most: int) -> None:
    short = shorten(text, most)
    assert len(short) <= most
    assert short == " ".join(text.split()) or short.endswith("…")


@given(TEXT, st.integers(min_value=10, max_value=200))
def test_what_is_escaped_and_cut_fits_and_holds_whole_entities(text: str, most: int) -> None:
    short = shorten_escaped(text, most, escape)
    assert len(short) <= most
    assert re.fullmatch(r"(?:[^&<>]|&amp;|&lt;|&gt;)*", short)
