"""What a feed's mapping makes of a file, without a state directory and without writing anything."""

from __future__ import annotations

import tempfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import ibis.expr.types as ir

from healthcare_ops.adapters.engines import DuckDBEngine
from healthcare_ops.core.civil_time import offset_spans
from healthcare_ops.core.feed import Feed, Source
from healthcare_ops.core.reasons import EXPLANATIONS, Reason
from healthcare_ops.core.site import Site
from healthcare_ops.core.validated import read_toml
from healthcare_ops.pipeline import records
from healthcare_ops.pipeline.bronze import bronze_rows
from healthcare_ops.pipeline.sources.mapping import map_records
from healthcare_ops.pipeline.sources.pseudonyms import Pseudonymiser
from healthcare_ops.pipeline.sources.readers import read_records, source_columns
from healthcare_ops.ports import Delivery

_SAMPLES = 3
# A check shows no identifier, so the key need not be the site's.
_CHECK_KEY = Pseudonymiser("check", b"check")


def check_feed(feed_file: Path, file: Path, site_file: Path | None) -> dict[str, Any]:
    """Return, for the first batch of records: mapped values, fates, reasons and unmapped source columns."""
    feed = read_toml(feed_file, Feed)
    sectors = _sectors(feed, read_toml(site_file, Site) if site_file else None)
    batch = next(iter(read_records(file, feed)), None)
    if batch is None:
        return _nothing(feed)
    mapped = map_records(batch, feed, source_sha256="check", pseudonymiser=_CHECK_KEY)
    with tempfile.TemporaryDirectory() as folder:
        engine = DuckDBEngine(Path(folder), memory_limit_mb=500)
        with engine.from_batches([mapped]) as rows:
            if rows is None:
                return _nothing(feed)
            judged = _judge(rows, feed, sectors)
            fates = engine.collect(judged.group_by("fate").aggregate(records=judged.count()).order_by("fate"))
            held = judged.filter(judged.fate == "quarantined")
            why = engine.collect(
                held.group_by("reason_code", "column").aggregate(records=held.count()).order_by("reason_code", "column")
            )
    return {
        "feed_id": feed.feed_id,
        "records": batch.num_rows,
        "columns": [_column(mapped, source, name) for name in feed.table_columns if (source := feed.source(name))],
        "fates": {row["fate"]: row["records"] for row in fates.to_pylist()},
        "reasons": [row | {"explanation": EXPLANATIONS[Reason(row["reason_code"])]} for row in why.to_pylist()],
        "unmapped": [name for name in batch.schema.names if name != "record_no" and name not in source_columns(feed)],
    }


def _nothing(feed: Feed) -> dict[str, Any]:
    return {"feed_id": feed.feed_id, "records": 0, "columns": [], "fates": {}, "reasons": [], "unmapped": []}


def _sectors(feed: Feed, site: Site | None) -> tuple[str, ...]:
    return site.sector_ids if site else tuple(sorted(set(feed.values.sector.values())))


def _judge(rows: ir.Table, feed: Feed, sectors: tuple[str, ...]) -> ir.Table:
    delivery = Delivery(feed.feed_id, 1, "check", "check", date(1970, 1, 1))
    bronze = bronze_rows(rows, feed, delivery, datetime.now(UTC).replace(tzinfo=None))
    margin = timedelta(days=1)
    spans = offset_spans(ZoneInfo(feed.zone), feed.plausible.first - margin, feed.plausible.last + margin)
    typer = records.type_encounters if feed.shape == "encounters" else records.type_events
    return records.judge(typer(bronze, feed, spans, sectors))


def _column(mapped: Any, source: Source, name: str) -> dict[str, Any]:
    values = [value for value in mapped[name].to_pylist() if value is not None]
    samples = list(dict.fromkeys(values))[:_SAMPLES]
    origin = source.column if source.const is None else f"constant {source.const!r}"
    condition = "".join(f" when {column} in {', '.join(accepted)}" for column, accepted in source.when.items())
    return {"column": name, "source": f"{origin}{condition}", "filled": len(values), "samples": samples}
