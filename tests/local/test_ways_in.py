"""One change of an alarm by all three ways, and what cannot be read, in the mode of a first deployment: observe."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.core.incident import StepState
from chalicelib.policy.platform import MetricSwitch
from drctl.signing import signed
from drctl.world.inside.pump import Change, detail, direct_event, sns_message
from drctl.world.people import credentials_of, key_of, speaker
from tests.local.stage import Stage, eventually, never, up, utc

ALARM = "ClusterHealth"
SPEED = 10.0
TOPIC = "arn:aws:sns:us-east-1:111122223333:neurectomy-dr-alarms"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with up(tmp_path_factory.mktemp("ways"), speed=SPEED) as stage:
        stage.healthy()
        yield stage


def change(stage: Stage, name: str, *, new: str = "ALARM", late: timedelta = timedelta(0)) -> Change:
    """A change of a deployed alarm as CloudWatch would tell of it, `late` after now."""
    described = stage.client("cloudwatch", stage.primary).describe_alarms(AlarmNames=[name])["MetricAlarms"][0]
    return Change(described | {"AlarmConfigurationUpdatedTimestamp": 0}, "OK", new, "a test says so", utc() + late)


def record(message: object, topic: str = TOPIC) -> dict[str, Any]:
    text = message if isinstance(message, str) else json.dumps(message)
    return {"EventSource": "aws:sns", "Sns": {"TopicArn": topic, "Message": text, "MessageAttributes": {}}}


def event(told: Change) -> dict[str, Any]:
    """EventBridge's envelope around a change."""
    return {
        "version": "0",
        "id": "00000000-0000-0000-0000-000000000001",
        "detail-type": "CloudWatch Alarm State Change",
        "source": "aws.cloudwatch",
        "account": told.account,
        "time": told.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": told.region,
        "resources": [told.arn],
        "detail": detail(told),
    }


def entries(stage: Stage, name: str) -> list[str]:
    """Every line about this alarm's changes, on any timeline."""
    incidents = [i.id for i in stage.open()]
    lines = [e for i in (*incidents, "platform", "") for e in stage.timeline(i)]
    return [str(e["text"]) for e in lines if str(e["text"]).startswith(f"{name} is ")]


def arn(stage: Stage, name: str) -> str:
    return f"arn:aws:cloudwatch:{stage.primary}:{stage.policy.platform.account}:alarm:{name}"


def test_the_platform_begins_whole(stage: Stage) -> None:
    """Or the first word of its agents would open an incident that nobody has broken anything for."""
    now = datetime.now(UTC)
    asked = {"Namespace": "NeurectomyDR", "MetricName": "AvailablePodsPercent", "Period": 60, "Statistics": ["Minimum"]}
    since = {"StartTime": now - timedelta(hours=1), "EndTime": now + timedelta(hours=1)}
    aws = stage.client("cloudwatch", stage.primary)
    told = eventually(lambda: aws.get_metric_statistics(**asked, **since)["Datapoints"], within=20, what="a word")
    assert {point["Minimum"] for point in told} == {100.0}


def test_aws_s_own_word_comes_by_two_regions_is_heard_once_and_opens_nothing(stage: Stage) -> None:
    """Nobody can put it on a bus: `drctl break health` has the world say it, as AWS does."""
    done = stage.drctl("break", "health", stage.primary, "--service", "RDS", "--json")
    assert done.returncode == 0, done.stderr

    def marks(state: str) -> list[str]:
        book = stage.book()
        return [s for s, m in (book.watermarks if book else {}).items() if m.event and m.state == state]

    (source,) = eventually(lambda: marks("ALARM"), within=30, what="AWS's word")
    assert source.startswith(f"arn:aws:health:{stage.primary}::event/RDS/")
    functions = {c.function for c in stage.ours() if c.operation == "PutItem"}
    assert "OnServiceEvent" in functions
    assert len(entries(stage, "AWS_RDS_OPERATIONAL_ISSUE")) == 1
    assert not [i for i in stage.open() if i.scenario == "region-failure"]
    number = str(json.loads(done.stdout)["id"])
    assert stage.drctl("mend", number).returncode == 0
    assert eventually(lambda: marks("OK"), within=30, what="the issue's end") == [source]


