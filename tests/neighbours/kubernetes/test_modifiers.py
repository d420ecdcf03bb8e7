"""Resource modifiers and the image mapping: what Velero refuses, and what it changes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import yaml

from drctl.neighbours.kubernetes.api import KubeApi, seed
from drctl.neighbours.kubernetes.kinds import by_key
from drctl.neighbours.kubernetes.velero import modifiers
from drctl.neighbours.kubernetes.velero.images import replaced
from drctl.neighbours.kubernetes.velero.store import BackupStore
from drctl.neighbours.kubernetes.velero.taken import take_backup
from tests.neighbours.kubernetes.test_velero import results
from tests.neighbours.kubernetes.world import Clock, cluster, config, make, shop, status_of

CLAIMS = {"groupResource": "persistentvolumeclaims"}
PATCH = {"operation": "replace", "path": "/data/a", "value": "2"}
CONF = {"groupResource": "configmaps", "resourceNameRegex": "^conf$"}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def west(clock: Clock) -> KubeApi:
    store = BackupStore("backups-east", "backups-west")
    east = cluster(clock, store, "east", nodes=2)
    shop(east)
    take_backup(east, "hourly-1", at=clock.now - timedelta(hours=1))
    return cluster(clock, store, "west", bucket="backups-west", nodes=2)


def rules(*found: dict[str, Any], version: str = "v1", **more: Any) -> str:
    return yaml.safe_dump({"version": version, "resourceModifierRules": list(found), **more})


def restored(api: KubeApi, clock: Clock, *texts: str, kind: str = "ConfigMap", name: str = "mods") -> dict[str, Any]:
    data = {f"{n}.yaml": text for n, text in enumerate(texts)}
    if texts:
        made = config("mods", "velero")
        seed(api, [made | {"data": data}])
    make(api, "Restore", "r", backupName="hourly-1", resourceModifier={"kind": kind, "name": name})
    clock.move(30)
    return status_of(api, "restores", "r")


RULE = {"conditions": CONF, "patches": [PATCH]}


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ((), "failed to get resource modifiers configmap velero/mods"),
        (
            (rules(RULE), rules(RULE)),
            (
                "Error in parsing resource modifiers provided in configmap velero/mods: illegal "
                "resource modifiers velero/mods configmap"
            ),
        ),
        (
            (rules(RULE, extra=1),),
            (
                "failed to decode yaml data into resource modifiers, err: error unmarshaling JSON: "
                'while decoding JSON: json: unknown field "extra"'
            ),
        ),
        ((rules(RULE | {"patchData": "x"}),), 'json: unknown field "patchData"'),
        ((rules({"conditions": CONF | {"groupKind": "x"}, "patches": [PATCH]}),), 'json: unknown field "groupKind"'),
        (
            (rules({"conditions": "all", "patches": [PATCH]}),),
            (
                "cannot unmarshal string into Go struct field "
                "ResourceModifierRule.resourceModifierRules.conditions of type Conditions"
            ),
        ),
        (
            (rules({"conditions": CONF, "patches": [PATCH | {"value": [1]}]}),),
            "cannot unmarshal array into Go struct field JSONPatch.resourceModifierRules.patches.value of type string",
        ),
        (("version: v1\nversion: v1\n",), 'key "version" already set in map'),
        (("version: [",), "error converting YAML to JSON: yaml: "),
        (
            (rules(RULE, version="v2"),),
            (
                "Validation error in resource modifiers provided in configmap velero/mods: "
                "unsupported resource modifier version v2"
            ),
        ),
        ((rules(),), "resource modifier rules cannot be empty"),
        ((rules({"conditions": {}, "patches": [PATCH]}),), "groupResource cannot be empty"),
        (
            (rules(RULE | {"mergePatches": [{"patchData": "{}"}]}),),
            "only one of patches, mergePatches, strategicPatches can be specified",
        ),
        ((rules({"conditions": CONF, "patches": [{"path": "/a"}]}),), "operation cannot be empty"),
        ((rules({"conditions": CONF, "patches": [PATCH | {"operation": "swap"}]}),), "unsupported operation swap"),
        ((rules({"conditions": CONF, "patches": [{"operation": "remove"}]}),), "path cannot be empty"),
    ],
)
def test_modifiers_that_cannot_be_read_fail_the_restore_s_validation(
    west: KubeApi, clock: Clock, texts: tuple[str, ...], said: str
) -> None:
    status = restored(west, clock, *texts)
    assert status["phase"] == "FailedValidation"
    (text,) = status["validationErrors"]
    assert said in text
    assert west.objects("configmaps", "shop") == []


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (
            {"conditions": CONF | {"resourceNameRegex": "^("}, "patches": [PATCH]},
            "error in matching regex error parsing regexp",
        ),
        (
            {"conditions": CONF | {"resourceNameRegex": "(?=conf)"}, "patches": [PATCH]},
            "invalid or unsupported Perl syntax: `(?=`",
        ),
        (
            {"conditions": CONF, "patches": [PATCH | {"path": "/data/none"}]},
            (
                "error in applying patch error in applying "
                "JSON Patch replace operation does not apply: doc is missing key: /data/none: missing value"
            ),
        ),
        (
            {"conditions": CONF, "patches": [PATCH | {"path": "/none/a"}]},
            "replace operation does not apply: doc is missing path: /none/a: missing value",
        ),
        (
            {"conditions": CONF, "patches": [{"operation": "remove", "path": "/data/none"}]},
            "error in remove for path: '/data/none': unable to remove nonexistent key: none: missing value",
        ),
        (
            {"conditions": CONF, "patches": [{"operation": "move", "from": "/no", "path": "/data/b"}]},
            "move operation does not apply: doc is missing from path: /no: missing value",
        ),
        ({"conditions": CONF, "patches": [PATCH | {"value": '{"a"'}]}, "error in decoding json patch"),
        ({"conditions": CONF}, "no patch data found"),
        ({"conditions": CONF | {"matches": [{"value": "1"}]}, "patches": [PATCH]}, "path is required for match rule"),
        ({"conditions": CONF, "strategicPatches": [{"patchData": '{"dta": {"a": "2"}}'}]}, 'unknown field "dta"'),
        ({"conditions": CONF, "mergePatches": [{"patchData": "a: [\n"}]}, "error in converting YAML to JSON"),
    ],
)
def test_a_rule_that_does_not_fit_is_an_error_of_the_item_which_comes_back_without_it(
    west: KubeApi, clock: Clock, rule: dict[str, Any], said: str
) -> None:
    status = restored(west, clock, rules(rule))
    assert status["phase"] == "PartiallyFailed"
    texts = results(west, clock, "r")["errors"]["namespaces"]["shop"]
    assert all(said in text for text in texts)
    (conf,) = [c for c in west.objects("configmaps", "shop") if c["metadata"]["name"] == "conf"]
    assert conf["data"] == {"a": "1"}


@pytest.mark.parametrize(
    ("rule", "data"),
    [
        (RULE, {"a": 2}),
        (RULE | {"patches": [PATCH | {"value": '"2"'}]}, {"a": "2"}),
        (RULE | {"patches": [PATCH | {"value": "two"}]}, {"a": "two"}),
        (RULE | {"conditions": {"groupResource": "config*"}, "patches": [PATCH | {"value": "x"}]}, {"a": "x"}),
        (RULE | {"conditions": CONF | {"namespaces": ["other"]}}, {"a": "1"}),
        (RULE | {"conditions": CONF | {"labelSelector": {"matchLabels": {"tier": "2"}}}}, {"a": "1"}),
        (RULE | {"conditions": CONF | {"matches": [{"path": "/data/a", "value": '"1"'}]}}, {"a": 2}),
        (RULE | {"conditions": CONF | {"matches": [{"path": "/data/a", "value": "other"}]}}, {"a": "1"}),
        (RULE | {"conditions": CONF | {"matches": [{"path": "/none/a", "value": "1"}]}}, {"a": "1"}),
        (RULE | {"patches": [{"operation": "test", "path": "/data/a", "value": "other"}, PATCH]}, {"a": "1"}),
        ({"conditions": CONF, "mergePatches": [{"patchData": "data: {a: null, b: x}"}]}, {"b": "x"}),
        ({"conditions": CONF, "strategicPatches": [{"patchData": '{"data": {"b": "x"}}'}]}, {"a": "1", "b": "x"}),
    ],
)
def test_a_rule_changes_what_its_conditions_choose(rule: dict[str, Any], data: dict[str, Any]) -> None:
    version, read = modifiers.read("velero", "mods", {"rules": rules(rule)})
    modifiers.validate(version, read)
    found, errors = modifiers.modified(read, by_key("configmaps"), config("conf", a="1"))
    assert errors == []
    assert found["data"] == data


def test_a_condition_on_an_index_that_is_not_there_is_an_error_and_not_unmet() -> None:
    """What makes rules over lists treacherous: a missing name is unmet, a missing index breaks the restore."""
    obj = config("conf", a="1") | {"list": ["x"]}
    for path, wrong in (
        ("/list/1", "Unable to access invalid index: 1: invalid index referenced"),
        ("/list/a", 'strconv.Atoi: parsing "a": invalid syntax'),
        ("/list/1/name", ""),
        ("/none", ""),
    ):
        rule = RULE | {"conditions": CONF | {"matches": [{"path": path, "value": "x"}]}}
        _, read = modifiers.read("velero", "mods", {"rules": rules(rule)})
        found, errors = modifiers.modified(read, by_key("configmaps"), obj)
        assert errors == ([f"error in test for path: '{path}': {wrong}"] if wrong else [])
        assert found == obj


def test_a_group_ends_at_its_dot_for_one_star_and_not_for_two() -> None:
    patch = {"operation": "add", "path": "/metadata/labels", "value": '{"a": "b"}'}
    for wanted, hits in (("deployments.*", True), ("*", False), ("**", True), ("{deployments,pods}.apps", True)):
        _, read = modifiers.read(
            "velero", "mods", {"rules": rules({"conditions": {"groupResource": wanted}, "patches": [patch]})}
        )
        found, _ = modifiers.modified(read, by_key("deployments.apps"), {"metadata": {"name": "web"}})
        assert ("labels" in found["metadata"]) == hits, wanted


def test_all_conditions_are_judged_on_the_object_as_it_was() -> None:
    once = {
        "conditions": CONF | {"matches": [{"path": "/data/a", "value": "one"}]},
        "patches": [PATCH | {"value": "two"}],
    }
    then = {
        "conditions": CONF | {"matches": [{"path": "/data/a", "value": "two"}]},
        "patches": [PATCH | {"value": "three"}],
    }
    _, read = modifiers.read("velero", "mods", {"rules": rules(once, then)})
    found, _ = modifiers.modified(read, by_key("configmaps"), config("conf", a="one"))
    assert found["data"] == {"a": "two"}


def test_another_kind_than_a_config_map_is_passed_over(west: KubeApi, clock: Clock) -> None:
    assert restored(west, clock, kind="Secret")["phase"] == "Completed"


def test_modifiers_are_read_when_the_restore_is_validated(west: KubeApi, clock: Clock) -> None:
    seed(west, [config("mods", "velero") | {"data": {"r": rules(RULE | {"patches": [PATCH | {"value": "two"}]})}}])
    make(west, "Restore", "r", backupName="hourly-1", resourceModifier={"kind": "configmap", "name": "mods"})
    clock.move(5)
    assert status_of(west, "restores", "r")["phase"] == "InProgress"
    mods = west.cluster.get("configmaps", "velero", "mods")
    assert mods is not None
    west.cluster.remove(by_key("configmaps"), mods)
    clock.move(30)
    assert status_of(west, "restores", "r")["phase"] == "Completed"
    (conf,) = [c for c in west.objects("configmaps", "shop") if c["metadata"]["name"] == "conf"]
    assert conf["data"] == {"a": "two"}


# --- images


def mapping(name: str, **rows: str) -> dict[str, Any]:
    made = config(name, "velero", **rows)
    made["metadata"]["labels"] = {"velero.io/plugin-config": "", "velero.io/change-image-name": "RestoreItemAction"}
    return made


def images(api: KubeApi) -> set[str]:
    found = api.objects("deployments.apps", "shop")
    return {c["image"] for d in found for c in d["spec"]["template"]["spec"]["containers"]}


def test_the_image_mapping_holds_for_every_restore(west: KubeApi, clock: Clock) -> None:
    seed(west, [mapping("images", case="web:,mirror.example/web:")])
    make(west, "Restore", "r", backupName="hourly-1")
    clock.move(30)
    assert status_of(west, "restores", "r")["phase"] == "Completed"
    assert images(west) == {"mirror.example/web:1", "worker:1"}


def test_two_image_mappings_leave_every_workload_out(west: KubeApi, clock: Clock) -> None:
    seed(west, [mapping("images", case="a,b"), mapping("more", case="c,d")])
    make(west, "Restore", "r", backupName="hourly-1")
    clock.move(30)
    assert status_of(west, "restores", "r")["phase"] == "PartiallyFailed"
    said = results(west, clock, "r")["errors"]["namespaces"]["shop"]
    selector = "velero.io/plugin-config,velero.io/change-image-name=RestoreItemAction"
    found = f'found more than one ConfigMap matching label selector "{selector}": [images more]'
    assert said[0] == f"error preparing deployments.apps/shop/web: {found}"
    assert images(west) == set()


@pytest.mark.parametrize(
    ("image", "row", "then"),
    [
        ("1.1.1.1:5000/abc:test", "1.1.1.1:5000,2.2.2.2:3000", "2.2.2.2:3000/abc:test"),
        ("1.1.1.1:5000/abc:test", "1.1.1.1:5000,", "1.1.1.1:5000/abc:test"),
        ("1.1.1.1:5000/abc:test", "1.1.1.1:5000", "1.1.1.1:5000/abc:test"),
        ("1.1.1.1:5000/abc:test", "3.3.3.3,2.2.2.2", "1.1.1.1:5000/abc:test"),
        ("", "a,b", ""),
    ],
)
def test_a_row_replaces_a_part_of_an_image_or_nothing(image: str, row: str, then: str) -> None:
    assert replaced(image, [row]) == then
