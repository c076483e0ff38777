from __future__ import annotations

import tomllib
from datetime import date, datetime, timedelta
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from healthcare_ops.core.errors import ConfigError
from healthcare_ops.core.site import Site
from healthcare_ops.core.validated import read_toml
from healthcare_ops.generator.deliveries import Terms, everything, plan_feed
from healthcare_ops.generator.parameters import Change, default_parameters
from healthcare_ops.generator.scenario import MAX_FAULTS, Fault, FileFault, RowFault, Scenario, with_changes
from healthcare_ops.generator.simulation import simulate
from healthcare_ops.generator.slabs import chosen, draw_delays
from healthcare_ops.generator.streams import random_numbers
from synthetic import MONDAY, parameters, synthetic_site

ROOT = Path(__file__).parents[3]
EXAMPLES = sorted((ROOT / "examples" / "scenarios").glob("*.toml"))
SITE, LISBON = (
    read_toml(ROOT / "examples" / "sites" / f"{name}.toml", Site) for name in ("ed_six_sectors", "urgencia_lisboa")
)
FIRST, LAST = date(2026, 3, 1), date(2026, 3, 31)


def read(folder, text):
    path = folder / "scenario.toml"
    path.write_text(text)
    return read_toml(path, Scenario)


def subclasses(model):
    return {child for found in model.__subclasses__() for child in (found, *subclasses(found))}


ALL_KINDS = {
    model.model_fields["kind"].annotation.__args__[0] for model in subclasses(Fault) if "kind" in model.model_fields
} | {"demand_change", "peak_shift", "slower_service"}


# The file


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_a_scenario_of_its_site(path):
    scenario = read_toml(path, Scenario)

    scenario.require_known_sectors(LISBON if path.stem == "everything" else SITE)
    changed = with_changes(default_parameters(), scenario, LAST)
    assert scenario.description
    assert all(FIRST <= change.first <= change.last <= LAST for change in changed.changes)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_published_schema_accepts_the_examples(path):
    schema = Scenario.model_json_schema()
    # TOML has times of its own; JSON writes them as text.
    plain = read_toml(path, Scenario).model_dump(mode="json", exclude_none=True)

    jsonschema.Draft202012Validator.check_schema(schema)
    assert list(jsonschema.Draft202012Validator(schema).iter_errors(plain)) == []


def test_the_example_of_everything_has_every_fault():
    scenario = read_toml(ROOT / "examples" / "scenarios" / "everything.toml", Scenario)

    assert {fault.kind for fault in scenario.faults} == ALL_KINDS
    assert {RowFault, FileFault} < subclasses(Fault)


@pytest.mark.parametrize("feed", ["encounters", "events"])
def test_every_fault_of_the_example_of_everything_strikes(feed):
    scenario = read_toml(ROOT / "examples" / "scenarios" / "everything.toml", Scenario)
    given = with_changes(parameters(warmup_days=1), scenario, LAST)
    journeys = simulate(LISBON, given, FIRST, LAST, seed=7)

    plan = plan_feed(feed, journeys, LISBON, scenario, Terms(FIRST, LAST, 1440, "local", seed=7))
    struck = {one.fault for file in everything(plan) for one in file.injected}

    of_feed = {
        number for number, fault in enumerate(scenario.faults) if isinstance(fault, Fault) and feed in fault.feeds
    }
    assert struck == of_feed


def test_the_example_of_everything_states_the_defaults():
    path = ROOT / "examples" / "scenarios" / "everything.toml"

    stated = tomllib.loads(path.read_text())["reporting"]

    assert read_toml(path, Scenario).reporting == Scenario().reporting
    assert stated.keys() == type(Scenario().reporting).model_fields.keys()


def test_an_empty_file_is_a_scenario_without_faults(tmp_path):
    assert read(tmp_path, "") == Scenario()


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ('kind = "nul"', "'nul' found using 'kind' does not match any of the expected tags"),
        ('kind = "nulls"', "key `faults.0.nulls.column` is missing"),
        ('kind = "nulls"\ncolumn = "colour"', "no feed has a column 'colour'"),
        (
            'kind = "nulls"\ncolumn = "care_start"\nfeed = "events"',
            "feed 'events' does not have the columns care_start",
        ),
        ('kind = "nulls"\ncolumn = "bed"\nshare = 0.0', "key `faults.0.nulls.share` = 0.0"),
        ('kind = "nulls"\ncolumn = "bed"\nshares = 0.1', "unknown key `faults.0.nulls.shares` = 0.1"),
        ('kind = "nulls"\ncolumn = "bed"\nstart = 2026-03-02\nend = 2026-03-01', "is not before end"),
        ('kind = "nulls"\ncolumn = "bed"\nstart = 2026-03-02T00:00:00Z', "without an offset"),
        ('kind = "clock_shift"\nminutes = 5\ncolumns = ["sector"]', "'sector' is not a column of times"),
        ('kind = "swapped_columns"\ncolumns = ["event_type", "care_start"]', "does not have the columns"),
        ('kind = "unknown_codes"\ncolumn = "sector"\ncode = "a,b"', "key `faults.0.unknown_codes.code` = 'a,b'"),
        ('kind = "schema_change"', "give `renamed`, `added` or `dropped`"),
        ('kind = "peak_shift"\nhours = 13\nfirst = 2026-03-01', "key `faults.0.peak_shift.hours` = 13"),
        ('kind = "slower_service"\nfactor = 2\nfirst = 2026-03-02\nlast = 2026-03-01', "is before first"),
    ],
)
def test_a_mistake_is_told_with_its_key(tmp_path, fault, says):
    with pytest.raises(ConfigError) as error:
        read(tmp_path, f"[[faults]]\n{fault}\n")

    assert says in error.value.message
    assert error.value.next_step == "See `hops generate schema`."


