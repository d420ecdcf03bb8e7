"""summary.json against a schema of the public API, history.atom against RFC 4287, and the banner over both."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema
import pytest

from chalicelib.core.message import ComponentStatus, Update
from chalicelib.policy.notifications import StatusLevel
from chalicelib.reports.statuspage.banner import banner
from chalicelib.reports.statuspage.feed import feed
from chalicelib.reports.statuspage.render import files
from chalicelib.reports.statuspage.summary import summary, summary_json
from tests.reports.pages import AT, LEVELS, incident, real, shown

SCHEMA: Any = json.loads((Path(__file__).parent / "summary.schema.json").read_text())
ATOM = {"a": "http://www.w3.org/2005/Atom"}
OLD = incident("0" * 12, ago=timedelta(days=3), lasted=timedelta(minutes=40))
OPEN = incident("1" * 12, ago=timedelta(minutes=5))


def test_the_schema_refuses_what_the_public_api_never_sends() -> None:
    good = summary(shown("operational", incidents=(OPEN,)))
    for path, value in [("indicator", "maintenance"), ("description", "")]:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**good, "status": {**good["status"], path: value}}, SCHEMA)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({k: v for k, v in good.items() if k != "page"}, SCHEMA)


@pytest.mark.parametrize(
    "page",
    [
        shown(),
        shown("operational", "under_maintenance", incidents=(OLD,)),
        shown("major_outage", "partial_outage", "degraded_performance", incidents=(OPEN, OLD)),
        real("region-failure", "us-east-1", progress=3),
        real("region-failure", "us-east-1", progress=1000),
        real("data-corruption", "us-east-1", over=True),
    ],
    ids=["empty", "calm", "bad", "recovering", "recovered", "over"],
)
def test_the_summary_has_the_shape_of_statuspages_public_api(page: Any) -> None:
    jsonschema.validate(json.loads(summary_json(page)), SCHEMA)


def test_the_summary_lists_what_is_open_and_not_what_is_over() -> None:
    found = summary(shown("major_outage", incidents=(OLD, OPEN)))
    assert [i["id"] for i in found["incidents"]] == [OPEN.key]
    (one,) = found["incidents"]
    assert [u["status"] for u in one["incident_updates"]] == ["identified", "investigating"]
    assert [c["name"] for c in one["components"]] == ["Component 0"]
    assert one["components"][0]["id"] == found["components"][0]["id"]


def test_the_same_page_is_the_same_bytes() -> None:
    one, two = (files(real("region-failure", "us-east-1", progress=5), LEVELS) for _ in range(2))
    assert one == two


@pytest.mark.parametrize(
    ("statuses", "level", "indicator", "description"),
    [
        ([], "operational", "none", "All Systems Operational"),
        (["operational"] * 3, "operational", "none", "All Systems Operational"),
        (["operational", "under_maintenance"], "under_maintenance", "none", "Service Under Maintenance"),
        (["under_maintenance", "degraded_performance"], "degraded_performance", "minor", "Partially Degraded Service"),
        (["degraded_performance", "partial_outage"], "partial_outage", "major", "Partial System Outage"),
        (["operational", "major_outage", "partial_outage"], "major_outage", "critical", "Major Service Outage"),
    ],
)
def test_the_banner_is_as_bad_as_the_worst_component(
    statuses: list[ComponentStatus], level: str, indicator: str, description: str
) -> None:
    found = banner(shown(*statuses), LEVELS)
    assert (found.level, found.indicator, found.description) == (level, indicator, description)


def test_a_level_without_a_row_in_policy_is_named() -> None:
    rows = [StatusLevel(name="operational", display="Operational", meaning="All functioning normally.")]
    with pytest.raises(KeyError, match="'major_outage' has no row"):
        banner(shown("major_outage"), rows)


def one(parent: ET.Element, tag: str) -> str:
    (found,) = parent.findall(f"a:{tag}", ATOM)
    assert found.text
    return found.text


def test_the_feed_has_what_rfc_4287_requires() -> None:
    root = ET.fromstring(feed(shown("operational", incidents=(OLD, OPEN))))  # noqa: S314 (our own)
    assert root.tag == f"{{{ATOM['a']}}}feed"
    assert {one(root, "id"), one(root, "title")} == {
        "tag:status.example.com,2026:history",
        "Example status: incident history",
    }
    rels = {link.get("rel"): link.get("href") for link in root.findall("a:link", ATOM)}
    assert rels == {"self": "https://status.example.com/history.atom", "alternate": "https://status.example.com/"}
    author = root.find("a:author", ATOM)
    assert author is not None
    assert one(author, "name") == "Example"
    entries = root.findall("a:entry", ATOM)
    assert [one(e, "id").rpartition(":")[2] for e in entries] == [OPEN.key, OLD.key]
    assert len({one(e, "id") for e in entries}) == len(entries)
    for entry in entries:
        assert one(entry, "title")
        assert one(entry, "content")
        for tag in ("updated", "published"):
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", one(entry, tag))
        link = entry.find("a:link[@rel='alternate']", ATOM)
        assert link is not None
        assert "/#incident-" in (link.get("href") or "")
    newest = max(datetime.fromisoformat(one(e, "updated")) for e in entries)
    assert datetime.fromisoformat(one(root, "updated")) == newest


def test_an_entry_keeps_its_id_and_moves_its_time_with_a_new_update() -> None:
    later = incident(OPEN.key, ago=timedelta(minutes=5), lasted=timedelta(minutes=4))
    before, after = (
        ET.fromstring(feed(shown(incidents=(i,)))).findall("a:entry", ATOM)[0]  # noqa: S314 (our own)
        for i in (OPEN, later)
    )
    assert one(before, "id") == one(after, "id")
    assert one(before, "updated") < one(after, "updated")


def test_a_feed_without_incidents_is_as_new_as_the_page() -> None:
    root = ET.fromstring(feed(shown("operational")))  # noqa: S314 (our own)
    assert one(root, "updated") == f"{AT:%Y-%m-%dT%H:%M:%SZ}"


def test_what_xml_cannot_write_does_not_break_the_feed() -> None:
    bad = Update(status="identified", at=datetime(2026, 11, 24, tzinfo=UTC), text="a\x00b\x1b<c>&]]>")
    page = shown(incidents=(replace(OPEN, updates=(bad,)),))
    (entry,) = ET.fromstring(feed(page)).findall("a:entry", ATOM)  # noqa: S314 (our own)
    assert one(entry, "content").endswith("a\ufffdb\ufffd<c>&]]>")
