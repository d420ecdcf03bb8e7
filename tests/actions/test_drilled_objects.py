"""A drill's own folder on a bucket with versions: how it is made, which moment it has, and what is deleted in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.actions.contract import Reader, Target
from chalicelib.actions.drill_folder import GAP, PLANNED, SECOND, folder_of, listed, moment_in
from chalicelib.actions.drill_objects import DrillObjectsGone, Found
from chalicelib.actions.registry import ACTIONS
from chalicelib.core.outcome import Act, Call, Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.core.restoring import written
from chalicelib.core.versions import Entry
from drctl.neighbours.aws import AwsError
from tests.actions.drilled_objects import FOLDER
from tests.actions.stage import AT, POLICY, target
from tests.crash.versioned import VersionedS3

BUCKET: Final = FOLDER.row.bucket
COPY: Final = {"copy": "drill"}
TAKES: Final = timedelta(seconds=0.3)
"""How long a call takes."""
OTHERS: Final = (
    "artifacts/0/model",
    FOLDER.prefix.removesuffix("/"),
    f"{FOLDER.prefix.removesuffix('/')}-2/objects/kept",
    "dr-drill/drill-other/objects/kept",
)
"""What is nobody's of this drill, be its name ever so near."""


@dataclass
class Bench:
    """A drill's steps on a bucket, whose clock goes as they wait; `ahead` is how far S3's is before ours."""

    ahead: timedelta = timedelta()
    page: int = 1000
    now: Any = AT
    made: list[Call] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.s3 = VersionedS3(clock=lambda: self.now + self.ahead)
        self.s3.versioned(BUCKET, FOLDER.row.kms_key or "")

    def aws(self, _service: str, region: str, operation: str, **params: Any) -> Mapping[str, Any] | Refused | NoData:
        more: dict[str, Any] = {"MaxKeys": self.page} if operation == "list_object_versions" else {}
        if isinstance(body := params.get("Body"), str):
            more["Body"] = body.encode()  # as boto3 sends it
        try:
            found: Mapping[str, Any] = getattr(self.s3, operation)(region, "", {**params, **more})
        except AwsError as error:
            return Refused(code=error.code, because=str(error))
        return found

    def aws_each(self, service: str, region: str, operation: str, each: Sequence[Mapping[str, Any]]) -> Sequence[Any]:
        return [self.aws(service, region, operation, **params) for params in each]

    def target(self) -> Target:
        return replace(target(**COPY), at=self.now)

    def look(self, name: str) -> Next:
        action, aimed = ACTIONS[name], self.target()
        facts = action.observe(aimed, POLICY, cast("Reader", self))
        return action.next(aimed, POLICY, facts, self.now)

    def make(self, call: Call) -> None:
        self.now += TAKES
        self.made.append(call)
        self.aws(call.service, call.region, call.operation, **call.params)

    def put(self, key: str, body: str) -> None:
        """Whoever does it."""
        self.s3.put_object("", "", {"Bucket": BUCKET, "Key": key, "Body": body.encode()})

    def run(self, name: str, *, twice: int = -1) -> Next:
        """To its end, or to where it is stuck; the call of that number is made twice."""
        for _ in range(200):
            match self.look(name):
                case Act(call=call):
                    for _ in range(2 if len(self.made) == twice else 1):
                        self.make(call)
                case Wait(again_in=again):
                    self.now += again / POLICY.speed
                case found:
                    return found
        raise AssertionError(f"{name} goes on and on: {self.look(name)}")

    def moment(self) -> Any:
        found = listed(FOLDER, cast("Reader", self))
        assert isinstance(found, tuple)
        return moment_in(FOLDER, found)

    def everything(self) -> list[tuple[str, str]]:
        return [(v.key, v.identifier) for v in self.s3.versions[BUCKET]]


@pytest.mark.parametrize("ahead", [0, 0.4, 5, -0.4, -5])
@pytest.mark.parametrize("page", [1000, 2])
def test_the_moment_lies_strictly_between_what_was_there_and_what_was_changed(ahead: float, page: int) -> None:
    bench = Bench(ahead=timedelta(seconds=ahead), page=page)
    done = bench.run("drill-objects")
    assert isinstance(done, Done)
    moment = bench.moment()
    assert done.facts == {"moment": written(moment)}
    stamps = {v.identifier: v.at for v in bench.s3.versions[BUCKET] if v.key.startswith(FOLDER.objects)}
    before, after = [at for at in stamps.values() if at < moment], [at for at in stamps.values() if at > moment]
    assert len(before) == sum(p.there for p in PLANNED)
    assert len(after) == sum(len(p.changes) for p in PLANNED)
    assert len(before) + len(after) == len(stamps)
    # What is written in the second in which a restore begins is nobody's accident: ours is older.
    assert max(after) + SECOND <= bench.now
    assert {c.params["Bucket"] for c in bench.made} == {BUCKET}
    assert all(c.params["Key"].startswith(FOLDER.prefix) and c.reversible for c in bench.made)


