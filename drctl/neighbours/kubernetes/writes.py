"""POST, PUT and PATCH on objects, in the order in which the API server checks them.

kubernetes.io/docs/reference/using-api/api-concepts; every refusal's words are recorded (07-schema).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from drctl.neighbours.kubernetes import native, patches, schema
from drctl.neighbours.kubernetes.asking import Asking, answered
from drctl.neighbours.kubernetes.kinds import Resource
from drctl.neighbours.kubernetes.objects import Cluster, Obj
from drctl.neighbours.kubernetes.ownership import Ownership
from drctl.neighbours.kubernetes.reads import Reads
from drctl.neighbours.kubernetes.status import (
    Answer,
    Cause,
    RefusedError,
    already_exists,
    bad_request,
    conflict,
    details,
    internal,
    invalid,
    not_found,
    unsupported_media,
)
from drctl.neighbours.kubernetes.trees import copied

_LABEL: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN: Final = rf"{_LABEL}(\.{_LABEL})*"
_SUBDOMAIN_TEXT: Final = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    f"'{_SUBDOMAIN}')"
)
_SERVER_OWNS: Final = ("uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds")


class Writes:
    """What makes and changes objects."""

    def __init__(self, cluster: Cluster, reads: Reads) -> None:
        self.cluster = cluster
        self.reads = reads
        self.owners = Ownership()

    # --- create

    def create(self, resource: Resource, asking: Asking) -> Answer:
        strict = asking.strictness()
        obj = asking.read(resource.kind)
        new, warnings = self.admit(resource, asking, obj, strict)
        if asking.dry_run:
            return answered(201, self.cluster.stamped(resource, _sorted(resource, new)), warnings)
        kept = self.cluster.create(resource, new)
        self.owners.take(resource, kept, asking.manager, set(patches.leaves(obj)))
        return answered(201, kept, warnings)

    def admit(self, resource: Resource, asking: Asking, obj: Obj, strict: str) -> tuple[Obj, tuple[str, ...]]:
        """Everything between the decoded body and the store: the object to keep, and the warnings to send."""
        warnings = self._decode(resource, obj, strict, asking)
        meta = obj.setdefault("metadata", {})
        self._place(resource, meta, asking.address.namespace)
        self._namespace_open(resource, meta)
        if resource.status and "status" in obj:
            del obj["status"]
        name = meta.get("name") or ""
        self._valid(resource, obj, name, _name_causes(resource, meta))
        if meta.pop("resourceVersion", None):
            raise internal("resourceVersion should not be set on objects to be created")
        if name and self.cluster.get(resource.key, meta.get("namespace", ""), name) is not None:
            raise already_exists(resource.plural, resource.group, name)
        for field in (*_SERVER_OWNS, "managedFields", "selfLink"):
            meta.pop(field, None)
        obj["metadata"] = {k: v for k, v in meta.items() if v not in (None, {}, [])}
        self._fill(resource, obj)
        return obj, warnings + _finalizer_warnings(meta)

    def _decode(self, resource: Resource, obj: Obj, strict: str, asking: Asking) -> tuple[str, ...]:
        """Kind, version and fields; the warnings. Unknown fields are taken out of `obj`."""
        _metadata_is_object(obj)
        if not obj.get("kind") and asking.method != "PATCH":
            shown = json.dumps(obj, separators=(",", ":"))
            raise bad_request(f"Object 'Kind' is missing in '{shown}'")
        version, kind = obj.get("apiVersion", resource.api_version), obj.get("kind", resource.kind)
        if version != resource.api_version:
            raise bad_request(
                f"the API version in the data ({version}) does not match "
                f"the expected API version ({resource.api_version})"
            )
        if kind != resource.kind:
            cause = Cause("FieldValueInvalid", "kind", f'Invalid value: "{kind}": must be {resource.kind}')
            raise invalid(kind, resource.group, (obj.get("metadata") or {}).get("name", ""), [cause])
        if resource.custom:
            unknown = native.unknown_metadata(resource, obj.get("metadata") or {}) + schema.prune(resource, obj)
        else:
            unknown = native.unknown_fields(resource, obj)
        for path in unknown:
            _drop(obj, _steps(path))
        said = tuple(f'unknown field "{path}"' for path in unknown)
        if said and strict == "Strict":
            why = f"strict decoding error: {', '.join(said)}"
            if asking.method == "PATCH":
                raise self._unpatchable(obj, why)
            raise bad_request(
                f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: {why}'
            )
        return said if strict == "Warn" else ()

    @staticmethod
    def _unpatchable(obj: Obj, why: str) -> RefusedError:
        shown = json.dumps(json.dumps(obj, separators=(",", ":"), sort_keys=True))
        return invalid("", "", "", [Cause("FieldValueInvalid", "patch", f"Invalid value: {shown}: {why}")])

    def _place(self, resource: Resource, meta: Obj, namespace: str) -> None:
        if not resource.namespaced:
            return
        if meta.setdefault("namespace", namespace) != namespace:
            raise bad_request("the namespace of the provided object does not match the namespace sent on the request")

    def _namespace_open(self, resource: Resource, meta: Mapping[str, Any]) -> None:
        """NamespaceLifecycle admission: nothing is made in an absent or a terminating namespace."""
        if not resource.namespaced:
            return
        namespace = meta["namespace"]
        found = self.cluster.get("namespaces", "", namespace)
        if found is None:
            raise not_found("namespaces", "", namespace)
        if "deletionTimestamp" in found["metadata"]:
            name = meta.get("name", "")
            why = f"unable to create new content in namespace {namespace} because it is being terminated"
            causes = [
                {
                    "reason": "NamespaceTerminating",
                    "message": f"namespace {namespace} is being terminated",
                    "field": "metadata.namespace",
                }
            ]
            told = details(name, resource.group, resource.plural, causes=causes)
            raise RefusedError(403, f'{resource.key} "{name}" is forbidden: {why}', "Forbidden", told)

    def _valid(self, resource: Resource, obj: Obj, name: str, causes: list[Cause]) -> None:
        if resource.custom:
            schema.fill(resource, obj)
            causes = causes + schema.validate(resource, obj)
        else:
            causes = causes + native.validate(resource, obj)
        if causes:
            raise invalid(resource.kind, resource.group, name, causes)

    def _fill(self, resource: Resource, obj: Obj) -> None:
        if not resource.custom:
            obj["metadata"].setdefault("name", "")
            native.fill(resource, obj, number=self.cluster.number())

    # --- update

    def put(self, resource: Resource, asking: Asking) -> Answer:
        strict = asking.strictness()
        name = asking.address.name
        if not name:
            raise bad_request("name must be provided")
        new = asking.read(resource.kind)
        warnings = self._decode(resource, new, strict, asking)
        meta = new.setdefault("metadata", {})
        self._same_name(meta, name)
        self._place(resource, meta, asking.address.namespace)
        old = self.reads.find(resource, asking.address)
        self.unchanged(resource, old, meta, must_say=resource.custom)
        return self._replace(resource, asking, old, new, warnings)

    @staticmethod
    def _same_name(meta: Mapping[str, Any], name: str) -> None:
        if meta.get("name", "") != name:
            raise bad_request(
                f"the name of the object ({meta.get('name', '')}) does not match the name on the URL ({name})"
            )

    @staticmethod
    def unchanged(resource: Resource, old: Obj, meta: Mapping[str, Any], *, must_say: bool) -> None:
        """Optimistic concurrency: the uid and resourceVersion sent must be those kept."""
        name, uid, version = old["metadata"]["name"], meta.get("uid"), meta.get("resourceVersion")
        if uid and uid != old["metadata"]["uid"]:
            place = "/".join(p for p in (meta.get("namespace", old["metadata"].get("namespace", "")), name) if p)
            why = (
                f"StorageError: invalid object, Code: 4, Key: /registry/{resource.group}/{resource.plural}/{place}, "
                f"ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: {uid}, "
                f"UID in object meta: {old['metadata']['uid']}"
            )
            raise conflict(resource.plural, resource.group, name, why)
        if not version:
            if must_say:
                cause = Cause(
                    "FieldValueInvalid", "metadata.resourceVersion", "Invalid value: 0: must be specified for an update"
                )
                raise invalid(resource.plural, resource.group, name, [cause])
        elif not str(version).isdigit():
            raise internal(f'strconv.ParseUint: parsing "{version}": invalid syntax')
        elif version != old["metadata"]["resourceVersion"]:
            raise conflict(resource.plural, resource.group, name)

    def _replace(
        self, resource: Resource, asking: Asking, old: Obj, new: Obj, warnings: tuple[str, ...], code: int = 200
    ) -> Answer:
        """Validates and keeps the new state of an object that exists; the server's own fields stay."""
        before = old["metadata"]
        meta = dict(new["metadata"])
        for field in (*_SERVER_OWNS, "managedFields", "selfLink", "resourceVersion"):
            meta.pop(field, None)
            if field in before:
                meta[field] = before[field]
        new = {**new, "apiVersion": resource.api_version, "kind": resource.kind}
        new["metadata"] = {k: v for k, v in meta.items() if v not in (None, {}, [])}
        if resource.status:
            new.pop("status", None)
            if "status" in old:
                new["status"] = copied(old["status"])
        self._valid(resource, new, before["name"], [])
        if resource.kind == "VolumeAttachment" and new.get("spec") != old.get("spec"):
            raise invalid(resource.kind, resource.group, before["name"], [_attachment(new["spec"])])
        if resource.kind in ("Deployment", "Node", "Pod", "PodDisruptionBudget"):
            native.fill(resource, new, number=0)
        if asking.dry_run:
            return answered(code, new, warnings)
        changed = {p for p in patches.leaves(new) if patches.at(new, p) != patches.at(old, p)}
        kept = self.cluster.write(resource, new)
        self.owners.take(resource, kept, asking.manager, changed)
        return answered(code, kept, warnings)

    # --- patch

    def patch(self, resource: Resource, asking: Asking) -> Answer:
        if asking.media == patches.APPLY:
            return self._apply(resource, asking)
        strict = asking.strictness()
        old = self.reads.find(resource, asking.address)
        sent, new = self.patched(resource, asking, old)
        _metadata_is_object(new)
        meta = new["metadata"]
        said = (sent.get("metadata") or {}) if isinstance(sent, dict) else {}
        self._same_name(meta, asking.address.name)
        if "resourceVersion" in said or "uid" in said:
            self.unchanged(resource, old, said, must_say=False)
        warnings = self._decode(resource, new, strict, asking)
        return self._replace(resource, asking, old, new, warnings)

    @staticmethod
    def patched(resource: Resource, asking: Asking, old: Obj) -> tuple[Any, Obj]:
        """The patch as sent and the object with it applied. Raises 415 for a format this kind does not take."""
        formats = {patches.JSON_PATCH: patches.operations, patches.MERGE: patches.merge}
        if not resource.custom:
            formats[patches.STRATEGIC] = patches.strategic
        if asking.media not in formats:
            raise unsupported_media((*formats, patches.APPLY))
        try:
            sent = json.loads(asking.body)
        except ValueError as error:
            raise bad_request(f"error decoding patch: {error}") from error
        if asking.media != patches.JSON_PATCH and not isinstance(sent, dict):
            raise bad_request(
                "error decoding patch: json: cannot unmarshal into Go value of type map[string]interface {}"
            )
        new: Obj = formats[asking.media](copied(old), sent)
        return sent, new

    def _apply(self, resource: Resource, asking: Asking) -> Answer:
        """Server-side apply (kubernetes.io/docs/reference/using-api/server-side-apply)."""
        if not asking.query.get("fieldManager"):
            cause = Cause("FieldValueRequired", "fieldManager", "Required value: is required for apply patch")
            raise invalid("PatchOptions", "meta.k8s.io", "", [cause])
        strict = asking.strictness()
        sent = asking.read_yaml()
        if not isinstance(sent, dict):
            raise bad_request("error decoding patch: the body of an apply must be an object")
        _metadata_is_object(sent)
        to = asking.address
        sent["metadata"].setdefault("name", to.name)
        self._same_name(sent["metadata"], to.name)
        old = self.cluster.get(resource.key, to.namespace if resource.namespaced else "", to.name)
        wanted = set(patches.leaves(sent))
        if old is None:
            new, warnings = self.admit(resource, asking, sent, strict)
            if asking.dry_run:
                return answered(201, self.cluster.stamped(resource, new), warnings)
            kept = self.cluster.create(resource, new)
            self.owners.take(resource, kept, asking.manager, wanted)
            return answered(201, kept, warnings)
        self.owners.unconflicted(resource, asking, old, sent, wanted)
        mine = self.owners.of(resource, old).get(asking.manager, set())
        others = set().union(*(v for k, v in self.owners.of(resource, old).items() if k != asking.manager))
        new = patches.merge(old, sent)
        for path in mine - wanted - others:
            _drop(new, path)
        warnings = self._decode(resource, new, strict, asking)
        answer = self._replace(resource, asking, old, new, warnings)
        if not asking.dry_run:
            self.owners.of(resource, old)[asking.manager] = wanted
        return answer


