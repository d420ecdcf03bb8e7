"""Who set which field, which server-side apply needs to know.

kubernetes.io/docs/reference/using-api/server-side-apply; the conflict's words are recorded (07-schema/apply-conflict).
Kept beside the objects: `metadata.managedFields` itself is not written, since no client of ours reads it.
"""

from __future__ import annotations

from drctl.neighbours.kubernetes import patches
from drctl.neighbours.kubernetes.asking import Asking
from drctl.neighbours.kubernetes.kinds import Resource
from drctl.neighbours.kubernetes.objects import Obj
from drctl.neighbours.kubernetes.status import RefusedError

Path = tuple[str, ...]


class Ownership:
    """The fields of every object by the manager that set them."""

    def __init__(self) -> None:
        self._owners: dict[tuple[str, str], dict[str, set[Path]]] = {}

    def unconflicted(self, resource: Resource, asking: Asking, old: Obj, sent: Obj, wanted: set[Path]) -> None:
        differing = {p for p in wanted if patches.at(old, p) != patches.at(sent, p)}
        found = [
            (other, path)
            for other, paths in sorted(self.of(resource, old).items())
            if other != asking.manager
            for path in sorted(paths & differing)
        ]
        if not found:
            return
        if asking.query.get("force") == "true":
            for other, path in found:
                self.of(resource, old)[other].discard(path)
            return
        listed = [
            {"reason": "FieldManagerConflict", "message": f'conflict with "{other}"', "field": "." + ".".join(path)}
            for other, path in found
        ]
        if len(found) == 1:
            text = f"Apply failed with 1 conflict: {listed[0]['message']}: {listed[0]['field']}"
        else:
            lines = "\n".join(f"- {c['field']}" for c in listed)
            text = f'Apply failed with {len(found)} conflicts: conflicts with "{found[0][0]}":\n{lines}'
        raise RefusedError(409, text, "Conflict", {"causes": listed})

    def of(self, resource: Resource, obj: Obj) -> dict[str, set[Path]]:
        return self._owners.setdefault((resource.key, obj["metadata"]["uid"]), {})

    def take(self, resource: Resource, obj: Obj, manager: str, paths: set[Path]) -> None:
        owned = self.of(resource, obj)
        for other, theirs in owned.items():
            if other != manager:
                theirs.difference_update(paths)
        owned.setdefault(manager, set()).update(paths)
