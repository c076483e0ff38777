from __future__ import annotations

import hashlib
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from healthcare_ops.core.civil_time import day_start
from healthcare_ops.core.errors import ConfigError
from healthcare_ops.core.site import Site
from healthcare_ops.core.validated import read_toml
from healthcare_ops.generator.hospital import DESK
from healthcare_ops.generator.journeys import ENCOUNTERS, STAYS
from healthcare_ops.generator.simulation import journeys, run, simulate
from healthcare_ops.generator.truth import minute_truth
from synthetic import MONDAY, always, epoch_s, every_level, minutes, parameters, synthetic_site

FIRST, LAST = date(2025, 3, 1), date(2025, 5, 31)
EXAMPLES = Path(__file__).parents[3] / "examples" / "sites"
NETWORK = sorted((EXAMPLES / "network").glob("*.toml"))
MILESTONES = ("arrival_time", "triage_start", "triage_end", "care_start", "discharge_time")


def example_site():
    return read_toml(EXAMPLES / "hospital_br.toml", Site)


@pytest.fixture(scope="module")
def quarter():
    """Three months of a hospital with wards, as it was simulated."""
    return run(example_site(), parameters(), FIRST, LAST, 5)


@pytest.fixture(scope="module")
def happened(quarter):
    return journeys(quarter)


def as_bytes(found):
    sink = pa.BufferOutputStream()
    for table in (found.encounters, found.stays):
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table.combine_chunks())
    return sink.getvalue().to_pybytes()


def busy_with(starts, ends):
    """Return how many services are going on at each start, itself included."""
    return np.searchsorted(np.sort(starts), starts, side="right") - np.searchsorted(np.sort(ends), starts, side="right")


def on_duty(shifts, team, at):
    times = [second for second, whose, _ in shifts if whose == team]
    counts = np.cumsum([more for _, whose, more in shifts if whose == team])
    return counts[np.searchsorted(times, at, side="right") - 1]


def services(done, sector):
    """Return starts and ends of all physicians' services in one sector."""
    patients, course = done.patients, done.course
    seen = (course.care_start >= 0) & (patients.sector == sector)
    again = seen & (course.review_start >= 0)
    starts = np.concatenate([course.care_start[seen], course.review_start[again]])
    lengths = np.concatenate([patients.contact_s[seen], patients.review_s[again]])
    return starts, starts + lengths


def assert_nobody_shares_a_bed(stays, site, given):
    in_bed = stays.filter(pc.is_valid(stays["bed_id"])).sort_by([("bed_id", "ascending"), ("start_time", "ascending")])
    beds, starts, ends = in_bed["bed_id"].to_pylist(), epoch_s(in_bed, "start_time"), epoch_s(in_bed, "end_time")
    same = np.array([one == other for one, other in zip(beds[1:], beds[:-1], strict=True)], bool)
    assert not (same & ~(ends[:-1] <= starts[1:])).any()
    for sector in site.sectors:
        used = set(pc.filter(in_bed["bed_id"], pc.equal(in_bed["sector_id"], sector.sector_id)).to_pylist())
        assert used <= {f"{sector.sector_id}-{number:02d}" for number in range(1, given.beds(sector) + 1)}


def assert_staff_is_never_short(done):
    patients, course = done.patients, done.course
    shifts = done.house.shifts
    triaged = course.triage_start[course.triage_start >= 0]
    triage_end = triaged + patients.triage_s[course.triage_start >= 0]
    assert (busy_with(triaged, triage_end) <= on_duty(shifts, DESK, triaged)).all()
    for number, sector in enumerate(done.site.sectors):
        if sector.kind == "ed":
            starts, ends = services(done, number)
            assert (busy_with(starts, ends) <= on_duty(shifts, number, starts)).all()


def assert_everything_is_in_order(found):
    times = [epoch_s(found.encounters, name) for name in MILESTONES]
    for position, earlier in enumerate(times):
        for later in times[position + 1 :]:
            assert not (later < earlier).any()
    admit = epoch_s(found.encounters, "admit_time")
    assert not (admit < times[3]).any()
    assert not (times[4] < admit).any()
    assert not (np.isnan(times[1]) & ~np.isnan(times[2])).any()
    assert not (np.isnan(times[2]) & ~np.isnan(times[3])).any()


