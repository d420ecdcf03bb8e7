"""What the watch in the standby and the witness share: which endpoints they look at, what was told before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from chalicelib.actions.reader import Ports
from chalicelib.agents.lookout import Endpoint
from chalicelib.core.happened import AlarmState
from chalicelib.policy import Policy
from chalicelib.store.codec import read_book


def endpoints(ports: Ports, policy: Policy, region: str) -> Iterator[Endpoint]:
    """The probes that look from this region."""
    for probe in policy.signals.probes:
        if probe.region == region:
            yield Endpoint(
                probe=probe,
                url=policy.platform.endpoint(probe.target).url + "/health",
                # Intervals are policy's, so already divided by the speed; a network's time limit is not.
                timeout_s=(probe.timeout * policy.speed).total_seconds(),
                get=lambda url, timeout_s: ports.web.get(url, timeout_s=timeout_s),
            )


def told(body: str | None) -> Mapping[str, AlarmState]:
    """The state last told of each source, from the stored book."""
    if body is None:
        return {}
    return {source: mark.state for source, mark in read_book(body)[0].watermarks.items()}
