"""A security breach, told as a story: GuardDuty finds an intruder, a person says so, and people contain it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from chalicelib.core.book import Book
from chalicelib.core.bounds import spelled
from chalicelib.core.incident import StepState
from chalicelib.intake.service_events import finding
from chalicelib.policy.people import Person
from chalicelib.settings import SHORTEST_SHIFT
from drctl.neighbours.kubernetes.api import seed
from drctl.world import said
from tests.crash.datapoint import AS_OF, BUCKET, PREFIX, artifacts, furnish
from tests.crash.failures import primary, says
from tests.crash.inline import one_thread
from tests.crash.outside import Stop
from tests.crash.platform_in_process import POLICY, START, Platform
from tests.crash.story import DARK_AT, PERSON, Story

FOUND_AT: Final = START + timedelta(seconds=12)
DECLARED_AT: Final = START + timedelta(seconds=20)
SCENARIO: Final = "security-breach"
SCOPE: Final = f"{POLICY.platform.name}/security"
SPACE: Final = "ml"
TYPE: Final = "UnauthorizedAccess:EC2/MaliciousIPCaller.Custom"
ENCRYPTS: Final = "Impact:S3/AnomalousBehavior.Write"
CHOSEN_AT: Final = START + timedelta(seconds=26)
CONTAINED: Final = (
    *("quarantine-instances", "quarantine-subnets", "quarantine-namespaces"),
    *("pause-lifecycles", "keep-databases", "keep-images"),
    *("keep-backups", "keep-standby-backups", "pause-schedules", "room"),
)
KEPT: Final = ("snapshots", "logs", "objects", "copies", "rewrites")
RESTORES: Final = ("restore-database", "switch-database", "room-restore", "rebuild")
THEIRS: Final[dict[str, Any]] = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"name": "from-the-gateway", "namespace": SPACE},
    "spec": {
        "podSelector": {"matchLabels": {"app.kubernetes.io/name": "ml-service"}},
        "policyTypes": ["Ingress"],
        "ingress": [{"from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "edge"}}}]}],
    },
}
"""A policy that the namespace had before, and that lets something through."""


def suspect(platform: Platform) -> str:
    """The instance that the intruder is in: the first node of Karpenter's."""
    return min(i.identifier for i in platform.ec2.instances.every.values() if i.state == "running")


def found(platform: Platform) -> said.Finding:
    """What GuardDuty finds at that instance."""
    return said.Finding(
        account=POLICY.platform.account,
        region=POLICY.platform.regions.primary,
        type=TYPE,
        severity=8,
        number=1,
        began_at=DARK_AT,
        instance=suspect(platform),
    )


def intrude(platform: Platform) -> None:
    """GuardDuty has found somebody."""
    platform.guardduty.found(found(platform).kept(count=1, archived=False, at=FOUND_AT))


def encrypt(platform: Platform) -> None:
    """Nobody can read the artifacts any more: one is gone, the others are overwritten."""
    intrude(platform)
    gone, *spoiled = sorted(artifacts(platform))
    platform.s3.delete_object("", "", {"Bucket": BUCKET, "Key": gone})
    for key in spoiled:
        platform.s3.put_object("", "", {"Bucket": BUCKET, "Key": key, "Body": b"unreadable"})


def standing(platform: Platform) -> dict[str, Any]:
    """Everything that a containment moves, as it is."""
    api = primary(platform)
    clusters = platform.clusters.values()
    return {
        "groups": {i.identifier: i.groups for i in platform.ec2.instances.interfaces.every.values()},
        "protected": {i.identifier: i.protected for i in platform.ec2.instances.every.values()},
        "subnets": {s: a.identifier for a in platform.ec2.acls for s in a.subnets},
        "policies": {
            f"{o['metadata']['namespace']}/{o['metadata']['name']}": _plain(o["spec"])
            for o in api.objects("networkpolicies.networking.k8s.io")
        },
        "rooms": sorted(
            o["metadata"]["name"]
            for c in clusters
            for o in c.objects("namespaces")
            if o["metadata"]["name"].startswith("clean-")
        ),
        "rules": {name: bucket.rules for name, bucket in platform.s3.buckets.items()},
        "databases": {
            i.identifier: (i.deletion_protection, i.backup_retention)
            for i in platform.rds.instances()
            if i.identifier in (POLICY.platform.database.primary.instance, POLICY.platform.database.replica.instance)
        },
        "images": platform.ecr.lifecycles(),
        "locations": {
            (c.name, o["metadata"]["name"]): o["spec"].get("accessMode", "ReadWrite")
            for c in clusters
            for o in c.objects("backupstoragelocations.velero.io")
        },
        "schedules": {o["metadata"]["name"]: bool(o["spec"].get("paused")) for o in api.objects("schedules.velero.io")},
    }


