"""How often each key of a table occurs, and the rows whose key is there too often."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from healthcare_ops.pipeline.quality.counts import ENCOUNTER, some
from healthcare_ops.pipeline.quality.rules.measures import OfKeys
from healthcare_ops.pipeline.quality.rules.where import all_of, any_of


@dataclass(frozen=True)
class KeyCounts:
    """Rows, rows with a key (a primary key has all its parts), distinct keys, and keys that are there `once`.

    `repeated` are some keys that are there too often: their encounters if these are a part of the key, themselves if
    it is one text.
    """

    rows: int
    keyed: int
    distinct: int
    once: int
    repeated: tuple[str, ...]


def count_keys(found: OfKeys, collect: Callable[[ir.Table], pa.Table]) -> KeyCounts:
    """Return how often the keys of a rule occur."""
    groups = _groups(found)
    # By the last character, so that there are more than two.
    tails = groups.group_by(tail=ibis.ifelse(groups.is_bad, groups.named.cast("string").right(1), None))
    parts = collect(
        tails.aggregate(
            rows=groups.times.sum().fill_null(0),
            keyed=groups.times.sum(where=groups.is_in).fill_null(0),
            distinct=groups.count(where=groups.is_in),
            once=groups.count(where=groups.is_in & (groups.times == 1)),
            first=groups.named.min(where=groups.is_bad),
            last=groups.named.max(where=groups.is_bad),
        )
    ).to_pylist()
    rows, keyed, distinct, once = (
        sum(int(part[name]) for part in parts) for name in ("rows", "keyed", "distinct", "once")
    )
    return KeyCounts(rows, keyed, distinct, once, some(part[end] for part in parts for end in ("first", "last")))


def rows_of(found: OfKeys, repeated: Sequence[str]) -> ir.Table:
    """Return the rows whose key is a fault, or of many such keys those with one of the `repeated`."""
    return _with_one_of(found, repeated) if _is_text(found) else _with_bad_keys(found)


def _keys(found: OfKeys) -> dict[str, Any]:
    return {f"key_{number}": found.rows[name] for number, name in enumerate(found.keys)}


def _groups(found: OfKeys) -> ir.Table:
    """Return how many `times` each key occurs, whether it counts (a primary key has all its parts), and is a fault."""
    keys = _keys(found)
    groups = found.rows.select(**keys).group_by([*keys]).aggregate(times=ibis._.count())
    is_there = [groups[key].notnull() for key in keys]
    is_primary = found.measure == "IsPrimaryKey"
    groups = groups.mutate(is_in=all_of(is_there) if is_primary else any_of(is_there))
    is_repeated = groups.is_in & (groups.times > 1)
    names = [key for key, name in zip(keys, found.keys, strict=True) if name == ENCOUNTER or _is_text(found)]
    named = groups[names[0]] if names else ibis.null("string")
    return groups.mutate(named=named, is_bad=is_repeated | ~groups.is_in if is_primary else is_repeated)


def _is_text(found: OfKeys) -> bool:
    return len(found.keys) == 1 and bool(found.rows[found.keys[0]].type().is_string())


def _with_one_of(found: OfKeys, keys: Sequence[str]) -> ir.Table:
    """Return the rows with one of these keys, or without any where that is a fault: found at the cost of reading."""
    key = found.rows[found.keys[0]]
    is_bad = key.isin(keys)
    return found.rows.filter(is_bad | key.isnull() if found.measure == "IsPrimaryKey" else is_bad)


def _with_bad_keys(found: OfKeys) -> ir.Table:
    """Return the encounters of rows whose key is there too often, or lacks a part of a primary key."""
    rows = found.rows.select(**_keys(found), **{ENCOUNTER: found.rows[ENCOUNTER]})
    bad = _groups(found).filter(ibis._.is_bad)
    return rows.semi_join(bad, [rows[key].identical_to(bad[key]) for key in _keys(found)])