def assert_stays_follow_each_other(found):
    encounter, place = (found.stays[name].to_numpy() for name in ("encounter_no", "place_no"))
    starts, ends = epoch_s(found.stays, "start_time"), epoch_s(found.stays, "end_time")
    arrival, left = (epoch_s(found.encounters, name)[encounter - 1] for name in ("arrival_time", "discharge_time"))
    is_first, is_last = place == 0, np.diff(encounter, append=-1) != 0
    assert is_first.sum() == is_last.sum() == len(found.encounters)
    assert (starts[is_first] == arrival[is_first]).all()
    assert (starts[~is_first] == ends[~is_last]).all()
    assert np.array_equal(ends[is_last], left[is_last], equal_nan=True)
    assert not (ends <= starts).any()


def test_journeys_have_the_columns_that_were_agreed(happened):
    assert happened.encounters.schema == ENCOUNTERS
    assert happened.stays.schema == STAYS


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others():
    site, last = synthetic_site(ED=20, WARD=10), MONDAY + timedelta(days=9)

    one, same, other = (as_bytes(simulate(site, parameters(), MONDAY, last, seed)) for seed in (1, 1, 2))

    assert one == same
    assert one != other


def test_a_seed_gives_the_same_bytes_on_every_machine():
    site = synthetic_site(ED=12, OBS=3, WARD=6, ICU=2)

    found = simulate(site, parameters(), MONDAY, MONDAY + timedelta(days=20), 2025)

    numbers = [
        pc.fill_null(table[name].cast(pa.int64()), -1).to_numpy().tobytes()
        for table in (found.encounters, found.stays)
        for name in table.column_names
        if not pa.types.is_string(table.schema.field(name).type)
    ]
    assert hashlib.sha256(b"".join(numbers)).hexdigest()[:16] == "2ac838309eee0a48"


def test_two_hospitals_of_one_seed_have_different_patients():
    calm = {"arrivals": {"per_day": 100, "dispersion": 1.0, "autocorrelation": 0.0}}
    given = parameters(emergency=calm, disturbances={"chance_per_day": 0.0})
    sites = [synthetic_site(facility_id=name, ED=40) for name in ("north", "south")]

    north, south = (simulate(site, given, MONDAY, MONDAY + timedelta(days=9), 1).encounters for site in sites)

    count = min(len(north), len(south))
    stay, other = (minutes(table, "care_start", "discharge_time")[:count] for table in (north, south))
    known = ~np.isnan(stay) & ~np.isnan(other)
    assert abs(np.corrcoef(stay[known], other[known])[0, 1]) < 0.1
    assert not set(north["arrival_time"].to_pylist()) >= set(south["arrival_time"].to_pylist())


def test_a_longer_simulation_tells_the_same_past():
    site, cut = synthetic_site(ED=20, OBS=4, WARD=10), MONDAY + timedelta(days=6)

    short = simulate(site, parameters(), MONDAY, cut, 3)
    long = simulate(site, parameters(), MONDAY, MONDAY + timedelta(days=20), 3)

    end_s = day_start(cut + timedelta(days=1), site.tz).timestamp()
    for name in ("arrival_time", "triage_start", "triage_end", "care_start", "admit_time", "discharge_time"):
        later = epoch_s(long.encounters, name)[: len(short.encounters)]
        assert np.array_equal(epoch_s(short.encounters, name), np.where(later < end_s, later, np.nan), equal_nan=True)
    assert short.encounters["patient_no"] == long.encounters["patient_no"].slice(0, len(short.encounters))


def test_only_those_who_came_on_the_days_asked_for_are_told_of(quarter, happened):
    arrival = epoch_s(happened.encounters, "arrival_time")

    assert arrival.min() >= day_start(FIRST, quarter.site.tz).timestamp()
    assert arrival.max() < day_start(LAST + timedelta(days=1), quarter.site.tz).timestamp()
    assert happened.encounters["encounter_no"].to_pylist() == list(range(1, len(arrival) + 1))
    assert (np.diff(arrival) >= 0).all()


