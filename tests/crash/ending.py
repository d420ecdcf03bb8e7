"""How things stand after a story, told without the times: two endings are the same when these are.

What may differ is said here, and nothing else may: the incident is named after the second it opened in; a message
whose answer never arrived, or whose sender was killed, is sent once more, and the record says how often it was tried;
a fence is proven in one of two ways, whichever comes first;
a crash delays, so that people may be told that a step is late, or that an RTO is half over or will be missed, or a page
that was not answered may climb the ladder;
a question may be answered before it is asked, before it is known whether all its channels took it, or by who has read
the page before it;
what is owed may be answered before it was told that it asks;
and a step that nothing waits for may be done after the incident's end, as what is owed, where it was not known before.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from chalicelib.core.debt_asks import PREFIX
from chalicelib.core.incident import Incident, NoticeState, StepRecord, StepState
from chalicelib.core.incidents import PLATFORM
from chalicelib.store.codec import read_incident
from drctl.neighbours.kubernetes.api import KubeApi
from drctl.neighbours.kubernetes.objects import Obj
from tests.crash import terraform
from tests.crash.platform_in_process import SIDE_BY_SIDE, Platform

_ID: Final = re.compile(r"-\d{8}T\d{6}")
_ASKED: Final = re.compile(r"((?:approval-needed|step-stuck)/[a-z][a-z-]*)-\d{6}")
REPEATABLE: Final = frozenset({"cloudwatch.PutMetricData", "s3.PutObject", "secrets-manager.PutSecretValue"})
"""They write the same once more: the switch's position, a page of which the newest is shown, a version by token."""
LATENESS: Final = ("step-late/", "escalated/", "budget-spent/", "forecast-miss/")
"""Notices that are owed because time went by."""
ASKS: Final = "approval-needed/"
"""What of them was sent, and whether they were at all, is of no account once the question is answered."""
_BY_TIME: Final = re.compile(
    r"(?:Settled: )?Owed since .*"
    r"|.*: (.* is late|paging .*|a person must answer|.* of the RTO of .* over|the RTO of .* to be missed)"
)
WRITES: Final = re.compile(
    r"rds\.(Promote|Restore|Modify|Reboot|Delete|Create)|eks\.Update|PutMetricData|PutObject|PutSecretValue"
    r"|route53-recovery-cluster\.Update|arc-zonal-shift\.(Start|Update|Cancel)"
    r"|dynamodb\.(Put|Delete)Item|kubernetes (POST|PATCH|PUT|DELETE)|postgres write"
)


def archive(platform: Platform) -> Incident:
    """The one incident, as it was archived; AssertionError when there is not exactly one."""
    closed = platform.store.docs.get("closed", {})
    assert len(closed) == 1, f"archived: {list(closed)}"
    return read_incident(next(iter(closed.values())))


def archives(platform: Platform) -> list[Incident]:
    """Every incident that was archived, by scenario."""
    closed = [read_incident(body) for body in platform.store.docs.get("closed", {}).values()]
    return sorted(closed, key=lambda i: i.scenario)


def effects(platform: Platform) -> dict[str, int]:
    """How often each lasting effect happened that must happen once."""
    counts = Counter(platform.outside.effects)
    return {kind: n for kind, n in sorted(counts.items()) if WRITES.match(kind) and kind not in REPEATABLE}


def ending(platform: Platform) -> dict[str, Any]:
    """Everything that lasts, by what holds it."""
    return {
        "incidents": {incident.scenario: _incident(platform, incident) for incident in archives(platform)},
        "effects": effects(platform),
        "serving": platform.serving(),
        "databases": _databases(platform),
        "secrets": {
            f"{region}/{name}": json.loads(s.versions[s.current])
            for (region, name), s in platform.secrets.secrets.items()
        },
        "clusters": {name: _cluster(platform, name) for name in platform.clusters},
        "nodes": {name: platform.eks.nodes(name) for name in platform.clusters},
        "page": _page(platform),
        "objects": {name: dict(platform.s3.buckets[name].objects) for name in platform.s3.versions},
        "states": terraform.kept(platform.policy, platform.tables, platform.s3),
        "alerts": {
            _unnamed(alert.dedup_key): alert.status
            for alert in platform.pagerduty.alerts
            if not alert.dedup_key.partition("/")[2].startswith(LATENESS)
            and not (alert.dedup_key.partition("/")[2].startswith(ASKS) and alert.status == "resolved")
            and f"/{PREFIX}" not in f"/{alert.dedup_key}"
        },
        "Slack": sorted(
            {line for m in platform.slack.messages if not _BY_TIME.fullmatch(line := _first_line(m.text))},
        ),
        "mails": sorted(
            {(mail.recipients, s) for mail in platform.ses.mails if not _BY_TIME.fullmatch(s := _unnamed(mail.subject))}
        ),
    }