def _attachment(spec: Mapping[str, Any]) -> Cause:
    shown = {
        "Attacher": spec.get("attacher"),
        "Source": {
            "PersistentVolumeName": (spec.get("source") or {}).get("persistentVolumeName"),
            "InlineVolumeSpec": None,
        },
        "NodeName": spec.get("nodeName"),
    }
    return Cause(
        "FieldValueInvalid", "spec", f"Invalid value: {json.dumps(shown, separators=(',', ':'))}: field is immutable"
    )


def _sorted(resource: Resource, obj: Obj) -> Obj:
    return {"apiVersion": resource.api_version, "kind": resource.kind, **obj}


def _metadata_is_object(obj: Obj) -> None:
    if not isinstance(obj.get("metadata") or {}, dict) or isinstance(obj.get("metadata"), list):
        raise bad_request("json: cannot unmarshal into Go struct field .metadata of type v1.ObjectMeta")
    obj["metadata"] = obj.get("metadata") or {}


def _steps(path: str) -> tuple[str | int, ...]:
    """`spec.a[0].b` taken apart."""
    found = re.findall(r"\[\d+\]|[^.\[\]]+", path)
    return tuple(int(s[1:-1]) if s[0] == "[" else s for s in found)


def _drop(obj: Any, steps: Sequence[str | int]) -> None:
    """Removes what `steps` name, where it still is."""
    for step in steps[:-1]:
        try:
            obj = obj[step]
        except (KeyError, IndexError, TypeError):
            return
    if isinstance(obj, dict):
        obj.pop(steps[-1], None)


def _finalizer_warnings(meta: Mapping[str, Any]) -> tuple[str, ...]:
    why = (
        "prefer a domain-qualified finalizer name including a path (/) "
        "to avoid accidental conflicts with other finalizer writers"
    )
    return tuple(f'metadata.finalizers: "{f}": {why}' for f in meta.get("finalizers") or () if "/" not in f)


def _name_causes(resource: Resource, meta: Mapping[str, Any]) -> list[Cause]:
    name = meta.get("name")
    if not name:
        if meta.get("generateName"):
            return []
        text = "Required value: name or generateName is required"
        return [Cause("FieldValueRequired", "metadata.name", text)]
    if len(name) > 253:
        text = f"Invalid value: {json.dumps(name)}: must be no more than 253 characters"
        return [Cause("FieldValueInvalid", "metadata.name", text)]
    if resource.group != "rbac.authorization.k8s.io" and not re.fullmatch(_SUBDOMAIN, name):
        return [Cause("FieldValueInvalid", "metadata.name", f"Invalid value: {json.dumps(name)}: {_SUBDOMAIN_TEXT}")]
    return []
