"""Gives automated sync back to the Applications that went back, once Git holds something else than what was bad.

Until then it stays off, as an obligation that is looked at every tick: on, it would bring the bad revision straight
back. A person gives it back sooner by switching it on in Argo CD; that is their word, and only the annotation is then
taken away. Nothing here judges whether what Git holds now is good.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from chalicelib.actions import applications
from chalicelib.actions.application_rolled_back import ApplicationRolledBack
from chalicelib.actions.applications import APPLICATIONS, App, short
from chalicelib.actions.contract import Op, Reader, Target
from chalicelib.actions.places import cluster_of
from chalicelib.core.bounds import NONE
from chalicelib.core.outcome import Act, Call, Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.policy import Policy
from chalicelib.policy.platform import Cluster

AGAIN: Final = timedelta(minutes=1)


class AutoSyncGivenBack:
    """One patch an Application."""

    name: ClassVar[str] = "auto-sync-given-back"
    reads: ClassVar[tuple[Op, ...]] = ApplicationRolledBack.reads[:1]
    calls: ClassVar[tuple[Op, ...]] = ApplicationRolledBack.calls

    def observe(self, target: Target, policy: Policy, reader: Reader) -> tuple[App, ...] | Refused | NoData:
        rows = policy.services.managed(target.params.get("of", "services"))
        return applications.look(rows, cluster_of(target, policy).name, reader)

    def next(self, target: Target, policy: Policy, facts: tuple[App, ...] | Refused | NoData, now: datetime) -> Next:
        cluster = cluster_of(target, policy)
        if target.params.get("revision") == NONE:
            return Done(because="nothing went back, as was chosen: there is nothing to give back")
        match facts:
            case NoData(because=because):
                return Wait(because=f"{because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
            case Refused(because=because, code=code):
                return Stuck(because=f"{because} ({code})")
        held = [app for app in facts if app.hold]
        for app in held:
            if (act := _given_back(app, cluster)) is not None:
                return act
        if held:
            said = "; ".join(_waits(app) for app in held)
            return Wait(because=f"{said}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
        return Done(because=f"automated sync of no application in cluster {cluster.name!r} is held")


def _given_back(app: App, cluster: Cluster) -> Act | None:
    if app.hold is None or app.busy:
        return None
    body: dict[str, Any] = {
        "metadata": {"resourceVersion": app.version, "annotations": {applications.HELD: None}},
    }
    if app.automated is not None:
        because = f"a person has switched automated sync of {_named(app)} on: it is held no more"
    elif app.hold.automated is None and app.hold.back_from:
        because = f"automated sync of {_named(app)} was off before it went back: there is nothing to give back"
    elif app.hold.back_from and app.head and app.head != app.hold.back_from:
        body["spec"] = {"syncPolicy": {"automated": dict(app.hold.automated or {})}}
        because = (
            f"Git holds {short(app.head)} for {_named(app)} and no longer {short(app.hold.back_from)}:"
            " its automated sync is to be given back"
        )
    else:
        return None
    call = Call(
        system="kubernetes",
        service=cluster.name,
        region=cluster.region,
        operation=f"patch {APPLICATIONS}",
        params={
            "namespace": app.namespace,
            "name": app.name,
            "automated_sync": "given back" if "spec" in body else "as it is",
            "body": body,
        },
        until=f"the annotation {applications.HELD} is gone",
        reversible=True,
    )
    return Act(because=because, call=call)


def _waits(app: App) -> str:
    if app.hold and not app.hold.back_from:
        return f"what {applications.HELD} of {_named(app)} says cannot be read; a person must switch its sync on"
    bad = short(app.hold.back_from) if app.hold else ""
    return (
        f"Git still holds {bad} for {_named(app)}, so its automated sync stays off until there is another commit,"
        " or a person switches it on in Argo CD"
    )


def _named(app: App) -> str:
    return f"application {app.name!r}"
