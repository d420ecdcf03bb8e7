"""The plan of a drill, made from the real plan of a runbook: the same steps aimed at copies, and what takes them away.

Rules. Pure: the same plan and policy give the same drill. Each action that a runbook may name stands in one table: it
is rehearsed, or it is not and a sentence says why. A rehearsed step keeps its id, so that times are compared with
the real one; its parameters say that it is aimed at a copy (`copy`), and its action knows nothing else. Where a
step is left out, whoever needed it needs what that one needed. Restores of copies go one after another, so that at most
one stands in the way of a real one. Nothing here may aim at what people use: an action that is not in the table is not
rehearsed. Never add an action as rehearsed without a copy of its own, and its way back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from chalicelib.core.plan import Plan, PlanError, Step, hash_of, in_order
from chalicelib.policy import Policy

COPY: Final = "copy"
DRILL: Final = "drill"
"""`copy: drill` in a step's parameters: aim at the drill's copy and at nothing else."""
CLEAN: Final = "clean-"
"""How the steps of a clean-up are called: `clean-copies`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """A drill's plan, and of each step that it leaves out its title and why."""

    plan: Plan
    left_out: tuple[tuple[str, str], ...]


Aim = Callable[[Step, Policy], Step | str]
"""The step as it is rehearsed, or why it is not."""


def _copied(step: Step, _: Policy) -> Step | str:
    return replace(step, params={**step.params, COPY: DRILL})


def _of_service(step: Step, policy: Policy) -> Step | str:
    if step.params.get("cluster") != "standby":
        return "copies of services are started in the standby cluster only"
    if why := policy.drills.without(step.service or ""):
        return f"no copy of it is started: {why}"
    return _copied(step, policy)


def _rewrites(step: Step, _: Policy) -> Step | str:
    if step.params.get("cluster") != "standby":
        return "copies of services are started in the standby cluster only"
    return replace(step, params={**step.params, COPY: DRILL})


def _throw_away(step: Step, policy: Policy) -> Step | str:
    # A promotion cannot be undone, so what is proven in its place is that the data comes back and takes writes.
    return replace(
        step,
        action="restore-instance",
        title=f"{step.title}: rehearsed by restoring a throw-away instance",
        params={COPY: DRILL},
        fresh_for=None,
        expected=policy.drills.throw_away,
        deadline=policy.drills.throw_away_within,
    )


def _at_throw_away(step: Step, _: Policy) -> Step | str:
    return replace(step, params={COPY: DRILL}, fresh_for=None)


def _written(step: Step, _: Policy) -> Step | str:
    # An action of its own: the real one asks nothing of the region that failed, and this one's instance is there.
    return replace(step, action="drill-write", params={COPY: DRILL}, fresh_for=None)


def _switch(step: Step, policy: Policy) -> Step | str:
    if policy.drills.test_record is None:
        return "drills.yaml names no test record"
    return replace(step, params={**step.params, COPY: DRILL})


def _put_back(step: Step, policy: Policy) -> Step | str:
    # Folder and moment are the drill's own. What was added is hidden, whatever the runbook says: more is proven so.
    if policy.drills.test_folder is None:
        return "drills.yaml names no test folder"
    return replace(step, params={COPY: DRILL, "newer": "remove"})


def _capacity(step: Step, _: Policy) -> Step | str:
    # The standby's own node group, which carries nobody while the primary serves; what raises it is taken back.
    if step.params.get("cluster") != "standby":
        return "nodes are started in the standby cluster only"
    return _copied(step, _)


def _not(because: str) -> Aim:
    return lambda _, __: because


