"""A copy of the shipped policies that a test breaks in one place."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from chalicelib.actions.contract import Op
from chalicelib.policy.lint import ActionFacts, Finding, lint
from chalicelib.readiness.registry import NAMES as JUDGES

SHIPPED = Path(__file__).parents[2] / "policies"

NAMES = (
    "velero-location-read-only",
    "node-capacity",
    "velero-rewrites",
    "velero-schedules-paused",
    "velero-schedules-kept",
    "backup-now",
    "pods-recovered",
    "nodes-replaced",
    "volumes-attached",
    "zone-shifted",
    "database-elsewhere",
    "pods-redistributed",
    "zone-returned",
    "nodes-readmitted",
    "canary-aborted",
    "application-rolled-back",
    "auto-sync-given-back",
    "secrets-refreshed",
    "terraform-state-restored",
    "fence-acl",
    "fence-primary",
    "restore-point",
    "restore-instance",
    "integrity-check",
    "point-restored",
    "velero-missing",
    "open-primary",
    "replica-caught-up",
    "velero-restore",
    "workload-ready",
    "promote-replica",
    "point-application",
    "verify-write",
    "verify-service",
    "switch-traffic",
    "verify-traffic",
    "s3-count",
    "s3-restore",
    "person",
    "marker-left",
    "dump-found",
    "dump-restored",
    "secrets-pointed",
    "verify-outage-write",
    "record-moved",
    "verify-move",
    "infrastructure-sound",
    "node-capacity-lowered",
    "velero-schedules-resumed",
    "velero-location-opened",
    "instance-aside",
    "replica-rebuilt",
    "fence-lifted",
    "wrong-side-listed",
    "replica-following",
    "moment-reached",
    "fence-standby",
    "reopen-standby",
    "primary-caught-up",
    "promote-primary",
    "point-home",
    "verify-home-write",
    "workloads-gone",
    "instance-discarded",
    "breach-found",
    "instances-quarantined",
    "instances-released",
    "subnets-quarantined",
    "subnets-released",
    "namespaces-quarantined",
    "namespaces-released",
    "lifecycles-paused",
    "lifecycles-resumed",
    "databases-kept",
    "databases-given-back",
    "images-kept",
    "images-expire",
    "copies-whole",
    "clean-room-made",
    "clean-room-runs",
    "clean-room-gone",
    "volumes-snapshotted",
    "logs-kept",
    "objects-kept",
)


def actions(**calls: Op) -> Mapping[str, ActionFacts]:
    """The shipped actions by name; `promote_replica=AwsOp(…)` gives one of them a call."""
    given = {name.replace("_", "-"): (op,) for name, op in calls.items()}
    return {name: ActionFacts(name=name, calls=given.get(name, ())) for name in NAMES}


@dataclass
class Broken:
    """`edit` breaks the copy, `says` asks the linter and compares one finding."""

    folder: Path
    actions: Mapping[str, ActionFacts] = field(default_factory=actions)

    @classmethod
    def copied(cls, to: Path) -> Broken:
        """A fresh copy in the folder `to`."""
        shutil.copytree(SHIPPED, to, ignore=shutil.ignore_patterns("schemas"))
        return cls(to)

    def edit(self, file: str, old: str, new: str) -> Broken:
        """Replaces the first `old` in a file; it must be there."""
        path = self.folder / f"{file}.yaml"
        text = path.read_text()
        assert old in text, f"{old!r} is not in {path.name}"
        path.write_text(text.replace(old, new, 1))
        return self

    def findings(self, rule: str | None = None) -> list[Finding]:
        """All findings, or those of one rule."""
        return [f for f in lint(self.folder, actions=self.actions, judges=JUDGES) if rule in (None, f.rule)]

    def line(self, file: str, text: str) -> int:
        """The number of the first line that holds `text`, which is the one that `edit` replaces."""
        numbers = [n for n, row in enumerate((self.folder / file).read_text().splitlines(), 1) if text in row]
        assert numbers, f"{text!r} stands in no line of {file}"
        return numbers[0]

    def says(
        self,
        rule: str,
        where: str,
        *,
        at: str | int,
        found: str,
        allowed: str,
        because: str = "",
        severity: str = "error",
    ) -> Finding:
        """The one finding of a rule at `where` (`services.yaml services[3].tier`), compared with what is expected.

        `at` is the line, or text that stands in that line only; `allowed` and `because` are parts of the sentences.
        """
        file, _, path = where.partition(" ")
        here = [f for f in self.findings(rule) if (f.file, f.field) == (file, path)]
        assert len(here) == 1, f"{rule} said {[str(f) for f in self.findings(rule)]}"
        finding = here[0]
        assert finding.line == (at if isinstance(at, int) else self.line(file, at))
        assert finding.severity == severity
        assert finding.found == found
        assert allowed in finding.allowed
        assert because in finding.because
        assert finding.because
        return finding
