"""What the linter says of a runbook that leads out of AWS, and of what is written down for that night."""

from __future__ import annotations

import pytest

from chalicelib.actions.registry import ACTIONS
from chalicelib.policy.lint.finding import ActionFacts
from tests.policy.broken import Broken


@pytest.fixture
def real(broken: Broken) -> Broken:
    """With what the actions really declare."""
    broken.actions = {name: ActionFacts.of(action) for name, action in ACTIONS.items()}
    return broken


def test_the_shipped_runbook_leans_on_nothing_of_aws(real: Broken) -> None:
    assert [str(f) for f in real.findings() if "outage" in f.rule or "out-of-aws" in f.rule] == []


def test_an_action_that_asks_aws_is_told(real: Broken) -> None:
    real.edit("runbooks", "action: verify-outage-write", "action: verify-write").says(
        "outage-runbook-leans-on-nothing-of-aws",
        "runbooks.yaml runbooks[4].steps[9].action",
        at=real.line("runbooks.yaml", "title: Prove the database there with a write") + 1,
        found="verify-write: secretsmanager get_secret_value",
        allowed="ask nothing of AWS",
        because="all of AWS may be gone then",
    )


def test_a_step_aimed_at_a_cluster_in_aws_is_told(real: Broken) -> None:
    title, action = "title: Make the air-gapped backup location read-only", "action: velero-location-read-only"
    old = f"{title}\n        {action}\n        with: {{ cluster: "
    real.edit("runbooks", old + "tertiary", old + "standby").says(
        "outage-runbook-leans-on-nothing-of-aws",
        "runbooks.yaml runbooks[4].steps[2].action",
        at=real.line("runbooks.yaml", "title: Make the air-gapped backup location read-only") + 1,
        found="velero-location-read-only: velero.io/v1 backupstoragelocations",
        allowed="aimed at the tertiary cluster",
    )


def test_a_database_in_aws_is_told(broken: Broken) -> None:
    host = "neurectomy-pg-azw2.postgres.database.azure.com"
    broken.edit("platform", host, "pg.us-west-2.rds.amazonaws.com").says(
        "outage-names-nothing-of-aws",
        "platform.yaml outage.database.host",
        at="pg.us-west-2.rds.amazonaws.com",
        found="pg.us-west-2.rds.amazonaws.com",
        allowed="outside AWS",
    )


def test_an_image_from_aws_in_what_is_restored_there_is_told(broken: Broken) -> None:
    broken.edit("rewrites", "to: neurectomyazw2.azurecr.io", "to: 1.dkr.ecr.us-west-2.amazonaws.com").says(
        "outage-names-nothing-of-aws",
        "rewrites.yaml tertiary[0].to",
        at="1.dkr.ecr.us-west-2.amazonaws.com",
        found="1.dkr.ecr.us-west-2.amazonaws.com",
        allowed="outside AWS",
    )


@pytest.mark.parametrize(("step", "action"), [("verify-database, ", "verify-outage-write"), ("mark, ", "marker-left")])
def test_a_move_without_proof_or_marker_is_told(broken: Broken, step: str, action: str) -> None:
    old = "needs: [mark, verify-database, verify-api-gateway"
    broken.edit("runbooks", old, old.replace(step, "")).says(
        "move-out-of-aws-is-proven-and-marked",
        "runbooks.yaml runbooks[4].steps[11].needs",
        at=broken.line("runbooks.yaml", "# From here on two databases may take writes") + 2,
        found=f"{old.replace(step, '').removeprefix('needs: [')}, verify-ml-service, verify-authentication",
        allowed=action,
        because=f"without {action}",
    )


def test_a_runbook_that_leads_nowhere_is_told(broken: Broken) -> None:
    path = broken.folder / "platform.yaml"
    text = path.read_text()
    start, end = text.index("# What carries the platform when AWS is gone"), text.index("# yaml-language-server")
    path.write_text(text[:start] + text[end:])
    broken.says(
        "outage-is-there-for-its-runbook",
        "runbooks.yaml runbooks[4].steps[11].action",
        at="action: record-moved",
        found="record-moved",
        allowed="a place outside it",
    )


def without_by_day(broken: Broken) -> Broken:
    text = (broken.folder / "platform.yaml").read_text()
    rows = text[text.index("    by_day:") : text.index("    token_secret: neurectomy/cloudflare")]
    return broken.edit("platform", rows, "")


@pytest.mark.parametrize("by_day", ["api.us-east-1.neurectomy.io", "api.neurectomy.io", "api.westus2.neurectomy.io"])
def test_a_record_outside_aws_that_the_switch_does_not_move_is_told(broken: Broken, by_day: str) -> None:
    broken.edit("platform", "record: api.aws.neurectomy.io", f"record: {by_day}").says(
        "record-outside-aws-follows-the-switch",
        "platform.yaml outage.cloudflare.by_day.record",
        at=f"      record: {by_day}",
        found=by_day,
        allowed="a failover pair behind the traffic switch",
        because="a failover of a region moves nothing there",
    )


@pytest.mark.parametrize(
    ("old", "new", "field", "allowed", "because"),
    [
        (
            *("record: api.aws.neurectomy.io", "record: api.other.neurectomy.io", "record"),
            *("a name in the zone aws.neurectomy.io", "answer for that zone alone"),
        ),
        (
            *("zone: aws.neurectomy.io", "zone: neurectomy.io", "zone"),
            *("delegated to Route 53 alone", "Cloudflare answers for this one too"),
        ),
    ],
)
def test_a_name_by_day_that_its_servers_do_not_answer_for_is_told(
    broken: Broken, old: str, new: str, field: str, allowed: str, because: str
) -> None:
    broken.edit("platform", old, new).says(
        "record-outside-aws-follows-the-switch",
        f"platform.yaml outage.cloudflare.by_day.{field}",
        at=f"      {new}",
        found=new.partition(": ")[2],
        allowed=allowed,
        because=because,
    )


def test_where_cloudflare_answers_a_record_without_a_name_by_day_is_told(broken: Broken) -> None:
    without_by_day(broken).says(
        "record-outside-aws-follows-the-switch",
        "platform.yaml outage.cloudflare.by_day",
        at=broken.line("platform.yaml", "  cloudflare:"),
        found="nothing",
        allowed="a failover pair behind the traffic switch",
        because="a failover of a region moves nothing there",
    )


def test_where_only_route_53_answers_the_record_outside_may_lead_anywhere_by_day(broken: Broken) -> None:
    broken.edit("platform", "dns: [route53, cloudflare]", "dns: [route53]")
    without_by_day(broken)
    assert [str(f) for f in broken.findings() if f.rule == "record-outside-aws-follows-the-switch"] == []
