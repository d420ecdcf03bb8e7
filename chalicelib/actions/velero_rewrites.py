"""Puts the rewrites where Velero reads them, before the first restore that is to obey them.

The modifiers' ConfigMap is named by its content and immutable: a Restore names the one of its own policy, and nobody
can change it under a restore that runs. The plugin's ConfigMap is found by its label, and two of them break every
restore, so what a person has put there is never doubled: it is leaned on when it says the same, and told otherwise.
Sources: https://velero.io/docs/v1.18/restore-resource-modifiers/, /restore-reference/;
https://kubernetes.io/docs/concepts/configuration/configmap/#configmap-immutable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from chalicelib.actions.contract import KubeOp, Op, Reader, Target
from chalicelib.actions.copies import is_copy
from chalicelib.actions.places import cluster_of
from chalicelib.actions.rewriting import FILE, IMAGES, IMAGES_LABEL, IMAGES_LABELS, image_registries, modifiers_name
from chalicelib.actions.rewriting import modifiers as rendered
from chalicelib.core.outcome import Act, Call, Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.policy import Policy

CONFIGMAPS: Final = "v1 configmaps"
AGAIN: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Held:
    """A ConfigMap as it is."""

    name: str
    data: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Rewriting:
    """The ConfigMap that should hold the modifiers, None when it is not there; and all image mappings there are."""

    modifiers: Held | None
    mappings: tuple[Held, ...]


class VeleroRewrites:
    """At most two ConfigMaps in Velero's namespace; their data says whether it was done."""

    name: ClassVar[str] = "velero-rewrites"
    reads: ClassVar[tuple[Op, ...]] = (
        KubeOp(verb="get", group="", resource="configmaps", within="velero"),
        KubeOp(verb="list", group="", resource="configmaps", within="velero"),
    )
    calls: ClassVar[tuple[Op, ...]] = (
        KubeOp(verb="create", group="", resource="configmaps", within="velero"),
        KubeOp(verb="patch", group="", resource="configmaps", within="velero"),
    )

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Rewriting | Refused | NoData:
        cluster = cluster_of(target, policy)
        name = modifiers_name(policy, target.params["cluster"], drill=is_copy(target))
        kept = reader.kube(cluster.name, CONFIGMAPS, namespace=cluster.velero_namespace, name=name) if name else None
        label = f"{IMAGES_LABEL}={IMAGES_LABELS[IMAGES_LABEL]}"
        mappings = reader.kube(cluster.name, CONFIGMAPS, namespace=cluster.velero_namespace, label=label)
        for found in (kept, mappings):
            if isinstance(found, Refused | NoData):
                return found
        if not isinstance(mappings, Sequence):
            return NoData(because=f"cluster {cluster.name!r} did not list ConfigMaps")
        return Rewriting(_held(kept) if isinstance(kept, Mapping) else None, tuple(_held(m) for m in mappings))

    def next(self, target: Target, policy: Policy, facts: Rewriting | Refused | NoData, now: datetime) -> Next:
        match facts:
            case NoData(because=because):
                return Wait(because=f"{because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
            case Refused(because=because, code=code):
                return Stuck(because=f"{because} ({code})")
        place = target.params["cluster"]
        return (
            self._modifiers(target, policy, facts.modifiers)
            # The images' mapping is every restore's: a drill leaves it as it is.
            or (None if is_copy(target) else self._images(target, policy, facts.mappings))
            or Done(because=f"restored objects will be rewritten for the {place}: {_counted(policy, place)}")
        )

    @staticmethod
    def _modifiers(target: Target, policy: Policy, held: Held | None) -> Next | None:
        place = target.params["cluster"]
        drill = is_copy(target)
        name, wanted = modifiers_name(policy, place, drill=drill), {FILE: rendered(policy, place, drill=drill)}
        if name is None or (held and held.data == wanted):
            return None
        if held:
            return Stuck(because=f"ConfigMap {name!r} does not hold what its name says; delete it")
        body = {"metadata": {"name": name}, "immutable": True, "data": wanted}
        because = f"ConfigMap {name!r} with the resource modifiers is not there yet"
        return Act(because=because, call=_call(target, policy, "create", body, until="it is there"))

    @staticmethod
    def _images(target: Target, policy: Policy, held: tuple[Held, ...]) -> Next | None:
        wanted = image_registries(policy, target.params["cluster"])
        if len(held) > 1:
            names = ", ".join(repr(h.name) for h in held)
            label = f"{IMAGES_LABEL}={IMAGES_LABELS[IMAGES_LABEL]}"
            return Stuck(because=f"{names} all have the label {label}, and Velero allows one; delete the others")
        if not held:
            if not wanted:
                return None
            body = {"metadata": {"name": IMAGES, "labels": dict(IMAGES_LABELS)}, "data": dict(wanted)}
            because = f"ConfigMap {IMAGES!r} with the image registries is not there yet"
            return Act(because=because, call=_call(target, policy, "create", body, until="it is there"))
        (one,) = held
        lacking = sorted(set(wanted.values()) - set(one.data.values()))
        if one.name != IMAGES:
            if not lacking:
                return None
            said = f"ConfigMap {one.name!r} maps images and lacks {'; '.join(lacking)}"
            return Stuck(because=f"{said}; Velero allows only one such ConfigMap: add that to it, or delete it")
        if dict(one.data) == dict(wanted):
            return None
        data = {**dict.fromkeys(one.data), **wanted}
        body = {"metadata": {"name": IMAGES}, "data": data}
        because = f"ConfigMap {IMAGES!r} maps other registries than policy"
        return Act(because=because, call=_call(target, policy, "patch", body, until="its data is policy's"))


def _call(target: Target, policy: Policy, verb: str, body: Mapping[str, Any], *, until: str) -> Call:
    cluster = cluster_of(target, policy)
    whole = {"apiVersion": "v1", "kind": "ConfigMap", **body}
    whole["metadata"] = {**body["metadata"], "namespace": cluster.velero_namespace}
    return Call(
        system="kubernetes",
        service=cluster.name,
        region=cluster.region,
        operation=f"{verb} {CONFIGMAPS}",
        params={
            "namespace": cluster.velero_namespace,
            "name": body["metadata"]["name"],
            "body": whole if verb == "create" else {"data": body["data"]},
        },
        until=until,
        reversible=True,
    )


def _counted(policy: Policy, place: str) -> str:
    kinds = [r.kind for r in policy.rewrites.of(place)]
    return ", ".join(f"{kinds.count(k)} {k}" for k in dict.fromkeys(kinds)) or "nothing needs it"


def _held(found: Mapping[str, Any]) -> Held:
    return Held(found["metadata"]["name"], dict(found.get("data") or {}))
