from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from healthcare_ops.operations.runner import orchestrator_text

STATELINT = str(Path(sys.executable).with_name("statelint"))


def lint(folder, text):
    """Return how statelint (the Python port of AWS Labs' linter) ends, and what it says of a definition."""
    path = folder / "machine.asl.json"
    path.write_text(text)
    done = subprocess.run([STATELINT, str(path)], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_the_shipped_machine_has_no_finding(tmp_path):
    exit_code, said = lint(tmp_path, orchestrator_text())

    assert (exit_code, said.strip()) == (0, "")


@pytest.mark.parametrize("broken", [{"Next": "Nowhere"}, {"TimeoutSeconds": -1}, {"Type": "Job"}])
def test_a_machine_with_a_fault_has_one(tmp_path, broken):
    machine = json.loads(orchestrator_text())
    machine["States"]["RunDQ"] |= broken

    _, said = lint(tmp_path, json.dumps(machine))

    assert "RunDQ" in said or "Nowhere" in said
