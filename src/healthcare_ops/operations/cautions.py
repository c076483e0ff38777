"""What a reader of figures and forecasts must know first: old data, a history too thin, days not built again."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from healthcare_ops.bootstrap.configuration import Changes, find_changes
from healthcare_ops.bootstrap.platform import Platform, open_platform
from healthcare_ops.core.civil_time import civil_day, day_start
from healthcare_ops.core.clock import AsOfClock
from healthcare_ops.core.days import day_runs
from healthcare_ops.core.errors import ConfigError, DataError, NotFoundError
from healthcare_ops.core.feed import Feed
from healthcare_ops.core.tables import BATCH_ACCOUNTS, ENCOUNTERS, OPS_METRICS_HOURLY
from healthcare_ops.forecasting.arrivals import MIN_HOURS
from healthcare_ops.forecasting.champions import TRAINING, load_champion, standing
from healthcare_ops.forecasting.regressors import instant
from healthcare_ops.jobs.acceptances import acceptances
from healthcare_ops.jobs.series import covariates, regressor_hours
from healthcare_ops.jobs.silver_to_gold import KNOWN_UNTIL, gold_known_until, silver_changes
from healthcare_ops.operations.acceptance import with_acceptances
from healthcare_ops.operations.bulk import days_to_rebuild
from healthcare_ops.operations.caution import Caution, CautionCode
from healthcare_ops.operations.history import read_runs
from healthcare_ops.operations.reading import newest_outline
from healthcare_ops.operations.schedules import schedules_of
from healthcare_ops.operations.trainings import overdue
from healthcare_ops.pipeline.quality.report.acceptance import command_of
from healthcare_ops.pipeline.quality.report.refusals import is_of_refused
from healthcare_ops.pipeline.quality.report.report import SCHEMA_VERSION

_MIN_DAYS = MIN_HOURS // 24
_RUNS_NAMED = 3
_HOUR = timedelta(hours=1)
_OVERDUE = {
    "missed": CautionCode.TRAINING_MISSED,
    "failed": CautionCode.TRAINING_FAILED,
    "late": CautionCode.TRAINING_LATE,
}


def find_cautions(platform: Platform, predictions: Sequence[Mapping[str, Any]] = ()) -> tuple[Caution, ...]:
    """Return what to know of the lake's data, of the model in use and of `predictions`, if any are shown."""
    return (
        *_old_data(platform),
        *_thin_history(platform),
        *_past_forecast(platform, predictions),
        *_unknown_regressors(platform),
        *overdue_training(platform),
        *not_built_again(platform, find_changes(platform.state)),
        *_judged_badly(platform),
        *_accepted_gaps(platform),
    )


def _judged_badly(platform: Platform) -> Iterator[Caution]:
    """Yield what the newest report says against the data: clocks in doubt, and days that gold did not take.

    One of an earlier form is passed over: it need not hold what is asked of it here.
    """
    try:
        report = newest_outline(platform)
    except (NotFoundError, ConfigError):  # who asks for the report is told
        return
    if report["schema_version"] != SCHEMA_VERSION:
        return
    age = _span(platform.context.clock.now() - datetime.fromisoformat(report["as_of"]))
    yield from _clocks_in_doubt(platform, report, age)
    first, last = (date.fromisoformat(report["days"][end]) for end in ("first", "last"))
    waiting = frozenset[date]().union(*(changes.days for changes in silver_changes(platform.context).values()))
    held = [day for day in waiting if first <= day <= last]
    if held and report["verdict"] in ("fail", "error"):
        yield Caution(CautionCode.DAYS_HELD, {"days": _named(held), "age": age})


def _clocks_in_doubt(platform: Platform, report: Mapping[str, Any], age: str) -> Iterator[Caution]:
    """Yield one caution for each wrong clock, and for two that disagree: of several days the one that is furthest off.

    What another finding explains, or a person answers for now, is none.
    """
    told: Mapping[str, Any] = {name: report[name] for name in ("clocks", "shifts")}
    with suppress(ConfigError):  # a log that is not whole stops whoever decides
        told = with_acceptances(platform, told)
    in_doubt = [
        clock
        for clock in (*told["clocks"], *told["shifts"])
        if clock["offset_h"] and "explained_by" not in clock and "accepted" not in clock
    ]
    for rule_id in dict.fromkeys(clock["rule_id"] for clock in in_doubt):
        of_rule = (clock for clock in in_doubt if clock["rule_id"] == rule_id)
        worst = max(of_rule, key=lambda clock: (abs(clock["offset_h"]), clock["day"]))
        values = {name: worst[name] for name in ("rule_id", "feed_id", "other_feed_id", "day") if name in worst}
        code = CautionCode.CLOCKS_APART if "other_feed_id" in worst else CautionCode.CLOCK_IN_DOUBT
        yield Caution(code, values | {"offset": f"{worst['offset_h']:+g}", "age": age})


