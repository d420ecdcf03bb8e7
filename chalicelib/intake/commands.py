"""What a person asks for, from a payload of strings to a `Command`; or a text that says how to ask.

    {"command": "approve", "incident": "…", "plan": "…", "step": "…", "note": "…", "id": "…", "identity": "https://…"}

Who says it stands in `identity`, a signed proof (identity.py); or, for what needs none, in `by`, which is only claimed.
With both, the proof must be that person's.

Which command is the same command. Lambda tries an asynchronous invocation up to three times with the same payload,
and a client whose answer got lost sends it again: that must be one command. The same words said an hour later must
be two. So a command carries an `id` of its caller's making; without one, the id is derived from the whole payload,
provided that it holds the `at` it was said at, by which the two are told apart. With neither it is refused: the
clock of the invocation would make two of a retry, and Lambda's request id two of what a client sent again after a
timeout (an `approve` without a step, taken in twice, would also approve what asks next).

What is chosen is an object of texts, `"choices": {"as_of": "2026-11-26T03:00:00Z"}`; by which names, the runbook says.

The verbs and their fields are those of `core.happened`, read from its types.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import MISSING as NO_DEFAULT
from dataclasses import Field, dataclass, fields
from datetime import UTC, datetime
from difflib import get_close_matches
from hashlib import sha256
from typing import Any, Final, cast, get_args

from chalicelib.core.happened import BreakGlass, Command, KeepSwitch, Said, Unreadable
from chalicelib.intake import identity
from chalicelib.intake.reading import CannotReadError, clean, field, found, moment, raw_text
from chalicelib.policy.platform import Mode

BY_MAX: Final = 128
ID_MAX: Final = 128
NOTE_MAX: Final = 1000
FIELD_MAX: Final = 256
CHOICES: Final = "choices"
CHOICES_MAX: Final = 16
CHOICE_MAX: Final = 4096
"""A list of prefixes may be long; the book stays under its 200 KB all the same."""
WHO: Final = (identity.FIELD, "by")
"""The fields that say who says it, the proof before the claim."""

_HELP: Final = {
    "declare": "Open an incident that no alarm has opened, or confirm one that is only suspected.",
    "raise": "Say that it is worse: an incident of `scenario` takes over, at `scope` or the one that it implies.",
    "repin": "Let the incident, or the debt, follow the policy deployed now; what was approved must be approved again.",
    "choose": "Say what the incident's steps are to take: `choices` by its runbook's names; what was approved is void.",
    "approve": "Allow a step that asks, or without `step` all that ask now, of the plan whose hash you have seen.",
    "reject": "Refuse a step that asks; the incident stays there until somebody approves it, aborts or resolves.",
    "break-glass": "Allow a step alone that two people must approve; it pages everyone, and is reviewed afterwards.",
    "review": "Say that you have looked at what was done behind a broken glass, which is somebody else's.",
    "escalate": "Page the next rung of the ladder now.",
    "acknowledge": "Say that somebody is on it: the ladder stops climbing; without `incident`, the block windows end.",
    "abort": "Start no further step of the incident; what is done stays done.",
    "resolve": "Say that the incident is over.",
    "pause": "Stop every call that changes something, in every incident, until `resume`.",
    "resume": "End a pause.",
    "set-mode": "Let the responder observe only, ask before every step, or act by itself, on the whole platform.",
    "yield": "Let every other incident go first with what both move; what is on its way is finished first.",
    "keep-switch": "Say that the traffic switch is meant to send people to `region`, where somebody put it by hand.",
    "drill": "Rehearse a runbook: `kind` is copies, people (a tabletop) or live; left out, as policy has it.",
    "status": "Ask how things stand; changes nothing.",
}


class CommandError(Exception):
    """A payload that is no command; the text says what was found and what is allowed, a line a fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """One thing that a person can say. `allowed` lists a field's values where they are few."""

    name: str
    help: str
    required: tuple[str, ...]
    optional: tuple[str, ...]
    allowed: Mapping[str, tuple[str, ...]]

    @property
    def usage(self) -> str:
        """`approve: incident, plan, identity or by; optional: step, note, id, at`."""
        optional = ", ".join(n for n in self.optional if n not in WHO)
        return f"{self.name}: {', '.join((*self.required, ' or '.join(WHO)))}; optional: {optional}"


def _verb(kind: type[Any]) -> tuple[str, Verb]:
    explained = ("note",) if kind in (BreakGlass, KeepSwitch) else ()
    own = {f.name: f for f in fields(kind) if f.name not in ("said", "verb")}
    name = next(cast("str", f.default) for f in fields(kind) if f.name == "verb")
    return name, Verb(
        name=name,
        help=_HELP[name],
        required=(*(n for n, f in own.items() if _must_be(f)), *explained),
        optional=(
            *(n for n, f in own.items() if not _must_be(f)),
            *(n for n in ("note", "id", "at") if n not in explained),
            *WHO,
        ),
        allowed={n: tuple(m.value for m in Mode) for n in own if n == "mode"},
    )


def _must_be(own: Field[Any]) -> bool:
    """Whether a field has no default of either kind."""
    return own.default is NO_DEFAULT and own.default_factory is NO_DEFAULT


_KINDS: Final[Mapping[str, type[Any]]] = {_verb(kind)[0]: kind for kind in get_args(Command)}
_VERBS: Final[Mapping[str, Verb]] = dict(_verb(kind) for kind in _KINDS.values())


def describe() -> Mapping[str, Verb]:
    """Every verb with its fields and a sentence, in the order of `core.happened`."""
    return _VERBS


