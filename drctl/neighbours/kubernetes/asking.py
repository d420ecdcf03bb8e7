"""One HTTP request as the API server understands it: verb, resource, namespace, name; and its body.

kubernetes.io/docs/reference/using-api/api-concepts, "Resource URIs"; what cannot be read is refused with recorded words
(07-schema).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

from drctl.neighbours.kubernetes.kinds import Resource
from drctl.neighbours.kubernetes.rbac import Asked, User
from drctl.neighbours.kubernetes.status import Answer, Cause, RefusedError, bad_request, invalid, unsupported_media

_MEDIA: Final = ("*/*", "application/*", "application/json", "application/yaml")
_SUMMARY: Final = 30  # bytes of an unreadable body that the server repeats
_OPTIONS: Final = {"POST": "CreateOptions", "PUT": "UpdateOptions", "PATCH": "PatchOptions"}


@dataclass(frozen=True, slots=True)
class Address:
    """What a path points at. `resource` is the plural as written, known or not."""

    group: str
    version: str
    resource: str = ""
    namespace: str = ""
    name: str = ""
    subresource: str = ""


def address(path: str) -> Address | None:
    """The resource `path` names; None when it is no resource path (`/version`, `/apis`)."""
    parts = [p for p in path.split("/") if p]
    if parts[:1] == ["api"] and len(parts) >= 3:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[:1] == ["apis"] and len(parts) >= 4:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in ("status", "finalize"):
        namespace, rest = rest[1], rest[2:]
    resource, name, subresource = (*rest, "", "")[:3]
    if group == "" and resource == "namespaces":
        namespace = name
    return Address(group, version, resource, namespace, name, subresource)


@dataclass(frozen=True, slots=True)
class Asking:
    """An authenticated request for a resource. `query` has the first value of each parameter, `headers` lower-case
    names.
    """

    method: str
    user: User
    address: Address
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def verb(self) -> str:
        named = bool(self.address.name)
        match self.method:
            case "GET" | "HEAD":
                watching = self.query.get("watch") in ("1", "true")
                return "get" if named else "watch" if watching else "list"
            case "POST":
                return "create"
            case "PUT":
                return "update"
            case "PATCH":
                return "patch"
            case "DELETE":
                return "delete" if named else "deletecollection"
            case other:
                return other.lower()

    @property
    def asked(self) -> Asked:
        to = self.address
        return Asked(self.verb, to.group, to.resource, to.namespace, to.name, to.subresource)

    @property
    def dry_run(self) -> bool:
        return self.query.get("dryRun") == "All"

    @property
    def manager(self) -> str:
        """Who owns the fields this request sets: `fieldManager`, else the client's name."""
        return self.query.get("fieldManager") or self.headers.get("user-agent", "unknown").partition("/")[0]

    @property
    def media(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def strictness(self) -> str:
        """`Ignore`, `Warn` or `Strict`; Warn is the server's default. Raises 422 on anything else."""
        found = self.query.get("fieldValidation", "") or "Warn"
        if found not in ("Ignore", "Warn", "Strict"):
            text = f'Unsupported value: "{found}": supported values: "", "Ignore", "Strict", "Warn"'
            cause = Cause("FieldValueNotSupported", "fieldValidation", text)
            raise invalid(_OPTIONS[self.method], "meta.k8s.io", "", [cause])
        return found

    def read(self, kind: str) -> dict[str, Any]:
        """The body as an object of `kind`. Raises 415 for another media type and 400 for what is no JSON object."""
        if self.media not in ("application/json", "application/yaml", ""):
            raise unsupported_media(("application/json", "application/yaml", "application/vnd.kubernetes.protobuf"))
        if self.media == "application/yaml":
            found = self.read_yaml()
        else:
            try:
                found = json.loads(self.body)
            except ValueError as error:
                raise _unreadable(kind, _go_json(error, self.body), self.body) from error
        if not isinstance(found, dict):
            fields = (
                f'{n} string "json:\\"{tag},omitempty\\""'
                for n, tag in (("APIVersion", "apiVersion"), ("Kind", "kind"))
            )
            struct = f"struct {{ {'; '.join(fields)} }}"
            word = {list: "array", str: "string", bool: "bool"}.get(type(found), "number")
            raise _unreadable(kind, f"json: cannot unmarshal {word} into Go value of type {struct}", self.body)
        return found

    def read_yaml(self) -> Any:
        """The body as YAML. Raises 400."""
        try:
            return yaml.safe_load(self.body)
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise bad_request(f"error decoding YAML: {error}") from error

    def options(self) -> dict[str, Any]:
        """The DeleteOptions of the body and the query together."""
        sent = self.read("DeleteOptions") if self.body.strip() else {}
        if not isinstance(sent.get("preconditions") or {}, dict):
            raise bad_request("json: cannot unmarshal into Go struct field DeleteOptions.preconditions")
        named: dict[str, Any] = {k: self.query[k] for k in ("propagationPolicy",) if k in self.query}
        if "gracePeriodSeconds" in self.query:
            named["gracePeriodSeconds"] = int(self.query["gracePeriodSeconds"])
        return sent | named


def _go_json(error: ValueError, body: bytes) -> str:
    if isinstance(error, json.JSONDecodeError) and error.pos < len(body.decode(errors="replace").rstrip()):
        found = body.decode(errors="replace")[error.pos]
        return f"invalid character '{found}' looking for beginning of value"
    return "unexpected end of JSON input"


def _unreadable(kind: str, why: str, body: bytes) -> RefusedError:
    more = " ..." if len(body) > _SUMMARY else ""
    head = body[:_SUMMARY]
    shown = "<empty>" if not body else (head.decode(errors="replace") if head[:1] == b"{" else head.hex()) + more
    return bad_request(
        f"the object provided is unrecognized (must be of type {kind}): "
        f"couldn't get version/kind; json parse error: {why} ({shown})"
    )


def answered(code: int, body: Mapping[str, Any], warnings: tuple[str, ...] = ()) -> Answer:
    headers = {"Content-Type": "application/json"}
    if warnings:
        quoted = (text.replace("\\", "\\\\").replace('"', '\\"') for text in warnings)
        headers["Warning"] = ", ".join(f'299 - "{text}"' for text in quoted)
    return Answer(code, headers, json.dumps(body).encode())


def success(code: int | None = None, **told: Any) -> dict[str, Any]:
    """A `Status` that says Success."""
    whole = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    return whole | told | ({"code": code} if code else {})


def wrap(resource: Resource, obj: Mapping[str, Any]) -> dict[str, Any]:
    return {"apiVersion": resource.api_version, "kind": resource.kind, **obj}


def acceptable(accept: str) -> bool:
    """Whether what a client wants to read is what this server writes."""
    wanted = (part.partition(";")[0].strip() for part in accept.split(","))
    return any(media in _MEDIA for media in wanted)
