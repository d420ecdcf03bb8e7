"""The deployment package, made by Chalice as for AWS, kept by the hash of what went into it.

`.local/package/<hash>/` holds `package.zip` and `template.json`. Two packages of the same sources are the
same, byte by byte.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drctl.world.ministack import WorldError

LARGEST = 8_000_000
"""Bytes; a bigger package starts slower."""
IN_THE_RUNTIME = ("boto3", "botocore", "s3transfer")
SOURCES = ("app.py", "requirements.txt", "chalicelib", "vendor", "policies", ".chalice")
LEFT_OUT = {"__pycache__", "deployments", "deployed", ".mypy_cache", ".ruff_cache"}
NEVER_USED = (
    "aws_lambda_powertools/event_handler/",
    "aws_lambda_powertools/utilities/batch/",
    "aws_lambda_powertools/utilities/data_",
    "aws_lambda_powertools/utilities/feature_flags/",
    "aws_lambda_powertools/utilities/idempotency/",
    "aws_lambda_powertools/utilities/kafka/",
    "aws_lambda_powertools/utilities/parameters/",
    "pydantic/v1/",
    "pydantic/mypy.py",
    "slack_sdk/audit_logs/",
    "slack_sdk/oauth/",
    "slack_sdk/rtm/",
    "slack_sdk/rtm_v2/",
    "slack_sdk/scim/",
    "slack_sdk/socket_mode/",
    "slack_sdk/web/async_",
    "slack_sdk/web/legacy_",
    "dateutil/zoneinfo/dateutil-zoneinfo",
    "chalicelib/policy/lint/",
)
"""What nothing here imports and is worth more than a megabyte: Powertools beside its Logger and Metrics, pydantic's own
past, Slack's other clients, a copy of the time zones, of which only UTC is used, and the linter, which judges policies
before they are deployed.
"""
UNLESS_LOADED = ("lightkube/models/", "lightkube/resources/")
"""One module an API group and version of Kubernetes, a fifth of a megabyte: what is asked for here is generic, and of
these only what lightkube itself imports is ever met.
"""
COMPILE = """
import py_compile, sys
for path in sys.argv[1:]:
    py_compile.compile(path, doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
"""
"""In a process of its own: byte code depends on which strings the process has interned before. By hash and unchecked: a
time would differ from one packaging to the next.
"""
OURS = ("app.py", "chalicelib/")
ZIP = "package.zip"
EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Package:
    """`digest` is the hash of the sources, and part of the zip's key in S3."""

    digest: str
    zip: Path
    template: dict[str, Any]


def package(root: Path, stage: str, out: Path | None = None, *, merge: Path | None = None, region: str) -> Package:
    """Packages the Chalice app at `root` for a stage. `merge` is a template merged into Chalice's; `out` is
    where packages are kept, `root/.local/package` unless given. `region` is where it will be deployed. Raises
    WorldError with Chalice's words, or when the zip is over 8 MB.
    """
    digest = hash_of(root, stage, merge)
    folder = (out or root / ".local" / "package") / digest
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _alone(folder.parent):
        if not (folder / "template.json").exists():
            _make(root, stage, merge, region, folder)
    return Package(digest, folder / ZIP, json.loads((folder / "template.json").read_text()))


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One at a time makes packages in a folder: who comes second finds what the first has made."""
    with (folder / "making.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _make(root: Path, stage: str, merge: Path | None, region: str, folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="making-") as made:
        _chalice(root, stage, merge, region, Path(made) / "raw")
        ready = Path(made) / "ready"
        ready.mkdir()
        _repack(Path(made) / "raw" / "deployment.zip", ready / ZIP)
        template = json.loads((Path(made) / "raw" / "sam.json").read_text())
        _beside(template)
        (ready / "template.json").write_text(json.dumps(template, indent=2) + "\n")
        # Renamed as a whole, so that a package is either there and complete or not there.
        shutil.rmtree(folder, ignore_errors=True)
        ready.rename(folder)


def _beside(template: dict[str, Any]) -> None:
    """Names the code as the zip that stands beside the template, where `aws cloudformation package` looks for it."""
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = f"./{ZIP}"


def hash_of(root: Path, stage: str, merge: Path | None) -> str:
    """The name of a package: its sources, this module, the stage, the Python and the Chalice that make it."""
    digest = hashlib.sha256()
    digest.update(f"{stage} {ZIP} {sys.version_info[:2]} {importlib.metadata.version('chalice')}".encode())
    digest.update(Path(__file__).read_bytes())
    for path in _sources(root):
        digest.update(f"\0{path.relative_to(root)}\0".encode() + path.read_bytes())
    if merge is not None:
        digest.update(b"\0merge\0" + merge.read_bytes())
    return digest.hexdigest()[:24]


def _sources(root: Path) -> Iterator[Path]:
    for name in SOURCES:
        top = root / name
        if top.is_file():
            yield top
        for folder, folders, files in os.walk(top, followlinks=True):
            folders[:] = sorted(set(folders) - LEFT_OUT)
            yield from (Path(folder) / file for file in sorted(files) if not file.endswith(".pyc"))


def _chalice(root: Path, stage: str, merge: Path | None, region: str, out: Path) -> None:
    command = [sys.executable, "-c", "from chalice.cli import main; main()", "--project-dir", str(root)]
    command += ["package", "--stage", stage, "--pkg-format", "cloudformation"]
    command += ["--merge-template", str(merge)] if merge is not None else []
    # Chalice asks botocore for a region even when it only packages.
    environment = os.environ | {"AWS_DEFAULT_REGION": region}
    done = subprocess.run([*command, str(out)], check=False, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise WorldError(
            f"chalice could not package {root} for stage '{stage}': {(done.stderr or done.stdout)[-3000:]}"
        )


def _largest(zipped: Path) -> list[str]:
    with zipfile.ZipFile(zipped) as opened:
        tops: dict[str, int] = {}
        for entry in opened.infolist():
            top = entry.filename.split("/", 1)[0]
            tops[top] = tops.get(top, 0) + entry.compress_size
    return [f"{top} {size / 1e6:.1f} MB" for top, size in sorted(tops.items(), key=lambda item: -item[1])[:5]]


def _repack(raw: Path, to: Path) -> None:
    """Leaves out what the runtime has, and what differs from one packaging to the next: order and times. Puts in the
    byte code of what a cold start imports, which halves its time: a function cannot keep what it compiles. Of others'
    modules the byte code goes alone, which is a quarter of the whole; ours keep their lines for a traceback.
    """
    with tempfile.TemporaryDirectory(dir=to.parent, prefix="unpacked-") as unpacked:
        folder = Path(unpacked)
        with zipfile.ZipFile(raw) as before:
            before.extractall(folder, [name for name in before.namelist() if _ships(name)])
        _compile(folder)
        with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as after:
            for path in sorted(p for p in folder.rglob("*") if p.is_file()):
                entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), EPOCH)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = (0o755 if path.suffix == ".so" else 0o644) << 16
                after.writestr(entry, path.read_bytes(), compresslevel=9)
    if (size := to.stat().st_size) > LARGEST:
        raise WorldError(
            f"the package has {size / 1e6:.1f} MB, at most {LARGEST / 1e6:.1f} are allowed; "
            f"the largest are {', '.join(_largest(to))}"
        )


def _ships(name: str) -> bool:
    top = name.split("/", 1)[0]
    if name.endswith("/") or "__pycache__" in name or top.split("-", 1)[0] in IN_THE_RUNTIME:
        return False
    return not name.startswith(NEVER_USED)


def _compile(folder: Path) -> None:
    """Compiles the modules that importing app.py loads; which ones is found out by importing it. What is worth keeping
    only when it is loaded goes.
    """
    modules_loaded = "(m.__file__ for m in list(sys.modules.values()) if getattr(m, '__file__', None))"
    script = f"import app, chalicelib.agents.entry, sys; print(*{modules_loaded})"
    environment = os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True, env=environment, cwd=folder
    )
    if done.returncode:
        raise WorldError(f"the package cannot be imported: {done.stderr.strip()[-2000:]}")
    loaded = [Path(path) for path in done.stdout.split()]
    modules = [str(p.relative_to(folder)) for p in loaded if p.suffix == ".py" and p.is_relative_to(folder)]
    subprocess.run([sys.executable, "-I", "-c", COMPILE, *modules], check=True, cwd=folder)
    for source in (folder / module for module in modules if not module.startswith(OURS)):
        # Beside where its source was, and not in __pycache__, is where Python takes byte code without a source from:
        # https://peps.python.org/pep-3147/#case-4-legacy-pyc-files-and-source-less-imports
        Path(importlib.util.cache_from_source(source)).rename(source.with_suffix(".pyc"))
        source.unlink()
    for unloaded in (p for top in UNLESS_LOADED for p in (folder / top).rglob("*.py")):
        unloaded.unlink()
