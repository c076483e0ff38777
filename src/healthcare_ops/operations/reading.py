"""What pages and commands show of the lake."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import ibis

from healthcare_ops.bootstrap.platform import Platform
from healthcare_ops.core.civil_time import civil_day
from healthcare_ops.core.errors import ConfigError, NotFoundError
from healthcare_ops.core.tables import PREDICTIONS
from healthcare_ops.pipeline.quality.report.report import REPORTS_PREFIX
from healthcare_ops.pipeline.quality.report.report import SCHEMA_VERSION as REPORT_VERSION
from healthcare_ops.ports import ObjectStore

# Forms of reports whose outline is that of today's.
_FORMS = range(1, REPORT_VERSION + 1)


def newest_predictions(platform: Platform) -> list[dict[str, Any]]:
    """Return the rows of the newest origin by sector and horizon, instants aware; none if there is no prediction.

    What was predicted after the platform's now is not looked at: to a clock that was set back it is yet to come.
    """
    now = platform.context.clock.now().astimezone(UTC)
    today = civil_day(now, platform.context.site.tz)
    # Of today's rows all may be later than now, of the day's before none is.
    days = sorted(day for day in platform.lake.changes(PREDICTIONS, "").days if day <= today)[-2:]
    if not days:
        return []
    rows = platform.lake.read(PREDICTIONS, days[0], days[-1])
    rows = rows.filter(rows.prediction_ts <= ibis.literal(now.replace(tzinfo=None)))
    latest = rows.filter(rows.prediction_ts == rows.prediction_ts.max()).order_by("sector_id", "horizon_h")
    return [_aware(row) for row in platform.context.engine.collect(latest).to_pylist()]


def newest_report(platform: Platform, run_id: str = "") -> dict[str, Any]:
    """Return the newest data-quality report, or that of a run (as much of its id as no other has), with its `path`.

    Raises
    ------
    NotFoundError
        If there is none, or more than one run is meant.
    ConfigError
        If it has another form than today's, because another version of the product wrote it, or cannot be read.
    """
    found = _last_written(platform, run_id)
    if found["schema_version"] != REPORT_VERSION:
        raise _of_another_form(found)
    return found


def newest_outline(platform: Platform) -> dict[str, Any]:
    """Return of the newest report what also those of an earlier form have.

    That is its days, verdict and score, and by rule its id, severity, verdict and counts of rows; with its `path` and
    `schema_version`. Raises as `newest_report` does, but not for an earlier form.
    """
    found = _last_written(platform)
    if found["schema_version"] not in _FORMS:
        raise _of_another_form(found)
    return found


def _last_written(platform: Platform, run_id: str = "") -> dict[str, Any]:
    objects = platform.context.objects
    keys = _keys_of(objects.list(REPORTS_PREFIX), run_id)
    reports = [_read(objects, key) for key in _newest_first(keys)[:_LATEST]]
    if not reports:
        raise NotFoundError(
            f"there is no report of run {run_id!r}." if run_id else "there is no data-quality report yet.",
            next_step="Run `hops dq check`.",
        )
    return max(reports, key=lambda report: str(report["written_at"]))


def _of_another_form(report: Mapping[str, Any]) -> ConfigError:
    return ConfigError(
        f"the report {report['path']} was written by another version of the product: it has form "
        f"{report['schema_version']}, not {REPORT_VERSION}.",
        next_step="Run `hops dq check`, or open the file.",
    )


def _read(objects: ObjectStore, key: str) -> dict[str, Any]:
    try:
        report: dict[str, Any] = json.loads(objects.read(key))
        return {"path": objects.path(key), "written_at": report["written_at"], "schema_version": 0} | report
    except (ValueError, TypeError, KeyError) as error:
        raise ConfigError(
            f"the report {objects.path(key)} cannot be read: it is cut short, or was changed.",
            next_step="Move it elsewhere, or put it back from a backup.",
        ) from error


def report_keys(platform: Platform) -> frozenset[str]:
    """Return the keys of all reports."""
    return frozenset(platform.context.objects.list(REPORTS_PREFIX))


def report_since(platform: Platform, before: frozenset[str]) -> dict[str, Any] | None:
    """Return the report that was written since there were these keys, with its `path`; null if none was."""
    objects = platform.context.objects
    written = sorted(report_keys(platform) - before)
    return _read(objects, written[-1]) if written else None


def _keys_of(keys: Sequence[str], run_id: str) -> list[str]:
    """Return the keys of all reports, or those of the one run that is meant; none if there is no such run."""
    runs = {Path(key).stem for key in keys if Path(key).stem.startswith(run_id)}
    meant = {run_id} if run_id in runs else runs
    if run_id and len(meant) > 1:
        raise NotFoundError(
            f"{run_id!r} begins the ids of {len(meant)} runs.",
            next_step=f"Write more of it: {', '.join(sorted(meant)[:5])}.",
        )
    return [key for key in keys if Path(key).stem in meant]


def sections_of(report: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return what a report says by rule, then what the site's own past says of its figures and of its clocks."""
    return [*report["rules"], *told_by_the_past(report)]


def findings_of(report: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return what a report says as its score counts it: of each rule, clock and figure the worst section, once."""
    worst: dict[tuple[str, str], Mapping[str, Any]] = {}
    for section in sections_of(report):
        found = (section.get("table", ""), section["rule_id"])
        if _severity(section) > _severity(worst.setdefault(found, section)):
            worst[found] = section
    return list(worst.values())


def _severity(section: Mapping[str, Any]) -> int:
    return {"fail": 2, "warn": 1}.get(section["verdict"], 0)


def told_by_the_past(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what of a report is a sentence: clocks that are wrong, then figures that are too far off."""
    return [section for name in ("shifts", "clocks", "expectations") for section in report.get(name, ())]


def newest_reports(platform: Platform, count: int) -> list[dict[str, Any]]:
    """Return the newest reports of today's form, the newest first by the instant of their runs.

    `ConfigError` if one of them cannot be read.
    """
    objects = platform.context.objects
    found = []
    for key in _newest_first(objects.list(REPORTS_PREFIX)):
        report = _read(objects, key)
        if report["schema_version"] == REPORT_VERSION:
            found.append(report)
        if len(found) == count:
            break
    return found


# Of so many reports of the latest instants, one is the last that was written.
_LATEST = 20
_INSTANT = re.compile(r"\d{8}T\d{6}Z")


def _newest_first(keys: Iterable[str]) -> list[str]:
    """Return keys of reports by the instant in the names of their runs; no other is told without reading them all."""

    def instant(key: str) -> tuple[str, str]:
        found = _INSTANT.search(Path(key).stem)
        return (found.group() if found else "", key)

    return sorted(keys, key=instant, reverse=True)


def _aware(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value.replace(tzinfo=UTC) if isinstance(value, datetime) else value for name, value in row.items()}
