"""JSON Schemas of the policy files, made from the models, so that an editor checks a policy while it is written.

Dialect: JSON Schema 2020-12 (https://json-schema.org/draft/2020-12). The files lie in policies/schemas/ and
`drift` says when they are not what the models give today.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic.json_schema import GenerateJsonSchema

from chalicelib.policy.load import FILES
from chalicelib.policy.models import Policy

_SUFFIX: Final = ".schema.json"


def schemas() -> Mapping[str, dict[str, Any]]:
    """`<file>.schema.json` to its schema, one for each file of a policy folder."""
    return {f"{name}{_SUFFIX}": _schema(name) for name in FILES}


def write(folder: Path) -> None:
    """Writes every schema into `folder` (policies/schemas) and removes those that no policy file has any more."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = schemas()
    for name, schema in wanted.items():
        (folder / name).write_text(_text(schema), encoding="utf-8")
    for stray in folder.glob(f"*{_SUFFIX}"):
        if stray.name not in wanted:
            stray.unlink()


def drift(folder: Path) -> list[str]:
    """A sentence for every schema in `folder` that is missing, stale or left over; empty when all is well."""
    wanted = schemas()
    sentences = []
    for name, schema in wanted.items():
        path = folder / name
        if not path.is_file():
            sentences.append(f"{path}: missing; the models have a schema for it, write the schemas again")
        elif path.read_text(encoding="utf-8") != _text(schema):
            sentences.append(f"{path}: differs from what the models give; write the schemas again")
    strays = sorted(p for p in folder.glob(f"*{_SUFFIX}") if p.name not in wanted)
    return sentences + [f"{p}: no policy file has this schema; write the schemas again" for p in strays]


def _schema(name: str) -> dict[str, Any]:
    model = Policy.model_fields[name].annotation
    made = model.model_json_schema(by_alias=True, mode="validation")  # type: ignore[union-attr] # every file is a model
    return {
        "$schema": GenerateJsonSchema.schema_dialect,
        **_anchored(made),
        "title": f"policies/{name}.yaml",
        "description": made.get("description", "").strip() or f"The policy file {name}.yaml.",
    }


def _anchored(schema: Any) -> Any:
    """JSON Schema searches for a pattern anywhere, and our readers match all of the text: anchor what is not."""
    if isinstance(schema, dict):
        made = {k: _anchored(v) for k, v in schema.items()}
        pattern = made.get("pattern")
        if isinstance(pattern, str) and not pattern.startswith("^"):
            made["pattern"] = f"^(?:{pattern})$"
        return made
    if isinstance(schema, list):
        return [_anchored(item) for item in schema]
    return schema


def _text(schema: dict[str, Any]) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
