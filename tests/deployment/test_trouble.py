"""Who hears of the responder's own trouble: from which alarms, how soon, and by whom."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from chalicelib import names, vitals
from chalicelib.core import sending
from chalicelib.meter import metered
from chalicelib.policy.load import load
from chalicelib.vitals import TOLD_WITHIN, Watch
from drctl.deployment.agents import witness
from drctl.deployment.primary import primary
from drctl.deployment.resources import resources
from drctl.deployment.trouble import TOPIC, WATCHED
from tests.deployment.conftest import ROOT

POLICY = load(ROOT / "policies")
WHOLE: dict[str, Any] = resources(POLICY)["Resources"]
TEMPLATE = {n: r for n, r in WHOLE.items() if "Type" in r}
"""Without what only merges with a function of Chalice's."""
WITNESS: dict[str, Any] = witness(POLICY)["Resources"]
PRIMARY: dict[str, Any] = primary(POLICY)["Resources"]
ALARMS = {
    r["Properties"]["AlarmName"].removeprefix("neurectomy-dr-"): r["Properties"]
    for r in (*TEMPLATE.values(), *WITNESS.values(), *PRIMARY.values())
    if r["Type"] == "AWS::CloudWatch::Alarm" and r["Properties"].get("AlarmActions") == [{"Ref": TOPIC}]
}
OWN = {n: a for n, a in ALARMS.items() if a["Namespace"] == names.metrics_namespace(POLICY)}
KINDS = {
    "missing ticks": ("tick-stands-still", vitals.TICK),
    "an undrained inbox": ("inbox-not-drained", vitals.INBOX),
    "dead letters": ("dead-letters-there", vitals.DEAD),
    "events nobody could handle": ("events-left", vitals.QUEUES),
    "a failing channel": ("channel-pagerduty-fails", vitals.CHANNEL),
    "nothing heard of the responder": ("responder-unheard", vitals.HEARD),
    "an incident set aside": ("incident-set-aside", vitals.ASIDE),
}


@pytest.mark.parametrize("kind", KINDS)
def test_people_are_told_of_it_within_five_minutes(kind: str) -> None:
    name, watch = KINDS[kind]
    alarm = ALARMS[name]
    assert alarm["MetricName"] == watch.metric
    seen = timedelta(seconds=alarm["Period"] * alarm["EvaluationPeriods"])
    assert watch.after + watch.every + seen + vitals.SETTLES == watch.told_within <= TOLD_WITHIN


def test_the_bounds_are_reckoned_with_what_the_responder_really_takes() -> None:
    """A gauge of an age is above its threshold as late as the age itself; a notice has failed after its last try."""
    for watch in (vitals.TICK, vitals.INBOX):
        assert watch.after.total_seconds() == watch.above
    waits = sum((sending.TELL_AGAIN * 2**n for n in range(sending.TELL_TRIES - 1)), timedelta())
    assert waits + sending.TELL_TRIES * sending.TELL_TIMEOUT == vitals.CHANNEL.after
    functions = json.loads((ROOT / ".chalice" / "config.json").read_text())["stages"]["prod"]["lambda_functions"]
    # What is published every minute is published by what runs every minute.
    for name in ("TickEvent", "ProbeEvent"):
        assert name in {e for r in WHOLE.values() for e in r["Properties"].get("Events", {})}
    assert {"tick", "probe"} <= set(functions)


def test_every_number_that_is_watched_has_an_alarm_and_every_channel_one_of_its_own() -> None:
    assert {a["MetricName"] for a in OWN.values()} == {*(w.metric for w in vitals.WATCHES), vitals.SYNTHETIC_AGE}
    channels = {a["Dimensions"][1]["Value"] for n, a in OWN.items() if n.startswith("channel-")}
    assert channels == {c.name for c in POLICY.notifications.channels}


