"""What the page of a plan says to people: what makes the case, what they choose, what asks them and why, what is typed.

All of it is policy's: nothing here looks at an incident. Whoever reads the page may be woken by it, so each command
stands there as it is typed, and what nobody can do by hand is said as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from chalicelib.actions.registry import ACTIONS
from chalicelib.core.bounds import allowed
from chalicelib.core.plan import Plan, Step
from chalicelib.policy import Policy
from chalicelib.policy.base import show_duration
from chalicelib.policy.people import Saying
from chalicelib.policy.runbooks import Choice, ChoiceKind
from chalicelib.policy.scenarios import Automation, ScopeKind
from chalicelib.policy.signals import Observer, Rule
from drctl.cli.backups import ASKED as BACKUP

WRITES: Final = frozenset({"verify-write", "verify-home-write", "verify-outage-write"})
ASKED: Final = frozenset({"person", "wrong-side-listed"}) | WRITES
"""Actions that declare no call and ask all the same: the one asks only, the others call the database itself."""
OUTSIDE: Final = "record-moved"
"""The action of a plan that is run without AWS, from an operator's machine."""


def begins(scenario: str, policy: Policy) -> list[dict[str, Any]]:
    """What opens the case and what confirms it, one row a rule: where, by whom, and the sentence that says so."""
    rules = [r for r in policy.signals.rules if r.scenario == scenario]
    return [_by_evidence(rule, policy) for rule in rules] or [
        {
            "where": _scope(scenario, policy),
            "observers": [],
            "quorum": None,
            "because": "no signal opens it: it begins by a person's word, and by nothing else",
        }
    ]


def _by_evidence(rule: Rule, policy: Policy) -> dict[str, Any]:
    found = len(rule.observers)
    voices = ", ".join(f"{o.name} ({_hears(o)})" for o in rule.observers)
    one = f"{rule.opens} of {voices}" if found > 1 else voices
    return {
        "where": rule.scope,
        "observers": [o.name for o in rule.observers],
        "quorum": rule.quorum if rule.quorum <= found else None,
        "because": f"suspected by {one}; confirmed {_confirmed(rule)}{_waits(rule, policy)}",
    }


def _confirmed(rule: Rule) -> str:
    found, hold = len(rule.observers), f" for {show_duration(rule.hold)}" if rule.hold else ""
    if rule.quorum > found:
        return "by a person only"
    if found == 1:
        return f"once it is bad{hold}, or by a person" if hold else "by that at once, or by a person"
    return f"by {rule.quorum} of {found} observers bad{hold}, or by a person"


def _hears(observer: Observer) -> str:
    """`alarms ClusterHealth, DatabaseConnectivity`: what speaks for an observer."""
    alarms = observer.alarms
    heard = [
        *((f"alarm {alarms[0]}",) if len(alarms) == 1 else (f"alarms {', '.join(alarms)}",) if alarms else ()),
        *(("a probe",) if observer.probe else ()),
        *((f"the {observer.heartbeat}'s heartbeat",) if observer.heartbeat else ()),
        *((f"the {observer.audit}'s backup schedules",) if observer.audit else ()),
        *(("AWS Health",) if observer.health else ()),
        *((f"GuardDuty's findings of {observer.findings!r}",) if observer.findings else ()),
    ]
    return " and ".join(heard) + ("" if observer.opens else ", which only counts")


def _waits(rule: Rule, policy: Policy) -> str:
    """Whom a suspicion waits for first."""
    if rule.waits is None:
        return ""
    others = ", ".join(r.scope for r in policy.signals.awaited(rule))
    return (
        f"; waits for an {rule.waits.scenario} that is open below {rule.scope}, at most "
        f"{show_duration(rule.waits.at_most)} since the failure began, and only while all of {others} but that one "
        "are good" + (f"; listens {show_duration(rule.waits.listens)} for one to open" if rule.waits.listens else "")
    )


def _scope(scenario: str, policy: Policy) -> str:
    """Where a case is about that no rule places."""
    if scenario == BACKUP:
        return f"{policy.platform.regions.primary}/backups/SCHEDULE"
    match policy.scenario(scenario).scope:
        case ScopeKind.PLATFORM:
            return policy.platform.name
        case ScopeKind.REGION:
            return policy.platform.regions.primary
        case _:
            return "SCOPE"


def may_choose(scenario: str, policy: Policy) -> tuple[Choice, ...]:
    """What a person may choose for a scenario's steps."""
    runbook = policy.runbook(scenario)
    return tuple(c for c in runbook.choices if c.kind is not ChoiceKind.JOURNAL) if runbook else ()


def from_the_journal(scenario: str, policy: Policy) -> tuple[Choice, ...]:
    """What the journal of a move says for the steps that take it back."""
    runbook = policy.runbook(scenario)
    return tuple(c for c in runbook.choices if c.kind is ChoiceKind.JOURNAL) if runbook else ()