def test_the_house_is_not_empty_on_the_first_day(quarter):
    course = quarter.course
    first_s = int(quarter.patients.arrival[quarter.counted_from])
    stays = course.inpatient

    from_before = (stays.patient < quarter.counted_from) & (stays.start < first_s)
    assert (from_before & ((stays.end > first_s) | (stays.end < 0))).sum() > 30


def test_what_has_not_happened_at_the_end_is_null(happened):
    end_s = epoch_s(happened.encounters, "arrival_time").max() + 86_400

    for name in (*MILESTONES, "admit_time"):
        assert not (epoch_s(happened.encounters, name) > end_s).any()
    still_here = pc.is_null(happened.encounters["discharge_time"])
    assert pc.sum(still_here).as_py() > 10
    assert pc.is_null(happened.encounters["disposition"]) == still_here


def test_everything_happens_in_order(happened):
    assert_everything_is_in_order(happened)


def test_nobody_is_in_two_places(happened):
    assert_stays_follow_each_other(happened)


def test_a_person_returns_only_after_having_left(happened):
    table = happened.encounters.sort_by([("patient_no", "ascending"), ("arrival_time", "ascending")])
    person, came, left = (
        table["patient_no"].to_numpy(),
        epoch_s(table, "arrival_time"),
        epoch_s(table, "discharge_time"),
    )

    again = person[1:] == person[:-1]

    assert (left[:-1][again] < came[1:][again]).all()
    assert 0.05 < again.mean() < 0.2


def test_no_bed_nurse_or_physician_is_in_two_places(quarter, happened):
    assert_nobody_shares_a_bed(happened.stays, quarter.site, parameters())
    assert_staff_is_never_short(quarter)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(
    beds=st.fixed_dictionaries(
        {"ED": st.integers(1, 8)},
        optional={name: st.integers(1, 5) for name in ("PED", "OBS", "WARD", "ICU")},
    ),
    per_bed=st.floats(1.0, 12.0),
    utilisation=st.floats(0.3, 2.0),
    max_stay_days=st.sampled_from([1, 3, 60]),
    zone=st.sampled_from(["Europe/Stockholm", "America/Sao_Paulo"]),
    seed=st.integers(0, 1000),
)
def test_no_small_hospital_breaks_a_rule(beds, per_bed, utilisation, max_stay_days, zone, seed):
    site = synthetic_site(zone, max_stay_days, **beds)
    chosen = parameters(
        warmup_days=2,
        emergency={"arrivals": {"per_bed_per_day": per_bed}, "physicians": {"utilisation": utilisation}},
    )

    done = run(site, chosen, date(2025, 3, 29), date(2025, 4, 2), seed)

    found = journeys(done)
    assert_everything_is_in_order(found)
    assert_stays_follow_each_other(found)
    assert_nobody_shares_a_bed(found.stays, site, chosen)
    assert_staff_is_never_short(done)
    length_days = minutes(found.encounters, "arrival_time", "discharge_time") / 1440
    assert not (length_days > max_stay_days).any()


def test_the_more_urgent_wait_less(happened):
    wait = minutes(happened.encounters, "triage_end", "care_start")
    level = pc.fill_null(happened.encounters["triage_level"], 0).to_numpy()

    means = [np.nanmean(wait[level == number]) for number in range(1, 5)]

    assert means == sorted(means)
    assert means[3] > 3 * means[0]


def test_waits_grow_with_the_crowd(happened):
    encounters = happened.encounters
    ps = encounters.filter(pc.equal(encounters["sector_id"], "PS"))
    came, seen = epoch_s(ps, "arrival_time"), epoch_s(ps, "care_start")
    waiting = np.arange(len(came)) - np.searchsorted(np.sort(np.fmin(seen, epoch_s(ps, "discharge_time"))), came)

    wait = (seen - came) / 60

    crowd = np.nanmedian(wait[waiting >= 6])
    assert crowd > 2 * np.nanmedian(wait[waiting <= 1])