@pytest.mark.parametrize("name", sorted(OWN))
def test_an_alarm_looks_where_the_responder_publishes(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """By the very line that the meter writes: namespace, metric and every dimension, or it would never see one."""
    alarm = OWN[name]
    worn = {d["Name"]: d["Value"] for d in alarm["Dimensions"]}
    metered(POLICY)(alarm["MetricName"], 3, **{k: v for k, v in worn.items() if k != "service"})
    line = json.loads(capsys.readouterr().out)
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == alarm["Namespace"]
    assert [m["Name"] for m in directive["Metrics"]] == [alarm["MetricName"]]
    assert [sorted(names_) for names_ in directive["Dimensions"]] == [sorted(worn)]
    assert {name_: line[name_] for name_ in worn} == worn
    assert line[alarm["MetricName"]] == [3.0]


@pytest.mark.parametrize(("name", "watch"), [(n, w) for n, (w, _) in WATCHED.items()])
def test_silence_is_trouble_where_it_says_something_and_else_it_is_none(name: str, watch: Watch) -> None:
    assert ALARMS[name]["TreatMissingData"] == ("breaching" if watch.silence else "notBreaching")
    assert watch.silence == (watch is vitals.TICK)


def test_what_happened_once_is_never_said_to_be_over() -> None:
    once = {n for n, a in ALARMS.items() if "OKActions" not in a}
    assert once == {
        *(f"{function}-errors" for function in names.FUNCTIONS),
        *(f"channel-{c.name}-fails" for c in POLICY.notifications.channels),
        *("dead-letters-there", "incident-set-aside", "alarm-undelivered"),
    }


def test_whoever_is_woken_reads_what_it_means() -> None:
    for name, alarm in ALARMS.items():
        assert alarm["AlarmDescription"].startswith("NEURECTOMY's disaster-recovery responder: "), name
        assert len(alarm["AlarmDescription"]) <= 1024


@pytest.mark.parametrize("template", [TEMPLATE, WITNESS, PRIMARY], ids=["standby", "witness", "primary"])
def test_each_topic_is_heard_by_whom_policy_names_and_the_pager_s_address_stands_in_no_template(
    template: dict[str, Any],
) -> None:
    found = [r["Properties"] for r in template.values() if r["Type"] == "AWS::SNS::Subscription"]
    heard = [s for s in found if s["TopicArn"] == {"Ref": TOPIC}]
    assert [(s["TopicArn"], s["Protocol"], s["Endpoint"]) for s in heard] == [
        ({"Ref": TOPIC}, "email", "dr-trouble@neurectomy.io"),
        ({"Ref": TOPIC}, "https", "{{resolve:secretsmanager:neurectomy/responder-trouble:SecretString:url}}"),
    ]


def test_the_witness_says_that_nothing_was_heard_and_not_that_the_responder_is_down() -> None:
    said = ALARMS["responder-unheard"]["AlarmDescription"]
    assert "Nothing was heard of the responder in us-east-2" in said
    assert "cannot be told apart" in said
    assert ALARMS["responder-unheard"] in [r["Properties"] for r in WITNESS.values()], "it stands in its own region"


def test_an_alarm_that_could_not_be_delivered_is_told_where_it_stands() -> None:
    alarm = PRIMARY["AlarmUndelivered"]["Properties"]
    assert (alarm["Namespace"], alarm["MetricName"]) == ("AWS/SNS", "NumberOfNotificationsRedrivenToDlq")
    assert alarm["Dimensions"] == [{"Name": "TopicName", "Value": {"Fn::GetAtt": ["AlarmTopic", "TopicName"]}}]


def test_no_function_of_the_responder_stands_between_an_alarm_and_the_people() -> None:
    for alarm in ALARMS.values():
        assert alarm["AlarmActions"] == [{"Ref": TOPIC}]
    listens = [r for r in TEMPLATE.values() if r["Type"] == "AWS::SNS::Subscription"]
    assert {s["Properties"]["Protocol"] for s in listens} == {"email", "https"}
