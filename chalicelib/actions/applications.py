"""What Argo CD says of the Applications of the service table, and what its history lets one go back to. Pure.

Argo CD's history holds what was synced and not how it fared: of two revisions the one that stood longer before it was
replaced is the more trustworthy, and one that stood for minutes may have been a first bad try. Sources:
https://argo-cd.readthedocs.io/en/stable/operator-manual/application.yaml (spec.syncPolicy, operation),
https://argo-cd.readthedocs.io/en/stable/user-guide/auto_sync/ (rollback is refused while automated sync is on),
github.com/argoproj/argo-cd, pkg/apis/application/v1alpha1/types.go (RevisionHistory, OperationState, AppHealthStatus),
server/application/application.go (Rollback: a sync with the revision and the source of that time).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from chalicelib.actions.contract import Reader
from chalicelib.core.outcome import NoData, Refused
from chalicelib.policy.services import ManagedBy

APPLICATIONS: Final = "argoproj.io/v1alpha1 applications"
HELD: Final = "dr-responder/held"
"""An annotation of an Application that went back: from which revision, to which, and how its automated sync was set."""
BUSY: Final = frozenset({"Running", "Terminating"})


@dataclass(frozen=True, slots=True)
class Deployed:
    """One entry of `status.history`. `revision` is the commit; of several sources all of theirs, with commas."""

    revision: str
    at: datetime
    sync: Mapping[str, Any]
    """What a sync back to it is made of: revision and source, or revisions and sources."""


@dataclass(frozen=True, slots=True)
class Hold:
    """What HELD says. `automated` is spec.syncPolicy.automated as it was, None when it was off."""

    back_from: str
    back_to: str
    automated: Mapping[str, Any] | None

    def written(self) -> str:
        return json.dumps({"from": self.back_from, "to": self.back_to, "automated": self.automated}, sort_keys=True)


@dataclass(frozen=True, slots=True)
class App:
    """An Application. `since` is when its health became what it is, None where Argo CD does not say (before 3.0).
    `phase` and `message` are of its last operation; `busy`, that one is asked for or under way. `head` is what Git
    holds. `automated` is None when automated sync is off.
    """

    name: str
    namespace: str
    version: str
    health: str
    since: datetime | None = None
    phase: str = ""
    message: str = ""
    busy: bool = False
    head: str = ""
    history: tuple[Deployed, ...] = ()
    automated: Mapping[str, Any] | None = None
    options: tuple[str, ...] = ()
    hold: Hold | None = None

    @property
    def runs(self) -> str:
        """The revision that was synced last, empty when none was."""
        return self.history[-1].revision if self.history else ""

    @property
    def went_back(self) -> bool:
        """Whether what runs is what it was made to go back to."""
        return self.hold is not None and self.runs == self.hold.back_to


def look(rows: Sequence[ManagedBy], cluster: str, reader: Reader) -> tuple[App, ...] | Refused | NoData:
    """These Applications, in their order. One that is not there is Refused `NotFound`."""
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    for namespace in dict.fromkeys(row.namespace for row in rows):
        listed = reader.kube(cluster, APPLICATIONS, namespace=namespace)
        if isinstance(listed, NoData | Refused):
            return listed
        for one in listed if isinstance(listed, Sequence) else ():
            found[namespace, one["metadata"]["name"]] = one
    for row in rows:
        if (row.namespace, row.application) not in found:
            because = f"Argo CD has no application {row.application!r} in namespace {row.namespace!r} of {cluster!r}"
            return Refused(code="NotFound", because=because)
    return tuple(read(found[row.namespace, row.application]) for row in rows)


def read(obj: Mapping[str, Any]) -> App:
    """One object as the API server gives it."""
    meta, status = obj["metadata"], obj.get("status") or {}
    health, state = status.get("health") or {}, status.get("operationState") or {}
    policy = (obj.get("spec") or {}).get("syncPolicy") or {}
    automated = policy.get("automated")
    since = health.get("lastTransitionTime")
    return App(
        name=meta["name"],
        namespace=meta["namespace"],
        version=meta["resourceVersion"],
        health=health.get("status", "Unknown"),
        since=datetime.fromisoformat(since) if since else None,
        phase=state.get("phase", ""),
        message=str(state.get("message", ""))[:300],
        busy=bool(obj.get("operation")) or state.get("phase") in BUSY,
        head=_revision(status.get("sync") or {}),
        history=tuple(_deployed(entry) for entry in status.get("history") or ()),
        # `enabled: false` is off as well (IsAutomatedSyncEnabled).
        automated=None if automated is None or automated.get("enabled") is False else automated,
        options=tuple(policy.get("syncOptions") or ()),
        hold=_hold((meta.get("annotations") or {}).get(HELD)),
    )


def good_before(app: App, stood: timedelta) -> Deployed | None:
    """The newest revision but the one that runs which stood for at least that long before the next was deployed."""
    for entry, after in zip(reversed(app.history[:-1]), reversed(app.history[1:]), strict=True):
        if entry.revision != app.runs and after.at - entry.at >= stood:
            return entry
    return None


def of_history(app: App, revision: str) -> Deployed | None:
    """The newest entry of that revision; a short one stands for the one that begins with it."""
    return next((e for e in reversed(app.history) if revision and e.revision.startswith(revision)), None)


def listed(app: App) -> str:
    """The revisions that can be gone back to, newest first."""
    return ", ".join(dict.fromkeys(short(e.revision) for e in reversed(app.history))) or "none"


def short(revision: str) -> str:
    """As Git shows a commit."""
    return revision[:7]


def _deployed(entry: Mapping[str, Any]) -> Deployed:
    kept = ("revision", "source", "revisions", "sources")
    sync = {key: entry[key] for key in kept if entry.get(key)}
    return Deployed(_revision(entry), datetime.fromisoformat(entry["deployedAt"]), sync)


def _revision(said: Mapping[str, Any]) -> str:
    return str(said.get("revision") or ",".join(said.get("revisions") or ()))


def _hold(text: str | None) -> Hold | None:
    if not text:
        return None
    try:
        said = json.loads(text)
        return Hold(str(said["from"]), str(said["to"]), said["automated"])
    except (ValueError, KeyError, TypeError):
        # Somebody has written into it: what it held is a person's to find out, and is never guessed.
        return Hold("", "", None)
