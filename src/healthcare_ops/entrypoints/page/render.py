"""The report as one HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from statistics import fmean
from typing import Any

from markupsafe import Markup

from healthcare_ops.core.language import Language
from healthcare_ops.core.tables import ACCOUNT
from healthcare_ops.entrypoints.page import svg
from healthcare_ops.entrypoints.page.model import PEOPLE, Ahead, Hour, Report, SectorView
from healthcare_ops.entrypoints.page.quality_views import MARKS, WORST_FIRST, headline
from healthcare_ops.entrypoints.page.templates import environment
from healthcare_ops.entrypoints.page.texts import Words
from healthcare_ops.forecasting.evaluation import SHOWN_AHEAD
from healthcare_ops.operations.caution import CautionCode

_FEW_DAYS, _MANY_DAYS, _MOST_TICKS = 62, 800, 16
_HOUR = timedelta(hours=1)
# A forecast farther than this from what was seen has no place in the chart; the table has it.
_LONGEST_GAP = timedelta(days=7)
# What a smaller chart shows of the past.
_SMALL_H = 72
# A name of a day that is nearer to the end would be cut off.
_EDGE_H = 4


def render(report: Report, language: Language = "en") -> str:
    """Return the page; every text of the data is escaped, and nothing is loaded or run."""
    words = Words(language)
    return (
        environment()
        .get_template("template.html.j2")
        .render(
            report=report,
            t=words,
            marks=MARKS,
            tiles=_tiles(report, words),
            fates=ACCOUNT,
            names={sector.sector_id: sector.name for sector in report.sectors},
            sectors=[(sector, *_fans(sector, words), _period(sector, words)) for sector in report.sectors],
            counts=("arrivals", *PEOPLE),
            crowding=_crowding(report, words),
            shown=[row for sector in report.sectors for row in _shown(sector)],
            judged=_judged(report, words),
            rules=sorted(report.quality["rules"], key=lambda rule: WORST_FIRST.index(rule["verdict"])),
        )
    )


def _tiles(report: Report, words: Words) -> list[dict[str, str]]:
    delivered = sum(feed["delivered"] for feed in report.feeds)
    applied = sum(feed["applied"] for feed in report.feeds)
    held = sum(feed["quarantined"] for feed in report.feeds)
    verdict = report.quality["verdict"]
    tiles = [
        _tile(words.number(applied), words("accepted"), words("of_delivered", count=words.number(delivered))),
        _tile(words.number(held), words("held"), words.share(held / max(delivered, 1), 2)),
        _tile(words.number(report.hours), words("hours"), ""),
        _tile(
            words.number(report.quality["dq_risk_score"]),
            words("risk"),
            f"{words('of_100')} · {MARKS[verdict]} {headline(verdict, words)} · {_judged(report, words)}",
            style=verdict,
        ),
    ]
    if report.backtests:
        note = words("skill_note") + _of_all(len(report.backtests), words)
        tiles.append(_tile(words.share(_gain(report.backtests)), words("skill"), note))
    forecast = [sector.ahead for sector in report.sectors if sector.ahead]
    if forecast and not any(caution.code is CautionCode.FORECAST_PAST for caution in report.cautions):
        tiles.append(_next_day(forecast, words))
    return tiles


def _judged(report: Report, words: Words) -> str:
    """Return which days the data-quality report is of."""
    first, last = (words.day(date.fromisoformat(report.quality["days"][end])) for end in ("first", "last"))
    return words("judged", first=first, last=last)


def _gain(backtests: Sequence[Mapping[str, Any]]) -> float:
    """Return by how much the summed absolute error of all sectors differs from that of the naive forecast."""
    error = dict.fromkeys(("model", "naive"), 0.0)
    for walk in backtests:
        overall = walk["comparisons"][-1]
        for side in error:
            error[side] += overall[side]["mae"] * walk["origins"]
    return error["model"] / error["naive"] - 1.0


def _of_all(sectors: int, words: Words) -> str:
    return f", {words('all_sectors')}" if sectors > 1 else ""


def _tile(value: str, label: str, note: str, *, style: str = "") -> dict[str, str]:
    return {"value": value, "label": label, "note": note, "style": style}


def _next_day(forecast: Sequence[Sequence[Ahead]], words: Words) -> dict[str, str]:
    """Return the tile of all sectors together; the interval is told of one only, as quantiles do not add up."""
    expected = sum(hour.mean for ahead in forecast for hour in ahead if hour.horizon_h < 24)
    first = [hour for ahead in forecast for hour in ahead if hour.horizon_h == 0]
    note = words("next_hour", mean=words.number(sum(hour.mean for hour in first), 1))
    if len(first) == 1:
        note += f" ({words.number(first[0].q05, 1)}–{words.number(first[0].q95, 1)})"
    return _tile(words.number(expected), words("next_day"), note + _of_all(len(first), words))


@dataclass(frozen=True)
class Figure:
    """A chart with its caption and the (style, name) of what is drawn."""

    caption: str
    chart: Markup
    keys: tuple[tuple[str, str], ...] = ()


def _period(sector: SectorView, words: Words) -> list[Figure]:
    if not sector.has_arrivals:
        return [_occupied(sector, words)]
    days, hours = [words.weekday(number) for number in range(7)], [f"{hour:02d}" for hour in range(24)]
    return [
        _arrivals(sector, words),
        # Where no feed tells when care began, there are none.
        *([_waits(sector, words)] if any(wait is not None for wait in sector.days.wait_mean_min) else []),
        _occupied(sector, words),
        Figure(words("heat"), svg.heat_map(words("heat"), sector.heat, days, hours)),
    ]


def _day_ticks(sector: SectorView, words: Words) -> list[svg.Tick]:
    """Return marks of days, months or years, whichever suits the length of the period."""
    days = sector.days.days
    if len(days) <= _FEW_DAYS:
        return [svg.Tick(n, words.day_of_month(days[n])) for n in range(0, len(days), -(-len(days) // _MOST_TICKS))]
    if len(days) > _MANY_DAYS:
        apart = -(-(days[-1].year - days[0].year + 1) // _MOST_TICKS)
        starts = [(n, day) for n, day in enumerate(days) if (day.month, day.day) == (1, 1) and day.year % apart == 0]
        return [svg.Tick(n, f"{day.year}") for n, day in starts]
    starts = [(n, day) for n, day in enumerate(days) if day.day == 1 or (n == 0 and day.day < 20)]
    return [svg.Tick(n + 14, words.month(day.month)) for n, day in starts if n + 14 < len(days)]


def _arrivals(sector: SectorView, words: Words) -> Figure:
    values = sector.days.arrivals
    frame = svg.Frame(words("arrivals_day"), len(values), svg.nice_top(values))
    mean = [None if value is None else _mean(values[max(0, n - 6) : n + 1]) for n, value in enumerate(values)]
    chart = svg.chart(
        frame, _day_ticks(sector, words), svg.bars(frame, values, "bars"), svg.line(frame, mean, "line strong")
    )
    return Figure(frame.title, chart, (("soft", words("per_day")), ("strong", words("seven_days"))))


def _mean(values: svg.Values) -> float:
    return fmean(value for value in values if value is not None)


def _waits(sector: SectorView, words: Words) -> Figure:
    days = sector.days
    frame = svg.Frame(words("waits_day"), len(days.days), svg.nice_top(days.wait_p90_min))
    chart = svg.chart(
        frame,
        _day_ticks(sector, words),
        svg.line(frame, days.wait_p90_min, "line soft"),
        svg.line(frame, days.wait_mean_min, "line strong"),
        svg.dots(frame, days.wait_p90_min, "dot soft"),
        svg.dots(frame, days.wait_mean_min, "dot strong"),
    )
    return Figure(frame.title, chart, (("strong", words("mean")), ("soft", words("p90"))))


def _occupied(sector: SectorView, words: Words) -> Figure:
    days = sector.days
    limit = [float(sector.capacity)] if sector.capacity else []
    frame = svg.Frame(words("occupied_day"), len(days.days), svg.nice_top([*days.occupied_max, *limit]))
    parts = [
        svg.line(frame, days.occupied_max, "line soft"),
        svg.line(frame, days.occupied_mean, "line strong"),
    ]
    if sector.capacity:
        parts.append(svg.level(frame, sector.capacity, f"{words('capacity')} {sector.capacity}"))
    keys = (("strong", words("day_mean")), ("soft", words("day_highest")))
    return Figure(frame.title, svg.chart(frame, _day_ticks(sector, words), *parts), keys)


def _fans(sector: SectorView, words: Words) -> tuple[Figure, list[Figure]]:
    """Return the chart of arrivals, and smaller ones of the people who are and will be there, where it is forecast."""
    recent = sector.recent
    arrivals = [float(hour.arrivals) for hour in recent]
    seen = {name: [getattr(hour, name) for hour in recent[-_SMALL_H:]] for name in sector.people}
    small = [
        _fan(Course(name, recent[-_SMALL_H:], seen[name], ahead, limit), words)
        for name, ahead in sector.people.items()
        for limit in (sector.capacity if name == "occupancy" else None,)
    ]
    return _fan(Course("arrivals", recent, arrivals, sector.ahead), words), small


@dataclass(frozen=True)
class Course:
    """What was seen and is forecast of one count, hour by hour; `limit` is a level to draw."""

    name: str
    recent: Sequence[Hour]
    values: svg.Values
    ahead: Sequence[Ahead]
    limit: int | None = None

    @property
    def is_small(self) -> bool:
        """Tell whether it stands beside another one."""
        return self.name in PEOPLE


def _fan(course: Course, words: Words) -> Figure:
    origin, newest = (course.recent[end].start.astimezone(UTC) for end in (0, -1))

    def place(start: datetime) -> int:
        """Return the hour of the chart; in UTC, as civil times differ by another hour where clocks change."""
        return (start.astimezone(UTC) - origin) // _HOUR

    seen: list[float | None] = [None] * (place(newest) + 1)
    for hour, value in zip(course.recent, course.values, strict=True):
        seen[place(hour.start)] = value
    ahead = [hour for hour in course.ahead if origin <= hour.start.astimezone(UTC) <= newest + _LONGEST_GAP]
    limits = [float(course.limit)] if course.limit else []
    top = svg.nice_top([*seen, *(hour.q95 for hour in ahead), *limits])
    count = max(len(seen), *(place(hour.start) + 1 for hour in ahead)) if ahead else len(seen)
    width, height = (540, 220) if course.is_small else (1100, 260)
    frame = svg.Frame(words(f"fan_{course.name}"), count, top, width, height)
    starts = [(origin + n * _HOUR).astimezone(course.recent[0].start.tzinfo) for n in range(count)]
    ticks = [
        svg.Tick(n, words.weekday(start.weekday())) for n, start in enumerate(starts[:-_EDGE_H]) if start.hour == 12
    ]
    parts = [svg.bars(frame, seen, "bars") if course.name == "arrivals" else svg.line(frame, seen, "line soft")]
    if ahead:
        first = place(ahead[0].start)
        parts += [
            svg.band(frame, [hour.q05 for hour in ahead], [hour.q95 for hour in ahead], "band wide", first),
            svg.band(frame, [hour.q25 for hour in ahead], [hour.q75 for hour in ahead], "band", first),
            svg.line(frame, [hour.mean for hour in ahead], "line strong", first),
            svg.moment(frame, first - 0.5, words("now")),
        ]
    if course.limit:
        parts.append(svg.level(frame, course.limit, f"{words('capacity')} {course.limit}"))
    keys = [("soft", words("seen"))]
    if ahead:
        keys += [("strong", words("forecast_mean")), ("middle", words("middle_50")), ("wide", words("middle_90"))]
    return Figure(frame.title, svg.chart(frame, ticks, *parts), tuple(keys))


def _crowding(report: Report, words: Words) -> Figure | None:
    hours, ahead = report.crowding
    return _fan(Course("nedocs", hours, [hour.nedocs for hour in hours], ahead), words) if hours else None


def _shown(sector: SectorView) -> list[tuple[Ahead, list[Ahead | None]]]:
    """Return the hours of the table: each with the forecasts of all counts, null where one is not forecast."""
    counts = [sector.ahead, *(sector.people.get(name, ()) for name in PEOPLE)]
    found = [{hour.horizon_h: hour for hour in ahead} for ahead in counts]
    rows = [[of.get(horizon_h) for of in found] for horizon_h in SHOWN_AHEAD]
    return [(first, row) for row in rows for first in [next(filter(None, row), None)] if first]
