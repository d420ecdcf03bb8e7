"""Everything that is generated, as files: `.chalice/config.json`, an IAM policy a function, the templates, RBAC."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from chalicelib import names
from chalicelib.actions.rights import PLACES
from chalicelib.policy import Policy
from drctl.deployment import access, accounts, rbac
from drctl.deployment.agents import witness
from drctl.deployment.config import config
from drctl.deployment.permissions import document
from drctl.deployment.primary import elsewhere, primary
from drctl.deployment.resources import resources

MERGED = "resources.json"
PRIMARY = "primary.json"
WITNESS = "witness.json"


def alarms_file(region: str) -> str:
    """The template of a region that alarms stand in, beside the primary."""
    return f"alarms-{region}.json"


def access_file(place: str) -> str:
    """The template of the access entries of a place's cluster."""
    return f"access-{place}.json"


def account_file(name: str) -> str:
    """The template of the roles in another account."""
    return f"account-{name}.json"


def templates(policy: Policy) -> dict[str, Any]:
    """File name → template, of the other regions: what is deployed beside the responder."""
    others = {alarms_file(region): template for region, template in elsewhere(policy).items()}
    entries = {access_file(place): access.template(policy, place) for place in PLACES}
    return {
        PRIMARY: primary(policy),
        WITNESS: witness(policy),
        **{name: template for name, template in entries.items() if template},
        **{account_file(row.name): accounts.template(policy, row) for row in policy.platform.accounts},
        **others,
    }


def generated(policy: Policy) -> dict[str, Any]:
    """File name under `.chalice/` → its content: an object of JSON, or the text of a manifest."""
    granted = {place: rbac.manifests(policy, place) for place in PLACES}
    return {
        "config.json": config(policy),
        MERGED: resources(policy),
        **templates(policy),
        **{f"policy-{function}.json": document(policy, function) for function in names.FUNCTIONS},
        **{f"rbac-{place}.yaml": rbac.text(objects) for place, objects in granted.items() if objects},
    }


def text(content: Any) -> str:
    """As it stands in the file."""
    return content if isinstance(content, str) else json.dumps(content, indent=2, sort_keys=True) + "\n"


def write(folder: Path, policy: Policy) -> list[Path]:
    """Writes what differs into a `.chalice` folder, and answers which files that were."""
    changed = []
    for name, content in generated(policy).items():
        path = folder / name
        if not path.exists() or path.read_text() != text(content):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text(content))
            changed.append(path)
    return changed


def drift(folder: Path, policy: Policy) -> list[str]:
    """A sentence for each file of a `.chalice` folder that is not what policy and code give today."""
    wanted = generated(policy)
    found = []
    for name, content in wanted.items():
        path = folder / name
        if not path.exists():
            found.append(f"{folder.name}/{name} is missing; `drctl generate` writes it")
        elif path.read_text() != text(content):
            found.append(
                f"{folder.name}/{name} is not what policy and code give today; `drctl generate` writes it anew"
            )
    there = (path for kind in ("*.json", "*.yaml") for path in folder.glob(kind))
    strangers = sorted(path.name for path in there if path.name not in wanted)
    return [*found, *(f"{folder.name}/{name} belongs to nothing that is generated; remove it" for name in strangers)]
