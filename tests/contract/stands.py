"""What the store's contract is tried on: moto in this process, MiniStack and dynalite as servers of their own.

dynalite is an independent implementation of DynamoDB (https://github.com/architect/dynalite), pinned by the lock file
under node/. Servers listen on loopback only, on ports that were free, and end with the tests.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import selectors
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import boto3
from botocore.config import Config

ROOT: Final = Path(__file__).parents[2]
NODE: Final = Path(__file__).parent / "node"
REGION: Final = "us-west-2"
ACCOUNT: Final = "111122223333"
STARTS_WITHIN: Final = 20.0
_ONCE: Final = Config(
    retries={"total_max_attempts": 1}, connect_timeout=2, read_timeout=20, max_pool_connections=4, tcp_keepalive=True
)


def client(url: str | None) -> Any:
    """A DynamoDB client that tries once; `url` None is whatever intercepts calls in this process."""
    return boto3.client(
        "dynamodb",
        region_name=REGION,
        endpoint_url=url,
        aws_access_key_id=ACCOUNT,
        aws_secret_access_key="local",
        config=_ONCE,
    )


def table(dynamodb: Any, name: str) -> str:
    """Makes the responder's table; returns when it can be used."""
    dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "S"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    dynamodb.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 20})
    return name


def installed() -> Path:
    """dynalite's program; `npm ci` runs when the lock file is not what was installed. One process at a time."""
    program = NODE / "node_modules" / "dynalite" / "cli.js"
    marker = NODE / "node_modules" / ".lock.sha256"
    digest = hashlib.sha256((NODE / "package-lock.json").read_bytes()).hexdigest()
    with (NODE / ".npmrc").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (program.exists() and marker.exists() and marker.read_text() == digest):
            command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            done = subprocess.run(command, cwd=NODE, check=False, capture_output=True, text=True)
            if done.returncode:
                raise RuntimeError(f"npm ci in {NODE} failed: {done.stderr.strip()[-1000:]}")
            marker.write_text(digest)
    return program


@contextmanager
def dynalite(folder: Path) -> Iterator[str]:
    """The URL of a running dynalite. It takes port 0 for its default, so a start of our own picks a free one."""
    node = shutil.which("node")
    if node is None:
        raise RuntimeError("node is not installed; the second DynamoDB needs node 20")
    program = installed()
    start = (
        f"const s = require({json.dumps(str(program.parent))})({{createTableMs: 0}});"
        "s.listen(0, '127.0.0.1', () => console.log(s.address().port));"
    )
    with (folder / "dynalite.log").open("wb") as log:
        process = subprocess.Popen([node, "-e", start], stdout=subprocess.PIPE, stderr=log, start_new_session=True)
    assert process.stdout is not None
    try:
        with selectors.DefaultSelector() as waiting:
            waiting.register(process.stdout, selectors.EVENT_READ)
            line = process.stdout.readline() if waiting.select(STARTS_WITHIN) else b""
        if not line.strip().isdigit():
            raise RuntimeError(f"dynalite did not start within {STARTS_WITHIN:.0f} s; its log is {folder}")
        yield f"http://127.0.0.1:{int(line)}"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
