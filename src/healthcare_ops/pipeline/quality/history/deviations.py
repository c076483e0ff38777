"""What is too far from what the site's own history expects."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from healthcare_ops.core.feed import Cadence
from healthcare_ops.core.tables import BATCH_ACCOUNTS, ENCOUNTERS
from healthcare_ops.pipeline.quality.history.expectations import (
    Expectations,
    Learned,
    Rule,
    Window,
    missed,
    score,
    silence_score,
    windows_of,
)
from healthcare_ops.pipeline.quality.history.observations import (
    VALUE_DUE,
    Block,
    Days,
    Floats,
    Kind,
    Observed,
    Series,
    Silences,
)
from healthcare_ops.pipeline.quality.history.rhythm import NO_RHYTHMS, Rhythm
from healthcare_ops.pipeline.quality.wording.findings import sentence_of

# A day that is halved or doubled fails (gold does not take it) where that is certain: so many rows were expected, and
# its score is so many times the limit. No clean day that was measured did (docs/data-quality.md).
FAIL_FROM_ROWS, FAIL_TIMES_LIMIT = 20.0, 1.5


@dataclass(frozen=True)
class Deviation:
    """One figure too far off; `start` and `end` are civil times, `lower` and `upper` what would have been usual.

    `score` and `limit` are −log of a chance, nearly. `observed` and the limits are rows (volume), missing values
    (nulls), typical minutes or levels (mean), or expected arrivals during a silence (freshness; observed 0). `rows` is
    of how many rows values are missing or typical, null of others; `is_over` is false of a silence that goes on:
    `pending` are the arrivals expected since the last that was due, which may only be late.
    """

    rule: Rule
    series: Series
    day: date
    start: datetime
    end: datetime
    observed: float
    expected: float
    lower: float
    upper: float
    score: float
    limit: float
    severity: Literal["warn", "fail"]
    rows: float | None = None
    is_holiday: bool = False
    is_over: bool = True
    pending: float = 0.0

    @property
    def document(self) -> dict[str, Any]:
        """Return it as plain values, as reports hold it."""
        is_late_to_know = (self.rule, self.series.table) == ("nulls", ENCOUNTERS.id)
        numbers = ("observed", "expected", "lower", "upper", "score", "limit")
        return {
            "rule": self.rule,
            "table": self.series.table,
            "by": self.series.by,
            "place": self.series.place,
            "column": self.series.column,
            "day": self.day.isoformat(),
            "start": self.start.isoformat(),
            "end": self.end.isoformat(),
            "verdict": self.severity,
            **{name: round(float(getattr(self, name)), 4) for name in numbers},
            "rows": None if self.rows is None else round(self.rows, 4),
            "due_h": VALUE_DUE / timedelta(hours=1) if is_late_to_know else None,
            "is_holiday": self.is_holiday,
            "is_over": self.is_over,
            **({"pending": round(self.pending, 4)} if self.rule == "freshness" else {}),
        }

    @property
    def sentence(self) -> str:
        """Return what a person on call reads."""
        return sentence_of(self.document)


def judge(
    observed: Observed,
    expectations: Expectations,
    judged: Collection[date],
    *,
    now: datetime,
    cadences: Mapping[str, Cadence],
    rhythms: Mapping[str, Rhythm] = NO_RHYTHMS,
) -> tuple[Deviation, ...]:
    """Return what is too far off on the judged days, the furthest first; hours that are not known yet are left out.

    `observed` is on the days of the expectations. A feed in `cadences` is also judged by how long it has been silent
    at `now` (aware); one in `rhythms` as well by the deliveries that should have come.
    """
    picked = np.array([number for number, day in enumerate(expectations.days.dates) if day in judged], dtype=np.int64)
    if not len(picked):
        return ()
    found: list[Deviation] = []
    for kind, learned in expectations.learned.items():
        if kind in observed.blocks:
            found += _beyond(_aligned(learned, observed.blocks[kind]), expectations.days, picked)
    found += _too_silent(observed, expectations, picked)
    found += _silent_now(observed, expectations, now, cadences, rhythms)
    return _told_once(found)


def _told_once(found: list[Deviation]) -> tuple[Deviation, ...]:
    """Return the furthest first; what a feed's only sector says as well is told of the sector."""
    ordered = sorted(found, key=lambda one: (one.limit - one.score, one.series.by != "sector_id"))
    told: dict[object, Deviation] = {}
    for one in ordered:
        figures = (round(one.observed, 6), round(one.expected, 6))
        told.setdefault((one.rule, one.series.table, one.series.column, one.start, one.end, figures), one)
    return tuple(told.values())


