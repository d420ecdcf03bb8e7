from __future__ import annotations

import pytest
import yaml

from chalicelib.policy.where import read_marked

TEXT = b"""\
# a comment
defaults: &defaults
  size: 3
rows:
  - name: one
    tags: [a, b]
  - { name: two }
  - name: three
    <<: *defaults
    text: >
      folded
      lines
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ((), 2),
        (("defaults", "size"), 3),
        (("rows",), 4),
        (("rows", 0), 5),
        (("rows", 0, "tags", 1), 6),
        (("rows", 1, "name"), 7),
        (("rows", 2, "text"), 10),
        (("rows", 2, "size"), 3),
    ],
)
def test_a_field_stands_where_its_key_stands(path: tuple[str | int, ...], line: int) -> None:
    assert read_marked(TEXT)[1].line(path) == line


@pytest.mark.parametrize(
    ("path", "line"), [(("rows", 1, "size"), 7), (("rows", 9), 4), (("nothing",), 2), (("rows", 0, "name", "x"), 5)]
)
def test_a_field_that_is_not_there_stands_where_it_would_belong(path: tuple[str | int, ...], line: int) -> None:
    assert read_marked(TEXT)[1].line(path) == line


def test_the_value_is_what_a_safe_loader_gives() -> None:
    assert read_marked(TEXT)[0] == yaml.safe_load(TEXT)


def test_an_empty_file_has_one_line() -> None:
    value, places = read_marked(b"")
    assert value is None
    assert places.line(("rows", 3)) == 1


def test_a_key_that_stands_twice_is_kept_with_both_lines() -> None:
    _, places = read_marked(b"a: 1\nb:\n  - c: 1\n    d: 2\n    c: 3\n")
    (twice,) = places.repeated
    assert (twice.path, twice.line, twice.first_line) == (("b", 0, "c"), 5, 3)
    assert places.line(("b", 0, "c")) == 5


def test_a_list_that_holds_itself_does_not_hang() -> None:
    assert read_marked(b"a: &a\n  - *a\n")[1].line(("a", 0)) == 1
