"""The picture of an incident: its steps on a time line, with the budgets drawn in, as one self-contained SVG.

It needs nothing from outside, has a title and a description for who cannot see it, follows the reader's light or dark
setting, and says nothing by colour alone: verdicts are words, an answer is hatched, what decided the end is marked.
"""

from __future__ import annotations

from html import escape
from itertools import pairwise
from typing import Final

from chalicelib.core.incident import StepState
from chalicelib.reports.incident.lines import Bar, Lines, ServiceLine, described, took

WIDTH: Final = 1080
LEFT: Final = 232
RIGHT: Final = 128
ROW: Final = 19
BAR: Final = 11
HEAD: Final = 62
GAP: Final = 34
NEAR: Final = 76
"""Pixels that a budget's label needs; one that would touch the one before it goes a line higher."""
_TICKS: Final = (10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)
_STYLE: Final = """
  svg { color-scheme: light dark; font: 12px system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif; }
  .ground { fill: #ffffff; } .text { fill: #1d2430; } .dim { fill: #5a6472; } .grid { stroke: #e3e7ec; }
  .head { font-size: 17px; font-weight: 600; } .section { font-weight: 600; } .hatch { stroke: #9a6700; }
  .budget { stroke: #8a3ffc; stroke-dasharray: 5 3; } .budget-text { fill: #6929c4; }
  .work { fill: #2b6cb0; } .way { fill: #17406d; } .ask { fill: url(#hatch); stroke: #9a6700; }
  .open { fill: none; stroke: #2b6cb0; } .stuck { fill: #c62828; } .left { fill: #8d96a3; } .seen { fill: #cfd6de; }
  .met { fill: #1a7f4b; } .missed { fill: #b3261e; } .running { fill: #2b6cb0; }
  .forecast { fill: #2b6cb0; opacity: .12; } .forecast-line { stroke: #2b6cb0; stroke-dasharray: 2 3; }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #14171c; } .text { fill: #e8ebef; } .dim { fill: #a3adba; } .grid { stroke: #2b323c; }
    .budget { stroke: #be95ff; } .budget-text { fill: #d4bbff; } .work { fill: #5b9bdc; } .way { fill: #a9d1fb; }
    .ask { stroke: #e3b341; } .hatch { stroke: #e3b341; } .open { stroke: #5b9bdc; } .stuck { fill: #ff8a80; }
    .left { fill: #7c8794; } .met { fill: #56d39b; } .missed { fill: #ff8a80; } .running { fill: #5b9bdc; }
    .seen { fill: #3a434f; } .forecast { fill: #5b9bdc; } .forecast-line { stroke: #5b9bdc; }
  }
"""
_HATCH: Final = (
    '<pattern id="hatch" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<line class="hatch" x1="0" y1="0" x2="0" y2="5" stroke-width="2.4"/></pattern>'
)


def picture(found: Lines) -> str:
    """The SVG, as text."""
    return _Drawing(found).drawn()


