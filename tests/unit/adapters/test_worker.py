from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from healthcare_ops.adapters.worker import CallStopped, CallTimeout, Worker
from healthcare_ops.core.errors import Reason, TransientError

# Does what it is asked; `look` names a file to make when it is at work.
JOBS = """
import json, os, signal, sys, time

for line in sys.stdin:
    asked = json.loads(line)
    if "look" in asked:
        open(asked["look"], "w").close()
    if "hang" in asked:
        time.sleep(60)
    if "signal" in asked:
        os.kill(os.getpid(), asked["signal"])
    if "exit" in asked:
        os._exit(asked["exit"])
    print(json.dumps({"pid": os.getpid(), "echo": asked.get("echo", "") * asked.get("times", 1)}), flush=True)
"""
# The worker of the product, with calls that are not those of a hospital.
LISTENS = """
import subprocess, sys
from healthcare_ops.operations import worker

def answer(state, call):
    if "look" in call:
        open(call["look"], "w").close()
    if "hang" in call:
        import time
        time.sleep(60)
    if "prints" in call:
        print("rows: 5")
        sys.stdout.flush()
        subprocess.run(["echo", call["prints"]], check=True)
    import os
    return {"pid": os.getpid()}

worker._answer = answer
worker.main(["state"])
"""
# A process that has a worker, tells its number and waits to be killed; with an argument, in the middle of a call.
HAS_A_WORKER = """
import sys, threading, time
from healthcare_ops.adapters.worker import Worker

worker = Worker([sys.executable, "-c", sys.argv[1]])
print(worker.call({}, timeout_s=30, is_stopped=lambda: False)["pid"], flush=True)
if len(sys.argv) > 2:
    call = lambda: worker.call({"look": sys.argv[2], "hang": True}, timeout_s=60, is_stopped=lambda: False)
    threading.Thread(target=call, daemon=True).start()
sys.stdin.read()
"""


@pytest.fixture
def worker():
    worker = Worker([sys.executable, "-c", JOBS])
    yield worker
    worker.close()


def ask(worker, timeout_s=30.0, is_stopped=lambda: False, **asked):
    return worker.call(asked, timeout_s=timeout_s, is_stopped=is_stopped)


