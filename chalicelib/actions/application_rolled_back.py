"""Lets Argo CD go back to the last revision that stood, where the newest one made an Application Degraded.

As `argocd app rollback` does it: a sync with the revision and the source of then, set as the Application's `operation`.
Argo CD's own server refuses that while automated sync is on, since the next comparison would bring the bad revision
straight back; so the same patch takes automated sync off, and remembers in an annotation how it was set. Both are one
write to one object: there is no moment in which only one of them holds. `auto_sync.py` gives it back.

Not every Degraded is a deployment's fault: what had run well for a while is not mended by an older revision, and
nothing is moved. Nor is anything while Argo CD is at work. What is gone back to is in Argo CD's history, and a person
may name another one of it: then the Applications that are Degraded go back to that, or where none is, the one whose
history has it (a wrong value makes nothing Degraded). `of: configuration` is of the configuration's Application and
not the services'. Sources: applications.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from chalicelib import names
from chalicelib.actions import applications
from chalicelib.actions.applications import APPLICATIONS, App, Deployed, Hold, short
from chalicelib.actions.canary_aborted import canaries
from chalicelib.actions.contract import KubeOp, Op, Reader, Target
from chalicelib.actions.places import cluster_of
from chalicelib.core.bounds import FOUND, NONE
from chalicelib.core.outcome import Act, Call, Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.policy import Policy
from chalicelib.policy.base import parse_duration
from chalicelib.policy.platform import Cluster

AGAIN: Final = timedelta(seconds=5)
STOOD: Final = "10m"
BLAMES: Final = "1h"
"""Where the step does not say: how long a revision must have stood to be gone back to, and how long after a deployment
a Degraded is still laid at its door.
"""


@dataclass(frozen=True, slots=True)
class Apps:
    """`caught`: Applications whose canary was aborted. They stay Degraded until Git is mended, and serve."""

    apps: tuple[App, ...]
    caught: frozenset[str] = frozenset()


class ApplicationRolledBack:
    """One patch an Application."""

    name: ClassVar[str] = "application-rolled-back"
    reads: ClassVar[tuple[Op, ...]] = (
        KubeOp(
            verb="list",
            group="argoproj.io",
            resource="applications",
            version="v1alpha1",
            where="primary",
            within="argocd",
        ),
        KubeOp(verb="list", group="argoproj.io", resource="rollouts", version="v1alpha1", where="primary"),
    )
    calls: ClassVar[tuple[Op, ...]] = (
        KubeOp(
            verb="patch",
            group="argoproj.io",
            resource="applications",
            version="v1alpha1",
            where="primary",
            within="argocd",
        ),
    )

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Apps | Refused | NoData:
        if _chosen(target) == NONE:
            return Apps(())
        cluster = cluster_of(target, policy).name
        rows = policy.services.managed(target.params.get("of", "services"))
        apps = applications.look(rows, cluster, reader)
        if isinstance(apps, NoData | Refused):
            return apps
        found = canaries(cluster, policy, reader)
        if isinstance(found, NoData | Refused):
            return found
        aborted = {c.name for c in found if c.canary and c.aborted and c.ready >= c.wanted}
        return Apps(apps, frozenset(row.application for row in rows if row.rollout in aborted))

    def next(self, target: Target, policy: Policy, facts: Apps | Refused | NoData, now: datetime) -> Next:
        cluster = cluster_of(target, policy)
        match facts:
            case NoData(because=because):
                return Wait(because=f"{because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
            case Refused(because=because, code=code):
                return Stuck(because=f"{because} ({code})")
        if _chosen(target) == NONE:
            return Done(because="nothing is to go back, as was chosen: every application is left as it is")
        asked = _asked(facts, _chosen(target))
        if isinstance(asked, Stuck):
            return asked
        said: list[Next] = [s for app in facts.apps if (s := _judged(app, asked, target, policy, cluster, now))]
        for kind in (Act, Stuck, Wait):
            first = next((s for s in said if isinstance(s, kind)), None)
            if first is not None:
                return first
        back = [f"{_named(a)} went back to {short(a.runs)} and is {a.health}" for a in facts.apps if a.went_back]
        back += [f"the canary of {_named(a)} is aborted" for a in facts.apps if a.name in facts.caught]
        said_ = "; ".join(back) or f"none of the {len(facts.apps)} applications of cluster {cluster.name!r} is Degraded"
        kept: dict[str, str | float] = {a.name: short(a.runs) for a in facts.apps if a.went_back}
        return Done(because=said_, facts=kept)


def _chosen(target: Target) -> str:
    """The revision that a person has named, `none`, or nothing where the action is to find it."""
    named = target.params.get("revision", "")
    return "" if named == FOUND else named


def _asked(facts: Apps, chosen: str) -> tuple[App, ...] | Stuck:
    """The Applications that are to go back: those that are Degraded, else the one whose history has what was chosen."""
    ill = tuple(app for app in facts.apps if app.health == "Degraded" and app.name not in facts.caught)
    if ill or not chosen or any(app.went_back and app.runs.startswith(chosen) for app in facts.apps):
        return ill
    knows = [app for app in facts.apps if applications.of_history(app, chosen)]
    if not knows:
        said = "; ".join(f"{_named(app)} knows {applications.listed(app)}" for app in facts.apps)
        return Stuck(because=f"revision {chosen!r} is in the history of no application: nothing is moved; {said}")
    other = tuple(app for app in knows if not app.runs.startswith(chosen))
    if len(other) > 1:
        said = ", ".join(_named(app) for app in other)
        return Stuck(
            because=f"revision {chosen!r} is in the history of {said}, and none of them is Degraded: nothing is moved;"
            " which one is meant cannot be told"
        )
    return other


def _judged(
    app: App, asked: tuple[App, ...], target: Target, policy: Policy, cluster: Cluster, now: datetime
) -> Next | None:
    """What is missing for one Application; None when nothing is."""
    if app.busy and (app.hold or app in asked):
        what = f"{_named(app)} is {app.health}, and Argo CD is at work on it ({app.phase or 'asked'}: {app.message})"
        return Wait(because=f"{what}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
    if app.hold and not app.went_back and app.phase in ("Error", "Failed"):
        what = f"{_named(app)} could not go back to {short(app.hold.back_to)}, and nothing was moved: {app.message}"
        return Stuck(because=f"{what}; its automated sync is off; sync it to one of: {applications.listed(app)}")
    if app.went_back and app.health != "Healthy":
        what = f"{_named(app)} went back to {short(app.runs)} and is {app.health}"
        if app.health == "Degraded" and _settled(app):
            return Stuck(because=f"{what}: it was not the deployment, or not only; a person must look")
        return Wait(because=f"{what}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
    return _back(app, target, policy, cluster, now) if app in asked else None


def _settled(app: App) -> bool:
    """Whether it became Degraded after it had gone back; before, what it says still is of what it went back from."""
    return app.since is None or app.since > app.history[-1].at


def _back(app: App, target: Target, policy: Policy, cluster: Cluster, now: datetime) -> Next:
    if not app.history:
        return Stuck(because=f"{_named(app)} is Degraded and has no history: there is nothing to go back to")
    chosen = _chosen(target)
    stood, blames = (
        parse_duration(target.params.get(key, default)) / policy.speed
        for key, default in (("stood", STOOD), ("blames", BLAMES))
    )
    current, since = app.history[-1], app.since or now
    if since - current.at > blames and not chosen:
        ran = policy.real(since - current.at)
        what = f"{_named(app)} is Degraded, but ran {short(current.revision)} for {ran} before that"
        return Stuck(
            because=f"{what}: no deployment of the last {policy.real(blames)} is to blame, nothing is moved;"
            f" a person may name one of {applications.listed(app)}, or none"
        )
    found = applications.of_history(app, chosen) if chosen else applications.good_before(app, stood)
    if found is None:
        what = (
            f"revision {chosen!r} is not in its history"
            if chosen
            else f"no revision of its history stood for {policy.real(stood)}"
        )
        return Stuck(
            because=f"{_named(app)} is Degraded and {what}: nothing is moved; it knows {applications.listed(app)}"
        )
    if found.revision == app.runs:
        return Stuck(
            because=f"{_named(app)} is Degraded and runs {short(app.runs)} already, which was chosen: nothing is moved;"
            f" it knows {applications.listed(app)}"
        )
    return _patch(app, found, policy, cluster)


def _patch(app: App, found: Deployed, policy: Policy, cluster: Cluster) -> Act:
    # Gone back a second time, it still is held for what Git holds, and is given back what it was given at first.
    first = app.hold if app.automated is None and app.hold and app.hold.back_from else None
    hold = (
        Hold(first.back_from, found.revision, first.automated)
        if first
        else Hold(app.runs, found.revision, app.automated)
    )
    sync: dict[str, Any] = {**found.sync, "syncStrategy": {"apply": {}}}
    if app.options:
        sync["syncOptions"] = list(app.options)
    body: dict[str, Any] = {
        # Refused when somebody has touched it since: what was judged is what is changed.
        "metadata": {"resourceVersion": app.version, "annotations": {applications.HELD: hold.written()}},
        "operation": {"initiatedBy": {"username": names.app(policy)}, "sync": sync},
        # As SetAppOperation does it; else the last operation's end could be taken for this one's.
        "status": {"operationState": None},
    }
    if app.automated is not None:
        body["spec"] = {"syncPolicy": {"automated": None}}
    call = Call(
        system="kubernetes",
        service=cluster.name,
        region=cluster.region,
        operation=f"patch {APPLICATIONS}",
        # For whoever reads it; a body is not shown.
        params={
            "namespace": app.namespace,
            "name": app.name,
            "from": short(app.runs),
            "to": short(found.revision),
            "automated_sync": "held" if app.automated is not None else "was off",
            "body": body,
        },
        until=f"revision {short(found.revision)} is synced and the application is Healthy",
        reversible=True,
    )
    stands = f"{found.at:%Y-%m-%d %H:%M} UTC"
    why = f"is Degraded since {short(app.runs)} was deployed" if app.health == "Degraded" else f"runs {short(app.runs)}"
    because = (
        f"{_named(app)} {why}: it is to go back to {short(found.revision)}"
        f" of {stands}, with automated sync held, or it would come straight back"
    )
    return Act(because=because, call=call, facts={"from": app.runs, "to": found.revision, "application": app.name})


def _named(app: App) -> str:
    return f"application {app.name!r}"
