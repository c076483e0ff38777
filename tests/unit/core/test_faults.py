from __future__ import annotations

import errno
import os
import re
import socket
import sqlite3

import duckdb
import pytest

from healthcare_ops.core.errors import ConfigError, DataError, ExitCode, Reason, StepError, TransientError
from healthcare_ops.core.faults import in_program, place_of, scrubbed, understood, without_data
from healthcare_ops.core.site import Site
from healthcare_ops.core.validated import validated


class ClientError(Exception):
    """As a service's client has it: the answer with a code in it."""

    def __init__(self, code: str) -> None:
        super().__init__(f"An error occurred ({code}) when calling the GetTable operation: no")
        self.response = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": 400}}


def of_the_system(number, path=None):
    return OSError(number, os.strerror(number), path)


def named(name, text="no"):
    """Return an error of a library that is not there, which is told by its name."""
    return type(name, (Exception,), {})(text)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"), Reason.NETWORK),
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), Reason.NETWORK),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), Reason.NETWORK),
        (TimeoutError("timed out"), Reason.NETWORK),
        (of_the_system(errno.EHOSTUNREACH), Reason.NETWORK),
        (of_the_system(errno.ENETUNREACH), Reason.NETWORK),
        (of_the_system(errno.ENETDOWN), Reason.NETWORK),
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"), Reason.NETWORK),
        (named("EndpointConnectionError", "Could not connect to the endpoint URL"), Reason.NETWORK),
        (named("ReadTimeoutError"), Reason.NETWORK),
        (sqlite3.OperationalError("database is locked"), Reason.LOCKED),
        (named("OperationalError", "(sqlite3.OperationalError) database table is locked: x"), Reason.LOCKED),
        (ClientError("ThrottlingException"), Reason.THROTTLED),
        (ClientError("SlowDown"), Reason.THROTTLED),
        (ClientError("ConcurrentRunsExceededException"), Reason.THROTTLED),
        (ClientError("RequestThrottled"), Reason.THROTTLED),
        (ClientError("InternalServiceException"), Reason.NETWORK),
        (ClientError("RequestTimeout"), Reason.NETWORK),
        (ClientError("503"), Reason.NETWORK),
        (ClientError("500"), Reason.NETWORK),
    ],
    ids=lambda value: f"{type(value).__name__} {value}" if isinstance(value, Exception) else value,
)
def test_what_passes_by_itself_is_tried_again(error, reason):
    found = understood(error)

    assert isinstance(found, TransientError)
    assert found.reason is reason
    assert "tried again" in found.next_step


@pytest.mark.parametrize(
    ("error", "reason", "step"),
    [
        (of_the_system(errno.ENOSPC, "/var/lake/x"), Reason.DISK_FULL, "Make room"),
        (of_the_system(errno.EDQUOT, "/var/lake/x"), Reason.DISK_FULL, "Make room"),
        (sqlite3.OperationalError("database or disk is full"), Reason.DISK_FULL, "Make room"),
        (duckdb.IOException("IO Error: No space left on device"), Reason.DISK_FULL, "Make room"),
        (duckdb.IOException('IO Error: {"errno":"28","exception_type":"IO"}'), Reason.DISK_FULL, "Make room"),
        (of_the_system(errno.EACCES, "/var/lake/x"), Reason.ACCESS_DENIED, "permissions"),
        (of_the_system(errno.EPERM, "/var/lake/x"), Reason.ACCESS_DENIED, "permissions"),
        (of_the_system(errno.EROFS, "/var/lake/x"), Reason.ACCESS_DENIED, "permissions"),
        (MemoryError(), Reason.OUT_OF_MEMORY, "memory_limit_mb"),
        (duckdb.OutOfMemoryException("Out of Memory Error: failed to pin"), Reason.OUT_OF_MEMORY, "memory_limit_mb"),
        (ClientError("AccessDeniedException"), Reason.ACCESS_DENIED, "credentials"),
        (ClientError("AccessDenied"), Reason.ACCESS_DENIED, "credentials"),
        (ClientError("UnauthorizedOperation"), Reason.ACCESS_DENIED, "credentials"),
        (ClientError("UnrecognizedClientException"), Reason.ACCESS_DENIED, "credentials"),
        (ClientError("ExpiredToken"), Reason.ACCESS_DENIED, "credentials"),
        (ClientError("SignatureDoesNotMatch"), Reason.ACCESS_DENIED, "credentials"),
        (ClientError("KMS.AccessDenied"), Reason.ACCESS_DENIED, "credentials"),
        (ClientError("403"), Reason.ACCESS_DENIED, "credentials"),
    ],
    ids=lambda value: f"{type(value).__name__} {value}" if isinstance(value, Exception) else value,
)
def test_what_does_not_pass_by_itself_says_what_an_operator_can_do(error, reason, step):
    found = understood(error)

    assert isinstance(found, ConfigError)
    assert (found.reason, found.exit_code) == (reason, ExitCode.CONFIG)
    assert step in found.next_step


