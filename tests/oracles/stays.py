"""Where a patient was, by walking through the events of one encounter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from healthcare_ops.core.tables import MILESTONES


class Stay(NamedTuple):
    """A place and how long it was the patient's; `end` None = still there."""

    sector_id: str
    bed_id: str | None
    start: datetime
    end: datetime | None


def walk(events: Iterable[Mapping[str, Any]], discharge: datetime | None) -> list[Stay]:
    """Return the stays of one sound encounter, in order.

    An event moves the patient if it names another sector, or another bed than the one the patient is known to
    have in this sector. Of several moves at one instant only the last is a stay.
    """
    placed = [event for event in events if event["sector_id"] is not None]
    moves: list[tuple[str, str | None, datetime]] = []
    for event in sorted(placed, key=_order):
        sector, bed = event["sector_id"], event["bed_id"]
        is_same = moves and moves[-1][0] == sector and bed in {None, moves[-1][1]}
        if not is_same:
            moves.append((sector, bed, event["event_time"]))
    ends = [*(move[2] for move in moves[1:]), discharge]
    stays = [Stay(*move, end) for move, end in zip(moves, ends, strict=True)]
    return [stay for stay in stays if stay is stays[-1] or stay.end != stay.start]


def _order(event: Mapping[str, Any]) -> tuple[datetime, int, str, bool, str]:
    bed = event["bed_id"]
    return (event["event_time"], MILESTONES.index(event["event_type"]), event["sector_id"], bed is None, bed or "")
