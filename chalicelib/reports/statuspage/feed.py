"""history.atom: what happened, for feed readers and chat channels that follow it.

One entry an incident; a new update moves the entry's `updated`, which is what readers look at. Ids are tag URIs
(RFC 4151): they never change, wherever the page moves. Source: RFC 4287, sections 4.1.1 (feed) and 4.1.2 (entry).
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

from chalicelib.core.message import PublicIncident, StatusPage

ATOM: Final = "http://www.w3.org/2005/Atom"
_NOT_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 has no way to write (section 2.2)."""


def feed(page: StatusPage) -> bytes:
    """The file, as UTF-8 XML. Entries come newest first."""
    url = page.url.rstrip("/")
    entries = sorted(page.incidents, key=_updated, reverse=True)
    root = ET.Element("feed", {"xmlns": ATOM, "xml:lang": "en"})
    _text(root, "id", f"tag:{_authority(page)},2026:history")
    _text(root, "title", f"{page.name} status: incident history")
    _text(root, "updated", _at(_updated(entries[0]) if entries else page.at))
    ET.SubElement(root, "link", {"rel": "self", "type": "application/atom+xml", "href": f"{url}/history.atom"})
    ET.SubElement(root, "link", {"rel": "alternate", "type": "text/html", "href": f"{url}/"})
    _text(ET.SubElement(root, "author"), "name", page.name)
    for incident in entries:
        _entry(root, incident, page)
    ET.indent(root)
    body: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return body + b"\n"


def _entry(root: ET.Element, incident: PublicIncident, page: StatusPage) -> None:
    entry = ET.SubElement(root, "entry")
    _text(entry, "id", f"tag:{_authority(page)},2026:incident:{incident.key}")
    _text(entry, "title", f"{incident.name} ({incident.status})")
    _text(entry, "published", _at(incident.started_at))
    _text(entry, "updated", _at(_updated(incident)))
    href = f"{page.url.rstrip('/')}/#incident-{incident.key}"
    ET.SubElement(entry, "link", {"rel": "alternate", "type": "text/html", "href": href})
    for component in incident.components:
        ET.SubElement(entry, "category", {"term": component})
    updates = sorted(incident.updates, key=lambda u: u.at, reverse=True)
    lines = [f"{u.at:%Y-%m-%d %H:%M} UTC, {u.status}: {u.text}" for u in updates]
    _text(entry, "content", "\n".join(lines) or incident.name).set("type", "text")


def _text(parent: ET.Element, tag: str, text: str) -> ET.Element:
    element = ET.SubElement(parent, tag)
    element.text = _NOT_XML.sub("\ufffd", text)
    return element


def _updated(incident: PublicIncident) -> datetime:
    return max((u.at for u in incident.updates), default=incident.started_at)


def _authority(page: StatusPage) -> str:
    return urlsplit(page.url).hostname or "localhost"


def _at(at: datetime) -> str:
    """RFC 3339, as RFC 4287 section 3.3 asks."""
    return f"{at:%Y-%m-%dT%H:%M:%S}Z"
