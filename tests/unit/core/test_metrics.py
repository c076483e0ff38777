from __future__ import annotations

import pytest

from healthcare_ops.core.metrics import MANCHESTER_TARGET_MIN, RISK_TERMS, RiskTerm, nedocs, risk_contribution

CALM = {
    "ed_patients": 0,
    "ed_beds": 20,
    "boarders": 0,
    "hospital_beds": 300,
    "ventilated": 0,
    "longest_boarding_h": 0.0,
    "last_door_to_bed_h": 0.0,
}


@pytest.mark.parametrize(
    ("inputs", "score"),
    [
        # −20 and nothing else
        ({}, -20.0),
        # −20 + 85.8 × 20/20
        ({"ed_patients": 20}, 65.8),
        # −20 + 600 × 3/300
        ({"boarders": 3}, -14.0),
        # −20 + 13.4 × 2
        ({"ventilated": 2}, 6.8),
        # −20 + 0.93 × 10 h
        ({"longest_boarding_h": 10.0}, -10.7),
        # −20 + 5.64 × 2 h
        ({"last_door_to_bed_h": 2.0}, -8.72),
        # −20 + 85.8 × 30/20 + 600 × 12/300 + 13.4 × 1 + 0.93 × 8 + 5.64 × 1.5 = −20 + 128.7 + 24 + 13.4 + 7.44 + 8.46
        (
            {
                "ed_patients": 30,
                "boarders": 12,
                "ventilated": 1,
                "longest_boarding_h": 8.0,
                "last_door_to_bed_h": 1.5,
            },
            162.0,
        ),
        # Boarders count against the hospital's beds, patients against the department's: −20 + 85.8 × 5/10 + 600 × 5/500
        ({"ed_patients": 5, "ed_beds": 10, "boarders": 5, "hospital_beds": 500}, 28.9),
    ],
)
def test_nedocs_is_the_linear_formula_of_weiss_2004(inputs, score):
    assert nedocs(**CALM | inputs) == pytest.approx(score, abs=1e-9)


def test_the_risk_of_a_sector_is_shared_out_to_100():
    assert sum(term.weight for term in RISK_TERMS) == 100.0
    assert len({term.input for term in RISK_TERMS}) == len(RISK_TERMS)
    assert all(term.reason for term in RISK_TERMS)


@pytest.mark.parametrize("term", RISK_TERMS, ids=lambda term: term.input)
def test_a_risk_grows_from_nothing_when_calm_to_its_whole_weight_when_critical(term):
    half_way = (term.calm + term.critical) / 2

    shares = [risk_contribution(term, value) for value in (term.calm, half_way, term.critical)]

    assert shares == pytest.approx([0.0, term.weight / 2, term.weight])


def test_a_risk_below_calm_is_negative_for_its_caller_to_clip():
    term = RiskTerm("occupancy_rate", 0.7, 1.2, 50.0, "beds")

    assert risk_contribution(term, 0.6) == pytest.approx(-10.0)
    assert risk_contribution(term, 1.3) == pytest.approx(60.0)


def test_the_targets_are_manchester_s_from_red_to_blue():
    assert MANCHESTER_TARGET_MIN == (0, 10, 60, 120, 240)
