from __future__ import annotations

import json

import pytest

from healthcare_ops.adapters.local_objects import LocalObjects
from healthcare_ops.core.errors import NotFoundError
from healthcare_ops.entrypoints.cli.quality import explain, history
from hospital import open_hospital


def kept(state, day, **names):
    """Keep a report of a day in which rules of some tables warn."""
    run_id = f"daily-202603{day}T120000Z-x"
    rules = [
        {"rule_id": name, "table": f"silver.{table}", "verdict": "warn", "values": [float(day)], "checked": 9}
        for table, name in names.items()
    ]
    report = {"run_id": run_id, "written_at": f"2026-03-{day}", "schema_version": 2, "error": None, "rules": rules}
    days = {"count": 1}
    more = {"as_of": f"2026-03-{day}T12:00:00+00:00", "contributions": {}, "dq_risk_score": 10.0, "days": days}
    LocalObjects(state).write(
        f"gold/data_quality_runs/dt=2026-03-{day}/{run_id}.json", json.dumps(report | more).encode()
    )


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    """Return a state directory with two reports; before the second one another table took the id of a rule."""
    with open_hospital(tmp_path_factory.mktemp("closed"), "2026-03-13T18:00:00-03:00") as hospital:
        found = hospital.state
    kept(found, 11, encounters="few")
    kept(found, 12, encounters="silver.encounters:few", stays="silver.stays:few")
    return found


def test_the_history_of_a_rule_goes_on_from_when_it_had_its_id_alone(state, capsys):
    history("silver.encounters:few", runs=30, state=state, as_json=True)

    runs = json.loads(capsys.readouterr().out)["runs"]
    assert [(run["measured"], run["days"], run["made_by"]) for run in runs] == [(12.0, 1, "run"), (11.0, 1, "run")]


@pytest.mark.parametrize(
    "told", [explain, lambda rule, **keys: history(rule, runs=30, **keys)], ids=["explain", "history"]
)
def test_of_an_id_that_several_tables_have_the_names_are_listed(state, told):
    with pytest.raises(NotFoundError) as refused:
        told("few", state=state, as_json=True)

    assert refused.value.next_step == "Say which: silver.encounters:few, silver.stays:few."
