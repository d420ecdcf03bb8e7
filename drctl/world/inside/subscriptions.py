"""A subscription that a stack makes is asked to confirm itself, as one that `Subscribe` makes.

https://docs.aws.amazon.com/sns/latest/dg/SendMessageToHttp.confirm.html: until its endpoint has visited the address in
the message, it is pending, and nothing is delivered to it.
"""

# ruff: noqa: SLF001  # MiniStack has no public interface to mend it by; its version is pinned

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Callable, Mapping
from typing import Any

Create = Callable[[str, Mapping[str, Any], str], tuple[str, dict[str, Any]]]


def confirming(create: Create, sns: Any) -> Create:
    """What CloudFormation calls in the place of `create`."""

    def created(logical_id: str, props: Mapping[str, Any], stack: str) -> tuple[str, dict[str, Any]]:
        arn, attributes = create(logical_id, props, stack)
        topic = sns._topics.get(props.get("TopicArn", ""))
        made = next((s for s in topic["subscriptions"] if s["arn"] == arn), None) if topic else None
        if made is not None and not made["confirmed"]:
            made["token"] = uuid.uuid4().hex
            asked = sns._send_subscription_confirmation(topic["arn"], made)
            threading.Thread(target=asyncio.run, args=(asked,), daemon=True).start()
        return arn, attributes

    return created


def in_its_region(
    confirm: Callable[[Any], Any], scope: Callable[[str, str], Any], asked: Callable[[Any, str], str]
) -> Any:
    """What a visit to the link calls in the place of `confirm`: a link bears no signature, so only the topic's ARN says
    which region it is of; on AWS the host does.
    """

    def confirmed(params: Any) -> Any:
        _, _, _, region, account, *_ = f"{asked(params, 'TopicArn')}:::::".split(":")
        with scope(account, region):
            return confirm(params)

    return confirmed
