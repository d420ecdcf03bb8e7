"""index.html: what it says, what it may not load, and that everyone can read it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from chalicelib.core.message import Component, ComponentStatus, Update
from chalicelib.reports.statuspage import render
from chalicelib.reports.statuspage.render import html, took
from tests.reports.pages import LEVELS, incident, real, shown

CSS = (Path(render.__file__).parent / "templates" / "style.css").read_text()
VOID = {"meta", "link", "br", "img", "path", "circle"}
STATUSES: list[ComponentStatus] = [level.name for level in LEVELS]
OLD = incident("0" * 12, ago=timedelta(days=3), lasted=timedelta(minutes=40))
OPEN = incident("1" * 12, ago=timedelta(minutes=5))
FULL = shown(*STATUSES, incidents=(OPEN, OLD))


class Reader(HTMLParser):
    """Every element with its attributes, its text, and whether all that was opened was closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] != "style":
            self.words.append(data.strip())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.elements if name == tag]

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


def test_nothing_is_run_and_nothing_is_loaded_from_anywhere() -> None:
    reader = Reader(html(FULL, LEVELS))
    names = {tag for tag, _ in reader.elements}
    assert not names & {"script", "iframe", "img", "object", "embed", "form", "base"}
    assert not [a for _, attrs in reader.elements for a in attrs if a.startswith("on") or a in ("src", "srcset")]
    links = [a["href"] for a in reader.all("link")]
    assert all(h == "history.atom" or (h or "").startswith("data:image/svg+xml") for h in links)
    assert not re.search(r"@import|url\(", CSS)
    (policy,) = [a["content"] for a in reader.all("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    assert policy.startswith("default-src 'none'")


def test_text_is_never_markup() -> None:
    bad = Update(status="identified", at=OPEN.started_at, text="<script>alert(1)</script> & \"'")
    page = replace(
        shown(incidents=(replace(OPEN, name="<b>x</b>", updates=(bad,)),)),
        name="<i>Example</i>",
        components=(Component(name='"><img src=x>', status="operational"),),
    )
    reader = Reader(html(page, LEVELS))
    assert {"script", "b", "i", "img"} & {tag for tag, _ in reader.elements} == set()
    assert "<script>alert(1)</script>" in reader.text


@pytest.mark.parametrize("status", STATUSES)
def test_a_level_is_told_by_policys_words_and_a_shape_of_its_own(status: ComponentStatus) -> None:
    (level,) = [row for row in LEVELS if row.name == status]
    whole = html(shown(status), LEVELS)
    row = re.search(r'<li><span class="name">Component 0</span>(.*?)</li>', whole, re.DOTALL)
    assert row is not None
    assert level.display in Reader(row[1]).text
    shapes = {
        s: re.search(r"<svg.*?</svg>", html(shown(s), LEVELS).partition('class="name"')[2], re.DOTALL) for s in STATUSES
    }
    drawn = [found[0] for found in shapes.values() if found]
    assert len(set(drawn)) == len(STATUSES)


def test_the_banner_says_how_bad_it_is_and_how_much_is_touched() -> None:
    text = Reader(html(shown("major_outage", "operational"), LEVELS)).text
    assert "Major Outage" in text
    assert "Critical services are unavailable. 1 of 2 components affected." in text
    assert "All systems operational" in Reader(html(shown("operational"), LEVELS)).text


def test_updates_come_newest_first_with_their_times() -> None:
    reader = Reader(html(shown(incidents=(OPEN,)), LEVELS))
    assert reader.text.index("We know what it is.") < reader.text.index("We are looking.")
    times = [a["datetime"] for a in reader.all("time")]
    assert "2026-11-24T14:27:00Z" in times
    assert "24 Nov 2026, 14:27 UTC" in reader.text


def test_what_is_over_stands_under_its_day_and_what_is_open_above() -> None:
    reader = Reader(html(FULL, LEVELS))
    text = reader.text
    assert text.index("Open incident") < text.index("Components") < text.index("Past incidents")
    assert "21 November 2026" in text
    assert "Resolved after 40 min" in text


def test_an_open_incident_without_a_hurt_component_is_still_pointed_at() -> None:
    assert "An incident is still being followed" in Reader(html(shown("operational", incidents=(OPEN,)), LEVELS)).text


def test_nothing_to_tell_is_said_in_words() -> None:
    text = Reader(html(shown(), LEVELS)).text
    assert "No components are listed." in text
    assert "No past incidents are on record." in text


def test_the_page_has_landmarks_a_language_one_heading_and_no_id_twice() -> None:
    reader = Reader(html(FULL, LEVELS))
    assert [a["lang"] for a in reader.all("html")] == ["en"]
    for landmark in ("header", "main", "footer", "nav"):
        assert reader.all(landmark), landmark
    levels = [int(tag[1]) for tag, _ in reader.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))
    ids = [i for _, attrs in reader.elements if (i := attrs.get("id"))]
    assert len(ids) == len(set(ids))
    named = {a for _, attrs in reader.elements if (a := attrs.get("aria-labelledby"))}
    assert named <= set(ids)
    jumps = [h for a in reader.all("a") if (h := a.get("href") or "").startswith("#")]
    assert {h[1:] for h in jumps} <= set(ids)
    assert all(a.get("aria-hidden") == "true" for a in reader.all("svg"))


def luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2."""
    channels = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, two: str) -> float:
    bright, dark = sorted((luminance(one), luminance(two)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def test_every_text_has_the_contrast_of_level_aa_by_day_and_by_night() -> None:
    day, night = (dict(re.findall(r"--(\w+): (#\w{6})", part)) for part in CSS.split("prefers-color-scheme: dark")[:2])
    assert day.keys() == night.keys()
    for theme in (day, night):
        for name in theme.keys() - {"bg", "card", "line"}:
            for ground in ("bg", "card"):
                assert contrast(theme[name], theme[ground]) >= 4.5, (name, ground)
    grounds = re.findall(r"\.banner\.\w+ \{ background: (#\w{6})", CSS)
    assert len(grounds) == len(STATUSES)
    assert all(contrast("#ffffff", ground) >= 4.5 for ground in grounds)


@pytest.mark.parametrize(
    ("lasted", "said"),
    [
        (timedelta(seconds=20), "under a minute"),
        (timedelta(minutes=42), "42 min"),
        (timedelta(hours=1, minutes=5), "1 h 5 min"),
        (timedelta(hours=3), "3 h"),
        (timedelta(days=2, hours=3), "2 d 3 h"),
    ],
)
def test_a_length_is_said_as_a_person_says_it(lasted: timedelta, said: str) -> None:
    assert took(incident(ago=timedelta(days=5), lasted=lasted)) == said


def test_a_real_failover_is_told_from_its_beginning_to_its_end() -> None:
    under_way = Reader(html(real("region-failure", "us-east-1", progress=3), LEVELS)).text
    assert "Major Outage" in under_way
    assert "we are moving to our standby location" in under_way
    over = Reader(html(real("region-failure", "us-east-1", progress=1000, over=True), LEVELS)).text
    assert "All systems operational" in over
    assert "Resolved after 20 min" in over
