"""Native objects (Deployments, Secrets, ...): typed decoding, the few validations the responder can meet, defaults.

Decoding follows Go's encoding/json: a wrong type is 400, an unknown field a warning or, when strict, 400 (recorded,
13-native). Defaults are those of kubernetes.io/docs/reference/kubernetes-api and of the recorded answers.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import re
import types
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final, Union, get_args, get_origin

import msgspec
from lightkube.models import meta_v1

from drctl.neighbours.kubernetes import kinds
from drctl.neighbours.kubernetes.status import Cause, bad_request

_GO_TYPES: Final = {
    str: "string",
    int: "int32",
    bool: "bool",
    float: "float64",
    dt.datetime: "v1.Time",
    list: "[]",
    dict: "map",
}
_GO_KINDS: Final = {str: "string", bool: "bool", int: "number", float: "number", list: "array", dict: "object"}
_TEXTS: Final = ("labels", "annotations", "matchLabels", "nodeSelector", "data", "stringData")
"""Maps whose values are strings; lightkube's models say only `dict`."""
_PERCENT: Final = (
    "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', "
    "regex used for validation is '[0-9]+%')"
)


def unknown_fields(resource: kinds.Resource, obj: Mapping[str, Any]) -> list[str]:
    """The paths of fields the type does not have. Raises a 400 `RefusedError` on a value of the wrong type."""
    own = {k: v for k, v in obj.items() if k not in ("apiVersion", "kind")}
    return list(_decode(kinds.model(resource), own, resource.kind, "", resource))


def unknown_metadata(resource: kinds.Resource, metadata: Any) -> list[str]:
    """The same for a custom resource's metadata, whose paths in messages begin at `ObjectMeta` (recorded)."""
    found = _decode(meta_v1.ObjectMeta, metadata, "ObjectMeta", "", resource)
    return [f"metadata.{path}" for path in found]


def _bare(hint: Any) -> Any:
    """The type inside `Optional`."""
    if get_origin(hint) in (Union, types.UnionType):
        inner = [a for a in get_args(hint) if a is not type(None)]
        return inner[0] if len(inner) == 1 else Any
    return hint


@cache
def _fields(kind: type[msgspec.Struct]) -> Mapping[str, Any]:
    """Name in JSON → type. Finding them out evaluates every annotation anew."""
    return {f.encode_name: f.type for f in msgspec.structs.fields(kind)}


def _decode(hint: Any, value: Any, struct: str, path: str, resource: kinds.Resource) -> Iterator[str]:
    hint = _bare(hint)
    if value is None or hint is Any:
        return
    kind = get_origin(hint) or hint
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        if not isinstance(value, dict):
            raise _wrong(value, struct, path, f"v1.{kind.__name__}", resource)
        fields = _fields(kind)
        for name in sorted(value):
            below = f"{path}.{name}" if path else name
            if name in fields:
                yield from _decode(fields[name], value[name], kind.__name__, below, resource)
            else:
                yield below
    elif kind is list:
        if not isinstance(value, list):
            raise _wrong(value, struct, path, "[]" + _go(get_args(hint)), resource)
        for i, item in enumerate(value):
            yield from _decode((*get_args(hint), Any)[0], item, struct, f"{path}[{i}]", resource)
    elif kind is dict:
        if not isinstance(value, dict):
            raise _wrong(value, struct, path, "map[string]" + _go(get_args(hint)[1:]), resource)
        texts = str if path.rpartition(".")[2] in _TEXTS else Any
        for item in value.values():
            yield from _decode((get_args(hint)[1] if get_args(hint) else texts), item, struct, path, resource)
    elif kind is dt.datetime:
        if not isinstance(value, str):
            raise _wrong(value, struct, path, "v1.Time", resource)
    elif kind in (str, int, bool, float) and not _fits(value, kind):
        raise _wrong(value, struct, path, _GO_TYPES[kind], resource)


def _fits(value: Any, kind: Any) -> bool:
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, (int, float) if kind is float else kind)


def _go(args: tuple[Any, ...]) -> str:
    inner = _bare(args[0]) if args else str
    return _GO_TYPES.get(inner, f"v1.{getattr(inner, '__name__', 'Object')}")


def _wrong(value: Any, struct: str, path: str, wanted: str, resource: kinds.Resource) -> Exception:
    place = re.sub(r"\[\d+\]", "", path)
    text = f"json: cannot unmarshal {_GO_KINDS[type(value)]} into Go struct field {struct}.{place} of type {wanted}"
    return bad_request(
        f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: {text}'
    )


def validate(resource: kinds.Resource, obj: Mapping[str, Any]) -> list[Cause]:
    """What the API server's own validation would refuse. Only what a responder could get wrong is covered."""
    match resource.kind:
        case "Deployment":
            return list(_deployment(obj.get("spec") or {}))
        case "PodDisruptionBudget":
            return list(_budget(obj.get("spec") or {}))
        case "Job":
            return list(_job(obj.get("spec") or {}))
        case "Pod" if not (obj.get("spec") or {}).get("containers"):
            return [Cause("FieldValueRequired", "spec.containers", "Required value")]
        case _:
            return []


