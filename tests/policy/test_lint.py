"""The linter as a whole: the shipped policies, and that no rule is without a test."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from chalicelib.actions.registry import ACTIONS
from chalicelib.policy.lint import RULES, ActionFacts, lint
from chalicelib.policy.lint.finding import name_of
from chalicelib.policy.load import FILES, load
from chalicelib.readiness.registry import NAMES as JUDGES
from tests.policy.broken import SHIPPED, Broken

NAMES = [name_of(r) for r in RULES]


REGISTERED = {name: ActionFacts.of(action) for name, action in ACTIONS.items()}


def test_the_shipped_policies_have_no_errors_with_the_registered_actions() -> None:
    assert [str(f) for f in lint(SHIPPED, actions=REGISTERED, judges=JUDGES) if f.severity == "error"] == []


def test_the_shipped_policies_have_the_warnings_that_their_owner_knows() -> None:
    findings = lint(SHIPPED, actions=REGISTERED, judges=JUDGES)
    known = {"dependency-is-as-tight", "newest-backup-is-young-enough", "quorum-survives-the-failed-region"}
    assert {f.rule for f in findings if f.severity == "warning"} <= known


@pytest.mark.parametrize("rule", NAMES)
def test_each_rule_has_a_test_that_triggers_it(rule: str) -> None:
    tests = "".join(p.read_text() for p in Path(__file__).parent.glob("test_*.py"))
    assert re.search(rf'says\(\s*"{rule}"', tests), f"no test lets the linter say {rule}"


def test_each_rule_has_a_name_and_a_sentence_of_its_own() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert all(r.__doc__ for r in RULES)


def test_every_function_that_yields_flaws_is_a_rule() -> None:
    folder = SHIPPED.parent / "chalicelib/policy/lint"
    written = re.findall(
        r"^def ([a-z]\w+)\(whole: Whole\) -> Iterator\[Flaw\]",
        "\n".join(p.read_text() for p in folder.glob("*.py")),
        re.MULTILINE,
    )
    assert sorted(n.replace("_", "-") for n in written) == sorted(NAMES)


def test_a_finding_reads_as_one_line_with_file_line_and_field(broken: Broken) -> None:
    finding = broken.edit("services", "order: 6", "order: 5").findings("service-order-is-single")[0]
    assert str(finding) == (
        "services.yaml:69: error: services[5].order: 'redis' and 'mlflow' both have order 5"
        " (allowed: an order that no other service has; found: 5) [service-order-is-single]"
    )


def _lists(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every list of a file, and every optional field, by its path."""
    if isinstance(value, dict):
        return [p for k, v in value.items() for p in [(*path, k), *_lists(v, (*path, k))]]
    if isinstance(value, list):
        return [path, *(p for i, v in enumerate(value[:1]) for p in _lists(v, (*path, i)))]
    return []


@pytest.mark.parametrize("file", FILES)
def test_whatever_is_left_out_the_linter_answers_with_lines_and_reasons(broken: Broken, file: str) -> None:
    path = broken.folder / f"{file}.yaml"
    whole = yaml.safe_load(path.read_text())
    for where in {p for p in _lists(whole) if len(p) < 4}:
        copy: Any = yaml.safe_load(path.read_text()) if path.exists() else None
        inner = copy
        for part in where[:-1]:
            inner = inner[part]
        inner[where[-1]] = [] if isinstance(inner[where[-1]], list) else None
        other = broken.folder / f"{file}.yaml"
        original = other.read_text()
        other.write_text(yaml.safe_dump(copy))
        for finding in broken.findings():
            assert finding.line >= 1
            assert finding.because
            assert finding.allowed
        other.write_text(original)


def test_nothing_on_the_way_of_an_alarm_imports_the_linter() -> None:
    program = (
        "import sys, chalicelib.policy.load, chalicelib.core.fold, chalicelib.core.due;"
        "sys.exit(any(m.startswith(('chalicelib.policy.lint', 'croniter')) for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=SHIPPED.parent, check=False).returncode == 0


def test_a_copy_with_other_rows_finds_other_rows() -> None:
    policy = load(SHIPPED)
    name = policy.scenarios.scenarios[0].name
    assert policy.has_scenario(name)
    left = policy.scenarios.model_copy(update={"scenarios": policy.scenarios.scenarios[1:]})
    assert not policy.model_copy(update={"scenarios": left}).has_scenario(name)
    assert policy.has_scenario(name)
