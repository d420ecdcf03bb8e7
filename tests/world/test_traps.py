"""What MiniStack gets wrong, and that the mends put it right: each pair of tests asks the same of both.

When a `…_unmended` test fails, MiniStack has been fixed: drop the mend it names from drctl/world/inside/mends.py.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import httpx2
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.model import ServiceModel
from botocore.parsers import QueryParser

from drctl.world.deploy import deploy
from drctl.world.inside.environments import AT_MOST
from tests.world.cloud import ACCOUNT, Cloud, eventually

pytestmark = pytest.mark.local
SNS, EVENTS = "sns.amazonaws.com", "events.amazonaws.com"


def subscribed(cloud: Cloud, name: str, endpoint: str, protocol: str = "lambda", region: str = "us-west-2") -> str:
    sns = cloud.client("sns", region)
    topic = str(sns.create_topic(Name=name)["TopicArn"])
    sns.subscribe(TopicArn=topic, Protocol=protocol, Endpoint=endpoint)
    return topic


def rule_to(cloud: Cloud, name: str, target: str, pattern: dict[str, Any]) -> None:
    events = cloud.client("events")
    events.put_rule(Name=name, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": target}])


def published(cloud: Cloud, name: str, **function: Any) -> dict[str, Any]:
    topic = subscribed(cloud, name, cloud.function(name, permits=SNS, **function))
    cloud.client("sns").publish(TopicArn=topic, Message="hello")
    record: dict[str, Any] = eventually(lambda: cloud.notes(name))[0]["Records"][0]["Sns"]
    return record


def test_topics_leave_message_attributes_out_unmended(unmended: Cloud) -> None:
    assert "MessageAttributes" not in published(unmended, "attributes")


def test_topics_send_empty_message_attributes(cloud: Cloud) -> None:
    record = published(cloud, "attributes")
    assert record["MessageAttributes"] == {}
    assert {"Subject", "SigningCertUrl", "UnsubscribeUrl"} <= set(record)


def delivered_to_a_failing_function(cloud: Cloud) -> None:
    """One event through a topic, one through a rule, to functions that fail on the first try, and a third, the control,
    invoked asynchronously."""
    topic = subscribed(cloud, "once-topic", cloud.function("once-topic", fails=1, permits=SNS))
    rule_to(cloud, "once-rule", cloud.function("once-rule", fails=1, permits=EVENTS), {"source": ["tests"]})
    cloud.client("sns").publish(TopicArn=topic, Message="hello")
    cloud.client("events").put_events(Entries=[{"Source": "tests", "DetailType": "d", "Detail": "{}"}])
    eventually(lambda: cloud.notes("once-topic") and cloud.notes("once-rule"))
    cloud.function("once-control", fails=1)
    cloud.client("lambda").invoke(FunctionName="once-control", InvocationType="Event", Payload=b"{}")
    eventually(lambda: len(cloud.notes("once-control")) == 2)


def test_topics_and_rules_try_once_unmended(unmended: Cloud) -> None:
    delivered_to_a_failing_function(unmended)
    assert len(unmended.notes("once-topic")) == 1
    assert len(unmended.notes("once-rule")) == 1


def test_topics_and_rules_try_again(cloud: Cloud) -> None:
    delivered_to_a_failing_function(cloud)
    eventually(lambda: len(cloud.notes("once-topic")) == 2)
    eventually(lambda: len(cloud.notes("once-rule")) == 2)


def delivered_without_permission(cloud: Cloud) -> None:
    topic = subscribed(cloud, "strangers", cloud.function("stranger"))
    cloud.client("sns").subscribe(TopicArn=topic, Protocol="lambda", Endpoint=cloud.function("friend", permits=SNS))
    cloud.client("sns").publish(TopicArn=topic, Message="hello")
    eventually(lambda: cloud.notes("friend"))


def test_topics_need_no_permission_unmended(unmended: Cloud) -> None:
    delivered_without_permission(unmended)
    assert eventually(lambda: unmended.notes("stranger"))


def test_topics_need_the_function_s_permission(cloud: Cloud) -> None:
    delivered_without_permission(cloud)
    assert cloud.notes("stranger") == []


def throttled_event_s_end(cloud: Cloud, name: str) -> tuple[str, Any]:
    """An asynchronous event to a function with no capacity, with a dead-letter queue: that queue's URL, and Lambda."""
    url, arn = cloud.queue(f"{name}-dead")
    cloud.function(name, DeadLetterConfig={"TargetArn": arn})
    aws = cloud.client("lambda")
    aws.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    aws.invoke(FunctionName=name, InvocationType="Event", Payload=b"{}")
    return url, aws