def _accepted_gaps(platform: Platform) -> Iterator[Caution]:
    """Yield what people accepted of the days by which forecasts know the usual level."""
    since = civil_day(platform.context.clock.now(), platform.context.site.tz) - timedelta(days=_MIN_DAYS)
    days: dict[tuple[str, str], set[date]] = {}
    with suppress(ConfigError):  # a log that is not whole stops whoever decides
        for one in acceptances(platform.context.objects):
            # A refused file has no day, though its name may look like one.
            if not is_of_refused(one.rule_id) and (day := date.fromisoformat(one.seen.of)) >= since:
                days.setdefault((one.rule_id, one.by), set()).add(day)
    for (rule_id, by), accepted in days.items():
        command = command_of("withdraw", rule_id, [day.isoformat() for day in accepted])
        values = {"rule_id": rule_id, "by": by, "days": _named(accepted), "command": command}
        yield Caution(CautionCode.GAP_ACCEPTED, values)


def _named(days: Iterable[date]) -> str:
    """Return days as runs, the first of them by name."""
    runs = list(day_runs(days))
    named = [f"{first}" if first == last else f"{first} to {last}" for first, last in runs[:_RUNS_NAMED]]
    more = [f"{len(runs) - _RUNS_NAMED} more"] if len(runs) > _RUNS_NAMED else []
    return ", ".join([*named, *more])


def not_built_again(platform: Platform, changes: Changes) -> Iterator[Caution]:
    """Yield one caution if days stand that were built with another site or feed file, with the command to run."""
    days = days_to_rebuild(platform, changes)
    if not days:
        return
    source = " --from-raw" if changes.reread else ""
    command = f"hops backfill{source} --from {min(days)} --to {max(days)} --state {shlex.quote(str(platform.state))}"
    values = {"files": ", ".join(changes.files), "days": f"{len(days)}", "command": command}
    yield Caution(CautionCode.NOT_BUILT_AGAIN, values)


def cautions_of_run(state: Path, run_type: str, run_date: str, as_of: str) -> list[dict[str, str]]:
    """Return what to know of the data and the model that a run worked with, as documents."""
    days = [date.fromisoformat(run_date)] if run_type == "daily" else []
    with open_platform(state, AsOfClock(datetime.fromisoformat(as_of)), exclusive=False) as platform:
        found = (*days_without_records(platform, days), *find_cautions(platform))
        return [caution.document for caution in found]


def days_without_records(platform: Platform, days: Collection[date]) -> Iterator[Caution]:
    """Yield one caution if no delivery has a record of some of the days, naming the first of them."""
    there = (platform.lake.changes(table, "").days for table in (BATCH_ACCOUNTS, ENCOUNTERS))
    if missing := set(days).difference(*there):
        yield Caution(CautionCode.NO_RECORDS, {"days": _named(missing)})


def not_taken_again(feed: Feed, landed: Iterable[Mapping[str, Any]]) -> Iterator[Caution]:
    """Yield one caution for each file that came again after others, of a feed that does not say what is newer."""
    for file in landed:
        if file["later_deliveries"] and "version_time" not in feed.columns:
            values = {
                "file": file["source_file"],
                "batch_id": file["batch_id"],
                "later": f"{file['later_deliveries']}",
            }
            yield Caution(CautionCode.NOT_TAKEN_AGAIN, values)


def old_report(report: Mapping[str, Any]) -> Iterator[Caution]:
    """Yield one caution if a data-quality report has an earlier form than today's."""
    if report["schema_version"] < SCHEMA_VERSION:
        yield Caution(CautionCode.REPORT_OLD, {"run_id": report["run_id"]})


def _old_data(platform: Platform) -> Iterator[Caution]:
    """Yield one caution for each feed whose newest data are older than its cadence allows.

    A delivery tells of as much time as lies between two, and may come as late as the feed file says.
    """
    now = platform.context.clock.now()
    for feed_id, newest in _newest_data(platform):
        feed = platform.context.feeds[feed_id]
        age, cadence = now - newest, feed.cadence
        if age > timedelta(minutes=cadence.every_min + cadence.late_after_min):
            values = {
                "feed_id": feed_id,
                "age": _span(age),
                "every": _span(timedelta(minutes=cadence.every_min)),
                "late": _span(timedelta(minutes=cadence.late_after_min)),
                "owner": feed.owner.name,
            }
            yield Caution(CautionCode.DATA_OLD, values)


