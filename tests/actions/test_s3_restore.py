"""A bucket on moto is put back as it was: what comes back, what stays, what is told, and after a crash anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from chalicelib.clients import s3_versions
from chalicelib.clients.s3_copies import Cut
from chalicelib.core.outcome import Act, Call, Done, Doubtful, Made, Refused, Stuck, Wait
from chalicelib.core.versions import MARK
from tests.actions import buckets
from tests.actions.buckets import AS_OF, BUCKET, NOW, Crash, House, Worker


@pytest.fixture
def house() -> Iterator[House]:
    with buckets.house() as made:
        yield made


@pytest.fixture(params=["1", "3"])
def small_pages(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """moto's own setting for how much a page of a listing holds. With one, the accident takes more than one span."""
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", request.param)


def furnish(house: House) -> dict[str, bytes]:
    """An accident with every kind of key; what was there at the moment of the restore."""
    house.put("stays", b"one", -9)
    house.put("overwritten", b"good", -9)
    house.put("overwritten", b"bad", 5)
    house.put("overwritten", b"worse", 6)
    house.put("deleted", b"precious", -9)
    house.delete("deleted", 5)
    house.put("both ü+ &/<x>", b"models", -9)
    house.put("both ü+ &/<x>", b"broken", 5)
    house.delete("both ü+ &/<x>", 6)
    house.put("empty/", b"", -9)
    house.delete("empty/", 3)
    house.put("twice", b"t", -9)
    house.delete("twice", 3)
    house.delete("twice", 4)
    house.put("new", b"n", 5)
    house.put("gone before", b"g", -9)
    house.delete("gone before", -5)
    return {
        "stays": b"one",
        "overwritten": b"good",
        "deleted": b"precious",
        "both ü+ &/<x>": b"models",
        "empty/": b"",
        "twice": b"t",
    }


def act(worker: Worker, **params: str) -> Act:
    """The first call that it asks for."""
    for _ in range(20):
        match worker.look(**params):
            case Act() as found:
                return found
            case Wait():
                continue
            case other:
                pytest.fail(str(other))
    pytest.fail("it asks for no call")


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


def test_metadata_tags_and_storage_come_along(house: House) -> None:
    house.put("m", b"good", -9, ContentType="text/x", CacheControl="no-store", Metadata={"a": "b"}, Tagging="t=1",
              StorageClass="STANDARD_IA")  # fmt: skip
    house.put("m", b"bad", 5)
    house.worker().run()
    head = house.head("m")
    assert (head["ContentType"], head["CacheControl"], head["StorageClass"]) == ("text/x", "no-store", "STANDARD_IA")
    assert head["Metadata"] == {"a": "b"}
    tags = house.client.get_object_tagging(Bucket=BUCKET, Key="artifacts/m")["TagSet"]
    assert tags == [{"Key": "t", "Value": "1"}]


@pytest.mark.parametrize("encryption", ["aws:kms", "AES256"])
def test_where_no_etag_can_tell_the_copy_says_itself_what_it_is_of(encryption: str) -> None:
    with buckets.house(encryption="SSE-KMS", kms_key="arn:aws:kms:us-east-1:111122223333:key/k") as house:
        key = {"SSEKMSKeyId": "arn:aws:kms:us-east-1:111122223333:key/k"} if encryption == "aws:kms" else {}
        wanted = house.put(
            "m", b"good", -9, ServerSideEncryption=encryption, Metadata={"a": "b"}, ContentType="x/y", **key
        )
        house.put("m", b"evil", 5, ServerSideEncryption=encryption, **key)
        worker = house.worker()
        assert isinstance(worker.run(), Done)
        head = house.head("m")
        assert head["Metadata"] == {"a": "b", MARK: wanted}
        assert (head["ServerSideEncryption"], head["ContentType"]) == (encryption, "x/y")
        again = house.worker()
        assert isinstance(again.run(), Done)
        assert again.calls == 0


