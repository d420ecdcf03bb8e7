"""Copies of what JSON is made of. `copy.deepcopy` is for anything there is, and remembers each part it has met."""

from __future__ import annotations

from typing import Any, TypeVar

T = TypeVar("T")


def copied(tree: T) -> T:
    """A tree of dicts and lists with none of them shared; whatever else is in it never changes, and stays the same."""
    return _copied(tree)  # type: ignore[no-any-return]


def _copied(tree: Any) -> Any:
    if type(tree) is dict:
        return {key: _copied(value) if type(value) in (dict, list) else value for key, value in tree.items()}
    if type(tree) is list:
        return [_copied(value) if type(value) in (dict, list) else value for value in tree]
    return tree