_OF_PEOPLE: Final = _not("it is done by people: a tabletop rehearses it")
_FENCE: Final = _not("it would stop the primary from taking writes, and there is no copy of a primary that people use")
_LOCATION: Final = _not("the backup location is one, and real backups are written to it meanwhile")
_SCHEDULES: Final = _not("real backups would not be made meanwhile")
_NODES: Final = _not("it is about nodes that failed, and none has")
_PODS: Final = _not("it is about pods that failed, and none has")
_ZONE: Final = _not("it would take people's traffic away from a zone that is well")
_ELSEWHERE: Final = _not("it is done outside AWS, from an operator's machine: a tabletop rehearses it")
_GIT: Final = _not("it would take a deployment back that is well")
_STATE: Final = _not("there is one state, and its lock")
_RETURN: Final = _not("it takes back what a move has set, and none was made")
_QUARANTINE: Final = _not("it would cut off what people use, and nothing of it is in an intruder's hands")
_EXPIRY: Final = _not("there is one bucket of each name, and what its rules delete is to be deleted")
_KEPT: Final = _not("it is set at the database that people use, and a copy has nobody who would delete it")
_IMAGES: Final = _not("there is one repository of each name in a region, and what expires there is to expire")
_EVIDENCE: Final = _not("what it keeps is locked, and nobody could take it away after the drill")
_ROOM: Final = _not("a drill's copies are a room of their own, and are rehearsed with the region failure")
TABLE: Final[Mapping[str, Aim]] = {
    "velero-rewrites": _rewrites,
    "velero-restore": _of_service,
    "workload-ready": _of_service,
    "verify-service": _of_service,
    "promote-replica": _throw_away,
    "restore-instance": _throw_away,
    "verify-write": _written,
    "integrity-check": _at_throw_away,
    "switch-traffic": _switch,
    "verify-traffic": _switch,
    "velero-location-read-only": _LOCATION,
    "velero-schedules-paused": _SCHEDULES,
    "node-capacity": _capacity,
    "node-capacity-lowered": _RETURN,
    "instance-aside": _RETURN,
    "replica-rebuilt": _RETURN,
    "fence-lifted": _RETURN,
    "wrong-side-listed": _RETURN,
    "replica-following": _RETURN,
    "moment-reached": _RETURN,
    "fence-standby": _RETURN,
    "reopen-standby": _RETURN,
    "primary-caught-up": _RETURN,
    "promote-primary": _RETURN,
    "point-home": _RETURN,
    "verify-home-write": _RETURN,
    "workloads-gone": _RETURN,
    "instance-discarded": _RETURN,
    "velero-schedules-resumed": _SCHEDULES,
    "velero-location-opened": _LOCATION,
    "velero-schedules-kept": _SCHEDULES,
    "backup-now": _not("it makes a real backup, which is wanted or is not"),
    "point-application": _not("it would send the standby's applications to a database that is thrown away"),
    "point-restored": _not("it would send people to a database that is thrown away"),
    "fence-acl": _FENCE,
    "fence-primary": _FENCE,
    "open-primary": _FENCE,
    "replica-caught-up": _not("it waits for writes that were stopped, and none are"),
    "database-elsewhere": _not("it would interrupt people's database"),
    "restore-point": _not("it takes what a person chooses in an incident"),
    "s3-count": _put_back,
    "s3-restore": _put_back,
    "velero-missing": _not("it puts back what is missing where people work, and nothing is"),
    "pods-recovered": _PODS,
    "nodes-replaced": _NODES,
    "volumes-attached": _NODES,
    "infrastructure-sound": _not("it only looks, and at what people use"),
    "pods-redistributed": _NODES,
    "nodes-readmitted": _NODES,
    "zone-shifted": _ZONE,
    "zone-returned": _ZONE,
    "canary-aborted": _GIT,
    "application-rolled-back": _GIT,
    "auto-sync-given-back": _GIT,
    "secrets-refreshed": _not("what the store holds would reach every service"),
    "terraform-state-restored": _STATE,
    "breach-found": _not("it looks for an intruder, and there is none"),
    "instances-quarantined": _QUARANTINE,
    "instances-released": _QUARANTINE,
    "subnets-quarantined": _QUARANTINE,
    "subnets-released": _QUARANTINE,
    "namespaces-quarantined": _QUARANTINE,
    "namespaces-released": _QUARANTINE,
    "lifecycles-paused": _EXPIRY,
    "lifecycles-resumed": _EXPIRY,
    "databases-kept": _KEPT,
    "databases-given-back": _KEPT,
    "images-kept": _IMAGES,
    "images-expire": _IMAGES,
    "clean-room-made": _ROOM,
    "clean-room-runs": _ROOM,
    "clean-room-gone": _ROOM,
    "copies-whole": _not("it only looks, and the clock looks at the newest copy all the time"),
    "volumes-snapshotted": _EVIDENCE,
    "logs-kept": _EVIDENCE,
    "objects-kept": _EVIDENCE,
    "marker-left": _ELSEWHERE,
    "dump-found": _ELSEWHERE,
    "dump-restored": _ELSEWHERE,
    "secrets-pointed": _ELSEWHERE,
    "verify-outage-write": _ELSEWHERE,
    "record-moved": _ELSEWHERE,
    "verify-move": _ELSEWHERE,
    "person": _OF_PEOPLE,
    "database-dumped": _not("it makes a copy by the clock, and is no step of a recovery"),
    "vault-copied": _not("it makes a copy by the clock, and is no step of a recovery"),
}
"""Action → how it is rehearsed, or why it is not."""
UNKNOWN: Final = _not("nobody has written down how it is rehearsed (core/rehearsal.py)")