def test_an_alarm_set_by_an_ordinary_client_reaches_the_desk_by_its_topic(stage: Stage) -> None:
    stage.raise_alarm("NodeReadiness")
    found = eventually(stage.open, within=20, what="an incident")
    assert [i.scope for i in found] == ["us-east-1/cluster"]
    book = stage.book()
    assert book is not None
    assert [m.state for source, m in book.watermarks.items() if source == arn(stage, "NodeReadiness")] == ["ALARM"]
    assert {c.function for c in stage.ours() if c.operation == "PutItem"} >= {"OnAlarmSns"}


def test_one_change_by_three_ways_however_often_is_one_signal(stage: Stage) -> None:
    told = change(stage, "BackupSuccess")
    for _ in range(2):
        stage.invoke("on_alarm_direct", direct_event(told))
        stage.invoke("on_alarm_event", event(told))
        stage.invoke("on_alarm_sns", {"Records": [record(sns_message(told)), record(sns_message(told))]})
    eventually(stage.store.inbox_empty, within=20, what="an empty inbox")
    book = stage.book()
    assert book is not None
    assert [i.scope for i in book.incidents.values()].count("us-east-1/backups") == 1
    mark = book.watermarks[arn(stage, "BackupSuccess")]
    assert abs(mark.changed_at - told.at) < timedelta(milliseconds=1)
    ours = next(i for i in book.incidents.values() if i.scope == "us-east-1/backups")
    opened = [e for e in stage.timeline(ours.id) if e["kind"] in ("opened", "signal")]
    assert len(opened) == 1, opened


def test_every_record_of_a_batch_is_read(stage: Stage) -> None:
    told = [change(stage, name) for name in ("ClusterHealth", "DatabaseConnectivity", "PodAvailability")]
    answer = stage.invoke("on_alarm_sns", {"Records": [record(sns_message(one)) for one in told]})
    assert (answer["signals"], answer["unreadable"]) == (3, 0)

    def all_there() -> bool:
        book = stage.book()
        return book is not None and all(one.arn in book.watermarks for one in told)

    eventually(all_there, within=20, what="three watermarks")


def test_a_record_that_cannot_be_read_is_kept_and_listed_and_stays_while_it_cannot_be_read(stage: Stage) -> None:
    good = change(stage, "NodeReadiness", new="OK")
    cut = json.dumps(sns_message(good))[:-40]
    answer = stage.invoke("on_alarm_sns", {"Records": [record(cut), record(sns_message(good))]})
    assert (answer["signals"], answer["unreadable"]) == (1, 1)
    letters = [one for one in stage.told("dead", "list") if "expected JSON" in one["reason"]]
    assert len(letters) == 1
    assert letters[0]["way"] == "sns"
    assert json.loads(letters[0]["raw"])["Sns"]["Message"] == cut
    done = stage.drctl("dead", "replay", letters[0]["key"][:16])
    assert done.returncode == 1
    assert "stays" in done.stderr
    assert letters[0]["key"] in [one["key"] for one in stage.told("dead", "list")]


def test_a_dead_letter_that_can_be_read_by_now_is_replayed_and_leaves_the_list(stage: Stage) -> None:
    ahead = change(stage, "BackupSuccess", new="OK", late=timedelta(days=1, seconds=3))
    answer = stage.invoke("on_alarm_direct", direct_event(ahead))
    assert answer["unreadable"] == 1
    letter = next(one for one in stage.told("dead", "list") if "expected a time between" in one["reason"])
    eventually(lambda: utc() > ahead.at - timedelta(days=1), within=10, what="the hour")
    done = stage.drctl("dead", "replay", letter["key"][:16])
    assert done.returncode == 0, done.stderr
    assert letter["key"] not in [one["key"] for one in stage.told("dead", "list")]

    def taken_in() -> bool:
        # Whoever holds the desk takes it in; the replay does not wait for that.
        book = stage.book()
        return book is not None and book.watermarks[arn(stage, "BackupSuccess")].state == "OK"

    eventually(taken_in, within=20, what="the replayed change in the book")


