"""Which regions are dark right now, as MiniStack sees it.

The gate can lose a region's API calls, but MiniStack's own deliveries (an alarm to its topic, a topic to a function, a
schedule to its target) never pass the gate. A dark region that still sent its alarms would be a lie, so the supervisor
tells the launcher, and every delivery asks here.
"""

from __future__ import annotations

import threading


class Darkness:
    """A set of region names, changed by one thread and read by many."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._regions: frozenset[str] = frozenset()

    def __contains__(self, region: object) -> bool:
        return region in self._regions

    def obey(self, line: str) -> None:
        """Takes one line of the launcher's standard input: `dark REGION` or `lit REGION`; anything else raises
        ValueError.
        """
        word, _, region = line.strip().partition(" ")
        with self._lock:
            match word:
                case "dark":
                    self._regions |= {region}
                case "lit":
                    self._regions -= {region}
                case _:
                    raise ValueError(f"the launcher was told {line!r}, expected 'dark REGION' or 'lit REGION'; ignored")
