"""Data corruption and an accidental deletion, each told as a story: what goes wrong, who says so, what is chosen."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from chalicelib.actions.restored import name_of
from chalicelib.core.bounds import spelled
from chalicelib.settings import SHORTEST_SHIFT
from drctl.world import deployments
from tests.crash.failures import primary, says
from tests.crash.inline import one_thread
from tests.crash.outside import Stop
from tests.crash.platform_in_process import POLICY, START, Platform
from tests.crash.story import DARK_AT, Story

SPACE: Final = "cache"
CHECK: Final = "runs-have-experiments"
AS_OF: Final = START + timedelta(seconds=2)
"""Before anything went wrong, and after the first look of the agent."""
ALARMED_AT: Final = START + timedelta(seconds=12)
DECLARED_AT: Final = START + timedelta(seconds=20)
CHOSEN_AT: Final = START + timedelta(seconds=40)
DATABASE: Final = "us-east-1/database"
DELETIONS: Final = "us-east-1/deletions"
BUCKET: Final = POLICY.backups.restorable[0].bucket
PREFIX: Final = f"{POLICY.backups.restorable[0].prefixes[0]}0/"
CONFIGURATION: Final = POLICY.services.configuration
assert CONFIGURATION is not None
REVISION: Final = deployments.revision(CONFIGURATION, 1)[:10]
"""How the configuration's commit begins that ran before anything was deleted."""
CHOICES: Final = {"as_of": spelled(AS_OF), "namespaces": SPACE, "folder": "none"}
BESIDE: Final = name_of(POLICY, AS_OF)


def database(platform: Platform) -> str:
    """The primary database, as its engine knows it."""
    side = POLICY.platform.database.primary
    return platform.rds.instance(side.region, side.instance, POLICY.platform.account).resource_id


def spoil(platform: Platform) -> None:
    """Rows go wrong, and so does what runs in one namespace."""
    platform.engine.spoil(database(platform), CHECK, 12)
    delete(platform)


def delete(platform: Platform) -> None:
    """What runs in a namespace is deleted."""
    assert primary(platform).trouble.delete_workloads(SPACE)


def furnish(platform: Platform) -> None:
    """Artifacts from before anything went wrong."""
    for name in ("model", "weights", "notes"):
        platform.s3.put_object("", "", {"Bucket": BUCKET, "Key": f"{PREFIX}{name}", "Body": f"the {name}".encode()})


def artifacts(platform: Platform) -> dict[str, bytes]:
    """What is read in the bucket now."""
    return dict(platform.s3.buckets[BUCKET].objects)


def prune(platform: Platform) -> None:
    """A commit to the configuration, which has lost one of its external secrets."""
    assert CONFIGURATION is not None
    every, commit = deployments.external_secrets(platform.policy), deployments.revision(CONFIGURATION, 2)
    primary(platform).argocd.push(CONFIGURATION.namespace, CONFIGURATION.application, commit, every[1:])


def configured(platform: Platform) -> list[str]:
    """The external secrets that are there."""
    return sorted(o["metadata"]["name"] for o in primary(platform).objects("externalsecrets.external-secrets.io"))


def lose(platform: Platform) -> None:
    """Artifacts are deleted, one of them after it was overwritten, and so are what runs in one namespace, and, by a
    commit, an external secret.
    """
    delete(platform)
    prune(platform)
    platform.s3.put_object("", "", {"Bucket": BUCKET, "Key": f"{PREFIX}notes", "Body": b"not meant"})
    for name in ("model", "notes"):
        platform.s3.delete_object("", "", {"Bucket": BUCKET, "Key": f"{PREFIX}{name}"})


class CorruptionStory(Story):
    """The alarm opens it in doubt, a person confirms it, chooses, and two people let the applications move."""

    note = "the data is bad"

    def __init__(self, *stops: Stop, mode: str = "automatic", choices: dict[str, str] | None = None) -> None:
        super().__init__(*stops, breaks=spoil, mode=mode)
        self.choices = CHOICES if choices is None else choices

    def evidence(self) -> None:
        self.alarm(ALARMED_AT, says("DataIntegrity", DARK_AT))
        self.declared(DECLARED_AT, "data-corruption", DATABASE)
        self.platform.clock.at(CHOSEN_AT, self.choose)

    def declared(self, when: datetime, scenario: str, scope: str) -> None:
        wanted: dict[str, Any] = {"command": "declare", "scenario": scenario, "scope": scope}
        self._deliver(when, "command", wanted, "declare")

    def choose(self) -> None:
        """As soon as the incident is there: a crash may have delayed it."""
        book = self.platform.book()
        if book is None or not book.incidents:
            self.platform.clock.at(self.platform.clock.now() + timedelta(seconds=1), self.choose)
        elif self.choices:
            (incident,) = book.incidents
            self._say("choose", {"command": "choose", "incident": incident, "choices": self.choices})


class DeletionStory(CorruptionStory):
    """Declared with its choices."""

    note = "nobody meant that"
    shift = SHORTEST_SHIFT  # a span of a bucket is one call, which fits into no shorter one

    def __init__(self, *stops: Stop, mode: str = "automatic") -> None:
        Story.__init__(self, *stops, breaks=lose, mode=mode)
        self.choices = {}
        furnish(self.platform)
        self.before = artifacts(self.platform)
        self.configuration = configured(self.platform)

    def evidence(self) -> None:
        self.alarm(ALARMED_AT, says("DeletionBurst", DARK_AT))
        wanted: dict[str, Any] = {"command": "declare", "scenario": "accidental-deletion", "scope": DELETIONS}
        wanted["choices"] = {**CHOICES, "folder": f"{BUCKET}/{PREFIX}", "revision": REVISION}
        self._deliver(DECLARED_AT, "command", wanted, "declare")

    def tell(self) -> Platform:
        """See Story: by one thread, as it forks at each of its calls."""
        with one_thread():
            return super().tell()
