"""How many rows fulfil each of many conditions, by feed and sector, in few passes over a table."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import groupby
from typing import Any, Generic, TypeVar

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from healthcare_ops.pipeline.quality.rules.where import any_of

ENCOUNTER = "encounter_id"
PLACE = ("feed_id", "sector_id")
SAMPLES = 5
# The sign of an int64 is left alone.
BITS = 63
# An engine's plan takes a time that grows with the square of the sums: beyond so many, more passes are cheaper.
_MOST_AT_ONCE = 2 * BITS
Flag = TypeVar("Flag", bound=Hashable)


@dataclass(frozen=True)
class Counted(Generic[Flag]):
    """Rows of a feed and sector (empty where the table has no such column, or the row no value).

    `counts` are rows by the name of a condition, `samples` some encounters of these: two or more if there are so many.
    """

    feed_id: str
    sector_id: str
    rows: int
    counts: Mapping[Flag, int]
    samples: Mapping[Flag, tuple[str, ...]]


def count_by_place(
    conditions: Mapping[Flag, Any],
    sampled: Collection[Flag],
    table: ir.Table,
    collect: Callable[[ir.Table], pa.Table],
) -> tuple[Counted[Flag], ...]:
    """Return how many rows fulfil each condition, by feed and sector, with encounters of those that are `sampled`.

    One pass counts up to 126 conditions.
    """
    names = list(conditions)
    chunks = [names[first : first + _MOST_AT_ONCE] for first in range(0, len(names), _MOST_AT_ONCE)] or [[]]
    passes = (_one_pass({name: conditions[name] for name in chunk}, sampled, table, collect) for chunk in chunks)
    return reduce(_beside, passes)


def _beside(counted: Sequence[Counted[Flag]], others: Sequence[Counted[Flag]]) -> tuple[Counted[Flag], ...]:
    """Return what two passes over one table counted: its places are those of both."""
    return tuple(
        replace(one, counts={**one.counts, **other.counts}, samples={**one.samples, **other.samples})
        for one, other in zip(counted, others, strict=True)
    )


def _one_pass(
    conditions: Mapping[Flag, Any],
    sampled: Collection[Flag],
    table: ir.Table,
    collect: Callable[[ir.Table], pa.Table],
) -> tuple[Counted[Flag], ...]:
    """Count as `count_by_place` does, in one pass.

    What a row fulfils is a number of 63 bits. Few of all such numbers occur: to group by them and then to count the
    groups takes no longer than as many sums, and gives their first and last encounters as well: by the last character
    of their ids, so that there are more than two.
    """
    places = [name for name in PLACE if name in table.columns]
    bits = {name: (f"mask_{number // BITS}", 1 << number % BITS) for number, name in enumerate(conditions)}
    groups = _grouped(conditions, bits, sampled, table, places)
    sums = {"rows": groups.times.sum()}
    for number, (name, (mask, bit)) in enumerate(bits.items()):
        is_so = (groups[mask] & bit) != 0
        sums[f"count_{number}"] = groups.times.sum(where=is_so).fill_null(0)
        if name in sampled:
            sums[f"first_{number}"] = groups["first"].min(where=is_so)
            sums[f"last_{number}"] = groups["last"].max(where=is_so)
    rows = collect(groups.group_by([*places, "tail"]).aggregate(**sums)).to_pylist()
    rows.sort(key=_place)
    return tuple(_counted(place, list(parts), list(conditions)) for place, parts in groupby(rows, _place))


def _grouped(
    conditions: Mapping[Flag, Any],
    bits: Mapping[Flag, tuple[str, int]],
    sampled: Collection[Flag],
    table: ir.Table,
    places: Sequence[str],
) -> ir.Table:
    """Return `times`, `first` and `last` encounter by place, by what rows fulfil, and by the encounter's `tail`."""
    masks = {"mask_0": ibis.literal(0, "int64")}
    wanted = dict.fromkeys(masks, 0)
    for name, (mask, bit) in bits.items():
        part = ibis.ifelse(conditions[name], bit, 0).cast("int64")
        masks[mask] = masks[mask] + part if mask in masks else part
        wanted[mask] = wanted.get(mask, 0) | (bit if name in sampled else 0)
    encounter = table[ENCOUNTER].cast("string") if ENCOUNTER in table.columns else ibis.null("string")
    masked = table.select(*places, **masks, encounter=encounter)
    is_wanted = [(masked[mask] & bit) != 0 for mask, bit in wanted.items()]
    masked = masked.mutate(encounter=ibis.ifelse(any_of(is_wanted), masked.encounter, None))
    masked = masked.mutate(tail=masked.encounter.right(1))
    keyed = masked.group_by([*places, *masks, "tail"])
    return keyed.aggregate(times=masked.count(), first=masked.encounter.min(), last=masked.encounter.max())


def _place(row: Mapping[str, Any]) -> tuple[str, str]:
    return row.get("feed_id") or "", row.get("sector_id") or ""


def _counted(place: tuple[str, str], parts: Sequence[Mapping[str, Any]], names: Sequence[Flag]) -> Counted[Flag]:
    return Counted(
        *place,
        sum(int(part["rows"]) for part in parts),
        {name: sum(int(part[f"count_{number}"]) for part in parts) for number, name in enumerate(names)},
        {
            name: some(part.get(f"{end}_{number}") for end in ("first", "last") for part in parts)
            for number, name in enumerate(names)
        },
    )


def some(encounters: Iterable[str | None]) -> tuple[str, ...]:
    """Return the first of some encounters by their ids, each once."""
    return tuple(sorted({name for name in encounters if name is not None})[:SAMPLES])
