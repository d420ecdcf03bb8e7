"""Reads the folder policies/ into a `Policy`, or says everything that is wrong with it at once."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from chalicelib.policy.models import Policy

FILES = (
    "platform",
    "scenarios",
    "services",
    "signals",
    "runbooks",
    "notifications",
    "backups",
    "rewrites",
    "people",
    "drills",
    "readiness",
)
"""The files of a policy folder, each `<name>.yaml`, each one field of `Policy`."""


class PolicyUnreadableError(Exception):
    """A policy folder that cannot be read; the text names each file, field and what was found."""


def read_raw(folder: Path) -> dict[str, Any]:
    """Each file's YAML as plain data; PolicyUnreadableError names the file and line that cannot be parsed."""
    raw: dict[str, Any] = {}
    for name in FILES:
        path = folder / f"{name}.yaml"
        try:
            raw[name] = yaml.load(path.read_bytes(), Loader=_Loader)  # noqa: S506 (a SafeLoader)
        except FileNotFoundError as error:
            raise PolicyUnreadableError(f"{path}: no such file; a policy folder holds {', '.join(FILES)}") from error
        except (yaml.YAMLError, ValueError) as error:  # an impossible date is a ValueError
            raise PolicyUnreadableError(f"{path}: not YAML: {error}") from error
    return raw


def digest(folder: Path) -> str:
    """16 hex digits that change with any byte of any policy file."""
    sha = hashlib.sha256()
    for name in FILES:
        sha.update(name.encode() + b"\0" + (folder / f"{name}.yaml").read_bytes() + b"\0")
    return sha.hexdigest()[:16]


def load(folder: Path, *, speed: float = 1.0) -> Policy:
    """The whole policy, its durations divided by `speed`. PolicyUnreadableError lists every bad field."""
    raw = read_raw(folder)
    try:
        return Policy.model_validate({**raw, "digest": digest(folder), "speed": speed}, context={"speed": speed})
    except ValidationError as error:
        lines = [
            f"{folder / str(e['loc'][0])}.yaml: {'.'.join(map(str, e['loc'][1:]))}: {e['msg']}" for e in error.errors()
        ]
        raise PolicyUnreadableError("\n".join(lines)) from error


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc] # the base is chosen at run time
    """The C loader where it is built in: it parses ten times faster, which a cold start feels."""
