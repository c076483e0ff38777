"""Mapped records to bronze: text as delivered, with where it came from and the day it speaks of."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import ibis
import ibis.expr.types as ir

from healthcare_ops.core.feed import Feed
from healthcare_ops.core.tables import ENCOUNTER_TIMES, ENCOUNTERS_RAW, EVENTS_RAW, Table
from healthcare_ops.pipeline import civil
from healthcare_ops.ports import Delivery


def bronze_table(feed: Feed) -> Table:
    """Return the bronze table that the feed's records go to."""
    return ENCOUNTERS_RAW if feed.shape == "encounters" else EVENTS_RAW


def bronze_rows(mapped: ir.Table, feed: Feed, delivery: Delivery, ingested_at: datetime) -> ir.Table:
    """Return the delivery's rows of its bronze table.

    Parameters
    ----------
    mapped
        The feed's `table_columns` as text, and `record_no`.
    ingested_at
        Naive UTC.
    """
    separator = "\x1f"
    # An encounter id that was made up for the record says where it stood, and not what it says.
    told = [name for name in feed.table_columns if name != "encounter_id" or name in feed.columns]
    content = ibis.literal(separator).join([mapped[name].fill_null("\x00") for name in told])
    rows = mapped.mutate(
        feed_id=ibis.literal(delivery.feed_id),
        batch_id=ibis.literal(delivery.batch_id),
        source_file=ibis.literal(delivery.source_file),
        source_sha256=ibis.literal(delivery.source_sha256),
        delivery_seq=ibis.literal(delivery.delivery_seq, "int64"),
        ingested_at=ibis.literal(ingested_at),
        content_hash=content.hexdigest("md5"),
        dt=_record_day(mapped, feed, delivery.delivered_on),
    )
    return rows.select(*bronze_table(feed).column_names)


def _record_day(mapped: ir.Table, feed: Feed, otherwise: date) -> Any:
    """Return the date of the first plausible time; garbage must not scatter over a thousand partitions."""
    names = ENCOUNTER_TIMES if feed.shape == "encounters" else ("event_time",)
    days = [
        civil.day_between(civil.read(mapped[name], feed.times.formats).clock, feed.plausible.first, feed.plausible.last)
        for name in names
        if name in feed.columns
    ]
    return ibis.coalesce(*days, ibis.literal(otherwise))
