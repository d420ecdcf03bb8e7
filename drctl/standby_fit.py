"""What would keep a restored workload from running in the standby: looked for beforehand, by a person's command.

No step does this. A role's trust is asked of IAM, whose control plane is in us-east-1: when that region has failed
nobody answers, and recovery may not wait for it. So no function has these rights, and this is not shipped to any; a
step that waits for a workload says what its pods say (chalicelib/actions/pods.py).

`wants` is pure: everything that objects, as they would be restored, need outside themselves. `look` reads whether it
is there. What could not be looked at is unknown, never missing and never there.
Sources: https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_DescribeImages.html,
.../IAM/latest/APIReference/API_GetRole.html, .../eks/latest/userguide/associate-service-account-role.html (trust),
.../kms/latest/APIReference/API_DescribeKey.html.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from chalicelib.actions.contract import NOT_SERVED, AwsOp, KubeOp, Op, Reader
from chalicelib.actions.rewriting import ROLE
from chalicelib.core.judging import Lacking, Ready
from chalicelib.core.outcome import NoData, Refused
from chalicelib.policy import Policy
from chalicelib.readiness.contents import image

IAM_REGION: Final = "us-east-1"
"""IAM is one for all regions; this is its endpoint: https://docs.aws.amazon.com/general/latest/gr/iam-service.html"""
CLASSES: Final = "storage.k8s.io/v1 storageclasses"
READS: Final[tuple[Op, ...]] = (
    AwsOp(service="ecr", operation="describe_images", resources=("*",)),
    AwsOp(service="iam", operation="get_role", resources=("*",)),
    AwsOp(service="kms", operation="describe_key", resources=("*",)),
    AwsOp(service="eks", operation="describe_cluster", resources=("*",)),
    KubeOp(verb="get", group="storage.k8s.io", resource="storageclasses"),
    KubeOp(verb="get", group="", resource="secrets"),
    KubeOp(verb="get", group="", resource="configmaps"),
    KubeOp(verb="get", group="", resource="serviceaccounts"),
)
_QUIET: Final = frozenset({"kubectl.kubernetes.io/last-applied-configuration"})
"""Annotations that nothing reads when an object is restored."""
_KUBE: Final = {"Secret": "v1 secrets", "ConfigMap": "v1 configmaps", "ServiceAccount": "v1 serviceaccounts"}

Objects = Sequence[tuple[str, Mapping[str, Any]]]
"""Objects with the resource that each is of (`apps/v1 deployments`)."""


class Kind(StrEnum):
    """What is wanted."""

    IMAGE = "image"
    ROLE = "role"
    SECRET = "Secret"  # noqa: S105  # a kind, not a value
    CONFIGURATION = "ConfigMap"
    ACCOUNT = "ServiceAccount"
    CLASS = "StorageClass"
    KIND = "API version"
    PLACE = "place"


@dataclass(frozen=True, slots=True, order=True)
class Want:
    """`by` needs `name`; `namespace` is where, for what has one."""

    by: str
    kind: Kind
    name: str
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class Fits:
    """It is there."""


@dataclass(frozen=True, slots=True)
class Unfit:
    """It is not, and the workload would not run."""

    because: str


Verdict = Fits | Unfit | NoData


def wants(objects: Objects, policy: Policy) -> tuple[Want, ...]:
    """Everything that these objects need and do not bring along, each once, in order."""
    brought = {(o["kind"], o["metadata"].get("namespace", ""), o["metadata"]["name"]) for _, o in objects}
    found = [w for resource, o in objects for w in _wants(resource, o, policy.platform.regions.primary)]
    return tuple(dict.fromkeys(w for w in found if (w.kind.value, w.namespace, w.name) not in brought))


def reads(found: Sequence[Want]) -> tuple[Op, ...]:
    """What `look` reads for these: READS, and one list of each kind."""
    named = {w.name for w in found if w.kind is Kind.KIND}
    return (*READS, *(_listing(name) for name in sorted(named)))


def _listing(resource: str) -> KubeOp:
    version, _, plural = resource.partition(" ")
    group, _, number = version.rpartition("/")
    return KubeOp(verb="list", group=group, version=number, resource=plural)


def _wants(resource: str, obj: Mapping[str, Any], primary: str) -> Iterator[Want]:
    meta = obj["metadata"]
    by, space = f"{obj['kind']} {meta.get('namespace', '')}/{meta['name']}", meta.get("namespace", "")
    yield Want(by, Kind.KIND, resource, space)
    if obj["kind"] == "Secret":
        return  # what a Secret holds is nobody's to look at
    for path, value in _texts({"annotations": meta.get("annotations") or {}, "spec": obj.get("spec") or {}}, ""):
        if primary in value:
            yield Want(by, Kind.PLACE, f"{path}: {value}")
    if obj["kind"] == "ServiceAccount" and (role := (meta.get("annotations") or {}).get(ROLE)):
        yield Want(by, Kind.ROLE, role)
    if obj["kind"] == "PersistentVolumeClaim" and (named := (obj.get("spec") or {}).get("storageClassName")):
        yield Want(by, Kind.CLASS, named)
    template = ((obj.get("spec") or {}).get("template") or {}).get("spec")
    if template:
        yield from _pod_wants(by, space, template)


