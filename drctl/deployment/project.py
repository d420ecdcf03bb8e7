"""The Chalice project of one platform, put together for packaging: this app, its policies, what is generated for them.

Chalice packages a folder: `app.py`, `chalicelib/`, `vendor/` and `.chalice/` beside one another. What is checked in is
such a folder for the shipped policies; any platform's is made elsewhere, and so nothing that is checked in changes.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from chalicelib.policy import Policy
from chalicelib.policy.load import FILES
from drctl.deployment import generate
from drctl.world.package import LEFT_OUT, Package, package

COPIED: Final = ("app.py", "requirements.txt", "chalicelib", "vendor")


def package_of(root: Path, policies: Path, policy: Policy, stage: str, out: Path | None = None) -> Package:
    """The package of the app at `root` for the platform of `policies`, whose models are `policy`; kept in `out`,
    `root/.local/package` unless given. Beside the zip stand the templates of the alarms' regions. Raises WorldError.
    """
    with project(root, policies, policy) as folder:
        merge = folder / ".chalice" / generate.MERGED
        region = policy.platform.responder.region
        made = package(folder, stage, out or root / ".local" / "package", merge=merge, region=region)
    for name, content in generate.templates(policy).items():
        (made.zip.parent / name).write_text(generate.text(content))
    return made


@contextmanager
def project(root: Path, policies: Path, policy: Policy) -> Iterator[Path]:
    """The folder, for as long as the block lasts."""
    with tempfile.TemporaryDirectory(prefix="chalice-") as made:
        folder = Path(made)
        for name in COPIED:
            if (root / name).is_dir():
                # What vendor/ links to is one platform's: links are left out with it, and policies are put there below.
                shutil.copytree(root / name, folder / name, ignore=_left_out)
            else:
                shutil.copy(root / name, folder / name)
        (folder / "vendor" / "policies").mkdir(parents=True)
        for name in FILES:
            shutil.copy(policies / f"{name}.yaml", folder / "vendor" / "policies")
        generate.write(folder / ".chalice", policy)
        yield folder


def _left_out(at: str, names: list[str]) -> set[str]:
    return {name for name in names if name in LEFT_OUT or name.endswith(".pyc") or (Path(at) / name).is_symlink()}
