"""What Chalice makes of the app: the package once a session, and the template alone for what is tried of that."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import pytest

from chalicelib.policy.load import load
from drctl.deployment.project import package_of, project
from drctl.world.package import Package, package

ROOT = Path(__file__).parents[2]


class Templates(Protocol):
    """The template that Chalice makes of the app, merged with another one."""

    def __call__(self, merge: Mapping[str, Any] | None = None) -> dict[str, Any]: ...


@pytest.fixture(scope="session")
def made() -> Package:
    folder = ROOT / "policies"
    return package_of(ROOT, folder, load(folder), "local")


@pytest.fixture
def template(tmp_path: Path) -> Templates:
    """By Chalice itself, of the app without the libraries that it needs where it runs: no template tells of those, and
    fetching and compiling them takes longer than all the rest.
    """
    folder = ROOT / "policies"

    def of(merge: Mapping[str, Any] | None = None) -> dict[str, Any]:
        merged = tmp_path / "merge.json"
        merged.write_text(json.dumps(merge))
        with project(ROOT, folder, load(folder)) as slim:
            (slim / "requirements.txt").write_text("")
            wanted = merged if merge is not None else None
            return package(slim, "local", tmp_path / "made", merge=wanted, region="us-west-2").template

    return of