def test_an_alarm_by_a_topic_that_policy_does_not_name_opens_nothing_and_is_kept(stage: Stage) -> None:
    told = change(stage, "PodAvailability", late=timedelta(seconds=5))
    answer = stage.invoke("on_alarm_sns", {"Records": [record(sns_message(told), TOPIC + "-of-a-stranger")]})
    assert (answer["signals"], answer["unreadable"]) == (0, 1)
    assert [one for one in stage.told("dead", "list") if "came by the topic" in one["reason"]]


def test_an_alarm_of_an_account_that_policy_does_not_name_opens_nothing_and_is_kept(stage: Stage) -> None:
    told = json.loads(
        json.dumps(direct_event(change(stage, "PodAvailability"))).replace("111122223333", "999900001111")
    )
    answer = stage.invoke("on_alarm_direct", told)
    assert (answer["signals"], answer["unreadable"]) == (0, 1)
    assert [one for one in stage.told("dead", "list") if "is of account 999900001111" in one["reason"]]


def test_drctl_signs_for_the_person_and_the_deployed_function_asks_sts(stage: Stage) -> None:
    began = utc()
    done = stage.told("set-mode", "observe", "--by", "bob")
    arn = "arn:aws:sts::111122223333:assumed-role/dr-operator/bob"
    assert (done["ok"], done["by"]) == (True, f"bob ({arn})")
    # A cluster asks STS too, of every token that one of the functions shows it: only of bob's key, then.
    bob = speaker(stage.policy, "bob")
    assert bob
    key = key_of(bob).access_key
    asked = stage.calls(began, service="sts", operation="GetCallerIdentity", access_key=key)
    assert {(c.region, c.status) for c in asked} == {(stage.standby, 200)}
    lines = [str(e["text"]) for e in stage.timeline("platform")]
    assert f"mode observe → observe by bob ({arn})" in lines


def test_what_a_person_may_not_say_or_did_not_sign_is_refused(stage: Stage) -> None:
    observer = stage.drctl("set-mode", "automatic", "--by", "eve")
    assert observer.returncode == 1
    assert "eve may not say set-mode (roles: observer); allowed: ana, bob" in observer.stderr
    claimed = stage.drctl("set-mode", "automatic", "--by", "zoe")
    assert claimed.returncode == 1
    assert "needs a proven person, and it came without an identity" in claimed.stderr
    person = speaker(stage.policy, "ana")
    assert person is not None
    said = {"command": "set-mode", "mode": "observe", "id": "forged"}
    whole = signed(said, stage.policy, credentials=credentials_of(person), now=utc())
    forged = stage.invoke("command", whole | {"mode": "automatic"})
    assert not forged["ok"]
    assert "SignatureDoesNotMatch" in forged["because"]
    assert stage.book() is None or stage.book().mode == "observe"  # type: ignore[union-attr]  # it is not None


def test_while_sts_is_silent_nobody_is_proven_and_a_pause_still_bites(stage: Stage) -> None:
    fault = {"kind": "lose", "service": "sts", "region": stage.standby}
    stage.control("POST", "/faults", json=fault)
    try:
        unproven = stage.drctl("set-mode", "automatic", "--by", "ana")
        assert unproven.returncode == 1
        assert "could not be verified" in unproven.stderr
        assert "say it again, or use break-glass" in unproven.stderr.replace("\n", " ")
        paused = stage.told("pause", "--note", "look first")
        assert paused["ok"]
        assert paused["by"].startswith("ana (unproven: GET https://sts.us-west-2.amazonaws.com/")
    finally:
        stage.control("DELETE", "/faults")
    assert stage.told("resume", "--by", "ana")["ok"]


