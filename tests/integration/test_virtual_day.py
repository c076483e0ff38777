from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

import healthcare_ops
from e2e.command import contents
from healthcare_ops.adapters.local_objects import LocalObjects
from healthcare_ops.adapters.state_lock import Lock, lock_state
from healthcare_ops.bootstrap.platform import open_platform
from healthcare_ops.core.civil_time import day_start
from healthcare_ops.core.errors import ConfigError, LockedError
from healthcare_ops.core.tables import ENCOUNTERS
from healthcare_ops.operations.follow import SyntheticHospital
from healthcare_ops.operations.generate import Order
from healthcare_ops.operations.history import read_runs
from healthcare_ops.operations.replay import ReplayOrder, plan_replay
from healthcare_ops.operations.simulate import SIMULATED_FILE, simulate
from hospital import SITE, VISITS, open_hospital, visit, write_rows

SAO_PAULO = ZoneInfo("America/Sao_Paulo")
SAMPLES = Path(healthcare_ops.__file__).parent / "samples"


def quiet(text):
    """Do nothing about what is told."""


def delivered(folder, last, site=SITE):
    """Return the state directory of a hospital to which three weeks of visits were delivered."""
    with open_hospital(folder, f"{last + timedelta(days=1)}T00:00:00-03:00", site=site) as hospital:
        noon = datetime(last.year, last.month, last.day, 12, tzinfo=UTC)
        arrivals = [noon + timedelta(hours=hour, days=-day) for day in range(22) for hour in (-4, 6)]
        visits = [
            visit(f"V-{at:%m%d%H}", f"{at:%Y-%m-%dT%H:%M:%S}", changed=f"{at:%Y-%m-%dT23:00:00}") for at in arrivals
        ]
        hospital.deliver("visits", visits, "a.csv")
    (folder / "state" / SIMULATED_FILE).touch()  # as if a simulation had made it
    return folder / "state"


@pytest.fixture
def state(tmp_path):
    return delivered(tmp_path, date(2026, 3, 21))


def runs_of(state):
    return [(run.run_id, run.status, run.as_of) for run in reversed(read_runs(LocalObjects(state)))]


def ticks(start, count):
    instants = [start + timedelta(minutes=15 * n) for n in range(count)]
    return [f"inference-{instant.astimezone(UTC):%Y%m%dT%H%M%SZ}" for instant in instants]


def test_a_sunday_morning_has_its_ticks_with_the_daily_run_and_the_training_in_between(state):
    start = datetime(2026, 3, 22, 3, 30, tzinfo=SAO_PAULO)

    simulated = simulate(state, start, start + timedelta(hours=2), None, quiet)

    runs = runs_of(state)
    others = [run_id for run_id, _, _ in runs if not run_id.startswith("inference")]
    assert sorted(run_id for run_id, _, _ in runs if run_id not in others) == ticks(start + timedelta(minutes=15), 8)
    assert others == ["daily-20260322T070000Z", "weekly_train-20260322T080000Z"]
    assert {status for _, status, _ in runs} == {"SUCCEEDED"}
    assert all(run_id.endswith(f"-{datetime.fromisoformat(as_of):%Y%m%dT%H%M%SZ}") for run_id, _, as_of in runs)
    assert simulated.counts["inference"] == Counter(started=8, SUCCEEDED=8)


def test_what_a_simulation_trains_its_next_tick_predicts_with(state, tmp_path):
    start = datetime(2026, 3, 22, 4, 50, tzinfo=SAO_PAULO)

    simulate(state, start, start + timedelta(minutes=30), None, quiet)

    trained, tick = (
        json.loads((state / "ops" / "runs" / f"{run_id}.json").read_text())["outcomes"]
        for run_id in ("weekly_train-20260322T080000Z", "inference-20260322T081500Z")
    )
    predicted = tick["batch_predict"]
    assert (predicted["rows"], predicted["model_version"]) == (2 * 49, trained["weekly_train"]["version"])
    assert predicted["withheld"] == {}


def test_a_simulated_time_that_is_simulated_again_runs_nothing_twice(state):
    start = datetime(2026, 3, 22, 3, 50, tzinfo=SAO_PAULO)
    simulate(state, start, start + timedelta(minutes=15), None, quiet)
    before = runs_of(state)

    again = simulate(state, start, start + timedelta(minutes=15), None, quiet)

    assert (runs_of(state), again.counts) == (before, {})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("zone", "day", "count"),
    [
        ("America/Sao_Paulo", date(2026, 3, 22), 96),
        ("Europe/Stockholm", date(2026, 3, 29), 92),
        ("Europe/Stockholm", date(2026, 10, 25), 100),
    ],
    ids=["a Sunday", "a Sunday of 23 hours", "a Sunday of 25 hours"],
)
def test_a_day_misses_and_doubles_no_tick(tmp_path, zone, day, count):
    tz = ZoneInfo(zone)
    state = delivered(tmp_path, day - timedelta(days=1), SITE.replace("America/Sao_Paulo", zone))
    start = day_start(day, tz)

    simulated = simulate(state, start, day_start(day + timedelta(days=1), tz), None, quiet)

    runs = [run_id for run_id, _, _ in runs_of(state)]
    assert sorted(run for run in runs if run.startswith("inference")) == ticks(start + timedelta(minutes=15), count)
    assert simulated.counts == {
        "daily": Counter(started=1, SUCCEEDED=1),
        "weekly_train": Counter(started=1, SUCCEEDED=1),
        "inference": Counter(started=count, SUCCEEDED=count),
    }


