"""The reports of data quality, as they are kept, and the delivered records that they name."""

from __future__ import annotations

import json
import logging
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

import ibis

from healthcare_ops.core.days import day_runs
from healthcare_ops.core.tables import ENCOUNTERS_RAW, EVENTS_RAW
from healthcare_ops.jobs.context import Context, Request
from healthcare_ops.pipeline.quality.report.form import fault_of
from healthcare_ops.pipeline.quality.report.past import kind_of
from healthcare_ops.pipeline.quality.report.report import (
    REPORTS_PREFIX,
    SCHEMA_VERSION,
    TREND_RUNS,
    SourceRecord,
    report_key,
)
from healthcare_ops.pipeline.quality.rules.conditions import ORDINARY_RUNS
from healthcare_ops.pipeline.silver import within

# The day of a run, and the days before it.
PAST_DAYS = 14
# So many are read for each that is wanted, at most: a tick of as many days as no other would look through all of them.
MOST_READ = 4
_REMEMBERED = 64
_LAST = re.compile(r"\blast\(\s*(\d{1,4})\s*\)")
_ANOMALIES = re.compile(r"\bDetectAnomalies\b")
_log = logging.getLogger(__name__)
_RECORDS_OF_FEED = 3


def past_reports(context: Context, request: Request, days: int) -> list[Mapping[str, Any]]:
    """Return the reports of runs like this one, of two weeks that end with its day, the newest first.

    A tick judges a part of a day and a load any number of them: neither is what a daily run measures. There are enough
    for the trend, and as many that judged this number of days as a rule speaks of; fewer if two weeks have fewer, or
    the newest ones: no more than four times as many are read.
    """
    wanted = runs_spoken_of(context.rules.values())
    left = MOST_READ * wanted
    found: list[Mapping[str, Any]] = []
    for back in range(PAST_DAYS):
        keys = _keys_like(context, request, request.run_date - timedelta(days=back))[:left]
        left -= len(keys)
        of_day = filter(None, (readable_report(context, key) for key in keys))
        found += sorted(of_day, key=lambda report: str(report["written_at"]), reverse=True)
        if not left or sum(report["days"]["count"] == days for report in found) >= wanted:
            break
    return found


def runs_spoken_of(rules: Iterable[str]) -> int:
    """Return how many runs before rules speak of, by their text; at least those of the trend."""
    spoken = [TREND_RUNS]
    for text in rules:
        spoken += [int(past) for past in _LAST.findall(text)]
        spoken += [ORDINARY_RUNS] if _ANOMALIES.search(text) else []
    return max(spoken)


def _keys_like(context: Context, request: Request, day: date) -> list[str]:
    """Return the keys of the reports that other runs of this one's kind wrote of a day, the newest run first."""
    runs = {
        key.rpartition("/")[2].removesuffix(".json"): key
        for key in context.objects.list(f"{REPORTS_PREFIX}dt={day.isoformat()}/")
    }
    kind = kind_of(request.run_id)
    alike = [run_id for run_id in runs if run_id != request.run_id and kind_of(run_id) == kind]
    return [runs[run_id] for run_id in sorted(alike, key=lambda run_id: run_id.partition("-")[2], reverse=True)]


def readable_report(context: Context, key: str) -> Mapping[str, Any] | None:
    """Return a report of today's form that was judged to its end; None for another, and for one that is damaged."""
    try:
        data = context.objects.read(key)
        report: Mapping[str, Any] = json.loads(data)
        is_usable = report["schema_version"] == SCHEMA_VERSION and not report["error"]
        fault = _fault_in(data) if is_usable else ""
    except (ValueError, KeyError, TypeError, RecursionError):
        fault, is_usable = "it is no report", False
    if fault:
        _log.warning("the report %s cannot be read (%s); the past is told without it", key, fault)
    return report if is_usable and not fault else None


@lru_cache(_REMEMBERED)
def _fault_in(data: bytes) -> str:
    """Return what is wrong with a report; every tick reads those of the ticks before."""
    return fault_of(json.loads(data))


def write_report(context: Context, request: Request, document: Mapping[str, Any]) -> str:
    """Keep the report; return its key."""
    key = report_key(request.run_date, request.run_id)
    context.objects.write(key, json.dumps(document, indent=1, ensure_ascii=False).encode())
    return key


def source_records(
    context: Context, encounters: Collection[str], days: Sequence[date]
) -> Mapping[str, Sequence[SourceRecord]]:
    """Return by encounter the newest delivered records of each feed that speak of it on the days or the day beside."""
    found: dict[str, list[SourceRecord]] = defaultdict(list)
    counts: Counter[tuple[str, str]] = Counter()
    if not encounters:
        return found
    margin = timedelta(days=1)
    runs = [(first - margin, last + margin) for first, last in day_runs(days)]
    parts = []
    for table in (ENCOUNTERS_RAW, EVENTS_RAW):
        rows = context.lake.read(table, runs[0][0], runs[-1][1])
        rows = rows.filter(within(rows.dt, runs) & rows.encounter_id.isin(sorted(encounters)))
        parts.append(rows.select("encounter_id", "source_file", "record_no", "feed_id", "delivery_seq"))
    records = ibis.union(*parts)
    records = records.order_by(
        "encounter_id", "feed_id", ibis.desc("delivery_seq"), ibis.desc("record_no"), "source_file"
    )
    for row in context.engine.collect(records).to_pylist():
        of_feed = (row["encounter_id"], row["feed_id"])
        counts[of_feed] += 1
        if counts[of_feed] <= _RECORDS_OF_FEED:
            record = SourceRecord(row["feed_id"], row["source_file"], row["record_no"], row["encounter_id"])
            found[row["encounter_id"]].append(record)
    return found
