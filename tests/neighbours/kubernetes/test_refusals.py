"""What is refused, beyond the recorded cases of test_recordings.py."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drctl.neighbours.kubernetes.api import KubeApi, seed
from drctl.neighbours.kubernetes.kinds import resources
from drctl.neighbours.kubernetes.velero.store import BackupStore
from tests.neighbours.kubernetes.world import MERGE, VELERO, Clock, call, cluster, config, deployment, make, shop

DEPLOYMENTS = "/apis/apps/v1/namespaces/shop/deployments"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def api(clock: Clock) -> KubeApi:
    made = cluster(clock, BackupStore("bucket"))
    shop(made)
    return made


@pytest.mark.parametrize(
    ("token", "path", "status"),
    [
        ("nonsense", VELERO + "/backups", 401),
        ("nonsense", "/version", 401),
        (None, VELERO + "/backups", 403),
        (None, "/apis", 403),
        ("nobody", VELERO + "/backups", 403),
        ("nobody", "/metrics", 403),
        ("responder", "/apis/velero.io/v1/backups", 403),
        ("responder", "/apis/velero.io/v1/namespaces/shop/backups", 403),
        ("responder", VELERO + "/schedules", 403),
        ("responder", "/api/v1/namespaces/shop/secrets/other", 403),
        ("responder", "/api/v1/namespaces/shop/secrets", 403),
        ("responder", DEPLOYMENTS + "/web/scale", 403),
        ("admin", "/apis/velero.io/v9/backups", 404),
        ("admin", "/apis/nothing.example/v1/things", 404),
        ("admin", DEPLOYMENTS + "/web/nothing", 404),
        ("admin", "/metrics", 404),
    ],
)
def test_refuses_a_read_by_who_asks_and_what_for(api: KubeApi, token: str | None, path: str, status: int) -> None:
    assert call(api, "GET", path, token=token)[0] == status


@pytest.mark.parametrize(
    "path", [VELERO + "/backups", "/apis/apps/v1/deployments", "/api/v1/namespaces/shop/secrets/db", "/version"]
)
def test_lets_through_exactly_what_a_rule_grants(api: KubeApi, path: str) -> None:
    assert call(api, "GET", path, token="responder")[0] == 200


def test_does_not_tell_the_unauthorised_whether_an_object_exists(api: KubeApi) -> None:
    there = call(api, "GET", "/api/v1/namespaces/shop/configmaps/conf", token="responder")
    absent = call(api, "GET", "/api/v1/namespaces/shop/configmaps/none", token="responder")
    assert there[0] == absent[0] == 403
    assert there[1]["message"].replace("conf", "none", 1).split(" is ")[1] == absent[1]["message"].split(" is ")[1]


def test_says_how_a_role_is_missing_a_subresource(api: KubeApi) -> None:
    _, said = call(api, "PATCH", DEPLOYMENTS + "/web/scale", {"spec": {"replicas": 3}}, token="responder", kind=MERGE)
    assert said["message"] == (
        'deployments.apps "web" is forbidden: User "responder" cannot patch resource "deployments/scale" '
        'in API group "apps" in the namespace "shop"'
    )


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        (deployment("new") | {"kind": ""}, 400, "Object 'Kind' is missing"),
        (deployment("new") | {"spec": {"replicas": 1}}, 422, "spec.selector: Required value"),
        (deployment("new") | {"spec": []}, 400, "cannot unmarshal array into Go struct field Deployment.spec"),
        (deployment("new", labels="x") | {"metadata": {"name": "new", "labels": {"a": 1}}}, 400, "of type string"),
        (b"{nonsense", 400, "json parse error"),
    ],
)
def test_refuses_a_malformed_deployment(api: KubeApi, body: Any, status: int, text: str) -> None:
    code, said = call(api, "POST", DEPLOYMENTS, body)
    assert (code, text in said["message"]) == (status, True), said


def test_refuses_a_misspelled_field_deep_in_a_pod_when_strict(api: KubeApi) -> None:
    body = deployment("new")
    body["spec"]["template"]["spec"]["containers"][0]["imagePullPolice"] = "Always"
    code, said = call(api, "POST", DEPLOYMENTS, body, fieldValidation="Strict")
    assert code == 400
    assert 'unknown field "spec.template.spec.containers[0].imagePullPolice"' in said["message"]


def test_refuses_everything_new_in_a_terminating_namespace(api: KubeApi, clock: Clock) -> None:
    assert call(api, "DELETE", "/api/v1/namespaces/shop")[0] == 200
    code, said = call(api, "POST", "/api/v1/namespaces/shop/configmaps", config("late"))
    assert (code, said["details"]["causes"][0]["reason"]) == (403, "NamespaceTerminating")
    clock.move(2)
    assert call(api, "GET", "/api/v1/namespaces/shop")[0] == 404
    assert api.objects("deployments.apps") == []


def test_refuses_to_watch_and_says_so(api: KubeApi) -> None:
    code, said = call(api, "GET", VELERO + "/backups", watch="true")
    assert (code, said["reason"]) == (405, "MethodNotAllowed")


def test_refuses_a_download_with_a_made_up_or_late_signature(api: KubeApi, clock: Clock) -> None:
    make(api, "Backup", "b", includedNamespaces=["shop"])
    clock.move(30)
    make(api, "DownloadRequest", "d", target={"kind": "BackupResults", "name": "b"})
    clock.move(1)
    url = call(api, "GET", VELERO + "/downloadrequests/d")[1]["status"]["downloadURL"]
    path, _, rest = url.partition("?")
    query = dict(part.split("=", 1) for part in rest.split("&"))
    assert api.request("GET", path, list(query.items()), {}, b"").status == 200
    forged = api.request("GET", path.replace("/b/", "/c/"), list(query.items()), {}, b"")
    assert (forged.status, b"SignatureDoesNotMatch" in forged.body) == (403, True)
    clock.move(601)
    late = api.request("GET", path, list(query.items()), {}, b"")
    assert (late.status, b"expired" in late.body) == (403, True)
    assert call(api, "GET", VELERO + "/downloadrequests/d")[0] == 404


def test_seeding_an_invalid_object_raises_with_the_servers_words(api: KubeApi) -> None:
    with pytest.raises(ValueError, match=r"Deployment 'bad' cannot be seeded: .*spec\.replicas"):
        seed(api, [deployment("bad", replicas=-1)])


def test_a_fault_before_the_effect_changes_nothing_and_one_after_it_hides_that_it_was_done(api: KubeApi) -> None:
    body = {"apiVersion": "velero.io/v1", "kind": "Backup", "metadata": {"name": "b"}, "spec": {}}
    api.fail_next(1, 503)
    assert call(api, "POST", VELERO + "/backups", body)[0] == 503
    api.fail_next(1, 503, after_effect=True)
    assert call(api, "POST", VELERO + "/backups", body)[0] == 503
    assert call(api, "POST", VELERO + "/backups", body)[0] == 409
    assert [r["status"] for r in api.seen()["requests"]][-3:] == [503, 503, 409]


WORDS = st.sampled_from(
    ["metadata", "spec", "status", "name", "labels", "template", "replicas", "schedule", "data", "x"]
)
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 9) | st.sampled_from(["", "shop", "*", "\u00fc"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)
PLACES = [(r.api_version, r.kind, r.plural, r.namespaced) for r in resources().values()]
MEDIA = ["application/json", "application/yaml", MERGE, "application/json-patch+json", "application/apply-patch+yaml"]


@pytest.mark.parametrize(
    ("name", "body", "said"),
    [
        ("status", {"status": True}, "cannot unmarshal bool into Go struct field Deployment.status"),
        ("status", {"status": {"conditions": ["x"]}}, "cannot unmarshal array into Go struct field"),
        ("status", {"metadata": []}, "cannot unmarshal array into Go struct field Deployment.metadata"),
        ("scale", {"spec": "many"}, "cannot unmarshal string into Go struct field Scale.spec"),
        ("scale", {"spec": {"replicas": "two"}}, "Scale.spec.replicas of type int32"),
    ],
)
def test_a_view_is_sent_what_go_could_decode(name: str, body: dict[str, Any], said: str) -> None:
    api = cluster(Clock(), BackupStore("bucket"), nodes=1)
    shop(api)
    kind = {"apiVersion": "autoscaling/v1", "kind": "Scale"} if name == "scale" else deployment("web")
    raw = json.dumps({**kind, "metadata": {"name": "web", "namespace": "shop"}, **body}).encode()
    headers = {"Authorization": "Bearer admin", "Content-Type": "application/json"}
    answer = api.request("PUT", f"{DEPLOYMENTS}/web/{name}", [], headers, raw)
    assert (answer.status, said in answer.body.decode()) == (400, True), answer.body


@settings(max_examples=100, deadline=None)
@given(
    place=st.sampled_from(PLACES),
    method=st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE"]),
    name=st.sampled_from(["", "/web", "/conf", "/default", "/web/status", "/web/scale"]),
    body=JUNK,
    media=st.sampled_from(MEDIA),
)
def test_answers_whatever_it_is_sent(
    place: tuple[str, str, str, bool], method: str, name: str, body: Any, media: str
) -> None:
    clock = Clock()
    api = cluster(clock, BackupStore("bucket"), nodes=1)
    shop(api)
    version, kind, plural, namespaced = place
    path = f"/{'apis' if '/' in version else 'api'}/{version}/{'namespaces/shop/' if namespaced else ''}{plural}{name}"
    if isinstance(body, dict):
        body = {**body, "apiVersion": version, "kind": kind}
    raw = json.dumps(body).encode()
    answer = api.request(method, path, [], {"Authorization": "Bearer admin", "Content-Type": media}, raw)
    clock.move(60)
    after = call(api, "GET", "/api/v1/nodes")
    assert (100 <= answer.status < 600, after[0]) == (True, 200)
