from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack

import pytest

from healthcare_ops.adapters.state_lock import Lock, lock_state, role_of_holder
from healthcare_ops.core.errors import ExitCode, LockedError

HOLD = """
import sys
from pathlib import Path
from healthcare_ops.adapters.state_lock import lock_state

with lock_state(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""

HOLD_WITH_A_CHILD = """
import subprocess, sys
from pathlib import Path
from healthcare_ops.adapters.state_lock import lock_state

with lock_state(Path(sys.argv[1])):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], stdout=subprocess.DEVNULL)
    print(child.pid, flush=True)
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


def test_the_locks_of_a_state_are_held_apart_from_each_other(tmp_path):
    with ExitStack() as held:
        for lock in Lock:
            held.enter_context(lock_state(tmp_path, lock))
        roles = [role_of_holder(tmp_path, lock) for lock in Lock]

    assert roles == [""] * 6
    assert len({str(lock) for lock in Lock}) == 6


def test_nobody_holds_a_lock_that_nobody_took_or_that_was_let_go(tmp_path):
    never = role_of_holder(tmp_path, Lock.ENGINE)
    with lock_state(tmp_path, Lock.ENGINE, role="hops up"):
        pass

    assert (never, role_of_holder(tmp_path, Lock.ENGINE)) == (None, None)
    assert not (tmp_path / ".lock").exists()


def test_whoever_finds_a_lock_held_learns_what_holds_it(tmp_path):
    with lock_state(tmp_path, Lock.ENGINE, role="hops up --port 8080"):
        role = role_of_holder(tmp_path, Lock.ENGINE)
        with pytest.raises(LockedError) as refusal, lock_state(tmp_path, Lock.ENGINE):
            pass

    assert role == "hops up --port 8080"
    assert f"in use by process {os.getpid()} hops up --port 8080." in refusal.value.message


def test_a_holder_that_was_killed_is_not_named(holder, tmp_path):
    holder.kill()
    holder.wait()

    assert role_of_holder(tmp_path, Lock.LAKE) is None


def test_whoever_only_asks_who_holds_a_lock_keeps_nobody_from_it(tmp_path):
    (tmp_path / ".lock").touch()
    over, refused = threading.Event(), []

    def ask():
        while not over.is_set():
            role_of_holder(tmp_path, Lock.LAKE)

    asker = threading.Thread(target=ask)
    asker.start()
    for _ in range(300):
        try:
            with lock_state(tmp_path):
                pass
        except LockedError as error:
            refused.append(error)
    over.set()
    asker.join()

    assert refused == []


def test_two_who_ask_at_once_do_not_take_each_other_for_the_holder(tmp_path):
    (tmp_path / ".lock").write_text(f"{os.getpid()} hops up")  # of one that was killed
    over, told = threading.Event(), set()

    def ask():
        while not over.is_set():
            told.add(role_of_holder(tmp_path, Lock.LAKE))

    askers = [threading.Thread(target=ask) for _ in range(4)]
    for asker in askers:
        asker.start()
    over.wait(0.5)
    over.set()
    for asker in askers:
        asker.join()

    assert told == {None}


def test_a_writer_that_may_wait_gets_the_state_when_the_other_lets_go(holder, tmp_path):
    threading.Timer(0.2, holder.stdin.close).start()

    with lock_state(tmp_path, wait_s=20):
        written = (tmp_path / ".lock").read_text()

    assert written == str(os.getpid())


def test_who_waits_for_a_second_is_told_once_for_whom(holder, tmp_path):
    threading.Timer(1.5, holder.stdin.close).start()
    told = []

    with lock_state(tmp_path, wait_s=20, tell=told.append):
        pass

    assert told == [f"{tmp_path} is in use by process {holder.pid}."]


def test_who_waits_for_less_is_told_nothing(holder, tmp_path):
    told = []

    with pytest.raises(LockedError), lock_state(tmp_path, wait_s=0.3, tell=told.append):
        pass

    assert told == []


def test_a_child_of_the_holder_does_not_keep_the_lock_when_the_holder_is_gone(tmp_path):
    command = [sys.executable, "-c", HOLD_WITH_A_CHILD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        child = int(process.stdout.readline())
        process.kill()
        process.wait()
        try:
            os.kill(child, 0)  # it is there

            with lock_state(tmp_path):
                written = (tmp_path / ".lock").read_text()
        finally:
            os.kill(child, signal.SIGKILL)

    assert written == str(os.getpid())
