"""What pages and commands show of the lake."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import ibis

from healthcare_ops.bootstrap.platform import Platform
from healthcare_ops.core.civil_time import civil_day
from healthcare_ops.core.errors import ConfigError, NotFoundError
from healthcare_ops.core.tables import PREDICTIONS
from healthcare_ops.jobs.quality_reports import MOST_READ, PAST_DAYS
from healthcare_ops.pipeline.quality.report.causes import with_causes
from healthcare_ops.pipeline.quality.report.form import fault_of, outline_fault_of
from healthcare_ops.pipeline.quality.report.past import DECISION, kind_of, made_by
from healthcare_ops.pipeline.quality.report.refusals import refused_section
from healthcare_ops.pipeline.quality.report.report import REPORTS_PREFIX
from healthcare_ops.pipeline.quality.report.report import SCHEMA_VERSION as REPORT_VERSION
from healthcare_ops.pipeline.quality.rules.checks import own_id
from healthcare_ops.pipeline.quality.wording.findings import PAST_LISTS, sentence_of
from healthcare_ops.ports import ObjectStore

# Forms of reports whose outline is that of today's.
_FORMS = frozenset({1, 2})


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

    Newest is the one that was written last, but for those of a few days that decisions about held records left: these
    are found by their run alone, or if there is no other.

    Raises
    ------
    NotFoundError
        If there is none, or more than one run is meant.
    ConfigError
        If it has another form than today's, because another version of the product wrote it, cannot be read, or holds
        a value that the product does not write.
    """
    found = _last_written(platform, run_id)
    if found["schema_version"] != REPORT_VERSION:
        raise _of_another_form(found)
    return _whole(found)


def told_by_cause(platform: Platform, report: dict[str, Any]) -> dict[str, Any]:
    """Return a report of today's form with its causes; one of before they were told holds what they are made of."""
    return report if "causes" in report else with_causes(report, platform.context.site.tz)


def _whole(report: dict[str, Any]) -> dict[str, Any]:
    """Return a report, with its `path`, that is as its JSON Schema says; `ConfigError` for another."""
    return _unchanged(report, fault_of({name: value for name, value in report.items() if name != "path"}))


def _unchanged(report: dict[str, Any], fault: str) -> dict[str, Any]:
    if fault:
        raise ConfigError(
            f"{report['path']} was changed since it was written: {fault}.",
            next_step="Put it back from a backup, or judge the days again with `hops dq check --from DAY --to DAY`.",
        )
    return report


def newest_outline(platform: Platform) -> dict[str, Any]:
    """Return the newest report as it was written, in today's form or an earlier one, with its `path`.

    To be relied on is what all forms have: days, verdict and score, by rule its id, severity, verdict and counts of
    rows, and `schema_version`. Raises as `newest_report` does, but not for an earlier form.
    """
    found = _last_written(platform)
    if found["schema_version"] == REPORT_VERSION:
        return _whole(found)
    if found["schema_version"] not in _FORMS:
        raise _of_another_form(found)
    return _unchanged(found, outline_fault_of(found))


def _last_written(platform: Platform, run_id: str = "") -> dict[str, Any]:
    objects = platform.context.objects
    keys = _keys_of(objects.list(REPORTS_PREFIX), run_id)
    if not run_id:
        keys = [key for key in keys if not _is_of_decision(key)] or keys
    reports = [_read(objects, key) for key in _newest_first(keys)[:_LATEST]]
    if not reports:
        raise NotFoundError(
            f"there is no report of run {run_id!r}." if run_id else "there is no data-quality report yet.",
            next_step="Run `hops dq check`.",
        )
    return max(reports, key=lambda report: str(report["written_at"]))


