"""What a sector looked like in one hour, by looking at every patient in turn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

Row = Mapping[str, Any]
HOUR = timedelta(hours=1)


def look(
    sector: str,
    hour: datetime,
    encounters: Iterable[Row],
    stays: Iterable[Row],
    *,
    emergency: Iterable[str],
    longest_stay: timedelta,
) -> dict[str, Any]:
    """Return counts and waits of the sector: at `hour` who is there, during it who comes and goes."""
    encounters, stays, emergency = list(encounters), list(stays), set(emergency)
    in_hour = [row for row in encounters if row["sector_id"] == sector and _is_in(row["arrival_time"], hour)]
    waits = sorted(row["total_wait_min"] for row in in_hour if row["total_wait_min"] is not None)
    levels = [row["triage_level"] for row in in_hour if row["triage_level"] is not None]
    here = [row for row in stays if row["sector_id"] == sector and is_there(row, hour, longest_stay)]
    waiting = [
        _minutes(row["arrival_time"], hour)
        for row in encounters
        if row["sector_id"] == sector and _is_waiting(row, hour, longest_stay)
    ]
    admitted = {row["encounter_id"]: row["admit_time"] for row in encounters if row["admit_time"] is not None}
    boarding = [
        _minutes(admitted[row["encounter_id"]], hour)
        for row in here
        if sector in emergency and row["encounter_id"] in admitted and admitted[row["encounter_id"]] <= hour
    ]
    return {
        "arrivals_count": len(in_hour),
        "departures_count": sum(row["sector_id"] == sector and _is_in(row["end_time"], hour) for row in stays),
        "left_without_care": sum(
            row["sector_id"] == sector
            and row["disposition"] == "left_without_care"
            and _is_in(row["discharge_time"], hour)
            for row in encounters
        ),
        "wait_avg_min": sum(waits) / len(waits) if waits else None,
        "wait_p90_min": _p90(waits),
        "avg_triage_acuity": sum(levels) / len(levels) if levels else None,
        "occupied_beds": len(here),
        "queue_length": len(waiting),
        "longest_wait_min": max(waiting, default=None),
        "boarding": len(boarding),
        "longest_boarding_min": max(boarding, default=None),
        "last_door_to_bed_min": _last_door_to_bed(encounters, hour, emergency) if sector in emergency else None,
    }


def is_there(stay: Row, hour: datetime, longest_stay: timedelta) -> bool:
    """Tell whether the stay covers the instant; one without an end lasts as long as the site believes."""
    end = stay["end_time"] or stay["start_time"] + longest_stay
    return bool(stay["start_time"] <= hour < end)


def _is_waiting(encounter: Row, hour: datetime, longest_stay: timedelta) -> bool:
    end = encounter["care_start"] or encounter["discharge_time"] or encounter["arrival_time"] + longest_stay
    return bool(encounter["arrival_time"] <= hour < end)


def _last_door_to_bed(encounters: Iterable[Row], hour: datetime, emergency: set[str]) -> float | None:
    placed = [
        (row["care_start"], row["total_wait_min"])
        for row in encounters
        if row["sector_id"] in emergency
        and row["care_start"] is not None
        and hour - 24 * HOUR <= row["care_start"] < hour
    ]
    return max(placed)[1] if placed else None


def _p90(ordered: list[float]) -> float | None:
    if not ordered:
        return None
    place = 0.9 * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def _is_in(moment: datetime | None, hour: datetime) -> bool:
    return moment is not None and hour <= moment < hour + HOUR


def _minutes(since: datetime, until: datetime) -> float:
    return (until - since) / timedelta(minutes=1)
