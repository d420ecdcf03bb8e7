from __future__ import annotations

from typing import Literal

import pytest

from chalicelib.actions.contract import AwsOp, KubeOp
from tests.policy.broken import Broken, actions


def aws(service: str, operation: str, where: Literal["standby", "primary"] = "standby") -> AwsOp:
    return AwsOp(service=service, operation=operation, resources=("*",), where=where)


def test_one_region_in_two_roles_is_told(broken: Broken) -> None:
    broken.edit("platform", "witness: us-east-2", "witness: us-west-2").says(
        "regions-differ",
        "platform.yaml regions.witness",
        at="witness:",
        found="us-west-2",
        allowed="other than the standby's",
    )


@pytest.mark.parametrize(
    ("old", "new", "field", "line"),
    [
        ("responder:\n  region: us-west-2", "responder:\n  region: us-east-1", "responder.region", 60),
        ("replica: { region: us-west-2", "replica: { region: us-east-1", "database.replica.region", 26),
        ("secret:\n  region: us-west-2", "secret:\n  region: us-east-1", "application_secret.region", 35),
        ("usw2\n    region: us-west-2", "usw2\n    region: us-east-1", "clusters.standby.region", 17),
    ],
)
def test_a_thing_of_the_standby_in_the_failed_region_is_told(
    broken: Broken, old: str, new: str, field: str, line: int
) -> None:
    broken.edit("platform", old, new).says(
        "standby-side-stands-in-the-standby",
        f"platform.yaml {field}",
        at=line,
        found="us-east-1",
        allowed="us-west-2, the standby",
        because="it is gone when recovery needs it",
    )


def test_a_responder_in_the_witness_region_is_a_warning(broken: Broken) -> None:
    broken.edit("platform", "responder:\n  region: us-west-2", "responder:\n  region: us-east-2").says(
        "standby-side-stands-in-the-standby",
        "platform.yaml responder.region",
        at=60,
        found="us-east-2",
        allowed="us-west-2",
        severity="warning",
    )


def test_a_primary_instance_outside_the_primary_region_is_told(broken: Broken) -> None:
    broken.edit("platform", "primary: { region: us-east-1, instance", "primary: { region: us-east-2, instance").says(
        "primary-side-stands-in-the-primary",
        "platform.yaml database.primary.region",
        at="instance: neurectomy-pg }",
        found="us-east-2",
        allowed="us-east-1",
    )


def test_a_status_page_at_an_address_of_the_failed_region_is_told(broken: Broken) -> None:
    broken.edit("platform", "https://status.neurectomy.io", "https://s3.us-east-1.amazonaws.com/status").says(
        "name-does-not-point-at-the-failed-region",
        "platform.yaml responder.status_url",
        at="status_url",
        found="https://s3.us-east-1.amazonaws.com/status",
        allowed="outside us-east-1",
    )


def test_a_region_that_is_asked_at_the_global_name_is_told(broken: Broken) -> None:
    broken.edit("platform", "https://api.us-west-2.neurectomy.io", "https://api.neurectomy.io").says(
        "region-has-its-own-address",
        "platform.yaml endpoints[1].url",
        at='"https://api.neurectomy.io"',
        found="https://api.neurectomy.io",
        allowed="us-west-2's alone",
    )


def test_a_standby_without_an_address_is_told(broken: Broken) -> None:
    broken.edit("platform", '  - { region: us-west-2, url: "https://api.us-west-2.neurectomy.io" }\n', "").says(
        "region-has-its-own-address",
        "platform.yaml endpoints",
        at="endpoints:",
        found="us-east-1",
        allowed="one for us-west-2",
    )


@pytest.mark.parametrize(
    ("op", "name"),
    [
        (aws("route53", "change_resource_record_sets"), "route53 change_resource_record_sets"),
        (aws("iam", "update_role"), "iam update_role"),
        (aws("s3", "put_bucket_policy"), "s3 put_bucket_policy"),
    ],
)
def test_an_action_that_leans_on_a_control_plane_in_the_failed_region_is_told(
    broken: Broken, op: AwsOp, name: str
) -> None:
    broken.actions = actions(switch_traffic=op)
    broken.says(
        "action-needs-no-failed-region",
        "runbooks.yaml runbooks[0].steps[9].action",
        at="action: switch-traffic",
        found=f"switch-traffic: {name}",
        allowed="need nothing in us-east-1",
        because="whose control plane is hosted in us-east-1",
    )


@pytest.mark.parametrize(
    "op",
    [
        aws("route53-recovery-cluster", "update_routing_control_state"),
        aws("route53-recovery-control-config", "update_routing_control"),
        aws("cloudwatch", "put_metric_data"),
        aws("s3", "put_object"),
        aws("sts", "get_caller_identity"),
    ],
)
def test_an_action_that_leans_on_a_data_plane_or_on_another_region_passes(broken: Broken, op: AwsOp) -> None:
    broken.actions = actions(switch_traffic=op)
    assert not broken.findings("action-needs-no-failed-region")


def test_an_action_that_recovery_waits_for_and_that_calls_the_failed_region_is_told(broken: Broken) -> None:
    broken.actions = actions(promote_replica=aws("rds", "describe_db_instances", "primary"))
    broken.says(
        "action-needs-no-failed-region",
        "runbooks.yaml runbooks[0].steps[5].action",
        at="action: promote-replica",
        found="promote-replica: rds describe_db_instances in us-east-1",
        allowed="need nothing in us-east-1",
        because="recovery waits for it",
    )


def test_a_kubernetes_request_to_the_failed_region_is_told(broken: Broken) -> None:
    asked = KubeOp(verb="get", group="velero.io", resource="backups", where="primary")
    broken.actions = actions(promote_replica=asked, velero_restore=asked)
    broken.says(
        "action-needs-no-failed-region",
        "runbooks.yaml runbooks[0].steps[5].action",
        at="action: promote-replica",
        found="promote-replica: get backups in us-east-1",
        allowed="need nothing in us-east-1",
    )
    # The restores are aimed at the standby's cluster, whatever else their action may do elsewhere.
    assert len(broken.findings("action-needs-no-failed-region")) == 1


def test_a_call_into_the_failed_region_that_no_step_waits_for_is_a_note(broken: Broken) -> None:
    step = (
        "      - id: fence\n        title: Fence the old primary\n        action: person\n        automatic: true\n"
        "        reversible: true\n        expected: 5s\n        deadline: 1m\n      - id: promote\n"
    )
    broken.edit("runbooks", "      - id: promote\n", step)
    broken.actions = actions(person=aws("rds", "modify_db_instance", "primary"))
    broken.says(
        "action-needs-no-failed-region",
        "runbooks.yaml runbooks[0].steps[5].action",
        at=54,
        found="person: rds modify_db_instance in us-east-1",
        allowed="need nothing in us-east-1",
        because="no step waits for it",
        severity="note",
    )


def test_a_scenario_that_is_no_failure_of_a_region_may_call_the_primary(broken: Broken) -> None:
    broken.actions = actions(person=aws("rds", "restore_db_instance_to_point_in_time", "primary"))
    assert not broken.findings("action-needs-no-failed-region")
