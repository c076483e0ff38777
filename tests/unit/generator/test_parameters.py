from __future__ import annotations

import tomllib

import pytest

from healthcare_ops.core.errors import ConfigError
from healthcare_ops.core.validated import read_toml
from healthcare_ops.generator.parameters import Parameters, default_parameters, parameters_text
from synthetic import parameters, synthetic_site


@pytest.fixture
def read(tmp_path):
    """Return a reader of a parameters file."""

    def read_parameters(text):
        path = tmp_path / "parameters.toml"
        path.write_text(text, encoding="utf-8")
        return read_toml(path, Parameters)

    return read_parameters


def test_an_empty_file_means_the_defaults(read):
    assert read("") == default_parameters()


def test_a_file_needs_only_the_keys_that_differ(read):
    found = read("[emergency.levels.3]\ndiagnostics_share = 0.1\n")

    usual = default_parameters().emergency
    assert found.emergency.level(3).diagnostics_share == 0.1
    assert found.emergency.level(3).contact_min == usual.level(3).contact_min
    assert found.emergency.level(4) == usual.level(4)


def test_a_sector_differs_from_the_others_only_where_it_says_so(read):
    found = read(
        "[emergency.arrivals]\nper_bed_per_day = 5.0\n"
        "[sectors.PED.levels.2]\ndiagnostics_share = 0.5\n"
        "[sectors.PED.arrivals]\nper_day = 33.0\n"
    )

    site = synthetic_site(ED=10, PED=4)
    assert [found.arrivals_per_day(sector) for sector in site.sectors] == [50.0, 33.0]
    assert found.of_sector("PED").level(2).diagnostics_share == 0.5
    assert found.of_sector("ED").level(2) == default_parameters().emergency.level(2)


def test_beds_are_the_functional_capacity_or_else_what_is_assumed():
    found = parameters(beds_where_unknown={"ward": 7})

    site = synthetic_site(ED=10, WARD=None)
    assert [found.beds(sector) for sector in site.sectors] == [10, 7]


@pytest.mark.parametrize(
    "different",
    [
        {},
        {"sectors": {"PS.1": {"arrivals": {"per_day": 12.5}, "physicians": {"by_hour": [1] * 24}}}},
        {"changes": [{"first": "2025-01-01", "arrivals_factor": 2.0}, {"first": "2025-02-01", "last": "2025-02-03"}]},
    ],
)
def test_parameters_written_as_a_file_read_back_as_they_were(different):
    written = parameters(**different)

    assert Parameters.model_validate(tomllib.loads(parameters_text(written))) == written


def test_the_last_mix_of_the_day_lasts_until_the_first_of_the_next():
    mix = [{"from_hour": 6, "shares": [0, 0, 1, 0, 0]}, {"from_hour": 22, "shares": [0, 0, 0, 2, 2]}]

    shares = parameters(emergency={"mix": mix}).emergency.shares_by_hour()

    assert [shares[hour] for hour in (0, 5, 6, 21, 22)] == [
        (0, 0, 0, 0.5, 0.5),
        (0, 0, 0, 0.5, 0.5),
        (0, 0, 1, 0, 0),
        (0, 0, 1, 0, 0),
        (0, 0, 0, 0.5, 0.5),
    ]


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("warmup_day = 3", "unknown key `warmup_day` = 3"),
        ("warmup_days = -1", "key `warmup_days` = -1"),
        ("shift_starts_h = [19, 7]", "hours must rise"),
        ("[triage]\nduration_min = [1, 2, 3]", "key `triage.duration_min`"),
        ("[triage]\nduration_min = [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 9]", "quantiles must not fall"),
        ("[triage]\nduration_min = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, inf]", "key `triage.duration_min.10` = inf"),
        ("[inpatient.icu]\nstay_h = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 576001]", "less than or equal to 576000"),
        ("[emergency.physicians]\nutilisation = 1e-300", "key `emergency.physicians.utilisation`"),
        ("[disturbances]\nlog_size = 1000.0", "key `disturbances.log_size`"),
        ("[emergency]\nwait_treatment_correlation = -1.0", "key `emergency.wait_treatment_correlation`"),
        ("[beds_where_unknown]\ned = 1000000000", "key `beds_where_unknown.ed`"),
        ("[emergency.arrivals]\nweekday_hours = [" + "0, " * 23 + "0]", "one of the numbers must be above 0"),
        ("[emergency.levels.1.outcomes]\nward = 0.7", "the shares sum up to 1.3, more than 1"),
        ("[inpatient.ward.next]\nicu = 0.98", "more than 1"),
        ("[disturbances]\ndays = [5, 2]", "must not fall"),
        ("[[emergency.mix]]\nfrom_hour = 9\nshares = [1, 1, 1, 1, 1]\n" * 2, "from_hour [9, 9] must rise"),
        ("[[changes]]\nfirst = 2025-02-01\nlast = 2025-01-31", "is before first"),
        ("[sectors.ED]\nbeds = 3", "unknown key `sectors.ED.beds`"),
    ],
)
def test_a_mistake_names_what_is_wrong(read, text, finding):
    with pytest.raises(ConfigError) as caught:
        read(text)

    assert finding in caught.value.message
    assert "default.toml" in caught.value.next_step