def test_in_observe_a_lost_region_is_recorded_and_told_and_nothing_is_touched(stage: Stage) -> None:
    began = utc()
    stage.break_region(stage.primary)

    def confirmed() -> bool:
        return any(i.scope == stage.primary and i.confirmed_at for i in stage.open())

    eventually(confirmed, within=40, what="a confirmed incident")

    def would() -> bool:
        return any(i.step("capacity").state is StepState.HELD for i in stage.open() if i.scope == stage.primary)

    eventually(would, within=30, what="a step held back by the mode")
    incident = next(i for i in stage.open() if i.scope == stage.primary)
    assert "observe" in incident.step("capacity").because
    eventually(lambda: stage.seen("pagerduty")["alerts"], within=20, what="a page")
    never(lambda: touching(stage, began), within=3)
    assert next(i for i in stage.open() if i.scope == stage.primary).moved is False


def touching(stage: Stage, since: Any) -> list[str]:
    """Calls of our functions that change something outside the desk's table and the notices."""
    # Lambda: the probe and the witness wake the desk.
    allowed = {"dynamodb", "ses", "lambda"}
    reads = ("Describe", "Get", "List", "Query")
    page = ("s3", "PutObject")
    return [
        f"{c.function} {c.service}:{c.operation}"
        for c in stage.ours(since)
        if c.service not in allowed and (c.service, c.operation) != page and not c.operation.startswith(reads)
    ]


def test_a_switch_that_is_deleted_while_nothing_is_open_rings_within_one_tick_and_is_resolved_when_it_is_back(
    stage: Stage,
) -> None:
    """In this mode nothing is touched, and it is looked at and told all the same."""

    def alerts(status: str) -> list[str]:
        found = [a for a in stage.seen("pagerduty")["alerts"] if a["dedup_key"].startswith("switch-lost")]
        return [a["dedup_key"] for a in found if a["status"] == status]

    switch = stage.policy.platform.traffic.switch
    assert isinstance(switch, MetricSwitch)
    cloudwatch = stage.client("cloudwatch", switch.region)
    (alarm,) = cloudwatch.describe_alarms(AlarmNames=[switch.alarm])["MetricAlarms"]
    eventually(lambda: stage.told("status")["switch"], within=30, what="the first look at the switch")
    cloudwatch.delete_alarms(AlarmNames=[switch.alarm])
    a_tick = 60 / SPEED + 15  # and what starting a function, a visit of the desk and a page take on a busy machine
    (opened,) = eventually(lambda: alerts("open"), within=a_tick, what="an alert about the switch")
    assert stage.world.serving() == stage.primary
    (finding,) = stage.told("status")["findings"]
    assert finding["finding"] == opened
    assert f"alarm {switch.alarm!r} does not exist" in finding["because"]
    assert "The traffic switch cannot be thrown" in stage.drctl("status").stdout
    wanted = cloudwatch.meta.service_model.operation_model("PutMetricAlarm").input_shape.members
    cloudwatch.put_metric_alarm(**{k: v for k, v in alarm.items() if k in wanted})
    assert eventually(lambda: alerts("resolved"), within=a_tick, what="its end") == [opened]
    eventually(lambda: stage.told("status")["findings"] == [], within=a_tick, what="a book without it")


def test_a_finding_of_the_primary_region_is_handed_on_to_the_responder_s_and_opens_a_suspicion(stage: Stage) -> None:
    """GuardDuty says it in its own region only."""
    kind = "UnauthorizedAccess:EC2/MaliciousIPCaller.Custom"
    stage.told("break", "finding", kind, "--region", stage.primary)

    def suspicion() -> str:
        return next((str(i.state) for i in stage.open() if i.scenario == "security-breach"), "")

    assert eventually(suspicion, within=30, what="a suspicion") == "suspecting"
