from __future__ import annotations

from itertools import chain

import pytest

from healthcare_ops.core.metrics import nedocs
from unit.pipeline.hourly import day, gold, stay, visit

EMERGENCY = {"sector_id": "ED", "name": "Emergency", "kind": "ed", "functional_capacity": 10}
WARD = {"sector_id": "WARD", "name": "Ward", "kind": "ward", "functional_capacity": 20}
COMPLETE = {"hospital_beds": 100, "nedocs": {"assume_ventilated": 1}, "sectors": [EMERGENCY, WARD]}

# At 10:00 five patients are in the emergency sector. One of them has waited for a ward bed since 09:30, and the
# last to be seen, at 09:20, had waited half an hour.
VISITS = [
    visit("08:50", encounter_id="a", care_start="09:20", admit_time="09:30", total_wait_min=30.0),
    *(visit("09:40", encounter_id=name) for name in "bcde"),
]
STAYS = [
    stay("08:50", encounter_id="a"),
    *(stay("09:40", encounter_id=name) for name in "bcde"),
    stay("09:00", encounter_id="z", sector_id="WARD"),
]
BY_HAND = -20 + 85.8 * 5 / 10 + 600 * 1 / 100 + 13.4 * 1 + 0.93 * 0.5 + 5.64 * 0.5


def at_ten(engine, visits=VISITS, places=STAYS, **site_keys):
    """Return the row of each sector at 10:00."""
    rows = gold(engine, visits, places, first="2026-03-01 09:00", count=3, **COMPLETE | site_keys)
    return {sector: row for (sector, hour), row in rows.items() if hour == day("10:00")}


def test_nedocs_is_the_published_formula(engine):
    row = at_ten(engine)["ED"]

    assert pytest.approx(45.585, abs=1e-9) == BY_HAND
    assert row["nedocs"] == pytest.approx(BY_HAND, abs=1e-9)
    assert (row["nedocs_note"], row["ventilated"]) == ("assumed: ventilated = 1", 1)


def test_nedocs_belongs_to_the_emergency_sectors_only(engine):
    row = at_ten(engine)["WARD"]

    assert (row["nedocs"], row["nedocs_note"]) == (None, None)


def test_without_boarders_nobody_s_wait_enters_nedocs(engine):
    visits = [row | {"admit_time": None} for row in VISITS]

    row = at_ten(engine, visits)["ED"]

    assert row["nedocs"] == pytest.approx(BY_HAND - 600 * 1 / 100 - 0.93 * 0.5, abs=1e-9)


def test_all_emergency_sectors_are_scored_together(engine):
    red_room = {"sector_id": "RED_ROOM", "name": "Red room", "kind": "ed", "functional_capacity": 5}
    visits = [*VISITS, visit("09:30", encounter_id="r", admit_time="09:45", sector_id="RED_ROOM")]
    places = [*STAYS, stay("09:30", encounter_id="r", sector_id="RED_ROOM")]

    rows = at_ten(engine, visits, places, sectors=[EMERGENCY, red_room, WARD])

    expected = BY_HAND - 85.8 * 5 / 10 + 85.8 * 6 / 15 + 600 * 1 / 100
    assert [rows[name]["nedocs"] for name in ("ED", "RED_ROOM")] == [pytest.approx(expected, abs=1e-9)] * 2


def test_the_score_can_be_computed_again_from_gold_alone(engine):
    red_room = {"sector_id": "RED_ROOM", "name": "Red room", "kind": "ed", "functional_capacity": 5}
    places = [*STAYS, stay("09:30", encounter_id="r", sector_id="RED_ROOM")]

    rows = at_ten(engine, places=places, sectors=[EMERGENCY, red_room, WARD])

    emergency = [rows["ED"], rows["RED_ROOM"]]
    again = nedocs(
        ed_patients=sum(row["occupied_beds"] for row in emergency),
        ed_beds=sum(row["functional_capacity"] for row in emergency),
        boarders=sum(row["boarding"] for row in emergency),
        hospital_beds=emergency[0]["hospital_beds"],
        ventilated=emergency[0]["ventilated"],
        longest_boarding_h=max(row["longest_boarding_min"] or 0 for row in emergency) / 60,
        last_door_to_bed_h=emergency[0]["last_door_to_bed_min"] / 60,
    )
    assert emergency[0]["nedocs"] == pytest.approx(again, abs=1e-9)
    assert rows["WARD"]["functional_capacity"] == 20


@pytest.mark.parametrize(
    ("missing", "note"),
    [
        ({"hospital_beds": None}, "missing: hospital_beds; assumed: ventilated = 1"),
        ({"nedocs": {}}, "missing: ventilated"),
        (
            {"sectors": [EMERGENCY | {"functional_capacity": None}, WARD], "hospital_beds": None, "nedocs": {}},
            "missing: functional_capacity; missing: hospital_beds; missing: ventilated",
        ),
    ],
)
def test_a_missing_input_leaves_nedocs_empty_with_a_note(engine, missing, note):
    row = at_ten(engine, **missing)["ED"]

    assert (row["nedocs"], row["nedocs_note"]) == (None, note)


def test_an_hour_before_which_nobody_was_placed_has_no_nedocs(engine):
    visits = [row | {"care_start": None} for row in VISITS]

    row = at_ten(engine, visits)["ED"]

    assert (row["nedocs"], row["nedocs_note"]) == (None, "missing: last_door_to_bed")


def test_a_hospital_without_emergency_sectors_has_no_nedocs(engine):
    rows = at_ten(engine, sectors=[EMERGENCY | {"kind": "other"}, WARD])

    assert [(row["nedocs"], row["nedocs_note"]) for row in rows.values()] == [(None, None)] * 2


def sector_at_risk(name, *, patients, waiting=0, wait_min=0, capacity=10):
    """Return a sector, its stays and its queue at 10:00."""
    sector = {"sector_id": name, "name": name, "kind": "ward", "functional_capacity": capacity}
    places = [stay("09:30", encounter_id=f"{name}{number}", sector_id=name) for number in range(patients)]
    since = f"{10 - (wait_min + 59) // 60:02d}:{-wait_min % 60:02d}"
    queue = [visit(since, encounter_id=f"{name} waits {number}", sector_id=name) for number in range(waiting)]
    return sector, places, queue


def test_the_risk_of_a_sector_is_the_sum_of_its_terms_each_between_nothing_and_its_weight(engine):
    cases = [
        (sector_at_risk("calm", patients=7), 0.0),
        (sector_at_risk("busy", patients=9), 50 * 0.2 / 0.5),
        (sector_at_risk("full", patients=12), 50.0),
        (sector_at_risk("beyond", patients=30), 50.0),
        (sector_at_risk("queue", patients=0, waiting=2, wait_min=60), 25 * 0.2 / 0.5),
        (sector_at_risk("slow", patients=0, waiting=1, wait_min=150), 25 * 0.1 / 0.5 + 25 * 90 / 180),
        (sector_at_risk("worst", patients=20, waiting=20, wait_min=500), 100.0),
        (sector_at_risk("unmeasured", patients=9, capacity=None), None),
    ]
    sectors, places, queues = zip(*(case for case, _ in cases), strict=True)

    rows = at_ten(engine, [*chain(*queues)], [*chain(*places)], sectors=list(sectors))

    assert {name: row["risk_score"] for name, row in rows.items()} == {
        sector["sector_id"]: pytest.approx(risk, abs=1e-9) for (sector, _, _), risk in cases
    }
