"""What a walk through a history found, as a page with plots, each plot also a file of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from healthcare_ops.adapters.local_files import write_bytes
from healthcare_ops.core.language import Language
from healthcare_ops.entrypoints.page import svg
from healthcare_ops.entrypoints.page.render import Figure
from healthcare_ops.entrypoints.page.templates import environment
from healthcare_ops.entrypoints.page.texts import Words
from healthcare_ops.forecasting.evaluation import Walk
from healthcare_ops.forecasting.measures import pinball
from healthcare_ops.forecasting.series import same_as_yesterday, seasonal_naive
from healthcare_ops.operations.evaluate import LEVELS, History

Floats = NDArray[np.float64]

_PARTS = 20
_HALF = (4, 14)  # q25 and q75 among q05 … q95
_SHOWN_BEFORE_H = 48
_TICK_EVERY_H = 12


def write_evaluation(
    folder: Path, document: Mapping[str, Any], walks: Sequence[Walk], history: History, language: Language = "en"
) -> Path:
    """Write `evaluation.html`, `evaluation.json` and an SVG per plot into a folder, and return the page's path."""
    words = Words(language)
    figures = {walk.series.sector_id: _figures(walk, history, words) for walk in walks}
    page = (
        environment()
        .get_template("evaluation.html.j2")
        .render(t=words, walks=document["backtests"], figures=figures, note=_note(document["protocol"], words))
    )
    style = files("healthcare_ops.entrypoints.page").joinpath("style.css").read_text(encoding="utf-8")
    folder.mkdir(exist_ok=True)
    for number, plots in enumerate(figures.values()):
        for name, figure in plots.items():
            prefix = "" if len(walks) == 1 else f"{number + 1}_"
            write_bytes(folder / f"{prefix}{name}.svg", _alone(figure.chart, style).encode())
    write_bytes(folder / "evaluation.json", json.dumps(document, indent=2).encode())
    write_bytes(folder / "evaluation.html", page.encode())
    return folder / "evaluation.html"


