"""The report as one HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from healthcare_ops.entrypoints.page import svg
from healthcare_ops.entrypoints.page.model import Ahead, Report, SectorView
from healthcare_ops.entrypoints.page.texts import Language, Words
from healthcare_ops.forecasting.evaluation import SHOWN_AHEAD
from healthcare_ops.pipeline.quality.report import ACCOUNT

_MARKS = {"pass": "✓", "warn": "▲", "fail": "✗", "not_applicable": "·"}
_ORDER = ("fail", "warn", "pass", "not_applicable")


def render(report: Report, language: Language = "en") -> str:
    """Return the page; every text of the data is escaped, and nothing is loaded or run."""
    environment = Environment(
        loader=PackageLoader("healthcare_ops.entrypoints.page", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    words = Words(language)
    return environment.get_template("template.html.j2").render(
        report=report,
        t=words,
        marks=_MARKS,
        tiles=_tiles(report, words),
        fates=ACCOUNT,
        names={sector.sector_id: sector.name for sector in report.sectors},
        sectors=[(sector, _fan(sector, words), _period(sector, words)) for sector in report.sectors],
        shown=[hour for sector in report.sectors for hour in sector.ahead if hour.horizon_h in SHOWN_AHEAD],
        judged=_judged(report, words),
        rules=sorted(report.quality["rules"], key=lambda rule: _ORDER.index(rule["verdict"])),
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
            f"{words('of_100')} · {_MARKS[verdict]} {_verdict(verdict, words)} · {_judged(report, words)}",
            style=verdict,
        ),
    ]
    if report.backtests:
        note = words("skill_note") + _of_all(len(report.backtests), words)
        tiles.append(_tile(words.share(_gain(report.backtests)), words("skill"), note))
    forecast = [sector.ahead for sector in report.sectors if sector.ahead]
    if forecast:
        tiles.append(_next_day(forecast, words))
    return tiles


def _verdict(verdict: str, words: Words) -> str:
    return words("nothing_to_judge" if verdict == "not_applicable" else verdict)


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
        _waits(sector, words),
        _occupied(sector, words),
        Figure(words("heat"), svg.heat_map(words("heat"), sector.heat, days, hours)),
    ]


def _month_ticks(sector: SectorView, words: Words) -> list[svg.Tick]:
    days = sector.days.days
    starts = [(index, day) for index, day in enumerate(days) if day.day == 1 or (index == 0 and day.day < 20)]
    return [svg.Tick(index + 14, words.month(day.month)) for index, day in starts if index + 14 < len(days)]


def _arrivals(sector: SectorView, words: Words) -> Figure:
    values = sector.days.arrivals
    frame = svg.Frame(words("arrivals_day"), len(values), svg.nice_top(values))
    mean = [sum(week) / len(week) for week in (values[max(0, n - 6) : n + 1] for n in range(len(values)))]
    chart = svg.chart(
        frame, _month_ticks(sector, words), svg.bars(frame, values, "bars"), svg.line(frame, mean, "line strong")
    )
    return Figure(frame.title, chart, (("soft", words("per_day")), ("strong", words("seven_days"))))


def _waits(sector: SectorView, words: Words) -> Figure:
    days = sector.days
    frame = svg.Frame(words("waits_day"), len(days.days), svg.nice_top(days.wait_p90_min))
    chart = svg.chart(
        frame,
        _month_ticks(sector, words),
        svg.line(frame, days.wait_p90_min, "line soft"),
        svg.line(frame, days.wait_mean_min, "line strong"),
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
    return Figure(frame.title, svg.chart(frame, _month_ticks(sector, words), *parts), keys)


def _fan(sector: SectorView, words: Words) -> Figure:
    seen = [float(hour.arrivals) for hour in sector.recent]
    ahead = sector.ahead
    top = svg.nice_top([*seen, *(hour.q95 for hour in ahead)])
    frame = svg.Frame(words("fan"), len(seen) + len(ahead), top, height=260)
    starts = [hour.start for hour in sector.recent] + [hour.start for hour in ahead]
    ticks = [svg.Tick(n, words.weekday(s.weekday())) for n, s in enumerate(starts) if s.hour == 12]
    parts = [svg.bars(frame, seen, "bars")]
    if ahead:
        first = len(seen)
        parts += [
            svg.band(frame, [hour.q05 for hour in ahead], [hour.q95 for hour in ahead], "band wide", first),
            svg.band(frame, [hour.q25 for hour in ahead], [hour.q75 for hour in ahead], "band", first),
            svg.line(frame, [hour.mean for hour in ahead], "line strong", first),
            svg.moment(frame, first - 0.5, words("now")),
        ]
    keys = [("soft", words("seen"))]
    if ahead:
        keys += [("strong", words("forecast_mean")), ("middle", words("middle_50")), ("wide", words("middle_90"))]
    return Figure(frame.title, svg.chart(frame, ticks, *parts), tuple(keys))
