"""Whether a feed's clock is wrong, by how much, and which mistake of zones would explain it.

Two witnesses are heard. The lag between an event and its ingest moves by exactly what the clock is wrong, and knows
nothing of patients. The hours at which patients come know nothing of ingests, but need many patients: they are asked
only about mistakes that happen. What both say is a failure; what one says alone is a warning, and only if the other
has nothing to say, not if it says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise, permutations, takewhile
from typing import Any, Literal
from zoneinfo import ZoneInfo

import numpy as np

from healthcare_ops.core.civil_time import day_start, offset_spans
from healthcare_ops.pipeline.quality.clocks.hour_profile import (
    HourEvidence,
    HourProfile,
    Instants,
    is_within,
    summed,
    weigh_hours,
)
from healthcare_ops.pipeline.quality.wording.findings import mistakes_of, sentence_of

Severity = Literal["none", "warn", "fail"]

# Over so many days evidence of the hours adds up: an hour moves the profile little, more hours much.
LONGEST_OF_ONE_HOUR, LONGEST_OF_MORE = 7, 3

# Natural logarithms of likelihood ratios, chosen on seeds that no table reports (bench/clock_diagnosis.py).
# For the hours to speak without the lag: to no shift; of an hour, after one day and after a week of at least so many
# arrivals; to the next offset, and to one that is an hour beside.
_ALONE, _ALONE_OF_ONE_HOUR, _LEAST_WEEK = 6.0, (11.0, 6.0), 1_000
_LEAD, _LEAD_OF_ONE_HOUR = 1.5, 3.0
_BEHIND = 2.0  # so much may another offset lead on the judged day itself: days before the mistake blur the sum
_AGAINST = 6.0  # more, if the lag says otherwise
_AGREES = 3.0  # to no shift, for the hours to confirm a lag
_DISAGREES = 6.0  # to the best offset: too much for the hours to confirm a lag
_TOLERATES = 1.0  # to no shift, for a lag to stand without being confirmed; records may be just late
_UNLIKELY = 4.6  # how much better an offset must explain the hours that no known mistake explains: 1 in 100

_LEAST_RECORDS, _LEAST_LAG_DAYS = 20, 7
# A feed is live if records came in at so many moments, those not counted that brought more than this share of the day.
_LEAST_INGESTS, _LARGEST_INGEST = 8, 0.15
# Hours: how near to an offset a lag must be, and how far its median may move otherwise than its 5 % quantile.
_LAG_TOLERANCE_H, _SPREAD_TOLERANCE_H = 0.1, 0.5
_LARGEST_OFFSET_H, _CHANGE_REMEMBERED_DAYS = 14, 28
_LEAST_PAIRS = 10
_HOUR_US = 3_600_000_000


@dataclass(frozen=True)
class FeedClock:
    """What a feed says about its times: the zone that they are read in, and the site's."""

    feed_id: str
    zone: ZoneInfo
    site_zone: ZoneInfo


@dataclass(frozen=True)
class FeedDay:
    """Arrivals that a feed told of one operational day.

    `arrived_at` and `ingested_at` are UTC instants of the same records: the arrival as read, and when it **first** came
    in. Records of other days may be among them: they do not count.
    """

    day: date
    arrived_at: Instants
    ingested_at: Instants


@dataclass(frozen=True)
class UsualLag:
    """Medians over past days of the 5 % and 50 % quantiles of ingest − event, in hours."""

    q05_h: float
    q50_h: float


@dataclass(frozen=True)
class LagEvidence:
    """What the lag of the day says: the offset (h) that explains it, 0.0 = none, None = it says nothing, and why."""

    offset_h: float | None
    records: int
    q05_h: float | None
    q50_h: float | None
    usual: UsualLag | None
    reason: str


