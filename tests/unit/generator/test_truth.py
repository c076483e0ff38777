from __future__ import annotations

from datetime import date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from healthcare_ops.core.civil_time import day_start
from healthcare_ops.generator.journeys import ENCOUNTERS, STAYS, Journeys
from healthcare_ops.generator.simulation import simulate
from healthcare_ops.generator.truth import MINUTES, minute_truth, write_minute_truth
from synthetic import MONDAY, parameters, synthetic_site

SITE = synthetic_site(ED=10, WARD=5)


def at(text):
    return datetime.fromisoformat(f"2025-03-03 {text}") if text else None


def told(encounters, stays=()):
    """Return journeys from (arrival, care, admit, discharge) and (encounter, sector, start, end), as clock times."""
    times = ("arrival_time", "care_start", "admit_time", "discharge_time")
    rows = [
        {"encounter_no": number, "sector_id": "ED", **dict(zip(times, map(at, row), strict=True))}
        for number, row in enumerate(encounters, 1)
    ]
    places = [
        {"encounter_no": number, "place_no": 0, "sector_id": sector, "start_time": at(start), "end_time": at(end)}
        for number, sector, start, end in stays
    ]
    return Journeys(pa.Table.from_pylist(rows, ENCOUNTERS), pa.Table.from_pylist(places, STAYS))


def series(journeys, name, sector="ED", clocks=("10:00", "10:01", "10:02", "10:03")):
    table = minute_truth(journeys, SITE, MONDAY, MONDAY)
    rows = {(row["sector_id"], row["minute_start"]): row[name] for row in table.to_pylist()}
    return [rows[sector, at(clock)] for clock in clocks]


def test_there_is_a_row_for_every_minute_and_sector_of_the_local_days():
    site = synthetic_site("Europe/Stockholm", ED=10, WARD=5)
    first = date(2025, 3, 29)

    table = minute_truth(told([]), site, first, first + timedelta(days=1))

    start = day_start(first, site.tz).replace(tzinfo=None)
    assert table.schema == MINUTES
    assert len(table) == 2 * (24 + 23) * 60
    assert table["sector_id"].to_pylist()[:4] == ["ED", "WARD"] * 2
    assert table["minute_start"].to_pylist()[:4] == [start, start, *[start + timedelta(minutes=1)] * 2]
    assert set(table["occupancy"].to_pylist()) == {0}


def test_an_arrival_counts_in_its_minute():
    journeys = told([("10:01:00", "", "", ""), ("10:01:59", "", "", ""), ("10:02:30", "", "", "")])

    assert series(journeys, "arrivals") == [0, 2, 1, 0]
    assert series(journeys, "arrivals", "WARD") == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("arrival", "care", "discharge", "queue"),
    [
        ("10:00:00", "10:02:00", "10:30:00", [1, 1, 0, 0]),
        ("10:00:01", "10:02:01", "10:30:00", [0, 1, 1, 0]),
        ("10:00:01", "10:00:59", "10:30:00", [0, 0, 0, 0]),
        ("10:00:00", "", "10:03:00", [1, 1, 1, 0]),
        ("10:01:00", "", "", [0, 1, 1, 1]),
        ("09:00:00", "10:00:00", "", [0, 0, 0, 0]),
    ],
)
def test_the_queue_is_who_arrived_has_no_care_yet_and_is_still_here(arrival, care, discharge, queue):
    assert series(told([(arrival, care, "", discharge)]), "queue") == queue


def test_occupancy_is_who_is_placed_in_the_sector_in_a_bed_or_not():
    stays = [(1, "ED", "09:59:00", "10:02:00"), (1, "WARD", "10:02:00", ""), (2, "ED", "10:01:00", "10:01:00")]

    journeys = told([("09:59:00", "", "", ""), ("10:01:00", "", "", "")], stays)

    assert series(journeys, "occupancy") == [1, 1, 0, 0]
    assert series(journeys, "occupancy", "WARD") == [0, 0, 1, 1]


