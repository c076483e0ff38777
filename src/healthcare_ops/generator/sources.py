"""What the planning of deliveries asks of a hospital's systems."""

from __future__ import annotations

from typing import Protocol

import pyarrow as pa

from healthcare_ops.generator.schedule import Schedule
from healthcare_ops.generator.slabs import Outline, Slab


class Source(Protocol):
    """A system that writes down what happens, and delivers it as a feed."""

    @property
    def newest(self) -> int:
        """Return when the last row is written (UTC seconds)."""
        ...

    def outline(self, schedule: Schedule) -> Outline:
        """Return which rows there are."""
        ...

    def compose(self, part: Outline) -> Slab:
        """Return the rows of a part of the outline."""
        ...

    def sectors(self, outline: Outline) -> pa.Array:
        """Return where each row happened."""
        ...
