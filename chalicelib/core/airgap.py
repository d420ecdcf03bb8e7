"""What an air-gapped copy is: its name, its parts in their order, and when it is whole.

Rules. A copy is named after what it holds, so two workers that make the same one write the same names, and creating a
thing twice changes nothing. It is written in parts, each a stretch of one set's names; a part's record is created only
when all of its objects are there, and the manifest only when every part's record is there and they join without a gap.
So a copy without a manifest is no copy, wherever its maker was stopped. Sets go from what is leaned on to what leans:
the volumes' data, the dump, then the backup, whose `velero-backup.json` is written last of all, since Velero takes for
a backup whatever has one. Never add a verb that deletes or overwrites: nobody here may.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, cast

FORMAT: Final = 1
MANIFESTS: Final = "manifests/"
COPY: Final = re.compile(r"(?P<at>\d{8}T\d{6}Z)-(?P<backup>[a-z0-9][a-z0-9.-]*)")
DUMP: Final = re.compile(r"[a-z0-9-]+-(?P<at>\d{8}T\d{6}Z)\.dump")
"""`orders-20261126T030000Z.dump`: when it was begun, which is the moment that it holds."""
METADATA: Final = "velero-backup.json"
FIRST_STAYS: Final = frozenset({"kopia.maintenance", "kopia.repository", "kopia.blobcfg"})
"""Files of a Kopia repository that it writes anew under their own names; all others are named after their content.
A vault keeps the first: only the schedule of maintenance is in the one that changes daily, and none runs in a vault.
https://github.com/kopia/kopia/blob/master/repo/format/format_blob.go (`KopiaRepositoryBlobID`),
…/repo/format/blobcfg_blob.go, …/repo/maintenance/maintenance_schedule.go (`maintenanceScheduleBlobID`).
"""
Set = Literal["volumes", "dump", "backup"]
ORDER: Final[tuple[Set, ...]] = ("volumes", "dump", "backup")


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """What a copy is of. `holds_at` is the older of the two moments: nothing later can be relied on in it."""

    backup: str
    dump: str
    holds_at: datetime

    @property
    def id(self) -> str:
        """`20261126T030000Z-hourly-20261126030000`: sorted by name they are sorted by age."""
        return f"{self.holds_at:%Y%m%dT%H%M%SZ}-{self.backup}"

    @property
    def manifest(self) -> str:
        """The name that makes it whole."""
        return f"{MANIFESTS}{self.id}.json"

    def record(self, number: int) -> str:
        """The name of a part's record."""
        return f"{MANIFESTS}{self.id}/{number:05d}.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One object of a part, written by this copy. `sha256` is in hex."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A stretch of a set: after one source key ('' the first) through another. `earlier` objects were in the vault
    from earlier copies, whose records have their digests; `stays` are those whose first version stays; `last` ends the
    set.
    """

    number: int
    set: Set
    after: str
    through: str
    last: bool
    objects: tuple[Held, ...]
    earlier: int = 0
    earlier_size: int = 0
    stays: int = 0

    def text(self, copy: Copy) -> str:
        """As it is stored."""
        whole = {"format": FORMAT, "copy": copy.id, "dump": copy.dump, **asdict(self)}
        return json.dumps(whole, sort_keys=True, separators=(",", ":"))

    @classmethod
    def of(cls, text: str) -> Part:
        """From its record; ValueError when it is none of this format."""
        found = _read(text)
        objects = tuple(Held(**row) for row in found["objects"])
        names = ("number", "set", "after", "through", "last", "earlier", "earlier_size", "stays")
        return cls(objects=objects, **{name: found[name] for name in names})


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a copy has come, as a worker keeps it. It may be lost or old: the records in the vault decide. `written`
    is when every part is recorded and the manifest is what is missing.
    """

    copy: Copy
    begun: datetime
    number: int = 0
    set: Set = "volumes"
    after: str = ""
    written: bool = False

    def past(self, part: Part) -> Progress:
        """Behind a part that is recorded."""
        number, end = self.number + 1, part.last and part.set == ORDER[-1]
        if end:
            return Progress(copy=self.copy, begun=self.begun, number=number, set=part.set, written=True)
        follows = ORDER[ORDER.index(part.set) + 1] if part.last else part.set
        after = "" if part.last else part.through
        return Progress(copy=self.copy, begun=self.begun, number=number, set=follows, after=after)

    def facts(self) -> dict[str, str | float]:
        """As it is kept: text and numbers."""
        return {
            "backup": self.copy.backup,
            "dump": self.copy.dump,
            "holds_at": self.copy.holds_at.isoformat(),
            "begun": self.begun.isoformat(),
            "number": float(self.number),
            "set": self.set,
            "after": self.after,
            "written": float(self.written),
        }

    @classmethod
    def of(cls, facts: Mapping[str, str | float]) -> Progress | None:
        """From what was kept; None when no copy is under way."""
        if not facts.get("backup"):
            return None
        copy = Copy(
            backup=str(facts["backup"]),
            dump=str(facts["dump"]),
            holds_at=datetime.fromisoformat(str(facts["holds_at"])),
        )
        return cls(
            copy=copy,
            begun=datetime.fromisoformat(str(facts["begun"])),
            number=int(facts["number"]),
            set=cast("Set", facts["set"]),
            after=str(facts["after"]),
            written=bool(facts["written"]),
        )


