"""How a feed writes its rows: its clock, and the feed file that declares it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, timedelta
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from healthcare_ops.core.site import Site
from healthcare_ops.generator.event_rows import EVENT_CODES
from healthcare_ops.generator.scenario import COLUMNS, FeedName
from healthcare_ops.generator.slabs import Ints

Clock = Literal["local", "utc", "offset"]
# UTC instants → what the clock on the wall is ahead of them, all in seconds.
OffsetOf = Callable[[Ints], Ints]
_DESCRIPTIONS = {
    "encounters": "Synthetic: one row per encounter, again whenever something of it changed",
    "events": "Synthetic: one row per event and version",
}
_WRITES = {
    "local": "the clock on the wall, without an offset",
    "utc": "UTC, marked Z",
    "offset": "the clock on the wall, with its offset",
}


def as_text(rows: pa.Table, clock: Clock, offset_of: OffsetOf) -> pa.Table:
    """Return the rows with their times written out in the feed's clock: 2025-03-01 14:05:00, …Z or …-03:00."""
    for number, field in enumerate(rows.schema):
        if pa.types.is_timestamp(field.type):
            rows = rows.set_column(number, field.name, _written(rows[field.name], clock, offset_of))
    return rows


def _written(column: pa.ChunkedArray, clock: Clock, offset_of: OffsetOf) -> pa.ChunkedArray:
    if clock == "utc":
        return pc.binary_join_element_wise(column.cast(pa.string()), "Z", "")
    at = column.cast(pa.int64())
    offsets = offset_of(at.fill_null(0).to_numpy())
    text = pc.add(at, pa.array(offsets)).cast(pa.timestamp("s")).cast(pa.string())
    if clock == "local":
        return text
    distinct, which = np.unique(offsets, return_inverse=True)
    marks = pa.array([_mark(int(offset) // 60) for offset in distinct], pa.string()).take(pa.array(which))
    return pc.binary_join_element_wise(text, marks, "")


def _mark(offset_min: int) -> str:
    sign, minutes = "-" if offset_min < 0 else "+", abs(offset_min)
    return f"{sign}{minutes // 60:02d}:{minutes % 60:02d}"


def feed_file(feed: FeedName, site: Site, clock: Clock, first: date, last: date, every_min: int) -> str:
    """Return the feed file (TOML) that maps the rows.

    Parameters
    ----------
    first, last
        Days on which something can have happened; a day more on either side is plausible.
    """
    lines = [
        "# Made by `hops generate`, with the deliveries that it maps.",
        f'feed_id = "{feed}"',
        f"description = {json.dumps(_DESCRIPTIONS[feed])}",
        'format = "csv"',
        f'shape = "{feed}"',
        f"zone = {json.dumps('Etc/UTC' if clock == 'utc' else site.zone)}  # times are {_WRITES[clock]}",
        "",
        "[owner]",
        'name = "Synthetic hospital"',
        'email = "generator@hospital.example"',
        "",
        "[plausible]",
        f"first = {first - timedelta(days=1)}",
        f"last = {last + timedelta(days=1)}",
        "",
        "[cadence]",
        f"every_min = {every_min}",
        f"late_after_min = {every_min * 2 + 30}",
    ]
    if clock == "local":
        # A wall clock without an offset cannot tell the two; the first is right for half of them.
        lines += ["", "[times]", 'repeated_hour = "first"']
    lines += ["", "[columns]", *(f'{name} = "{name}"' for name in COLUMNS[feed])]
    if feed == "events":
        lines += ["", "[values.event_type]", *(f'{code} = "{value}"' for code, value in EVENT_CODES.items())]
    return "\n".join(lines) + "\n"
