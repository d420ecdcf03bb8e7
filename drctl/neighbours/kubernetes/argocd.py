"""Argo CD's application controller: what Git holds, what runs, and how the one is made the other.

Sources, in github.com/argoproj/argo-cd: controller/appcontroller.go (setOperationState: `operation` is cleared when it
has ended; autoSync: nothing while an operation is under way or when the revision was the last attempt, whose failure is
the condition SyncError), controller/sync.go (SyncAppState: a rollback is a sync with a source of its own;
with errors of the comparison nothing is applied), controller/state.go (persistRevisionHistory: only what succeeded is
history, ids go up, revisionHistoryLimit is 10), gitops-engine/pkg/health (health_deployment.go, health.go: the worst of
all), resource_customizations/argoproj.io/Rollout/health.lua, server/application/application.go (Rollback: refused while
automated sync is on, or when the history has no such id), util/argo/argo.go (SetAppOperation). Reconciled every
3 minutes (docs/operator-manual/argocd-cm.yaml, timeout.reconciliation), at once by a webhook of Git. What was deployed
and is no longer in Git makes it OutOfSync, and only a sync with `prune` deletes it, as an automated one is where
`automated.prune` says so (docs/user-guide/auto_sync.md, Automatic Pruning).
Simplified: one cluster, one source a row, plain manifests, no hooks or waves; what is deleted takes nothing along.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from drctl.neighbours.kubernetes import kinds, native, schema
from drctl.neighbours.kubernetes.kinds import Resource, by_key
from drctl.neighbours.kubernetes.objects import Cluster, Obj, stamp
from drctl.neighbours.kubernetes.trees import copied

APPLICATIONS: Final = "applications.argoproj.io"
DEPLOYMENTS: Final = "deployments.apps"
RANK: Final = ("Healthy", "Suspended", "Progressing", "Missing", "Degraded", "Unknown")
WEBHOOK: Final = 2.0
SYNCS: Final = 3.0
HEALS: Final = 5.0
"""Seconds from a push until Argo CD has compared, of one sync, and from drift until it is mended
(controller.self.heal.timeout.seconds).
"""
HISTORY: Final = 10


class FailedPreconditionError(Exception):
    """What the API server of Argo CD refuses; the text is its own."""


@dataclass(slots=True)
class Repository:
    """What Git holds for one Application: each revision's manifests, and which of them is the head of the branch."""

    revisions: dict[str, tuple[Obj, ...]] = field(default_factory=dict)
    head: str = ""
    seen: str = ""
    """The head as Argo CD last knew it."""


