"""Where a field of a policy file stands: from a path like `('services', 3, 'depends_on', 0)` to its line.

Source: PyYAML's composer gives every node the mark where it starts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import yaml
from yaml.constructor import ConstructorError, SafeConstructor
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

Path = tuple[str | int, ...]
"""Keys of mappings and positions in lists (from 0), from the top of one file down."""

_MERGE = "tag:yaml.org,2002:merge"


@dataclass(frozen=True, slots=True)
class Repeated:
    """A key that a mapping holds twice: YAML keeps the last in silence."""

    path: Path
    line: int
    first_line: int


class Places:
    """The lines of one file's fields. Lines count from 1."""

    def __init__(self, root: Node | None) -> None:
        """`root` is None for an empty file."""
        self._root = root
        self.repeated = tuple(_repeated(root, (), set())) if root else ()

    def line(self, path: Path) -> int:
        """The line of the field, or of the nearest thing around it that the file holds; 1 for an empty file.

        A field of a mapping stands where its key stands, an element of a list where it begins.
        """
        node = self._root
        line = 1 if node is None else _line(node)
        for part in path:
            found = _child(node, part)
            if found is None:
                break
            line, node = found
        return line


_Loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's where PyYAML has it: it marks as Python's does, in a third of the time, and says less of what is wrong."""


def read_marked(content: bytes) -> tuple[object, Places]:
    """The plain value of one YAML document, and where its parts stand; yaml.YAMLError where it cannot be read."""
    try:
        return _read(_Loader(content))
    except yaml.YAMLError:
        return _read(yaml.SafeLoader(content))


def _read(loader: yaml.SafeLoader) -> tuple[object, Places]:
    try:
        root = loader.get_single_node()
        places = Places(root)
        # Building the value resolves merge keys in these same nodes, so the marks of merged fields stay true.
        return (_build(loader, root) if root else None), places
    finally:
        loader.dispose()


def _build(loader: yaml.SafeLoader, root: Node) -> object:
    try:
        return loader.construct_document(root)
    except ValueError as error:
        # An impossible date (2026-13-01) is a bare ValueError in PyYAML: find the scalar, so that the line is known.
        for scalar in _scalars(root, set()):
            try:
                SafeConstructor().construct_object(scalar)
            except ValueError as reason:
                raise ConstructorError(
                    None, None, f"{scalar.value!r} cannot be read: {reason}", scalar.start_mark
                ) from error
        raise ConstructorError(None, None, str(error), root.start_mark) from error


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1


def _child(node: Node | None, part: str | int) -> tuple[int, Node] | None:
    if isinstance(node, SequenceNode) and isinstance(part, int) and 0 <= part < len(node.value):
        item = node.value[part]
        return _line(item), item
    if isinstance(node, MappingNode):
        # The last of a repeated key is the one that YAML keeps.
        for key, value in reversed(node.value):
            if isinstance(key, ScalarNode) and key.value == str(part):
                return _line(key), value
    return None


def _repeated(node: Node, path: Path, seen: set[int]) -> Iterator[Repeated]:
    if id(node) in seen:  # an alias of something already looked at, or of what holds it
        return
    seen.add(id(node))
    if isinstance(node, SequenceNode):
        for i, item in enumerate(node.value):
            yield from _repeated(item, (*path, i), seen)
    elif isinstance(node, MappingNode):
        first: dict[str, int] = {}
        for key, value in node.value:
            if not isinstance(key, ScalarNode):
                continue
            here = (*path, key.value)
            if key.value in first and key.tag != _MERGE:
                yield Repeated(here, _line(key), first[key.value])
            first.setdefault(key.value, _line(key))
            yield from _repeated(value, here, seen)


def _scalars(node: Node, seen: set[int]) -> Iterator[ScalarNode]:
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, ScalarNode):
        yield node
    elif isinstance(node, SequenceNode):
        for item in node.value:
            yield from _scalars(item, seen)
    elif isinstance(node, MappingNode):
        for key, value in node.value:
            yield from _scalars(key, seen)
            yield from _scalars(value, seen)