def untrue(platform: Platform, *, faults: int) -> list[str]:
    """What does not hold at the end, whichever way the story went; `faults` is how many there were."""
    notices_of, found = [i.notices for i in archives(platform)], []
    for name, rows in platform.store.timelines.items():
        if sorted(rows) != list(range(len(rows))):
            found.append(f"timeline {name} has the entries {sorted(rows)}")
    if platform.store.items:
        found.append(f"in the inbox: {sorted(platform.store.items)}")
    if dead := platform.store.docs.get("dead"):
        found.append(f"unreadable: {dead}")
    every = [(key.rpartition("/")[2].split("-")[0], n) for notices in notices_of for key, n in notices.items()]
    tried = Counter(by for by, n in every for _ in range(n.tries))
    # A finding leaves the book when it was told. Its tries are on the timeline, but those that nobody came back from.
    ends = [e["text"].partition(": ")[0] for e in entries(platform, PLATFORM) if e["kind"].startswith("notice-")]
    of_findings = [key.rpartition("/")[2].split("-")[0] for key in set(ends)]
    tried += Counter(key.rpartition("/")[2].split("-")[0] for key in ends)
    tried += Counter(dict.fromkeys(set(of_findings), faults * SIDE_BY_SIDE))
    sent = {"slack": len(platform.slack.messages), "email": len(platform.ses.mails)}
    found += [f"{n} messages by {by}, tried {tried[by]} times" for by, n in sent.items() if n > tried[by]]
    notices = Counter(by for by, _ in every) + Counter(of_findings)
    # What a worker does side by side is in doubt together when it is stopped.
    allowed = faults * SIDE_BY_SIDE
    found += [f"{n} messages by {by} for {notices[by]} notices" for by, n in sent.items() if n > notices[by] + allowed]
    return found


def entries(platform: Platform, name: str) -> list[dict[str, Any]]:
    """A timeline's entries, oldest first."""
    return [json.loads(e) for _, e in sorted(platform.store.timelines.get(name, {}).items())]


def _incident(platform: Platform, incident: Incident) -> dict[str, Any]:
    return {
        "scope": incident.scope,
        "ending": incident.ending,
        "severity": incident.severity,
        "plan": incident.plan,
        "acknowledged by": incident.acknowledged_by,
        "steps": {
            name: (_state(platform, record, f"{incident.id}/{name}"), sorted(set(record.facts) - {"denied_at"}))
            for name, record in incident.steps.items()
        },
        "notices": {
            _unnamed(key): notice.state is NoticeState.SENT
            for key, notice in incident.notices.items()
            if not key.startswith(LATENESS)
            and not (key.startswith(ASKS) and notice.state in (NoticeState.SENT, NoticeState.LAPSED))
        },
    }


def _state(platform: Platform, record: StepRecord, debt: str) -> StepState:
    """What was left is done once its debt is paid, by the debt's own timeline."""
    paid = any(e["kind"] == "paid" for e in entries(platform, debt))
    return StepState.DONE if record.state is StepState.LEFT and paid else record.state


def _databases(platform: Platform) -> dict[str, Any]:
    sides = (platform.policy.platform.database.primary, platform.policy.platform.database.replica)
    own = platform.policy.platform.account
    kept = {s.instance: platform.rds.instance(s.region, s.instance, s.account or own) for s in sides}
    beside = [i for i in platform.rds.instances() if i.identifier not in kept]
    kept |= {i.identifier: i for i in beside}
    return {name: (i.status, i.source is None) for name, i in kept.items()}


def _cluster(platform: Platform, name: str) -> dict[str, Any]:
    api = platform.clusters[name]
    restores = api.objects("restores.velero.io")
    return {
        "restores": sorted((_service(r), _backup(api, r), r["status"]["phase"]) for r in restores),
        "locations": {o["metadata"]["name"]: o["spec"] for o in api.objects("backupstoragelocations.velero.io")},
        "deployments": {
            f"{o['metadata']['namespace']}/{o['metadata']['name']}": o["status"].get("readyReplicas")
            for o in api.objects("deployments.apps")
        },
    }


def _backup(api: KubeApi, restore: Obj) -> str:
    """What it is of. A crash delays, so that the newest may be another one: one that had just come may not have been
    seen yet, an older one is told by its name.
    """
    name, made = restore["spec"]["backupName"], restore["metadata"]["creationTimestamp"]
    kept = (o for o in api.objects("backups.velero.io") if o["status"].get("phase") == "Completed")
    there = sorted((str(o["status"]["completionTimestamp"]), o["metadata"]["name"]) for o in kept)
    newest = [found for ended, found in there if ended <= made][-2:]
    return "one of the two newest" if name in newest else str(name)


def _service(restore: Mapping[str, Any]) -> str:
    labels = restore["metadata"]["labels"]
    return str(labels.get("dr-responder/service") or labels["dr-responder/step"])


def _page(platform: Platform) -> dict[str, Any]:
    files = platform.s3.buckets[platform.policy.platform.responder.status_bucket].objects
    if not files:
        return {}  # nothing was told that has to do with customers
    summary = json.loads(files["api/v2/summary.json"])
    return {
        "files": sorted(files),
        "status": summary["status"],
        "components": {c["name"]: c["status"] for c in summary["components"]},
    }


def _first_line(text: str) -> str:
    return _unnamed(text.split("·", maxsplit=1)[0].strip())


def _unnamed(text: str) -> str:
    return _ASKED.sub(r"\1", _ID.sub("", text))
