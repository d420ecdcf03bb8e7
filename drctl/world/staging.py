"""The app with other policies in it: what is packaged and generated follows the folder that the world is made of."""

from __future__ import annotations

import shutil
from pathlib import Path

from chalicelib.policy.load import load
from drctl.deployment import generate
from drctl.world.package import LEFT_OUT, SOURCES


def staged(root: Path, policies: Path, to: Path) -> Path:
    """The folder to package: `root` itself for its own policies, else a copy in `to` with these in their place."""
    if policies.resolve() == (root / "policies").resolve():
        return root
    left_out = shutil.ignore_patterns(*LEFT_OUT, "*.pyc")
    for name in SOURCES:
        source = policies if name == "policies" else root / name
        if name == ".chalice":
            continue
        if source.is_dir():
            shutil.copytree(source, to / name, symlinks=True, ignore=left_out, dirs_exist_ok=True)
        else:
            to.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, to / name)
    generate.write(to, load(policies))
    return to
