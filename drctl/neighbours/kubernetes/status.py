"""What the API server says when it refuses: the `Status` object, one function for each refusal.

Texts and details are those of a recorded kube-apiserver 1.36.2 (`tests/neighbours/kubernetes/recordings.jsonl`);
shapes are documented at kubernetes.io/docs/reference/kubernetes-api/common-definitions/status.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

JSON = {"Content-Type": "application/json"}
PLAIN = {"Content-Type": "text/plain; charset=utf-8"}


class Answer(NamedTuple):
    """What goes back over HTTP."""

    status: int
    headers: dict[str, str]
    body: bytes


class Cause(NamedTuple):
    """One entry of `Status.details.causes`; `message` does not repeat the field."""

    reason: str
    field: str
    message: str


@dataclass
class RefusedError(Exception):
    """A request that is not done, with the whole answer. Raised anywhere below `KubeApi.request`, which turns it into
    bytes.
    """

    code: int
    message: str
    reason: str = ""
    details: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    plain: bool = False

    def body(self) -> dict[str, Any]:
        """The `Status` object."""
        said: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            said["reason"] = self.reason
        if self.details is not None:
            said["details"] = dict(self.details)
        return said | {"code": self.code}

    def answer(self) -> Answer:
        if self.plain:
            return Answer(self.code, PLAIN | dict(self.headers), self.message.encode())
        return Answer(self.code, JSON | dict(self.headers), json.dumps(self.body()).encode())


def details(name: str, group: str, kind: str, **more: Any) -> dict[str, Any]:
    """`details` as Go writes it: empty fields are left out."""
    return {k: v for k, v in {"name": name, "group": group, "kind": kind, **more}.items() if v}


def qualified(what: str, group: str) -> str:
    """`backups.velero.io`, or the bare word in the core group."""
    return f"{what}.{group}" if group else what


def not_found(plural: str, group: str, name: str) -> RefusedError:
    text = f'{qualified(plural, group)} "{name}" not found'
    return RefusedError(404, text, "NotFound", details(name, group, plural))


def no_such_path() -> RefusedError:
    return RefusedError(404, "404 page not found\n", plain=True)


def already_exists(plural: str, group: str, name: str) -> RefusedError:
    text = f'{qualified(plural, group)} "{name}" already exists'
    return RefusedError(409, text, "AlreadyExists", details(name, group, plural))


def conflict(plural: str, group: str, name: str, why: str = "") -> RefusedError:
    why = why or "the object has been modified; please apply your changes to the latest version and try again"
    text = f'Operation cannot be fulfilled on {qualified(plural, group)} "{name}": {why}'
    return RefusedError(409, text, "Conflict", details(name, group, plural))


def invalid(kind: str, group: str, name: str, causes: Iterable[Cause]) -> RefusedError:
    """422 with every cause; one cause stands alone in the text, several stand in brackets."""
    causes = list(causes)
    said = [f"{c.field}: {c.message}" for c in causes]
    text = said[0] if len(said) == 1 else f"[{', '.join(said)}]"
    listed = [{"reason": c.reason, "message": c.message, "field": c.field} for c in causes]
    whole = f'{qualified(kind, group)} "{name}" is invalid: {text}'
    return RefusedError(422, whole, "Invalid", details(name, group, kind, causes=listed))


def bad_request(message: str, **headers: str) -> RefusedError:
    return RefusedError(400, message, "BadRequest", headers=headers)


def unauthorized() -> RefusedError:
    return RefusedError(401, "Unauthorized", "Unauthorized")


def unsupported_media(accepted: Iterable[str]) -> RefusedError:
    text = "the body of the request was in an unknown format - accepted media types include: " + ", ".join(accepted)
    return RefusedError(415, text, "UnsupportedMediaType")


def not_acceptable() -> RefusedError:
    accepted = "application/json, application/yaml, application/vnd.kubernetes.protobuf"
    return RefusedError(406, f"only the following media types are accepted: {accepted}", "NotAcceptable")


def internal(message: str) -> RefusedError:
    """A 500 as the recorded server gives it: without a reason."""
    return RefusedError(500, message)