def test_throttled_events_are_given_up_in_seconds_unmended(unmended: Cloud) -> None:
    url, _ = throttled_event_s_end(unmended, "throttled")
    assert eventually(lambda: unmended.received(url))


def test_throttled_events_wait_for_capacity(cloud: Cloud) -> None:
    url, aws = throttled_event_s_end(cloud, "throttled")
    # By the time another function has failed and been tried again, three tries would have been used up.
    cloud.function("patience", fails=2)
    aws.invoke(FunctionName="patience", InvocationType="Event", Payload=b"{}")
    eventually(lambda: len(cloud.notes("patience")) == 3)
    assert cloud.received(url) == []
    aws.put_function_concurrency(FunctionName="throttled", ReservedConcurrentExecutions=1)
    assert eventually(lambda: cloud.notes("throttled"))


def refusals_of_a_burst(cloud: Cloud) -> list[str]:
    """What of twelve invocations at once of a function without environments was refused, and how."""
    arn = cloud.function("burst")
    once = Config(retries={"total_max_attempts": 1}, max_pool_connections=12)
    key = {"aws_access_key_id": ACCOUNT, "aws_secret_access_key": "local"}
    aws = boto3.client("lambda", "us-west-2", endpoint_url=cloud.url, config=once, **key)

    def invoke(_: int) -> str:
        try:
            aws.invoke(FunctionName=arn, Payload=b"{}")
        except ClientError as refused:
            return str(refused.response["Error"]["Code"])
        return ""

    with ThreadPoolExecutor(12) as pool:
        return [code for code in pool.map(invoke, range(12)) if code]


def test_a_burst_starts_processes_without_end_unmended(unmended: Cloud) -> None:
    assert refusals_of_a_burst(unmended) == []


def test_a_burst_is_throttled_at_what_the_machine_can_bear(cloud: Cloud) -> None:
    refused = refusals_of_a_burst(cloud)
    assert set(refused) == {"TooManyRequestsException"}
    assert len(refused) <= 12 - AT_MOST


PATIENT = """
import os, time
if os.path.exists({broken!r}):
    raise ImportError("this environment does not start")
def handler(event, _):
    open({begun!r}, "w").close()
    while not os.path.exists({broken!r} + ".met"):
        time.sleep(0.05)
    return "to its end"
"""


def at_work_while_another_environment_does_not_start(cloud: Cloud, folder: Path) -> str:
    """What a function answers that is at work when a second environment of it fails to start."""
    broken, begun = folder / "broken", folder / "begun"
    arn = cloud.function("patient", code=PATIENT.format(broken=str(broken), begun=str(begun)), Timeout=60)
    aws = cloud.client("lambda")
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(lambda: json.load(aws.invoke(FunctionName=arn, Payload=b"{}")["Payload"]))
        eventually(begun.exists)
        broken.touch()
        answer = cloud.client("lambda").invoke(FunctionName=arn, Payload=b"{}")
        assert answer["FunctionError"] == "Unhandled"
        (folder / "broken.met").touch()
        return str(first.result(30))