@pytest.mark.parametrize("number", range(10))
def test_a_call_whose_answer_was_lost_and_that_comes_twice_changes_nothing_of_what_is_found(number: int) -> None:
    bench = Bench()
    assert isinstance(bench.run("drill-objects", twice=number), Done)
    before = bench.moment()
    # A late second object that marks the moment marks no other one.
    bench.put(FOLDER.mark, "late")
    assert bench.moment() == before
    bench.now += GAP
    assert isinstance(bench.look("drill-objects"), Done)


def test_an_object_that_marks_the_moment_too_early_is_written_again() -> None:
    bench = Bench()
    for planned in PLANNED[:4]:
        bench.put(FOLDER.key(planned), FOLDER.was(planned))
    bench.put(FOLDER.mark, "early")
    assert bench.moment() is None
    assert isinstance(bench.run("drill-objects"), Done)
    assert [c.params["Key"] for c in bench.made].count(FOLDER.mark) == 1


def test_in_a_bucket_that_keeps_no_versions_nothing_is_written() -> None:
    bench = Bench()
    bench.s3.buckets[BUCKET].versioning = "Suspended"
    found = bench.run("drill-objects")
    assert isinstance(found, Stuck)
    assert "is Suspended, expected Enabled" in found.because
    assert bench.made == []


def test_without_a_moment_nothing_is_counted_and_nothing_is_put_back() -> None:
    bench = Bench()
    for name in ("s3-count", "s3-restore", "drill-objects-same"):
        found = bench.look(name)
        assert isinstance(found, Stuck)
        assert "has no moment" in found.because


def test_what_is_harmed_and_not_put_back_is_told_by_its_key() -> None:
    bench = Bench()
    bench.run("drill-objects")
    found = bench.look("drill-objects-same")
    assert isinstance(found, Stuck)
    for said in (
        "overwritten' is not as it was",
        "deleted' is not there",
        "overwritten-and-deleted' is not there",
        "added' was not there then, and can be read",
    ):
        assert said in found.because
    assert "kept'" not in found.because


@pytest.mark.parametrize("page", [1000, 1])
def test_every_version_of_the_folder_is_deleted_and_nothing_else_be_its_name_ever_so_near(page: int) -> None:
    bench = Bench(page=page)
    for key in OTHERS:
        bench.put(key, "somebody's")
        bench.s3.delete_object("", "", {"Bucket": BUCKET, "Key": key})
    before = bench.everything()
    bench.run("drill-objects")
    bench.made.clear()
    assert isinstance(bench.run("drill-objects-gone"), Done)
    assert bench.everything() == before
    assert all(c.operation == "delete_object" and c.params["VersionId"] for c in bench.made)
    assert not any(c.reversible for c in bench.made)
    assert isinstance(bench.look("drill-objects-gone"), Done)


KEYS: Final = st.one_of(
    st.sampled_from([*OTHERS, FOLDER.mark, FOLDER.objects, FOLDER.prefix, *(FOLDER.key(p) for p in PLANNED)]),
    st.text(max_size=30),
    st.text(max_size=10).map(lambda text: FOLDER.prefix + text),
    st.text(max_size=10).map(lambda text: FOLDER.prefix.removesuffix("/") + text),
)


@given(st.lists(st.builds(Entry, KEYS, st.text(min_size=1), st.just(AT), st.booleans(), st.booleans()), max_size=8))
def test_whatever_a_listing_says_no_call_is_for_a_key_outside_of_the_drill_s_folder(found: list[Entry]) -> None:
    said = DrillObjectsGone().next(target(**COPY), POLICY, Found(tuple(found)), AT)
    if isinstance(said, Act):
        key, version = said.call.params["Key"], said.call.params["VersionId"]
        assert key.startswith(FOLDER.prefix)
        assert (key, version) in {(e.key, e.version) for e in found}
    else:
        assert isinstance(said, Done)
        assert not [e for e in found if e.key.startswith(FOLDER.prefix)]


def test_a_policy_without_a_folder_has_none_to_look_into() -> None:
    without = POLICY.model_copy(update={"drills": POLICY.drills.model_copy(update={"test_folder": None})})
    with pytest.raises(KeyError, match="test_folder"):
        folder_of(target(), without)
