"""Rewrites one YAML file by what it says and leaves everything else as it is written: order, comments, style.

Scalars are found by the marks of PyYAML's composer and replaced in the text; what lies between them keeps its place,
and only words in comments are replaced there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from chalicelib.policy.where import Path

Scalar = Callable[[Path, str], str]
"""`new = scalar(path, old)`: what a value becomes."""
COMMENT: Final = re.compile(r"(?:^|(?<=\s))#.*", re.MULTILINE)
PLAIN: Final = re.compile(r"[\w./:#@ -]+")


def rewrite(text: str, scalar: Scalar, words: Callable[[str], str], notes: Mapping[Path, str]) -> str:
    """`words` replaces in comments; `notes` (path → sentence) become comments of their own above their field."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    found, at = "", 0
    above: dict[int, str] = {}
    for path, node, line in _walk(root, (), 1):
        if path in notes:
            above[line] = notes[path]
        if not isinstance(node, ScalarNode):
            continue
        start, end = node.start_mark.index, node.end_mark.index
        found += _between(text[at:start], words)
        new = scalar(path, node.value)
        found += text[start:end] if new == node.value else written(new, node.style)
        at = end
    return _noted(found + _between(text[at:], words), above)


def written(value: str, style: str | None) -> str:
    """A string as YAML, in the style that it had where that can hold it."""
    if style is None and PLAIN.fullmatch(value) and _reads_as(value, value):
        return value
    if style == "'" and "\n" not in value:
        return "'" + value.replace("'", "''") + "'"
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _reads_as(text: str, value: str) -> bool:
    try:
        # In a list in brackets as well: that is where more characters mean something.
        return bool(yaml.safe_load(f"[{text}]") == [value] and yaml.safe_load(text) == value)
    except yaml.YAMLError:
        return False


def _between(text: str, words: Callable[[str], str]) -> str:
    return COMMENT.sub(lambda comment: words(comment[0]), text)


def _walk(node: Node | None, path: Path, line: int) -> Iterator[tuple[Path, Node, int]]:
    """Every value with its path and the line of its key, in the order of the text."""
    if node is None:
        return
    yield path, node, line
    if isinstance(node, MappingNode):
        for key, value in node.value:
            yield from _walk(value, (*path, str(key.value)), int(key.start_mark.line) + 1)
    elif isinstance(node, SequenceNode):
        for i, item in enumerate(node.value):
            yield from _walk(item, (*path, i), int(item.start_mark.line) + 1)


def _noted(text: str, above: Mapping[int, str]) -> str:
    lines = text.splitlines(keepends=True)
    for line in sorted(above, reverse=True):
        indent = re.match(r"[\s-]*", lines[line - 1])
        gap = " " * len(indent[0]) if indent else ""
        lines.insert(line - 1, f"{gap}# {above[line]}\n")
    return "".join(lines)