def _pod_wants(by: str, space: str, pod: Mapping[str, Any]) -> Iterator[Want]:
    if pod.get("serviceAccountName", "default") != "default":
        yield Want(by, Kind.ACCOUNT, pod["serviceAccountName"], space)
    for container in (*(pod.get("initContainers") or ()), *(pod.get("containers") or ())):
        yield Want(by, Kind.IMAGE, container["image"])
        variables = [v.get("valueFrom") or {} for v in container.get("env") or ()]
        for source in (*(container.get("envFrom") or ()), *variables):
            for fields, kind in (
                (("secretRef", "secretKeyRef"), Kind.SECRET),
                (("configMapRef", "configMapKeyRef"), Kind.CONFIGURATION),
            ):
                for ref in (source.get(f) for f in fields):
                    if ref and not ref.get("optional"):
                        yield Want(by, kind, ref["name"], space)
    for volume in pod.get("volumes") or ():
        secret, configuration = volume.get("secret") or {}, volume.get("configMap") or {}
        if secret and not secret.get("optional"):
            yield Want(by, Kind.SECRET, secret["secretName"], space)
        if configuration and not configuration.get("optional"):
            yield Want(by, Kind.CONFIGURATION, configuration["name"], space)


def _texts(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            if key not in _QUIET:
                yield from _texts(inner, f"{path}.{key}".lstrip("."))
    elif isinstance(value, Sequence):
        for i, inner in enumerate(value):
            yield from _texts(inner, f"{path}[{i}]")


def look(want: Want, policy: Policy, reader: Reader) -> Verdict:
    """Whether the standby has it."""
    platform = policy.platform
    cluster, region = platform.clusters.standby, platform.regions.standby
    match want.kind:
        case Kind.PLACE:
            return Unfit(f"it still names {platform.regions.primary}, the region that failed ({want.name})")
        case Kind.IMAGE:
            return _image(want.name, region, reader)
        case Kind.ROLE:
            return _role(want.name, policy, reader)
        case Kind.SECRET | Kind.CONFIGURATION | Kind.ACCOUNT:
            found = reader.kube(cluster.name, _KUBE[want.kind], namespace=want.namespace, name=want.name)
            missing = Unfit(
                f"{want.kind} {want.namespace}/{want.name} is not in the backup and not in {cluster.name!r}"
            )
            return missing if found is None else _said(found)
        case Kind.CLASS:
            found = reader.kube(cluster.name, CLASSES, name=want.name)
            if found is None:
                return Unfit(f"StorageClass {want.name!r} is not in {cluster.name!r}")
            return _key(found, region, reader) if isinstance(found, Mapping) else _said(found)
        case Kind.KIND:
            listed = reader.kube(cluster.name, want.name, namespace=want.namespace)
            if isinstance(listed, Refused) and listed.code == NOT_SERVED:
                return Unfit(f"cluster {cluster.name!r} serves no {want.name}")
            return _said(listed)


def _said(found: object) -> Verdict:
    """Refused is unknown too: who may not look has not seen that it is missing."""
    return NoData(because=found.because) if isinstance(found, Refused | NoData) else Fits()


def _image(name: str, region: str, reader: Reader) -> Verdict:
    match image(name, region, reader):
        case Lacking(because=because):
            return Unfit(because)
        case NoData() as silent:
            return silent
        case Ready():
            return Fits()


def _role(arn: str, policy: Policy, reader: Reader) -> Verdict:
    cluster, name = policy.platform.clusters.standby, arn.rpartition("/")[2]
    role = reader.aws("iam", IAM_REGION, "get_role", RoleName=name)
    match role:
        case Refused(code="NoSuchEntity"):
            return Unfit(f"role {name!r} does not exist")
        case Refused() | NoData():
            return NoData(because=role.because)
    described = reader.aws("eks", cluster.region, "describe_cluster", name=cluster.name)
    if isinstance(described, Refused | NoData):
        return NoData(because=described.because)
    issuer = str(((described["cluster"].get("identity") or {}).get("oidc") or {}).get("issuer", ""))
    if not issuer:
        return NoData(because=f"cluster {cluster.name!r} does not say who issues its tokens")
    provider = f"oidc-provider/{issuer.removeprefix('https://')}"
    if provider in _trusted(role["Role"].get("AssumeRolePolicyDocument") or {}):
        return Fits()
    return Unfit(f"role {name!r} does not trust the service accounts of {cluster.name!r} ({provider})")


def _trusted(document: Mapping[str, Any]) -> frozenset[str]:
    """The OIDC providers, without the account in front, that may assume a role."""
    statements = document.get("Statement") or ()
    found = []
    for statement in statements if isinstance(statements, Sequence) else (statements,):
        principal = statement.get("Principal")
        if statement.get("Effect") == "Allow" and isinstance(principal, Mapping):
            federated = principal.get("Federated") or ()
            found += [federated] if isinstance(federated, str) else list(federated)
    return frozenset(f.partition(":oidc-provider/")[1][1:] + f.partition(":oidc-provider/")[2] for f in found)


def _key(storage_class: Mapping[str, Any], region: str, reader: Reader) -> Verdict:
    """The KMS key that volumes of a class are encrypted with, where the class names one."""
    name = storage_class["metadata"]["name"]
    key = (storage_class.get("parameters") or {}).get("kmsKeyId")
    if not key:
        return Fits()
    found = reader.aws("kms", region, "describe_key", KeyId=key)
    match found:
        case Refused(code="NotFoundException"):
            return Unfit(f"StorageClass {name!r} encrypts with {key}, and {region} has no such key")
        case Refused() | NoData():
            return NoData(because=found.because)
    state = found["KeyMetadata"]["KeyState"]
    return Fits() if state == "Enabled" else Unfit(f"StorageClass {name!r} encrypts with {key}, which is {state}")
