"""What a training learns from, pinned: the same run learns from the same rows, whenever it is taken up again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from healthcare_ops.core.tables import ENCOUNTERS, FEATURES, OPS_METRICS_HOURLY, STAYS, Table
from healthcare_ops.forecasting.registry import ROOT
from healthcare_ops.jobs.context import Context
from healthcare_ops.jobs.silver_to_gold import gold_known_until

PINNED: tuple[Table, ...] = (FEATURES, OPS_METRICS_HOURLY, ENCOUNTERS, STAYS)
# Each keeps a snapshot, and the cost of a commit grows with their number.
_KEEP = 8
_FOLDER = f"{ROOT}/pins"


@dataclass(frozen=True)
class Pin:
    """A tag of every table of `PINNED`; of later hours than `known_until` (UTC) these did not know."""

    name: str
    known_until: datetime


def pin(context: Context, name: str) -> Pin | None:
    """Pin the tables under a name, and return that; as it was, if it is there; None if gold knows no hour."""
    found = find_pin(context, name)
    if found is None:
        known_until = gold_known_until(context)
        if known_until is None:
            return None
        for table in PINNED:
            context.pins.pin(table, name)
        # Last: a pin counts once all its tables have it.
        context.objects.write(_key(name), json.dumps({"known_until": known_until.isoformat()}).encode())
        found = Pin(name, known_until)
    return found


def find_pin(context: Context, name: str) -> Pin | None:
    """Return the pin of that name, None if there is none (any more), or nobody can tell what it knew."""
    if not name or not context.objects.exists(_key(name)) or any(name not in context.pins.pins(t) for t in PINNED):
        return None
    try:
        return Pin(name, datetime.fromisoformat(json.loads(context.objects.read(_key(name)))["known_until"]))
    except (KeyError, TypeError, ValueError):
        return None


def let_go(context: Context, keep: str) -> None:
    """Unpin what is older than the newest eight, but for one name."""
    for table in PINNED:
        names = sorted(context.pins.pins(table), key=lambda name: _age(context, name))
        for name in names[:-_KEEP]:
            if name != keep:
                context.pins.unpin(table, name)


def _age(context: Context, name: str) -> str:
    found = find_pin(context, name)
    return found.known_until.isoformat() if found else ""


def _key(name: str) -> str:
    return f"{_FOLDER}/{name}.json"
