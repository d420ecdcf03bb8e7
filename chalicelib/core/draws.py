"""Uniform numbers that are the same for everybody: a sequence which is made from a name and from nothing else.

Rules. The core knows no randomness: who asks twice about one incident at one moment must be told the same, by whichever
worker, or a notice that is sent again would say something else. So the running forecast draws from a sequence whose
beginning is the incident's name. It is SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators,
OOPSLA 2014, figure 17), whose constants these are. Never use it for a name, a token or what must not be guessed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final

_MASK: Final = (1 << 64) - 1
_GAMMA: Final = 0x9E3779B97F4A7C15


def drawn_for(name: str) -> Callable[[], float]:
    """A sequence of numbers in [0, 1), always the same one for this name."""
    return _from(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big"))


def _from(seed: int) -> Callable[[], float]:
    state = seed

    def draw() -> float:
        nonlocal state
        state = (state + _GAMMA) & _MASK
        return (_mixed(state) >> 11) / (1 << 53)

    return draw


def _mixed(z: int) -> int:
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)
