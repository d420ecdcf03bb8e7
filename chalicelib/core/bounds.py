"""What may be chosen: how a choice is written, between which bounds, and what is said while nobody has made it.

Rules. What a person gives becomes one canonical text or is refused with a sentence: what, where, what is allowed, what
was found. Two ways to write the same thing are the same choice, and so the same plan. The bounds are policy's and what
a step of the incident has seen; whether the world still holds what was chosen is for the action to see again. Nothing
here changes anything.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Final, assert_never

from chalicelib.core.incident import Incident, StepState
from chalicelib.core.plan import Rules, Step
from chalicelib.policy import Policy
from chalicelib.policy.runbooks import Choice, ChoiceKind

NONE: Final = "none"
"""What is written where nothing of a list is wanted."""
ALL: Final = "all"
"""What is written for every one of a list."""
FOUND: Final = "found"
"""What is written where the action is to find by itself which one."""
NOW: Final = "now"
"""What is written where there is nothing to wait for."""
_REVISION: Final = re.compile(r"(?!-)[A-Za-z0-9][A-Za-z0-9._/-]{0,199}")
_VERSION: Final = re.compile(r"[A-Za-z0-9._-]{1,1024}")
_LIKE: Final = {
    ChoiceKind.REVISION: "a Git commit of the history, or how it begins",
    ChoiceKind.VERSION: "one version's id, as S3 gives it",
}
_OF_EC2: Final = {
    ChoiceKind.INSTANCES: (re.compile(r"i-[0-9a-f]{8}(?:[0-9a-f]{9})?"), "i-0123456789abcdef0"),
    ChoiceKind.SUBNETS: (re.compile(r"subnet-[0-9a-f]{8}(?:[0-9a-f]{9})?"), "subnet-0123456789abcdef0"),
}
MOST: Final = 20
"""So many instances or subnets are chosen at most: each is looked at by itself."""


class WrongChoiceError(Exception):
    """A value that may not be chosen; the text says what is allowed and what was found."""


def read(choice: Choice, value: str, incident: Incident | None, policy: Policy, now: datetime) -> str:
    """The value as it is kept: times in UTC to the second, lists in policy's order, each once. Without an incident
    nothing was seen yet, and policy's bounds alone count.
    """
    match choice.kind:
        case ChoiceKind.TIME:
            return _time(choice, value, incident, policy, now)
        case ChoiceKind.SERVICES:
            return _some(choice, value, [s.name for s in policy.services.in_order() if s.namespace])
        case ChoiceKind.NAMESPACES:
            return _some(choice, value, namespaces(policy))
        case ChoiceKind.PREFIX:
            return _prefix(choice, value, policy)
        case ChoiceKind.REVISION:
            return _like(choice, value, _REVISION)
        case ChoiceKind.VERSION:
            return _like(choice, value, _VERSION)
        case ChoiceKind.WHEN:
            return _when(choice, value, policy, now)
        case ChoiceKind.JOURNAL:
            return value
        case ChoiceKind.INSTANCES | ChoiceKind.SUBNETS:
            return _ids(choice, value)
    assert_never(choice.kind)


def listed(value: str) -> tuple[str, ...]:
    """The parts of a list as it is kept; none of them for `none`."""
    return () if value == NONE else tuple(value.split(","))


def namespaces(policy: Policy) -> list[str]:
    """The namespaces of the service table, each once, in recovery order."""
    return list(dict.fromkeys(s.namespace for s in policy.services.in_order() if s.namespace))


def moment(value: str) -> datetime:
    """The time that a kept choice, or a step's fact, spells; ValueError when it spells none with a zone."""
    at = datetime.fromisoformat(value)
    if at.tzinfo is None:
        raise ValueError(f"{value!r} names no zone")
    return at.astimezone(UTC).replace(microsecond=0)