@pytest.mark.parametrize(("code", "kind"), [("403", Stuck), ("404", Wait), ("SlowDown", Wait)])
def test_a_doubt_is_cleared_by_an_answer_and_never_by_a_refusal(code: str, kind: type[Any]) -> None:
    with buckets.house(encryption="SSE-KMS", kms_key="arn:aws:kms:us-east-1:111122223333:key/k") as house:
        house.put("m", b"good", -9)
        house.put("m", b"evil", 5)
        worker = house.worker()
        worker.look()
        refused = ClientError(
            {
                "Error": {"Code": code, "Message": "no"},
                "ResponseMetadata": {"HTTPStatusCode": 503 if code[0] == "S" else 0},
            },
            "HeadObject",
        )
        worker.wire.refuse = lambda operation, _: refused if operation == "HeadObject" else None
        found = worker.look()
        assert isinstance(found, kind), found
        # A version that is gone meanwhile is no copy of anything; of the others nothing is known.
        assert ("1 objects are to be put back" in found.because) == (code == "404")


def test_a_bucket_that_is_encrypted_otherwise_than_policy_says_is_told_and_not_copied(house: House) -> None:
    house.put("m", b"good", -9, ServerSideEncryption="aws:kms")
    house.put("m", b"bad", 5)
    worker = house.worker()
    outcome = worker.make(act(worker).call)
    assert isinstance(outcome, Refused)
    assert outcome.code == "EncryptedOtherwise"
    assert house.there() == {"m": b"bad"}


def test_a_large_object_is_copied_in_parts_with_all_that_belongs_to_it(house: House) -> None:
    body = b"".join(bytes([i]) * 1024 * 1024 for i in range(11))
    wanted = house.put("big", body, -9, Metadata={"a": "b"}, Tagging="t=1", ContentType="x/y")
    house.put("big", b"small", 5)
    worker = house.worker()
    cut = Cut(above=5 * 1024 * 1024, part=5 * 1024 * 1024)
    outcome = s3_versions.restore(worker.ports.aws, act(worker).call, cut=cut)
    assert isinstance(outcome, Made), outcome
    assert worker.wire.sent.count("UploadPartCopy") == 3
    assert house.there() == {"big": body}
    head = house.head("big")
    assert head["Metadata"] == {"a": "b", MARK: wanted}
    assert head["ContentType"] == "x/y"
    assert house.client.get_object_tagging(Bucket=BUCKET, Key="artifacts/big")["TagSet"] == [{"Key": "t", "Value": "1"}]
    assert isinstance(worker.run(), Done)


def test_parts_that_fail_leave_no_upload_behind(house: House) -> None:
    house.put("big", b"x" * (11 * 1024 * 1024), -9)
    house.put("big", b"small", 5)
    worker = house.worker()
    call = act(worker).call
    worker.wire.refuse = lambda operation, _: (
        ReadTimeoutError(endpoint_url="s3") if operation == "UploadPartCopy" else None
    )
    cut = Cut(above=5 * 1024 * 1024, part=5 * 1024 * 1024)
    outcome = s3_versions.restore(worker.ports.aws, call, cut=cut)
    assert isinstance(outcome, Doubtful)
    assert "'artifacts/big' was not answered" in outcome.because
    assert house.client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []) == []
    assert house.there() == {"big": b"small"}


@pytest.mark.parametrize("knows", [True, False])
def test_a_copy_is_made_only_if_the_key_is_as_it_was_where_boto3_knows_how_to_say_that(
    house: House, monkeypatch: pytest.MonkeyPatch, knows: bool
) -> None:
    house.put("m", b"good", -9)
    house.put("m", b"bad", 5)
    house.put("deleted", b"good", -9)
    house.put("deleted", b"bad", 5)
    house.delete("deleted", 6)
    if not knows:
        monkeypatch.setattr(buckets, "LOADER", buckets.OlderLoader())
    worker = house.worker()
    conditions: dict[str, tuple[str | None, str | None]] = {}

    def see(operation: str, request: Any) -> None:
        if operation == "CopyObject":
            key = request.url.rpartition("/")[2]
            conditions[key] = request.headers.get("If-Match"), request.headers.get("If-None-Match")

    worker.wire.refuse = see
    assert isinstance(worker.run(), Done)
    etag = house.client.head_object(Bucket=BUCKET, Key="artifacts/m", VersionId=house.versions()["m"][1])["ETag"]
    said = {"m": (etag.encode(), None), "deleted": (None, b"*")}
    assert conditions == (said if knows else dict.fromkeys(said, (None, None)))


