"""A bucket on moto is put back as it was: what comes back, what stays, what is told."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from chalicelib.clients import s3_versions
from chalicelib.core.outcome import Act, Done, Doubtful, Made, Refused, Stuck, Wait
from tests.actions import buckets
from tests.actions.buckets import AS_OF, NOW, House, act, furnish


@pytest.fixture
def house() -> Iterator[House]:
    with buckets.house() as made:
        yield made


@pytest.fixture(params=["1", "3"])
def small_pages(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """moto's own setting for how much a page of a listing holds. With one, the accident takes more than one span."""
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", request.param)


def test_what_was_deleted_or_overwritten_is_as_it_was_and_what_is_new_stays(house: House) -> None:
    was, worker = furnish(house), house.worker()
    found = worker.run()
    assert isinstance(found, Done), found
    assert house.there() == {**was, "new": b"n"}
    assert worker.facts["put_back"] == 5
    assert "nothing is missing, 5 objects were put back, 1 that were not there then stay" in found.because


def test_what_was_not_there_is_hidden_when_the_step_says_so_and_no_version_of_it_is_lost(house: House) -> None:
    was, worker = furnish(house), house.worker()
    before = house.versions()
    assert isinstance(worker.run(newer="remove"), Done)
    assert house.there() == was
    for key, versions in before.items():
        assert house.versions()[key][: len(versions)] == versions


def test_undeleting_brings_the_very_version_back_and_copying_makes_a_new_one(house: House) -> None:
    furnish(house)
    before = house.versions()
    house.worker().run()
    after = house.versions()
    assert after["deleted"] == before["deleted"]
    assert after["twice"] == before["twice"]
    assert len(after["overwritten"]) == len(before["overwritten"]) + 1


def test_a_second_restore_finds_nothing_and_calls_nothing(house: House) -> None:
    furnish(house)
    house.worker().run(newer="remove")
    again = house.worker()
    again.now += timedelta(minutes=5)
    assert isinstance(again.run(newer="remove"), Done)
    assert again.calls == 0
    assert set(again.wire.sent) == {"GetBucketVersioning", "ListObjectVersions"}


@pytest.mark.usefixtures("small_pages")
def test_it_is_the_same_over_many_small_pages(house: House) -> None:
    was, worker = furnish(house), house.worker()
    worker.run(newer="remove")
    assert house.there() == was
    assert worker.facts["total"] == 17
    # Four markers are gone, two copies and one marker are new.
    assert worker.facts["examined"] == 17 - 4 + 2 + 1


def test_counts_come_first_and_are_what_the_call_says(house: House) -> None:
    furnish(house)
    worker = house.worker()
    first = act(worker, newer="remove")
    assert "ListObjectVersions" in worker.wire.sent
    assert not {"CopyObject", "DeleteObject"} & set(worker.wire.sent)
    assert "6 objects are to be put back (2 copied over, 10 bytes; 3 undeleted; 1 hidden)" in first.because
    assert "0 of about 17 versions examined" in first.because
    assert first.facts["total"] == 17


def test_counting_alone_says_the_same_and_changes_nothing(house: House) -> None:
    furnish(house)
    before = house.versions(), house.there()
    worker = house.worker()
    found = worker.run("s3-count", newer="remove")
    assert isinstance(found, Done)
    assert "17 versions examined, 6 objects are to be put back" in found.because
    assert (found.facts["copies"], found.facts["undeletes"], found.facts["removes"]) == (2, 3, 1)
    assert (house.versions(), house.there()) == before
    assert set(worker.wire.sent) == {"GetBucketVersioning", "ListObjectVersions"}


def test_looks_without_the_call_being_made_neither_go_on_nor_give_up(house: House) -> None:
    furnish(house)
    worker = house.worker()
    first = act(worker)
    for _ in range(6):  # held back, or asking: it is looked at again and again
        again = worker.look()
        assert isinstance(again, Act)
        assert again.call == first.call
    assert isinstance(worker.run(), Done)


