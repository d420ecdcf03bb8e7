"""What the worker may do in a cluster is what its access entry and the generated manifests give it, and no more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from chalicelib import names, rights
from chalicelib.actions.rights import PLACES, kube_rights
from chalicelib.clients import kubernetes
from chalicelib.core.outcome import NoData, Refused
from tests.crash.platform_in_process import POLICY, Platform

STANDBY = POLICY.platform.clusters.standby.name
RESTORES = "velero.io/v1 restores"


@pytest.fixture
def platform() -> Iterator[Platform]:
    made = Platform()
    with made.outside.life():
        yield made


def role(platform: Platform) -> dict[str, Any]:
    found = platform.clusters[STANDBY].cluster.get("roles.rbac.authorization.k8s.io", "velero", names.app(POLICY))
    assert found is not None
    return found


def looked(platform: Platform, resource: str, **where: str | None) -> Any:
    asked: Mapping[str, Any] = {"namespace": None, "name": None, "label": None, **where}
    return kubernetes.look(platform.responder().ports.kube, STANDBY, resource, **asked)


def checked(platform: Platform, cluster: str = STANDBY) -> dict[str, rights.Checked]:
    found = rights.check(POLICY, platform.responder().ports.kube)
    return {c.right.sentence(): c for c in found if c.cluster == cluster}


def test_everything_that_is_declared_is_allowed_and_says_by_which_binding(platform: Platform) -> None:
    for place in PLACES:
        found = checked(platform, POLICY.platform.cluster(place).name)
        assert set(found) == {r.sentence() for r in kube_rights(POLICY, place)}
        assert found
        for one in found.values():
            assert one.allowed
            assert one.because.startswith("RBAC: allowed by ")
            assert f'to Group "{names.app(POLICY)}"' in one.because
        assert rights.sentence(tuple(found.values())) == f"all {len(found)} declared rights are there"


def test_a_token_that_is_not_taken_any_more_is_signed_anew(platform: Platform) -> None:
    kube = platform.responder().ports.kube
    where = {"namespace": "velero", "name": None, "label": None}
    assert kubernetes.look(kube, STANDBY, RESTORES, **where) == []
    platform.untaken = 1
    before = len(platform.outside.calls)
    assert kubernetes.look(kube, STANDBY, RESTORES, **where) == []
    assert platform.outside.calls[before:].count("kubernetes GET restores") == 2
    platform.untaken = 2
    refused = kubernetes.look(kube, STANDBY, RESTORES, **where)
    assert isinstance(refused, Refused)
    assert refused.code == "Unauthorized"


def test_what_nobody_declared_is_forbidden_in_the_server_s_words(platform: Platform) -> None:
    account, function = POLICY.platform.account, names.function(POLICY, "tick")
    user = f"arn:aws:sts::{account}:assumed-role/{function}/{function}"
    for resource, group, where in (
        ("v1 secrets", "", 'in the namespace "velero"'),
        ("v1 serviceaccounts", "", 'in the namespace "velero"'),
    ):
        plural = resource.rpartition(" ")[2]
        qualified = f"{plural}.{group}" if group else plural
        assert looked(platform, resource, namespace="velero") == Refused(
            code="Forbidden",
            because=f"{resource} in cluster '{STANDBY}': {qualified} is forbidden: User \"{user}\" cannot list "
            f'resource "{plural}" in API group "{group}" {where}',
        )


def test_velero_s_objects_are_out_of_reach_in_another_namespace(platform: Platform) -> None:
    refused = looked(platform, RESTORES, namespace="default")
    assert isinstance(refused, Refused)
    assert refused.code == "Forbidden"


def test_a_right_that_is_taken_away_is_refused_and_named(platform: Platform) -> None:
    held = role(platform)
    held["rules"] = [r for r in held["rules"] if "restores" not in r["resources"]]
    refused = looked(platform, RESTORES, namespace="velero")
    assert isinstance(refused, Refused)
    assert refused.code == "Forbidden"
    found = checked(platform)
    assert {what for what, one in found.items() if not one.allowed} == {
        "create restores.velero.io in namespace 'velero'",
        "delete restores.velero.io in namespace 'velero'",
        "list restores.velero.io in namespace 'velero'",
    }
    assert "create restores.velero.io" in rights.sentence(tuple(found.values()))


def test_whoever_has_no_access_entry_is_nobody(platform: Platform) -> None:
    account = POLICY.platform.account
    arn = f"arn:aws:iam::{account}:role/{names.function(POLICY, 'tick')}"
    region = POLICY.platform.clusters.standby.region
    platform.eks.delete_access_entry(region, account, {"clusterName": STANDBY, "principalArn": arn})
    refused = looked(platform, RESTORES, namespace="velero")
    assert isinstance(refused, Refused)
    assert refused.code == "Unauthorized"
    assert {one.allowed for one in checked(platform).values()} == {False}


def test_a_cluster_that_is_silent_has_said_nothing(platform: Platform) -> None:
    platform.clusters[STANDBY].reachable = False
    assert isinstance(looked(platform, RESTORES, namespace="velero"), NoData)
    found = checked(platform)
    assert {one.allowed for one in found.values()} == {None}
    assert rights.sentence(tuple(found.values())) == f"not known, since it did not answer: {STANDBY}"
