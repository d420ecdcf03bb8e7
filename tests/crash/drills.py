"""A drill of a region failure, told as a story: nothing is broken, a person begins it, and nothing of it is left."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final, cast

from chalicelib.bootstrap import Responder
from chalicelib.core.incident import Incident
from chalicelib.core.outcome import Call, Outcome
from chalicelib.desk import Desk
from chalicelib.executor import Executor
from chalicelib.intake.probe import from_heartbeat, from_probe
from chalicelib.policy import Policy
from chalicelib.policy.platform import Mode
from chalicelib.policy.runbooks import Runbook
from chalicelib.settings import SHORTEST_SHIFT
from chalicelib.store.codec import read_incident
from tests.crash.datapoint import furnish
from tests.crash.inline import one_thread
from tests.crash.outside import Stop
from tests.crash.platform_in_process import POLICY, SPEED, START, Platform
from tests.crash.story import Story, route53
from tests.crash.versioned import Version

BEGUN_AT: Final = START + timedelta(seconds=6)
COPIES: Final = "drill-"
FOLDER: Final = POLICY.drills.test_folder
assert FOLDER
BUCKET: Final = FOLDER.bucket


def nothing(_: Platform) -> None:
    """The primary is well."""


class DrillStory(Story):
    """It is over when the drill has left the book, and everybody knows what there is to know of it."""

    def __init__(
        self,
        *stops: Stop,
        runbook: str = "region-failure",
        kind: str = "",
        answers: bool = False,
        policy: Policy = POLICY,
    ) -> None:
        super().__init__(*stops, policy=policy, breaks=nothing, answers=answers)
        self._wanted = {"command": "drill", "runbook": runbook, **({"kind": kind} if kind else {})}
        self.calls: list[Call] = []
        self._plain = self.platform.responder
        self.platform.responder = self._recording  # type: ignore[method-assign] # the same worker, overheard

    def evidence(self) -> None:
        self.platform.clock.at(BEGUN_AT, self._begin_it)

    def _begin_it(self) -> None:
        """As soon as the mode lets it: a crash may have delayed that, and nobody begins a drill before the answer."""
        book = self.platform.book()
        if book is None or book.mode is Mode.OBSERVE:
            self.platform.clock.at(self.platform.clock.now() + timedelta(seconds=1), self._begin_it)
        else:
            self.say("drill", self._wanted)

    def drill(self) -> Incident | None:
        """The one that is in the book."""
        book = self.platform.book()
        return next(iter(book.drills.values()), None) if book else None

    def _over(self) -> bool:
        book, store = self.platform.book(), self.platform.store
        gone = book is not None and not (book.drills or book.incidents or book.findings)
        return bool(store.docs.get("drill")) and gone and not store.items

    def _recording(self) -> Responder:
        made = self._plain()
        hands = cast("Executor", made.desk.tools.hands)
        return replace(made, desk=Desk(replace(made.desk.tools, hands=Overheard(hands, self.calls))))


def patient(policy: Policy) -> Policy:
    """With the deadlines of real time. A worker that ends leaves the desk held for a real shift, which no speed scales,
    and a step of a drill that is not done by its deadline has failed.
    """

    def unscaled(row: Runbook) -> Runbook:
        steps = tuple(step.model_copy(update={"deadline": step.deadline * SPEED}) for step in row.steps)
        return row.model_copy(update={"steps": steps})

    books = policy.runbooks.model_copy(update={"runbooks": tuple(map(unscaled, policy.runbooks.runbooks))})
    drills = policy.drills.model_copy(update={"clean_within": policy.drills.clean_within * SPEED})
    return policy.model_copy(update={"runbooks": books, "drills": drills})


class PatientDrillStory(DrillStory):
    """One that is told with faults."""

    def __init__(self, *stops: Stop) -> None:
        super().__init__(*stops, policy=patient(POLICY))


class ObjectsDrillStory(DrillStory):
    """A drill of a runbook that puts objects back; beside its folder there are artifacts, which are nobody's drill."""

    shift = SHORTEST_SHIFT  # a span of a bucket is one call, which fits into no shorter one

    def __init__(self, *stops: Stop, runbook: str = "accidental-deletion", policy: Policy | None = None) -> None:
        super().__init__(*stops, runbook=runbook, policy=policy or patient(POLICY))
        furnish(self.platform)
        self.before = versions(self.platform)

    def tell(self) -> Platform:
        """See Story: by one thread, as it forks at each of its calls."""
        with one_thread():
            return super().tell()


class Overheard:
    """The executor, with every call that it is asked to make written down first."""

    def __init__(self, hands: Executor, calls: list[Call]) -> None:
        self._hands, self._calls = hands, calls

    def make(self, call: Call) -> Outcome:
        self._calls.append(call)
        return self._hands.make(call)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._hands, name)


