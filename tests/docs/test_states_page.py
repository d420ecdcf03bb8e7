"""The pages that are drawn from code say what the code says."""

from __future__ import annotations

from pathlib import Path

from chalicelib.core.states import drawing

PAGE = Path(__file__).parents[2] / "docs" / "states.md"


def test_the_states_page_is_drawn_from_the_table() -> None:
    assert f"```mermaid\n{drawing()}```\n" in PAGE.read_text()
