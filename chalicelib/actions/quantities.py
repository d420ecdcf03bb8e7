"""Kubernetes quantities as numbers: `500m`, `4`, `16Gi`.

Source: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/.
"""

from __future__ import annotations

from typing import Final

_SCALES: Final = {
    "m": 1e-3,
    "": 1.0,
    **{prefix: 1000.0**n for n, prefix in enumerate(("k", "M", "G", "T", "P", "E"), start=1)},
    **{f"{prefix}i": 1024.0**n for n, prefix in enumerate(("K", "M", "G", "T", "P", "E"), start=1)},
}


def amount(quantity: str | float) -> float:
    """In base units. ValueError says that it is no quantity."""
    text = str(quantity)
    number = text.rstrip("mkMGTPEKi")
    scale = _SCALES.get(text[len(number) :])
    if scale is None:
        raise ValueError(f"quantity is {text!r}, expected a number with one of {', '.join(filter(None, _SCALES))}")
    return float(number) * scale
