"""A world of other policies is packaged with them, and with what is generated from them."""

from __future__ import annotations

import json
from pathlib import Path

from drctl.world.staging import staged
from tests.policy.broken import SHIPPED
from tests.policy.switches import platform_with

ROOT = SHIPPED.parent


def test_the_project_s_own_policies_are_packaged_where_they_stand(tmp_path: Path) -> None:
    assert staged(ROOT, ROOT / "policies", tmp_path / "staged") == ROOT
    assert not (tmp_path / "staged").exists()


def test_other_policies_are_packaged_with_what_is_generated_from_them(tmp_path: Path) -> None:
    platform_with("arc", tmp_path / "policies")
    made = staged(ROOT, tmp_path / "policies", tmp_path / "staged")
    assert "kind: arc" in (made / "vendor" / "policies" / "platform.yaml").read_text()
    template = json.loads((made / ".chalice" / "resources.json").read_text())
    assert "StandbyControlCheck" in template["Resources"]
    assert "route53-recovery-cluster:UpdateRoutingControlStates" in (made / ".chalice" / "policy-tick.json").read_text()
    assert (made / "app.py").read_text() == (ROOT / "app.py").read_text()
    assert not list(made.rglob("__pycache__"))
