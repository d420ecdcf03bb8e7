"""What services lean on beside each other, looked at in the primary cluster and in S3's stand-in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.actions.infrastructure_sound import InfrastructureSound, Soundness
from chalicelib.actions.reader import LiveReader
from chalicelib.core.outcome import Done, Next, NoData, Refused, Stuck, Wait
from drctl.neighbours.kubernetes.kinds import by_key
from tests.actions.stage import AT, DENIED, POLICY, SILENT, target
from tests.actions.test_failures import Primary

ACTION = InfrastructureSound()
BUCKET = "neurectomy-mlflow-us-east-1"


def looked(primary: Primary, infrastructure: str) -> Soundness | Refused | NoData:
    reader = LiveReader(primary.ports, tuple(ACTION.reads))
    return ACTION.observe(target(infrastructure=infrastructure, cluster="primary"), POLICY, reader)


def verdict(facts: Soundness | Refused | NoData) -> Next:
    return ACTION.next(target(infrastructure="ebs-volumes", cluster="primary"), POLICY, facts, AT)


@pytest.fixture
def primary() -> Primary:
    return Primary()


@pytest.mark.parametrize("name", ["ebs-volumes", "pvc", "storage"])
def test_a_whole_cluster_s_claims_are_bound_and_attached(primary: Primary, name: str) -> None:
    facts = looked(primary, name)
    assert isinstance(facts, Soundness)
    assert (facts.sound, facts.lacking) == (1, ())
    assert isinstance(verdict(facts), Done)


def test_a_claim_that_is_gone_is_told_with_its_service_and_the_way_back(primary: Primary) -> None:
    (claim,) = [c for c in primary.api.objects("persistentvolumeclaims") if c["metadata"]["namespace"] == "cache"]
    primary.api.cluster.remove(by_key("persistentvolumeclaims"), claim)
    said = verdict(looked(primary, "ebs-volumes"))
    assert isinstance(said, Wait)
    assert "Redis leans on it and has no claim in 'cache'; the way back is volumes-attached or velero-restore" in (
        said.because
    )


def test_a_volume_that_stays_on_a_dead_node_is_not_attached_where_its_pod_is(primary: Primary) -> None:
    primary.lose(primary.node_of("redis"), "stopped")
    primary.move(420)
    facts = looked(primary, "ebs-volumes")
    assert isinstance(facts, Soundness)
    (said,) = facts.lacking
    assert f"of Redis is not attached to node '{primary.node_of('redis')}', where its pod is" in said


@dataclass
class Answers:
    """A reader that answers from a table, by resource or operation, and keeps what it was asked."""

    kube_: Mapping[str, Any] = field(default_factory=dict)
    aws_: Any = None
    asked: list[str] = field(default_factory=list)

    def kube(self, cluster: str, resource: str, **_: Any) -> Any:
        self.asked.append(f"{cluster} {resource}")
        return self.kube_.get(resource, ())

    def aws(self, service: str, region: str, operation: str, **params: Any) -> Any:
        self.asked.append(f"{service} {region} {operation} {params}")
        return self.aws_


def seen(name: str, reader: Answers) -> Soundness | Refused | NoData:
    return ACTION.observe(target(infrastructure=name, cluster="primary"), POLICY, reader)  # type: ignore[arg-type] # a table


def claims(phase: str) -> Sequence[Mapping[str, Any]]:
    return [{"metadata": {"name": "c"}, "spec": {"volumeName": "v"}, "status": {"phase": phase}}]


@pytest.mark.parametrize("phase", ["Pending", "Lost"])
def test_a_claim_without_its_volume_is_told(phase: str) -> None:
    facts = seen("pvc", Answers({"v1 persistentvolumeclaims": claims(phase)}))
    assert isinstance(facts, Soundness)
    assert facts.lacking == (f"claim 'c' of Prometheus is {phase}, expected Bound",)


def test_a_claim_that_no_pod_uses_need_not_be_attached() -> None:
    facts = seen("pvc", Answers({"v1 persistentvolumeclaims": claims("Bound")}))
    assert facts == Soundness("PersistentVolumeClaim", 1, (), ("velero-restore", "velero-missing"))


def test_a_bucket_that_keeps_what_is_deleted_is_sound() -> None:
    reader = Answers(aws_={"Status": "Enabled"})
    assert seen("s3", reader) == Soundness("S3", 1, (), ("s3-restore",))
    assert reader.asked == [f"s3 us-east-1 get_bucket_versioning {{'Bucket': '{BUCKET}'}}"]


@pytest.mark.parametrize(("answer", "status"), [({}, "never enabled"), ({"Status": "Suspended"}, "Suspended")])
def test_a_bucket_that_keeps_nothing_is_told(answer: Mapping[str, Any], status: str) -> None:
    facts = seen("s3", Answers(aws_=answer))
    assert isinstance(facts, Soundness)
    assert facts.lacking == (f"versioning of bucket '{BUCKET}' is {status}, expected Enabled",)


def test_a_bucket_that_is_gone_is_told() -> None:
    facts = seen("s3", Answers(aws_=Refused(code="NoSuchBucket", because="gone")))
    assert isinstance(facts, Soundness)
    assert facts.lacking == (f"bucket '{BUCKET}' is not there",)


@pytest.mark.parametrize("answer", [SILENT, DENIED])
def test_silence_and_refusal_are_never_read_as_broken(answer: NoData | Refused) -> None:
    assert seen("s3", Answers(aws_=answer)) == answer
    for resource in ("storage.k8s.io/v1 volumeattachments", "v1 persistentvolumeclaims", "v1 pods"):
        assert seen("ebs-volumes", Answers({resource: answer})) == answer


def test_it_waits_in_silence_and_stops_where_nobody_may_look() -> None:
    waits, stops = verdict(SILENT), verdict(DENIED)
    assert isinstance(waits, Wait)
    assert waits.again_in == timedelta(seconds=10)
    assert isinstance(stops, Stuck)
    assert "AccessDenied" in stops.because
