"""The chance that a graph of steps ends in time: the same graph, run often over times that were measured.

Rules. A node begins when everything that it needs has ended, and not before its floor; it takes one of the answers and
one of the works that it is given, each drawn for itself, so that independent nodes run side by side and the slowest of
what a node needs decides. Nothing here is random: `draw` gives the uniform numbers, one call for one choice, and where
nothing is left to choose it is not asked and one run is exact. All figures are seconds of real time since the failure.
What decides an end is found by going back from it, each time to what ended last: what lies on that way takes its time,
and a second saved anywhere else saves nothing. Never let a node know what it stands for: that is foreseen.py's matter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field
from math import ceil, inf
from typing import Final, Literal

Draw = Callable[[], float]
"""A number in [0, 1), evenly distributed."""

Takes = Literal["answer", "work"]
LATE_SHARE: Final = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One step. `needs` are places of earlier nodes; `answers` is empty where nobody is asked, `works` never is.
    `measured` and `answered` count the measurements that the two rest on, 0 where a written time stands for them.
    """

    id: str
    needs: tuple[int, ...] = ()
    floor: float = 0.0
    answers: tuple[float, ...] = ()
    works: tuple[float, ...]
    measured: int = 0
    answered: int = 0
    over: bool = False


@dataclass(frozen=True, slots=True)
class Aim:
    """What has ended when these nodes have, and by when it should."""

    ends: tuple[int, ...]
    limit: float = inf


@dataclass(frozen=True, slots=True)
class Goal:
    """Aims that are met together or not at all: one service, or a tier's. What decides it is found where it is to be
    `explained`, which takes most of a forecast's time.
    """

    name: str
    aims: tuple[Aim, ...]
    explained: bool = True


@dataclass(frozen=True, slots=True)
class Share:
    """One node's part in an end: in which share of the runs it lay on the way that decided it, and what it took there
    on average. `rests_on` counts its measurements.
    """

    id: str
    takes: Takes
    _: KW_ONLY
    on: float
    seconds: float
    rests_on: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Chance:
    """What became of a goal: in `met` of `runs` every aim was met. `median` and `late` (nine of ten runs end by then)
    are of its last end. `decides` has the heaviest first: of the runs that missed where any did, else of all.
    """

    name: str
    met: int
    runs: int
    median: float
    late: float
    decides: tuple[Share, ...]

    @property
    def share(self) -> float:
        """The chance, from 0 to 1."""
        return self.met / self.runs


@dataclass(slots=True)
class _Tally:
    """`all` and `late` are by place: in how many runs it lay on the way, and what its answers and works took there."""

    met: int = 0
    ends: list[float] = field(default_factory=list)
    all: dict[int, list[float]] = field(default_factory=dict)
    late: dict[int, list[float]] = field(default_factory=dict)


def spread(nodes: Sequence[Node]) -> bool:
    """Whether anything is left to choose."""
    return any(len(set(n.answers)) > 1 or len(set(n.works)) > 1 for n in nodes)


def foretell(nodes: Sequence[Node], goals: Sequence[Goal], *, runs: int, draw: Draw) -> tuple[Chance, ...]:
    """Each goal's chance over that many runs; over one where nothing is left to choose, since all would be the same."""
    runs = runs if spread(nodes) else 1
    tallies = [_Tally() for _ in goals]
    pairs = list(zip(goals, tallies, strict=True))
    for _ in range(runs):
        ends, spent, before = _once(nodes, draw)
        for goal, tally in pairs:
            _count(goal, tally, ends, spent, before)
    return tuple(_chance(goal, tally, nodes, runs) for goal, tally in pairs)


def slowest(nodes: Sequence[Node]) -> tuple[float, ...]:
    """When each node ends if everything takes as long as it can: a goal that these keep, every run keeps."""
    return tuple(_once([_slow(n) for n in nodes], _nothing)[0])


def met(goal: Goal, ends: Sequence[float]) -> bool:
    """Whether nodes that end then keep it."""
    return all(max(ends[i] for i in aim.ends) <= aim.limit for aim in goal.aims)


def _slow(node: Node) -> Node:
    answers = (max(node.answers),) if node.answers else ()
    return Node(id=node.id, needs=node.needs, floor=node.floor, answers=answers, works=(max(node.works),))


def _nothing() -> float:
    return 0.0


def _once(nodes: Sequence[Node], draw: Draw) -> tuple[list[float], list[tuple[float, float]], list[int]]:
    """One run: when each node ended, what it took as (answer, work), and which need held it up last (-1 for none)."""
    ends: list[float] = []
    spent: list[tuple[float, float]] = []
    before: list[int] = []
    for node in nodes:
        start, held = node.floor, -1
        for need in node.needs:
            if ends[need] >= start:
                start, held = ends[need], need
        answers, works = node.answers, node.works
        answer = 0.0
        if answers:
            answer = answers[int(draw() * len(answers))] if len(answers) > 1 else answers[0]
        work = works[int(draw() * len(works))] if len(works) > 1 else works[0]
        ends.append(start + answer + work)
        spent.append((answer, work))
        before.append(held)
    return ends, spent, before


def _count(
    goal: Goal, tally: _Tally, ends: Sequence[float], spent: Sequence[tuple[float, float]], before: Sequence[int]
) -> None:
    worst, last, place, met = -inf, -inf, -1, True
    for aim in goal.aims:
        at = max(aim.ends, key=ends.__getitem__) if len(aim.ends) > 1 else aim.ends[0]
        end = ends[at]
        met = met and end <= aim.limit
        last = max(last, end)
        # Aims without a limit are compared by their ends.
        over = end - aim.limit if aim.limit < inf else end
        if place < 0 or over > worst:
            worst, place = over, at
    tally.met += met
    tally.ends.append(last)
    while goal.explained and place >= 0:
        answer, work = spent[place]
        for kept in (tally.all,) if met else (tally.all, tally.late):
            known = kept.get(place)
            if known is None:
                known = kept[place] = [0.0, 0.0, 0.0, 0.0]
            if answer:
                known[0] += 1
                known[1] += answer
            if work:
                known[2] += 1
                known[3] += work
        place = before[place]


def _chance(goal: Goal, tally: _Tally, nodes: Sequence[Node], runs: int) -> Chance:
    counted, of = (tally.late, runs - tally.met) if tally.late else (tally.all, runs)
    shares = []
    for place, (asked, answers, worked, works) in counted.items():
        node = nodes[place]
        if asked:
            shares.append(Share(node.id, "answer", on=asked / of, seconds=answers / asked, rests_on=node.answered))
        if worked and not node.over:
            shares.append(Share(node.id, "work", on=worked / of, seconds=works / worked, rests_on=node.measured))
    shares.sort(key=lambda s: s.on * s.seconds, reverse=True)
    ordered = sorted(tally.ends)
    return Chance(
        name=goal.name,
        met=tally.met,
        runs=runs,
        median=_rank(ordered, 0.5),
        late=_rank(ordered, LATE_SHARE),
        decides=tuple(shares),
    )


def _rank(ordered: Sequence[float], share: float) -> float:
    """The nearest rank: the smallest figure that at least this share of them does not exceed."""
    return ordered[max(0, ceil(share * len(ordered)) - 1)]
