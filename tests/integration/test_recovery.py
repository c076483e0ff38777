"""What the platform does by itself about runs that fail: faults made by files and processes, time by a simulation."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from e2e.command import rows_of
from healthcare_ops.adapters.local_objects import LocalObjects
from healthcare_ops.core.clock import VirtualClock
from healthcare_ops.core.runs import record_key
from healthcare_ops.jobs.audit_log import entries
from healthcare_ops.operations.history import read_run
from healthcare_ops.operations.incidents import Incidents
from healthcare_ops.operations.simulate import SIMULATED_FILE, simulate
from hospital import open_hospital, visit

SUNDAY = date(2026, 3, 22)
DUE = datetime(2026, 3, 22, 7, tzinfo=UTC)
DAILY = f"daily-{DUE:%Y%m%dT%H%M%SZ}"
_HOLD = """
import sqlite3, sys
catalog = sqlite3.connect(sys.argv[1], isolation_level=None)
catalog.execute("begin exclusive")
print("held", flush=True)
sys.stdin.read()
"""
# Nobody may make anything in it, not even root.
FORBIDDEN = Path("/sys/firmware")


def delivered(folder: Path) -> Path:
    """Return the state directory of a hospital to which two days of visits were delivered, as if simulated."""
    with open_hospital(folder, "2026-03-22T00:00:00-03:00") as hospital:
        noon = datetime(2026, 3, 21, 12, tzinfo=UTC)
        arrivals = [noon + timedelta(hours=hour, days=-day) for day in range(2) for hour in (-4, 2, 6)]
        visits = [
            visit(f"V-{at:%m%d%H}", f"{at:%Y-%m-%dT%H:%M:%S}", changed=f"{at:%Y-%m-%dT23:00:00}") for at in arrivals
        ]
        hospital.deliver("visits", visits, "a.csv")
    (folder / "state" / SIMULATED_FILE).touch()
    return folder / "state"


@contextmanager
def held_catalog(state: Path) -> Iterator[subprocess.Popen[str]]:
    """Let another process hold the catalog of the lake, until it is told or the test is over."""
    command = [sys.executable, "-c", _HOLD, str(state / "lake" / "catalog.db")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        try:
            yield holder
        finally:
            holder.communicate()


def let_go(holder: subprocess.Popen[str]) -> None:
    """Have the catalog free again."""
    assert holder.stdin is not None
    holder.stdin.close()
    holder.wait(30)
    holder.stdin = None


def run_of(state: Path, run_id: str):
    return read_run(LocalObjects(state), record_key(run_id))


def incidents_of(state: Path, at: datetime):
    return Incidents(state, VirtualClock(at)).read()


def gold_of(state: Path):
    return {name: rows for name, rows in rows_of(state).items() if name.startswith("gold.")}


def acts_of(state: Path):
    """Return the audit log's entries of what was done about incidents: who, what, of which run."""
    return [
        (one.who, one.details["action"], one.details.get("run_id"))
        for one in entries(LocalObjects(state))
        if one.action == "incidents.act"
    ]


@pytest.mark.slow  # an attempt that waits for the catalog does so for a minute, whatever the clock says
def test_a_daily_run_that_fails_of_what_passes_is_made_good_unattended_and_gold_is_that_of_a_clean_run(tmp_path):
    state, twin = delivered(tmp_path / "ill"), delivered(tmp_path / "well")
    until = DUE + timedelta(minutes=50)

    with held_catalog(state) as holder:

        def watch(told: str) -> None:
            if told == "2026-03-22 07:15 UTC":
                assert run_of(state, DAILY).status == "FAILED"
                let_go(holder)

        simulate(state, DUE - timedelta(minutes=5), until, None, watch)
    simulate(twin, DUE - timedelta(minutes=5), until, None, lambda told: None)

    mine = [one for one in incidents_of(state, until) if DAILY in one.run_ids]
    assert [(one.state, one.diagnosis["root"]["fault"]) for one in mine] == [("mitigated", "transient")]
    assert [(one.by, one.action, one.outcome) for one in mine[0].taken] == [
        ("hops", "redrive", "begun"),
        ("hops", "redrive", "started"),
    ]
    assert ("hops", "redrive", DAILY) in acts_of(state)
    assert run_of(state, DAILY).status == "SUCCEEDED"
    assert len(gold_of(state)["gold.ops_metrics_hourly"]) > 0
    assert gold_of(state) == gold_of(twin)


@pytest.mark.skipif(not FORBIDDEN.is_dir(), reason="there is no folder here that nobody may write to")
def test_a_run_that_was_denied_access_is_left_to_people_for_hours(tmp_path):
    state = delivered(tmp_path)
    reports = state / "gold" / "data_quality_runs"
    reports.parent.mkdir(exist_ok=True)
    reports.symlink_to(FORBIDDEN)
    until = DUE + timedelta(minutes=50)

    simulate(state, DUE - timedelta(minutes=5), until, None, lambda told: None)

    mine = [one for one in incidents_of(state, until) if DAILY in one.run_ids]
    assert [(one.state, one.diagnosis["root"]["fault"]) for one in mine] == [("open", "access_denied")]
    assert run_of(state, DAILY).redriven_at == []
    assert [act for act in acts_of(state) if act[2] == DAILY] == []
    assert {one["is_automatic"] for one in mine[0].diagnosis["actions"]} == {False}