def parse_command(payload: object, *, now: datetime) -> Command:
    """The command that the payload spells; CommandError when it spells none, naming all that is wrong with it.

    `now` is aware UTC; it is when the command was said, unless `at` (ISO 8601 with a zone) says otherwise. Nothing is
    proven yet: `said.by` is the claim, '' when only an identity was sent.
    """
    if not isinstance(payload, Mapping):
        raise CommandError(f'the payload is {found(payload)}, expected an object like {{"command": "status", …}}')
    verb = _which(field(payload, "command"))
    given = {k: v for k, v in payload.items() if v is not None and k != "command"}
    faults = [*_unknown(verb, given), *(f"{n} is missing" for n in verb.required if n not in given)]
    texts: dict[str, str] = {}
    for name in (*verb.required, *verb.optional):
        if name in given and name not in (identity.FIELD, CHOICES):
            try:
                texts[name] = _text(name, given[name], verb)
            except CannotReadError as error:
                faults.append(str(error))
    choices: dict[str, str] = {}
    if CHOICES in given and CHOICES in (*verb.required, *verb.optional):
        try:
            choices = _choices(given[CHOICES])
        except CannotReadError as error:
            faults.append(str(error))
    if not any(name in given for name in WHO):
        faults.append(
            f"{' and '.join(WHO)} are both missing: sign the command (drctl does), "
            "or say who you are where no proof is needed"
        )
    at = now
    if "at" in texts:
        try:
            at = moment(texts.pop("at"), "at", now=now)
        except CannotReadError as error:
            faults.append(str(error))
    if "id" not in given and "at" not in given:
        faults.append(
            "id and at are both missing, so a repetition could not be told from a new command; "
            "give it an id that nobody used before (a UUID), or the time at which you say it as at (like "
            f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ})"
        )
    if faults:
        raise CommandError("\n".join([f"{verb.name} was not taken in: {'; '.join(faults)}", f"allowed: {verb.usage}"]))
    said = Said(
        id=texts.pop("id", "") or _derived(given, verb), by=texts.pop("by", ""), at=at, note=texts.pop("note", "")
    )
    own: dict[str, Any] = {n: Mode(text) if n in verb.allowed else text for n, text in texts.items()}
    if choices:
        own[CHOICES] = choices
    return cast("Command", _KINDS[verb.name](said=said, **own))


def unreadable(payload: object, error: CommandError, *, received_at: datetime) -> Unreadable:
    """The dead letter of a payload that was no command."""
    return Unreadable(raw=raw_text(payload), reason=clean(str(error)), received_at=received_at, way="command")


def _which(name: object) -> Verb:
    if isinstance(name, str) and name in _VERBS:
        return _VERBS[name]
    allowed = "\n".join(f"  {v.usage}" for v in _VERBS.values())
    guess = _guess(name, tuple(_VERBS)) if isinstance(name, str) else ""
    raise CommandError(clean(f"the command is {found(name)}{guess}; allowed:\n{allowed}"))


def _guess(wrong: str, names: Sequence[str]) -> str:
    # difflib is quadratic: what is longer than any name is close to none.
    near = get_close_matches(wrong.strip().lower().replace("_", "-"), names, n=1) if len(wrong) <= FIELD_MAX else []
    return f", did you mean {near[0]!r}?" if near else ""


def _unknown(verb: Verb, given: Mapping[str, Any]) -> list[str]:
    known = (*verb.required, *verb.optional)
    wrong = [name for name in given if name not in known]
    told = [clean(f"there is no field {found(n)}{_guess(n, known) if isinstance(n, str) else ''}") for n in wrong[:8]]
    return told + ([f"and {len(wrong) - 8} more fields that are not known"] if len(wrong) > 8 else [])


def _text(name: str, value: object, verb: Verb) -> str:
    longest = {"by": BY_MAX, "id": ID_MAX, "note": NOTE_MAX}.get(name, FIELD_MAX)
    if not isinstance(value, str):
        raise CannotReadError(f"{name} is {found(value)}, expected a text")
    if name == "note":
        if len(value) > longest:
            raise CannotReadError(f"note has {len(value)} characters, allowed: {longest}")
        return clean(value)
    value = value.strip()
    if not value or len(value) > longest or not value.isprintable():
        raise CannotReadError(f"{name} is {found(value)}, expected 1 to {longest} printable characters")
    allowed = verb.allowed.get(name)
    if allowed and value not in allowed:
        raise CannotReadError(f"{name} is {found(value)}{_guess(value, allowed)}, allowed: {', '.join(allowed)}")
    return value


def _choices(value: object) -> dict[str, str]:
    example = '{"as_of": "2026-11-26T03:00:00Z"}'
    if not isinstance(value, Mapping) or not value:
        raise CannotReadError(f"{CHOICES} is {found(value)}, expected an object of texts like {example}")
    if len(value) > CHOICES_MAX:
        raise CannotReadError(f"{CHOICES} holds {len(value)} choices, allowed: {CHOICES_MAX}")
    read: dict[str, str] = {}
    for name, chosen in value.items():
        if not isinstance(name, str) or not name.isprintable() or not 0 < len(name) <= FIELD_MAX:
            raise CannotReadError(clean(f"{CHOICES} has the name {found(name)}, expected one of the runbook's"))
        text = chosen.strip() if isinstance(chosen, str) else ""
        if not text or len(text) > CHOICE_MAX or not text.isprintable():
            raise CannotReadError(
                f"{CHOICES}.{name} is {found(chosen)}, expected 1 to {CHOICE_MAX} printable characters"
            )
        read[name] = text
    return read


def _derived(given: Mapping[str, Any], verb: Verb) -> str:
    # A repetition may be signed anew, and is the same command.
    said = {k: v for k, v in given.items() if k != identity.FIELD}
    canonical = json.dumps({**said, "command": verb.name}, sort_keys=True, separators=(",", ":"))
    return sha256(canonical.encode()).hexdigest()
