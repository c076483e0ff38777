from __future__ import annotations

import errno
import os
import sqlite3

import pytest

from healthcare_ops.core.faults import understood
from healthcare_ops.entrypoints.cli.failures import describe


def of_the_system(number):
    return OSError(number, os.strerror(number), "/var/lake/x")


@pytest.mark.parametrize(
    ("error", "code", "exit_code", "step"),
    [
        (of_the_system(errno.ENOSPC), "Config", 4, "Make room"),
        (sqlite3.OperationalError("database or disk is full"), "Config", 4, "Make room"),
        (of_the_system(errno.EACCES), "Config", 4, "Check the path"),
        (of_the_system(errno.ENOENT), "Config", 4, "Check the path"),
        (MemoryError(), "Config", 4, "memory_limit_mb"),
        (sqlite3.OperationalError("database is locked"), "Transient", 5, "Run it again"),
        (ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"), "Transient", 5, "Run it again"),
        (ZeroDivisionError("by nothing"), "Unexpected", 1, "HOPS_LOG=debug"),
    ],
    ids=lambda value: f"{type(value).__name__} {value}" if isinstance(value, Exception) else "",
)
def test_an_error_means_the_same_to_a_command_as_to_a_run(error, code, exit_code, step):
    told, known = describe(error), understood(error)

    assert (told["code"], told["exit_code"]) == (code, exit_code)
    assert step in told["next_step"]
    assert known is None or told["message"] == known.message


def test_a_command_that_has_ended_does_not_say_that_it_goes_on_by_itself():
    told = describe(sqlite3.OperationalError("database is locked"))

    assert "by itself" not in told["next_step"]


def test_what_nobody_foresaw_is_told_without_what_it_quotes():
    told = describe(ValueError("invalid literal for int(): 'PATIENT-SECRET'"))

    assert told["message"] == "ValueError: invalid literal for int(): …"
