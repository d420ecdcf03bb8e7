"""Facts → next, as tables. `next` is pure: every branch of every action is a row."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import botocore.session
import pytest
from botocore.validate import validate_parameters

from chalicelib.actions.contract import AwsOp, CloudflareOp, KubeOp
from chalicelib.actions.node_capacity import Capacity
from chalicelib.actions.point_application import Pointing
from chalicelib.actions.promote_primary import Home
from chalicelib.actions.promote_replica import Replica
from chalicelib.actions.registry import ACTIONS
from chalicelib.actions.rewriting import FILE, IMAGES, image_registries, modifiers, modifiers_name
from chalicelib.actions.sides import RETURNS
from chalicelib.actions.switches.metric import Alarm
from chalicelib.actions.velero_location import Location
from chalicelib.actions.velero_restore import Attempt, Backup, Restoring
from chalicelib.actions.velero_rewrites import Held, Rewriting
from chalicelib.actions.velero_schedules import Schedules
from chalicelib.actions.verify_service import Verified
from chalicelib.actions.verify_traffic import Asked, Leads
from chalicelib.actions.verify_write import Proof
from chalicelib.actions.workload_ready import Readiness
from chalicelib.actions.wrong_side import WrongSide
from chalicelib.core.airgap_calls import COPY_SPAN, WRITE_MANIFEST
from chalicelib.core.evidence_calls import KEEP_LOGS, KEEP_OBJECTS
from chalicelib.core.outcome import Act, Call, Done, Next, Stuck, Wait
from chalicelib.core.restoring import RESTORE
from tests.actions import (
    airgaps,
    backups,
    breaches,
    configuration,
    deployments,
    drilled_objects,
    drills,
    failbacks,
    failures,
    fences,
    outages,
    restores,
    s3_rows,
    switchovers,
    zones,
)
from tests.actions.stage import AT, DENIED, POLICY, SILENT, STANDBY, target

REDIS = STANDBY | {"service": "redis"}
CAPACITY = Capacity(status="ACTIVE", desired=1, minimum=1, maximum=12, health="", nodes_ready=1)
REPLICA = Replica(status="available", source="arn:aws:rds:us-east-1:1:db:pg", replicating="replicating")
GOOD = Backup("hourly-2", AT - timedelta(minutes=35))
OLDER = Backup("hourly-1", AT - timedelta(minutes=95))
ATTEMPT = Attempt("dr-redis-x-1", "hourly-2", "Completed", 0, 0, ", 3 of 3 items", "")
NAME, TEXT = modifiers_name(POLICY), modifiers(POLICY)
assert NAME
assert TEXT
MODIFIERS = Held(NAME, {FILE: TEXT})
MAPPING = Held(IMAGES, image_registries(POLICY))
READY = Readiness(())
NS_1, NS_2, ADA = (Asked(s, "api.neurectomy.io", cloudflare=s == "ada") for s in ("ns-1", "ns-2", "ada"))
WEST, EAST = Leads("us-west-2", "west.io"), Leads("us-east-1", "east.io")
LACKING = Readiness(("deployment 'redis' has 0 of 2 pods ready",))


def restoring(*attempts: Attempt, good: tuple[Backup, ...] = (GOOD, OLDER)) -> Restoring:
    return Restoring(attempts, good, ("hourly-3: is PartiallyFailed",))


ROWS: list[tuple[str, dict[str, str], Any, type[Next], str]] = [
    *fences.ROWS,
    *failures.ROWS,
    *outages.ROWS,
    *zones.ROWS,
    *restores.ROWS,
    *switchovers.ROWS,
    *deployments.ROWS,
    *configuration.ROWS,
    *backups.ROWS,
    *airgaps.ROWS,
    *drills.ROWS,
    *drilled_objects.ROWS,
    *failbacks.ROWS,
    *breaches.ROWS,
    ("velero-location-read-only", STANDBY, SILENT, Wait, "looking again"),
    ("velero-location-read-only", STANDBY, DENIED, Stuck, "AccessDenied"),
    ("velero-location-read-only", STANDBY, None, Stuck, "does not exist"),
    (
        "velero-location-read-only",
        STANDBY,
        Location("ReadWrite", "Available", ""),
        Act,
        "is ReadWrite, expected ReadOnly",
    ),
    ("velero-location-read-only", STANDBY, Location("ReadOnly", "Available", ""), Done, "is read-only"),
    ("velero-location-read-only", STANDBY, Location("ReadOnly", "", ""), Done, "is read-only"),
    ("velero-location-read-only", STANDBY, Location("ReadOnly", "Unavailable", "no bucket"), Stuck, "no bucket"),
    ("node-capacity", STANDBY, SILENT, Wait, "nobody answered"),
    ("node-capacity", STANDBY, DENIED, Stuck, "AccessDenied"),
    ("node-capacity", STANDBY, CAPACITY, Act, "wants 1 nodes, 6 are needed"),
    ("node-capacity", STANDBY, replace(CAPACITY, status="UPDATING"), Wait, "UPDATING"),
    ("node-capacity", STANDBY, replace(CAPACITY, status="DEGRADED", health="no IPs"), Stuck, "no IPs"),
    ("node-capacity", STANDBY, replace(CAPACITY, desired=6), Wait, "1 of 6 nodes Ready"),
    ("node-capacity", STANDBY, replace(CAPACITY, desired=6, nodes_ready=SILENT), Wait, "nobody answered"),
    ("node-capacity", STANDBY, replace(CAPACITY, desired=6, nodes_ready=6), Done, "6 nodes Ready"),
    ("node-capacity", STANDBY, replace(CAPACITY, desired=9, nodes_ready=9), Done, "9 nodes Ready"),
    ("velero-rewrites", STANDBY, SILENT, Wait, "nobody answered"),
    ("velero-rewrites", STANDBY, DENIED, Stuck, "AccessDenied"),
    ("velero-rewrites", STANDBY, Rewriting(None, ()), Act, f"{NAME!r} with the resource modifiers is not there"),
    ("velero-rewrites", STANDBY, Rewriting(Held(NAME, {FILE: "else"}), ()), Stuck, "delete it"),
    ("velero-rewrites", STANDBY, Rewriting(MODIFIERS, ()), Act, "with the image registries is not there"),
    ("velero-rewrites", STANDBY, Rewriting(MODIFIERS, (Held(IMAGES, {"a": "b,c"}),)), Act, "other registries"),
    ("velero-rewrites", STANDBY, Rewriting(MODIFIERS, (MAPPING, replace(MAPPING, name="b"))), Stuck, "allows one"),
    ("velero-rewrites", STANDBY, Rewriting(MODIFIERS, (Held("theirs", {"a": "b,c"}),)), Stuck, "'theirs' maps images"),
    ("velero-rewrites", STANDBY, Rewriting(MODIFIERS, (replace(MAPPING, name="theirs"),)), Done, "1 image-registry"),
    ("velero-rewrites", STANDBY, Rewriting(MODIFIERS, (MAPPING,)), Done, "3 zone, 2 role, 1 certificate"),
    ("velero-restore", REDIS, SILENT, Wait, "nobody answered"),
    ("velero-restore", REDIS, DENIED, Stuck, "AccessDenied"),
    ("velero-restore", REDIS, restoring(), Act, "'hourly-2' is 35m old"),
    ("velero-restore", REDIS, restoring(good=()), Stuck, "hourly-3: is PartiallyFailed"),
    ("velero-restore", REDIS, restoring(good=(OLDER,)), Act, "older than the RPO of 1h15m"),
    ("velero-restore", REDIS, restoring(replace(ATTEMPT, phase="")), Wait, "is new"),
    (
        "velero-restore",
        REDIS,
        restoring(replace(ATTEMPT, phase="InProgress")),
        Wait,
        "InProgress",
    ),
    ("velero-restore", REDIS, restoring(ATTEMPT), Done, "from backup 'hourly-2'"),
    ("velero-restore", REDIS, restoring(replace(ATTEMPT, warnings=2)), Done, "2 warnings"),
    ("velero-restore", REDIS, restoring(replace(ATTEMPT, errors=1)), Act, "'hourly-1'"),
    (
        "velero-restore",
        REDIS,
        restoring(replace(ATTEMPT, phase="PartiallyFailed")),
        Act,
        "older",
    ),
    (
        "velero-restore",
        REDIS,
        restoring(*(replace(ATTEMPT, name=f"r{n}", phase="Failed", why=": boom") for n in range(3))),
        Stuck,
        "attempt 3 of 3",
    ),
    ("workload-ready", REDIS, LACKING, Wait, "0 of 2 pods ready"),
    ("workload-ready", REDIS, Readiness((), DENIED), Stuck, "AccessDenied"),
    ("workload-ready", REDIS, READY, Done, "is ready"),
    ("promote-replica", {}, SILENT, Wait, "nobody answered"),
    ("promote-replica", {}, DENIED, Stuck, "AccessDenied"),
    ("promote-replica", {}, REPLICA, Act, "still replicates"),
    ("promote-replica", {}, replace(REPLICA, status="backing-up"), Wait, "'backing-up', expected 'available'"),
    ("promote-replica", {}, replace(REPLICA, status="modifying"), Wait, "'modifying'"),
    ("promote-replica", {}, replace(REPLICA, status="rebooting", source=None), Wait, "'rebooting'"),
    ("promote-replica", {}, replace(REPLICA, status="stopped"), Stuck, "'stopped'"),
    ("promote-replica", {}, replace(REPLICA, source=None), Done, "replicates from nobody"),
    ("point-application", {}, SILENT, Wait, "nobody answered"),
    ("point-application", {}, DENIED, Stuck, "AccessDenied"),
    ("point-application", {}, Pointing("old", "5432", "new", "5432"), Act, "old:5432, not at new:5432"),
    ("point-application", {}, Pointing("new", "5431", "new", "5432"), Act, "not at new:5432"),
    ("point-application", {}, Pointing("new", "5432", "new", "5432"), Done, "points at new:5432"),
    ("verify-write", {}, SILENT, Wait, "nobody answered"),
    ("verify-write", {}, DENIED, Stuck, "SQLSTATE AccessDenied"),
    ("verify-write", {}, Proof("db", 5432, None), Act, "not been proven"),
    ("verify-write", {}, Proof("db", 5432, 31.0), Act, "not been proven"),
    ("verify-write", {}, Proof("db", 5432, 0.2), Done, "0.2 s ago"),
    ("verify-service", REDIS, Verified(LACKING, "u", 200, ""), Wait, "pods ready"),
    ("verify-service", REDIS, Verified(Readiness((), DENIED), "u", 200, ""), Stuck, "Denied"),
    ("verify-service", REDIS, Verified(READY, "u", SILENT, ""), Wait, "nobody answered"),
    ("verify-service", REDIS, Verified(READY, "u", 503, "no db"), Wait, "answers 503: no db"),
    ("verify-service", REDIS, Verified(READY, "u", 200, ""), Done, "answers 200"),
    ("verify-service", REDIS, Verified(READY, None, None, ""), Done, "no address"),
    ("switch-traffic", {"to": "standby"}, SILENT, Wait, "nobody answered"),
    ("switch-traffic", {"to": "standby"}, DENIED, Stuck, "AccessDenied"),
    ("switch-traffic", {"to": "standby"}, Alarm("OK", None), Act, "is in OK, expected ALARM"),
    ("switch-traffic", {"to": "standby"}, Alarm("INSUFFICIENT_DATA", 0.0), Act, "expected ALARM"),
    ("switch-traffic", {"to": "standby"}, Alarm("OK", 1.0), Wait, "still in OK"),
    ("switch-traffic", {"to": "standby"}, Alarm("ALARM", 1.0), Done, "goes to us-west-2"),
    ("switch-traffic", {"to": "primary"}, Alarm("ALARM", 1.0), Act, "expected OK"),
    ("verify-traffic", {"to": "standby"}, {}, Stuck, "name them in platform.yaml"),
    ("verify-traffic", {"to": "standby"}, {NS_1: WEST, NS_2: SILENT}, Wait, "nobody answered"),
    (
        "verify-traffic",
        {"to": "standby"},
        {NS_1: WEST, NS_2: EAST},
        Wait,
        "ns-2 sends api.neurectomy.io to east.io",
    ),
    ("verify-traffic", {"to": "standby"}, {NS_1: Leads(None, "192.0.2.9")}, Wait, "192.0.2.9 (no region of ours)"),
    ("verify-traffic", {"to": "standby"}, {NS_1: WEST, NS_2: DENIED}, Stuck, "AccessDenied"),
    ("verify-traffic", {"to": "standby"}, {NS_1: WEST, NS_2: WEST}, Done, "all 2 name servers"),
    ("verify-traffic", {"to": "primary"}, {NS_1: WEST, NS_2: EAST}, Wait, "expected us-east-1"),
    ("verify-traffic", {"to": "standby"}, {NS_1: WEST, ADA: EAST}, Wait, "ada sends api.neurectomy.io to east.io"),
    ("verify-traffic", {"to": "standby"}, {NS_1: WEST, ADA: DENIED}, Done, "all 1 name servers send api"),
    *s3_rows.ROWS,
    ("person", {"ask": "look at it"}, None, Wait, "look at it"),
]


@pytest.mark.parametrize(("facts", "kind", "because"), switchovers.PROVEN)
def test_a_primary_is_open_again_when_it_was_seen_to_write_after_the_last_denial_was_gone(
    facts: Any, kind: type[Next], because: str
) -> None:
    looked_before = replace(target(), facts=switchovers.SEEN)
    found = ACTIONS["open-primary"].next(looked_before, POLICY, facts, AT)
    assert isinstance(found, kind)
    assert because in found.because


@pytest.mark.parametrize(("name", "params", "facts", "kind", "because"), ROWS)
def test_says_the_one_thing_that_is_missing(
    name: str, params: dict[str, str], facts: Any, kind: type[Next], because: str
) -> None:
    found = ACTIONS[name].next(target(**params), POLICY, facts, AT)
    assert isinstance(found, kind), found
    assert because in found.because


WRITES = ("verify-write", "verify-home-write", "verify-outage-write", "drill-write")


@pytest.mark.parametrize(("facts", "kind", "because"), failbacks.PROVEN)
def test_only_a_write_that_failed_behind_the_denial_proves_that_the_standby_takes_none(
    facts: Any, kind: type[Next], because: str
) -> None:
    looked_before = replace(target(failover=failbacks.FAILOVER), facts=failbacks.SEEN)
    found = ACTIONS["fence-standby"].next(looked_before, POLICY, facts, AT)
    assert isinstance(found, kind), found
    assert because in found.because


def test_what_was_written_on_the_wrong_side_is_given_up_by_name() -> None:
    said = replace(target(failover=failbacks.FAILOVER), approved_by="ana and bob")
    found = ACTIONS["wrong-side-listed"].next(said, POLICY, WrongSide(failbacks.ASIDE, (failbacks.ONLY,)), AT)
    assert isinstance(found, Done)
    assert "given up by ana and bob" in found.because
    assert found.facts == {"rows": 3.0, "seconds": 7.0, "names": "primary"}


def test_a_move_s_step_keeps_how_it_was_before_it_set_anything() -> None:
    paused = ACTIONS["velero-schedules-paused"]
    first = paused.next(target(**STANDBY), POLICY, Schedules(("daily", "hourly"), ("weekly",)), AT)
    assert isinstance(first, Act)
    assert first.facts == {"before": "daily,hourly"}
    later = replace(target(**STANDBY), facts=first.facts)
    second = paused.next(later, POLICY, Schedules(("hourly",), ("daily", "weekly")), AT)
    assert isinstance(second, Act)
    assert second.facts == {"before": "daily,hourly"}
    raised = ACTIONS["node-capacity"].next(target(**STANDBY), POLICY, CAPACITY, AT)
    assert isinstance(raised, Act)
    assert raised.facts == {"before": "1/1/12"}
    closed = ACTIONS["velero-location-read-only"].next(target(**STANDBY), POLICY, Location("ReadWrite", "", ""), AT)
    assert isinstance(closed, Act)
    assert closed.facts == {"before": "ReadWrite"}


def test_a_replica_is_made_anew_with_what_rds_would_give_a_default() -> None:
    found = ACTIONS["replica-rebuilt"].next(target(**failbacks.PRIMARY), POLICY, failbacks.MISSING, AT)
    assert isinstance(found, Act)
    params = found.call.params
    assert params["SourceDBInstanceIdentifier"] == failbacks.WEST_ARN
    assert params["KmsKeyId"].startswith("arn:aws:kms:us-east-1:")
    assert (params["MultiAZ"], params["DBSubnetGroupName"], params["DBParameterGroupName"]) == (
        True,
        "private",
        "tuned",
    )
    assert {t["Key"] for t in params["Tags"]} == {"team", RETURNS}
    assert "BackupRetentionPeriod" not in params
    promoted = ACTIONS["promote-primary"].next(
        target(**failbacks.OF), POLICY, Home(failbacks.MADE, failbacks.KEPT, ours=True), AT
    )
    assert isinstance(promoted, Act)
    assert promoted.call.params["BackupRetentionPeriod"] == 14


def test_every_action_and_every_kind_of_answer_it_knows_is_a_row() -> None:
    assert {row[0] for row in ROWS} == set(ACTIONS)
    for name, action in ACTIONS.items():
        kinds = {row[3] for row in ROWS if row[0] == name} | {row[4] for row in breaches.BACK if row[0] == name}
        assert (Act in kinds) == bool(action.calls or name in WRITES)


@pytest.mark.parametrize(("facts", "kind", "because"), fences.PROVEN)
def test_only_a_write_that_failed_behind_the_denial_proves_the_fence(
    facts: Any, kind: type[Next], because: str
) -> None:
    looked_before = replace(target(), facts=fences.SEEN)
    found = ACTIONS["fence-primary"].next(looked_before, POLICY, facts, AT)
    assert isinstance(found, kind), found
    assert because in found.because
    assert (found.facts.get("fenced") == "Fenced") == (kind is Done) if isinstance(found, Done | Wait) else True


def test_a_person_s_step_is_done_by_their_word() -> None:
    said = replace(target(ask="look"), approved_by="ann", approved_note="mended")
    assert ACTIONS["person"].next(said, POLICY, None, AT) == Done(because="ann says it is done: mended")


def test_the_switch_says_which_region_serves() -> None:
    found = ACTIONS["switch-traffic"].next(target(to="standby"), POLICY, Alarm("ALARM", 1.0), AT)
    assert isinstance(found, Done)
    assert found.facts == {"serves": "us-west-2"}


@pytest.mark.parametrize(("name", "params", "noted", "facts", "kind", "because"), breaches.BACK)
def test_what_takes_a_step_back_goes_by_what_that_step_has_noted(
    name: str, params: dict[str, str], noted: dict[str, str | float], facts: Any, kind: type[Next], because: str
) -> None:
    found = ACTIONS[name].next(replace(target(**params), facts=noted), POLICY, facts, AT)
    assert isinstance(found, kind), found
    assert because in found.because


CALLS = [(row[0], row[1], row[2]) for row in ROWS if row[3] is Act]
NOTED: dict[tuple[str, int], dict[str, str | float]] = {(row[0], id(row[3])): row[2] for row in breaches.BACK}
CALLS += [(row[0], row[1], row[3]) for row in breaches.BACK if row[4] is Act]


def call_of(name: str, params: dict[str, str], facts: Any) -> Call:
    noted = NOTED.get((name, id(facts)), {})
    found = ACTIONS[name].next(replace(target(**params), facts=noted), POLICY, facts, AT)
    assert isinstance(found, Act)
    return found.call


@pytest.mark.parametrize(("name", "params", "facts"), CALLS)
def test_a_call_is_declared_and_the_same_for_every_worker_at_any_time(
    name: str, params: dict[str, str], facts: Any
) -> None:
    call = call_of(name, params, facts)
    noted = NOTED.get((name, id(facts)), {})
    late = replace(target(**params), at=AT + timedelta(minutes=7), facts=noted)
    later = ACTIONS[name].next(late, POLICY, facts, AT)
    assert isinstance(later, Act)
    assert later.call == call
    match call.system:
        case "aws":
            wanted = (call.service, call.operation)
            ops = [o for o in ACTIONS[name].calls if isinstance(o, AwsOp)]
            assert wanted in {(o.service, o.batch or o.operation) for o in ops}
        case "kubernetes":
            assert call.operation in {f"{o.verb} {o.named}" for o in ACTIONS[name].calls if isinstance(o, KubeOp)}
        case "cloudflare":
            ours = [o for o in ACTIONS[name].calls if isinstance(o, CloudflareOp)]
            assert call.operation in {f"{o.verb} {o.resource}" for o in ours}
        case _:
            assert call.operation == "write-heartbeat"


def is_one_of_aws(name: str, params: dict[str, str], facts: Any) -> bool:
    """What restores or copies a span is many of AWS's, each judged by botocore where it is made (test_s3_restore.py,
    tests/airgap).
    """
    call = call_of(name, params, facts)
    many = (RESTORE, COPY_SPAN, WRITE_MANIFEST, KEEP_LOGS, KEEP_OBJECTS)
    return call.system == "aws" and call.operation not in many


@pytest.mark.parametrize(("name", "params", "facts"), [c for c in CALLS if is_one_of_aws(*c)])
def test_an_aws_call_is_one_that_the_service_would_take(name: str, params: dict[str, str], facts: Any) -> None:
    call = call_of(name, params, facts)
    model = botocore.session.get_session().get_service_model(call.service)
    wanted = call.operation.replace("_", "")
    operation = next(o for o in model.operation_names if o.lower() == wanted)
    given = {k: v for k, v in call.params.items() if k != "merge"}
    if "merge" in call.params:
        given["SecretString"] = "{}"
    validate_parameters(given, model.operation_model(operation).input_shape)


@pytest.mark.parametrize(("name", "params", "facts"), CALLS)
def test_no_call_carries_a_secret(name: str, params: dict[str, str], facts: Any) -> None:
    call = call_of(name, params, facts)
    # The name of a Secret's key, and an option that says that none is asked for, are no secrets.
    shown = f"{call.params} {call.sentence()}".replace("'key': 'password'", "").replace("--no-password", "")
    assert not re.search(r"password|SecretString|token=.*xox", shown)


def test_a_restore_names_exactly_one_backup_and_updates_what_is_there() -> None:
    call = call_of("velero-restore", REDIS, restoring())
    spec = call.params["body"]["spec"]
    assert spec["backupName"] == "hourly-2"
    assert "scheduleName" not in spec
    assert spec["existingResourcePolicy"] == "update"
    assert spec["labelSelector"] == {"matchLabels": {"app.kubernetes.io/name": "redis"}}
    assert len(call.params["name"]) <= 63
    assert not call.params["name"].endswith("-0")


def test_a_restore_names_the_modifiers_of_its_own_policy() -> None:
    spec = call_of("velero-restore", REDIS, restoring()).params["body"]["spec"]
    assert spec["resourceModifier"] == {"kind": "ConfigMap", "name": NAME}
    call = call_of("velero-rewrites", STANDBY, Rewriting(None, ()))
    assert call.params["body"]["metadata"]["name"] == NAME
    assert call.params["body"]["immutable"] is True
    assert list(call.params["body"]["data"]) == [FILE]  # Velero refuses a second key


def test_a_policy_without_rewrites_writes_nothing_and_names_nothing() -> None:
    bare = POLICY.model_copy(update={"rewrites": POLICY.rewrites.model_copy(update={"rewrites": ()})})
    found = ACTIONS["velero-rewrites"].next(target(**STANDBY), bare, Rewriting(None, ()), AT)
    assert isinstance(found, Done)
    restore = ACTIONS["velero-restore"].next(target(**REDIS), bare, restoring(), AT)
    assert isinstance(restore, Act)
    assert "resourceModifier" not in restore.call.params["body"]["spec"]


def test_rows_that_policy_no_longer_has_leave_the_image_mapping() -> None:
    call = call_of("velero-rewrites", STANDBY, Rewriting(MODIFIERS, (Held(IMAGES, {"registry-9": "a,b"}),)))
    assert call.params["body"] == {"data": {"registry-9": None, **image_registries(POLICY)}}


def test_only_a_promotion_a_released_volume_a_switch_to_older_data_and_a_locked_copy_cannot_be_undone() -> None:
    lasting = {"promote-replica", "volumes-attached", "point-restored", "vault-copied"}
    # What is deleted for good is a drill's own, a clean room's, or what a failback takes away by two people's word.
    lasting |= {"drill-copies-gone", "drill-instance-gone", "drill-objects-gone", "clean-room-gone"}
    lasting |= {"promote-primary", "workloads-gone", "instance-discarded"}
    # What a lower retention does not reach is deleted.
    lasting |= {"databases-given-back"}
    assert {c[0] for c in CALLS if not call_of(*c).reversible} == lasting