class ArgoCd:
    """The controller of all Applications. It does nothing for an Application whose repository nobody gave it."""

    name = "argocd"

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.git: dict[tuple[str, str], Repository] = {}

    # --- what the world does to it

    def begin(self, application: Obj, deployed: Sequence[tuple[str, datetime, Sequence[Obj]]]) -> None:
        """An Application that has synced these (revision, when, manifests) already, the last one being what runs."""
        meta, history = application["metadata"], []
        repository = Repository()
        for number, (revision, at, manifests) in enumerate(deployed):
            repository.revisions[revision] = tuple(copied(list(manifests)))
            history.append(self._entry(application, number, revision, at, application["spec"]["source"]))
        repository.head = repository.seen = deployed[-1][0]
        self.git[meta["namespace"], meta["name"]] = repository
        self.cluster.create(by_key(APPLICATIONS), {**application, "status": {"history": history}})

    def push(self, namespace: str, name: str, revision: str, manifests: Sequence[Obj]) -> None:
        """A commit becomes the head of the Application's branch, and a webhook says so. KeyError when there is none."""
        self.cluster.advance()
        repository = self.git[namespace, name]
        repository.revisions[revision] = tuple(copied(list(manifests)))
        repository.head = revision
        self.cluster.after(WEBHOOK, self.name, "refresh", namespace, name)

    def forget(self, namespace: str, name: str, revision: str) -> None:
        """A revision is no longer to be had: somebody has rewritten the branch."""
        del self.git[namespace, name].revisions[revision]

    def rollback(self, namespace: str, name: str, number: int, *, who: str) -> None:
        """`argocd app rollback NAME ID`, as the API server does it; FailedPreconditionError in its words."""
        self.cluster.advance()
        application = self._known(namespace, name)
        policy = application["spec"].get("syncPolicy") or {}
        if _automated(policy) is not None:
            raise FailedPreconditionError("rollback cannot be initiated when auto-sync is enabled")
        entry = next((e for e in application["status"].get("history") or () if e["id"] == number), None)
        if entry is None:
            raise FailedPreconditionError(f"application {name} does not have deployment with id {number}")
        if application.get("operation"):
            raise FailedPreconditionError("another operation is already in progress")
        sync = {"revision": entry["revision"], "source": entry["source"], "syncStrategy": {"apply": {}}}
        new = copied(application) | {"operation": {"initiatedBy": {"username": who}, "sync": sync}}
        new["status"].pop("operationState", None)
        self.cluster.write(by_key(APPLICATIONS), new)

    # --- the controller

    def changed(self, resource: Resource, obj: Obj, *, gone: bool) -> None:
        del obj, gone
        if self.git and (resource.key == APPLICATIONS or resource.kind in _MANAGED):
            self.cluster.unsettled.add(self.name)

    def wake(self, what: str, key: tuple[str, ...]) -> None:
        match what:
            case "refresh":
                repository = self.git[key[0], key[1]]
                repository.seen = repository.head
                self.cluster.unsettled.add(self.name)
            case "sync":
                self._sync(key[0], key[1])
            case "heal":
                application = self.cluster.get(APPLICATIONS, key[0], key[1])
                if application is not None:
                    self._auto_sync(application, healing=True)
            case _:
                for place in self.git:
                    application = self.cluster.get(APPLICATIONS, *place)
                    if application is not None:
                        self._reconcile(application)

    def _reconcile(self, application: Obj) -> None:
        new = copied(application)
        status = new.setdefault("status", {})
        if new.get("operation") and (status.get("operationState") or {}).get("phase") != "Running":
            now = stamp(self.cluster.now)
            state = {"phase": "Running", "operation": new["operation"], "startedAt": now}
            status["operationState"] = {**state, "message": "waiting for the sync to begin"}
            meta = new["metadata"]
            self.cluster.after(SYNCS, self.name, "sync", meta["namespace"], meta["name"])
        self._compare(new)
        kept = self.cluster.write(by_key(APPLICATIONS), new)
        self._auto_sync(kept, healing=False)

    def _compare(self, application: Obj) -> None:
        """Sync status against the head, and health of what runs; times change only when what they are of does."""
        repository, status = self._repository(application), application["status"]
        wanted = repository.revisions.get(repository.seen, ())
        source = application["spec"]["source"]
        compared = {"destination": application["spec"]["destination"], "source": source}
        alike = {id(obj): self._is_synced(obj) for obj in wanted}
        extra = self._extra(repository, wanted)
        said = "Synced" if all(alike.values()) and not extra else "OutOfSync"
        status["sync"] = {"status": said, "revision": repository.seen, "comparedTo": compared}
        found = [(obj, self._health(obj)) for obj in wanted]
        worst = max((h[0] for _, h in found if h), key=RANK.index, default="Healthy")
        before = status.get("health") or {}
        if before.get("status") != worst:
            status["health"] = {"status": worst, "lastTransitionTime": stamp(self.cluster.now)}
        # As Argo CD 3 has it: each resource's health is in its own store and not on the Application.
        status["resourceHealthSource"] = "appTree"
        status["resources"] = [
            {k: v for k, v in _shown(obj).items() if v} | {"status": "Synced" if alike[id(obj)] else "OutOfSync"}
            for obj, _ in found
        ] + [
            {k: v for k, v in _shown(obj).items() if v} | {"status": "OutOfSync", "requiresPruning": True}
            for obj in extra
        ]

    def _auto_sync(self, application: Obj, *, healing: bool) -> None:
        status, place = application["status"], (application["metadata"]["namespace"], application["metadata"]["name"])
        automated = _automated(application["spec"].get("syncPolicy") or {})
        if automated is None or application.get("operation") or status["sync"]["status"] != "OutOfSync":
            return
        revision, state = status["sync"]["revision"], status.get("operationState") or {}
        attempted = (state.get("syncResult") or {}).get("revision") == revision
        new = copied(application)
        if attempted and state["phase"] != "Succeeded":
            text = f"Failed last sync attempt to {revision}: {state.get('message', '')}"
            if not any(c["message"] == text for c in status.get("conditions") or ()):
                new["status"]["conditions"] = [
                    {"type": "SyncError", "message": text, "lastTransitionTime": stamp(self.cluster.now)}
                ]
                self.cluster.write(by_key(APPLICATIONS), new)
            return
        if attempted and not healing:
            if automated.get("selfHeal"):
                self.cluster.after(HEALS, self.name, "heal", *place)
            return
        sync = {"revision": revision, **({"prune": True} if automated.get("prune") else {})}
        new["operation"] = {"initiatedBy": {"automated": True}, "retry": {"limit": 5}, "sync": sync}
        self.cluster.write(by_key(APPLICATIONS), new)

    def _sync(self, namespace: str, name: str) -> None:
        application = self.cluster.get(APPLICATIONS, namespace, name)
        if application is None or not application.get("operation"):
            return
        new = copied(application)
        sync, now = new.pop("operation")["sync"], stamp(self.cluster.now)
        state, repository = new["status"]["operationState"], self._repository(application)
        revision = sync.get("revision") or repository.seen
        source = sync.get("source") or new["spec"]["source"]
        state |= {"finishedAt": now, "syncResult": {"revision": revision, "source": source}}
        manifests = repository.revisions.get(revision)
        if manifests is None:
            why = f"failed to checkout revision {revision}: fatal: reference is not a tree: {revision}"
            text = f"Failed to load target state: failed to generate manifest for source 1 of 1: rpc error: {why}"
            state |= {"phase": "Error", "message": f"ComparisonError: {text}"}
            self.cluster.write(by_key(APPLICATIONS), new)
            return
        new["status"].pop("conditions", None)
        state |= {"phase": "Succeeded", "message": "successfully synced (all tasks run)"}
        history = list(new["status"].get("history") or ())
        number = history[-1]["id"] + 1 if history else 0
        entry = self._entry(new, number, revision, self.cluster.now, source)
        entry |= {"deployStartedAt": state["startedAt"], "initiatedBy": state["operation"].get("initiatedBy") or {}}
        limit = new["spec"].get("revisionHistoryLimit", HISTORY)
        new["status"]["history"] = [*history, entry][-limit:]
        self.cluster.write(by_key(APPLICATIONS), new)
        for obj in manifests:
            self._apply(obj)
        for obj in self._extra(repository, manifests) if sync.get("prune") else ():
            self.cluster.remove(kinds.by_kind(obj["apiVersion"], obj["kind"]), obj)

    # --- Git and the cluster

    def _is_synced(self, wanted: Obj) -> bool:
        live = self._live(wanted)
        return live is not None and all(live.get(k) == v for k, v in _filled(wanted).items() if k in _COMPARED)

    def _extra(self, repository: Repository, wanted: Sequence[Obj]) -> list[Obj]:
        """What is there of any revision, and not in this one."""
        kept = {_place(obj) for obj in wanted}
        every = {_place(obj): obj for manifests in repository.revisions.values() for obj in manifests}
        return [live for place, obj in every.items() if place not in kept and (live := self._live(obj)) is not None]

    def _apply(self, wanted: Obj) -> None:
        live, filled = self._live(wanted), _filled(wanted)
        resource = kinds.by_kind(wanted["apiVersion"], wanted["kind"])
        if live is None:
            self.cluster.create(resource, filled)
        else:
            self.cluster.write(resource, copied(live) | {k: v for k, v in filled.items() if k in _COMPARED})

    def _live(self, wanted: Obj) -> Obj | None:
        resource, meta = kinds.by_kind(wanted["apiVersion"], wanted["kind"]), wanted["metadata"]
        return self.cluster.get(resource.key, meta.get("namespace", ""), meta["name"])

    def _health(self, wanted: Obj) -> tuple[str, str] | None:
        """Health and its message; None for kinds that have none."""
        live = self._live(wanted)
        match wanted["kind"]:
            case _ if live is None:
                return "Missing", ""
            case "Deployment":
                return deployment_health(live)
            case "Rollout":
                status = live.get("status") or {}
                if status.get("observedGeneration") != str(live["metadata"]["generation"]):
                    return "Progressing", "Waiting for rollout to finish: observed generation less than desired"
                phase = status.get("phase", "Progressing")
                return "Suspended" if phase == "Paused" else phase, status.get("message", "")
            case "ExternalSecret":
                return secret_health(live)
            case _:
                return None

    @staticmethod
    def _entry(application: Obj, number: int, revision: str, at: datetime, source: Mapping[str, Any]) -> Obj:
        del application
        when = stamp(at)
        return {"id": number, "revision": revision, "deployedAt": when, "deployStartedAt": when, "source": dict(source)}

    def _repository(self, application: Obj) -> Repository:
        return self.git[application["metadata"]["namespace"], application["metadata"]["name"]]

    def _known(self, namespace: str, name: str) -> Obj:
        found = self.cluster.get(APPLICATIONS, namespace, name)
        if found is None:
            raise KeyError(f"there is no application {namespace}/{name}")
        return found


