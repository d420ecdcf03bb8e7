"""Everything that is generated, as files: `.chalice/config.json`, an IAM policy a function, the templates, RBAC."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from chalicelib import names
from chalicelib.actions.rights import PLACES
from chalicelib.policy import Policy
from drctl.deployment import rbac
from drctl.deployment.access import primary_template
from drctl.deployment.config import config
from drctl.deployment.permissions import document
from drctl.deployment.primary import primary
from drctl.deployment.resources import resources

MERGED = "resources.json"
PRIMARY = "primary.json"
ACCESS = "access-primary.json"
TEMPLATES = (PRIMARY, ACCESS)


def generated(policy: Policy) -> dict[str, Any]:
    """File name under `.chalice/` → its content: an object of JSON, or the text of a manifest."""
    access = primary_template(policy)
    granted = {place: rbac.manifests(policy, place) for place in PLACES}
    return {
        "config.json": config(policy),
        MERGED: resources(policy),
        PRIMARY: primary(policy),
        **({ACCESS: access} if access else {}),
        **{f"policy-{function}.json": document(policy, function) for function in names.FUNCTIONS},
        **{f"rbac-{place}.yaml": rbac.text(objects) for place, objects in granted.items() if objects},
    }


def text(content: Any) -> str:
    """As it stands in the file."""
    return content if isinstance(content, str) else json.dumps(content, indent=2, sort_keys=True) + "\n"


def write(root: Path, policy: Policy) -> list[Path]:
    """Writes what differs, and answers which files that were."""
    changed = []
    for name, content in generated(policy).items():
        path = root / ".chalice" / name
        if not path.exists() or path.read_text() != text(content):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text(content))
            changed.append(path)
    return changed


def drift(root: Path, policy: Policy) -> list[str]:
    """A sentence for each file that is not what policy and code give today."""
    wanted = generated(policy)
    folder = root / ".chalice"
    found = []
    for name, content in wanted.items():
        path = folder / name
        if not path.exists():
            found.append(f".chalice/{name} is missing; `drctl generate` writes it")
        elif path.read_text() != text(content):
            found.append(f".chalice/{name} is not what policy and code give today; `drctl generate` writes it anew")
    there = (path for kind in ("*.json", "*.yaml") for path in folder.glob(kind))
    strangers = sorted(path.name for path in there if path.name not in wanted)
    return [*found, *(f".chalice/{name} belongs to nothing that is generated; remove it" for name in strangers)]