def unseen_share(physicians, seed=1):
    staff = {"by_hour": [physicians] * 24}
    found = simulate(
        synthetic_site(ED=60),
        parameters(emergency={"arrivals": {"per_day": 150.0}, "physicians": staff}),
        MONDAY,
        MONDAY + timedelta(days=27),
        seed,
    )
    return np.mean([name == "left_without_care" for name in found.encounters["disposition"].to_pylist()])


def test_more_leave_unseen_when_staff_shrinks():
    shares = [unseen_share(physicians) for physicians in (5, 3, 2)]

    assert shares[0] < 0.02
    assert shares[0] < shares[1] < shares[2]
    assert shares[2] > 0.15


def test_who_left_unseen_had_no_care_and_nobody_else_left_without(happened):
    encounters = happened.encounters
    left = pc.equal(encounters["disposition"], "left_without_care")
    gone = pc.is_valid(encounters["discharge_time"])

    without_care = pc.and_(gone, pc.is_null(encounters["care_start"]))

    assert pc.fill_null(left, False) == without_care
    assert pc.sum(without_care).as_py() > 50


def test_slower_service_makes_longer_waits():
    site = synthetic_site(ED=40)
    slow = {"changes": [{"first": MONDAY - timedelta(days=30), "service_factor": 1.4}]}

    usual, slower = (
        np.nanmean(minutes(simulate(site, chosen, MONDAY, MONDAY + timedelta(days=27), 1).encounters, *MILESTONES[::3]))
        for chosen in (parameters(), parameters(**slow))
    )

    assert slower > 1.3 * usual


def test_slower_service_of_a_sector_is_that_of_its_patients():
    site, last = synthetic_site(ED=40, PED=40), MONDAY + timedelta(days=6)
    slow = {"first": MONDAY, "last": MONDAY, "sectors": ["PED"], "service_factor": 2.0}

    usual, slower = (
        run(site, chosen, MONDAY, last, 1).patients for chosen in (parameters(), parameters(changes=[slow]))
    )

    is_slow = slower.triage_s != usual.triage_s
    monday = usual.arrival // 86_400 == parameters().warmup_days
    assert (is_slow == (monday & (usual.sector == 1))).all()
    for name in ("triage_s", "contact_s"):
        assert (getattr(slower, name)[is_slow] == 2 * getattr(usual, name)[is_slow]).all()


def mean_boarding_h(found):
    stays = found.stays.filter(pc.and_(pc.equal(found.stays["sector_id"], "ED"), pc.is_valid(found.stays["bed_id"])))
    admit = epoch_s(found.encounters, "admit_time")[stays["encounter_no"].to_numpy() - 1]
    return np.nanmean((epoch_s(stays, "end_time") - admit) / 3600)


def test_admitted_patients_keep_their_bed_until_the_ward_has_one():
    tight, ample = (
        simulate(synthetic_site(ED=20, WARD=beds), parameters(), MONDAY, MONDAY + timedelta(days=27), 1)
        for beds in (6, 200)
    )

    assert mean_boarding_h(ample) < 2
    assert mean_boarding_h(tight) > 4 * mean_boarding_h(ample)


def test_boarding_patients_keep_others_from_being_seen():
    staff = {"by_hour": [50] * 24}
    found = [
        simulate(
            synthetic_site(ED=8, WARD=beds),
            parameters(emergency={"physicians": staff}),
            MONDAY,
            MONDAY + timedelta(days=55),
            1,
        ).encounters
        for beds in (6, 200)
    ]

    tight, ample = (np.nanmean(minutes(encounters, "triage_end", "care_start")) for encounters in found)
    unseen = [np.mean(np.array(table["disposition"].to_pylist()) == "left_without_care") for table in found]
    assert tight > 3 * ample
    assert unseen[0] > 3 * unseen[1]