@dataclass(frozen=True)
class Mistake:
    """What would explain a wrong clock: times of a zone read as another's, or its clock not changed on a day."""

    code: Literal["zone_mistaken", "not_put_forward", "not_put_back"]
    zone: str
    read_as: str | None = None
    day: date | None = None

    @property
    def document(self) -> dict[str, str | None]:
        """Return it as plain values, as reports hold it."""
        day = self.day.isoformat() if self.day else None
        return {"code": self.code, "zone": self.zone, "read_as": self.read_as, "day": day}


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong with the clock of a feed on a day, if anything.

    Attributes
    ----------
    offset_h
        Instant as read − true instant; None if nothing is wrong.
    log_likelihood_ratio
        Of this offset to none, by the hours alone, over the last `window_days` days; natural logarithm.
    lag, hours
        The evidence of each witness on the day itself.
    mistakes
        Those that would explain it, each by itself; none if none is known.
    """

    clock: FeedClock
    day: date
    severity: Severity
    offset_h: float | None
    log_likelihood_ratio: float | None
    window_days: int
    lag: LagEvidence
    hours: HourEvidence
    mistakes: tuple[Mistake, ...] = ()

    @property
    def sentence(self) -> str:
        """Return the diagnosis for people; it names no patient."""
        return sentence_of(self.document)

    @property
    def explanation(self) -> str:
        """Return the mistakes in words; empty if none is known."""
        return mistakes_of([mistake.document for mistake in self.mistakes])

    @property
    def document(self) -> dict[str, Any]:
        """Return it as plain values, as reports hold it."""
        return {
            "feed_id": self.clock.feed_id,
            "day": self.day.isoformat(),
            "verdict": self.severity,
            "offset_h": self.offset_h,
            "witness": self._witness,
            "mistakes": [mistake.document for mistake in self.mistakes],
            "explanation": self.explanation,
            "lag_q05_h": self.lag.q05_h,
            "lag_q50_h": self.lag.q50_h,
            "log_likelihood_ratio": self.log_likelihood_ratio,
            "window_days": self.window_days,
            "arrivals": self.hours.arrivals_used,
        }

    @property
    def _witness(self) -> Literal["none", "both", "lag", "hours"]:
        """Return who speaks for it: the lag of the records, the hours of the arrivals, or both."""
        if self.offset_h is None:
            return "none"
        return "both" if self.severity == "fail" else "lag" if self.lag.offset_h else "hours"


@dataclass(frozen=True)
class _Named:
    """An offset that the hours of the last days speak for, and how strongly."""

    offset_h: float
    log_ratio: float
    days: int


def diagnose(
    days: Sequence[FeedDay],
    clock: FeedClock,
    profile: HourProfile | None,
    *,
    usual_lag: UsualLag | None = None,
    until: datetime | None = None,
) -> Diagnosis:
    """Return what is wrong with a feed's clock on the last of the days; severity "none" if there is nothing to say.

    Parameters
    ----------
    days
        The judged day, and up to six days before it, oldest first: weak evidence adds up.
    profile
        Learned from days before these (`learn_profile`); None where the history is too short.
    usual_lag
        Learned from days before these (`learn_lag`); None where no live feed was seen yet.
    until
        Aware; how far the day has been delivered, if it is not over.
    """
    today = days[-1]
    recent = days[-LONGEST_OF_ONE_HOUR:]
    lags = [weigh_lag(day, clock, usual_lag) for day in recent]
    lag, known = lags[-1], candidate_offsets(clock, today.day)
    asked = dict.fromkeys((*known, *([lag.offset_h] if lag.offset_h else [])))
    hours = [weigh_hours(day.arrived_at, day.day, profile, tuple(asked), until=until) for day in recent]
    is_over = until is None or until >= day_start(today.day + timedelta(days=1), clock.site_zone)
    named, severity = _verdict(lags, hours, known, is_over=is_over)
    return Diagnosis(
        clock,
        today.day,
        severity,
        offset_h=named.offset_h if named else None,
        log_likelihood_ratio=named.log_ratio if named else None,
        window_days=named.days if named else 0,
        lag=lag,
        hours=hours[-1],
        mistakes=known.get(named.offset_h, ()) if named else (),
    )


def candidate_offsets(clock: FeedClock, day: date) -> dict[float, tuple[Mistake, ...]]:
    """Return the offsets (h) that the hours are asked about, with the mistakes that would explain each.

    These are mixed up zones (the declared one, the site's, UTC), a clock that was not changed in the last four weeks,
    and up to three hours more or less: ±1 h is the zone next door, ±3 h that of a system set up for most of Brazil;
    ±2 h needs more evidence unless it is one of the former. To ask about all 24 offsets finds wrong ones on clean days.
    """
    found: dict[float, list[Mistake]] = {offset: [] for offset in (-3.0, -2.0, -1.0, 1.0, 2.0, 3.0)}
    zones = {_name(zone): zone for zone in (ZoneInfo("UTC"), clock.zone, clock.site_zone)}
    noon = datetime.combine(day, time(12))
    offsets = {name: _offset_h(zone, noon) for name, zone in zones.items()}
    for written, read in permutations(offsets, 2):
        found.setdefault(offsets[written] - offsets[read], []).append(Mistake("zone_mistaken", written, read))
    for name, zone in zones.items():
        for changed, step_h in _recent_changes(zone, day):
            code: Literal["not_put_forward", "not_put_back"] = "not_put_forward" if step_h > 0 else "not_put_back"
            found.setdefault(-step_h, []).append(Mistake(code, name, day=changed))
    return {offset: tuple(mistakes) for offset, mistakes in sorted(found.items()) if offset != 0}


def learn_lag(days: Sequence[FeedDay], site_zone: ZoneInfo) -> UsualLag | None:
    """Return how late a feed usually is, from past days; None if fewer than seven of them came in live."""
    known = [lag for lag in (_live_lag(day, site_zone)[0] for day in days) if lag is not None]
    if len(known) < _LEAST_LAG_DAYS:
        return None
    return UsualLag(*(float(np.median(column)) for column in zip(*known, strict=True)))


def weigh_lag(today: FeedDay, clock: FeedClock, usual: UsualLag | None) -> LagEvidence:
    """Return what the lag of a day says.

    A wrong clock moves every record by the same, so that the fastest 5 % and the median move together. After an
    outage only the records that waited are late: the quantiles move apart, and nothing is said.
    """
    lag, records, reason = _live_lag(today, clock.site_zone)
    if lag is None:
        return LagEvidence(None, records, None, None, usual, reason)
    normal = usual or UsualLag(0.0, 0.0)  # a feed that is not known yet is measured against one without delay
    moved, moved_middle = lag[0] - normal.q05_h, lag[1] - normal.q50_h
    offsets = (*map(float, range(-_LARGEST_OFFSET_H, _LARGEST_OFFSET_H + 1)), *candidate_offsets(clock, today.day))
    offset = min(offsets, key=lambda candidate: abs(candidate + moved))
    if abs(moved_middle - moved) > _SPREAD_TOLERANCE_H:
        return LagEvidence(None, records, *lag, usual, "some records are late and others are not")
    if abs(offset + moved) > _LAG_TOLERANCE_H:
        return LagEvidence(None, records, *lag, usual, "late by what no wrong clock would make it")
    return LagEvidence(offset, records, *lag, usual, "")


def _verdict(
    lags: Sequence[LagEvidence],
    hours: Sequence[HourEvidence],
    known: Mapping[float, tuple[Mistake, ...]],
    *,
    is_over: bool,
) -> tuple[_Named | None, Severity]:
    lag = lags[-1]
    alike = len(list(takewhile(lambda other: other.offset_h == lag.offset_h, reversed(lags))))
    if lag.offset_h and (named := _confirmed(lag.offset_h, hours[-alike:], known)):
        return named, "fail"
    # A day that is not over will tell more: there is no need to speak on half a proof.
    named = _named_by_hours(hours, known, more=0.0 if lag.offset_h is None and is_over else _AGAINST)
    # Records can be late besides, so that the lag tells a smaller offset than the hours; they cannot be early.
    if named and (lag.offset_h is None or lag.offset_h < named.offset_h):
        return named, "warn"
    if not lag.offset_h or not _may_stand_alone(lag, hours[-1], is_over=is_over):
        return None, "none"
    return _Named(lag.offset_h, hours[-1].log_ratios.get(lag.offset_h, 0.0), 1), "warn"


def _may_stand_alone(lag: LagEvidence, today: HourEvidence, *, is_over: bool) -> bool:
    """Tell whether a lag can be no mere delay: it needs the feed's past, and hours that do not speak against it.

    No record comes in before it happens: that a clock is ahead needs neither.
    """
    if lag.offset_h is None or lag.offset_h > 0:
        return lag.offset_h is not None
    is_silent = all(abs(ratio) < _AGREES for ratio in today.log_ratios.values())
    return is_over and lag.usual is not None and (is_silent or today.log_ratios[lag.offset_h] >= _TOLERATES)


def _named_by_hours(
    hours: Sequence[HourEvidence], known: Mapping[float, tuple[Mistake, ...]], *, more: float
) -> _Named | None:
    """Return the offset that the hours alone speak for, over the fewest days that suffice."""
    today = _scores(hours[-1:], known)
    for length in range(1, len(hours) + 1 if today else 0):
        window = hours[-length:]
        scores = _scores(window, known)
        best, second = sorted(scores, key=lambda offset: scores[offset], reverse=True)[:2]
        lead = _LEAD_OF_ONE_HOUR if abs(best - second) <= 1 else _LEAD
        is_clear = scores[best] - scores[second] >= lead and today[best] >= max(0.0, *today.values()) - _BEHIND
        if is_clear and _is_enough(window, best, scores[best] - more):
            return _Named(best, summed(window, best), length)
    return None


def _is_enough(window: Sequence[HourEvidence], offset: float, score: float) -> bool:
    """Tell whether these days prove an offset: an hour needs many patients, more of them show on each day by itself."""
    if abs(offset) <= 1:
        first, last = _ALONE_OF_ONE_HOUR
        least = first + (last - first) * (len(window) - 1) / (LONGEST_OF_ONE_HOUR - 1)
        return score >= least and sum(day.arrivals_used for day in window) >= _LEAST_WEEK
    is_each = all(day.log_ratios.get(offset, 0.0) > 0 for day in window)
    return score >= _ALONE and is_each and len(window) <= LONGEST_OF_MORE


def _confirmed(
    offset: float, hours: Sequence[HourEvidence], known: Mapping[float, tuple[Mistake, ...]]
) -> _Named | None:
    """Return the lag's offset if the hours speak for it, and those of the last day not clearly for another."""
    best = max(_scores(hours[-1:], known).values(), default=0.0)
    if summed(hours[-1:], offset) < best - _DISAGREES:
        return None
    for length in range(1, len(hours) + 1):
        ratio = summed(hours[-length:], offset)
        if ratio >= _AGREES:
            return _Named(offset, ratio, length)
    return None


def _scores(hours: Sequence[HourEvidence], known: Mapping[float, tuple[Mistake, ...]]) -> dict[float, float]:
    """Return the summed log ratios of the known offsets, less what they are unlikely; none without evidence."""
    if not any(day.log_ratios for day in hours):
        return {}
    is_likely = {offset: bool(mistakes) or abs(offset) in {1.0, 3.0} for offset, mistakes in known.items()}
    return {offset: summed(hours, offset) - (0.0 if is_likely[offset] else _UNLIKELY) for offset in known}


def _live_lag(today: FeedDay, site_zone: ZoneInfo) -> tuple[tuple[float, float] | None, int, str]:
    """Return the 5 % and 50 % quantile of ingest − event in hours, or None; of how many records; why None."""
    is_mine = is_within(today.arrived_at, today.day, today.day, site_zone)
    arrived_at, ingested_at = today.arrived_at[is_mine], today.ingested_at[is_mine]
    _, moment, records = np.unique(ingested_at, return_inverse=True, return_counts=True)
    is_small = records <= _LARGEST_INGEST * len(ingested_at)
    is_live = is_small[moment]
    if np.count_nonzero(is_small) < _LEAST_INGESTS or np.count_nonzero(is_live) < _LEAST_RECORDS:
        return None, len(ingested_at), "too few records came in one by one"
    lag = (ingested_at - arrived_at)[is_live].astype("timedelta64[us]").astype(np.int64) / _HOUR_US
    low, middle = np.quantile(lag, (0.05, 0.5))
    return (float(low), float(middle)), len(lag), ""


def _offset_h(zone: ZoneInfo, civil: datetime) -> float:
    offset = civil.replace(tzinfo=zone).utcoffset()
    return offset / timedelta(hours=1) if offset is not None else 0.0


def _name(zone: ZoneInfo) -> str:
    return "UTC" if zone.key in {"Etc/UTC", "Etc/GMT", "GMT", "Etc/UCT", "Zulu"} else zone.key


@lru_cache(maxsize=1024)
def _recent_changes(zone: ZoneInfo, day: date) -> tuple[tuple[date, float], ...]:
    """Return the days in the last four weeks on which the zone's clock was changed, and by how many hours."""
    since = day - timedelta(days=_CHANGE_REMEMBERED_DAYS)
    spans = offset_spans(zone, since, day)
    changes = [
        ((after.from_utc + timedelta(minutes=before.offset_min)).date(), (after.offset_min - before.offset_min) / 60)
        for before, after in pairwise(spans)
    ]
    return tuple((changed, step_h) for changed, step_h in changes if since <= changed <= day)
