"""The first look: can every file be read, is every key there once, does every field have its shape."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from chalicelib.policy.lint.finding import Finding, meant, show_field
from chalicelib.policy.lint.shapes import told
from chalicelib.policy.load import FILES
from chalicelib.policy.models import Policy
from chalicelib.policy.where import Places, read_marked


@dataclass(frozen=True, slots=True)
class Texts:
    """What the files hold as plain values, where it stands, and what was wrong on the way."""

    raw: Mapping[str, object]
    places: Mapping[str, Places]
    findings: tuple[Finding, ...] = field(default=())


def read(folder: Path) -> Texts:
    """Every file of the folder that can be read, and a finding for each that cannot."""
    raw: dict[str, object] = {}
    places: dict[str, Places] = {}
    findings: list[Finding] = []
    for name in FILES:
        path = folder / f"{name}.yaml"
        try:
            raw[name], places[name] = read_marked(path.read_bytes())
        except FileNotFoundError:
            findings.append(_missing(path.name))
        except yaml.YAMLError as reason:
            findings.append(_unreadable(path.name, reason))
        else:
            findings += _repeated(path.name, places[name])
    findings += _strays(folder)
    return Texts(raw, places, tuple(findings))


def shape(texts: Texts) -> tuple[Policy | None, tuple[Finding, ...]]:
    """The files as typed policy, or None and one finding for every field that has not its shape."""
    try:
        # The models are read at real speed: what the linter adds up are real minutes.
        return Policy.model_validate(texts.raw), ()
    except ValidationError as wrong:
        return None, tuple(told(wrong, {**texts.places}))


def _missing(file: str) -> Finding:
    return Finding(
        rule="file-is-there",
        severity="error",
        file=file,
        line=1,
        field="",
        allowed=f"a folder that holds {', '.join(f'{n}.yaml' for n in FILES)}",
        found="no such file",
        because=f"{file} is missing; the policy cannot be read without it",
    )


def _unreadable(file: str, reason: yaml.YAMLError) -> Finding:
    mark = getattr(reason, "problem_mark", None) or getattr(reason, "context_mark", None)
    problem = getattr(reason, "problem", None) or getattr(reason, "reason", None) or str(reason)
    context = getattr(reason, "context", None)
    return Finding(
        rule="yaml-is-readable",
        severity="error",
        file=file,
        line=int(mark.line) + 1 if mark else 1,
        field="",
        allowed="one YAML document",
        found=str(problem).strip(),
        because=f"{file} cannot be read as YAML"
        + (f" ({context})" if context else "")
        + "; nothing in it was looked at",
    )


def _repeated(file: str, places: Places) -> Iterator[Finding]:
    for twice in places.repeated:
        key = twice.path[-1]
        yield Finding(
            rule="key-is-single",
            severity="error",
            file=file,
            line=twice.line,
            field=show_field(twice.path),
            allowed="each key once in a mapping",
            found=f"{key!r} again, after line {twice.first_line}",
            because=f"{key!r} stands twice; YAML keeps the last in silence and forgets line {twice.first_line}",
        )


def _strays(folder: Path) -> Iterator[Finding]:
    known = [f"{name}.yaml" for name in FILES]
    found: list[Any] = sorted(p.name for p in folder.glob("*") if p.suffix in {".yaml", ".yml"})
    for name in found:
        if name not in known:
            yield Finding(
                rule="file-is-read",
                severity="warning",
                file=name,
                line=1,
                field="",
                allowed=", ".join(known),
                found=name,
                because=f"nobody reads {name}, so nothing in it holds{meant(name, known)}",
            )