class AlarmStory(DrillStory):
    """When the drill has come to `step`, the primary region is lost; a person answers what its recovery asks. With
    `back` the region is there again once it is over, so that what stood in it can be seen to be gone.
    """

    def __init__(self, *stops: Stop, step: str = "restore-authentication", runbook: str = "region-failure") -> None:
        super().__init__(*stops, runbook=runbook, answers=True)
        self._step = step
        self.fallen = False

    def evidence(self) -> None:
        super().evidence()
        self.platform.clock.at(BEGUN_AT, self._watch)

    def _watch(self) -> None:
        platform, case = self.platform, self.drill()
        now = platform.clock.now()
        if case and not self.fallen and case.step(self._step).calls:
            self.fallen = True
            platform.darken()
            self.alarm(now, from_probe("standby-probe", healthy=False, changed_at=now, reason="3 in a row"))
            self.alarm(now, route53(now))
            self.alarm(now, from_heartbeat("primary", healthy=False, changed_at=now, reason="silent"))
        if self.fallen and platform.dark and platform.store.docs.get("closed"):
            platform.lighten()
        platform.clock.at(now + timedelta(seconds=1), self._watch)

    def _over(self) -> bool:
        return bool(self.platform.store.docs.get("closed")) and super()._over()


def aims_at_copies(call: Call) -> bool:
    """Whether all that the call changes is a drill's own."""
    test, params = POLICY.drills.test_record, dict[str, Any](call.params)
    match call.system, call.operation:
        case "aws", "restore_db_instance_to_point_in_time":
            return COPIES in params["TargetDBInstanceIdentifier"]
        case "aws", "modify_db_instance" | "delete_db_instance":
            return COPIES in params["DBInstanceIdentifier"]
        case "aws", "restore_span":
            return own_folder(params["Bucket"], params["Prefix"])
        case "aws", "put_object" | "delete_object":
            return own_folder(params["Bucket"], params["Key"])
        case "aws", "put_metric_data":
            return test is not None and [d["MetricName"] for d in params["MetricData"]] == [test.switch.metric]
        case "kubernetes", "create velero.io/v1 restores":
            spec = params["body"]["spec"]
            mapped: dict[str, str] = spec["namespaceMapping"]
            return set(mapped) == set(spec["includedNamespaces"]) and all(v.startswith(COPIES) for v in mapped.values())
        case "kubernetes", "delete velero.io/v1 restores" | "create v1 configmaps" | "delete v1 configmaps":
            # A Restore that it deletes is one that it created: its label is the drill's.
            return str(params["name"]).startswith("dr-")
        case "kubernetes", "delete v1 namespaces":
            return str(params["name"]).startswith(COPIES)
        case "postgres", "write-heartbeat":
            return COPIES in params["source"]
        case "aws", "update_nodegroup_config":
            # The standby's nodes are the real ones: nobody is on them, and they are lowered again.
            return bool(params["clusterName"] == POLICY.platform.clusters.standby.name)
        case _:
            return False


def own_folder(bucket: str, key: str) -> bool:
    """Whether a key, or a prefix, lies in the folder of some drill."""
    return FOLDER is not None and bucket == BUCKET and key.startswith(f"{FOLDER.prefix}{COPIES}")


def kept(platform: Platform) -> Incident:
    """The one drill, as it is kept."""
    (body,) = platform.store.docs["drill"].values()
    return read_incident(body)


def left(platform: Platform) -> list[str]:
    """Everything of a drill that is still there, by name."""
    cluster = platform.clusters[POLICY.platform.clusters.standby.name].cluster
    found = [o["metadata"]["name"] for _, o in cluster.everything() if _of_drill(o)]
    found += [i.identifier for i in platform.rds.instances() if COPIES in i.identifier]
    found += sorted({v.key for v in versions(platform) if own_folder(BUCKET, v.key)})
    test = POLICY.drills.test_record
    if test and platform.cloudwatch.state(test.switch.region, test.switch.alarm) == "ALARM":
        found.append(test.record)
    return sorted(found)


def versions(platform: Platform) -> list[Version]:
    """Every version and delete marker in the bucket of drills, in the order in which they were made."""
    return list(platform.s3.versions[BUCKET])


def nodes(platform: Platform) -> int:
    """How many the standby's group is to have."""
    row = POLICY.platform.clusters.standby
    return platform.eks.nodegroup(row.name, row.node_group.name).sizes["desiredSize"] if row.node_group else 0


def _of_drill(obj: dict[str, Any]) -> bool:
    meta, spec = obj["metadata"], obj.get("spec") or {}
    named = (meta["name"], meta.get("namespace", ""), (spec.get("claimRef") or {}).get("namespace", ""))
    return COPIES in str(meta.get("labels") or {}) or any(COPIES in name for name in named)
