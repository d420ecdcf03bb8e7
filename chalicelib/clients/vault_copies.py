"""Carries out the calls of an air-gapped copy: a stretch of the source into a vault, and the manifest at the end.

Nothing of an object is kept in memory but one piece. A large one is read twice, once for the digest that the vault is
to compare it with before it stands. What stands already is counted, and read again only when this very copy put it
there and was stopped before it was recorded. The record of a part is created when all of its objects stand.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.clients.aws import AwsClients, refusal
from chalicelib.clients.vaults import PART, Content, Kept, Vault, VaultError, Vaults
from chalicelib.core.airgap import FIRST_STAYS, Held, Part, gap, in_order, manifest
from chalicelib.core.airgap_calls import COPY_SPAN, Ending, Stretch
from chalicelib.core.outcome import Call, Doubtful, Made, Outcome, Refused

SIDE_BY_SIDE: Final = 8
READ_S: Final = 60


@dataclass(frozen=True, slots=True)
class Source:
    """One object of the source, as it was listed."""

    key: str
    size: int
    etag: str


class DiffersError(Exception):
    """Something else stands in the vault under an object's name."""


def make(aws: AwsClients, vaults: Vaults, call: Call, *, now: datetime) -> Outcome:
    """Makes the call. Made with time over is told as such: the next look finds the part without its record."""
    name = f"{call.operation} into vault {call.params['Vault']!r}"
    vault = vaults.get(str(call.params["Vault"]))
    if vault is None:
        return Refused(code="NoVault", because=f"{name}: policy has no such vault")
    try:
        if call.operation == COPY_SPAN:
            client = aws.bulk("s3", call.region, connections=2 * SIDE_BY_SIDE, read_s=READ_S)
            ends = time.monotonic() + call.timeout.total_seconds()
            return _copy(client, vault, Stretch.of(call), ends=ends, until=call.until, name=name)
        return _end(vault, Ending.of(call), now=now, until=call.until, name=name)
    except VaultError as error:
        if error.silent:
            return Doubtful(because=f"{name} broke off: {error.because} ({error.code})")
        return Refused(code=error.code, because=f"{name} was refused: {error.because}")
    except DiffersError as error:
        return Refused(code="Differs", because=f"{name} stopped: {error}; a person must look at the vault")
    except ClientError as error:
        return refusal(name, error)
    except BotoCoreError as error:
        return Doubtful(because=f"{name} broke off, the source did not answer: {type(error).__name__}")


def _copy(client: Any, vault: Vault, stretch: Stretch, *, ends: float, until: str, name: str) -> Outcome:
    progress = stretch.progress
    record = progress.copy.record(progress.number)
    found = {s.key: s for s in _listed(client, stretch)}
    behind = _name(stretch, progress.after) if progress.after else ""
    listed = vault.names(stretch.to, after=behind, through=_name(stretch, stretch.through)) if found else ()
    there = {k.name: k for k in listed}
    earlier, stays, waiting = [], 0, []
    for key in in_order(list(found)):
        kept = there.get(_name(stretch, key))
        if kept is not None and key.rpartition("/")[2] in FIRST_STAYS:
            stays += 1
        elif kept is None or kept.at >= progress.begun:
            waiting.append((key, kept))
        elif kept.size != found[key].size:
            raise DiffersError(f"{kept.name!r} has {kept.size:,} bytes there and {found[key].size:,} in the source")
        else:
            earlier.append(kept)
    objects: list[Held] = []
    first, final = waiting[:-1], waiting[-1:]
    # The last of a backup makes it one, so nothing goes beside it.
    for batch in (first, final):
        with ThreadPoolExecutor(SIDE_BY_SIDE, thread_name_prefix="vault") as pool:
            moves = [partial(_put, client, vault, stretch, found[key], kept, ends) for key, kept in batch]
            held = list(pool.map(lambda move: move(), moves))
        objects += [h for h in held if h is not None]
        if None in held:
            done = len(objects)
            because = f"{name}: {done:,} of {len(waiting):,} objects stand, its time is over and it goes on from there"
            return Made(because=because)
    part = Part(
        number=progress.number,
        set=progress.set,
        after=progress.after,
        through=stretch.through,
        last=stretch.last,
        objects=tuple(objects),
        earlier=len(earlier),
        earlier_size=sum(k.size for k in earlier),
        stays=stays,
    )
    vault.create(record, Content.of(part.text(progress.copy).encode()))
    return Made(because=f"{name}: {len(objects):,} objects written, {len(earlier):,} stood before; done when {until}")