def _aligned(learned: Learned, block: Block) -> Learned:
    """Return what was learned with the figures of a block, whose series may come in another order or be fewer."""
    places = {series: number for number, series in enumerate(block.series)}
    kept = [(number, places[series]) for number, series in enumerate(learned.block.series) if series in places]
    mine, theirs = (np.array(numbers, dtype=np.int64) for numbers in zip(*kept, strict=True))
    series = tuple(block.series[number] for number in theirs)
    same = Block(
        block.kind, series, block.total[theirs], block.size[theirs], block.squares[theirs], block.is_known[theirs]
    )
    return Learned(same, learned.rate[mine], learned.shared[mine], learned.own[mine], learned.limit[:, mine])


def _beyond(learned: Learned, days: Days, picked: NDArray[np.int64]) -> Iterator[Deviation]:
    """Yield for each series and day the window that is furthest off, if it is too far."""
    shape = (len(learned.block.series), len(picked))
    best, which = np.zeros(shape), np.zeros((*shape, 2), dtype=np.int64)
    windows = {window.length: window for window in windows_of(learned, picked)}
    for length, window in windows.items():
        beyond = np.where(window.matters, window.score - learned.limit[window.is_part][:, None, None], 0.0)
        highest = beyond.max(axis=2)
        better = highest > best
        best[better] = highest[better]
        which[better, 0], which[better, 1] = length, beyond.argmax(axis=2)[better]
    for number, day in np.argwhere(best > 0):
        length, start = which[number, day]
        yield _deviation(learned, days, int(picked[day]), int(number), windows[length], (number, day, start))


def _deviation(
    learned: Learned, days: Days, day: int, number: int, window: Window, cell: tuple[int, int, int]
) -> Deviation:
    series, limit = learned.block.series[number], float(learned.limit[window.is_part, number])
    total, expected, size, own = (
        float(part[cell]) for part in (window.total, window.expected, window.size, window.own)
    )
    shared = float(learned.shared[number])
    lower, upper = _usual(series.kind, expected, size, shared, own, limit)
    scale = _typical(size) if series.kind == "mean" else float
    start = _civil(days, day * 24 + cell[2])
    return Deviation(
        series.kind,
        series,
        days.dates[day],
        start,
        start + timedelta(hours=window.length),
        scale(total),
        scale(expected),
        scale(lower),
        scale(upper),
        float(window.score[cell]),
        limit,
        _severity(learned, day, number) if series.kind == "volume" else "warn",
        rows=None if series.kind == "volume" else size,
        is_holiday=days.dates[day] in days.holidays,
    )


def _typical(size: float) -> Callable[[float], float]:
    return lambda total: float(np.expm1(total / size))


def _civil(days: Days, position: float) -> datetime:
    return datetime.combine(days.first, time()) + timedelta(minutes=round(position * 60))


def _usual(kind: Kind, expected: float, size: float, shared: float, own: float, limit: float) -> tuple[float, float]:
    """Return the totals on both sides of the expected one whose score reaches the limit."""

    def is_beyond(total: float) -> bool:
        parts = (np.array(value) for value in (total, expected, size, shared, own))
        return bool(score(kind, *parts) > limit)

    highest = size if kind == "nulls" else expected * 20 + 100
    lower = 0.0 if not is_beyond(0.0) else _bisect(is_beyond, beyond=0.0, within=expected)
    upper = highest if not is_beyond(highest) else _bisect(is_beyond, beyond=highest, within=expected)
    return lower, upper