class _Drawing:
    def __init__(self, found: Lines) -> None:
        self._found = found
        self._out: list[str] = []
        rtos = sorted({s.rto for s in found.services})
        last = max([found.end, *(found.forecast or ()), *rtos[:1]], default=0.0)
        self._until = max(last * 1.04, 10.0)
        # A budget of a day would leave a pixel for the steps: what lies past the edge is said there.
        self._budgets = [r for r in rtos if r <= self._until]
        self._beyond = [r for r in rtos if r > self._until]
        rows = (len(found.services) + bool(found.services)) + len(found.bars) + 2
        self._bottom = HEAD + GAP + rows * ROW + 12
        self._height = self._bottom + 54

    def _x(self, seconds: float) -> float:
        return round(LEFT + seconds / self._until * (WIDTH - LEFT - RIGHT), 1)

    def drawn(self) -> str:
        name = escape(f"{self._found.heading}: {took(self._found.end)}")
        size = f'viewBox="0 0 {WIDTH} {self._height}" width="{WIDTH}" height="{self._height}"'
        named = 'role="img" aria-labelledby="picture-title picture-desc"'
        self._out = [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} {named}>',
            f'<title id="picture-title">{name}</title>',
            f'<desc id="picture-desc">{escape(described(self._found))}</desc>',
            f"<style>{_STYLE}</style><defs>{_HATCH}</defs>",
            f'<rect class="ground" width="{WIDTH}" height="{self._height}" rx="8"/>',
        ]
        self._text(18, 30, self._found.heading, "text head")
        lasted = f"{took(self._found.end)} of real time" + ("" if self._found.over else " so far")
        self._text(18, 49, f"{len(self._found.bars)} steps, {lasted}", "dim")
        self._axis()
        self._marks()
        y = self._services(HEAD + GAP) if self._found.services else HEAD + GAP
        self._steps(y + 6)
        self._key()
        self._out.append("</svg>")
        return "\n".join(self._out) + "\n"

    def _text(self, x: float, y: float, text: str, kind: str, *, anchor: str = "start") -> None:
        self._out.append(f'<text class="{kind}" x="{x}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>')

    def _line(self, x: float, y1: float, y2: float, kind: str) -> None:
        self._out.append(f'<line class="{kind}" x1="{x}" y1="{y1}" x2="{x}" y2="{y2}"/>')

    def _rect(self, start: float, end: float, y: float, kind: str, *, height: float = BAR) -> None:
        width = max(2.0, round(self._x(end) - self._x(start), 1))
        self._out.append(
            f'<rect class="{kind}" x="{self._x(start)}" y="{y}" width="{width}" height="{height}" rx="2"/>'
        )

    def _axis(self) -> None:
        step = next((t for t in _TICKS if self._until / t <= 10), _TICKS[-1])
        tick = 0
        while tick <= self._until:
            self._line(self._x(tick), HEAD + GAP - 6, self._bottom, "grid")
            self._text(self._x(tick), self._bottom + 16, took(tick), "dim", anchor="middle")
            tick += step

    def _marks(self) -> None:
        """The budgets and the forecast; labels that would touch go a line higher."""
        if self._found.forecast:
            half, late = self._found.forecast
            self._rect(half, late, HEAD + GAP, "forecast", height=self._bottom - HEAD - GAP)
            self._line(self._x(half), HEAD + GAP, self._bottom, "forecast-line")
        places = [self._x(r) for r in self._budgets]
        raised = [False, *(b - a < NEAR for a, b in pairwise(places))] if places else []
        for rto, x, high in zip(self._budgets, places, raised, strict=True):
            self._line(x, HEAD + GAP - 8, self._bottom, "budget")
            tiers = ", ".join(str(t) for t in sorted({s.tier for s in self._found.services if s.rto == rto}))
            y = HEAD + GAP - 12 - (14 if high else 0)
            self._text(x, y, f"RTO {took(rto)}, tier {tiers}", "budget-text", anchor="middle")
        if self._beyond:
            later = ", ".join(took(r) for r in self._beyond)
            self._text(WIDTH - 14, HEAD - 14, f"RTO {later}: past the edge →", "budget-text", anchor="end")

    def _services(self, y: float) -> float:
        self._text(18, y + BAR, "Services, until they were back", "text section")
        y += ROW
        for s in self._found.services:
            self._service(s, y)
            y += ROW
        return y

    def _service(self, s: ServiceLine, y: float) -> None:
        self._text(LEFT - 10, y + BAR - 1, s.display, "text", anchor="end")
        end = s.back if s.back is not None else self._found.end
        self._rect(0, end, y, s.verdict)
        if s.rto <= self._until:
            self._line(self._x(s.rto), y - 2, y + BAR + 2, "budget")
        shown = (
            f"{took(s.back)} of {took(s.rto)}, {s.verdict}" if s.back is not None else f"not back, RTO {took(s.rto)}"
        )
        self._label(end, y, shown, s.verdict)

    def _label(self, end: float, y: float, text: str, kind: str) -> None:
        """Beside the bar's end, or before it where the room ends."""
        x, room = self._x(end) + 6, 6.4 * len(text)
        if x + room > WIDTH - 8:
            self._text(WIDTH - 8, y + BAR - 1, text, kind, anchor="end")
        else:
            self._text(x, y + BAR - 1, text, kind)

    def _steps(self, y: float) -> None:
        self._text(18, y + BAR, "Steps, by when they could begin", "text section")
        y += ROW
        if self._found.seen:
            self._text(LEFT - 10, y + BAR - 1, "noticed and confirmed", "dim", anchor="end")
            self._rect(0, self._found.seen, y, "seen")
            self._label(self._found.seen, y, took(self._found.seen), "dim")
        y += ROW
        for bar in self._found.bars:
            self._step(bar, y)
            y += ROW

    def _step(self, bar: Bar, y: float) -> None:
        mark = "▸ " if bar.decides else ""
        self._text(
            LEFT - 10, y + BAR - 1, f"{mark}{bar.id}", "text" + (" section" if bar.decides else ""), anchor="end"
        )
        self._out.append(f"<g><title>{escape(f'{bar.title}: {took(bar.end - bar.start)}')}</title>")
        kinds = {StepState.STUCK: "stuck", StepState.LEFT: "left", StepState.DONE: "way" if bar.decides else "work"}
        self._rect(bar.start, bar.end, y, kinds.get(bar.state, "open"))
        if bar.asked is not None:
            # The hatch stands on the ground, so that it is read as time in which nothing worked.
            self._rect(bar.asked, bar.asked + bar.answer, y, "ground")
            self._rect(bar.asked, bar.asked + bar.answer, y, "ask")
        self._out.append("</g>")
        said = took(bar.end - bar.start)
        if bar.answer:
            said += f", {took(bar.answer)} of it a person's answer"
        if bar.state is not StepState.DONE:
            said += ", left as a debt" if bar.state is StepState.LEFT else f", {bar.state}"
        self._label(bar.end, y, said + (", late" if bar.late else ""), "missed" if bar.late else "dim")

    def _key(self) -> None:
        y = self._bottom + 34
        parts = [("way", "▸ decided the end"), ("work", "done beside it"), ("ask", "a person's answer")]
        parts += [("left", "left as a debt")] if any(b.state is StepState.LEFT for b in self._found.bars) else []
        parts += [("stuck", "stuck")] if any(b.state is StepState.STUCK for b in self._found.bars) else []
        parts += [("forecast", "forecast: half of the runs to nine of ten")] if self._found.forecast else []
        x = LEFT
        for kind, text in parts:
            self._out.append(f'<rect class="{kind}" x="{x}" y="{y}" width="22" height="{BAR}" rx="2"/>')
            self._text(x + 28, y + BAR - 1, text, "dim")
            x += 44 + round(6.4 * len(text))
        self._text(WIDTH - 14, y + BAR - 1, "time since the failure", "dim", anchor="end")
