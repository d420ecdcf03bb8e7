"""A copy into each vault: whole only with its manifest, resumed from wherever its maker stopped, never overwriting."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from threading import Thread

import pytest

from chalicelib.clients import vault_s3, vaults
from chalicelib.core.airgap import METADATA
from tests.actions.buckets import Crash, Wire, new_session
from tests.airgap.house import AIRGAP, AZURE_ROW, S3_ROW, House, Line, house, now

VAULTS = (S3_ROW.name, AZURE_ROW.name)


@pytest.fixture
def there() -> Iterator[House]:
    with house() as made:
        yield made


def test_a_copy_in_each_vault_is_what_offline_restores_from(there: House) -> None:
    backup = there.furnish()
    said = there.work()
    for vault in VAULTS:
        (copy,) = there.whole(vault)
        assert copy.endswith(backup), said
    flat = there.azure.names(AZURE_ROW.dumps_container)
    assert len(flat) == 1, "dumps lie flat, where the restore's volume is mounted"
    assert flat[0].endswith(".dump")
    tops = {n.partition("/")[0] for n in there.azure.names(AZURE_ROW.container)}
    assert tops == {"velero", "manifests"}
    inside = {n.split("/")[1] for n in there.azure.names(AZURE_ROW.container) if n.startswith("velero/")}
    assert inside == {"backups", "kopia"}, "Velero calls a location with any other folder unavailable"


def test_every_object_is_under_the_vaults_lock(there: House) -> None:
    there.furnish()
    there.work()
    until = now() + timedelta(days=S3_ROW.lock.days - 1)
    for name in there.held(S3_ROW.name):
        head = there.s3.head_object(Bucket=S3_ROW.bucket, Key=name)
        assert head["ObjectLockMode"] == S3_ROW.lock.mode, name
        assert head["ObjectLockRetainUntilDate"] > until
    assert all(blob.until and blob.until > until for blob in there.azure.blobs.values())


def test_the_second_copy_writes_only_what_is_new(there: House) -> None:
    # Old enough for a new copy, with a dump that is too young for a new one.
    there.furnish(hours=6.2, volumes=5)
    there.work()
    there.furnish(hours=2, volumes=7)
    line = Line(there.azure)
    there.keeper(line=line).work(until=now() + timedelta(minutes=15))
    for vault in VAULTS:
        first, second = there.whole(vault)
        assert first < second
        assert json.loads(there.held(vault)[f"manifests/{second}.json"])["objects"] == 10
        assert there.held(vault)["velero/kopia/cache/kopia.maintenance"].startswith(b"as of")
    # Two packs, the dump, the backup's two files, three records, the manifest; five packs were there.
    assert len([sent for sent in line.sent if sent.startswith("PUT")]) == 9


def test_a_young_copy_is_not_made_anew_unless_a_person_asks(there: House) -> None:
    there.furnish(hours=3)
    there.work()
    there.furnish(hours=2)
    assert "a new one begins at" in there.work()[S3_ROW.name]
    assert len(there.whole(S3_ROW.name)) == 1
    there.work(begin=True)
    assert len(there.whole(S3_ROW.name)) == 2
    assert "nothing newer is there" in there.work(begin=True)[S3_ROW.name]


def test_a_large_object_goes_up_in_parts_and_is_read_twice(there: House, monkeypatch: pytest.MonkeyPatch) -> None:
    size = 5 * 1024**2
    monkeypatch.setattr(vault_s3, "PART", size)
    monkeypatch.setattr(vaults, "PART", size)
    monkeypatch.setattr("chalicelib.clients.vault_copies.PART", size)
    there.furnish()
    assert AIRGAP is not None
    body = bytes(range(256)) * (13 * 1024**2 // 256)
    there.put(AIRGAP.source.bucket, "velero/kopia/cache/p9999", body)
    there.work()
    for vault in VAULTS:
        assert there.held(vault)["velero/kopia/cache/p9999"] == body
        assert len(there.whole(vault)) == 1
    head = there.s3.head_object(Bucket=S3_ROW.bucket, Key="velero/kopia/cache/p9999")
    assert head["ETag"].endswith('-3"')


def test_a_backup_that_is_not_replicated_yet_is_not_copied(there: House) -> None:
    backup = there.furnish()
    assert AIRGAP is not None
    there.s3.delete_object(Bucket=AIRGAP.source.bucket, Key=f"velero/backups/{backup}/{backup}.tar.gz")
    there.work()
    assert there.whole(S3_ROW.name) == ()
    assert not [n for n in there.held(S3_ROW.name) if n.endswith(METADATA)]


def test_without_a_dump_no_copy_begins_and_one_is_made(there: House) -> None:
    there.furnish()
    assert AIRGAP is not None
    for row in there.s3.list_objects_v2(Bucket=AIRGAP.dump.bucket)["Contents"]:
        there.s3.delete_object(Bucket=AIRGAP.dump.bucket, Key=row["Key"])
    before = there.dumps
    said = there.work()
    assert "there is no dump of the database" in said[S3_ROW.name]
    assert "was accepted" in said["database-dumped"]
    (job,) = there.api.objects("jobs.batch")
    assert job["metadata"]["namespace"] == AIRGAP.dump.namespace
    assert "'name': 'PGPASSWORD', 'valueFrom'" in str(job)
    for _ in range(50):
        there.api.objects("pods")
        if there.dumps > before:
            break
        now_later()
    assert there.dumps == before + 1, [p["status"] for p in there.api.objects("pods")]
    there.work()
    assert len(there.api.objects("jobs.batch")) == 1, "one Job a period, whoever asks"
    assert there.whole(S3_ROW.name)


def now_later() -> None:
    """The cluster's own clock goes on a little: it runs a thousand times as fast as this one."""
    until = now() + timedelta(milliseconds=20)
    while now() < until:
        pass