def test_an_environment_that_does_not_start_ends_the_others_unmended(unmended: Cloud, tmp_path: Path) -> None:
    assert "to its end" not in at_work_while_another_environment_does_not_start(unmended, tmp_path)


def test_an_environment_that_does_not_start_ends_alone(cloud: Cloud, tmp_path: Path) -> None:
    assert at_work_while_another_environment_does_not_start(cloud, tmp_path) == "to its end"


def alarm_as_an_older_sdk_is_told(cloud: Cloud) -> dict[str, Any]:
    """By the query protocol, as botocore reads it."""
    cloud.alarm("described", Dimensions=[{"Name": "a", "Value": "b<c"}], TreatMissingData="ignore")
    loader = botocore.session.get_session().get_component("data_loader")
    model = ServiceModel(loader.load_service_model("cloudwatch", "service-2"), "cloudwatch")
    headers = {
        "Authorization": f"AWS4-HMAC-SHA256 Credential={ACCOUNT}/20261123/us-west-2/monitoring/aws4_request, "
        "SignedHeaders=host, Signature=x"
    }
    form = {"Action": "DescribeAlarms", "Version": "2010-08-01", "AlarmNames.member.1": "described"}
    answer = httpx2.post(cloud.url, data=form, headers=headers, trust_env=False)
    given = {"status_code": answer.status_code, "headers": dict(answer.headers), "body": answer.content}
    shape = model.operation_model("DescribeAlarms").output_shape
    (alarm,) = QueryParser().parse(given, shape)["MetricAlarms"]
    return dict(alarm)


def test_an_older_sdk_is_told_half_of_an_alarm_unmended(unmended: Cloud) -> None:
    assert "Statistic" not in alarm_as_an_older_sdk_is_told(unmended)


def test_an_older_sdk_is_told_the_whole_of_an_alarm(cloud: Cloud) -> None:
    told = alarm_as_an_older_sdk_is_told(cloud)
    assert (told["Statistic"], told["Period"], told["TreatMissingData"]) == ("Sum", 60, "ignore")
    assert told["Dimensions"] == [{"Name": "a", "Value": "b<c"}]
    assert told["ActionsEnabled"] is True
    assert isinstance(told["StateUpdatedTimestamp"], datetime)


WHERE = """
import os, time
def handler(event, _):
    time.sleep(1)
    return os.path.realpath(__file__)
"""


def files_of_two_environments(cloud: Cloud) -> set[str]:
    arn = cloud.function("where", code=WHERE, Timeout=30)
    aws = cloud.client("lambda")
    with ThreadPoolExecutor(2) as pool:
        return set(pool.map(lambda _: json.load(aws.invoke(FunctionName=arn, Payload=b"{}")["Payload"]), range(2)))


def test_every_environment_unpacks_the_code_unmended(unmended: Cloud) -> None:
    assert len(files_of_two_environments(unmended)) == 2


def test_environments_share_the_unpacked_code(cloud: Cloud) -> None:
    (where,) = files_of_two_environments(cloud)
    assert where.endswith("noting.py")


def told_of_an_alarm(cloud: Cloud, name: str) -> tuple[list[Any], dict[str, Any]]:
    """What EventBridge and a topic tell of an alarm's change: the events in a queue, and the topic's message."""
    url, arn = cloud.queue(f"{name}-events")
    rule_to(cloud, name, arn, {"source": ["aws.cloudwatch", "control"]})
    topic_url, topic_queue = cloud.queue(f"{name}-topic")
    topic = subscribed(cloud, name, topic_queue, "sqs")
    aws = cloud.alarm(name, AlarmActions=[topic])
    aws.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="by hand")
    message = eventually(lambda: cloud.received(topic_url))[0]["Message"]
    cloud.client("events").put_events(Entries=[{"Source": "control", "DetailType": "d", "Detail": "{}"}])
    eventually(lambda: any(event["source"] == "control" for event in cloud.received(url)))
    return [event for event in cloud.received(url) if event["source"] != "control"], json.loads(message)


