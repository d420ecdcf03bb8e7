"""policies/rewrites.yaml in Velero's own words: resource modifiers, and the image mapping.

Storage classes go by resource modifiers and not by the plugin of that name: a plugin's ConfigMap is found by its
label, so it holds for every restore of the cluster and two of them break them all, while modifiers are named by the
one Restore that wants them. Images are the exception: a modifier is a patch with a fixed value, so it would have to
name every image with its tag, and only the plugin `change-image-name` replaces a part of it.

A modifier's rules are matched against the object as it was backed up, and applied one after the other. A condition on
an index that an array lacks is an error of the restore and not a condition that is not met, so lists of zones are
compared as a whole: every selection of policy's zones, in order.
Sources: https://velero.io/docs/v1.18/restore-resource-modifiers/, /restore-reference/ ("Image Repositories");
internal/resourcemodifiers and pkg/restore/actions/change_image_name_action.go of github.com/velero-io/velero.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import combinations
from typing import Any, Final, assert_never

import yaml

from chalicelib.actions.places import namespace_of
from chalicelib.policy import Policy
from chalicelib.policy.rewrites import Certificate, DatabaseHost, ImageRegistry, Rewrite, Role, StorageClass, ZoneChange

ZONE: Final = "topology.kubernetes.io/zone"
ROLE: Final = "eks.amazonaws.com/role-arn"
CERTIFICATE: Final = "alb.ingress.kubernetes.io/certificate-arn"
FILE: Final = "modifiers.yaml"
IMAGES: Final = "dr-image-registries"
IMAGES_LABEL: Final = "velero.io/change-image-name"
IMAGES_LABELS: Final[Mapping[str, str]] = {"velero.io/plugin-config": "", IMAGES_LABEL: "RestoreItemAction"}

DRILL_REWRITES: Final = "dr-drill-rewrites"
"""Named as it is and not by its content: the right to delete it is one to this name."""
_TEMPLATE: Final = "/spec/template/spec"
_REQUIRED: Final = (
    f"{_TEMPLATE}/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms/0"
)
_EXPRESSIONS: Final = 2
"""So many expressions of a required affinity's first term are looked at: a patch knows no `any`."""

_Dumper: type[Any] = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
"""libyaml's where PyYAML has it."""

Rule = Mapping[str, Any]


def modifiers(policy: Policy, place: str = "standby", *, drill: bool = False) -> str | None:
    """The rules as Velero reads them, the same text for the same policy; None when there is none to write. A drill's
    copies run one pod each, and lead nobody to them.
    """
    rows = policy.rewrites.of(place)
    rules = [rule for rewrite in rows for rule in _rules(rewrite, policy)]
    rules += _affinities({r.from_: r.to for r in rows if isinstance(r, ZoneChange)})
    rules += _small() if drill else ()
    if not rules:
        return None  # Velero: "resource modifier rules cannot be empty"
    return _written(json.dumps(rules))


@lru_cache(maxsize=8)
def _written(rules: str) -> str:
    """Every look at a restore asks for it."""
    made = {"version": "v1", "resourceModifierRules": json.loads(rules)}
    return str(yaml.dump(made, Dumper=_Dumper, sort_keys=False, width=1000))


def modifiers_name(policy: Policy, place: str = "standby", *, drill: bool = False) -> str | None:
    """The ConfigMap that holds `modifiers`, named by its content but for a drill's; None when there is none."""
    text = modifiers(policy, place, drill=drill)
    if text is None or drill:
        return DRILL_REWRITES if text else None
    return f"dr-rewrites-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _small() -> Iterator[Rule]:
    """One pod a Deployment, and no Service with an address outside. A merge patch takes away what it gives as null
    (RFC 7396); what only an address outside may have goes with it, and the annotations that make its name known.
    """
    yield _merged("deployments.apps", {"spec": {"replicas": 1}})
    outside = dict.fromkeys(
        ("externalTrafficPolicy", "allocateLoadBalancerNodePorts", "loadBalancerClass", "externalName")
    )
    yield _merged("services", {"metadata": {"annotations": None}, "spec": {"type": "ClusterIP", **outside}})


def _merged(kinds: str, patch: Mapping[str, Any]) -> Rule:
    return {"conditions": {"groupResource": kinds}, "mergePatches": [{"patchData": json.dumps(patch)}]}


def image_registries(policy: Policy, place: str = "standby") -> Mapping[str, str]:
    """The data of the plugin's ConfigMap: `<part of an image>,<what stands there in the place>`, under any key."""
    rows = [r for r in policy.rewrites.of(place) if isinstance(r, ImageRegistry)]
    return {f"registry-{n}": f"{row.from_},{row.to}" for n, row in enumerate(rows, start=1)}


def _rules(rewrite: Rewrite, policy: Policy) -> Iterator[Rule]:
    match rewrite:
        case ImageRegistry():
            return  # by the plugin
        case StorageClass(from_=old, to=new):
            yield _replaced("persistentvolumeclaims", "/spec/storageClassName", old, new)
        case ZoneChange(from_=old, to=new):
            yield _replaced("deployments.apps", f"{_TEMPLATE}/nodeSelector/{_key(ZONE)}", old, new)
        case Role(service=service, from_=old, to=new):
            rule = _replaced("serviceaccounts", f"/metadata/annotations/{_key(ROLE)}", old, new)
            yield _within(rule, service, policy)
        case Certificate(service=service, from_=old, to=new):
            rule = _replaced("ingresses.networking.k8s.io", f"/metadata/annotations/{_key(CERTIFICATE)}", old, new)
            yield _within(rule, service, policy)
        case DatabaseHost(service=service, container=container, variable=variable, to=new):
            held = {"name": container, "env": [{"name": variable, "value": new}]}
            patch = {"spec": {"template": {"spec": {"containers": [held]}}}}
            names = "|".join(policy.service(service).deployments)
            rule = {
                "conditions": {"groupResource": "deployments.apps", "resourceNameRegex": f"^({names})$"},
                "strategicPatches": [{"patchData": json.dumps(patch)}],
            }
            yield _within(rule, service, policy)
        case _:
            assert_never(rewrite)


def _affinities(zones: Mapping[str, str]) -> Iterator[Rule]:
    chosen = [held for n in range(1, len(zones) + 1) for held in combinations(sorted(zones), n)]
    for expression in range(_EXPRESSIONS):
        here = f"{_REQUIRED}/matchExpressions/{expression}"
        for held in chosen:
            old, new = json.dumps(held), json.dumps([zones[z] for z in held])
            yield _replaced("deployments.apps", f"{here}/values", old, new, {"path": f"{here}/key", "value": ZONE})


def _replaced(kinds: str, path: str, old: str, new: str, *also: Mapping[str, str]) -> Rule:
    return {
        "conditions": {"groupResource": kinds, "matches": [*also, {"path": path, "value": old}]},
        "patches": [{"operation": "replace", "path": path, "value": new}],
    }


def _within(rule: Rule, service: str, policy: Policy) -> Rule:
    row = policy.service(service)
    key, _, value = row.label.partition("=")
    only = {"namespaces": [namespace_of(row)], "labelSelector": {"matchLabels": {key: value}}}
    return {**rule, "conditions": {**only, **rule["conditions"]}}


def _key(name: str) -> str:
    """RFC 6901."""
    return name.replace("~", "~0").replace("/", "~1")