def spelled(at: datetime) -> str:
    """`2026-11-26T03:00:00Z`: a time as it is kept and as a person types it."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def allowed(choice: Choice, policy: Policy, now: datetime) -> str:
    """What may be given, as a person reads it before anything has happened."""
    match choice.kind:
        case ChoiceKind.TIME:
            return f"a time with its zone, like {spelled(now)}{_or(choice)}"
        case ChoiceKind.SERVICES:
            return ", ".join(s.name for s in policy.services.in_order() if s.namespace) + _or(choice)
        case ChoiceKind.NAMESPACES:
            return ", ".join(namespaces(policy)) + _or(choice)
        case ChoiceKind.PREFIX:
            return f"what begins with {', '.join(_restorable(policy))}{_or(choice)}"
        case ChoiceKind.REVISION | ChoiceKind.VERSION:
            return _LIKE[choice.kind] + _or(choice)
        case ChoiceKind.WHEN:
            return f"a time to come with its zone, like {spelled(now)}, or {NOW}"
        case ChoiceKind.JOURNAL:
            return "nothing: the journal says it"
        case ChoiceKind.INSTANCES | ChoiceKind.SUBNETS:
            return f"ids like {_OF_EC2[choice.kind][1]}, by commas{_or(choice)}"
    assert_never(choice.kind)


def wanting(incident: Incident, step: Step, rules: Rules) -> str:
    """What the step waits for and how it is given, '' where everything is chosen, and can be had as far as was seen."""
    runbook = rules.policy.runbook(incident.scenario)
    if not step.missing:
        return _out_of_reach(incident, step, runbook.choices if runbook else ())
    parts, typed = [], []
    for name in step.missing:
        choice = runbook.choice(name) if runbook else None
        if choice is None:
            parts.append(f"{name}, which today's policy does not know")
            continue
        parts.append(f"{name}, {choice.asks}{_hint(choice, incident)}")
        # Never a value that nobody has seen: whoever copies the line would choose it.
        typed.append(f"{name}={proposed(choice, incident) or name.upper()}")
    return f"nobody has chosen {'; and '.join(parts)}: drctl choose {incident.id} {' '.join(typed)}"


def _out_of_reach(incident: Incident, step: Step, choices: Sequence[Choice]) -> str:
    """What was chosen before anybody had seen that it cannot be had: with the declaration, say. A step that was begun
    with it is not stopped: what can be had moves on with the time.
    """
    record = incident.step(step.id)
    if record.state is StepState.ACTING or record.calls > record.refused:
        return ""
    for choice in choices:
        earliest, made = _fact(choice, incident, "earliest"), incident.chosen.get(choice.name, "")
        if choice.name in step.takes and made and earliest and moment(made) < moment(earliest):
            typed = f"drctl choose {incident.id} {choice.name}={proposed(choice, incident) or earliest}"
            return (
                f"{choice.name}={made} was chosen, and the earliest that {choice.seen_by} found is {earliest}: {typed}"
            )
    return ""


def proposed(choice: Choice, incident: Incident) -> str:
    """What a step of the incident proposes, '' where none does."""
    return _fact(choice, incident, "proposed")


def _hint(choice: Choice, incident: Incident) -> str:
    hints = []
    if found := proposed(choice, incident):
        hints.append(f"proposed is {found}")
    if earliest := _fact(choice, incident, "earliest"):
        hints.append(f"the earliest is {earliest}")
    if choice.kind is ChoiceKind.TIME and not hints:
        hints.append(f"before {spelled(incident.failed_at)}, when it was first seen or declared")
    return f" ({'; '.join(hints)})" if hints else ""


def _fact(choice: Choice, incident: Incident | None, name: str) -> str:
    """What a step has seen for this choice alone, else for the one choice that it has seen something for."""
    if not choice.seen_by or incident is None:
        return ""
    facts = incident.step(choice.seen_by).facts
    return str(facts.get(f"{name}.{choice.name}", facts.get(name, "")))


def _time(choice: Choice, value: str, incident: Incident | None, policy: Policy, now: datetime) -> str:
    if value == NONE and choice.none:
        return NONE
    try:
        at = moment(value)
    except (ValueError, OverflowError) as error:
        raise WrongChoiceError(f"{choice.name} is {value!r}; allowed: {allowed(choice, policy, now)}") from error
    if at > now:
        raise WrongChoiceError(f"{choice.name} is {spelled(at)}, which is to come; allowed: until now, {spelled(now)}")
    if choice.reach is not None and at < now - choice.reach:
        raise WrongChoiceError(
            f"{choice.name} is {spelled(at)}; allowed: from {spelled(now - choice.reach)} on, "
            f"{policy.real(choice.reach)} back is how far policy reaches"
        )
    earliest = _fact(choice, incident, "earliest")
    if earliest and at < moment(earliest):
        raise WrongChoiceError(
            f"{choice.name} is {spelled(at)}; allowed: from {earliest} on, "
            f"the earliest that {choice.seen_by} found restorable"
        )
    return spelled(at)


def _when(choice: Choice, value: str, policy: Policy, now: datetime) -> str:
    if value == NOW:
        return NOW
    try:
        at = moment(value)
    except (ValueError, OverflowError) as error:
        raise WrongChoiceError(f"{choice.name} is {value!r}; allowed: {allowed(choice, policy, now)}") from error
    if choice.reach is not None and at > now + choice.reach:
        raise WrongChoiceError(
            f"{choice.name} is {spelled(at)}; allowed: until {spelled(now + choice.reach)}, "
            f"{policy.real(choice.reach)} ahead is how far policy reaches, or {NOW}"
        )
    # A time that is over is kept as it is, for a re-pin reads it again; nobody may choose one (`to_come`).
    return spelled(at)


def to_come(choice: Choice, value: str, policy: Policy, said_at: datetime) -> None:
    """WrongChoiceError when a moment that something is to wait for was over when it was said: it would begin at once,
    and whoever means that says so.
    """
    if choice.kind is ChoiceKind.WHEN and value != NOW and moment(value) < said_at.replace(microsecond=0):
        raise WrongChoiceError(f"{choice.name} is {value}, which is over; allowed: {allowed(choice, policy, said_at)}")


def _parts(choice: Choice, value: str) -> list[str]:
    """The parts of a list; none of them where `none` is written and allowed."""
    if value == NONE and choice.none:
        return []
    parts = [part.strip() for part in value.split(",")]
    if not all(parts):
        raise WrongChoiceError(f"{choice.name} is {value!r}; allowed: names with commas between them, none of it empty")
    return parts


def _some(choice: Choice, value: str, allowed: Sequence[str]) -> str:
    if value == ALL == choice.default:
        return ALL
    parts = _parts(choice, value)
    for part in parts:
        if part not in allowed:
            near = get_close_matches(part, allowed, n=1)
            meant = f", did you mean {near[0]!r}?" if near else ""
            raise WrongChoiceError(f"{choice.name} holds {part!r}{meant}; allowed: {', '.join(allowed)}{_or(choice)}")
    return ",".join(a for a in allowed if a in parts) or NONE


def _ids(choice: Choice, value: str) -> str:
    pattern, example = _OF_EC2[choice.kind]
    parts = list(dict.fromkeys(_parts(choice, value)))
    wrong = next((part for part in parts if not pattern.fullmatch(part)), None)
    if wrong is not None or len(parts) > MOST:
        found = f"holds {wrong!r}" if wrong is not None else f"holds {len(parts)} ids"
        allowed = f"at most {MOST} ids like {example}, by commas{_or(choice)}"
        raise WrongChoiceError(f"{choice.name} {found}; allowed: {allowed}")
    return ",".join(sorted(parts)) or NONE


def _prefix(choice: Choice, value: str, policy: Policy) -> str:
    if value == NONE and choice.none:
        return NONE
    allowed = _restorable(policy)
    if "{" in value or "}" in value or not value.isprintable():
        raise WrongChoiceError(f"{choice.name} is {value!r}; allowed: printable, without braces")
    if not any(value.startswith(root) for root in allowed):
        raise WrongChoiceError(
            f"{choice.name} is {value!r}; allowed: what begins with {', '.join(allowed)}{_or(choice)} "
            "(backups.yaml, restorable)"
        )
    return value


def _restorable(policy: Policy) -> list[str]:
    return [f"{row.bucket}/{prefix}" for row in policy.backups.restorable for prefix in row.prefixes]


def _or(choice: Choice) -> str:
    """`, or none`: the words that stand for something."""
    words = ([NONE] if choice.none else []) + ([choice.default] if choice.default in (ALL, FOUND) else [])
    return f", or {' or '.join(words)}" if words else ""


def _like(choice: Choice, value: str, pattern: re.Pattern[str]) -> str:
    word = {NONE: choice.none, FOUND: choice.default == FOUND}.get(value)
    if word is False or not pattern.fullmatch(value):
        raise WrongChoiceError(f"{choice.name} is {value!r}; allowed: {_LIKE[choice.kind]}{_or(choice)}")
    return value
