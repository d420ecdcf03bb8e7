"""How an event reaches a function: Lambda's asynchronous invocation, and SNS's and EventBridge's use of it.

Lambda keeps an asynchronous event in a queue. A function's error is tried again after one minute and after two; a
throttle is tried again from one second up to five minutes apart, for six hours, and does not use up those two tries.
https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
All waits are divided by the world's speed.
"""

# ruff: noqa: SLF001  # MiniStack has no public interface to mend it by; its version is pinned

from __future__ import annotations

import contextvars
import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from drctl.world.inside.darkness import Darkness

log = logging.getLogger("drctl.deliveries")

ERROR_WAITS = (60.0, 120.0)
"""Seconds before the second and the third try after a function's error."""
THROTTLE_FIRST, THROTTLE_LONGEST = 1.0, 300.0
"""Seconds before the first try after a throttle, and the most that doubling it may reach."""
LONGEST_AGE = 21600


@dataclass
class Queue:
    """Lambda's internal queue for one event after another; each event has a thread of its own."""

    lambda_svc: Any
    scope: Callable[[str, str], Any]
    darkness: Darkness
    speed: float
    wait: Callable[[float], None] = field(default=time.sleep)
    clock: Callable[[], float] = field(default=time.time)

    def put(self, func: Mapping[str, Any], event: Any) -> None:
        """Accepts an event and returns at once, as Invoke with `InvocationType=Event` does."""
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(self.run, func, event), daemon=True).start()

    def run(self, func: Mapping[str, Any], event: Any) -> None:
        """Tries until it worked, the tries are used up or the event is too old; then tells the on-failure
        destination.
        """
        config = func.get("config") or func
        account, region = self.lambda_svc._account_region_from_function_config(config)
        settings = func.get("event_invoke_config") or (func.get("event_invoke_configs") or {}).get("$LATEST") or {}
        retries = settings.get("MaximumRetryAttempts")
        waits = list(ERROR_WAITS[: 2 if retries is None else int(retries)])
        throttle_wait = THROTTLE_FIRST
        gives_up_at = self.clock() + int(settings.get("MaximumEventAgeInSeconds") or LONGEST_AGE) / self.speed
        with self.scope(account, region):
            while True:
                # A dark region runs nothing; its queue keeps the event until the region is back.
                if region in self.darkness:
                    result: Mapping[str, Any] = {"throttle": True, "error": True}
                else:
                    # Looked up anew for every try: its capacity or its code may have changed while the event waited.
                    now, its, _ = self.lambda_svc._get_func_record_for_ref(config.get("FunctionArn", ""))
                    result = self.lambda_svc._execute_function({**now, "config": its} if now and its else func, event)
                if not result.get("error"):
                    return
                name = config.get("FunctionName", "?")
                log.warning("function '%s' failed an asynchronous event: %s", name, _why(result))
                if result.get("throttle"):
                    wait, throttle_wait = throttle_wait, min(2 * throttle_wait, THROTTLE_LONGEST)
                elif waits:
                    wait = waits.pop(0)
                else:
                    break
                if self.clock() + wait / self.speed > gives_up_at:
                    break
                self.wait(wait / self.speed)
            destination = (
                ((settings.get("DestinationConfig") or {}).get("OnFailure") or {}).get("Destination")
                or (config.get("DeadLetterConfig") or {}).get("TargetArn")
                or ""
            )
            if destination:
                self.lambda_svc._route_async_failure(destination, name, event, result)

    def to_function(self, arn: str, event: Any, *, service: str, source_arn: str) -> None:
        """Sends an event to a function by its ARN, wherever that is. A function that does not exist, or whose
        policy does not let the sender in, gets nothing, as on AWS; the log says so.
        """
        region, account = arn.split(":")[3:5]
        with self.scope(account, region):
            func, config, name = self.lambda_svc._get_func_record_for_ref(arn)
        if not func or not config:
            log.warning("%s: function '%s' does not exist in %s; the event is dropped", source_arn, name, region)
            return
        if not allows(func.get("policy") or {}, service, source_arn):
            log.warning("%s: function '%s' has no permission for %s; the event is dropped", source_arn, name, service)
            return
        self.put({**func, "config": config}, event)


def allows(policy: Mapping[str, Any], service: str, source_arn: str) -> bool:
    """Whether a function's policy lets a service invoke it for a source. An unknown source (empty) meets any condition.

    MiniStack keeps the policy and asks it nothing; on AWS a forgotten `AWS::Lambda::Permission` is silence.
    """
    return any(
        statement.get("Effect") == "Allow"
        and service in _listed((statement.get("Principal") or {}).get("Service"))
        and (not source_arn or any(fnmatchcase(source_arn, pattern) for pattern in _source_arns(statement)))
        for statement in policy.get("Statement", [])
    )


def _source_arns(statement: Mapping[str, Any]) -> list[str]:
    conditions = [c for c in (statement.get("Condition") or {}).values() if isinstance(c, Mapping)]
    named = [
        arn for c in conditions for key, value in c.items() if key.lower() == "aws:sourcearn" for arn in _listed(value)
    ]
    return named or ["*"]


def _listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value] if value else []


def _why(result: Mapping[str, Any]) -> str:
    return "throttled, or its region is dark" if result.get("throttle") else str(result.get("body"))[:500]


def sns_event(envelope: str, subscription_arn: str) -> dict[str, Any]:
    """The event a function gets from SNS, from the envelope MiniStack would send to a queue.

    Functions get `MessageAttributes` always (`{}` when there are none), `Subject` always (null when there is none), and
    two names spelled `…Url` where queues get `…URL`: https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html
    """
    sns = json.loads(envelope)
    sns.setdefault("MessageAttributes", {})
    sns.setdefault("Subject", None)
    for spelled in ("SigningCert", "Unsubscribe"):
        sns[f"{spelled}Url"] = sns.pop(f"{spelled}URL", "")
    return {
        "Records": [
            {"EventVersion": "1.0", "EventSubscriptionArn": subscription_arn, "EventSource": "aws:sns", "Sns": sns}
        ]
    }
