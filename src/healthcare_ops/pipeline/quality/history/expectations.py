"""History-aware rules: what the site's own history expects of an hour, and how far off is too far."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from healthcare_ops.core.tables import ENCOUNTERS
from healthcare_ops.pipeline.quality.history.observations import (
    Block,
    Days,
    Floats,
    Kind,
    Observed,
    Series,
    Silences,
)

Rule = Literal["volume", "nulls", "mean", "freshness"]
Bools = NDArray[np.bool_]

# How the budget, the share of clean days that may alarm, is split; a rule's part is that of all its series together.
BUDGET = 0.02
SHARES: Mapping[Rule, float] = {"volume": 0.6, "freshness": 0.2, "nulls": 0.15, "mean": 0.05}
MIN_WEEKS = 4
# Windows of these many hours are looked at, wherever they begin in the day. A window's figures are final once it has
# passed: looking again every 15 minutes finds nothing that looking once at the end of the day would not.
WINDOWS_H: Mapping[Kind, tuple[int, ...]] = {
    "volume": (1, 2, 3, 4, 6, 8, 12, 18, 24),
    "nulls": (1, 2, 3, 4, 6, 8, 12, 18, 24),
    "mean": (24,),
}
# What is off by less is nobody's business, however unlikely: missing values; rows; of means rows they are of, and,
# of minutes, the factor. A crowded day makes waits six times as long, a mistaken unit sixty times.
LEAST: Mapping[Kind, float] = {"volume": 3, "nulls": 3, "mean": 5}
LEAST_FACTOR = 8.0
# Of a rule's budget, the part of the whole day and that of windows within it: who looks at more sees more by chance.
_OF_DAY = (0.7, 0.3)
# The level of a week is that of the weeks before it, each half as important as two weeks later.
HALF_LIFE_WEEKS = 2.0
# A cell of the week (weekday × hour) leans on the shape of its kind of day as if that had been seen in so many counts;
# a level leans on "as usual" as if so few.
_SHAPE_COUNTS, _LEVEL_COUNTS = 100.0, 10.0
# Monday to Friday share a shape of the day.
_SHAPE_OF = np.array([0, 0, 0, 0, 0, 1, 2])
# Scores are −log of a chance, nearly. Days beyond this one are set aside while the usual is learned.
_ODD = 10.0
# The tail of the scores: the highest fifth, and how many days' worth of the theoretical tail are mixed in.
_TAIL, _TAIL_PRIOR_DAYS = 0.2, 20.0
LEAST_DISPERSION = 1e-4


@dataclass(frozen=True)
class Learned:
    """What is expected of a block of series, and when one of them is too far off.

    `rate` is the expected total per unit of size, shape (series, days, 24); each day's was learned without its week.
    `shared` is the variance that the hours of a day share, relative to the expected total squared; `own` that of
    each hour by itself (of means: the variance of one value). `limit` is the highest score that is not too far
    off, of the whole day and of a part of it (2, series); infinite where there is not enough history.
    """

    block: Block
    rate: Floats
    shared: Floats
    own: Floats
    limit: Floats


@dataclass(frozen=True)
class Unjudged:
    """A place of which so few weeks are known besides the judged days that its past says nothing of them.

    `by` is the column that names it. None is known of a history that was loaded, and is judged, all at once.
    """

    by: str
    place: str
    weeks: int


@dataclass(frozen=True)
class Expectations:
    """What the history expects of each day; `weeks` of it were complete enough to learn from, by series."""

    days: Days
    learned: Mapping[Kind, Learned]
    silence_limit: Mapping[Series, float]
    weeks: Mapping[Series, int]

    @property
    def unjudged(self) -> tuple[Unjudged, ...]:
        """Return the places whose arrivals are not judged, because too little of their past is known."""
        places = (one for one in self.too_short if (one.kind, one.table) == ("volume", ENCOUNTERS.id))
        return tuple(Unjudged(one.by, one.place, int(self.weeks[one])) for one in places)

    @property
    def too_short(self) -> tuple[Series, ...]:
        """Return the series that are not judged, because fewer than four weeks of them are known."""
        return tuple(series for series, weeks in self.weeks.items() if weeks < MIN_WEEKS)


def learn(observed: Observed, judged: Collection[date] = (), *, budget: float = BUDGET) -> Expectations:
    """Return what the site's history expects of each day of it, learned without the week of that day.

    Parameters
    ----------
    observed
        The history, 8 to 16 weeks, with the days to be judged at its end.
    judged
        Days that are left out of everything learned, unless less than four weeks of others that have rows remain: a
        young history, of which many days are corrected at once. One of which all days are judged tells nothing.
    budget
        The share of clean days that may alarm, 0–1, all rules and series together.
    """
    days = observed.days
    is_known = np.array([day not in judged for day in days.dates])
    has_rows = [(block.size.sum(axis=2) > 0).any(axis=0) for block in observed.blocks.values()]
    if 0 < (is_known & np.any(has_rows, axis=0)).sum() < 7 * MIN_WEEKS:
        is_known[:] = True
    learned: dict[Kind, Learned] = {}
    weeks: dict[Series, int] = {}
    for kind, block in observed.blocks.items():
        found = _weeks(block, days, is_known)
        weeks |= dict(zip(block.series, found.tolist(), strict=True))
        learned[kind] = _learn(block, days, is_known, found >= MIN_WEEKS, budget * SHARES[kind])
    limits = _silence_limits(observed, learned.get("volume"), is_known, budget * SHARES["freshness"])
    return Expectations(days, learned, limits, weeks)


def _weeks(block: Block, days: Days, is_known: Bools) -> NDArray[np.int64]:
    """Return how many weeks' worth of days each series has."""
    return np.asarray(((block.size.sum(axis=2) > 0) & is_known).sum(axis=1) // 7)


def _learn(block: Block, days: Days, is_known: Bools, is_enough: Bools, budget: float) -> Learned:
    usual = np.broadcast_to(is_known, block.total.shape[:2])
    infinite = np.full((2, len(block.series)), np.inf)
    for _ in range(2):  # once with odd days, once without them
        rate = _rates(block, days, usual)
        shared, own = _dispersion(block, rate, usual)
        learned = Learned(block, rate, shared, own, infinite)
        scores = _highest_scores(learned)
        usual = is_known & (scores.max(axis=0) < _ODD)
    is_history = (block.size.sum(axis=2) > 0) & is_known
    limits = [
        _limits(found, is_history, is_enough, budget * share) for found, share in zip(scores, _OF_DAY, strict=True)
    ]
    return replace(learned, limit=np.stack(limits))


def _rates(block: Block, days: Days, usual: Bools) -> Floats:
    """Return the expected total per unit of size of each hour of each day, learned without its week."""
    week, kinds = days.week, days.day_type
    shape = (len(block.series), int(week[-1]) + 1, 7, 24)
    total, size = np.zeros(shape), np.zeros(shape)
    for day in range(len(week)):
        at = (slice(None), week[day], kinds[day])
        total[at] += block.total[:, day] * usual[:, day, None]
        size[at] += block.size[:, day] * usual[:, day, None]
    rest = total.sum(axis=1, keepdims=True) - total
    by_week = total.sum(axis=(2, 3))
    # First as if all weeks had one level, then with each week's own: (series, week left out, week).
    others = _profile(rest, size.sum(axis=1, keepdims=True) - size)
    level = (by_week[:, None, :] + _LEVEL_COUNTS) / (_expected(others, size) + _LEVEL_COUNTS) * (1 - np.eye(shape[1]))
    others = _profile(rest, (level @ size.reshape(*shape[:2], -1)).reshape(shape))
    weights = _weights(size.sum(axis=(0, 2, 3)) > 0)
    before = by_week @ weights.T + _LEVEL_COUNTS
    moved = before / ((weights * _expected(others, size)).sum(axis=2) + _LEVEL_COUNTS)
    rate = others * moved[:, :, None, None]
    return np.asarray(rate[:, week, kinds, :])


def _expected(profiles: Floats, size: Floats) -> Floats:
    """Return the total of each week by the profile without each: (series, week left out, week)."""
    cells = (*size.shape[:2], -1)
    return np.asarray(profiles.reshape(cells) @ size.reshape(cells).transpose(0, 2, 1))


def _profile(total: Floats, size: Floats) -> Floats:
    """Return the rate by weekday and hour (the last two axes): each cell leans on its kind of day, and that on all."""
    overall = (total.sum(axis=(-2, -1), keepdims=True) + 0.5) / (size.sum(axis=(-2, -1), keepdims=True) + 1)
    lean = _SHAPE_COUNTS / overall
    little = _LEVEL_COUNTS / overall
    all_days = (total.sum(axis=-2, keepdims=True) + little * overall) / (size.sum(axis=-2, keepdims=True) + little)
    by_kind = np.zeros_like(total)
    for kind in range(3):
        mine = np.flatnonzero(np.equal(_SHAPE_OF, kind))
        seen, hours = (values[..., mine, :].sum(axis=-2, keepdims=True) for values in (total, size))
        by_kind[..., mine, :] = (seen + lean * all_days) / (hours + lean)
    # How much more a Monday has than other days of its kind.
    usual = (size * by_kind).sum(axis=-1, keepdims=True)
    by_kind = by_kind * (total.sum(axis=-1, keepdims=True) + _LEVEL_COUNTS) / (usual + _LEVEL_COUNTS)
    return np.asarray((total + lean * by_kind) / (size + lean))


def _weights(has_rows: Bools) -> Floats:
    """Return the weight of week v for the level of week w: those before it, or all while there are hardly any."""
    weeks = np.arange(len(has_rows), dtype=np.float64)
    age = weeks[:, None] - weeks[None, :]
    has_past = np.asarray(np.cumsum(has_rows) - has_rows >= 2)
    counts = np.where(has_past[:, None], np.greater(age, 0), np.not_equal(age, 0)) * has_rows
    return np.asarray(0.5 ** (np.abs(age) / HALF_LIFE_WEEKS) * counts)


def _dispersion(block: Block, rate: Floats, usual: Bools) -> tuple[Floats, Floats]:
    """Return the relative variance that a day's hours share, and each hour's own (moments, of usual days)."""
    expected = block.size * rate
    day, mean = (values.sum(axis=2) for values in (block.total, expected))
    weight = usual & (mean > 0)
    squares = np.maximum((weight * mean**2).sum(axis=1), 1e-9)
    if block.kind == "mean":
        rows = block.size.sum(axis=2)
        within = block.squares.sum(axis=2) - day**2 / np.maximum(rows, 1)
        own = (weight * within).sum(axis=1) / np.maximum((weight * np.maximum(rows - 1, 0)).sum(axis=1), 1)
        excess = (weight * ((day - mean) ** 2 - rows * own[:, None])).sum(axis=1)
        return np.maximum(excess / squares, LEAST_DISPERSION), np.maximum(own, 1e-3)
    chance = mean
    if block.kind == "nulls":
        chance = mean * (1 - np.minimum(mean / np.maximum(block.size.sum(axis=2), 1), 1))
    shared = np.maximum((weight * ((day - mean) ** 2 - chance)).sum(axis=1) / squares, LEAST_DISPERSION)
    if block.kind == "nulls":
        return shared, np.zeros_like(shared)
    moved = expected * (day / np.maximum(mean, 1e-9))[:, :, None]
    excess = (weight[:, :, None] * ((block.total - moved) ** 2 - moved)).sum(axis=(1, 2))
    by_hour = (weight[:, :, None] * moved**2).sum(axis=(1, 2))
    own = np.maximum(excess / np.maximum(by_hour, 1e-9), 0.0)
    # The hours' own variance is a part of the day's.
    return np.maximum(shared - own * by_hour / squares, LEAST_DISPERSION), own


# --- Scores ---


def score(kind: Kind, total: Floats, expected: Floats, size: Floats, shared: Floats, own: Floats) -> Floats:
    """Return how far off a total is, as −log of the chance of it nearly: half the deviance of its distribution.

    volume: negative binomial. nulls: binomial, its deviance divided by the inflation of the variance. mean: normal.
    """
    mean = np.maximum(expected, 1e-6)
    if kind == "mean":
        return np.asarray((total - expected) ** 2 / (2 * np.maximum(size * own + shared * expected**2, 1e-9)))
    if kind == "volume":
        k = 1 / np.maximum(shared + own, LEAST_DISPERSION)
        return np.asarray(_xlogy(total, total / mean) - (total + k) * np.log((total + k) / (mean + k)))
    rest = np.maximum(size - mean, 1e-6)
    kept = np.maximum(size - total, 0.0)
    deviance = _xlogy(total, total / mean) + _xlogy(kept, kept / rest)
    return np.asarray(np.maximum(deviance, 0.0) / (1 + shared * mean * size / np.maximum(rest, 1e-6)))


def _xlogy(x: Floats, y: Floats) -> Floats:
    return np.asarray(x * np.log(np.where(x > 0, y, 1.0)))


@dataclass(frozen=True)
class Window:
    """All windows of one length: arrays of the shape (series, days, 25 − length).

    `score` is 0 until all hours of the window are known; `matters` says whether it is off by enough.
    """

    length: int
    score: Floats
    matters: Bools
    total: Floats
    expected: Floats
    size: Floats
    own: Floats

    @property
    def is_part(self) -> int:
        """Return 0 for the whole day, 1 for a part of it."""
        return int(self.length < 24)


def windows_of(learned: Learned, picked: NDArray[np.int64] | slice = slice(None)) -> Iterator[Window]:
    """Yield the windows of the picked days, length by length."""
    block = learned.block
    total, size = block.total[:, picked], block.size[:, picked]
    expected = size * learned.rate[:, picked]
    sums = [_running(values) for values in (total, expected, size, expected**2)]
    known = _running(block.is_known[:, picked])
    for length in WINDOWS_H[block.kind]:
        t, e, n, squares = (run[..., length:] - run[..., :-length] for run in sums)
        own = np.broadcast_to(learned.own[:, None, None], e.shape)
        if block.kind == "volume":
            own = own * squares / np.maximum(e**2, 1e-12)
        found = score(block.kind, t, e, n, learned.shared[:, None, None], own)
        is_whole = known[..., length:] - known[..., :-length] == length
        yield Window(length, np.where(is_whole & (n > 0), found, 0.0), _matters(block, t, e, n), t, e, n, own)


def _matters(block: Block, total: Floats, expected: Floats, size: Floats) -> Bools:
    """Return where a total is off by enough that somebody should hear of it."""
    if block.kind == "nulls":  # that more is filled than usual is no fault
        return np.asarray(total - expected >= LEAST["nulls"])
    off = np.abs(total - expected)
    if block.kind == "volume":
        return np.asarray(off >= LEAST["volume"])
    least = np.array([np.log(LEAST_FACTOR) * series.column.endswith("_min") for series in block.series])
    return np.asarray((size >= LEAST["mean"]) & (off >= least[:, None, None] * size))


def _running(values: Floats) -> Floats:
    return np.concatenate([np.zeros((*values.shape[:2], 1)), np.cumsum(values, axis=2)], axis=2)


def _highest_scores(learned: Learned) -> Floats:
    """Return the highest score of the whole day and of a part of it, shape (2, series, days)."""
    highest = np.zeros((2, *learned.block.total.shape[:2]))
    for window in windows_of(learned):
        part = highest[window.is_part]
        np.maximum(part, window.score.max(axis=2), out=part)
    return highest


def _limits(scores: Floats, is_history: Bools, is_enough: Bools, budget: float) -> Floats:
    """Return for each series the score that a day exceeds in such a way that a share `budget` of days has any.

    Series that see the same thing move together, so the highest of each day counts, each measured by its own tail.
    """
    starts, scales = np.zeros(len(scores)), np.ones(len(scores))
    highest = np.full(scores.shape[1], -np.inf)
    for number in np.flatnonzero(is_enough):
        known = is_history[number]
        starts[number], scales[number], _ = _tail(scores[number][known])
        relative = (scores[number] - starts[number]) / scales[number]
        highest = np.where(known, np.maximum(highest, relative), highest)
    if not np.isfinite(highest).any():
        return np.full(len(scores), np.inf)
    start, scale, share = _tail(highest[np.isfinite(highest)])
    return np.where(is_enough, starts + scales * (start + scale * float(np.log(share / budget))), np.inf)


def _tail(scores: Floats) -> tuple[float, float, float]:
    """Return where the tail of the scores begins, the scale by which it falls, and the share of days in it.

    Histories are too short to have seen what one day in a thousand exceeds: the tail beyond the highest fifth is
    taken to fall exponentially, as −log of a chance does, by a scale that the median excess tells (an odd day or two
    do not move it) and that is never below the theoretical 1.
    """
    start = float(np.quantile(scores, 1 - _TAIL))
    excess = scores[scores > start] - start
    scale = float(np.median(excess)) / np.log(2) if len(excess) else 1.0
    mixed = (scale * len(excess) + _TAIL_PRIOR_DAYS) / (len(excess) + _TAIL_PRIOR_DAYS)
    return start, max(mixed, 1.0), max(len(excess), 1) / len(scores)


# --- Silences ---


def silence_score(expected: Floats, shared: float) -> Floats:
    """Return −log of the chance that nothing comes where so much was expected (negative binomial)."""
    return np.asarray(np.log1p(shared * expected) / shared)


def _silence_limits(observed: Observed, volume: Learned | None, is_known: Bools, budget: float) -> dict[Series, float]:
    if volume is None:
        return {}
    wanted = {
        series: number for number, series in enumerate(volume.block.series) if np.isfinite(volume.limit[0, number])
    }
    wanted = {series: number for series, number in wanted.items() if series in observed.silences}
    scores = np.zeros((len(wanted), len(is_known)))
    has_rows = np.zeros(scores.shape, dtype=bool)
    for row, (series, number) in enumerate(wanted.items()):
        silences = observed.silences[series]
        expected = missed(observed.days, volume.rate[number], silences)
        day = (silences.end // 24).astype(np.int64)
        inside = (day >= 0) & (day < len(is_known))
        np.maximum.at(scores[row], day[inside], silence_score(expected, float(volume.shared[number]))[inside])
        has_rows[row] = is_known & (volume.block.size[number].sum(axis=1) > 0)
    limits = _limits(scores, has_rows, np.ones(len(scores), dtype=bool), budget)
    return dict(zip(wanted, limits.tolist(), strict=True))


def missed(days: Days, rate: Floats, silences: Silences) -> Floats:
    """Return how many rows were expected during each silence."""
    return np.maximum(_until(days, rate, silences.end) - _until(days, rate, silences.start), 0.0)


def _until(days: Days, rate: Floats, position: Floats) -> Floats:
    """Return how many rows were expected from the first day to a position, within an hour in proportion."""
    running = np.concatenate([[0.0], np.cumsum(rate * days.hours)])
    return np.asarray(np.interp(position, np.arange(len(running)), running))
