"""What AWS's services say, put on MiniStack's buses.

Nobody may send a source that begins with `aws.` by PutEvents, neither to AWS nor to MiniStack
(NotAuthorizedForSourceException), so the world says it here, from within.
"""

# ruff: noqa: SLF001  # MiniStack has no public interface for it; its version is pinned

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from drctl.world.inside.darkness import Darkness

log = logging.getLogger("drctl.service_events")
WORD: Final = "event "
"""How a line of the launcher's standard input begins that is an event: JSON in EventBridge's envelope."""


@dataclass(frozen=True)
class ServiceEvents:
    """Puts an event on the default bus of its region, unless that is dark."""

    eventbridge: Any
    scope: Callable[[str, str], Any]
    darkness: Darkness

    def put(self, line: str) -> None:
        """Takes one line; raises ValueError when it is none of its kind."""
        event = json.loads(line.removeprefix(WORD))
        region = event["region"]
        if region in self.darkness:
            log.warning("%s says nothing in %s, which is dark", event["source"], region)
            return
        entry = {"Source": event["source"], "DetailType": event["detail-type"], "Detail": json.dumps(event["detail"])}
        with self.scope(event["account"], region):
            self.eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)


@dataclass
class HandOn:
    """A rule's target that is a bus, in whichever region. `within` is MiniStack's own, which knows one region, and
    `furnish` makes that region's default bus: in AWS every account has one everywhere, before anybody asks for it
    (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-bus.html).
    """

    scope: Callable[[str, str], Any]
    darkness: Darkness
    furnish: Callable[[], None]
    within: Callable[..., None] = lambda *_: None

    def __call__(self, target: Any, event: Any, *rest: Any) -> None:
        if target.region in self.darkness:
            log.warning("an event for %s is lost: %s is dark", target, target.region)
            return
        with self.scope(target.account_id, target.region):
            self.furnish()
            self.within(target, event, *rest)