def test_alarms_are_not_on_eventbridge_and_have_no_arn_unmended(unmended: Cloud) -> None:
    events, message = told_of_an_alarm(unmended, "told")
    assert events == []
    assert "AlarmArn" not in message


def test_alarms_are_on_eventbridge_and_have_an_arn(cloud: Cloud) -> None:
    events, message = told_of_an_alarm(cloud, "told")
    arn = f"arn:aws:cloudwatch:us-west-2:{ACCOUNT}:alarm:told"
    assert message["AlarmArn"] == arn
    assert events[0]["detail-type"] == "CloudWatch Alarm State Change"
    assert events[0]["resources"] == [arn]
    assert events[0]["detail"]["state"]["value"] == "ALARM"


def alarm_invokes(cloud: Cloud, name: str) -> None:
    function = cloud.function(name, permits="lambda.alarms.cloudwatch.amazonaws.com")
    url, queue = cloud.queue(f"{name}-topic")
    aws = cloud.alarm(name, AlarmActions=[function, subscribed(cloud, name, queue, "sqs")])
    aws.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="by hand")
    eventually(lambda: cloud.received(url))


def test_alarms_invoke_no_function_unmended(unmended: Cloud) -> None:
    alarm_invokes(unmended, "direct")
    assert unmended.notes("direct") == []


def test_alarms_invoke_functions(cloud: Cloud) -> None:
    alarm_invokes(cloud, "direct")
    event = eventually(lambda: cloud.notes("direct"))[0]
    assert event["source"] == "aws.cloudwatch"
    assert event["alarmData"]["state"]["value"] == "ALARM"


def a_neighbour_s_datapoint(cloud: Cloud) -> str:
    dimensions = [{"Name": "HealthCheckId", "Value": "mine"}]
    others = [{"Name": "HealthCheckId", "Value": "another"}]
    aws = cloud.alarm("mine", MetricName="Mixed", Dimensions=dimensions)
    aws.put_metric_data(Namespace="N", MetricData=[{"MetricName": "Mixed", "Dimensions": others, "Value": 0}])
    # The control: an alarm over the other's dimensions, which must see it.
    cloud.alarm("another", MetricName="Mixed", Dimensions=others)
    eventually(lambda: cloud.state("another") == "ALARM")
    return cloud.state("mine")


def test_alarms_see_each_other_s_dimensions_unmended(unmended: Cloud) -> None:
    assert a_neighbour_s_datapoint(unmended) == "ALARM"


def test_alarms_see_only_their_own_dimensions(cloud: Cloud) -> None:
    assert a_neighbour_s_datapoint(cloud) == "INSUFFICIENT_DATA"