def test_something_else_under_an_objects_name_stops_the_copy(there: House) -> None:
    backup = there.furnish()
    there.put(S3_ROW.bucket, f"velero/backups/{backup}/{backup}.tar.gz", b"not what the source holds")
    said = there.work()[S3_ROW.name]
    assert said.startswith("not made")
    assert "a person must look at the vault" in said
    assert there.whole(S3_ROW.name) == ()
    assert there.whole(AZURE_ROW.name), "the other vault goes on"


def test_nothing_is_made_while_a_person_has_paused(there: House) -> None:
    there.furnish()
    there.stopped = "a person has paused everything"
    assert "a person has paused everything" in there.work()[S3_ROW.name]
    assert there.held(S3_ROW.name) == {}


def test_azure_that_does_not_answer_leaves_the_other_vault_alone(there: House) -> None:
    there.furnish()
    there.azure.down = True
    said = there.work()
    assert "was not answered" in said[AZURE_ROW.name]
    assert there.whole(S3_ROW.name)
    assert "sig=" not in str(said)
    there.azure.down = False
    there.work()
    assert there.whole(AZURE_ROW.name)


def test_lost_progress_costs_looks_and_no_second_copy(there: House) -> None:
    there.furnish()
    there.work()
    before = {vault: there.held(vault) for vault in VAULTS}
    there.kept.lose()
    there.work(begin=True)
    assert {vault: there.held(vault) for vault in VAULTS} == before


def _names(held: dict[str, bytes]) -> dict[str, bytes]:
    """What was copied, without the records: those say when they were written."""
    return {k: v for k, v in held.items() if not k.startswith("manifests/")}


HOWS = ("before", "after", "lost")


@pytest.mark.parametrize("how", HOWS)
def test_stopped_at_any_call_to_s3_it_ends_the_same(how: str) -> None:
    with house(S3_ROW.name) as made:
        made.furnish()
        session = new_session()
        wire = Wire(session)
        made.keeper(session=session).work(until=now() + timedelta(minutes=15))
        total, wanted = len(wire.sent), _names(made.held(S3_ROW.name))
    assert total > 20
    # Each way at every third call, all calls together: a whole sweep takes minutes.
    for number in range(HOWS.index(how), total, len(HOWS)):
        with house(S3_ROW.name) as made:
            made.furnish()
            wanted_keys = {k for k in wanted if "kopia" in k}
            session = new_session()
            wire = Wire(session)
            wire.stop = (number, how)
            with suppress(Crash):
                made.keeper(session=session).work(until=now() + timedelta(minutes=15))
            made.whole(S3_ROW.name)
            if number % 2 == 0:
                made.kept.lose()
            made.work()
            made.work()
            assert len(made.whole(S3_ROW.name)) == 1, (number, how, wire.sent[number])
            assert {k for k in made.held(S3_ROW.name) if "kopia" in k} == wanted_keys


@pytest.mark.parametrize("how", HOWS)
def test_stopped_at_any_call_to_azure_it_ends_the_same(how: str) -> None:
    with house(AZURE_ROW.name) as made:
        made.furnish()
        line = Line(made.azure)
        made.keeper(line=line).work(until=now() + timedelta(minutes=15))
        total = len(line.sent)
        assert len(made.whole(AZURE_ROW.name)) == 1
    assert total > 20
    # Each way at every third call, all calls together: a whole sweep takes minutes.
    for number in range(HOWS.index(how), total, len(HOWS)):
        with house(AZURE_ROW.name) as made:
            made.furnish()
            line = Line(made.azure)
            line.stop = (number, how)
            with suppress(Crash):
                made.keeper(line=line).work(until=now() + timedelta(minutes=15))
            made.whole(AZURE_ROW.name)
            if number % 2 == 0:
                made.kept.lose()
            made.work()
            made.work()
            assert len(made.whole(AZURE_ROW.name)) == 1, (number, how)


def test_two_keepers_at_once_make_one_copy(there: House) -> None:
    there.furnish()
    one, other = there.keeper(), there.keeper()
    until = now() + timedelta(minutes=15)
    threads = [Thread(target=k.work, kwargs={"until": until}) for k in (one, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for vault in VAULTS:
        assert len(there.whole(vault)) == 1
