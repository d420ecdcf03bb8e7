"""break breach, break ransomware: somebody is in the local world who should not be there."""

from __future__ import annotations

from typing import Annotated

import typer

from drctl.cli.places import JsonOption
from drctl.cli.worlds import BREAKING, broken, control

Instance = Annotated[str | None, typer.Option("--instance", help="Where the intruder is; a node when left out.")]


def register(app: typer.Typer) -> None:
    """Adds these commands to `break`."""
    del app
    BREAKING.command(name="breach")(break_breach)
    BREAKING.command(name="ransomware")(break_ransomware)


def break_breach(*, instance: Instance = None, json: JsonOption = False) -> None:
    """Somebody is in an instance, and GuardDuty finds it. `drctl mend` archives the finding, which proves nothing."""
    wanted = {"kind": "breach", "instance": instance}
    made = control("POST", "/faults", json={k: v for k, v in wanted.items() if v is not None})
    broken(made, f"{made['what']}: {made['because']}", json=json)


def break_ransomware(
    *,
    instance: Instance = None,
    folder: Annotated[str | None, typer.Option("--folder", help="bucket/prefix of what is encrypted in S3.")] = None,
    json: JsonOption = False,
) -> None:
    """Objects in S3 are overwritten with what nobody can read, some are deleted; S3's metrics and GuardDuty say so."""
    wanted = {"kind": "ransomware", "instance": instance, "folder": folder}
    made = control("POST", "/faults", json={k: v for k, v in wanted.items() if v is not None})
    broken(made, f"{made['what']}: {made['because']}", json=json)
