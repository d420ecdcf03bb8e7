"""A versioned bucket on moto, and a step that looks and calls on it as the desk would have it do.

moto does as S3 for what is used here (tests/actions/test_s3_stands.py shows what, and what it leaves out); the moments
of versions are set in its model, since it knows no other than now.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import boto3
import botocore.session
import pytest
from botocore.exceptions import ReadTimeoutError
from botocore.loaders import Loader
from moto import mock_aws
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends

from chalicelib.actions.contract import Target
from chalicelib.actions.reader import LiveReader, Ports
from chalicelib.actions.registry import ACTIONS
from chalicelib.clients.aws import AwsClients
from chalicelib.clients.database import DatabaseClients
from chalicelib.clients.dns import Dns
from chalicelib.clients.kubernetes import KubeClients
from chalicelib.clients.web import Web
from chalicelib.core.outcome import Act, Call, Done, Next, Outcome, Stuck, Wait
from chalicelib.executor import Executor
from chalicelib.policy import Policy
from chalicelib.policy.backups import Restorable
from tests.actions.stage import POLICY

LOADER: Loader = Loader(extra_search_paths=[])
BUCKET: Final = "house-artifacts"
REGION: Final = "us-east-1"
NOW: Final = datetime.now(UTC).replace(microsecond=0)
"""When a restore begins: moto stamps what a restore writes with the real time, which must not be before."""
AS_OF: Final = NOW - timedelta(hours=1)
ROW: Final = Restorable.model_validate(
    {
        "bucket": BUCKET,
        "region": REGION,
        "prefixes": ["artifacts/"],
        "restores_back": "7d",
        "lifecycle_keeps": "8d",
        "encryption": "SSE-S3",
    }
)


class OlderLoader(Loader):  # type: ignore[misc] # botocore ships no types
    """botocore's descriptions as they were before a copy could have a condition of its destination."""

    def load_service_model(self, service_name: str, type_name: str, api_version: str | None = None) -> Any:
        found = copy.deepcopy(super().load_service_model(service_name, type_name, api_version))
        if (service_name, type_name) == ("s3", "service-2"):
            for name in ("IfMatch", "IfNoneMatch"):
                del found["shapes"]["CopyObjectRequest"]["members"][name]
        return found


def policy(**more: Any) -> Policy:
    """The shipped policy, with this bucket alone to be put back."""
    row = ROW.model_copy(update=more)
    return POLICY.model_copy(update={"backups": POLICY.backups.model_copy(update={"restorable": (row,)})})


class Crash(BaseException):
    """The worker is gone."""


class Wire:
    """Sees every request of S3; `stop` is (number, 'before' | 'after' | 'lost'): what happens at that one."""

    def __init__(self, session: Any) -> None:
        self.sent: list[str] = []
        self.stop: tuple[int, str] | None = None
        self.refuse: Callable[[str, Any], Exception | None] = lambda *_: None
        self.gone = False
        self._here = threading.local()
        self._lock = threading.Lock()
        session.events.register_first("before-send.s3", self._before)
        session.events.register("response-received.s3", self._after)

    def _before(self, event_name: str, request: Any, **_: Any) -> None:
        operation = event_name.rpartition(".")[2]
        with self._lock:
            number = len(self.sent)
            self.sent.append(operation)
        self._here.number = number
        if self.gone:
            raise Crash(operation)
        if self.stop == (number, "before"):
            self.gone = True
            raise Crash(operation)
        if (refusal := self.refuse(operation, request)) is not None:
            raise refusal

    def _after(self, **_: Any) -> None:
        number = self._here.number
        if self.stop == (number, "lost"):
            raise ReadTimeoutError(endpoint_url="s3")
        if self.stop == (number, "after"):
            self.gone = True
        if self.gone:
            raise Crash(f"after request {number}")


class House:
    """A bucket with a history, and whoever works on it."""

    def __init__(self, **row: Any) -> None:
        self.policy = policy(**row)
        self.client = new_session().client("s3")
        self.client.create_bucket(Bucket=BUCKET)
        self.versioning("Enabled")

    def versioning(self, status: str) -> None:
        self.client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": status})

    def put(self, key: str, body: bytes, minutes: float, **more: Any) -> str:
        """Puts a version that many minutes after the moment of the restore; its id."""
        made = self.client.put_object(Bucket=BUCKET, Key=f"artifacts/{key}", Body=body, **more)
        self._stamp(key, minutes)
        return str(made.get("VersionId", "null"))

    def delete(self, key: str, minutes: float) -> str:
        made = self.client.delete_object(Bucket=BUCKET, Key=f"artifacts/{key}")
        self._stamp(key, minutes)
        return str(made["VersionId"])

    def _stamp(self, key: str, minutes: float) -> None:
        rows = self._model().keys.getlist(f"artifacts/{key}")
        rows[-1].last_modified = (AS_OF + timedelta(minutes=minutes)).replace(tzinfo=None)

    @staticmethod
    def _model() -> Any:
        return s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets[BUCKET]

    def there(self) -> dict[str, bytes]:
        """What anybody finds in the bucket now."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        listed = [row for page in pages for row in page.get("Contents", [])]
        return {
            o["Key"].removeprefix("artifacts/"): self.client.get_object(Bucket=BUCKET, Key=o["Key"])["Body"].read()
            for o in listed
        }

    def versions(self) -> dict[str, list[str]]:
        """Key → ids of all versions, markers left out, the oldest first."""
        return {
            key.removeprefix("artifacts/"): [
                v.version_id for v in self._model().keys.getlist(key) if hasattr(v, "etag")
            ]
            for key in self._model().keys
        }

    def head(self, key: str, **more: Any) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.client.head_object(Bucket=BUCKET, Key=f"artifacts/{key}", **more)
        return found

    def worker(self) -> Worker:
        """A new worker, with clients and a wire of its own."""
        return worker(self.policy)


def new_session(key: str = "a") -> Any:
    """A boto3 session with events of its own; botocore's descriptions are read once for all of them."""
    core = botocore.session.Session()
    core.register_component("data_loader", LOADER)
    return boto3.Session(aws_access_key_id=key, aws_secret_access_key="b", region_name=REGION, botocore_session=core)


