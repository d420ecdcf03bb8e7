"""The gate's control: plain JSON over HTTP on a port of its own, for `drctl break`, `drctl mend` and `drctl ledger`.

GET    /faults            the faults there are now
POST   /faults            one more: {kind, region?, service?, operation?, times?, seconds?, phase?, silent?} -> it
                          or {kind: "pods", service, crash_loop?}, {kind: "node", node?, volume_stuck?},
                          {kind: "zone", zone, database_stuck?}, {kind: "deployment", service, canary?},
                          {kind: "configuration", secret?, state?}: `breaks.py`
DELETE /faults            all of them
DELETE /faults/{id}       one of them
GET    /ledger?service=…  the calls with these values; `since` (ISO 8601) and `last` (how many) narrow it further
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict, fields
from datetime import datetime
from json import JSONDecodeError
from typing import Any

from aiohttp import web

from drctl.world.breaks import KINDS, Breaks
from drctl.world.faults import Fault
from drctl.world.gate import Gate

Darken = Callable[[frozenset[str], frozenset[str]], Awaitable[None]]


def control(
    gate: Gate,
    darken: Darken | None = None,
    breaks: Breaks | None = None,
    *,
    everywhere: frozenset[str] = frozenset(),
    gone: Callable[[bool], None] = lambda _: None,
) -> web.Application:
    """The control app. `darken` is told which regions are wholly lost, and which of them are silent too, whenever
    that may have changed; all of them, `everywhere`, while the provider is `gone`, which is told too. `breaks` breaks
    what is inside a cluster.
    """
    settable = {field.name for field in fields(Fault)} - {"id"}

    async def changed() -> None:
        whole = any(fault.provider for fault in gate.faults)
        gone(whole)
        if darken is not None:
            lost = [fault for fault in gate.faults if fault.darkens]
            all_of = everywhere if whole else frozenset()
            await darken(
                all_of | frozenset(str(fault.darkens) for fault in lost),
                all_of | frozenset(str(fault.darkens) for fault in lost if fault.silent),
            )

    async def listed(_: web.Request) -> web.Response:
        return web.json_response([*(asdict(fault) for fault in gate.faults), *(breaks or ())])

    async def added(request: web.Request) -> web.Response:
        try:
            wanted: Any = await request.json()
        except JSONDecodeError as wrong:
            return _refuse(f"a fault is a JSON object, this is not: {wrong}")
        if breaks is not None and isinstance(wanted, dict) and wanted.get("kind") in KINDS:
            try:
                made = await asyncio.to_thread(breaks.add, gate.faults.number(), wanted)
            except (ValueError, KeyError) as wrong:
                return _refuse(str(wrong))
            return web.json_response(asdict(made), status=201)
        if not isinstance(wanted, dict) or "kind" not in wanted or not set(wanted) <= settable:
            return _refuse(f"a fault is {wanted!r}, expected an object of {', '.join(sorted(settable))}, with a kind")
        try:
            fault = gate.faults.add(Fault(**wanted))
        except (ValueError, TypeError) as wrong:
            return _refuse(str(wrong))
        await changed()
        return web.json_response(asdict(fault), status=201)

    async def cleared(_: web.Request) -> web.Response:
        gone = [asdict(fault) for fault in gate.faults.clear()]
        gone += await asyncio.to_thread(breaks.clear) if breaks is not None else []
        await changed()
        return web.json_response(gone)

    async def removed(request: web.Request) -> web.Response:
        number = request.match_info["id"]
        if breaks is not None and number.isdigit() and any(b["id"] == int(number) for b in breaks):
            return web.json_response(await asyncio.to_thread(breaks.remove, int(number)))
        try:
            gone = gate.faults.remove(int(number))
        except (KeyError, ValueError):
            return _refuse(f"there is no fault {number}; GET /faults lists those there are", status=404)
        await changed()
        return web.json_response(asdict(gone))

    async def ledger(request: web.Request) -> web.Response:
        wanted = dict(request.query)
        try:
            last = int(wanted.pop("last", "0"))
            since = datetime.fromisoformat(wanted.pop("since")) if "since" in wanted else None
            if since is not None and since.tzinfo is None:
                return _refuse(f"since is {since.isoformat()}, expected a time with its zone")
            found = gate.ledger.find(wanted, since=since)
        except ValueError as wrong:
            return _refuse(str(wrong))
        calls = [asdict(call) | {"at": call.at.isoformat()} for call in found[-last:]]
        return web.json_response(calls)

    app = web.Application()
    app.router.add_get("/faults", listed)
    app.router.add_post("/faults", added)
    app.router.add_delete("/faults", cleared)
    app.router.add_delete("/faults/{id}", removed)
    app.router.add_get("/ledger", ledger)
    return app


def _refuse(message: str, status: int = 400) -> web.Response:
    return web.json_response({"error": message}, status=status)
