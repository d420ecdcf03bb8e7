"""A small Chalice app with one handler of each kind that the real one has; each writes down what it was given."""

import json
import os
import sys
from typing import Any

import boto3
from chalice import Chalice, Rate
from chalicelib.notes import note

app = Chalice(app_name="fixture")


@app.on_sns_message(topic="arn:aws:sns:us-west-2:111122223333:alarms")
def topic(event: Any) -> None:
    note("topic", event.to_dict() | {"subject_seen": event.subject})


@app.on_cw_event({"source": ["aws.cloudwatch"], "detail-type": ["CloudWatch Alarm State Change"]})
def rule(event: Any) -> None:
    note("rule", event.to_dict())


@app.schedule(Rate(1, unit=Rate.MINUTES))
def tick(event: Any) -> None:
    note("tick", event.to_dict())


@app.lambda_function()
def pure(event: Any, _: Any) -> Any:
    if event.get("fail"):
        note("pure", event)
        raise ValueError("asked to fail")
    if "import" in event:
        __import__(event["import"])
    return {
        "prefix": sys.prefix,
        "boto3": boto3.__version__,
        "region": os.environ["AWS_REGION"],
        "seen": {k: v for k, v in os.environ.items() if k.startswith(("PYTHON", "VIRTUAL", "DRCTL", "HOME"))},
        "event": json.loads(json.dumps(event)),
    }