def worker(policy: Policy, account: str = "a") -> Worker:
    """Who works by a policy, with whatever answers S3's clients."""
    session = new_session(account)
    wire = Wire(session)
    aws = AwsClients(session)
    ports = Ports(
        aws=aws,
        kube=KubeClients(aws, (), now=lambda: NOW),
        database=DatabaseClients(aws, POLICY.platform.database, REGION, tls=False),
        web=Web({}),
        dns=Dns({}),
    )
    return Worker(policy, Executor(ports=ports, actions=ACTIONS, channels={}), ports, wire)


PARAMS: Final = {"bucket": BUCKET, "prefix": "artifacts/", "as_of": AS_OF.isoformat()}


@dataclass
class Worker:
    """Looks and calls on one step, and keeps its facts as core/answers.py does."""

    policy: Policy
    executor: Executor
    ports: Ports
    wire: Wire
    now: datetime = NOW
    facts: dict[str, str | float] = field(default_factory=dict)
    calls: int = 0
    said: list[str] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)

    def look(self, name: str = "s3-restore", **params: str) -> Next:
        """One look; what it keeps is kept."""
        action = ACTIONS[name]
        aimed = Target(
            step="restore",
            incident="incident-1",
            opened_at=NOW,
            at=self.now,
            params={**PARAMS, **params},
            facts=self.facts,
            calls=self.calls,
        )
        facts = action.observe(aimed, self.policy, LiveReader(self.ports, action.reads))
        found = action.next(aimed, self.policy, facts, self.now)
        self.said.append(found.because)
        match found:
            case Wait() | Done():
                self.facts |= found.facts
            case Act():
                self.facts = dict(found.facts or self.facts)
            case Stuck():
                pass
        return found

    def make(self, call: Call) -> Outcome:
        """Makes a call that was decided."""
        self.calls += 1
        self.outcomes.append(self.executor.make(call))
        return self.outcomes[-1]

    def run(self, name: str = "s3-restore", *, looks: int = 60, **params: str) -> Done | Stuck:
        """Until it is done or stuck."""
        for _ in range(looks):
            match self.look(name, **params):
                case Done() | Stuck() as found:
                    return found
                case Act(call=call):
                    self.make(call)
                case Wait(again_in=again_in):
                    self.now += again_in
        pytest.fail(f"{name} does not end: {self.said[-5:]}")

    def heir(self, house: House) -> Worker:
        """Who goes on when this one is gone: with what was saved, in a process of its own."""
        other = house.worker()
        return replace(other, facts=dict(self.facts), calls=self.calls, now=self.now)


@contextmanager
def house(**row: Any) -> Iterator[House]:
    """A house of its own."""
    with mock_aws():
        yield House(**row)


def furnish(house: House) -> dict[str, bytes]:
    """An accident with every kind of key; what was there at the moment of the restore."""
    house.put("stays", b"one", -9)
    house.put("overwritten", b"good", -9)
    house.put("overwritten", b"bad", 5)
    house.put("overwritten", b"worse", 6)
    house.put("deleted", b"precious", -9)
    house.delete("deleted", 5)
    house.put("both ü+ &/<x>", b"models", -9)
    house.put("both ü+ &/<x>", b"broken", 5)
    house.delete("both ü+ &/<x>", 6)
    house.put("empty/", b"", -9)
    house.delete("empty/", 3)
    house.put("twice", b"t", -9)
    house.delete("twice", 3)
    house.delete("twice", 4)
    house.put("new", b"n", 5)
    house.put("gone before", b"g", -9)
    house.delete("gone before", -5)
    return {
        "stays": b"one",
        "overwritten": b"good",
        "deleted": b"precious",
        "both ü+ &/<x>": b"models",
        "empty/": b"",
        "twice": b"t",
    }


def act(worker: Worker, **params: str) -> Act:
    """The first call that it asks for."""
    for _ in range(20):
        match worker.look(**params):
            case Act() as found:
                return found
            case Wait():
                continue
            case other:
                pytest.fail(str(other))
    pytest.fail("it asks for no call")