def _deployment(spec: Mapping[str, Any]) -> Iterator[Cause]:
    replicas = spec.get("replicas", 1)
    if replicas < 0:
        yield Cause(
            "FieldValueInvalid", "spec.replicas", f"Invalid value: {replicas}: must be greater than or equal to 0"
        )
    selector = spec.get("selector")
    if not selector:
        yield Cause("FieldValueRequired", "spec.selector", "Required value")
        return
    template = spec.get("template") or {}
    labels = (template.get("metadata") or {}).get("labels") or {}
    if not set((selector.get("matchLabels") or {}).items()) <= set(labels.items()):
        text = (
            f"Invalid value: {json.dumps(labels, separators=(',', ':'))}: `selector` does not match template `labels`"
        )
        yield Cause("FieldValueInvalid", "spec.template.metadata.labels", text)
    if not (template.get("spec") or {}).get("containers"):
        yield Cause("FieldValueRequired", "spec.template.spec.containers", "Required value")


def _job(spec: Mapping[str, Any]) -> Iterator[Cause]:
    """pkg/apis/batch/validation/validation.go; what this stand-in does not play is refused in its own words."""
    pod = (spec.get("template") or {}).get("spec") or {}
    if not pod.get("containers"):
        yield Cause("FieldValueRequired", "spec.template.spec.containers", "Required value")
    policy = pod.get("restartPolicy", "Always")
    if policy not in ("OnFailure", "Never"):
        text = f'Unsupported value: {json.dumps(policy)}: supported values: "OnFailure", "Never"'
        yield Cause("FieldValueNotSupported", "spec.template.spec.restartPolicy", text)
    for name in ("backoffLimit", "activeDeadlineSeconds"):
        value = spec.get(name)
        if value is not None and value < 0:
            text = f"Invalid value: {value}: must be greater than or equal to 0"
            yield Cause("FieldValueInvalid", f"spec.{name}", text)
    for name in ("parallelism", "completions"):
        if spec.get(name, 1) != 1:
            yield Cause(
                "FieldValueInvalid", f"spec.{name}", f"Invalid value: {spec[name]}: this stand-in plays one pod"
            )


def _budget(spec: Mapping[str, Any]) -> Iterator[Cause]:
    least, most = spec.get("minAvailable"), spec.get("maxUnavailable")
    if least is not None and most is not None:
        shown = {
            "MinAvailable": least,
            "Selector": spec.get("selector"),
            "MaxUnavailable": most,
            "UnhealthyPodEvictionPolicy": spec.get("unhealthyPodEvictionPolicy"),
        }
        found = json.dumps(shown, separators=(",", ":"))
        text = f"Invalid value: {found}: minAvailable and maxUnavailable cannot be both set"
        yield Cause("FieldValueInvalid", "spec", text)
    for name in ("minAvailable", "maxUnavailable"):
        value = spec.get(name)
        if isinstance(value, str) and not re.fullmatch(r"[0-9]+%", value):
            yield Cause("FieldValueInvalid", f"spec.{name}", f"Invalid value: {json.dumps(value)}: {_PERCENT}")


def fill(resource: kinds.Resource, obj: dict[str, Any], *, number: int) -> None:
    """Defaults, in place. `number` is different for every object; a Service's cluster address is made of it."""
    match resource.kind:
        case "Deployment":
            _fill_deployment(obj)
        case "Job":
            obj["spec"] = {"backoffLimit": 6, "completions": 1, "parallelism": 1, **(obj.get("spec") or {})}
        case "Pod":
            obj.setdefault("status", {"phase": "Pending", "qosClass": "BestEffort"})
        case "PodDisruptionBudget" | "Node":
            obj.setdefault("spec", {})
        case "Namespace":
            obj["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = obj["metadata"]["name"]
            obj["spec"] = {"finalizers": ["kubernetes"]}
            obj["status"] = {"phase": "Active"}
        case "Secret":
            obj.setdefault("type", "Opaque")
            for name, text in (obj.pop("stringData", None) or {}).items():
                obj.setdefault("data", {})[name] = _base64(text)
        case "Service":
            spec = obj.setdefault("spec", {})
            spec.setdefault("type", "ClusterIP")
            spec.setdefault("sessionAffinity", "None")
            spec.setdefault("clusterIP", f"10.96.{number // 250 % 250}.{number % 250 + 1}")
            for port in spec.get("ports") or ():
                port.setdefault("protocol", "TCP")
                port.setdefault("targetPort", port["port"])
        case "VolumeAttachment":
            obj.setdefault("status", {"attached": False})
        case "PersistentVolumeClaim":
            obj.setdefault("status", {"phase": "Pending"})
        case _:
            pass


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _fill_deployment(obj: dict[str, Any]) -> None:
    spec = obj.setdefault("spec", {})
    for name, default in (("replicas", 1), ("revisionHistoryLimit", 10), ("progressDeadlineSeconds", 600)):
        if spec.get(name) is None:
            spec[name] = default
    strategy = spec.setdefault("strategy", {})
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        strategy.setdefault("rollingUpdate", {"maxUnavailable": "25%", "maxSurge": "25%"})
    pod = spec.setdefault("template", {}).setdefault("spec", {})
    defaults: dict[str, Any] = {
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "securityContext": {},
        "schedulerName": "default-scheduler",
    }
    for name, default in defaults.items():
        pod.setdefault(name, default)
    for container in pod.get("containers") or ():
        container.setdefault("resources", {})
        container.setdefault("terminationMessagePath", "/dev/termination-log")
        container.setdefault("terminationMessagePolicy", "File")
        latest = ":" not in container.get("image", "").rpartition("/")[2] or container["image"].endswith(":latest")
        container.setdefault("imagePullPolicy", "Always" if latest else "IfNotPresent")
        for port in container.get("ports") or ():
            port.setdefault("protocol", "TCP")
    obj.setdefault("status", {})
