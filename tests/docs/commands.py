"""The commands of a documentation page, taken apart: what is typed, with which options and values."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_STARTS = ("aws", "drctl", "make", "kubectl")
_INLINE = re.compile(r"`((?:aws|drctl|make|kubectl) [^`]+)`")


@dataclass(frozen=True, slots=True)
class Command:
    """`words` before the first option, `options` with their values, as typed."""

    words: tuple[str, ...]
    options: dict[str, list[str]]
    text: str

    def value(self, option: str) -> str:
        return " ".join(self.options[option])


def commands(page: str) -> Iterator[Command]:
    """Every command of the page's indented blocks and of its code in the text, nested ones too."""
    for line in [*_blocks(page), *_INLINE.findall(page)]:
        yield from _of(line)


def _blocks(page: str) -> Iterator[str]:
    """Lines of code, continued ones joined."""
    code = "\n".join(line.strip() for line in page.splitlines() if line.startswith(("    ", "      ")))
    yield from re.sub(r"\\\n", " ", code).splitlines()


def _of(line: str) -> Iterator[Command]:
    for inner in re.findall(r"\$\((?!basename)([^()]*(?:\([^()]*\))?[^()]*)\)", line):
        yield from _of(inner)
    plain = re.sub(r"\$\([^()]*\)", "NESTED", line)
    for part in re.split(r";\s*(?:do\s+)?|\s&&\s|\s>\s.*$", plain):
        words = shlex.split(part, posix=True) if part and part.split()[0] in _STARTS else []
        if words:
            yield _command(words, part)


def _command(words: list[str], text: str) -> Command:
    named: list[str] = []
    options: dict[str, list[str]] = {}
    last: list[str] | None = None
    for word in words:
        if word.startswith("--"):
            option, equals, value = word.partition("=")
            last = options.setdefault(option, [])
            last += [value] if equals else []
        elif last is None:
            named.append(word)
        else:
            last.append(word)
    return Command(tuple(named), options, text.strip())
