"""Rows for the actions of a zone failure: facts → next."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from chalicelib.actions.database_elsewhere import Writer
from chalicelib.actions.pods_redistributed import Redistribution, Spread
from chalicelib.actions.zonal_shifts import Resource, Standing
from chalicelib.actions.zone_returned import Back
from chalicelib.core.outcome import Act, Done, Next, Stuck, Wait
from tests.actions.stage import AT, DENIED, POLICY, SILENT

ZONES = POLICY.platform.zones
assert ZONES is not None
ZONE, OTHER, THIRD = (z.id for z in ZONES.zones)
NAME = ZONES.zones[0].name
SCOPE = f"{POLICY.platform.regions.primary}/{NAME}"
ROW = ZONES.shifts[0]
WELL = Resource(ROW, (ZONE, OTHER, THIRD), (ZONE, OTHER, THIRD))
AWAY = replace(WELL, open=(OTHER, THIRD), shift=Standing("shift-1", ZONE, AT + timedelta(hours=2)))
ELSEWHERE = replace(WELL, open=(ZONE, THIRD), shift=Standing("shift-2", OTHER, AT + timedelta(hours=2)))
AUTOMATIC = replace(WELL, open=(ZONE, THIRD), automatic=OTHER)
HERE = Writer(zone=NAME, secondary=ZONES.zones[1].name, multi_az=True, status="available")
THERE = replace(HERE, zone=HERE.secondary, secondary=NAME)
NODE: dict[str, Any] = {
    "metadata": {"name": "i-2.ec2.internal", "resourceVersion": "17"},
    "spec": {"taints": [{"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"}]},
}
RETURNED: dict[str, Any] = {**NODE, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}
SPREAD = Redistribution(services=(Spread("api-gateway", 2, 2), Spread("redis", 1, 1)), others=4)


def spread(**more: Any) -> Redistribution:
    return replace(SPREAD, services=(SPREAD.services[0], replace(SPREAD.services[1], **more)))


def ends(minutes: int) -> Resource:
    return replace(AWAY, shift=Standing("shift-1", ZONE, AT + timedelta(minutes=minutes)))


_ROWS: list[tuple[str, Any, type[Next], str]] = [
    ("zone-shifted", SILENT, Wait, "looking again"),
    ("zone-shifted", DENIED, Stuck, "AccessDenied"),
    ("zone-shifted", (WELL,), Act, f"sends traffic to {NAME} ({ZONE}); {OTHER}, {THIRD} are left"),
    ("zone-shifted", (AWAY, WELL), Act, "sends traffic to"),
    ("zone-shifted", (AWAY,), Done, f"goes around {NAME} ({ZONE}) until 05:00:00 UTC"),
    ("zone-shifted", (ends(61),), Done, "goes around"),
    ("zone-shifted", (ends(59),), Act, "ends at 03:59:00 UTC, and the zone is away"),
    ("zone-shifted", (ELSEWHERE,), Stuck, f"is shifted away from {OTHER} until 05:00:00 UTC, one zone at a time"),
    ("zone-shifted", (AUTOMATIC,), Stuck, f"AWS itself has shifted it away from {OTHER}; nothing is shifted"),
    ("zone-shifted", (replace(AUTOMATIC, open=(OTHER, THIRD), automatic=ZONE),), Act, "AWS itself has shifted it away"),
    ("zone-shifted", (replace(WELL, open=(ZONE,)),), Stuck, "would have no zone left, 2 are needed"),
    ("zone-shifted", (replace(WELL, zones=(OTHER, THIRD)),), Stuck, f"does not stand in {ZONE} ({NAME})"),
    ("database-elsewhere", SILENT, Wait, "looking again"),
    ("database-elsewhere", DENIED, Stuck, "AccessDenied"),
    ("database-elsewhere", THERE, Done, f"has its writer in {THERE.zone}; its standby is in {NAME}"),
    ("database-elsewhere", replace(THERE, status="rebooting"), Wait, "is 'rebooting'"),
    ("database-elsewhere", replace(HERE, status="rebooting"), Wait, "is 'rebooting'"),
    ("database-elsewhere", replace(HERE, status="storage-full"), Stuck, "RDS must bring it back first"),
    ("database-elsewhere", replace(HERE, multi_az=False), Stuck, "nothing to fail over to"),
    ("database-elsewhere", replace(HERE, began=True), Wait, "is failing over, RDS says"),
    ("database-elsewhere", replace(HERE, began=SILENT), Wait, "nothing is forced"),
    ("database-elsewhere", replace(HERE, began=DENIED), Stuck, "nothing is forced"),
    ("database-elsewhere", HERE, Act, "RDS has begun no failover"),
    ("pods-redistributed", SILENT, Wait, "looking again"),
    ("pods-redistributed", DENIED, Stuck, "AccessDenied"),
    ("pods-redistributed", SPREAD, Done, "every service runs outside"),
    ("pods-redistributed", replace(SPREAD, dead=(NODE,)), Act, "its pods would wait five minutes"),
    ("pods-redistributed", replace(SPREAD, dead=(NODE,), others=0), Stuck, "nothing is done to its 1 dead nodes"),
    ("pods-redistributed", spread(outside=0, unplaced="0/6 nodes"), Wait, "no node takes them yet: 0/6 nodes"),
    ("pods-redistributed", spread(outside=0), Wait, "redis has 0 of 1 pods outside"),
    (
        "pods-redistributed",
        spread(outside=0, pinned="its volume is there"),
        Stuck,
        f"redis can run in {NAME} alone: its volume",
    ),
    ("pods-redistributed", spread(outside=0, inside=1), Stuck, "Kubernetes moves no running pod"),
    (
        "pods-redistributed",
        spread(outside=0, inside=1, rooted="its volume 'pvc-1' is there"),
        Done,
        "redis runs there alone until the zone is taken back: its volume 'pvc-1' is there",
    ),
    ("pods-redistributed", spread(wanted=3, outside=2, inside=1), Done, "1 more run in"),
    ("nodes-readmitted", SILENT, Wait, "looking again"),
    ("nodes-readmitted", DENIED, Stuck, "AccessDenied"),
    ("nodes-readmitted", (), Done, "no node of cluster 'neurectomy-use1' bears neurectomy-dr/zone-left"),
    ("nodes-readmitted", (NODE,), Wait, "is NotReady"),
    ("nodes-readmitted", (NODE, RETURNED), Act, "is Ready again, and takes no pod yet: it bears"),
    ("zone-returned", SILENT, Wait, "looking again"),
    ("zone-returned", DENIED, Stuck, "AccessDenied"),
    ("zone-returned", Back((AWAY,), dead=("node 'i-2' is NotReady",)), Wait, "is not back: node 'i-2' is NotReady"),
    ("zone-returned", Back((AWAY,), ready=2), Act, "2 nodes of"),
    ("zone-returned", Back((AWAY,)), Act, "has no node now"),
    ("zone-returned", Back((WELL,), ready=1, left=(NODE,)), Act, "is Ready again, and takes no pod yet"),
    ("zone-returned", Back((WELL,), ready=2), Done, "as to the others"),
    ("zone-returned", Back((WELL,), dead=("node 'i-2' is NotReady",)), Done, "as to the others"),
    ("zone-returned", Back((ELSEWHERE,), ready=2), Done, "as to the others"),
]
ROWS = [(name, {"cluster": "primary"}, *rest) for name, *rest in _ROWS]