_MANAGED: Final = frozenset({"Deployment", "Rollout", "ConfigMap", "ExternalSecret"})
_COMPARED: Final = frozenset({"spec", "data"})


def _automated(policy: Mapping[str, Any]) -> dict[str, Any] | None:
    """IsAutomatedSyncEnabled: there, and not switched off."""
    automated = policy.get("automated")
    return None if automated is None or automated.get("enabled") is False else dict(automated)


def _filled(wanted: Obj) -> Obj:
    """With the defaults that the API server gives."""
    resource, obj = kinds.by_kind(wanted["apiVersion"], wanted["kind"]), copied(wanted)
    if resource.custom:
        schema.fill(resource, obj)
    else:
        native.fill(resource, obj, number=0)
        obj.pop("status", None)
    return obj


def _place(obj: Obj) -> tuple[str, str, str]:
    meta = obj["metadata"]
    return obj["kind"], meta.get("namespace", ""), meta["name"]


def _shown(obj: Obj) -> dict[str, Any]:
    group, _, version = obj["apiVersion"].rpartition("/")
    meta = obj["metadata"]
    said = {"group": group, "version": version, "kind": obj["kind"], "name": meta["name"]}
    return {**said, "namespace": meta.get("namespace", "")}


def deployment_health(live: Obj) -> tuple[str, str]:
    """gitops-engine/pkg/health/health_deployment.go."""
    meta, spec, status = live["metadata"], live["spec"], live.get("status") or {}
    if spec.get("paused"):
        return "Suspended", "Deployment is paused"
    if meta["generation"] > status.get("observedGeneration", 0):
        text = "observed deployment generation less than desired generation"
        return "Progressing", f"Waiting for rollout to finish: {text}"
    progressing: dict[str, Any] = next((c for c in status.get("conditions") or () if c["type"] == "Progressing"), {})
    if progressing.get("reason") == "ProgressDeadlineExceeded":
        return "Degraded", f'Deployment "{meta["name"]}" exceeded its progress deadline'
    wanted, updated = spec.get("replicas", 1), status.get("updatedReplicas", 0)
    if updated < wanted:
        return "Progressing", f"Waiting for rollout to finish: {updated} out of {wanted} new replicas have been updated"
    if status.get("replicas", 0) > updated:
        old = status["replicas"] - updated
        return "Progressing", f"Waiting for rollout to finish: {old} old replicas are pending termination"
    if (available := status.get("availableReplicas", 0)) < updated:
        return "Progressing", f"Waiting for rollout to finish: {available} of {updated} updated replicas are available"
    return "Healthy", ""


def secret_health(live: Obj) -> tuple[str, str]:
    """resource_customizations/external-secrets.io/ExternalSecret/health.lua."""
    for condition in (live.get("status") or {}).get("conditions") or ():
        if condition["type"] == "Ready":
            return ("Healthy" if condition["status"] == "True" else "Degraded"), condition.get("message", "")
    return "Progressing", "Waiting for ExternalSecret"