def _newest_data(platform: Platform) -> Iterator[tuple[str, datetime]]:
    """Yield each feed that has delivered, with the instant of its newest data.

    That is what is known at all for the feeds that tell of the newest day, and the end of their own for others:
    records are counted by day.
    """
    noted = platform.lake.note(OPS_METRICS_HOURLY, KNOWN_UNTIL)
    if not noted:
        return
    known_until, zone = datetime.fromisoformat(noted), platform.context.site.tz
    accounts = platform.lake.read(BATCH_ACCOUNTS)
    told = accounts.filter(accounts.applied > 0).group_by("feed_id").aggregate(newest=lambda rows: rows.dt.max())
    last = civil_day(known_until, zone)  # a misdated record may tell of a later one
    newest = {
        row["feed_id"]: min(row["newest"], last)
        for row in platform.context.engine.collect(told.order_by("feed_id")).to_pylist()
        if row["feed_id"] in platform.context.feeds
    }
    for feed_id, day in newest.items():
        is_newest = day == max(newest.values())
        yield feed_id, known_until if is_newest else day_start(day + timedelta(days=1), zone)


def _thin_history(platform: Platform) -> Iterator[Caution]:
    if standing(platform.context.objects).champion is None:
        return
    runs = list(day_runs(platform.lake.changes(OPS_METRICS_HOURLY, "").days))
    known = (runs[-1][1] - runs[-1][0]).days + 1 if runs else 0
    if known < _MIN_DAYS:
        yield Caution(CautionCode.HISTORY_SHORT, {"days": f"{known}", "needed": f"{_MIN_DAYS}"})
    with suppress(ConfigError):  # of a model that cannot be read, who uses it tells
        manifest = load_champion(platform.context.objects).manifest
        yield from _untested(manifest["training_window"], {walk["sector_id"] for walk in manifest["backtests"]})


def _untested(windows: Mapping[str, Sequence[str]], tested: Iterable[str]) -> Iterator[Caution]:
    learnt = {
        sector: datetime.fromisoformat(until) - datetime.fromisoformat(start)
        for sector, (start, until) in sorted(windows.items())
        if sector not in tested
    }
    if learnt:
        days = f"{min(learnt.values()).days}"
        yield Caution(CautionCode.MODEL_UNTESTED, {"sectors": ", ".join(learnt), "days": days})


def _unknown_regressors(platform: Platform) -> Iterator[Caution]:
    """Yield one caution for each forecast of others that the model in use has learnt from and does not have now."""
    context, until = platform.context, gold_known_until(platform.context)
    if until is None or standing(context.objects).champion is None:
        return
    with suppress(ConfigError, DataError):  # of a model or a file that cannot be read, who uses it tells
        if not (names := load_champion(context.objects).flow.regressors):
            return
        beside = covariates(context)
        for name, hours in regressor_hours(context, names, beside, until).items():
            last = beside.regressor(name).target_min.max(initial=-1)
            told = _local(platform, instant(last)) if last >= 0 else "–"
            if not hours:
                yield Caution(CautionCode.REGRESSOR_UNKNOWN, {"name": name, "until": told})


def overdue_training(platform: Platform) -> Iterator[Caution]:
    """Yield one caution if no training has succeeded since the last Sunday on which one was due."""
    context, now = platform.context, platform.context.clock.now()
    champion = standing(context.objects).champion
    (weekly,) = (one for one in schedules_of(context.settings, context.site.tz) if one.run_type == TRAINING)
    found = overdue(weekly, read_runs(context.objects), now)
    # Runs are kept for some days, and what they put to use for good.
    if found is None or (champion and champion.by == TRAINING and datetime.fromisoformat(champion.since) >= found.due):
        return
    values = {"due": _local(platform, found.due), "run_id": found.run_id, "reason": found.reason}
    if found.began:
        values["began"] = _local(platform, found.began)
    if champion is None:
        if found.what == "failed":
            yield Caution(CautionCode.NEVER_TRAINED, values)
        return
    with suppress(ConfigError, NotFoundError):  # of a model that cannot be read, who uses it tells
        learnt = datetime.fromisoformat(load_champion(context.objects).manifest["trained_until"])
        values |= {"learnt": _local(platform, learnt), "age": _span(now - learnt)}
        yield Caution(_OVERDUE[found.what], values)


def _local(platform: Platform, instant: datetime) -> str:
    return f"{instant.astimezone(platform.context.site.tz):%Y-%m-%d %H:%M}"


def _past_forecast(platform: Platform, predictions: Sequence[Mapping[str, Any]]) -> Iterator[Caution]:
    if predictions and max(row["target_time"] for row in predictions) + _HOUR <= platform.context.clock.now():
        yield Caution(CautionCode.FORECAST_PAST, {"made_at": _local(platform, predictions[0]["prediction_ts"])})


def _span(span: timedelta) -> str:
    """Return a duration in the unit that people would use."""
    minutes = span / timedelta(minutes=1)
    if minutes < 120:
        return f"{minutes:.0f} min"
    return f"{minutes / 60:.0f} h" if minutes < 48 * 60 else f"{minutes / 1440:.0f} d"