def rehearsal(real: Plan, policy: Policy) -> Rehearsal:
    """The drill of a plan. PlanError when nothing of it can be rehearsed; the text says that a tabletop can."""
    kept: dict[str, Step] = {}
    left_out: list[tuple[str, str]] = []
    gone: dict[str, tuple[str, ...]] = {}
    for step in real.steps:
        aimed = TABLE.get(step.action, UNKNOWN)(step, policy)
        if isinstance(aimed, str):
            left_out.append((step.title, aimed))
            gone[step.id] = step.needs
        else:
            kept[step.id] = aimed
    if not kept:
        raise PlanError(f"no step of {real.scenario!r} can be rehearsed with copies; a tabletop rehearses the people")
    steps = [_plain(replace(s, needs=_needs(s.needs, gone))) for s in kept.values()]
    steps = _with_objects(_asked_too(_one_by_one(_on_clear_ground(steps, policy)), policy), policy)
    ordered, undos = in_order(real.scenario, steps), _clean_up(steps, policy)
    hashed = hash_of(f"{DRILL}:{real.scenario}", ordered, undos)
    plan = Plan(scenario=real.scenario, title=f"Drill: {real.title}", steps=ordered, hash=hashed, undos=undos)
    return Rehearsal(plan=plan, left_out=tuple(left_out))


def _plain(step: Step) -> Step:
    """Nobody is asked and nobody outside is told: no step of a drill moves what people use."""
    return replace(
        step,
        automatic=True,
        people=1,
        asks_because="",
        reversible=True,
        announces=None,
        best_effort=False,
        takes=(),
        missing=(),
        unless=None,
    )