def _bisect(is_beyond: Callable[[float], bool], *, beyond: float, within: float) -> float:
    for _ in range(40):
        middle = (beyond + within) / 2
        beyond, within = (middle, within) if is_beyond(middle) else (beyond, middle)
    return within


def _severity(learned: Learned, day: int, number: int) -> Literal["warn", "fail"]:
    """Return fail where the day, as far as it is known, is certainly halved or doubled.

    Events follow the encounters, and do not fail besides.
    """
    block = learned.block
    if block.series[number].table not in {ENCOUNTERS.id, BATCH_ACCOUNTS.id}:
        return "warn"
    total, size = (float(values[number, day].sum()) for values in (block.total, block.size))
    by_hour = block.size[number, day] * learned.rate[number, day]
    expected = float(by_hour.sum())
    if expected < FAIL_FROM_ROWS or expected / 2 < total < expected * 2:
        return "warn"
    own = float(learned.own[number] * (by_hour**2).sum() / expected**2)
    parts = (np.array(value) for value in (total, expected, size, learned.shared[number], own))
    return "fail" if score("volume", *parts) > FAIL_TIMES_LIMIT * learned.limit[0, number] else "warn"


def _too_silent(observed: Observed, expectations: Expectations, picked: NDArray[np.int64]) -> Iterator[Deviation]:
    """Yield for each place and judged day the silence that ended in it and missed most, if that is too much."""
    for series, limit in expectations.silence_limit.items():
        silences = observed.silences.get(series)
        if silences is None or not len(silences.end):
            continue
        rate, shared = _volume_of(expectations, series)
        expected = missed(expectations.days, rate, silences)
        scores = silence_score(expected, shared) * np.isin(silences.end // 24, picked)
        worst = int(scores.argmax())
        if scores[worst] > limit:
            yield _silence(
                series, expectations.days, (silences.start[worst], silences.end[worst]),
                (float(expected[worst]), float(scores[worst]), limit, shared), is_over=True,
            )  # fmt: skip


def _silent_now(
    observed: Observed,
    expectations: Expectations,
    now: datetime,
    cadences: Mapping[str, Cadence],
    rhythms: Mapping[str, Rhythm],
) -> Iterator[Deviation]:
    """Yield the feeds that are silent: too much was expected since the newest that they told of.

    Whether a delivery is late is another question: one that comes in time may tell of nothing new.
    """
    days = expectations.days
    for series, limit in expectations.silence_limit.items():
        if series.by != "feed_id" or series.place not in cadences:
            continue
        cadence, newest = cadences[series.place], observed.silences[series].newest
        present = days.position_of(now)
        rate, shared = _volume_of(expectations, series)
        # What happened since the last delivery was due may be on its way.
        due = max(present - cadence.every_min / 60, newest)
        rhythm = rhythms.get(series.place)
        if rhythm and (missing := rhythm.missing_until(now)):
            due = max(due, days.position_of(missing))
        ends = np.array([due, max(present, due)])
        expected, by_now = missed(days, rate, Silences(np.full(2, newest), ends, newest)).tolist()
        found = float(silence_score(np.array(expected), shared))
        if found > limit:
            silence = _silence(series, days, (newest, present), (expected, found, limit, shared), is_over=False)
            yield replace(silence, pending=by_now - expected)


def _volume_of(expectations: Expectations, series: Series) -> tuple[Floats, float]:
    learned = expectations.learned["volume"]
    number = learned.block.series.index(series)
    return learned.rate[number], float(learned.shared[number])


def _silence(
    series: Series,
    days: Days,
    positions: tuple[float, float],
    measured: tuple[float, float, float, float],
    *,
    is_over: bool,
) -> Deviation:
    start, end = (_civil(days, float(position)) for position in positions)
    expected, found, limit, shared = measured
    longest = float(np.expm1(shared * limit) / shared)
    return Deviation(
        "freshness",
        series,
        end.date(),
        start,
        end,
        0.0,
        expected,
        0.0,
        longest,
        found,
        limit,
        "warn",
        is_holiday=end.date() in days.holidays,
        is_over=is_over,
    )