def test_who_finds_no_bed_in_time_goes_to_another_hospital():
    chosen = parameters(boarding={"limit_h": always(3)})

    found = simulate(synthetic_site(ED=20, WARD=1), chosen, MONDAY, MONDAY + timedelta(days=13), 1)

    admitted = found.encounters.filter(pc.is_valid(found.encounters["admit_time"]))
    outcomes = admitted["disposition"].to_pylist()
    waited_h = minutes(admitted, "admit_time", "discharge_time") / 60
    moved_on = np.array([name == "transferred" for name in outcomes])
    assert moved_on.mean() > 0.5
    assert set(waited_h[moved_on][waited_h[moved_on] <= 3.0]) == {3.0}


def test_a_site_without_wards_admits_to_another_house():
    found = simulate(synthetic_site(ED=20), parameters(), MONDAY, MONDAY + timedelta(days=13), 1)

    admitted = pc.is_valid(found.encounters["admit_time"])
    gone = pc.is_valid(found.encounters["discharge_time"])
    named = pc.fill_null(pc.equal(found.encounters["disposition"], "admitted"), False)
    assert named == pc.and_(admitted, gone)
    assert pc.sum(named).as_py() > 50


def test_patients_move_between_all_kinds_of_sectors(happened):
    sectors = happened.stays["sector_id"].to_numpy(zero_copy_only=False)
    encounter = happened.stays["encounter_no"].to_numpy()

    is_same = encounter[:-1] == encounter[1:]
    moves = set(zip(sectors[:-1][is_same], sectors[1:][is_same], strict=True))

    onward = {("PS", "OBS"), ("PS", "ENFERMARIA"), ("OBS", "ENFERMARIA")}
    assert onward | {("UTI", "ENFERMARIA"), ("ENFERMARIA", "UTI")} <= moves


def test_with_idle_staff_nobody_waits_longer_than_the_delays_say():
    levels = every_level(registration_min=always(5), preparation_min=always(7))
    chosen = parameters(
        emergency={"levels": levels, "physicians": {"by_hour": [100] * 24}},
        triage={"nurses_by_hour": [100] * 24, "duration_min": always(4)},
    )

    found = simulate(synthetic_site(ED=200), chosen, MONDAY, MONDAY + timedelta(days=2), 1).encounters

    assert set(minutes(found, "arrival_time", "triage_start")[:-50]) == {5.0}
    assert set(minutes(found, "triage_start", "triage_end")[:-50]) == {4.0}
    assert set(minutes(found, "triage_end", "care_start")[:-50]) == {7.0}


@pytest.mark.parametrize("what", ["queue", "occupancy"])
def test_littles_law_holds_in_the_emergency_sectors(quarter, happened, what):
    """L = λ·W (Little 1961): people present on average = arrivals per time × time that each is present."""
    site, encounters = quarter.site, happened.encounters
    emergency = pa.array([sector.sector_id for sector in site.sectors if sector.kind == "ed"])
    first, last = FIRST + timedelta(days=14), LAST - timedelta(days=14)
    truth = minute_truth(happened, site, first, last)
    truth = truth.filter(pc.is_in(truth["sector_id"], emergency))
    if what == "queue":
        until = np.fmin(epoch_s(encounters, "care_start"), epoch_s(encounters, "discharge_time"))
    else:
        stays = happened.stays.filter(pc.is_in(happened.stays["sector_id"], emergency))
        until = np.full(len(encounters), np.nan)
        until[stays["encounter_no"].to_numpy() - 1] = epoch_s(stays, "end_time")

    rows_per_min = len(emergency)
    mean_present = pc.sum(truth[what]).as_py() / len(truth) * rows_per_min
    arrivals_per_min = pc.sum(truth["arrivals"]).as_py() / len(truth) * rows_per_min
    arrival = epoch_s(encounters, "arrival_time")
    start_s, end_s = (day_start(day, site.tz).timestamp() for day in (first, last + timedelta(days=1)))
    mean_stay_min = np.nanmean((until - arrival)[(arrival >= start_s) & (arrival < end_s)]) / 60

    assert mean_present == pytest.approx(arrivals_per_min * mean_stay_min, rel=0.02)


