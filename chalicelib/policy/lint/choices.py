"""Rules about choices: that what a step takes can be chosen, and that what can be chosen is taken."""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.core.plan import CHOSEN
from chalicelib.policy.lint.finding import Flaw, Whole, error, meant, one_of, repeats
from chalicelib.policy.runbooks import Choice, ChoiceKind, Runbook, RunbookStep

_LISTS = (
    *(ChoiceKind.SERVICES, ChoiceKind.NAMESPACES, ChoiceKind.PREFIX),
    *(ChoiceKind.INSTANCES, ChoiceKind.SUBNETS),
)
_GIT_OR_S3 = (ChoiceKind.REVISION, ChoiceKind.VERSION)
_NOTHING = (*_LISTS, *_GIT_OR_S3, ChoiceKind.TIME)
_NAMED = (ChoiceKind.SERVICES, ChoiceKind.NAMESPACES)
_TIMED = (ChoiceKind.TIME, ChoiceKind.WHEN)
_SEEN = (ChoiceKind.TIME, ChoiceKind.NAMESPACES, ChoiceKind.INSTANCES, ChoiceKind.SUBNETS)


def taken_choice_is_declared(whole: Whole) -> Iterator[Flaw]:
    """`{choice.NAME}` stands for something that the runbook lets a person choose, and only in `with`."""
    for i, runbook in enumerate(whole.policy.runbooks.runbooks):
        names = [c.name for c in runbook.choices]
        for j, row in enumerate(runbook.steps):
            for key, value in row.with_.items():
                for name in CHOSEN.findall(str(value)):
                    if name not in names:
                        yield error(
                            *("runbooks", "runbooks", i, "steps", j, "with", key),
                            allowed=one_of([f"{{choice.{n}}}" for n in names]),
                            found=value,
                            because=f"nobody could choose {name!r}, so step {row.id!r} would wait for it for ever"
                            + meant(name, names),
                        )
            if CHOSEN.search(row.title):
                yield error(
                    *("runbooks", "runbooks", i, "steps", j, "title"),
                    allowed="{choice.NAME} only in with",
                    found=row.title,
                    because=f"the title of step {row.id!r} is not filled with what was chosen",
                )


def choice_is_single(whole: Whole) -> Iterator[Flaw]:
    """One name is one choice."""
    for i, runbook in enumerate(whole.policy.runbooks.runbooks):
        for n, first, name in repeats(c.name for c in runbook.choices):
            yield error(
                *("runbooks", "runbooks", i, "choices", n, "name"),
                allowed="a name that no other choice of the runbook has",
                found=name,
                because=f"choices[{first}] already is {name!r}; a value of it could mean either",
            )


def choice_is_taken(whole: Whole) -> Iterator[Flaw]:
    """What a person is asked for is used."""
    for i, runbook, n, choice in _choices(whole):
        if not any(choice.name in _takes(row) for row in runbook.steps):
            yield error(
                *("runbooks", "runbooks", i, "choices", n, "name"),
                allowed=f"a choice that a step takes as {{choice.{choice.name}}}",
                found=choice.name,
                because=f"no step of {runbook.scenario!r} takes {choice.name!r}: whoever chooses it changes nothing",
            )


def choice_bounds_fit_its_kind(whole: Whole) -> Iterator[Flaw]:
    """Only a time reaches back, only what is found is seen, only what is named may be nothing; a default is a word of
    the kind; who bounds a choice does not take it.
    """
    for i, runbook, n, choice in _choices(whole):
        path = ("runbooks", "runbooks", i, "choices", n)
        if choice.reach is not None and choice.kind not in _TIMED:
            yield error(
                *(*path, "reach"),
                allowed=f"only where kind is {one_of([str(k) for k in _TIMED])}",
                found=choice.reach,
                because=f"{choice.name!r} is of the kind {choice.kind}, which lies at no time",
            )
        if choice.seen_by is not None and choice.kind not in _SEEN:
            yield error(
                *(*path, "seen_by"),
                allowed=f"only where kind is {one_of([str(k) for k in _SEEN])}",
                found=choice.seen_by,
                because=f"{choice.name!r} is of the kind {choice.kind}, of which no step sees anything",
            )
        if choice.none and choice.kind not in _NOTHING:
            yield error(
                *(*path, "none"),
                allowed=f"only where kind is {one_of([str(k) for k in _NOTHING])}",
                found=choice.none,
                because=f"{choice.name!r} is of the kind {choice.kind}, of which one must be chosen",
            )
        defaults = _defaults(choice)
        if choice.default is not None and choice.default not in defaults:
            yield error(
                *(*path, "default"),
                allowed=one_of(defaults) if defaults else "none here",
                found=choice.default,
                because=f"{choice.name!r} is of the kind {choice.kind}{'' if choice.none else ', without none'}:"
                " what takes it would not know what is meant",
            )
        able = [row.id for row in runbook.steps if choice.name not in _takes(row) and row.for_each is None]
        if choice.seen_by is not None and choice.seen_by not in able:
            yield error(
                *(*path, "seen_by"),
                allowed=one_of(able),
                found=choice.seen_by,
                because=f"{choice.seen_by!r} is no step of {runbook.scenario!r} that looks before the choice is made"
                + meant(choice.seen_by, able),
            )


def _defaults(choice: Choice) -> list[str]:
    """What may stand for the choice as long as nobody makes it."""
    own = {**dict.fromkeys(_NAMED, "all"), **dict.fromkeys(_GIT_OR_S3, "found")}.get(choice.kind)
    return [*([own] if own else []), *(["none"] if choice.none else [])]


def _choices(whole: Whole) -> Iterator[tuple[int, Runbook, int, Choice]]:
    for i, runbook in enumerate(whole.policy.runbooks.runbooks):
        for n, choice in enumerate(runbook.choices):
            yield i, runbook, n, choice


def _takes(row: RunbookStep) -> set[str]:
    return {name for value in row.with_.values() for name in CHOSEN.findall(str(value))}
