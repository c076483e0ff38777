"""What becomes of delivered records, told one record at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

Record = Mapping[str, Any]


def fates(records: Iterable[Record]) -> list[str]:
    """Return the fate of each typed record, in the order given.

    Of the versions of one thing the newest stands, by (version time, delivery, position in it); one that
    says the same as the newest is a duplicate, any other is superseded.
    """
    records = list(records)
    versions: dict[Any, list[Record]] = defaultdict(list)
    for record in records:
        versions[record["feed_id"], record["record_key"]].append(record)
    newest = {thing: max(rows, key=_age) for thing, rows in versions.items()}
    return [_fate(record, newest[record["feed_id"], record["record_key"]]) for record in records]


def _age(record: Record) -> tuple[bool, datetime, int, int]:
    version = record["version"]
    return (version is not None, version or datetime.min, record["delivery_seq"], record["record_no"])  # noqa: DTZ901


def _fate(record: Record, newest: Record) -> str:
    if record is not newest:
        return "duplicate" if record["content_hash"] == newest["content_hash"] else "superseded"
    if record["is_ignored"]:
        return "ignored"
    return "applied" if record["reason_code"] is None else "quarantined"