@pytest.mark.parametrize("delivers", [True, False])
def test_the_state_directory_of_a_hospital_is_not_touched(tmp_path, delivers):
    with open_hospital(tmp_path, "2026-03-23T00:00:00-03:00"):
        pass
    state = tmp_path / "state"
    before = contents(state)
    start = datetime(2026, 3, 22, 3, 30, tzinfo=SAO_PAULO)
    site = SAMPLES / "synthetic_site.toml"
    until = start + timedelta(hours=2)
    order = Order(site, state / "synthetic", start.date(), start.date(), feeds=("events",))

    with pytest.raises(ConfigError, match="is a hospital's"):
        simulate(state, start, until, SyntheticHospital(order, until) if delivers else None, quiet)

    assert contents(state) == before


def test_a_simulation_that_somebody_runs_is_not_touched(tmp_path, state):
    before = contents(state)
    start = datetime(2026, 3, 22, 3, 30, tzinfo=SAO_PAULO)

    with lock_state(state, Lock.ENGINE), pytest.raises(LockedError):
        simulate(state, start, start + timedelta(hours=2), None, quiet)

    assert contents(state).keys() - {Lock.ENGINE} == before.keys() - {Lock.ENGINE}


def test_a_synthetic_hospital_delivers_while_time_goes_by(tmp_path):
    start = datetime(2026, 3, 2, 0, 0, tzinfo=SAO_PAULO)
    state = tmp_path / "state"
    order = Order(
        SAMPLES / "synthetic_site.toml",
        state / "synthetic",
        start.date(),
        start.date(),
        seed=3,
        parameters_file=SAMPLES / "synthetic_parameters.toml",
        feeds=("events",),
        every_min=30,
    )
    until = start + timedelta(hours=3)

    simulated = simulate(state, start, until, SyntheticHospital(order, until), quiet)

    with open_platform(state, exclusive=False) as platform:
        arrivals = platform.context.engine.collect(platform.lake.read(ENCOUNTERS)).to_pylist()
    assert simulated.counts["inference"] == Counter(started=12, SUCCEEDED=12)
    assert arrivals
    assert max(row["arrival_time"] for row in arrivals) < start.astimezone(UTC).replace(tzinfo=None) + timedelta(
        hours=3
    )


def test_files_of_ones_own_are_delivered_while_time_goes_by(tmp_path):
    start = datetime(2026, 3, 2, 0, 0, tzinfo=SAO_PAULO)
    until = start + timedelta(hours=3)
    at = [start + timedelta(minutes=minutes) for minutes in (-600, -10, 5, 50, 100, 400)]
    rows = [
        visit(f"V-{n}", f"{arrival:%Y-%m-%dT%H:%M:%S}", changed="", left="", care="") for n, arrival in enumerate(at)
    ]
    held = rows[2] | {"visit": "V-X", "place": "NOWHERE"}
    for name, text in (("site.toml", SITE), ("feed.toml", VISITS)):
        (tmp_path / name).write_text(text)
    write_rows(tmp_path / "visits.csv", [*rows, held])
    state = tmp_path / "state"
    state.mkdir()
    (state / "settings.toml").write_text("inference_every_min = 60\n")
    order = ReplayOrder(tmp_path / "feed.toml", tmp_path / "site.toml", [tmp_path / "visits.csv"], start, until)

    simulated = simulate(state, start, until, plan_replay(order), quiet)

    came = {}
    for run in reversed(read_runs(LocalObjects(state))):
        batches = run.outcomes.get("ingest_bronze", {}).get("batches", {})
        came |= {batch: (datetime.fromisoformat(run.as_of) - start, count) for batch, count in batches.items()}
    # What is due with a delivery runs before it.
    assert list(came.values()) == [(timedelta(hours=1), 2), (timedelta(hours=2), 3), (timedelta(hours=3), 1)]
    assert (simulated.delivered["replayed"], simulated.delivered["later"]) == (6, 1)
    (account,) = simulated.feeds
    assert account["delivered"] == 6 == account["applied"] + account["quarantined"]
    assert account["quarantined"] == 1
