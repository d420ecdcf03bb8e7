"""Schedules: cron lines that make Backups (*recorded*, 07-schema/schedule and bad-cron; *docs*, "Schedule API type").

Cron runs by the clock, which is never scaled; only the moment until a new schedule is noticed is. One that is Enabled
is validated anew each time; one that is FailedValidation is looked at never again, whatever its line becomes, until its
phase is taken away (*source*, pkg/controller/schedule_controller.go, Reconcile).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import croniter

from drctl.neighbours.kubernetes.kinds import Resource, by_key
from drctl.neighbours.kubernetes.objects import Obj, instant, stamp
from drctl.neighbours.kubernetes.trees import copied
from drctl.neighbours.kubernetes.velero.shared import BACKUPS, NAMESPACE, SCHEDULES, Velero, duration, mine, phase

NOTICE: Final = 0.2
_BUSY: Final = ("", "New", "Queued", "ReadyToStart", "InProgress")


class Schedules:
    """absent -> Enabled or FailedValidation. A paused schedule makes nothing; nor does one whose last backup runs."""

    name = "schedules"

    def __init__(self, velero: Velero) -> None:
        self.velero = velero

    def changed(self, resource: Resource, obj: Obj, *, gone: bool) -> None:
        if mine(resource, obj, SCHEDULES) and not gone:
            if phase(obj) in ("", "New"):
                self.velero.cluster.after(NOTICE, self.name, "validate", obj["metadata"]["name"])
            elif phase(obj) == "Enabled" and _cron_error(_line(obj)):
                self._validate(obj)
            elif phase(obj) == "Enabled":
                self._next(obj)

    def run(self, name: str) -> None:
        """Lets a schedule run now, as if its time had come."""
        self._run(self.velero.get(SCHEDULES, name) or {})

    def wake(self, what: str, key: tuple[str, ...]) -> None:
        schedule = self.velero.get(SCHEDULES, key[0])
        if schedule is None:
            return
        if what == "validate" and phase(schedule) in ("", "New"):
            self._validate(schedule)
        elif what == "run" and self._is_due(schedule, key[1]):
            self._run(schedule)

    def _validate(self, schedule: Obj) -> None:
        new = copied(schedule)
        new["spec"] = {"skipImmediately": False, **(new.get("spec") or {})}
        wrong = _cron_error(_line(new))
        if wrong:
            self.velero.save(new, phase="FailedValidation", validationErrors=[wrong])
        else:
            self.velero.save(new, phase="Enabled")

    def _due(self, schedule: Obj) -> datetime:
        last = (schedule.get("status") or {}).get("lastBackup") or schedule["metadata"]["creationTimestamp"]
        zone, line = _parts(_line(schedule))
        if line.startswith(_EVERY):
            # To whole seconds (robfig/cron v3.0.1, constantdelay.go).
            return instant(last) + timedelta(seconds=max(1, int(duration(line.removeprefix(_EVERY)).total_seconds())))
        start = instant(last).astimezone(ZoneInfo(zone or "UTC"))
        found: datetime = croniter.croniter(_NAMED.get(line, line.replace("?", "*")), start).get_next(datetime)
        return found.astimezone(UTC)

    def _is_due(self, schedule: Obj, at: str) -> bool:
        return phase(schedule) == "Enabled" and not _cron_error(_line(schedule)) and at == stamp(self._due(schedule))

    def _next(self, schedule: Obj) -> None:
        if not (schedule.get("spec") or {}).get("paused") and not _cron_error(_line(schedule)):
            due = self._due(schedule)
            when = max(due, self.velero.cluster.now)
            self.velero.cluster.at(when, self.name, "run", schedule["metadata"]["name"], stamp(due))

    def _run(self, schedule: Obj) -> None:
        velero, name = self.velero, schedule["metadata"]["name"]
        if schedule["spec"].get("paused") or velero.poisoned(SCHEDULES):
            return
        own = [
            b for b in velero.all(BACKUPS) if (b["metadata"].get("labels") or {}).get("velero.io/schedule-name") == name
        ]
        now = velero.cluster.now
        if not any(phase(b) in _BUSY for b in own):
            meta = {
                "name": f"{name}-{now:%Y%m%d%H%M%S}",
                "namespace": NAMESPACE,
                "labels": {**(schedule["metadata"].get("labels") or {}), "velero.io/schedule-name": name},
            }
            spec = {"hooks": {}, "metadata": {}, **copied(schedule["spec"]["template"])}
            if velero.get(BACKUPS, str(meta["name"])) is None:
                velero.cluster.create(by_key(BACKUPS), {"metadata": meta, "spec": spec})
        velero.save(schedule, lastBackup=stamp(now))


def _line(schedule: Obj) -> str:
    return str((schedule.get("spec") or {}).get("schedule", ""))


_EVERY: Final = "@every "
_NAMED: Final = {"@midnight": "@daily", "@annually": "@yearly"}
_DESCRIPTORS: Final = ("@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually")
_SUNDAY_IS_SEVEN: Final = re.compile(r"(^|[,\-])7")


def _parts(text: str) -> tuple[str, str]:
    """The time zone before a line, and the line (robfig/cron v3.0.1, parser.go)."""
    if not text.startswith(("TZ=", "CRON_TZ=")):
        return "", text
    named, _, line = text.partition(" ")
    return named.partition("=")[2], line.strip()


def _cron_error(text: str) -> str:
    """Why robfig/cron would refuse the line, or "". The count of fields is its own text (*recorded*)."""
    if not text:
        return "Schedule must be a non-empty valid Cron expression"
    zone, line = _parts(text)
    try:
        ZoneInfo(zone or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return f"invalid schedule: provided bad location {zone}: unknown time zone {zone}"
    if line.startswith(_EVERY):
        try:
            duration(line.removeprefix(_EVERY))
        except ValueError as error:
            return f"invalid schedule: failed to parse duration {line}: {error}"
        return ""
    if line.startswith("@"):
        return "" if line in _DESCRIPTORS else f"invalid schedule: unrecognized descriptor: {line}"
    fields = line.split()
    if len(fields) != 5:
        return f"invalid schedule: expected exactly 5 fields, found {len(fields)}: [{line}]"
    if _SUNDAY_IS_SEVEN.search(fields[4].partition("/")[0]):
        return f"invalid schedule: end of range (7) above maximum (6): {fields[4]}"
    good = croniter.croniter.is_valid(line.replace("?", "*")) and "#" not in line and "L" not in line.upper().split()
    return "" if good else f"invalid schedule: failed to parse: {line}"