def is_alive(pid):
    """Tell whether a process is there and not only its remains."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_for(is_so, within_s=20.0):
    until = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.01)


def in_the_background(work):
    """Do the work in a thread; return it, and a list of what comes of it."""
    came = []

    def run():
        try:
            came.append(work())
        except Exception as error:  # noqa: BLE001  # whatever it is, it is what came of it
            came.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, came


def test_one_process_answers_call_after_call(worker):
    answers = [ask(worker, echo=text) for text in ("first", "segunda", "第三")]

    assert [answer["echo"] for answer in answers] == ["first", "segunda", "第三"]
    assert len({answer["pid"] for answer in answers}) == 1


def test_a_process_that_was_started_before_it_was_needed_is_the_one_that_answers(worker):
    worker.start()
    pid = worker._process.pid

    worker.start()

    assert ask(worker)["pid"] == pid


def test_an_answer_of_several_megabytes_arrives_whole(worker):
    answer = ask(worker, echo="São José ", times=500_000)

    assert answer["echo"] == "São José " * 500_000


def test_a_request_of_several_megabytes_arrives_whole(worker):
    text = "患者" * 1_000_000

    assert ask(worker, echo=text)["echo"] == text


def test_a_call_that_takes_too_long_costs_the_process_and_the_next_call_gets_a_new_one(worker, tmp_path):
    first = ask(worker)["pid"]

    with pytest.raises(CallTimeout):
        ask(worker, timeout_s=0.3, hang=True)

    assert not is_alive(first)
    assert ask(worker)["pid"] != first


def test_a_call_without_a_time_limit_is_waited_for(worker):
    assert ask(worker, timeout_s=None, echo="done")["echo"] == "done"


def test_a_call_that_nobody_wants_any_longer_is_ended_in_the_middle_of_its_work(worker, tmp_path):
    at_work = tmp_path / "at work"
    first = ask(worker)["pid"]

    with pytest.raises(CallStopped):
        ask(worker, timeout_s=None, is_stopped=at_work.exists, look=str(at_work), hang=True)

    assert not is_alive(first)
    assert ask(worker)["pid"] != first


@pytest.mark.parametrize(
    ("death", "how"),
    [
        ({"signal": int(signal.SIGKILL)}, "signal 9"),
        ({"signal": int(signal.SIGSEGV)}, "signal 11"),
        ({"exit": 3}, "exit code 3"),
        ({"exit": 0}, "exit code 0"),
    ],
    ids=["killed", "crashed", "gave up", "ended"],
)
def test_a_process_that_dies_in_the_middle_of_a_call_fails_it_for_now_and_is_replaced(worker, death, how):
    with pytest.raises(TransientError, match=f"ended with {how} in the middle of its work") as died:
        ask(worker, **death)

    assert died.value.reason is Reason.WORKER_DIED
    assert ask(worker, echo="again")["echo"] == "again"


def test_a_process_that_died_between_two_calls_is_replaced_without_a_word(worker):
    first = ask(worker)["pid"]
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: not is_alive(first))

    assert ask(worker)["pid"] != first


@pytest.mark.parametrize("size", [1, 1_000_000])
def test_a_process_that_does_not_live_to_read_the_call_fails_it_for_now(tmp_path, size):
    is_deaf = tmp_path / "deaf"
    worker = Worker(
        [sys.executable, "-c", f"import os, time; os.close(0); open({str(is_deaf)!r}, 'w'); time.sleep(60)"]
    )
    worker.start()
    wait_for(is_deaf.exists)

    with pytest.raises(TransientError) as died:
        ask(worker, echo="x" * size)

    worker.close()
    assert died.value.reason is Reason.WORKER_DIED


def test_an_answer_nobody_waited_for_is_not_taken_for_that_of_the_next_call(worker):
    def lost():
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        ask(worker, is_stopped=lost, echo="first")

    assert ask(worker, echo="second")["echo"] == "second"


def test_what_is_no_answer_is_an_error_and_not_passed_on():
    worker = Worker([sys.executable, "-c", "input(); print('rows: 5', flush=True); input()"])

    with pytest.raises(ValueError, match="Expecting value"):
        ask(worker)

    worker.close()


def test_a_call_waits_for_the_one_before_and_its_time_counts_from_its_turn(worker, tmp_path):
    at_work, is_over = tmp_path / "at work", threading.Event()
    first, _ = in_the_background(
        lambda: ask(worker, timeout_s=None, is_stopped=is_over.is_set, look=str(at_work), hang=True)
    )
    wait_for(at_work.exists)
    looks = []

    def is_stopped():
        # Asked all the while: until it has waited longer than it may then take.
        looks.append(time.monotonic())
        if looks[-1] - looks[0] > 1.5:
            is_over.set()
        return False

    answer = ask(worker, timeout_s=1.5, is_stopped=is_stopped, echo="second")

    first.join()
    assert answer["echo"] == "second"
    assert looks[-1] - looks[0] > 1.5


def test_a_call_that_waits_for_its_turn_can_be_stopped_and_leaves_the_one_before_alone(worker, tmp_path):
    at_work, is_over = tmp_path / "at work", threading.Event()
    first, came = in_the_background(
        lambda: ask(worker, timeout_s=None, is_stopped=is_over.is_set, look=str(at_work), hang=True)
    )
    wait_for(at_work.exists)

    with pytest.raises(CallStopped):
        ask(worker, is_stopped=lambda: True)

    is_at_work = came == [] and worker._process.poll() is None
    is_over.set()
    first.join()
    assert is_at_work


def test_a_worker_that_is_closed_in_the_middle_of_calls_fails_them_and_takes_no_more(worker, tmp_path):
    at_work = tmp_path / "at work"
    first, came_first = in_the_background(lambda: ask(worker, timeout_s=None, look=str(at_work), hang=True))
    wait_for(at_work.exists)
    second, came_second = in_the_background(lambda: ask(worker, timeout_s=None))
    pid = worker._process.pid

    worker.close()

    first.join()
    second.join()
    with pytest.raises(TransientError, match="was ended by who runs it"):
        ask(worker)
    assert [type(came) for came in (*came_first, *came_second)] == [TransientError, TransientError]
    assert not is_alive(pid)


def test_a_worker_that_was_never_started_can_be_closed_and_starts_no_more():
    worker = Worker(["no such program"])

    for _ in range(2):
        worker.close()

    with pytest.raises(TransientError, match="was ended by who runs it"):
        worker.start()


def test_what_jobs_and_their_children_print_is_no_answer(capfd):
    worker = Worker([sys.executable, "-c", LISTENS])

    answers = [ask(worker, prints=text) for text in ('{"pid": 0}', "second")]

    worker.close()
    assert answers[0] == answers[1]
    assert answers[0]["pid"] > 0
    assert capfd.readouterr().err == 'rows: 5\n{"pid": 0}\nrows: 5\nsecond\n'


@pytest.mark.parametrize("is_at_work", [False, True], ids=["between calls", "in the middle of a call"])
def test_a_worker_ends_with_the_process_that_has_it_however_that_ends(tmp_path, is_at_work):
    at_work = tmp_path / "at work"
    command = [sys.executable, "-c", HAS_A_WORKER, LISTENS, *([str(at_work)] if is_at_work else [])]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        pid = int(process.stdout.readline())
        if is_at_work:
            wait_for(at_work.exists)
        assert is_alive(pid)

        process.kill()

    wait_for(lambda: not is_alive(pid))


def test_a_call_takes_too_long_by_the_clock_that_the_worker_was_given():
    hours_s = iter(range(0, 10**9, 3600))
    worker = Worker([sys.executable, "-c", JOBS], lambda: next(hours_s))

    with pytest.raises(CallTimeout):
        ask(worker, timeout_s=3600.0, hang=True)

    assert worker.pid is None
    worker.close()


def test_a_worker_tells_the_number_of_its_process(worker):
    before = worker.pid

    answered = ask(worker)

    assert (before, worker.pid) == (None, answered["pid"])