def copies(names: Sequence[str]) -> tuple[str, ...]:
    """The ids of the whole copies among the names in `manifests/`, oldest first."""
    found = (n.removeprefix(MANIFESTS).removesuffix(".json") for n in names if n.endswith(".json"))
    return tuple(sorted(i for i in found if COPY.fullmatch(i)))


def held_at(copy: str) -> datetime:
    """The moment that a copy holds, by its id; ValueError for another name."""
    found = COPY.fullmatch(copy)
    if found is None:
        raise ValueError(f"{copy!r} is no copy's id, expected <YYYYMMDDTHHMMSSZ>-<backup>")
    return moment(found["at"])


def dumped_at(key: str) -> datetime | None:
    """The moment that a dump holds, by its name; None for another name."""
    found = DUMP.fullmatch(key)
    return moment(found["at"]) if found else None


def moment(text: str) -> datetime:
    """`20261126T030000Z`, in UTC."""
    return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


def in_order(keys: Sequence[str]) -> list[str]:
    """The order in which a part's objects are written: what makes a backup of them comes last."""
    return sorted(keys, key=lambda k: (k.endswith(f"/{METADATA}"), k))


def gap(parts: Sequence[Part]) -> str | None:
    """Why these parts are not a whole copy; None when they are: every set from its beginning to its end, in order."""
    expected, after = ORDER[0], ""
    for place, part in enumerate(parts):
        if (part.number, part.set, part.after) != (place, expected, after):
            return (
                f"part {place} is number {part.number} of {part.set} after {part.after!r},"
                f" expected {expected} after {after!r}"
            )
        if not part.last:
            after = part.through
            continue
        if part.set == ORDER[-1]:
            return None if place == len(parts) - 1 else f"there is more behind the last part, which is number {place}"
        expected, after = ORDER[ORDER.index(part.set) + 1], ""
    return f"it ends before {expected} does"


def manifest(
    copy: Copy, begun: datetime, records: Sequence[tuple[str, str]], parts: Sequence[Part], *, vault: str, at: datetime
) -> str:
    """The manifest of a copy whose parts join; `records` are each part's name and the SHA-256 of its record."""
    objects = [o for part in parts for o in part.objects]
    whole = {
        "format": FORMAT,
        "copy": copy.id,
        "vault": vault,
        "of": {"backup": copy.backup, "dump": copy.dump},
        "holds_at": copy.holds_at.isoformat(),
        "begun": begun.isoformat(),
        "written_at": at.isoformat(),
        "objects": len(objects) + sum(p.earlier for p in parts),
        "size": sum(o.size for o in objects) + sum(p.earlier_size for p in parts),
        "written_objects": len(objects),
        "written_size": sum(o.size for o in objects),
        "parts": [{"name": name, "sha256": digest} for name, digest in records],
    }
    return json.dumps(whole, sort_keys=True, indent=1)


def _read(text: str) -> Mapping[str, Any]:
    found = json.loads(text)
    if not isinstance(found, Mapping) or found.get("format") != FORMAT:
        raise ValueError(f"a part's record of format {FORMAT} was expected, found {text[:80]!r}")
    return found