def test_only_the_prefix_is_touched(house: House) -> None:
    for key in ("run-1/model", "run-10/model", "run-2/model"):
        house.put(key, b"good", -9)
        house.delete(key, 5)
    house.worker().run(prefix="artifacts/run-1/")
    assert set(house.there()) == {"run-1/model"}


def test_what_is_written_since_the_restore_began_is_left_alone(house: House) -> None:
    furnish(house)
    worker = house.worker()
    first = act(worker)
    house.put("overwritten", b"alive", 90)
    house.put("brand new", b"b", 90)
    worker.make(first.call)
    found = worker.run(newer="remove")
    assert isinstance(found, Done), found
    assert house.there()["overwritten"] == b"alive"
    assert house.there()["brand new"] == b"b"
    assert "2 written since" in found.because


def test_what_is_written_while_somebody_makes_up_their_mind_is_put_back_too(house: House) -> None:
    was = furnish(house)
    worker = house.worker()
    worker.now = AS_OF + timedelta(minutes=10)
    act(worker)
    house.put("stays", b"corrupted later", 20)
    house.delete("twice", 25)
    worker.now = NOW
    assert isinstance(worker.run(), Done)
    assert house.there() == {**was, "new": b"n"}


def test_one_object_that_cannot_be_put_back_keeps_no_other_from_it_and_is_told_by_its_key(house: House) -> None:
    was, worker = furnish(house), house.worker()
    denied = ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "CopyObject")
    worker.wire.refuse = lambda operation, request: (
        denied if operation == "CopyObject" and "overwritten" in request.url else None
    )
    found = worker.run()
    assert isinstance(found, Stuck)
    assert "4 objects were put back, 1 failed, first 'artifacts/overwritten'" in found.because
    assert house.there() == {**was, "new": b"n", "overwritten": b"worse"}
    told = [o for o in worker.outcomes if not isinstance(o, Made)]
    assert isinstance(told[0], Doubtful)
    assert "4 objects of bucket 'house-artifacts' put back (1 copied over, 3 undeleted), 1 failed" in told[0].because
    assert "'artifacts/overwritten' which was refused: no (AccessDenied)" in told[0].because
    assert isinstance(told[1], Refused)
    worker.wire.refuse = lambda *_: None
    assert isinstance(worker.look(), Stuck)
    worker.now += timedelta(minutes=3)
    assert isinstance(worker.run(), Done)
    assert house.there() == {**was, "new": b"n"}


def test_a_lost_answer_is_a_doubt_and_the_next_look_finds_what_came_of_it(house: House) -> None:
    was, worker = furnish(house), house.worker()
    lost = iter([ReadTimeoutError(endpoint_url="s3")])
    worker.wire.refuse = lambda operation, _: next(lost, None) if operation == "CopyObject" else None
    found = worker.run()
    assert isinstance(found, Done)
    assert isinstance(worker.outcomes[0], Doubtful)
    assert house.there() == {**was, "new": b"n"}


def test_when_s3_asks_to_slow_down_nothing_more_is_begun(house: House) -> None:
    for i in range(40):
        house.put(f"k{i:02}", b"good", -9)
        house.delete(f"k{i:02}", 5)
    worker = house.worker()
    call = act(worker).call
    slow = ClientError({"Error": {"Code": "SlowDown", "Message": "Please reduce your request rate."}}, "DeleteObject")
    worker.wire.refuse = lambda operation, _: slow if operation == "DeleteObject" else None
    outcome = s3_versions.restore(worker.ports.aws, call, side_by_side=1)
    assert worker.wire.sent.count("DeleteObject") == 1
    assert isinstance(outcome, Refused)
    assert outcome.code == "SlowDown"
    assert "39 not begun" in outcome.because