def described_in_the_query_protocol(cloud: Cloud, name: str) -> str:
    """What an SDK older than CloudWatch's CBOR reads: the one in Lambda's Python 3.11 is."""
    cloud.client("cloudwatch").put_metric_alarm(
        AlarmName=name,
        Namespace="Tests",
        MetricName=name,
        Statistic="Minimum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="LessThanThreshold",
    )
    credential = f"{ACCOUNT}/20260101/us-west-2/monitoring/aws4_request"
    return httpx2.post(
        cloud.url,
        data={"Action": "DescribeAlarms", "Version": "2010-08-01", "AlarmNames.member.1": name},
        headers={"Authorization": f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=x"},
        trust_env=False,
    ).text


def test_described_alarms_say_nothing_of_time_unmended(unmended: Cloud) -> None:
    text = described_in_the_query_protocol(unmended, "timeless")
    assert "<AlarmName>timeless</AlarmName>" in text
    assert "StateUpdatedTimestamp" not in text


def test_described_alarms_say_since_when(cloud: Cloud) -> None:
    text = described_in_the_query_protocol(cloud, "timely")
    assert re.search(r"<StateUpdatedTimestamp>20\d\d-\d\d-\d\dT[\d:]+\+00:00</StateUpdatedTimestamp>", text)


def test_silence_raises_no_alarm_unmended(unmended: Cloud) -> None:
    aws = unmended.alarm("silent", MetricName="Silent", Period=10, TreatMissingData="breaching")
    # Even a look at all alarms, which any datapoint brings about, leaves it as it is.
    aws.put_metric_data(Namespace="N", MetricData=[{"MetricName": "Any", "Value": 0}])
    assert unmended.state("silent") == "INSUFFICIENT_DATA"


def test_silence_raises_an_alarm_after_its_periods(cloud: Cloud) -> None:
    cloud.alarm("silent", MetricName="Silent", TreatMissingData="breaching", EvaluationPeriods=2)
    assert cloud.state("silent") == "INSUFFICIENT_DATA"
    eventually(lambda: cloud.state("silent") == "ALARM")


def subscribed_by_a_stack(cloud: Cloud, name: str) -> list[Any]:
    """What an endpoint is posted when a stack subscribes it to a topic."""
    heard: list[Any] = []

    class Endpoint(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Endpoint) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        endpoint = f"http://127.0.0.1:{server.server_port}/"
        topic = {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": name}}
        to = {"TopicArn": {"Ref": "Topic"}, "Protocol": "http", "Endpoint": endpoint}
        resources = {"Topic": topic, "To": {"Type": "AWS::SNS::Subscription", "Properties": to}}
        deploy(cloud.url, "us-west-2", stack=name, template={"Resources": resources}, account=ACCOUNT)
        # A subscription of the API's, the control: its endpoint is asked either way.
        other = str(cloud.client("sns").create_topic(Name=f"{name}-other")["TopicArn"])
        cloud.client("sns").subscribe(TopicArn=other, Protocol="http", Endpoint=endpoint)
        eventually(lambda: [h for h in heard if h["TopicArn"] == other])
        server.shutdown()
    return [h for h in heard if h["TopicArn"] != other]


def test_a_stack_s_subscriber_is_never_asked_unmended(unmended: Cloud) -> None:
    assert subscribed_by_a_stack(unmended, "asked") == []


def test_a_stack_s_subscriber_is_asked_to_confirm(cloud: Cloud) -> None:
    (asked,) = subscribed_by_a_stack(cloud, "asked")
    assert asked["Type"] == "SubscriptionConfirmation"
    assert httpx2.get(asked["SubscribeURL"], trust_env=False).status_code == 200


def test_a_link_finds_no_topic_of_another_region_unmended(unmended: Cloud) -> None:
    arn = str(unmended.client("sns").create_topic(Name="linked")["TopicArn"])
    link = httpx2.get(f"{unmended.url}/?Action=ConfirmSubscription&TopicArn={arn}&Token=1", trust_env=False)
    assert link.status_code == 404


WRITING = """
import json


def handler(event, context):
    metric = {"Namespace": "Emf", "Dimensions": [["service"]], "Metrics": [{"Name": "Age", "Unit": "Seconds"}]}
    print(json.dumps({"_aws": {"Timestamp": 1, "CloudWatchMetrics": [metric]}, "service": "responder", "Age": [7.5]}))
"""


def written_into_a_log(cloud: Cloud) -> list[Any]:
    """The metrics of a namespace into whose format a function has written one line."""
    cloud.function("writing", code=WRITING)
    cloud.client("lambda").invoke(FunctionName="writing", Payload=b"{}")
    found: list[Any] = cloud.client("cloudwatch").list_metrics(Namespace="Emf")["Metrics"]
    return found


def test_a_log_s_metrics_are_lost_unmended(unmended: Cloud) -> None:
    assert written_into_a_log(unmended) == []


def test_a_log_s_metrics_are_metrics_of_their_dimensions(cloud: Cloud) -> None:
    found = written_into_a_log(cloud)
    worn = [{"Name": "service", "Value": "responder"}]
    assert found == [{"Namespace": "Emf", "MetricName": "Age", "Dimensions": worn}]
    stats = cloud.client("cloudwatch").get_metric_statistics(
        Namespace="Emf",
        MetricName="Age",
        Dimensions=worn,
        StartTime=datetime.now(UTC) - timedelta(minutes=5),
        EndTime=datetime.now(UTC) + timedelta(minutes=1),
        Period=60,
        Statistics=["Maximum"],
    )
    assert [p["Maximum"] for p in stats["Datapoints"]] == [7.5]


def imported(cloud: Cloud, module: str) -> dict[str, Any]:
    if module == "ministack":
        cloud.function("importing")
    answer = cloud.client("lambda").invoke(FunctionName="importing", Payload=json.dumps({"import": module}).encode())
    read: dict[str, Any] = {"payload": json.loads(answer["Payload"].read()), "error": answer.get("FunctionError")}
    return read


def test_functions_see_ministack_s_packages_unmended(unmended: Cloud) -> None:
    assert imported(unmended, "ministack")["payload"] == "ministack"


def test_functions_see_only_the_runtime_s_packages(cloud: Cloud) -> None:
    assert "No module named 'ministack'" in imported(cloud, "ministack")["payload"]["errorMessage"]
    assert "No module named 'pip'" in imported(cloud, "pip")["payload"]["errorMessage"]
    assert "No module named 'drctl'" in imported(cloud, "drctl")["payload"]["errorMessage"]
    assert imported(cloud, "boto3") == {"payload": "boto3", "error": None}


def test_a_topic_reaches_a_function_in_another_region(cloud: Cloud) -> None:
    topic = subscribed(cloud, "far", cloud.function("far", permits=SNS), region="us-east-1")
    aws = cloud.alarm("far", "us-east-1", AlarmActions=[topic])
    aws.set_alarm_state(AlarmName="far", StateValue="ALARM", StateReason="by hand")
    record = eventually(lambda: cloud.notes("far"))[0]["Records"][0]["Sns"]
    assert json.loads(record["Message"])["Region"] == "US East (N. Virginia)"


def handed_on(cloud: Cloud) -> list[Any]:
    """What arrives on this region's bus of an event that was put on another region's; one of its own is the control."""
    url, arn = cloud.queue("handed-on")
    rule_to(cloud, "handed-on", arn, {"source": ["far", "control"]})
    far = cloud.client("events", "us-east-1")
    far.put_rule(Name="hands-on", EventPattern=json.dumps({"source": ["far"]}))
    bus = f"arn:aws:events:us-west-2:{ACCOUNT}:event-bus/default"
    role = f"arn:aws:iam::{ACCOUNT}:role/hands-on"
    far.put_targets(Rule="hands-on", Targets=[{"Id": "1", "Arn": bus, "RoleArn": role}])
    far.put_events(Entries=[{"Source": "far", "DetailType": "d", "Detail": '{"n": 1}'}])
    cloud.client("events").put_events(Entries=[{"Source": "control", "DetailType": "d", "Detail": "{}"}])
    eventually(lambda: any(event["source"] == "control" for event in cloud.received(url)))
    return [(e["source"], e["detail"]) for e in cloud.received(url) if e["source"] != "control"]


def test_no_rule_reaches_a_bus_in_another_region_unmended(unmended: Cloud) -> None:
    assert handed_on(unmended) == []


def test_a_rule_reaches_a_bus_in_another_region(cloud: Cloud) -> None:
    assert handed_on(cloud) == [("far", {"n": 1})]


def handed_to_a_region_that_nobody_has_asked(cloud: Cloud, region: str) -> list[Any]:
    """The same where a stack has made the rule of that region: nobody has called EventBridge there."""
    url, arn = cloud.queue("handed-on", region)
    seen = {"Type": "AWS::Events::Rule", "Properties": {"Name": "seen", "EventPattern": {"source": ["quiet"]}}}
    seen["Properties"] |= {"Targets": [{"Id": "1", "Arn": arn}]}  # type: ignore[operator]
    template = json.dumps({"Resources": {"Seen": seen}})
    cloud.client("cloudformation", region).create_stack(StackName="quiet", TemplateBody=template)
    far = cloud.client("events", "us-east-1")
    far.put_rule(Name="to-quiet", EventPattern=json.dumps({"source": ["quiet"]}))
    bus = f"arn:aws:events:{region}:{ACCOUNT}:event-bus/default"
    far.put_targets(Rule="to-quiet", Targets=[{"Id": "1", "Arn": bus, "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/on"}])
    far.put_events(Entries=[{"Source": "quiet", "DetailType": "d", "Detail": '{"n": 2}'}])
    return [e["detail"] for e in eventually(lambda: cloud.received(url, region))]


def test_a_rule_reaches_the_default_bus_of_a_region_in_which_nobody_has_called(cloud: Cloud) -> None:
    assert handed_to_a_region_that_nobody_has_asked(cloud, "eu-west-1") == [{"n": 2}]


def test_nobody_may_say_what_only_an_aws_service_says(cloud: Cloud) -> None:
    said = {"Source": "aws.health", "DetailType": "AWS Health Event", "Detail": "{}"}
    (entry,) = cloud.client("events").put_events(Entries=[said])["Entries"]
    assert entry["ErrorCode"] == "NotAuthorizedForSourceException"


def sends_mail(cloud: Cloud) -> str:
    """The code that a user gets who may send mail as ann, and does; empty when it is sent."""
    cloud.client("sesv2").create_email_identity(EmailIdentity="ann@example.org")
    user = cloud.user("mails", "ses:SendEmail", f"arn:aws:ses:us-west-2:{ACCOUNT}:identity/ann@example.org")
    text = {"Data": "hello"}
    return refusal(
        lambda: user("sesv2").send_email(
            FromEmailAddress="Ann <ann@example.org>",
            Destination={"ToAddresses": ["bob@example.org"]},
            Content={"Simple": {"Subject": text, "Body": {"Text": text}}},
        )
    )


def refusal(call: Callable[[], Any]) -> str:
    try:
        call()
    except ClientError as refused:
        return str(refused.response["Error"]["Code"])
    return ""


def test_mail_is_asked_for_every_identity_unmended(unmended: Cloud) -> None:
    assert sends_mail(unmended) == "AccessDeniedException"


def test_mail_is_asked_for_the_sender_s_identity(cloud: Cloud) -> None:
    assert sends_mail(cloud) == ""


def describes_alarms(cloud: Cloud) -> str:
    """The code that a user gets who may look at one alarm, and does; empty when it is shown."""
    cloud.alarm("looked-at")
    user = cloud.user("looks", "cloudwatch:DescribeAlarms", f"arn:aws:cloudwatch:us-west-2:{ACCOUNT}:alarm:looked-at")
    return refusal(lambda: user("cloudwatch").describe_alarms(AlarmNames=["looked-at"]))


def test_a_named_alarm_is_asked_for_as_every_alarm_unmended(unmended: Cloud) -> None:
    assert describes_alarms(unmended).startswith("AccessDenied")


def test_who_may_see_an_alarm_is_left_to_the_gate(cloud: Cloud) -> None:
    assert describes_alarms(cloud) == ""


def made_if_the_list_is_not_empty(cloud: Cloud, name: str, listed: str) -> bool:
    """Whether a stack made what it makes only for a list that is not empty, as the heart's network is."""
    joined = {"Fn::Join": ["", {"Ref": "Listed"}]}
    template = {
        "Parameters": {"Listed": {"Type": "CommaDelimitedList", "Default": ""}},
        "Conditions": {"HasSome": {"Fn::Not": [{"Fn::Equals": [joined, ""]}]}},
        "Resources": {
            "Always": {"Type": "AWS::SNS::Topic"},
            "Only": {"Type": "AWS::SNS::Topic", "Condition": "HasSome"},
        },
    }
    stacks = cloud.client("cloudformation")
    given = [{"ParameterKey": "Listed", "ParameterValue": listed}] if listed else []
    stacks.create_stack(StackName=name, TemplateBody=json.dumps(template), Parameters=given)
    eventually(lambda: stacks.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE")
    made = {r["LogicalResourceId"] for r in stacks.describe_stack_resources(StackName=name)["StackResources"]}
    assert "Always" in made
    return "Only" in made


def test_an_empty_list_is_joined_to_something_unmended(unmended: Cloud) -> None:
    assert made_if_the_list_is_not_empty(unmended, "empty-list", "")


def test_an_empty_list_is_joined_to_nothing_and_another_is_not(cloud: Cloud) -> None:
    assert not made_if_the_list_is_not_empty(cloud, "empty-list", "")
    assert made_if_the_list_is_not_empty(cloud, "some-list", "subnet-1, subnet-2")


def test_a_signature_by_a_key_that_has_another_secret_is_refused(cloud: Cloud) -> None:
    """MiniStack with AUTH=true verifies what users and roles sign; a key that is an account's number it believes."""
    queue, arn = cloud.queue("signed")
    signed = cloud.user("signs", "sqs:SendMessage", arn)("sqs")
    signed.send_message(QueueUrl=queue, MessageBody="{}")
    key = signed._request_signer._credentials.access_key
    forged = boto3.client(
        "sqs", region_name="us-west-2", endpoint_url=cloud.url, aws_access_key_id=key, aws_secret_access_key="another"
    )
    assert refusal(lambda: forged.send_message(QueueUrl=queue, MessageBody="{}")).endswith("SignatureDoesNotMatch")


def locking(s3: Any, bucket: str) -> str:
    region = s3.meta.region_name
    where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    s3.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True, **where)
    return bucket


def a_day() -> dict[str, Any]:
    return {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": datetime.now(UTC) + timedelta(days=1)}


def lock_of_an_upload(cloud: Cloud, bucket: str) -> str:
    """How an object is locked that went up in parts under Object Lock."""
    s3 = cloud.client("s3")
    told = {"Bucket": locking(s3, bucket), "Key": "a"}
    upload = s3.create_multipart_upload(**told, **a_day())["UploadId"]
    tag = s3.upload_part(**told, UploadId=upload, PartNumber=1, Body=b"whole")["ETag"]
    s3.complete_multipart_upload(**told, UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": tag}]})
    return str(s3.head_object(**told).get("ObjectLockMode", ""))


def test_uploads_lose_their_lock_unmended(unmended: Cloud) -> None:
    assert lock_of_an_upload(unmended, "lock-of-parts") == ""


def test_uploads_keep_their_lock(cloud: Cloud) -> None:
    assert lock_of_an_upload(cloud, "lock-of-parts") == "COMPLIANCE"


def lock_of_a_copy(cloud: Cloud, bucket: str) -> str:
    """How an object is locked that was copied with a lock of its own; the source has none."""
    s3 = cloud.client("s3")
    s3.put_object(Bucket=locking(s3, bucket), Key="a", Body=b"whole")
    s3.copy_object(Bucket=bucket, Key="b", CopySource={"Bucket": bucket, "Key": "a"}, **a_day())
    return str(s3.head_object(Bucket=bucket, Key="b").get("ObjectLockMode", ""))


def test_copies_lose_their_lock_unmended(unmended: Cloud) -> None:
    assert lock_of_a_copy(unmended, "lock-of-copies") == ""


def test_copies_keep_their_lock(cloud: Cloud) -> None:
    assert lock_of_a_copy(cloud, "lock-of-copies") == "COMPLIANCE"
