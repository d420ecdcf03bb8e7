"""Proposes the moment to restore to: the last that is known to be good before the first that is known to be bad.

What is known comes from the primary's own agent, which asks policy's integrity checks of the database and says when all
of them last found it whole and when one first did not. Where nobody asked, only the first bad sign is known, and the
proposal is the moment before it, as a guess that is called one. Between which moments RDS can restore it says itself.
A person accepts the proposal or chooses another; nothing is chosen here. Sources:
https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DescribeDBInstanceAutomatedBackups.html (RestoreWindow),
…/API_DBInstance.html (LatestRestorableTime), …/UserGuide/USER_PIT.html (logs are uploaded every five minutes).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final

from chalicelib.actions.contract import AwsOp, Op, Reader, Target
from chalicelib.actions.fence_primary import READ_BEAT, read_beat
from chalicelib.actions.first_sign import before, first_sign
from chalicelib.actions.restored import DESCRIBE_PRIMARY, Absent, instance
from chalicelib.core.bounds import spelled
from chalicelib.core.outcome import Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.policy import Policy
from chalicelib.store.beat import Beat

AGAIN: Final = timedelta(seconds=10)
A_MOMENT: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Known:
    """Between which moments RDS can restore, and what the agent found; `integrity` is why it is not known, if so."""

    earliest: datetime
    latest: datetime
    integrity: Beat | Refused | NoData


class RestorePoint:
    """`with: {margin: 15m}`. Looks only."""

    name: ClassVar[str] = "restore-point"
    reads: ClassVar[tuple[Op, ...]] = (
        DESCRIBE_PRIMARY,
        # Its resource is an automated backup, whose name is an id that RDS gives and nobody knows beforehand.
        AwsOp(
            service="rds",
            operation="describe_db_instance_automated_backups",
            resources=("*",),
            where="primary",
        ),
        READ_BEAT,
    )
    calls: ClassVar[tuple[Op, ...]] = ()

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Known | Absent | Refused | NoData:
        side = policy.platform.database.primary
        source = instance(policy, reader, side.instance)
        if not isinstance(source, Mapping):
            return source
        latest = source.get("LatestRestorableTime")
        if not source.get("BackupRetentionPeriod") or latest is None:
            return Refused(code="NoBackups", because=f"instance {side.instance!r} has no automated backups")
        asked = {"DbiResourceId": source["DbiResourceId"]}
        backups = reader.aws("rds", side.region, "describe_db_instance_automated_backups", **asked)
        if not isinstance(backups, Mapping):
            return backups
        windows = [b["RestoreWindow"] for b in backups["DBInstanceAutomatedBackups"] if b.get("RestoreWindow")]
        if not windows or "EarliestTime" not in windows[0]:
            return Refused(code="NoWindow", because=f"RDS names no window to restore {side.instance!r} in")
        return Known(windows[0]["EarliestTime"], latest, read_beat(policy, reader, "integrity"))

    def next(self, target: Target, policy: Policy, facts: Known | Absent | Refused | NoData, now: datetime) -> Next:
        match facts:
            case NoData(because=because):
                return Wait(because=f"{because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
            case Absent(because=because):
                return Stuck(because=f"{because}; there is nothing to restore from")
            case Refused(because=because, code=code):
                return Stuck(because=f"{because} ({code})")
        # Rounded to whole seconds inwards: what is chosen must lie where RDS can restore.
        earliest = facts.earliest.replace(microsecond=0)
        earliest += A_MOMENT if earliest < facts.earliest else timedelta()
        wanted, why = _wanted(target, policy, facts.integrity, earliest)
        if wanted < earliest:
            return Stuck(
                because=f"{why}, and RDS restores from {spelled(earliest)} on only: what is older must come from "
                "a snapshot or an export, which a person looks for"
            )
        at = min(wanted, facts.latest)
        if at < wanted:
            why += f"; RDS's newest is {spelled(at)} now"
        if at < earliest:
            # Of an instance whose first backup is younger than what RDS lags behind: the newest moment comes along.
            window = f"RDS restores from {spelled(earliest)} on, and its newest moment is {spelled(facts.latest)}"
            return Wait(because=f"{why}; {window}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
        found = {"earliest": spelled(earliest), "latest": spelled(facts.latest), "proposed": spelled(at)}
        because = f"proposed is {spelled(at)}: {why}; restorable from {spelled(earliest)} to {spelled(facts.latest)}"
        return Done(because=because, facts=found)


def _wanted(
    target: Target, policy: Policy, integrity: Beat | Refused | NoData, earliest: datetime
) -> tuple[datetime, str]:
    """The moment that evidence speaks for, and what the evidence is."""
    if isinstance(integrity, Refused | NoData):
        why = f", since what the agent found is not known: {integrity.because}"
        return _guess(target, policy, earliest, why)
    good, bad = integrity.moment("good_at"), integrity.moment("bad_at")
    if good is None:
        return _guess(target, policy, earliest, ", since no integrity check ever found the database whole")
    bad = bad if bad is not None and integrity.number("bad_at") else None
    if bad is not None and good < bad:
        return (
            good,
            f"every integrity check found it whole at {spelled(good)}, and at {spelled(bad)} {_said(integrity)}",
        )
    return _guess(target, policy, earliest, f": no integrity check finds anything wrong (the last at {spelled(good)})")


def _guess(target: Target, policy: Policy, earliest: datetime, why: str) -> tuple[datetime, str]:
    sign = first_sign(target)
    at, rests = before(sign, target, policy)
    guessed = f"{rests}, which is a guess{why}"
    if at < earliest < sign.at:
        return earliest, f"{guessed}; that is older than what RDS restores, and its earliest is the nearest to it"
    return at, guessed


def _said(integrity: Beat) -> str:
    return integrity.text("because") or "one did not"
