"""Plays the recorded exchanges, in their order, against one model, and keeps both answers side by side.

The recording is a selection: objects and changes whose requests were left out are made here, each beside the case that
needs it. Names the server chose (uids, revisions, pods) are translated as they are met.
"""

from __future__ import annotations

import copy
import gzip
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from drctl.neighbours.kubernetes.api import KubeApi, seed
from drctl.neighbours.kubernetes.rbac import User
from drctl.neighbours.kubernetes.velero.store import BackupStore
from tests.neighbours.kubernetes.gaps import BEFORE, SHOP
from tests.neighbours.kubernetes.likeness import alike

RECORDINGS = Path(__file__).parent / "recordings.jsonl"
STEP = timedelta(seconds=0.1)
PATIENCE = 400  # steps

ADMIN = User("rec", ("system:masters",))
TOKENS = {"admin": ADMIN, "app": User("dr-app", ("dr-apps",), "dr-uid")}
KEPT_AS_SENT = ("1", "12", "not-a-number", "00000000-0000-0000-0000-000000000000")
EVENTUALLY = ("get-after", "synced-back", "after-run", "from-schedule-create", "backups-of-schedule")


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 11, 22, 20, 40, 32, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@dataclass(frozen=True)
class Exchange:
    """One case: what was recorded, and what the model answers."""

    recorded: Mapping[str, Any]
    status: int
    headers: Mapping[str, str]
    response: Any


def recordings() -> list[dict[str, Any]]:
    return [json.loads(line) for line in RECORDINGS.read_text(encoding="utf-8").splitlines()]


