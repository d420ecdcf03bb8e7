"""The responder's pulse: the tick leaves a mark, and whoever else runs says how old it is and what waits undone.

A mark that could not be left, and a number that could not be read, are worth no failed invocation: that they are
missing is what the alarms hear.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Final

from chalicelib import names
from chalicelib.actions.reader import LiveReader
from chalicelib.agents.declared import QUEUES
from chalicelib.bootstrap import Responder
from chalicelib.core.outcome import NoData, Refused
from chalicelib.intake import codec
from chalicelib.store.beat import millis
from chalicelib.store.contract import Store, StoreUnavailableError
from chalicelib.vitals import INBOX_AGE, LEFT_IN_QUEUES, TICK_AGE

log = logging.getLogger("responder")
VISIBLE: Final = "ApproximateNumberOfMessages"


def beat(responder: Responder) -> None:
    """The tick has begun, and says so."""
    if responder.beats is None:
        return
    try:
        responder.beats.write("tick", {"at": millis(responder.clock.now())})
    except StoreUnavailableError as error:
        log.warning("the tick's mark was not taken: %s", error)


def felt(responder: Responder) -> None:
    """Publishes how old the newest tick is, in policy's seconds. A tick that never was has no age, and the silence
    about it tells.
    """
    try:
        at = responder.beats.read("tick").moment("at") if responder.beats else None
    except StoreUnavailableError as error:
        log.warning("how old the newest tick is could not be read: %s", error)
        return
    if at is not None:
        _published(responder, TICK_AGE, responder.clock.now() - at)


def waiting(responder: Responder) -> None:
    """Publishes how long what came first has lain in the inbox, in policy's seconds; 0 when it is empty."""
    try:
        age = inbox_age(responder.store, responder.clock.now())
    except StoreUnavailableError as error:
        log.warning("how long the inbox waits could not be read: %s", error)
        return
    _published(responder, INBOX_AGE, age)


def left(responder: Responder) -> None:
    """Publishes how many events lie in the queues of what could not be handled. Asked here because SQS
    publishes nothing of a queue that was inactive for six hours, and comes up to fifteen minutes late after that:
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/monitoring-using-cloudwatch.html
    """
    policy, count = responder.policy, 0
    reader, region = LiveReader(responder.ports, QUEUES), policy.platform.responder.region
    for queue in (names.failed_queue(policy), names.undelivered_queue(policy)):
        url = f"https://sqs.{region}.amazonaws.com/{policy.platform.account}/{queue}"
        found = reader.aws("sqs", region, "get_queue_attributes", QueueUrl=url, AttributeNames=[VISIBLE])
        if isinstance(found, NoData | Refused):
            log.warning("how much lies in %s could not be read: %s", queue, found.because)
            return
        count += int(found["Attributes"][VISIBLE])
    responder.desk.tools.meter(LEFT_IN_QUEUES, count)


def inbox_age(store: Store, now: datetime) -> timedelta:
    """How long the item that came first has lain there. One that does not say since when says nothing."""
    if store.inbox_empty():
        return timedelta()
    since = [at for _, item in store.inbox() if (at := codec.waiting_since(item))]
    return now - min(since, default=now)


def _published(responder: Responder, metric: str, age: timedelta) -> None:
    """Clocks of two machines may differ by a little; nothing is younger than now."""
    seconds = max(0.0, (age * responder.policy.speed).total_seconds())
    responder.desk.tools.meter(metric, round(seconds, 3))
