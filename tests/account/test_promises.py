"""What policy promises of the account, as the clock looks at it: what is broken is told by name, with its mend."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.account.promises import LONGEST, kept, looked
from chalicelib.account.verdicts import Row, Verdict
from chalicelib.store.beat import Beat, millis
from drctl.neighbours.s3_replication import NAMESPACE
from tests.account.claimed import AT, CHECK, POLICY, ROW, House, Object
from tests.account.metrics import Metrics

EARLIER = AT - timedelta(hours=1)
PRIMARY, STANDBY = POLICY.platform.regions.primary, POLICY.platform.regions.standby


def look(house: House, serving: str = PRIMARY) -> dict[str, tuple[Row, ...]]:
    return {name: tuple(rows) for name, rows in looked(POLICY, house.reader, serving, AT).items()}


def broken(house: House) -> list[tuple[str, str, str]]:
    return [(n, r.what, r.found) for n, rows in look(house).items() for r in rows if r.verdict is Verdict.DIFFERS]


def test_an_account_as_promised_keeps_every_promise() -> None:
    found = look(House())
    assert {name: kept(rows)[0] for name, rows in found.items()} == dict.fromkeys(found, True)
    assert all(rows for rows in found.values()), "nothing was looked at is no promise kept"


def _rule(house: House) -> dict[str, Any]:
    rule: dict[str, Any] = house.replication["ReplicationConfiguration"]["Rules"][1]
    return rule


def _late(house: House) -> None:
    house.rule.seconds, house.rule.operations, house.rule.size = 3600, 12, 5000
    house.minutes()


def _failed(house: House) -> None:
    house.rule.failed = 3
    house.minutes()


def _stopped(house: House) -> None:
    house.instance["StatusInfos"] = [{"StatusType": "read replication", "Normal": False, "Status": "error"}]


def _vault(house: House, name: str, lock: str, days: int) -> None:
    for key in house.vaults[name]:
        house.vaults[name][key] = Object(AT, lock, AT + timedelta(days=days))


Break = Callable[[House], object]
BREAKS: dict[str, tuple[Break, str, str, str, str]] = {
    "a rule that is switched off": (
        lambda h: _rule(h).update(Status="Disabled"),
        *("replication", "rule to the destination", "Disabled", "aws s3api put-bucket-replication"),
    ),
    "no rule to the copy": (
        lambda h: h.replication["ReplicationConfiguration"]["Rules"].pop(),
        *("replication", "rule to the destination", "nothing", "aws s3api put-bucket-replication"),
    ),
    "a rule of a folder only": (
        lambda h: _rule(h).update(Filter={"And": {"Prefix": "logs/", "Tags": []}}),
        *("replication", "what it covers", "objects below 'logs/'", "aws s3api put-bucket-replication"),
    ),
    "a rule of what has a tag": (
        lambda h: _rule(h).update(Filter={"Tag": {"Key": "keep", "Value": "yes"}}),
        *("replication", "what it covers", "objects with a tag", "aws s3api put-bucket-replication"),
    ),
    "no time control": (
        lambda h: _rule(h)["Destination"].pop("ReplicationTime"),
        *("replication", "replication time control", "nothing", "aws s3api put-bucket-replication"),
    ),
    "objects under a KMS key that are passed over": (
        lambda h: _rule(h).pop("SourceSelectionCriteria"),
        *("replication", "objects under a KMS key", "nothing", "aws s3api put-bucket-replication"),
    ),
    "delete markers that are copied": (
        lambda h: _rule(h).update(DeleteMarkerReplication={"Status": "Enabled"}),
        *("replication", "delete markers are copied", "Enabled", "aws s3api put-bucket-replication"),
    ),
    "a copy that is late": (
        _late,
        *("replication", "seconds behind", "3600, with 12 operations and 5000 bytes pending"),
        "aws s3api get-bucket-replication",
    ),
    "objects that failed": (
        _failed,
        *("replication", "failed within a day", "3", "aws s3control create-job"),
    ),
    "a replica that stands alone": (
        lambda h: h.instance.pop("ReadReplicaSourceDBInstanceIdentifier"),
        *("replica", "replicates from", "nothing", "aws rds describe-events"),
    ),
    "a replica that is stopped": (
        lambda h: h.instance.update(DBInstanceStatus="stopped"),
        *("replica", "state", "stopped", "aws rds start-db-instance"),
    ),
    "a replication that met an error": (
        _stopped,
        *("replica", "replication", "read replication error", "aws rds describe-events"),
    ),
    "replayed rows that nobody notes": (
        lambda h: h.beats.update(replica=Beat({"n": 1, "written_at": millis(AT), "at": millis(EARLIER)})),
        *("replica", "what the replica has replayed is noted", "no more", "aws logs tail"),
    ),
    "a loss beyond the RPO": (
        lambda h: h.beats.update(
            replica=Beat({"n": 1, "written_at": millis(AT - timedelta(minutes=5)), "at": millis(AT)})
        ),
        *("replica", "what a promotion would lose", "5m of writes", ""),
    ),
    "a copy that nobody has locked": (
        lambda h: _vault(h, "other-account", "", 90),
        *("locks", "lock", "nothing", ""),
    ),
    "a lock that some may take away": (
        lambda h: _vault(h, "other-account", "GOVERNANCE", 90),
        *("locks", "lock", "GOVERNANCE", ""),
    ),
    "a lock that ends too early": (
        lambda h: _vault(h, "other-cloud", "Locked", 30),
        *("locks", "held after it was made for", "30 days", ""),
    ),
    "an endpoint check that is turned round": (
        lambda h: h.check.update(Inverted=True),
        *(
            "health-check",
            "Inverted",
            "yes",
            f"update-health-check --health-check-id {CHECK} --no-inverted",
        ),
    ),
    "an endpoint check with another patience": (
        lambda h: h.check.update(FailureThreshold=9),
        *("health-check", "FailureThreshold", "9", f"--health-check-id {CHECK} --failure-threshold 3"),
    ),
    "an endpoint check from other regions": (
        lambda h: h.check.update(Regions=["us-east-1", "us-west-1", "us-west-2"]),
        *("health-check", "Regions", "us-east-1, us-west-1, us-west-2", "--regions us-east-1 eu-west-1 ap-southeast-1"),
    ),
    "an endpoint check that asks seldom": (
        lambda h: h.check.update(RequestInterval=30),
        *("health-check", "RequestInterval", "30", f"delete-health-check --health-check-id {CHECK}"),
    ),
    "no endpoint check": (
        lambda h: h.check.update(FullyQualifiedDomainName="elsewhere.example"),
        *("health-check", "exists", "not there", "aws route53 create-health-check"),
    ),
    "an alarm that is gone": (
        lambda h: h.alarms.pop("PodAvailability"),
        *("alarms", "exists", "not there", "aws cloudwatch put-metric-alarm --region us-east-1"),
    ),
    "an alarm with another threshold": (
        lambda h: h.alarms["PodAvailability"].update(Threshold=50),
        *("alarms", "Threshold", "50", "--alarm-name PodAvailability"),
    ),
    "an alarm that reads silence as good": (
        lambda h: h.alarms["ClusterHealth"].update(TreatMissingData="notBreaching"),
        *("alarms", "TreatMissingData", "notBreaching", "--treat-missing-data missing"),
    ),
    "an alarm that tells nobody": (
        lambda h: h.alarms["NodeReadiness"].update(ActionsEnabled=False),
        *("alarms", "ActionsEnabled", "no", "--actions-enabled"),
    ),
    "an alarm on another zone's nodes": (
        lambda h: h.alarms["ZoneHealth-a"].update(Dimensions=h.alarms["ZoneHealth-b"]["Dimensions"]),
        *("alarms", "Dimensions", "AvailabilityZone=us-east-1b", "--dimensions Name=AvailabilityZone,Value=us-east-1a"),
    ),
}


@pytest.mark.parametrize("name", BREAKS)
def test_what_is_broken_is_told_by_name_with_what_mends_it(name: str) -> None:
    change, promise, what, found, mend = BREAKS[name]
    house = House()
    change(house)
    rows = [(n, r) for n, rows in look(house).items() for r in rows if r.verdict is Verdict.DIFFERS]
    assert (promise, what, found) in [(n, r.what, r.found) for n, r in rows]
    assert {n for n, _ in rows} == {promise}
    row = next(r for _, r in rows if r.what == what)
    assert mend in row.mend
    shlex.split(row.mend)
    healthy, said = kept([r for _, r in rows])
    assert healthy is False
    assert row.subject in said
    assert len(said) <= LONGEST + 100


def test_the_command_that_mends_a_rule_keeps_what_is_somebody_elses() -> None:
    house = House()
    _rule(house).update(Status="Disabled", DeleteMarkerReplication={"Status": "Enabled"})
    row = next(r for r in look(house)["replication"] if r.verdict is Verdict.DIFFERS)
    words = shlex.split(row.mend)
    mended = json.loads(words[words.index("--replication-configuration") + 1])
    assert mended["Rules"][0] == house.replication["ReplicationConfiguration"]["Rules"][0]
    house.replication = {"ReplicationConfiguration": mended}
    assert broken(house) == []


@pytest.mark.parametrize(
    ("silence", "promises"),
    [
        (("s3", PRIMARY), {"replication"}),
        (("cloudwatch", STANDBY), {"replication"}),
        (("cloudwatch", PRIMARY), {"replication", "alarms"}),
        (("route53", STANDBY), {"health-check"}),
        (("rds", STANDBY), {"replica"}),
        (("dynamodb", STANDBY), {"replica"}),
    ],
)
def test_silence_breaks_no_promise_and_keeps_none(silence: tuple[str, str], promises: set[str]) -> None:
    house = House(silent={silence})
    found = {name: kept(rows)[0] for name, rows in look(house).items()}
    assert {name for name, healthy in found.items() if healthy is None} == promises
    assert False not in found.values()
    times = house.asked.count((*silence, "describe_alarms")) + house.asked.count((*silence, "get_bucket_location"))
    assert times <= 1, "who does not answer is not asked again in the same round"


@pytest.mark.parametrize("operation", ["get_bucket_replication", "get_metric_data", "describe_alarms"])
def test_a_right_that_is_missing_is_not_a_thing_that_is_missing(operation: str) -> None:
    house = House(refused={operation: "AccessDenied"})
    assert broken(house) == []
    assert None in {kept(rows)[0] for rows in look(house).values()}


def test_metrics_that_do_not_come_are_not_a_copy_that_is_up_to_date() -> None:
    house = House(metrics=Metrics())
    house.metrics.kept.clear()
    healthy, said = kept(look(house)["replication"])
    assert healthy is None
    assert "ReplicationLatency" in said


def test_a_dark_primary_explains_a_replica_that_does_not_replicate() -> None:
    house = House()
    _stopped(house)
    old = {"n": 100, "written_at": millis(AT - timedelta(minutes=9)), "at": millis(AT - timedelta(minutes=9))}
    house.beats = {"primary": Beat(old), "replica": Beat({**old, "n": 1, "written_at": 0})}
    rows = look(house)["replica"]
    assert kept(rows)[0] is None
    assert {r.verdict for r in rows} == {Verdict.AS_CLAIMED, Verdict.NOT_SEEN}


def test_a_heartbeat_that_was_never_heard_leaves_a_loss_unknown_and_is_told_beforehand() -> None:
    house = House()
    house.beats = {}
    assert ("replica", "the primary's rows are noted", "never") in broken(house)


def test_no_command_that_is_told_deletes_a_database() -> None:
    house = House()
    house.instance.pop("ReadReplicaSourceDBInstanceIdentifier")
    house.instance["DBInstanceStatus"] = "failed"
    assert not [r for r in look(house)["replica"] if "delete" in r.mend]


def test_once_the_standby_serves_there_is_no_replica_to_ask_of() -> None:
    house = House()
    house.instance.pop("ReadReplicaSourceDBInstanceIdentifier")
    assert look(house, serving=STANDBY)["replica"] == ()


def test_a_vault_without_a_copy_is_not_one_without_a_lock() -> None:
    house = House()
    house.vaults = {name: {} for name in house.vaults}
    assert kept(look(house)["locks"])[0] is None


def test_metrics_are_of_their_own_region_and_dimensions() -> None:
    house = House()
    query = {
        "Id": "m",
        "MetricStat": {
            "Metric": {
                "Namespace": NAMESPACE,
                "MetricName": "ReplicationLatency",
                "Dimensions": [{"Name": "SourceBucket", "Value": ROW.source}],
            },
            "Period": 60,
            "Stat": "Maximum",
        },
    }
    asked = {"MetricDataQueries": [query], "StartTime": AT - timedelta(hours=1), "EndTime": AT}
    (one,) = house.metrics.get_metric_data(STANDBY, asked)["MetricDataResults"]
    assert one["Values"] == [], "without the other two dimensions it is another metric"


def test_the_stand_in_refuses_what_cloudwatch_refuses() -> None:
    house = House()
    assert "less than" in _because(house, StartTime=AT, EndTime=AT)
    assert "multiple of 60" in _because(house, period=90)
    assert "lowercase" in _because(house, id_="M")


def _because(house: House, *, period: int = 60, id_: str = "m", **times: Any) -> str:
    metric = {"Namespace": NAMESPACE, "MetricName": "ReplicationLatency", "Dimensions": []}
    query = {"Id": id_, "MetricStat": {"Metric": metric, "Period": period, "Stat": "Maximum"}}
    asked = {"StartTime": AT - timedelta(hours=1), "EndTime": AT} | times
    answer = house.aws("cloudwatch", STANDBY, "get_metric_data", MetricDataQueries=[query], **asked)
    return str(getattr(answer, "because", ""))