def _figures(walk: Walk, history: History, words: Words) -> dict[str, Figure]:
    loss = pinball(walk.forecasts.actual, walk.forecasts.quantiles, LEVELS).mean(axis=1)
    whole = np.flatnonzero(np.isfinite(loss))
    by_loss = whole[np.argsort(loss[whole], kind="stable")]
    figures = {}
    if len(by_loss):
        figures["typical_fan"] = _fan(walk, int(by_loss[len(by_loss) // 2]), history, "typical_fan", words)
        figures["worst_fan"] = _fan(walk, int(by_loss[-1]), history, "worst_fan", words)
    return figures | {
        "error_by_lead": _error_by_lead(walk, history, words),
        "error_by_hour": _error_by_hour(walk, history, words),
        "pit": _pit(walk, words),
        "coverage": _coverage(walk, words),
    }


def _fan(walk: Walk, row: int, history: History, title: str, words: Words) -> Figure:
    origin, series = int(walk.origins[row]), walk.series
    first = max(origin - _SHOWN_BEFORE_H, 0)
    start = origin + int(walk.leads[0])
    quantiles = walk.forecasts.quantiles[row]
    end = min(origin + int(walk.leads[-1]) + 1, len(series.values))
    seen = series.values[first:end].tolist()
    zone = ZoneInfo(history.protocol.series_zone)
    civil = [(series.start + timedelta(hours=first + n)).astimezone(zone) for n in range(len(seen))]
    frame = svg.Frame(
        words(title, moment=words.moment(civil[origin - first])),
        start - first + len(walk.leads),
        svg.nice_top([*seen, float(quantiles[:, -1].max())]),
        height=240,
    )
    ticks = [svg.Tick(n, f"{hour:%H} h") for n, hour in enumerate(civil) if hour.hour % _TICK_EVERY_H == 0]
    chart = svg.chart(
        frame,
        ticks,
        svg.bars(frame, seen, "bars"),
        svg.band(frame, quantiles[:, 0].tolist(), quantiles[:, -1].tolist(), "band wide", start - first),
        svg.band(frame, quantiles[:, _HALF[0]].tolist(), quantiles[:, _HALF[1]].tolist(), "band", start - first),
        svg.line(frame, walk.forecasts.mean[row].tolist(), "line strong", start - first),
        svg.moment(frame, start - first - 0.5, words("now")),
    )
    keys = (("soft", "seen"), ("strong", "forecast_mean"), ("middle", "middle_50"), ("wide", "middle_90"))
    return Figure(frame.title, chart, tuple((style, words(key)) for style, key in keys))


def _error_by_lead(walk: Walk, history: History, words: Words) -> Figure:
    errors = {name: np.nanmean(error, axis=0).tolist() for name, error in _errors(walk, history).items()}
    ticks = [svg.Tick(n, f"+{lead} h") for n, lead in enumerate(walk.leads.tolist()) if lead % 6 == 0]
    return _lines(words("error_by_lead"), errors, ticks, words)


def _error_by_hour(walk: Walk, history: History, words: Words) -> Figure:
    targets = walk.origins[:, None] + walk.leads
    hour = history.covariates.calendar.hours(walk.series.start, int(targets.max()) + 1).hour[targets]
    errors = {
        name: [_mean_or_none(error[hour == one]) for one in range(24)] for name, error in _errors(walk, history).items()
    }
    return _lines(words("error_by_hour"), errors, [svg.Tick(n, f"{n:02d} h") for n in range(0, 24, 3)], words)


def _errors(walk: Walk, history: History) -> dict[str, Floats]:
    """Return the absolute errors, shape (origins, leads), of the model and of the two simple rules."""
    zone = history.covariates.calendar.zone
    means = {
        "this_model": walk.forecasts.mean,
        "naive": seasonal_naive(walk.series, zone, walk.origins, walk.leads),
        "yesterday": same_as_yesterday(walk.series, zone, walk.origins, walk.leads),
    }
    return {name: np.abs(mean - walk.forecasts.actual) for name, mean in means.items()}


def _lines(title: str, values: Mapping[str, Sequence[float | None]], ticks: list[svg.Tick], words: Words) -> Figure:
    """Return a line for each rival; they differ by dashes as well as by colour."""
    count = len(next(iter(values.values())))
    frame = svg.Frame(title, count, svg.nice_top([value for line in values.values() for value in line]))
    styles = {"this_model": "strong", "naive": "soft", "yesterday": "dashed"}
    lines = [svg.line(frame, line, f"line {styles[name]}") for name, line in values.items()]
    keys = tuple((styles[name], words(name)) for name in values)
    return Figure(title, svg.chart(frame, ticks, *lines), keys)


def _pit(walk: Walk, words: Words) -> Figure:
    pit = walk.forecasts.pit[np.isfinite(walk.forecasts.pit)]
    shares = 100.0 * np.histogram(pit, bins=_PARTS, range=(0.0, 1.0))[0] / max(len(pit), 1)
    frame = svg.Frame(words("pit"), _PARTS, svg.nice_top(shares.tolist()))
    ticks = [svg.Tick(n - 0.5, f"{100 * n // _PARTS} %") for n in range(0, _PARTS, 4)]
    expected = svg.level(frame, 100.0 / _PARTS, words.share(1 / _PARTS))
    return Figure(frame.title, svg.chart(frame, ticks, svg.bars(frame, shares.tolist(), "bars"), expected))


def _coverage(walk: Walk, words: Words) -> Figure:
    pit = walk.forecasts.pit
    inside = np.where(np.isfinite(pit), (pit >= LEVELS[0]) & (pit <= LEVELS[-1]), np.nan)
    shares = (100.0 * np.nanmean(inside, axis=0)).tolist()
    frame = svg.Frame(words("coverage_by_lead"), len(shares), 100.0)
    ticks = [svg.Tick(n, f"+{lead} h") for n, lead in enumerate(walk.leads.tolist()) if lead % 6 == 0]
    wanted = svg.level(frame, 90.0, words.share(0.9))
    return Figure(frame.title, svg.chart(frame, ticks, wanted, svg.line(frame, shares, "line strong")))


def _mean_or_none(values: Floats) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None


def _note(protocol: Mapping[str, Any], words: Words) -> str:
    refit = protocol["refit"]
    again = words("refit_never") if refit == "never" else words("refit_every", period=refit)
    train_end = words.moment(datetime.fromisoformat(protocol["train_end"]))
    return words("evaluation_note", train_end=train_end, clock=protocol["zone"], refit=again)


def _alone(chart: Markup, style: str) -> str:
    """Return a chart with the styles that the page gives it, on a ground of its own."""
    alone = "svg { max-height: none; background: var(--card); } text { font-family: sans-serif; }"
    head, tail = chart.split(">", 1)
    return f'{head} xmlns="http://www.w3.org/2000/svg"><style>{style} {alone}</style>{tail}'