def test_a_disk_or_a_folder_at_fault_is_named():
    full, closed = (understood(of_the_system(number, "/var/lake/x")) for number in (errno.ENOSPC, errno.EACCES))

    assert full.message == "/var/lake/x: No space left on device."
    assert closed.message == "/var/lake/x: Permission denied."


@pytest.mark.parametrize(
    "error",
    [
        duckdb.IOException('IO Error: Cannot open file "/var/lake/x": Permission denied'),
        PermissionError(13, "Failed stat()ing path '/var/lake/x'. Detail: [errno 13] Permission denied"),
    ],
    ids=["DuckDB", "Arrow"],
)
def test_a_refusal_that_names_its_file_in_its_text_is_one_of_access_to_that_file(error):
    found = understood(error)

    assert (found.reason, found.message) == (Reason.ACCESS_DENIED, "/var/lake/x: Permission denied.")


def test_what_the_product_says_itself_stays_as_it_is():
    said = DataError("12 of 40 rows have no arrival.", next_step="Ask the supplier.")

    assert understood(said) is said


@pytest.mark.parametrize(
    "error",
    [
        ZeroDivisionError("by nothing"),
        KeyError("visit"),
        FileNotFoundError(errno.ENOENT, "No such file or directory", "/var/lake/x"),
        OSError("of a kind that has no number"),
        sqlite3.OperationalError("no such table: tables"),
        ClientError("EntityNotFoundException"),
        ClientError(""),
        named("Odd", "a response that is none"),
    ],
    ids=lambda error: f"{type(error).__name__} {error}",
)
def test_what_nobody_has_thought_of_stays_unknown(error):
    assert understood(error) is None


@pytest.mark.parametrize("response", [None, "text", {}, {"Error": None}, {"Error": "no"}, {"Error": {"Code": None}}])
def test_an_answer_in_another_shape_is_no_answer_of_a_service(response):
    error = named("HTTPError")
    error.response = response

    assert understood(error) is None


def test_what_is_said_of_a_lost_connection_is_one_line_that_one_reads():
    found = understood(ConnectionResetError("reset\n" * 500))

    assert found.message.startswith("the connection failed: ConnectionResetError: reset reset")
    assert "\n" not in found.message
    assert len(found.message) < 400


BOTH_QUOTES = 'it\'s "SECRET"'


def decoding(data):
    """Return the error of reading bytes that are no text."""
    with pytest.raises(UnicodeDecodeError) as refusal:
        data.decode()
    return refusal.value


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ZeroDivisionError("by nothing"), "ZeroDivisionError: by nothing"),
        (ValueError("invalid literal for int(): 'SECRET'"), "ValueError: invalid literal for int(): …"),
        (ValueError("can't convert 'SECRET' to \"SECRET\" here"), "ValueError: can't convert … here"),
        (ValueError("it isn't b'SECRET' but 5"), "ValueError: it isn't b… but 5"),
        (ValueError(f"no number: {BOTH_QUOTES!r}, row 5"), "ValueError: no number: …, row 5"),
        (ValueError("cut off: 'SECRET"), "ValueError: cut off: …"),
        (ValueError('3"SECRET"'), "ValueError: 3…"),
        (ValueError("row 5\nof SECRET"), "ValueError: row 5"),
        (ValueError("'SECRET\nSECRET' is wrong"), "ValueError: … is wrong"),
        (KeyError("SECRET"), "KeyError: …"),
        (RuntimeError(), "RuntimeError"),
        (of_the_system(errno.ENOENT, "/var/lake/x"), "FileNotFoundError: /var/lake/x: No such file or directory"),
        (of_the_system(errno.ESTALE), "OSError: Stale file handle"),
        (decoding(b"SECRET \xff SECRET"), "UnicodeDecodeError: invalid start byte at 7"),
        (UnicodeEncodeError("ascii", "SECRET", 2, 3, "not in range"), "UnicodeEncodeError: not in range at 2"),
        (UnicodeError("SECRET"), "UnicodeError: not as it is encoded"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_what_nobody_has_thought_of_is_told_without_what_it_quotes(error, said):
    assert without_data(error) == said


def test_what_nobody_has_thought_of_is_told_in_what_one_reads():
    assert len(without_data(ValueError("x" * 5_000))) == 300


def test_an_error_is_placed_where_the_program_met_it_first():
    def job():
        try:
            validated({}, Site, "site.toml")
        except ConfigError as error:
            raise StepError("a job failed") from error

    with pytest.raises(StepError) as caught:
        job()

    assert re.fullmatch(r"core/validated\.py:\d+", place_of(caught.value))


def test_an_error_of_others_alone_has_no_place_in_the_program():
    assert place_of(ValueError("never raised")) == ""
    assert in_program("/usr/lib/python3/json/decoder.py", 12) == ""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rule fails on 'Maria da Silva' and more", "rule fails on … and more"),
        ("one line\nanother", "one line"),
        ("", ""),
    ],
)
def test_a_line_of_a_log_is_shown_without_what_it_quotes(text, shown):
    assert scrubbed(text) == shown