def test_what_is_archived_is_told_and_everything_else_is_put_back(house: House) -> None:
    house.put("cold", b"good", -9, StorageClass="GLACIER")
    house.put("cold", b"bad", 5)
    house.put("warm", b"good", -9)
    house.put("warm", b"bad", 5)
    worker = house.worker()
    found = worker.run()
    assert isinstance(found, Stuck)
    assert "1 objects were put back, 1 cannot be put back, first 'artifacts/cold' (archived)" in found.because
    assert house.there() == {"cold": b"bad", "warm": b"good"}


def test_a_person_who_mends_what_was_in_the_way_lets_it_end(house: House) -> None:
    house.put("cold", b"good", -9, StorageClass="GLACIER")
    house.put("cold", b"bad", 5)
    worker = house.worker()
    assert isinstance(worker.run(), Stuck)
    assert isinstance(worker.look(), Stuck)
    house.client.delete_object(Bucket=BUCKET, Key="artifacts/cold", VersionId=house.versions()["cold"][1])
    worker.now += timedelta(minutes=3)
    found = worker.run()
    assert isinstance(found, Done)
    assert worker.calls == 0


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


# Crashes.


def first_call(house: House) -> tuple[Worker, Call]:
    """A worker that is about to make the one call of the accident."""
    worker = house.worker()
    call = act(worker, newer="remove").call
    return worker, call


def requests_of_the_call() -> int:
    with buckets.house() as house:
        furnish(house)
        worker, call = first_call(house)
        before = len(worker.wire.sent)
        assert isinstance(worker.make(call), Made)
        return len(worker.wire.sent) - before


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_crash_at_any_request_of_the_call_changes_only_when_it_ends(when: str) -> None:
    # What versioning is, a page, two heads, two copies, four markers taken away and one put.
    count = requests_of_the_call()
    assert count == 11
    for number in range(count):
        with buckets.house() as house:
            was = furnish(house)
            versions = house.versions()
            worker, call = first_call(house)
            worker.wire.stop = (len(worker.wire.sent) + number, when)
            with pytest.raises(Crash):
                worker.make(call)
            heir = worker.heir(house)
            assert isinstance(heir.run(newer="remove"), Done)
            assert house.there() == was, f"{when} request {number}"
            for key, ids in versions.items():
                assert house.versions()[key][: len(ids)] == ids
            # Undeleted, or copied over once: no crash makes a second copy of what is there.
            assert {key: len(ids) for key, ids in house.versions().items()} == {
                key: len(ids) + (key in ("overwritten", "both ü+ &/<x>")) for key, ids in versions.items()
            }


def test_the_lost_answer_of_any_request_of_the_call_changes_only_when_it_ends() -> None:
    for number in range(requests_of_the_call()):
        with buckets.house() as house:
            was = furnish(house)
            versions = house.versions()
            worker, call = first_call(house)
            worker.wire.stop = (len(worker.wire.sent) + number, "lost")
            assert isinstance(worker.make(call), Refused if number < 2 else Doubtful)
            assert isinstance(worker.run(newer="remove"), Done)
            assert house.there() == was, f"request {number}"
            assert sum(map(len, house.versions().values())) == sum(map(len, versions.values())) + 2


def test_a_worker_that_stops_after_any_look_is_followed_by_one_that_goes_on(monkeypatch: Any) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "3")
    with buckets.house() as house:
        was, worker = furnish(house), house.worker()
        for _ in range(60):
            match worker.look(newer="remove"):
                case Done():
                    break
                case Act(call=call):
                    worker.make(call)
                case _:
                    pass
            worker = worker.heir(house)
        assert house.there() == was