def choice_sentence(choice: Choice, made: Plan, policy: Policy, given: Mapping[str, str]) -> str:
    """`the last moment of good data; allowed: a time …, at most 30d back, proposed by point; waited for by restore`."""
    if choice.name in given:
        return f"{choice.asks}; {given[choice.name]} is chosen"
    way = "ahead" if choice.kind is ChoiceKind.WHEN else "back"
    bound = f", at most {policy.real(choice.reach)} {way}" if choice.reach else ""
    proposes = "one and says the earliest" if choice.kind is ChoiceKind.TIME else "what it has found"
    seen = f"; step {choice.seen_by} proposes {proposes}" if choice.seen_by else ""
    waiting = [s.id for s in made.steps if choice.name in s.missing]
    waits = f"; waited for by {', '.join(waiting)}" if waiting else ""
    waits += f"; {choice.default} as long as nobody chooses" if choice.default else ""
    return f"{choice.asks}; allowed: {allowed(choice, policy, datetime.now(UTC))}{bound}{seen}{waits}"


def typed(made: Plan, policy: Policy, given: Mapping[str, str]) -> list[tuple[str, str]]:
    """The commands that lead through the plan, in order; none where nobody is asked and nothing is to be chosen."""
    asking = [s.id for s in made.steps if why_it_asks(s, made.scenario, policy)]
    choosing = list(_choosing(made.scenario, policy, given))
    if not asking and not choosing:
        return []
    offline = _offline(made)
    stage = "--stage offline" if offline else "--stage prod, unless DR_STAGE says so"
    return [
        ("begin", _begun(made.scenario, policy, offline=offline)),
        ("look", "drctl status, which says what is open and what asks; drctl show, what every step found and proposes"),
        *choosing,
        *(_answering(asking[0], made) if asking else ()),
        ("where", f"each with {stage}"),
        ("who", _who(policy)),
    ]


def _begun(scenario: str, policy: Policy, *, offline: bool) -> str:
    if offline:
        return f"drctl respond --offline --declare {scenario} --note …, on an operator's machine (docs/offline.md)"
    if policy.scenario(scenario).returns:
        return "drctl failback --begin --note …; drctl failback says what it would do"
    if scenario == BACKUP:
        return "drctl backup now"
    rules = dict.fromkeys(r.scope for r in policy.signals.rules if r.scenario == scenario)
    words = " or ".join(f"drctl declare {scenario} {scope}" for scope in rules or [_scope(scenario, policy)])
    return f"{words} --note …" + ("; it confirms what is only suspected" if rules else "")


def _choosing(scenario: str, policy: Policy, given: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    # Never `none` by itself: whoever copies the line would put nothing back.
    words = [(c, f"{c.name}={given.get(c.name, c.name.upper())}") for c in may_choose(scenario, policy)]
    if needed := [(c, word) for c, word in words if not c.default]:
        nothing = "; none where none of it is" if any(c.none for c, _ in needed) else ""
        yield "choose", "drctl choose " + " ".join(word for _, word in needed) + nothing
    if other := " ".join(word for c, word in words if c.default):
        yield "choose otherwise", f"drctl choose {other}, any of them, before what takes it has begun"


def _answering(first: str, made: Plan) -> list[tuple[str, str]]:
    return [
        ("allow", f"drctl approve --step {first} --note …, and so on with each that asks; without --step all of them"),
        ("stop", f"drctl reject {first} refuses a step; drctl abort --note … {_ends(made)}"),
    ]


def _ends(made: Plan) -> str:
    return "starts no further step" + (
        ", and takes back what is listed below" if made.undos else "; what is done stays done"
    )


def _offline(made: Plan) -> bool:
    return any(step.action == OUTSIDE for step in made.steps)


def voices(policy: Policy) -> dict[str, Any]:
    """Who may say yes, and how long a yes stands."""
    people, valid = policy.people, policy.platform.responder.approval_valid
    return {
        "roles": [role.name for role in people.roles if Saying.APPROVE in role.may],
        "people": list(people.who_may(Saying.APPROVE)),
        "valid_s": valid.total_seconds(),
    }


def _who(policy: Policy) -> str:
    able = voices(policy)
    valid = show_duration(policy.platform.responder.approval_valid)
    return (
        f"the {' and the '.join(able['roles'])} may say yes: {', '.join(able['people'])}; "
        f"a yes expires {valid} after it was said, and what has not begun by then asks again"
    )


def asked_sentence(step: Step, scenario: str, policy: Policy) -> str:
    """Why it asks, and whether there is a way back."""
    why = why_it_asks(step, scenario, policy)
    return f"{why}; cannot be undone" if why and not step.reversible and "cannot be undone" not in why else why


def why_it_asks(step: Step, scenario: str, policy: Policy) -> str:
    """Why a person is asked before this step, empty when nobody is, as far as policy alone can say."""
    if not ACTIONS[step.action].calls and step.action not in ASKED:
        return ""
    two = "two people: " if step.people > 1 else ""
    if policy.scenario(scenario).automatic is Automation.NO:
        return two + (step.asks_because or f"policy allows nothing automatic for {scenario}")
    if two or not step.automatic:
        return two + (step.asks_because or "policy says that a person decides this step")
    return step.asks_because
