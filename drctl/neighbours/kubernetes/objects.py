"""What etcd and the API machinery keep: every object, one revision counter, and the simulated instant.

Nothing here runs by itself. `Cluster.advance` plays everything that fell due since the last request, in the order of
its time, so that a timestamp written by a controller is the moment it would have acted and not the moment somebody
asked.
"""

from __future__ import annotations

import heapq
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from drctl.neighbours.kubernetes.kinds import Resource, by_key
from drctl.neighbours.kubernetes.trees import copied

Obj = dict[str, Any]
_SUFFIX: Final = "bcdfghjklmnpqrstvwxz2456789"  # the alphabet of names made from generateName
_UIDS: Final = uuid.UUID("6d3a5c1e-5d53-4b5c-9d51-1f0f4b9f2a10")


def stamp(at: datetime) -> str:
    """`2026-11-22T20:40:32Z`: whole seconds, as metav1.Time is written."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


class Controller(Protocol):
    """Something that reacts to objects and to its own alarms."""

    name: str

    def changed(self, resource: Resource, obj: Obj, *, gone: bool) -> None: ...

    def wake(self, what: str, key: tuple[str, ...]) -> None: ...


class Cluster:
    """The state of one cluster. `speed` divides every delay; the clock is never scaled."""

    def __init__(self, clock: Callable[[], datetime], speed: float, name: str) -> None:
        self.clock = clock
        self.speed = speed
        self.name = name
        self.now = clock()
        self.revision = 100
        self.controllers: list[Controller] = []
        self.unsettled: set[str] = set()
        self.silent: set[str] = set()
        """Nodes whose kubelet posts nothing and ends no pod."""
        self._kept: dict[str, dict[tuple[str, str], Obj]] = {}
        self._alarms: list[tuple[datetime, int, str, str, tuple[str, ...]]] = []
        self._made = 0

    # --- time

    def after(self, seconds: float, controller: str, what: str, *key: str) -> None:
        """Wakes `controller` after `seconds` of real time divided by `speed`."""
        self.at(self.now + timedelta(seconds=seconds / self.speed), controller, what, *key)

    def at(self, when: datetime, controller: str, what: str, *key: str) -> None:
        self._made += 1
        heapq.heappush(self._alarms, (when, self._made, controller, what, key))

    def every(self, seconds: float, controller: str, what: str, *key: str) -> None:
        """Wakes `controller` once more after `seconds`; when far behind, only the last of the missed times is kept."""
        period = timedelta(seconds=seconds / self.speed)
        self.at(max(self.now + period, self.clock() - period), controller, what, *key)

    def advance(self) -> None:
        """Plays what fell due up to the clock's now."""
        self._settle()
        until = self.clock()
        while self._alarms and self._alarms[0][0] <= until:
            when, _, name, what, key = heapq.heappop(self._alarms)
            self.now = max(self.now, when)
            self._wake(name, what, key)
            if not self._alarms or self._alarms[0][0] > self.now:
                self._settle()
        self.now = max(self.now, until)

    def _wake(self, name: str, what: str, key: tuple[str, ...]) -> None:
        next(c for c in self.controllers if c.name == name).wake(what, key)

    def _settle(self) -> None:
        """Lets the controllers in `unsettled` look at the whole cluster, once an instant however much changed, in the
        order of `controllers`.
        """
        while self.unsettled:
            first = next(c.name for c in self.controllers if c.name in self.unsettled)
            self.unsettled.discard(first)
            self._wake(first, "settle", ())

    # --- objects

    def get(self, key: str, namespace: str, name: str) -> Obj | None:
        """The kept object itself: to be changed only through `write`."""
        return self._kept.get(key, {}).get((namespace, name))

    def every_object(self, key: str, namespace: str | None = None) -> list[Obj]:
        """All of a kind by namespace and name; `None` means every namespace."""
        kept = self._kept.get(key, {})
        return [kept[k] for k in sorted(kept) if namespace is None or k[0] == namespace]

    def everything(self) -> Iterator[tuple[Resource, Obj]]:
        for key in sorted(self._kept):
            for obj in self.every_object(key):
                yield by_key(key), obj

    def number(self) -> int:
        """A number no object had before."""
        self._made += 1
        return self._made

    def fresh_uid(self) -> str:
        return str(uuid.uuid5(_UIDS, f"{self.name}/{self.number()}"))

    def suffix(self) -> str:
        """Five letters for generateName."""
        left, said = uuid.uuid5(_UIDS, f"{self.name}/{self.number()}/name").int, ""
        for _ in range(5):
            left, at = divmod(left, len(_SUFFIX))
            said += _SUFFIX[at]
        return said

    def stamped(self, resource: Resource, obj: Obj) -> Obj:
        """A copy of `obj` with the metadata a new object gets, but its resourceVersion."""
        new = copied(obj)
        meta = new["metadata"]
        if not meta.get("name"):
            meta["name"] = meta["generateName"] + self.suffix()
        meta["uid"] = self.fresh_uid()
        meta["creationTimestamp"] = stamp(self.now)
        if resource.counts_changes:
            meta["generation"] = 1
        return new

    def create(self, resource: Resource, obj: Obj) -> Obj:
        """Keeps a new object (validated and filled before) and tells the controllers."""
        new = self.stamped(resource, {"apiVersion": resource.api_version, "kind": resource.kind, **obj})
        self._keep(resource, new)
        self._tell(resource, new, gone=False)
        return new

    def write(self, resource: Resource, obj: Obj) -> Obj:
        """Puts `obj` in the place of the object of its name. Writing what is already there changes nothing, not even
        the resourceVersion (recorded, 07-schema/schedule-patch-no-change).
        """
        meta = obj["metadata"]
        place = (meta.get("namespace", ""), meta["name"])
        old = self._kept[resource.key][place]
        new = copied(obj)
        if resource.counts_changes:
            ignored = {"metadata", "status"} if resource.status else {"metadata"}
            changed = {k: v for k, v in old.items() if k not in ignored} != {
                k: v for k, v in new.items() if k not in ignored
            }
            deleting = "deletionTimestamp" in meta and "deletionTimestamp" not in old["metadata"]
            new["metadata"]["generation"] = old["metadata"]["generation"] + (changed or deleting)
        new["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"]
        if new == old:
            return old
        # A pod with a grace period goes when its kubelet has ended it, not before.
        ends_itself = resource.kind == "Namespace" or bool(meta.get("deletionGracePeriodSeconds"))
        if "deletionTimestamp" in meta and not meta.get("finalizers") and not ends_itself:
            return self.remove(resource, new)
        self._keep(resource, new)
        self._tell(resource, new, gone=False)
        return new

    def remove(self, resource: Resource, obj: Obj) -> Obj:
        """Takes the object away at once, finalizers or not."""
        meta = obj["metadata"]
        self._kept[resource.key].pop((meta.get("namespace", ""), meta["name"]), None)
        self.revision += 1
        self._tell(resource, obj, gone=True)
        return obj

    def _keep(self, resource: Resource, obj: Obj) -> None:
        self.revision += 1
        meta = obj["metadata"]
        meta["resourceVersion"] = str(self.revision)
        self._kept.setdefault(resource.key, {})[meta.get("namespace", ""), meta["name"]] = obj

    def _tell(self, resource: Resource, obj: Obj, *, gone: bool) -> None:
        for controller in self.controllers:
            controller.changed(resource, obj, gone=gone)