def test_littles_law_holds_for_the_desk_for_triage_and_for_beds(quarter):
    course, patients, end_s = quarter.course, quarter.patients, quarter.end_s
    instants = np.arange(20 * 86_400, end_s - 5 * 86_400, 60)
    span_s = instants[-1] - instants[0]

    for since, until in (
        (patients.ready, course.triage_start),
        (course.triage_start, course.triage_start + patients.triage_s),
        (course.care_start, course.ed_end),
    ):
        happened = (since >= 0) & (until >= 0)
        start, end = np.sort(since[happened]), np.sort(until[happened])
        present = np.searchsorted(start, instants, "right") - np.searchsorted(end, instants, "right")
        here = happened & (since >= instants[0]) & (since < instants[-1])
        assert present.mean() == pytest.approx(here.sum() / span_s * (until - since)[here].mean(), rel=0.02)


@pytest.mark.parametrize(
    ("different", "finding"),
    [
        ({"sectors": {"WARD": {}}}, "the parameters name WARD; emergency sectors of the site are ED."),
        ({"changes": [{"first": MONDAY, "sectors": ["XX"]}]}, "the parameters name XX"),
    ],
)
def test_parameters_of_another_site_are_refused(different, finding):
    with pytest.raises(ConfigError, match=finding):
        simulate(synthetic_site(ED=3, WARD=3), parameters(**different), MONDAY, MONDAY, 1)


def test_a_site_without_an_emergency_sector_is_refused():
    with pytest.raises(ConfigError, match="no sector of kind 'ed'"):
        simulate(synthetic_site(WARD=3), parameters(), MONDAY, MONDAY, 1)


def test_more_days_than_the_simulation_can_count_are_refused():
    with pytest.raises(ConfigError, match="are 21,916 days; 21,915"):
        simulate(synthetic_site(), parameters(), date(1965, 1, 1), date(2025, 1, 1), 1)


@pytest.mark.parametrize("per_day", [4e6, 1e12, 1e300])
def test_more_patients_than_the_simulation_can_tell_apart_are_refused(per_day):
    chosen = parameters(warmup_days=0, emergency={"arrivals": {"per_day": per_day}})

    with pytest.raises(ConfigError, match=r"site h would have about \S+ arrivals; 60,000,000 are the most"):
        simulate(synthetic_site(), chosen, MONDAY, MONDAY + timedelta(days=19), 1)


def test_days_in_the_wrong_order_are_refused():
    with pytest.raises(ConfigError, match="before the first"):
        simulate(synthetic_site(), parameters(), MONDAY, MONDAY - timedelta(days=1), 1)


@pytest.mark.parametrize("file", ["ed_six_sectors.toml", *(f"network/{file.name}" for file in NETWORK)])
def test_an_example_site_is_busy_and_its_ids_are_its_own(file):
    site = read_toml(EXAMPLES / file, Site)

    found = simulate(site, parameters(warmup_days=1), MONDAY, MONDAY, 1)

    assert set(found.encounters["facility_id"].to_pylist()) == {site.facility_id}
    assert set(found.encounters["sector_id"].to_pylist()) == {s.sector_id for s in site.sectors if s.kind == "ed"}
    assert len(found.encounters) > 25


def test_a_network_has_twelve_hospitals_in_more_than_one_zone():
    sites = [read_toml(file, Site) for file in NETWORK]

    assert len({site.facility_id for site in sites}) == 12
    assert len({site.zone for site in sites}) == 3


def test_a_sector_where_nobody_comes_is_no_trouble():
    chosen = parameters(sectors={"PED": {"arrivals": {"per_day": 0.0}}})

    found = simulate(synthetic_site(ED=3, PED=3), chosen, MONDAY, MONDAY, 1)

    assert set(found.encounters["sector_id"].to_pylist()) == {"ED"}


def test_a_hospital_where_nobody_comes_has_empty_journeys():
    chosen = parameters(warmup_days=0, emergency={"arrivals": {"per_day": 0.0}})

    found = simulate(synthetic_site(ED=3), chosen, MONDAY, MONDAY, 1)

    assert (len(found.encounters), len(found.stays)) == (0, 0)
    assert found.encounters.schema == ENCOUNTERS
