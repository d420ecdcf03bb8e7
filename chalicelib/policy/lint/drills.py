"""Rules about drills: that each can be done, and that what it moves is nobody's."""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.core.plan import PlanError, plan
from chalicelib.core.rehearsal import rehearsal
from chalicelib.policy.lint.finding import Flaw, Whole, error, one_of, repeats


def drill_runbook_is_known(whole: Whole) -> Iterator[Flaw]:
    """Each row rehearses a runbook that there is, once."""
    rows = whole.policy.drills.rows
    known = [r.scenario for r in whole.policy.runbooks.runbooks]
    for i, row in enumerate(rows):
        if row.runbook not in known:
            because = f"there is no runbook {row.runbook!r} to rehearse"
            yield error("drills", "rows", i, "runbook", allowed=one_of(known), found=row.runbook, because=because)
    for i, first, name in repeats(r.runbook for r in rows):
        because = f"{name!r} already is rows[{first}]; how often it is rehearsed would be said twice"
        yield error("drills", "rows", i, "runbook", allowed="a runbook without a row", found=name, because=because)


def drill_can_be_done(whole: Whole) -> Iterator[Flaw]:
    """What has no step that can be aimed at copies is a tabletop; live is only what is planned."""
    policy = whole.policy
    for i, row in enumerate(policy.drills.rows):
        path = ("drills", "rows", i, "kind")
        if policy.runbook(row.runbook) is None or not policy.has_scenario(row.runbook):
            continue
        if row.kind == "live" and not policy.scenario(row.runbook).planned:
            because = f"{row.runbook} is no planned move, so nobody does it for practice"
            yield error(*path, allowed="copies, people", found=row.kind, because=because)
        if row.kind != "copies":
            continue
        try:
            rehearsal(plan(row.runbook, policy=policy), policy)
        except KeyError:
            continue  # a row that another names is missing, and the rule about that tells it
        except PlanError as refused:
            yield error(*path, allowed="people", found=row.kind, because=str(refused))


def drill_moves_what_nobody_uses(whole: Whole) -> Iterator[Flaw]:
    """The test record and its switch are none of the platform's own, and the services left out are its services."""
    policy = whole.policy
    drills, traffic = policy.drills, policy.platform.traffic
    names = [s.name for s in policy.services.services]
    for i, row in enumerate(drills.left_out):
        if row.service not in names:
            because = f"there is no service {row.service!r} to leave out"
            yield error("drills", "left_out", i, "service", allowed=one_of(names), found=row.service, because=because)
    test = drills.test_record
    if test is None:
        return
    path = ("drills", "test_record")
    if test.record == traffic.record or not test.record.endswith(f".{traffic.zone}"):
        because = "a drill sends it elsewhere, and the zone's name servers are asked for it"
        allowed = f"a record of {traffic.zone} other than {traffic.record}"
        yield error(*path, "record", allowed=allowed, found=test.record, because=because)
    real = traffic.switch
    if real.kind == "metric":
        for field in ("alarm", "metric"):
            mine, its = getattr(test.switch, field), getattr(real, field)
            if mine == its:
                because = "a drill that throws it would move people"
                yield error(*path, "switch", field, allowed=f"another {field}", found=mine, because=because)
        if test.switch.namespace != real.namespace:
            because = "the right to publish is one to the namespace of the traffic's switch"
            found = test.switch.namespace
            yield error(*path, "switch", "namespace", allowed=real.namespace, found=found, because=because)


def drill_window_is_open(whole: Whole) -> Iterator[Flaw]:
    """The window ends after it begins."""
    window = whole.policy.drills.window
    if window is not None and window.until <= window.from_:
        because = "the clock would never begin a drill"
        found, allowed = str(window.until), f"an hour after {window.from_}"
        yield error("drills", "window", "until", allowed=allowed, found=found, because=because)