def later_decision(platform: Platform, report: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return run and number of days of the newest report that a decision left after this one; null if none did."""
    objects = platform.context.objects
    keys = [key for key in objects.list(REPORTS_PREFIX) if _is_of_decision(key)]
    found = [_read(objects, key) for key in _newest_first(keys)[:_LATEST]]
    later = [one for one in found if str(one["written_at"]) > str(report["written_at"])]
    newest = max(later, key=lambda one: str(one["written_at"]), default=None)
    return {"run_id": _whole(newest)["run_id"], "days": newest["days"]["count"]} if newest else None


def _is_of_decision(key: str) -> bool:
    return made_by(Path(key).stem) == DECISION


def _of_another_form(report: Mapping[str, Any]) -> ConfigError:
    return ConfigError(
        f"the report {report['path']} was written by another version of the product: it has form "
        f"{report['schema_version']}, not {REPORT_VERSION}.",
        next_step="Run `hops dq check`, or open the file.",
    )


def _read(objects: ObjectStore, key: str) -> dict[str, Any]:
    try:
        report: dict[str, Any] = json.loads(objects.read(key))
        if "path" in report:
            raise ValueError("it holds what no report does")
        return {"schema_version": 0} | report | {"path": objects.path(key), "written_at": report["written_at"]}
    except (ValueError, TypeError, KeyError, RecursionError) as error:
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
    """Return what a report says by rule, then of files that were refused, of clocks and of figures."""
    return [*report["rules"], *told_in_words(report)]


def findings_of(report: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return what a report says as its score counts it: of each rule, clock, figure and feed's files the worst."""
    worst: dict[str, Mapping[str, Any]] = {}
    for section in sections_of(report):
        if _severity(section) > _severity(worst.setdefault(section["rule_id"], section)):
            worst[section["rule_id"]] = section
    return list(worst.values())


def _severity(section: Mapping[str, Any]) -> int:
    return {"fail": 2, "warn": 1}.get(section["verdict"], 0)


def told_in_words(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what of a report is a sentence: refused files, clocks that are wrong, figures that are too far off."""
    others = [section for name in PAST_LISTS for section in report.get(name, ())]
    return [*_refused(report), *others]


def _refused(report: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a section for each refused file; reports of before this was told have none."""
    for feed in report.get("feeds", ()):
        for file in feed.get("refused_files", ()):
            section = refused_section(file, feed["feed_id"])
            yield section | {"sentence": sentence_of(section)}


def newest_reports(platform: Platform, count: int) -> list[dict[str, Any]]:
    """Return the newest reports of today's form, the newest first by the instant of their runs.

    `ConfigError` if one of them cannot be read, or was changed.
    """
    objects = platform.context.objects
    found = []
    for key in _newest_first(objects.list(REPORTS_PREFIX)):
        report = _read(objects, key)
        if report["schema_version"] == REPORT_VERSION:
            found.append(_whole(report))
        if len(found) == count:
            break
    return found


def reports_before(platform: Platform, reports: Sequence[Mapping[str, Any]], wanted: int) -> list[dict[str, Any]]:
    """Return the reports by which rules judge the oldest of some reports, of each kind of run the newest first.

    As `past_reports` has it: of two weeks, at most four times as many of a kind as are wanted; what cannot be read is
    left out.
    """
    objects = platform.context.objects
    keys = _newest_first(objects.list(REPORTS_PREFIX))
    runs = {Path(report["path"]).stem for report in reports}
    found: list[dict[str, Any]] = []
    for kind in sorted({kind_of(run_id) for run_id in runs}):
        alike = [key for key in keys if kind_of(Path(key).stem) == kind]
        for key in _keys_before(alike, runs)[: MOST_READ * wanted]:
            with suppress(ConfigError):
                report = _read(objects, key)
                found += [_whole(report)] if report["schema_version"] == REPORT_VERSION else []
    return found


def _keys_before(keys: Sequence[str], runs: Collection[str]) -> list[str]:
    """Return the keys that come after the last one of some runs and are of the two weeks that end with its day."""
    oldest = max(number for number, key in enumerate(keys) if Path(key).stem in runs)
    first = _day_of(keys[oldest]) - timedelta(days=PAST_DAYS - 1)
    return [key for key in keys[oldest + 1 :] if _day_of(key) >= first]


def _day_of(key: str) -> date:
    return date.fromisoformat(Path(key).parent.name.removeprefix("dt="))


def told_of(rule: str, reports: Sequence[Mapping[str, Any]]) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Return what reports, the newest first, say of a rule, each with its report, whatever each of them calls it.

    Parameters
    ----------
    rule
        What the newest report that knows it calls it, TABLE:ID, or the id alone if one table alone has it there.

    Raises
    ------
    NotFoundError
        If no report knows the rule, or its id is one of several tables there.
    """
    found = [(report, findings_of(report)) for report in reports]
    meant = next(filter(None, (_meant(rule, sections) for _, sections in found)), None)
    if meant is None:
        raise NotFoundError(f"no run judged rule {rule!r}.", next_step="`hops dq show` lists the rules.")
    return [(report, section) for report, sections in found for section in sections if _known_by(section) == meant]


def _meant(rule: str, sections: Sequence[Mapping[str, Any]]) -> tuple[str, str] | None:
    """Return by what the rule is known that a name means in a report; null if it means none there."""
    for section in sections:
        if rule in (section["rule_id"], ":".join(_known_by(section))):
            return _known_by(section)
    named = {section["rule_id"]: section for section in sections if own_id(section["rule_id"]) == rule}
    if len(named) > 1:
        raise NotFoundError(f"{len(named)} tables have a rule {rule!r}.", next_step=which_of(rule, named, ""))
    return next(map(_known_by, named.values()), None)


def _known_by(section: Mapping[str, Any]) -> tuple[str, str]:
    """Return by what a rule is known in all reports: a second table that takes its id changes what it is called."""
    return section.get("table", ""), own_id(section["rule_id"])


def which_of(rule: str, names: Iterable[str], otherwise: str) -> str:
    """Return what to do about a name that no rule has: say which one of those whose own id it is, if any."""
    meant = sorted(name for name in names if own_id(name) == rule)
    return f"Say which: {', '.join(meant)}." if meant else otherwise


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
