from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from chalicelib.policy.load import FILES
from chalicelib.policy.schema import drift, schemas, write
from tests.policy.broken import SHIPPED


def test_the_shipped_schemas_are_what_the_models_give() -> None:
    assert drift(SHIPPED / "schemas") == []


@pytest.mark.parametrize("name", FILES)
def test_a_shipped_policy_fits_its_schema(name: str) -> None:
    schema = schemas()[f"{name}.schema.json"]
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(yaml.safe_load((SHIPPED / f"{name}.yaml").read_text()))
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["title"] == f"policies/{name}.yaml"
    assert schema["description"]


@pytest.mark.parametrize("duration", ["15 minutes", "soon 15m", "15m!", ""])
def test_a_schema_refuses_what_only_holds_a_duration(duration: str) -> None:
    schema = schemas()["services.schema.json"]
    policy = yaml.safe_load((SHIPPED / "services.yaml").read_text())
    policy["tiers"][0]["rto"] = duration
    assert not jsonschema.Draft202012Validator(schema).is_valid(policy)


def test_drift_names_what_is_missing_stale_or_left_over(tmp_path: Path) -> None:
    assert len(drift(tmp_path)) == len(FILES)
    write(tmp_path)
    assert drift(tmp_path) == []
    (tmp_path / "services.schema.json").write_text("{}\n")
    (tmp_path / "signals.schema.json").unlink()
    (tmp_path / "service.schema.json").write_text("{}\n")
    sentences = drift(tmp_path)
    assert [s.removeprefix(f"{tmp_path}/").split(";")[0] for s in sentences] == [
        "services.schema.json: differs from what the models give",
        "signals.schema.json: missing",
        "service.schema.json: no policy file has this schema",
    ]
    write(tmp_path)
    assert drift(tmp_path) == []
    assert not (tmp_path / "service.schema.json").exists()
    assert json.loads((tmp_path / "signals.schema.json").read_text())["title"] == "policies/signals.yaml"