@pytest.mark.parametrize(
    ("quantiles", "says"),
    [
        ("[[0, 0], [0.5, 1]]", "the last 1"),
        ("[[0.1, 0], [1, 1]]", "the first share must be 0"),
        ("[[0, 5], [1, 1]]", "minutes must not fall"),
        ("[[0, 0], [1, 999999]]", "between 0 and 20160"),
    ],
)
def test_delays_must_be_quantiles(tmp_path, quantiles, says):
    with pytest.raises(ConfigError, match=says):
        read(tmp_path, f"[reporting]\ndelay_min = {quantiles}\n")


def test_there_is_a_mark_for_each_fault_and_no_more(tmp_path):
    one = '[[faults]]\nkind = "truncated"\n'

    assert len(read(tmp_path, one * MAX_FAULTS).faults) == MAX_FAULTS
    with pytest.raises(ConfigError, match="faults"):
        read(tmp_path, one * (MAX_FAULTS + 1))


def test_a_sector_that_the_site_lacks_is_refused(tmp_path):
    scenario = read(tmp_path, '[[faults]]\nkind = "nulls"\ncolumn = "bed"\nsectors = ["GARAGE"]\n')

    with pytest.raises(ConfigError, match=r"faults\.0\.sectors = 'GARAGE' is not a sector of site"):
        scenario.require_known_sectors(SITE)


def test_a_day_means_its_first_instant(tmp_path):
    scenario = read(tmp_path, '[[faults]]\nkind = "truncated"\nstart = 2026-03-02\n')

    assert scenario.faults[0].start == datetime(2026, 3, 2)  # noqa: DTZ001  # the site's clock


# Changes of the hospital


def test_changes_stand_behind_those_of_the_parameters(tmp_path):
    own = Change(first=FIRST, last=FIRST, arrivals_factor=2)
    scenario = read(
        tmp_path,
        """
        [[faults]]
        kind = "demand_change"
        factor = 1.5
        sectors = ["ED"]
        first = 2026-03-10

        [[faults]]
        kind = "truncated"

        [[faults]]
        kind = "peak_shift"
        hours = -2
        first = 2026-03-11
        last = 2026-03-12

        [[faults]]
        kind = "slower_service"
        factor = 1.2
        sectors = ["PED"]
        first = 2026-03-13
        """,
    )

    changed = with_changes(default_parameters().model_copy(update={"changes": (own,)}), scenario, LAST)

    assert changed.changes == (
        own,
        Change(first=date(2026, 3, 10), last=LAST, sectors=("ED",), arrivals_factor=1.5),
        Change(first=date(2026, 3, 11), last=date(2026, 3, 12), peak_shift_h=-2),
        Change(first=date(2026, 3, 13), last=LAST, sectors=("PED",), service_factor=1.2),
    )


def test_another_demand_shows_from_its_day_on(tmp_path):
    site, change_on = synthetic_site(ED=8), MONDAY + timedelta(days=4)
    scenario = read(tmp_path, f'[[faults]]\nkind = "demand_change"\nfactor = 3\nfirst = {change_on}\n')
    given, last = parameters(emergency={"arrivals": {"per_day": 40}}, warmup_days=0), MONDAY + timedelta(days=7)

    usual = arrival_days(simulate(site, given, MONDAY, last, seed=3))
    other = arrival_days(simulate(site, with_changes(given, scenario, last), MONDAY, last, seed=3))

    assert other[:4] == usual[:4]
    assert sum(other[4:]) > 2 * sum(usual[4:])


def arrival_days(journeys):
    days = [arrival.date() for arrival in journeys.encounters["arrival_time"].to_pylist()]
    return [days.count(MONDAY + timedelta(days=number)) for number in range(8)]


# Chance


def test_delays_follow_their_quantiles():
    quantiles = ((0.0, 1.0), (0.5, 3.0), (0.9, 3.0), (1.0, 600.0))

    drawn = draw_delays(random_numbers(1, "delays"), quantiles, 200_000)

    found = np.quantile(drawn / 60, [share for share, _ in quantiles])
    assert found == pytest.approx([minutes for _, minutes in quantiles], abs=0.1)
    assert drawn.min() >= 60


@pytest.mark.parametrize("seed", [0, 2**63, 2**64 + 7, 10**30])
def test_any_seed_chooses_its_share(seed):
    assert chosen(np.arange(20_000), 0.3, seed).mean() == pytest.approx(0.3, abs=0.02)


def test_what_is_chosen_does_not_depend_on_what_else_is_asked_about():
    numbers = np.arange(100_000)

    all_at_once = chosen(numbers, 0.3, seed=7)

    assert all_at_once.mean() == pytest.approx(0.3, abs=0.01)
    assert (chosen(numbers[500:900], 0.3, seed=7) == all_at_once[500:900]).all()
    assert (chosen(numbers, 0.3, seed=8) != all_at_once).any()
    assert chosen(numbers, 1.0, seed=7).all()