def _put(client: Any, vault: Vault, stretch: Stretch, source: Source, kept: Kept | None, ends: float) -> Held | None:
    """None when there was no time left to begin it."""
    if time.monotonic() > ends:
        return None
    name = _name(stretch, source.key)
    content = Content.read(partial(_pieces, client, stretch.bucket, source))
    if content.size != source.size:
        raise DiffersError(f"{source.key!r} gave {content.size:,} bytes, its listing says {source.size:,}")
    if kept is None and vault.create(name, content):
        return Held(name=name, size=content.size, sha256=content.sha256.hex())
    stands = vault.stands(name)
    if stands is None or (stands.size, stands.sha256) != (content.size, content.sha256.hex()):
        what = f"{stands.size:,} bytes, SHA-256 {stands.sha256 or 'not said'}" if stands else "nothing"
        raise DiffersError(f"{name!r} holds {what}, expected {content.size:,} bytes, SHA-256 {content.sha256.hex()}")
    return Held(name=name, size=content.size, sha256=content.sha256.hex())


def _end(vault: Vault, ending: Ending, *, now: datetime, until: str, name: str) -> Outcome:
    """Reads every record again: what a worker remembers of them is not what makes a copy whole."""
    progress = ending.progress
    records, parts = [], []
    for number in range(progress.number):
        where = progress.copy.record(number)
        text = vault.document(where)
        if text is None:
            return Refused(code="NotWhole", because=f"{name} was not made: record {where!r} is not there")
        records.append((where, hashlib.sha256(text.encode()).hexdigest()))
        parts.append(Part.of(text))
    why = gap(parts)
    if why is not None:
        return Refused(code="NotWhole", because=f"{name} was not made: {why}")
    text = manifest(progress.copy, progress.begun, records, parts, vault=ending.vault, at=now)
    vault.create(progress.copy.manifest, Content.of(text.encode()))
    return Made(because=f"{name}: {progress.copy.manifest} stands; done when {until}")


def _listed(client: Any, stretch: Stretch) -> Iterator[Source]:
    asked: dict[str, Any] = {"Bucket": stretch.bucket, "Prefix": stretch.prefix}
    asked |= {"StartAfter": stretch.progress.after} if stretch.progress.after else {}
    while True:
        page: Mapping[str, Any] = client.list_objects_v2(**asked)
        for row in page.get("Contents", ()):
            if stretch.through and row["Key"] > stretch.through:
                return
            if row["Key"] > stretch.progress.after:
                yield Source(row["Key"], int(row["Size"]), row["ETag"])
        if not page.get("IsTruncated"):
            return
        asked = {"Bucket": stretch.bucket, "Prefix": stretch.prefix, "ContinuationToken": page["NextContinuationToken"]}


def _pieces(client: Any, bucket: str, source: Source) -> Iterator[bytes]:
    """The object as it was listed, in pieces of exactly PART bytes but for the last."""
    body = client.get_object(Bucket=bucket, Key=source.key, IfMatch=source.etag)["Body"]
    held = bytearray()
    for chunk in body.iter_chunks(PART):
        held += chunk
        while len(held) >= PART:
            yield bytes(held[:PART])
            del held[:PART]
    if held:
        yield bytes(held)


def _name(stretch: Stretch, key: str) -> str:
    return stretch.to + key.removeprefix(stretch.prefix)