def test_nothing_is_begun_after_the_time_in_which_it_could_end(house: House) -> None:
    furnish(house)
    worker = house.worker()
    call = act(worker).call
    times = iter([0.0])
    outcome = s3_versions.restore(worker.ports.aws, call, now=lambda: next(times, 21.0))
    assert isinstance(outcome, Doubtful)
    assert "0 objects of bucket 'house-artifacts' put back, 5 not begun" in outcome.because


def test_a_call_that_is_made_twice_has_nothing_to_do_the_second_time(house: House) -> None:
    furnish(house)
    worker = house.worker()
    call = act(worker).call
    worker.make(call)
    before = house.versions()
    outcome = worker.make(call)
    assert isinstance(outcome, Made)
    assert outcome.because.startswith("0 objects")
    assert house.versions() == before


@pytest.mark.parametrize("status", ["Suspended", None])
def test_without_versioning_nothing_is_looked_for_and_nothing_is_moved(house: House, status: str | None) -> None:
    was = furnish(house)
    first = act(house.worker()).call
    if status is None:
        house._model().versioning_status = None
    else:
        house.versioning(status)
    worker = house.worker()
    found = worker.look()
    assert isinstance(found, Stuck)
    assert "expected Enabled" in found.because
    assert "nothing was moved" in found.because
    outcome = worker.make(first)
    assert isinstance(outcome, Refused)
    assert outcome.code == "VersioningNotEnabled"
    assert house.there() != was
    assert not {"CopyObject", "DeleteObject"} & set(worker.wire.sent)


@pytest.mark.parametrize(
    ("params", "says"),
    [
        (
            {"bucket": "elsewhere"},
            "bucket 'elsewhere' may not be put back; allowed are those of backups.yaml restorable",
        ),
        ({"bucket": ""}, "bucket '' may not be put back"),
        (
            {"prefix": "other/"},
            "prefix 'other/' of bucket 'house-artifacts' may not be put back; allowed is what begins",
        ),
        ({"prefix": ""}, "may not be put back; allowed is what begins with 'artifacts/'"),
        ({"newer": "purge"}, "newer is 'purge'; allowed are keep"),
        ({"as_of": (NOW + timedelta(seconds=1)).isoformat()}, "is in the future of"),
        ({"as_of": (NOW - timedelta(days=7, seconds=1)).isoformat()}, "put back by at most 7d"),
        ({"as_of": AS_OF.replace(tzinfo=None).isoformat()}, "time zone"),
        ({"as_of": "last Tuesday"}, "is no moment"),
        ({"as_of": ""}, "is no moment"),
    ],
)
@pytest.mark.parametrize("name", ["s3-count", "s3-restore"])
def test_what_cannot_be_meant_is_told_before_anything_is_asked_of_s3(
    house: House, name: str, params: dict[str, str], says: str
) -> None:
    worker = house.worker()
    found = worker.look(name, **params)
    assert isinstance(found, Stuck)
    assert says in found.because
    assert "nothing was moved" in found.because
    assert worker.wire.sent == []


def test_a_restore_that_takes_long_does_not_fall_out_of_the_retention_it_began_in(house: House) -> None:
    furnish(house)
    worker = house.worker()
    edge = {"as_of": (NOW - timedelta(days=7)).isoformat()}
    assert isinstance(worker.look(**edge), Wait)
    worker.now += timedelta(hours=3)
    assert isinstance(worker.look(**edge), Wait | Done)


def test_a_bucket_that_does_not_answer_is_asked_again_and_one_that_refuses_wants_a_person(house: House) -> None:
    worker = house.worker()
    worker.wire.refuse = lambda *_: ReadTimeoutError(endpoint_url="s3")
    assert isinstance(worker.look(), Wait)
    assert worker.facts == {}
    denied = ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "ListObjectVersions")
    worker.wire.refuse = lambda *_: denied
    found = worker.look()
    assert isinstance(found, Stuck)
    assert "AccessDenied" in found.because
