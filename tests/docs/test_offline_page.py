"""Every command and file on the page for the night without AWS is one that exists."""

from __future__ import annotations

import re
from typing import Any

import pytest
import typer

from chalicelib.policy.load import load
from drctl.cli.main import app
from tests.docs.commands import ROOT, Command, commands

PAGE = (ROOT / "docs" / "offline.md").read_text()
RECORD = (ROOT / "docs" / "decisions" / "0018-the-same-desk-without-aws.md").read_text()
ROWS = [c for text in (PAGE, RECORD) for c in commands(text) if c.words[0] == "drctl"]


@pytest.mark.parametrize("command", ROWS, ids=lambda c: c.text)
def test_a_command_of_the_page_exists_with_its_options(command: Command) -> None:
    group: Any = typer.main.get_command(app)
    found = group.commands[command.words[1]]
    known = {name for parameter in found.params for name in parameter.opts}
    assert set(command.options) <= known


def test_the_steps_and_fields_that_the_page_names_are_policy_s() -> None:
    policy = load(ROOT / "policies")
    steps = {s.id for r in policy.runbooks.runbooks if r.scenario == "provider-outage" for s in r.steps}
    assert {"leave", "traffic", "restore-database"} <= steps
    for name in ("leave", "traffic", "restore-database"):
        assert f"`{name}`" in PAGE
    assert policy.platform.outage is not None
    assert policy.platform.outage.cloudflare.marker


def test_the_variables_that_the_page_names_are_read() -> None:
    code = "".join((ROOT / "drctl" / "cli" / name).read_text() for name in ("offline.py", "copies.py"))
    assert set(re.findall(r"`(DR_[A-Z]+)`", PAGE)) == {"DR_KUBECONFIG", "DR_SECRETS", "DR_OFFLINE"}
    for name in re.findall(r"`(DR_[A-Z]+)`", PAGE):
        assert f'"{name}"' in code


def test_what_the_record_is_held_by_is_there() -> None:
    for path in re.findall(r"`(tests/[a-z_/.]+)`", RECORD):
        assert (ROOT / path).exists(), path
