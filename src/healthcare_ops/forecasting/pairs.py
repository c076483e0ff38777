"""Which origins and leads a model learns from: all of them would be fifty times the hours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

MAX_LEAD_H = 48
_LEADS_PER_ORIGIN = 6


def drawn_pairs(hours: int, first: int, most: int) -> tuple[Ints, Ints]:
    """Return origins from hour `first` on and leads: every hour (fewer in long series) with six leads, seed fixed.

    The last target lies within `hours`; there are at most about `most` pairs.
    """
    stride = 1 + (hours - first) * _LEADS_PER_ORIGIN // most
    origins = np.repeat(np.arange(first, hours, stride), _LEADS_PER_ORIGIN)
    leads = np.random.default_rng(0).integers(0, MAX_LEAD_H + 1, size=len(origins))
    inside = origins + leads < hours
    return origins[inside], leads[inside]
