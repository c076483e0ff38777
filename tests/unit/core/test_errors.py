from __future__ import annotations

import inspect
import pickle
import re
import subprocess
import sys

import pytest

from healthcare_ops.core import errors
from healthcare_ops.core.errors import ExitCode, OpsError
from healthcare_ops.core.reasons import FileFault

KINDS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, OpsError)]
# As documented for every `hops` command.
EXIT_CODES = {
    "OpsError": 1,
    "NotFoundError": 3,
    "ConfigError": 4,
    "TransientError": 5,
    "DataError": 5,
    "StepError": 5,
    "QualityError": 6,
    "BusyError": 8,
    "LockedError": 8,
}
RAISE_IN_A_WORKER = """
import pickle, sys
from healthcare_ops.core.errors import QualityError

sys.stdout.buffer.write(pickle.dumps(QualityError("12 of 40 rows.", next_step="Read the report.")))
"""


def test_every_kind_ends_in_its_documented_exit_code():
    assert {kind.__name__: int(kind.exit_code) for kind in KINDS} == EXIT_CODES


def test_the_exit_codes_are_those_of_the_command_line():
    assert {code.name: code.value for code in ExitCode} == {
        "OK": 0,
        "UNEXPECTED": 1,
        "USAGE": 2,
        "NOT_FOUND": 3,
        "CONFIG": 4,
        "STEP_FAILED": 5,
        "QUALITY_FAILED": 6,
        "DRIFT": 7,
        "TIMEOUT_OR_LOCK": 8,
        "INTERRUPTED": 130,
    }


def test_the_tree_at_the_top_of_the_module_is_the_tree_of_the_classes():
    drawn, path = {}, []
    for indent, name in re.findall(r"^([│├└─ ]*)(\w+Error)\b", errors.__doc__, re.MULTILINE):
        path[len(indent) // 4 :] = [name]
        drawn[name] = path[-2] if len(path) > 1 else "Exception"

    assert drawn == {kind.__name__: kind.__base__.__name__ for kind in KINDS}


def test_every_kind_has_a_code_of_its_own():
    assert len({kind.code for kind in KINDS}) == len(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_survives_the_way_between_processes(kind):
    sent = kind("`null_count` 41 exceeds 20.", next_step="See runbook INC-02.")

    received = pickle.loads(pickle.dumps(sent))

    assert type(received) is kind
    assert (received.message, received.next_step) == ("`null_count` 41 exceeds 20.", "See runbook INC-02.")
    assert str(received) == str(sent)


def test_why_a_file_is_refused_survives_the_way_between_processes_as_well():
    sent = errors.DataError("v.csv, line 7: 2 values.", fault=FileFault.FILE_RECORD_UNREADABLE, line=7)

    received = pickle.loads(pickle.dumps(sent))

    assert (received.fault, received.line) == (FileFault.FILE_RECORD_UNREADABLE, 7)


def test_an_error_raised_in_a_worker_arrives_whole():
    worker = subprocess.run([sys.executable, "-c", RAISE_IN_A_WORKER], capture_output=True, check=True)

    received = pickle.loads(worker.stdout)

    assert (type(received).__name__, str(received), received.exit_code) == (
        "QualityError",
        "12 of 40 rows. Next: Read the report.",
        ExitCode.QUALITY_FAILED,
    )


def test_an_error_reads_as_what_was_found_and_what_to_do_next():
    assert str(OpsError("The disk is full.", next_step="Free 2 GB.")) == "The disk is full. Next: Free 2 GB."
    assert str(OpsError("The disk is full.")) == "The disk is full."


def test_bad_data_is_data_at_fault_whether_one_record_or_a_rule_found_it():
    assert issubclass(errors.QualityError, errors.DataError)
    assert not issubclass(errors.DataError, errors.TransientError)
