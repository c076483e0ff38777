from __future__ import annotations

import os
import subprocess
import sys

import pytest

from healthcare_ops.adapters.state_lock import lock_state
from healthcare_ops.core.errors import ExitCode, LockedError

HOLD = """
import sys
from pathlib import Path
from healthcare_ops.adapters.state_lock import lock_state

with lock_state(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_writer_is_told_which_process_holds_the_state_and_what_to_do(holder, tmp_path):
    with pytest.raises(LockedError) as refusal, lock_state(tmp_path):
        pass

    assert refusal.value.message == f"{tmp_path} is in use by process {holder.pid}."
    assert refusal.value.next_step == "Wait for it to finish, or use another --state."
    assert refusal.value.exit_code is ExitCode.TIMEOUT_OR_LOCK


def test_a_process_that_was_killed_leaves_the_state_free(holder, tmp_path):
    holder.kill()
    holder.wait()

    with lock_state(tmp_path):
        written = (tmp_path / ".lock").read_text()

    assert written == str(os.getpid())


def test_a_writer_that_finished_leaves_the_state_free(tmp_path):
    with lock_state(tmp_path):
        pass

    with lock_state(tmp_path):
        written = (tmp_path / ".lock").read_text()

    assert written == str(os.getpid())


def test_a_writer_that_failed_leaves_the_state_free(tmp_path):
    with pytest.raises(RuntimeError, match="the job failed"), lock_state(tmp_path):
        raise RuntimeError("the job failed")

    with lock_state(tmp_path):
        written = (tmp_path / ".lock").read_text()

    assert written == str(os.getpid())


def test_the_same_process_cannot_hold_a_state_twice(tmp_path):
    with (
        lock_state(tmp_path),
        pytest.raises(LockedError, match=f"in use by process {os.getpid()}"),
        lock_state(tmp_path),
    ):
        pass


def test_two_states_are_held_at_once(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()

    with lock_state(tmp_path / "a"), lock_state(tmp_path / "b"):
        held = [(tmp_path / name / ".lock").exists() for name in ("a", "b")]

    assert held == [True, True]
