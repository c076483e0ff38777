"""Which encounters tell how long a patient waited, and what the forecasts of waits were worth to them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import reduce
from typing import Any

import ibis
import ibis.expr.types as ir

from healthcare_ops.core.tables import BREACHES, HOSPITAL, PREDICTION_SCORES, QUANTILES

# Nobody goes home, to a ward or elsewhere without having been seen: there the start of care was not delivered.
_AFTER_CARE = ("home", "admitted", "transferred", "died")
# Who has not been seen within a day is not waited for: rather, nobody closed his record.
_LONGEST_MIN = 1440.0
_USUAL_DAYS = 91
# The days of encounters before the first prediction that scores look at.
HISTORY_DAYS = _USUAL_DAYS
_KEY = ("sector_id", "prediction_ts", "target_time", "model_version")
# Sums of another order differ in the last digits; scores made again must not.
_DECIMALS = 9


def tells_wait(encounters: ir.Table) -> ir.BooleanValue:
    """Return whether it is known how long each patient waited, or that he waits still or left before care began."""
    is_untold = encounters.discharge_time.notnull() & encounters.disposition.isin(_AFTER_CARE).fill_null(False)
    return encounters.care_start.notnull() | ~is_untold


def score_waits(
    predictions: ir.Table, encounters: ir.Table, known_until: datetime, target_min: Sequence[float]
) -> ir.Table:
    """Return `gold.prediction_scores` of waits: one row per prediction of an hour that can be judged.

    An hour can once everybody who came in it was seen or left, or a day later, if anybody was seen. Each patient who
    arrived in it and whose care began is a case; who left before is none, and counted: forecasts are about patients
    who stay. Of breaches also those are cases who left, or wait still, after their target.

    Parameters
    ----------
    encounters
        Silver rows from `HISTORY_DAYS` before the first prediction on.
    known_until
        Until when they know what happened, naive UTC.
    target_min
        Targets of triage levels 1–5, minutes.
    """
    patients = _patients(encounters, known_until, target_min)
    asked = predictions.filter(predictions.metric == "wait")
    cases = asked.inner_join(_with_all_together(patients), ["sector_id", "target_time"])
    usual = _usual_shares(asked, patients)
    cases = cases.left_join(usual, ["sector_id", "dt", "triage_level"])
    losses = _losses(cases)
    judged = losses.group_by(*_KEY).aggregate(
        open_patients=losses.is_open.cast("int64").sum(),
        patients=losses.is_seen.cast("int64").sum(),
        unseen=(~losses.is_seen).cast("int64").sum(),
        actual=_rounded(losses.wait_min.mean(where=losses.is_seen)),
        pinball=_rounded(losses.loss.mean(where=losses.is_seen)),
        covered_share=_rounded(losses.inside.mean(where=losses.is_seen)),
        breach_patients=losses.brier_one.count(),
        brier=_rounded(losses.brier_one.mean()),
        brier_usual=_rounded(losses.brier_usual_one.mean()),
    )
    whole = judged.filter((judged.open_patients == 0) & (judged.patients > 0))
    scored = asked.inner_join(whole, list(_KEY))
    return scored.mutate(
        absolute_error=(scored["mean"] - scored.actual).abs(),
        is_covered_90=ibis.null("boolean"),
        breach_patients=scored.breach_patients.nullif(0),
    ).select(*PREDICTION_SCORES.column_names)


def last_week_wait_error(encounters: ir.Table, known_until: datetime) -> ir.Table:
    """Return `metric`, `sector_id` and `last_week_mae`: how far the mean wait of an hour lies from a week before.

    Each hour counts as often as patients were seen of it; hours of which nobody was seen tell nothing.
    """
    patients = _patients(encounters, known_until, (0.0,) * len(BREACHES))
    seen = _with_all_together(patients.filter(patients.is_seen))
    hours = seen.group_by("sector_id", "target_time").aggregate(seen=seen.count(), wait=seen.wait_min.mean())
    before = hours.select("sector_id", target_time=hours.target_time + ibis.interval(days=7), wait_before=hours.wait)
    both = hours.inner_join(before, ["sector_id", "target_time"])
    error = (both.wait - both.wait_before).abs()
    return both.group_by("sector_id").aggregate(
        metric=ibis.literal("wait"), last_week_mae=(error * both.seen).sum() / both.seen.sum()
    )


def _patients(encounters: ir.Table, known_until: datetime, target_min: Sequence[float]) -> ir.Table:
    """Return those who had come by an instant, and how long they had waited by then."""
    until = ibis.literal(known_until)
    rows = encounters.filter(tells_wait(encounters) & (encounters.arrival_time < until.truncate("h")))
    is_seen = rows.care_start.notnull() & (rows.care_start <= until)
    left = ibis.coalesce(rows.discharge_time, until)
    end = ibis.ifelse(is_seen, rows.care_start, ibis.ifelse(left < until, left, until))
    rows = rows.mutate(
        is_seen=is_seen,
        wait_min=end.delta(rows.arrival_time, unit="microsecond") / 60e6,
        target_time=rows.arrival_time.truncate("h"),
        is_gone=rows.discharge_time.notnull() & (rows.discharge_time <= until),
    )
    is_late = rows.wait_min > _by_level(rows.triage_level, target_min)
    return rows.select(
        "sector_id",
        "dt",
        "triage_level",
        "target_time",
        "is_seen",
        "wait_min",
        is_open=~rows.is_seen & ~rows.is_gone & (rows.wait_min < _LONGEST_MIN),
        # Null where nobody knows.
        breach=ibis.ifelse(
            rows.is_seen | (is_late & (rows.wait_min <= _LONGEST_MIN)), is_late.cast("float64"), ibis.null("float64")
        ),
    )


def _with_all_together(patients: ir.Table) -> ir.Table:
    """Return the patients by sector, and again in that of all sectors together; without their day."""
    rows = patients.drop("dt")
    return ibis.union(rows, rows.mutate(sector_id=ibis.literal(HOSPITAL)))


def _usual_shares(asked: ir.Table, patients: ir.Table) -> ir.Table:
    """Return the share of breaches of the weeks before each day of predictions, by sector and level."""
    judged = patients.filter(patients.breach.notnull())
    daily = judged.group_by("sector_id", "dt", "triage_level").aggregate(many=judged.count(), late=judged.breach.sum())
    daily = daily.rename(day="dt", place="sector_id")
    days = asked.select("sector_id", "dt").distinct()
    before = days.join(
        daily,
        [
            days.sector_id == daily.place,
            daily.day < days.dt,
            daily.day >= days.dt - ibis.interval(days=_USUAL_DAYS),
        ],
    )
    return before.group_by("sector_id", "dt", "triage_level").aggregate(
        usual_share=(before.late.sum() + 0.5) / (before.many.sum() + 1.0)
    )


def _losses(cases: ir.Table) -> ir.Table:
    """Return the losses of each prediction by each patient; of breaches null where there is nothing to judge."""
    said = _by_level(cases.triage_level, [cases[name] for name in BREACHES])
    parts = [_pinball(cases, name) for name in QUANTILES]
    usual = ibis.coalesce(cases.usual_share, 0.5)
    is_judged = cases.breach.notnull() & said.notnull()
    return cases.select(
        *_KEY,
        "is_open",
        "is_seen",
        "wait_min",
        loss=reduce(lambda left, right: left + right, parts) / float(len(parts)),
        inside=((cases.wait_min >= cases.q05) & (cases.wait_min <= cases.q95)).cast("float64"),
        brier_one=(said - cases.breach) ** 2,
        brier_usual_one=ibis.ifelse(is_judged, (usual - cases.breach) ** 2, ibis.null("float64")),
    )


def _by_level(level: Any, values: Sequence[Any]) -> Any:
    """Return the value of each patient's triage level, null if he has none."""
    branches = [(level == number, value) for number, value in enumerate(values, start=1)]
    return ibis.cases(*branches, else_=ibis.null("float64")).cast("float64")


def _pinball(rows: ir.Table, name: str) -> Any:
    level = int(name[1:]) / 100
    gap = rows.wait_min - rows[name]
    return ibis.ifelse(gap >= 0.0, gap * level, gap * (level - 1.0))


def _rounded(value: Any) -> Any:
    return value.round(_DECIMALS)