def _plain(spec: dict[str, Any]) -> dict[str, Any]:
    """A selector without labels is one that has none: matchLabels is left out where it is empty."""
    selector = {k: v for k, v in spec["podSelector"].items() if v}
    return {**spec, "podSelector": selector}


class BreachStory(Story):
    """Found, declared with what is to be contained, approved step by step, and rebuilt by people."""

    note = "that is none of ours"
    scenario, scope = SCENARIO, SCOPE

    def __init__(self, *stops: Stop, mode: str = "automatic", answers: bool = True) -> None:
        super().__init__(*stops, breaks=intrude, mode=mode, answers=answers)
        seed(primary(self.platform), [THEIRS])
        self.instance = suspect(self.platform)
        self.subnet = self.platform.ec2.instances.interfaces.of(self.instance)[0].subnet
        self.before = standing(self.platform)

    def choices(self) -> dict[str, str]:
        return {"instances": self.instance, "subnets": self.subnet, "namespaces": SPACE, "as_of": spelled(AS_OF)}

    def evidence(self) -> None:
        event = found(self.platform).said(count=1, archived=False, at=FOUND_AT)[0]
        self.alarm(FOUND_AT, finding(event, "finding", FOUND_AT))
        chosen = {"choices": self.choices()} if self.choices() else {}
        wanted = {"command": "declare", "scenario": self.scenario, "scope": self.scope, **chosen}
        self._deliver(DECLARED_AT, "command", wanted, "declare")


class RansomwareStory(BreachStory):
    """S3's own metrics and GuardDuty together say so: nobody declares it, and a person chooses what is contained."""

    note = "nobody of ours writes like that"
    shift = SHORTEST_SHIFT  # a span of a bucket is one call, which fits into no shorter one
    scenario, scope = "ransomware", f"{POLICY.platform.name}/ransomware"

    def __init__(self, *stops: Stop, mode: str = "automatic", answers: bool = True) -> None:
        super().__init__(*stops, mode=mode, answers=answers)
        furnish(self.platform)
        self.artifacts = artifacts(self.platform)
        self._breaks = encrypt

    def choices(self) -> dict[str, str]:
        return {**super().choices(), "folder": f"{BUCKET}/{PREFIX}"}

    def tell(self) -> Platform:
        """See Story: by one thread, as it forks at each of its calls."""
        with one_thread():
            return super().tell()

    def evidence(self) -> None:
        event = replace(found(self.platform), type=ENCRYPTS).said(count=1, archived=False, at=FOUND_AT)[0]
        self.alarm(FOUND_AT, finding(event, "finding", FOUND_AT))
        self.alarm(DECLARED_AT, says("WriteBurst", FOUND_AT))
        self.platform.clock.at(CHOSEN_AT, self.choose)

    def choose(self) -> None:
        """As soon as the incident is confirmed: a crash may have delayed it."""
        book = self.platform.book()
        if book is None or not any(i.confirmed_at for i in book.incidents.values()):
            self.platform.clock.at(self.platform.clock.now() + timedelta(seconds=1), self.choose)
        else:
            (incident,) = book.incidents
            self.say("choose", {"command": "choose", "incident": incident, "choices": self.choices()})


class CalledOffStory(BreachStory):
    """One that a person ends as soon as everything is contained: it was no breach. What is owed is approved too, and
    nothing is restored.
    """

    def _say(self, name: str, payload: Mapping[str, Any], person: Person = PERSON) -> None:
        if payload.get("step") not in RESTORES:
            super()._say(name, payload, person)

    def begin(self) -> None:
        super().begin()
        self.platform.clock.at(DECLARED_AT, self._decide)

    def _decide(self) -> None:
        book = self.platform.book()
        for incident in book.incidents.values() if book else ():
            # Everything that nobody holds back is done by then, however long a crash has held it up.
            if all(incident.step(name).state is StepState.DONE for name in (*CONTAINED, *KEPT)):
                self.say("back", {"command": "abort", "incident": incident.id})
        if book:
            self._pay(book)
        self.platform.clock.at(self.platform.clock.now() + timedelta(seconds=1), self._decide)

    def _pay(self, book: Book) -> None:
        for debt in book.debts:
            for step, record in debt.case.steps.items() if debt.case else ():
                if debt.case and record.state is StepState.ASKING:
                    yes = {"command": "approve", "incident": debt.case.id, "step": step, "plan": debt.case.plan}
                    self.say(f"pay-{step}-{record.calls}", yes)

    def _over(self) -> bool:
        book = self.platform.book()
        return super()._over() and book is not None and book.debts == ()
