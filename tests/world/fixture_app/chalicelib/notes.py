import json
import os
import time
from typing import Any

import boto3


def note(kind: str, event: Any) -> None:
    """Puts what arrived into a bucket, through the gate like any other call; fails on purpose while told to."""
    s3 = boto3.client("s3")
    key = f"{kind}/{time.time_ns()}"
    s3.put_object(Bucket=os.environ["NOTES"], Key=key, Body=json.dumps({"at": time.time(), "event": event}).encode())
    if kind == os.environ.get("FAILS") and event:
        raise RuntimeError(f"{kind} fails, as it was told to")
