"""What a listing of versions says of each key, and the words of the call that is made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby

import pytest

from chalicelib.core.restoring import Restoring, moment_of, written
from chalicelib.core.versions import (
    LARGEST,
    MARK,
    MARKERS,
    Aim,
    Entry,
    Kind,
    Verdict,
    cleared,
    entries,
    fold,
    judge,
    sizes,
)
from tests.core.versions_model import (
    AIM,
    KMS,
    REMOVE,
    T0,
    at,
    marker,
    raw,
    version,
)


def of(*history: Entry, aim: Aim = AIM) -> Verdict:
    """The verdict of one key, its entries newest first, the first being the latest."""
    opened, found = fold(None, [replace(history[0], latest=True), *history[1:]], aim)
    assert opened is not None
    assert not found
    return judge(opened, aim)


ROWS: list[tuple[str, Sequence[Entry], Aim, Kind]] = [
    ("untouched", [version("a", -5)], AIM, "right"),
    ("stamped in the very second counts as there", [version("a", 0)], AIM, "right"),
    ("overwritten", [version("b", 5), version("a", -5)], AIM, "copy"),
    ("overwritten by the same bytes", [version("b", 5, etag='"a"'), version("a", -5)], AIM, "right"),
    ("overwritten by other bytes of one size and no ETag", [version("b", 5, etag=""), version("a", -5)], AIM, "copy"),
    ("deleted", [marker("m", 5), version("a", -5)], AIM, "unmark"),
    ("deleted twice", [marker("n", 6), marker("m", 5), version("a", -5)], AIM, "unmark"),
    ("overwritten and deleted", [marker("m", 6), version("b", 5), version("a", -5)], AIM, "copy"),
    ("deleted, put and deleted", [marker("n", 7), version("b", 6), marker("m", 5), version("a", -5)], AIM, "copy"),
    ("deleted before", [marker("m", -1), version("a", -5)], AIM, "right"),
    ("deleted before, and again", [marker("n", 5), marker("m", -1), version("a", -5)], AIM, "right"),
    ("not there then", [version("a", 5)], AIM, "newer"),
    ("not there then, to be hidden", [version("a", 5)], REMOVE, "remove"),
    ("deleted then, there now, to be hidden", [version("b", 5), marker("m", -1), version("a", -5)], REMOVE, "remove"),
    ("not there then nor now", [marker("m", 6), version("a", 5)], REMOVE, "right"),
    ("written since the restore began", [version("b", 121), version("a", -5)], AIM, "since"),
    ("written in the second in which it began", [version("b", 120), version("a", -5)], AIM, "since"),
    ("deleted since the restore began", [marker("m", 121), version("a", -5)], AIM, "since"),
    ("new since the restore began, to be hidden", [version("a", 121)], REMOVE, "since"),
    ("put back already", [version("c", 121, etag='"a"'), version("b", 5), version("a", -5)], AIM, "right"),
    ("empty, overwritten by something", [version("b", 5), version("a", -5, size=0, etag='"0"')], AIM, "copy"),
    ("empty, overwritten by nothing", [version("b", 5, size=0, etag='"0"'), version("a", -5, size=0, etag='"0"')], AIM,
     "right"),
    ("the null version of a time before versioning", [version("b", 5), version("null", -5)], AIM, "copy"),
    ("a null delete marker of a time of suspension", [marker("null", 5), version("a", -5)], AIM, "unmark"),
    ("archived and overwritten", [version("b", 5), version("a", -5, storage="GLACIER", readable=False)], AIM,
     "archived"),
    ("archived and deleted comes back archived", [marker("m", 5), version("a", -5, readable=False)], AIM, "unmark"),
    ("too large for one call", [version("b", 5), version("a", -5, size=LARGEST + 1)], AIM, "large"),
    ("large and deleted needs no copy", [marker("m", 5), version("a", -5, size=LARGEST + 1)], AIM, "unmark"),
    ("more markers than are taken away", [*(marker(f"m{i}", 60 - i) for i in range(MARKERS + 1)), version("a", -5)],
     AIM, "copy"),
    ("as many as are taken away", [*(marker(f"m{i}", 60 - i) for i in range(MARKERS)), version("a", -5)], AIM,
     "unmark"),
    # Of one second and neither the latest: what came first is not said, and a version counts as there.
    ("deleted in the second in which it was put", [marker("n", 5), marker("m", -1), version("a", -1)], AIM, "unmark"),
    ("put in the second in which it was deleted", [marker("n", 5), version("a", -1), marker("m", -1)], AIM, "unmark"),
    ("the latest is a marker of the version's own second", [marker("m", -1), version("a", -1)], AIM, "right"),
]  # fmt: skip


@pytest.mark.parametrize(("history", "aim", "kind"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_a_key_needs_what_its_versions_say(history: Sequence[Entry], aim: Aim, kind: Kind) -> None:
    assert of(*history, aim=aim).kind == kind


def test_undeleting_takes_away_every_marker_above_the_version_and_none_below() -> None:
    found = of(marker("n", 6), marker("m", 5), version("a", -5), marker("old", -9), version("z", -20))
    assert found.markers == ("n", "m")
    assert found.wanted == version("a", -5)


@pytest.mark.parametrize(
    ("current", "wanted", "aim", "doubtful"),
    [
        (version("b", 5), version("a", -5), AIM, False),
        (version("b", 5), version("a", -5), KMS, True),
        (version("b", 5, etag='"9-2"'), version("a", -5), AIM, True),
        (version("b", 5), version("a", -5, etag='"9-2"'), AIM, True),
        (version("b", 5, size=4), version("a", -5), KMS, False),
    ],
)
def test_only_what_no_etag_can_tell_apart_is_doubtful(current: Entry, wanted: Entry, aim: Aim, doubtful: bool) -> None:
    found = of(current, wanted, aim=aim)
    assert (found.kind, found.doubtful) == ("copy", doubtful)


@pytest.mark.parametrize(
    ("written_at", "metadata", "kind"),
    [
        (5, {MARK: "a"}, "right"),
        (5, {MARK: "z"}, "copy"),
        (5, {}, "copy"),
        (5, None, "copy"),
        (121, {MARK: "a"}, "right"),
        (121, {"x": "y"}, "since"),
    ],
)
def test_the_metadata_of_the_current_version_clears_a_doubt(
    written_at: float, metadata: Mapping[str, str] | None, kind: Kind
) -> None:
    found = of(version("b", written_at), version("a", -5), aim=KMS)
    assert found.doubtful
    settled = cleared(found, metadata, KMS)
    assert (settled.kind, settled.doubtful) == (kind, False)


def test_a_verdict_without_doubt_stays_as_it_is() -> None:
    found = of(version("b", 5), version("a", -5))
    assert cleared(found, {MARK: "a"}, AIM) is found


def test_bytes_are_those_that_are_copied() -> None:
    copied, undeleted = of(version("b", 5), version("a", -5, size=7)), of(marker("m", 5), version("a", -5, size=9))
    assert sizes([copied, undeleted]) == 7


def test_two_lists_become_one_in_the_order_of_time_with_the_latest_first() -> None:
    rows = [marker("m", 5, latest=True), version("b", 5), version("a", 4), marker("n", 3)]
    page = {"Versions": raw(rows, False), "DeleteMarkers": raw(rows, True)}
    assert [e.version for e in entries(page)] == ["m", "b", "a", "n"]


def test_the_latest_stands_first_whatever_its_stamp_says() -> None:
    for first, second in (
        (marker("m", 4, latest=True), version("b", 5)),
        (version("b", 4, latest=True), marker("m", 5)),
    ):
        rows = [first, second]
        page = {"Versions": raw(rows, False), "DeleteMarkers": raw(rows, True)}
        assert [e.version for e in entries(page)] == [first.version, second.version]


def test_a_restored_archive_can_be_read() -> None:
    row = {"Key": "k", "VersionId": "a", "LastModified": T0, "StorageClass": "GLACIER", "Size": 1}
    archived, restored = (
        next(entries({"Versions": [row | more]}))
        for more in ({}, {"RestoreStatus": {"IsRestoreInProgress": False, "RestoreExpiryDate": at(9)}})
    )
    assert (archived.readable, restored.readable) == (False, True)
    assert next(entries({"Versions": [row | {"StorageClass": "GLACIER_IR"}]})).readable


# The call's words.


def test_a_call_reads_back_as_what_it_was_made_of() -> None:
    asked = Restoring(
        bucket="b", region="us-east-1", prefix="p/", aim=replace(KMS, newer="remove"), after="", through="z"
    )
    call = asked.call("nothing is missing")
    assert Restoring.of(call) == asked
    assert all(isinstance(v, str) for v in call.params.values())
    assert call.reversible
    assert "AsOf=2026-11-24T03:00:00Z" in call.sentence()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("yesterday", "is no moment"),
        ("", "is no moment"),
        ("2026-11-24T03:00:00", "time zone"),
        ("2026-11-24", "time zone"),
        ("2026-11-24T03:00:00.5Z", "part of a second"),
    ],
)
def test_a_moment_that_could_be_read_in_two_ways_is_refused(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as refused:
        moment_of(text)
    assert "2026-11-24T03:00:00Z" in str(refused.value)


@pytest.mark.parametrize("text", ["2026-11-24T03:00:00Z", "2026-11-24T04:00:00+01:00", "2026-11-24 03:00+00:00"])
def test_a_moment_is_read_in_whatever_zone_it_names(text: str) -> None:
    assert written(moment_of(text)) == "2026-11-24T03:00:00Z"


def test_the_rows_of_the_table_are_of_different_names() -> None:
    assert [name for name, rows in groupby(sorted(r[0] for r in ROWS)) if len(list(rows)) > 1] == []