def test_boarding_is_who_is_admitted_and_still_in_an_emergency_sector():
    stays = [(1, "ED", "09:00:00", "09:30:00"), (1, "ED", "09:30:00", "10:03:00"), (1, "WARD", "10:03:00", "")]

    journeys = told([("09:00:00", "09:30:00", "10:01:00", "")], stays)

    assert series(journeys, "boarding") == [0, 1, 1, 0]
    assert series(journeys, "boarding", "WARD") == [0, 0, 0, 0]


def test_who_came_before_the_first_minute_counts_from_it():
    early = told([("10:00:00", "", "", "")], [(1, "ED", "10:00:00", "")])
    tuesday = MONDAY + timedelta(days=1)

    table = minute_truth(early, SITE, tuesday, tuesday)

    assert table["occupancy"].to_pylist()[:2] == [1, 0]
    assert table["queue"].to_pylist()[:2] == [1, 0]
    assert set(table["arrivals"].to_pylist()) == {0}


def test_counting_patient_by_patient_gives_the_same():
    site = synthetic_site("America/Sao_Paulo", ED=8, OBS=3, WARD=6, ICU=2)
    last = MONDAY + timedelta(days=40)
    journeys = simulate(site, parameters(), MONDAY, last, 6)
    table = minute_truth(journeys, site, MONDAY, last).to_pydict()

    admitted = dict(
        zip(*(journeys.encounters[name].to_pylist() for name in ("encounter_no", "admit_time")), strict=True)
    )
    stays, encounters = journeys.stays.to_pylist(), journeys.encounters.to_pylist()
    for row in np.random.default_rng(1).choice(len(table["queue"]), 60, replace=False).tolist():
        sector, instant = table["sector_id"][row], table["minute_start"][row]
        there = [stay for stay in stays if stay["sector_id"] == sector and is_present(stay, instant)]
        boarders = [stay for stay in there if (admitted[stay["encounter_no"]] or datetime.max) <= instant]  # noqa: DTZ901
        waiting = [
            one
            for one in encounters
            if one["sector_id"] == sector
            and one["arrival_time"] <= instant
            and (one["care_start"] is None or one["care_start"] > instant)
            and (one["discharge_time"] is None or one["discharge_time"] > instant)
        ]
        assert table["occupancy"][row] == len(there)
        assert table["boarding"][row] == (len(boarders) if sector == "ED" else 0)
        assert table["queue"][row] == len(waiting)


def test_who_came_before_the_first_day_is_counted_apart():
    site, days = synthetic_site(ED=8, WARD=12), timedelta(days=20)
    first, last = MONDAY + days, MONDAY + 2 * days
    told = simulate(site, parameters(warmup_days=days.days), first, last, 6)
    everybody = simulate(site, parameters(warmup_days=0), MONDAY, last, 6)

    apart, together = (minute_truth(journeys, site, first, last) for journeys in (told, everybody))

    from_before, there = apart["from_before"].to_numpy(), apart["occupancy"].to_numpy()
    assert (there + from_before == together["occupancy"].to_numpy()).all()
    assert from_before[:2].min() > 0
    assert set(from_before[::2][-1440:]) == {0}  # the emergency sector on the last day
    assert set(together["from_before"].to_pylist()) == {0}


def is_present(stay, instant):
    return stay["start_time"] <= instant and (stay["end_time"] is None or stay["end_time"] > instant)


def test_the_file_holds_the_same_as_the_table(tmp_path):
    journeys = simulate(SITE, parameters(), MONDAY, MONDAY + timedelta(days=40), 1)

    write_minute_truth(tmp_path / "truth" / "minutes.parquet", journeys, SITE, MONDAY, MONDAY + timedelta(days=40))

    written = pq.read_table(tmp_path / "truth" / "minutes.parquet")
    assert written == minute_truth(journeys, SITE, MONDAY, MONDAY + timedelta(days=40))
    assert written["occupancy"].to_numpy().max() > 0