def _needs(needs: tuple[str, ...], gone: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for need in needs:
        found |= dict.fromkeys(_needs(gone[need], gone) if need in gone else (need,))
    return tuple(found)


OF_SERVICES: Final = frozenset({"velero-rewrites", "velero-restore", "workload-ready", "verify-service"})


def _on_clear_ground(steps: list[Step], policy: Policy) -> list[Step]:
    """Before the first copy it is seen that nothing stands in its place: what is deleted must be the drill's."""
    if not any(s.action in OF_SERVICES for s in steps):
        return steps
    clear = Step(
        id="clear",
        title="Look that nothing stands where the copies will",
        action="drill-clear",
        params={"cluster": "standby", COPY: DRILL},
        automatic=True,
        reversible=True,
        expected=policy.drills.clean_within / 30,
        deadline=policy.drills.clean_within,
    )
    first = (replace(s, needs=(*s.needs, clear.id)) if s.action in OF_SERVICES and not s.needs else s for s in steps)
    return [clear, *first]


def _one_by_one(steps: list[Step]) -> list[Step]:
    found: list[Step] = []
    last = ""
    for step in steps:
        if step.action == "velero-restore":
            chained = tuple(dict.fromkeys((*step.needs, *((last,) if last else ()))))
            found.append(replace(step, needs=chained))
            last = step.id
        else:
            found.append(step)
    return found


def _asked_too(steps: list[Step], policy: Policy) -> list[Step]:
    """A throw-away database is written to and asked, whether or not the runbook has a step for it."""
    made = next((s for s in steps if s.action == "restore-instance"), None)
    if made is None:
        return steps
    minutes = policy.drills.clean_within
    more = {
        "drill-write": "Prove the throw-away instance with a write",
        "integrity-check": "Ask the integrity checks of the throw-away instance",
    }
    if policy.platform.integrity is None:
        del more["integrity-check"]
    present = {s.action for s in steps}
    found = [
        Step(
            id=f"drill-{action.removeprefix('drill-')}",
            title=title,
            action=action,
            params={COPY: DRILL},
            needs=(made.id,),
            automatic=True,
            reversible=True,
            expected=minutes / 30,
            deadline=minutes,
        )
        for action, title in more.items()
        if action not in present
    ]
    return [*steps, *found]


OF_OBJECTS: Final = frozenset({"s3-count", "s3-restore"})


def _with_objects(steps: list[Step], policy: Policy) -> list[Step]:
    """Before anything is counted or put back there are objects that want it, and afterwards they are compared."""
    if not any(s.action in OF_OBJECTS for s in steps):
        return steps
    minutes = policy.drills.clean_within

    def own(name: str, title: str, action: str, needs: tuple[str, ...], share: int) -> Step:
        return Step(
            id=name,
            title=title,
            action=action,
            params={COPY: DRILL},
            needs=needs,
            automatic=True,
            reversible=True,
            expected=minutes / share,
            deadline=minutes,
        )

    made = own("drill-objects", "Write objects in the drill's own folder, and harm them", "drill-objects", (), 20)
    put_back = tuple(s.id for s in steps if s.action == "s3-restore")
    title = "Compare what was put back with what was there"
    same = [own("drill-objects-same", title, "drill-objects-same", put_back, 30)] if put_back else []
    first = (replace(s, needs=(*s.needs, made.id)) if s.action in OF_OBJECTS else s for s in steps)
    return [made, *first, *same]


def _clean_up(steps: list[Step], policy: Policy) -> tuple[Step, ...]:
    """What takes the copies away, each verified by a look; owed as soon as what it `undoes` had begun."""

    def clean(name: str, title: str, action: str, undoes: Step, **params: str) -> Step:
        return Step(
            id=f"{CLEAN}{name}",
            title=title,
            action=action,
            params={**params, COPY: DRILL},
            automatic=True,
            reversible=False,
            expected=policy.drills.clean_within / 10,
            deadline=policy.drills.clean_within,
            undoes=undoes.id,
        )

    first = {action: s for s in reversed(steps) for action in (s.action,)}
    found: list[Step] = []
    made = first.get("velero-rewrites") or first.get("velero-restore")
    if made is not None:
        found.append(clean("copies", "Take the copies of services away", "drill-copies-gone", made, cluster="standby"))
    if made := first.get("restore-instance"):
        found.append(clean("database", "Delete the throw-away instance", "drill-instance-gone", made))
    if made := first.get("drill-objects"):
        found.append(clean("objects", "Delete the drill's objects, every version of them", "drill-objects-gone", made))
    if made := first.get("node-capacity"):
        found.append(
            clean("capacity", "Lower the standby's nodes again", "node-capacity-lowered", made, cluster="standby")
        )
    if made := first.get("switch-traffic"):
        # Where the test record began, whichever way it was switched.
        back = "primary" if made.params.get("to") == "standby" else "standby"
        found.append(clean("switch", "Put the test record back", "switch-traffic", made, to=back))
    return tuple(found)
