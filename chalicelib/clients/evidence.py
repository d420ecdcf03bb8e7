"""Makes the calls that keep evidence: each object is one request that S3 makes as a whole, with its lock in it.

Sources: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html and API_PutObject.html (ObjectLockMode and
ObjectLockRetainUntilDate; a checksum is wanted beside a lock),
https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.clients import kubernetes
from chalicelib.clients.aws import AwsClients, refusal
from chalicelib.clients.kubernetes import Clusters
from chalicelib.core.evidence_calls import HELD, KEEP_LOGS, Locked
from chalicelib.core.outcome import Call, Doubtful, Made, NoData, Outcome, Refused

BEGINS_WITHIN_S: Final = 8.0
"""Seconds of a call after which no further object is begun."""


def keep(aws: AwsClients, kube: Clusters, call: Call, *, now: Callable[[], float] = time.monotonic) -> Outcome:
    """Makes the call. Made with time over is told as such: the next look finds what is left."""
    locked, name = Locked.read(call), f"{call.operation} into {call.params['To']!r}"
    try:
        client = aws.writing("s3", call.region)
        if call.operation == KEEP_LOGS:
            return _logs(client, locked, call, name, now)
        return _objects(client, kube, locked, call, name)
    except ClientError as error:
        return refusal(name, error)
    except BotoCoreError as error:
        return Doubtful(because=f"{name} was not answered: {type(error).__name__}: {str(error)[:200]}")


def _logs(client: Any, locked: Locked, call: Call, name: str, now: Callable[[], float]) -> Outcome:
    started, done = now(), 0
    for key in call.params["Keys"]:
        if done and now() - started > BEGINS_WITHIN_S:
            return Made(because=f"{name}: {done} of {len(call.params['Keys'])} logs were copied, time is over")
        client.copy_object(
            Bucket=locked.bucket,
            Key=f"{call.params['Folder']}{key}",
            CopySource={"Bucket": call.params["From"], "Key": key},
            **_lock(locked),
        )
        done += 1
    return Made(because=f"{name}: {done} logs were copied; done when {call.until}")


def _objects(client: Any, kube: Clusters, locked: Locked, call: Call, name: str) -> Outcome:
    cluster, namespace = str(call.params["Cluster"]), str(call.params["Namespace"])
    held: dict[str, Sequence[Mapping[str, Any]]] = {}
    for resource in HELD:
        rows = kubernetes.look(kube, cluster, resource, namespace=namespace, name=None, label=None)
        if isinstance(rows, NoData | Refused):
            code = rows.code if isinstance(rows, Refused) else "Unread"
            return Refused(
                code=code, because=f"{name}: {resource} were not read, so nothing was written: {rows.because}"
            )
        held[resource] = [] if rows is None or isinstance(rows, Mapping) else list(rows)
    body = json.dumps({"cluster": cluster, "namespace": namespace, "objects": held}, sort_keys=True, default=str)
    client.put_object(
        Bucket=locked.bucket,
        Key=call.params["Name"],
        Body=body.encode(),
        ContentType="application/json",
        ChecksumAlgorithm="SHA256",
        **_lock(locked),
    )
    count = sum(len(rows) for rows in held.values())
    return Made(because=f"{name}: {count} objects of namespace {namespace!r} are written; done when {call.until}")


def _lock(locked: Locked) -> dict[str, Any]:
    encrypted = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": locked.kms_key} if locked.kms_key else {}
    return {"ObjectLockMode": locked.mode, "ObjectLockRetainUntilDate": locked.until, **encrypted}
