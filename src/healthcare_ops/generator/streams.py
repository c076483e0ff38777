"""Streams of random numbers: one for each purpose, so that one more draw here changes nothing there."""

from __future__ import annotations

import zlib

import numpy as np


def random_numbers(seed: int, purpose: str, *of: str | int) -> np.random.Generator:
    """Return the random numbers of a purpose and of what else is named, such as a hospital or a local day.

    They are independent of those of any other name, and of whatever else is drawn. The generator is named, because
    numpy may choose another default.
    """
    key = tuple(part if isinstance(part, int) else zlib.crc32(part.encode()) for part in (purpose, *of))
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key)))