class Replay:
    """The model and the translation between the recorded cluster's names and its own."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.store = BackupStore("velero-dr")
        self.store.unreachable_prefixes.add("loc-dead")
        self.api = KubeApi(
            self.clock,
            name="rec",
            location=self.store,
            authenticate=TOKENS.get,
            prefix="cluster-a",
            velero="1.16",
        )
        seed(self.api, SHOP)
        self.names: dict[str, str] = {}
        self.urls: dict[str, str] = {}
        self.done: dict[str, Exchange] = {}
        self.pass_time(1)

    def pass_time(self, seconds: float) -> None:
        self.clock.now += timedelta(seconds=seconds)
        self.api.cluster.advance()

    def send(
        self, method: str, path: str, body: Any = None, *, kind: str = "", query: Any = None
    ) -> tuple[int, Mapping[str, str], Any]:
        raw = body.encode() if isinstance(body, str) else b"" if body is None else json.dumps(body).encode()
        headers = {"Authorization": "Bearer admin", "Content-Type": kind or "application/json", "User-Agent": "rec/1"}
        return self._send(method, path, query or {}, headers, raw)

    def _send(
        self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], raw: bytes
    ) -> tuple[int, Mapping[str, str], Any]:
        answer = self.api.request(method, path, list(query.items()), headers, raw)
        content = gzip.decompress(answer.body) if answer.body[:2] == b"\x1f\x8b" else answer.body
        try:
            return answer.status, answer.headers, json.loads(content)
        except ValueError:
            return answer.status, answer.headers, content.decode()

    def play(self, skipped: Collection[str] = ()) -> dict[str, Exchange]:
        for recorded in recordings():
            case = recorded["case"]
            if case in skipped:
                continue
            before = BEFORE.get(case)
            if before is not None:
                before(self, recorded)
            self._made_before(recorded)
            status, headers, response = self._until(recorded)
            self._learn(recorded["response"], response)
            self.done[case] = Exchange(recorded, status, headers, response)
        return self.done

    def _until(self, recorded: Mapping[str, Any]) -> tuple[int, Mapping[str, str], Any]:
        """Asks again, a tenth of a second later each time, for what takes the real server time as well."""
        wanted = recorded["response"]
        phase = re.search(r"phase-(\w+)$", recorded["case"])
        if phase is None and not recorded["case"].endswith(EVENTUALLY):
            return self._once(recorded)
        kept: tuple[int, Mapping[str, str], Any] | None = None
        answer = self._once(recorded)
        for _ in range(PATIENCE):
            if phase and phase_of(answer[2]) == phase_of(wanted):
                kept = answer
            if alike(answer[2], wanted) or (kept and phase_of(answer[2]) != phase_of(wanted)):
                break
            if kept and phase and phase.group(1) in ("Completed", "Failed", "PartiallyFailed", "FailedValidation"):
                break
            self.pass_time(STEP.total_seconds())
            answer = self._once(recorded)
        return kept or answer

    def _once(self, recorded: Mapping[str, Any]) -> tuple[int, Mapping[str, str], Any]:
        path = recorded["path"]
        if path.startswith("/velero-dr/"):
            url = self.urls.get(path, "/_object" + path)
            head, _, rest = url.partition("?")
            query = dict(part.split("=", 1) for part in rest.split("&")) if rest else {}
            return self._send("GET", head, query, {}, b"")
        for ours in self.names:
            if ours.startswith("web-") and ours in path:
                path = path.replace(ours, self.names[ours])
        body = recorded["body"]
        if isinstance(body, dict) and recorded["method"] in ("PUT", "PATCH"):
            body = self._translated(body, path)
        raw = body.encode() if isinstance(body, str) else b"" if body is None else json.dumps(body).encode()
        query = {k: self.names.get(v, v) for k, v in recorded["query"].items()}
        headers = {"User-Agent": "rec/1", **recorded["headers"], **caller(recorded["case"])}
        return self._send(recorded["method"], path, query, headers, raw)

    def _translated(self, body: Mapping[str, Any], path: str) -> dict[str, Any]:
        """Identity and revision as this cluster knows them: by what was met before, else those of today's object."""
        new = copy.deepcopy(dict(body))
        meta = new.get("metadata") or {}
        today = self.send("GET", path)[2]
        for field in ("uid", "resourceVersion"):
            if field in meta and meta[field] not in KEPT_AS_SENT:
                meta[field] = self.names.get(meta[field]) or today["metadata"][field]
        return new

    def _learn(self, recorded: Any, ours: Any) -> None:
        if not (isinstance(recorded, dict) and isinstance(ours, dict)):
            return
        theirs, mine = recorded.get("metadata") or {}, ours.get("metadata") or {}
        for field in ("uid", "resourceVersion", "continue"):
            if theirs.get(field) and mine.get(field):
                self.names[theirs[field]] = mine[field]
        status = ours.get("status")
        url = status.get("downloadURL") if isinstance(status, dict) else None
        if url:
            self.urls[recorded["status"]["downloadURL"].partition("?")[0]] = url

    def _made_before(self, recorded: Mapping[str, Any]) -> None:
        """Makes an object whose creation was not recorded, from what the first look at it shows."""
        shown = recorded["response"]
        look = recorded["method"] == "GET" and re.search(r"/phase-\w+$", recorded["case"])
        if not look or recorded["status"] != 200 or self.send("GET", recorded["path"])[0] == 200:
            return
        self.make(shown, recorded["path"].rpartition("/")[0])

    def make(self, shown: Mapping[str, Any], collection: str) -> None:
        meta = {k: v for k, v in shown["metadata"].items() if k in ("name", "namespace")}
        labels = {k: v for k, v in (shown["metadata"].get("labels") or {}).items() if "velero.io/" not in k}
        if labels:
            meta["labels"] = labels
        body = {k: v for k, v in shown.items() if k in ("apiVersion", "kind", "spec", "data")} | {"metadata": meta}
        status, _, answer = self.send("POST", collection, body)
        if status != 201:
            raise AssertionError(f"{meta['name']} could not be made: {answer}")


def caller(case: str) -> dict[str, str]:
    """The token of whoever the case names."""
    group, _, name = case.partition("/")
    if group == "11-access" and name.startswith("anonymous"):
        return {}
    if group == "11-access" and name.startswith("wrong"):
        return {"Authorization": "Bearer nonsense"}
    app = (group == "11-access" and name.startswith("app-")) or (group == "14-misc" and re.search(r"-app(-|$)", name))
    return {"Authorization": "Bearer app" if app else "Bearer admin"}


def phase_of(obj: Any) -> str:
    return str((obj.get("status") or {}).get("phase", "")) if isinstance(obj, dict) and "metadata" in obj else ""
