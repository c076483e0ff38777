"""What the errors of others mean here: which of them pass, and what an operator can do about the rest."""

from __future__ import annotations

import errno
import re
import socket
from pathlib import Path
from traceback import walk_tb

from healthcare_ops.core.errors import ConfigError, OpsError, Reason, TransientError

_AGAIN = "It is tried again by itself; if this goes on, look at the network and at the service."
_MAKE_ROOM = "Make room and run it again: what was committed stands."
_CHECK_PATH = "Check the path and its permissions."
_DENIED_SAYS = "Permission denied"
_OF_THE_NETWORK = {
    errno.ECONNABORTED,
    errno.ECONNREFUSED,
    errno.ECONNRESET,
    errno.EHOSTUNREACH,
    errno.ENETDOWN,
    errno.ENETRESET,
    errno.ENETUNREACH,
    errno.ETIMEDOUT,
}
_OF_ACCESS = {errno.EACCES, errno.EPERM, errno.EROFS}
_OF_ROOM = {errno.ENOSPC, errno.EDQUOT}
# As SQLite, DuckDB and Arrow say it.
_IS_FULL = re.compile(r"database or disk is full|No space left on device|\"errno\":\s*\"28\"")
# Of DuckDB and Arrow, which tell neither the number nor the file of a refusal but in their text.
_IS_DENIED = re.compile(r"[\"'](?P<path>/[^\"'\n]+)[\"'].{0,40}[Pp]ermission denied", re.DOTALL)
_IS_LOCKED = re.compile(r"database (table )?is locked")
# Of boto3 and its kin, told by their names: the product runs without them.
_LOST_CONNECTIONS = {
    "ConnectTimeoutError",
    "ConnectionClosedError",
    "ConnectionError",
    "EndpointConnectionError",
    "ReadTimeoutError",
}
# As botocore's own retries know them, and two of Glue.
_THROTTLING = {
    "BandwidthLimitExceeded",
    "ConcurrentRunsExceededException",
    "LimitExceededException",
    "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "TransactionInProgressException",
}
# An answer without a body has but its number.
_FAILING = {
    "500",
    "502",
    "503",
    "504",
    "InternalError",
    "InternalFailure",
    "InternalServerError",
    "InternalServiceException",
    "OperationTimeoutException",
    "RequestTimeout",
    "RequestTimeoutException",
    "ServiceUnavailable",
    "ServiceUnavailableException",
}
_DENIED = re.compile(
    r"^(40[13]$|AccessDenied|AuthFailure|Unauthorized|InvalidAccessKey|InvalidClientToken|UnrecognizedClient"
    r"|ExpiredToken|Signature)|Denied$"
)

# From the first quote that is no apostrophe to the last: what lies between two quotations may be of the data too.
_QUOTED = re.compile(r"(?:(?<!\w)['`]|(?<=\b[bru])'|[\"“‘])(?:.*['\"`”’]|.*)", re.DOTALL)
_LONGEST = 300
_PACKAGE = f"{Path(__file__).parents[1]}/"


def understood(error: BaseException) -> OpsError | None:
    """Return what the error means here; None if nobody has thought of it."""
    if isinstance(error, OpsError):
        return error
    return _of_a_service(error) or _of_the_system(error) or _of_storage(error)


def without_data(error: BaseException) -> str:
    """Return what an error says that nobody understood: one line, less what it may quote from the data.

    Its text may be logged, stored and shown; that of a `repr` may not.
    """
    kind = type(error).__name__
    if isinstance(error, UnicodeError):  # its text shows the bytes, or all of them
        where = f" at {error.start}" if isinstance(error, UnicodeDecodeError | UnicodeEncodeError) else ""
        return f"{kind}: {getattr(error, 'reason', 'not as it is encoded')}{where}"
    if isinstance(error, OSError) and error.strerror:  # the name of a file is not of the data
        return f"{kind}: {f'{error.filename}: ' if error.filename else ''}{error.strerror}"
    said = _QUOTED.sub("…", str(error)).strip()
    return f"{kind}: {said.splitlines()[0]}"[:_LONGEST] if said else kind


def place_of(error: BaseException) -> str:
    """Return where in the program an error arose first, such as `jobs/dq_check.py:57`; empty if it is not told."""
    found: str = ""
    one: BaseException | None = error
    while one:
        places = [in_program(frame.f_code.co_filename, line) for frame, line in walk_tb(one.__traceback__)]
        found = next((place for place in reversed(places) if place), found)
        one = one.__cause__
    return found


def in_program(file: str, line: int) -> str:
    """Return a line of this product by the name of its module; empty for a line of another one."""
    return f"{file.removeprefix(_PACKAGE)}:{line}" if file.startswith(_PACKAGE) else ""


def scrubbed(text: str) -> str:
    """Return the first line of a text, less what it may quote from the data, and no longer than one reads."""
    said = _QUOTED.sub("…", text).strip()
    return said.splitlines()[0][:_LONGEST] if said else ""


def _of_the_system(error: BaseException) -> OpsError | None:
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryException":
        return ConfigError(
            f"memory ran out: {_said(error)}.",
            next_step="Raise `memory_limit_mb` in settings.toml, or free memory of the machine.",
            reason=Reason.OUT_OF_MEMORY,
        )
    if not isinstance(error, OSError):
        return None
    if isinstance(error, ConnectionError | TimeoutError | socket.gaierror) or error.errno in _OF_THE_NETWORK:
        return TransientError(f"the connection failed: {_said(error)}.", next_step=_AGAIN, reason=Reason.NETWORK)
    named = _IS_DENIED.search(str(error))
    told = error.filename or (named["path"] if named else "")
    place = f"{told}: " if told else ""
    if error.errno in _OF_ROOM:
        return ConfigError(f"{place}{error.strerror}.", next_step=_MAKE_ROOM, reason=Reason.DISK_FULL)
    if error.errno in _OF_ACCESS:
        return ConfigError(
            f"{place}{_DENIED_SAYS if named else error.strerror}.",
            next_step=_CHECK_PATH,
            reason=Reason.ACCESS_DENIED,
        )
    return None


def _of_storage(error: BaseException) -> OpsError | None:
    text = str(error)
    if _IS_FULL.search(text):
        return ConfigError("the disk is full.", next_step=_MAKE_ROOM, reason=Reason.DISK_FULL)
    if denied := _IS_DENIED.search(text):
        place = denied["path"]
        return ConfigError(f"{place}: {_DENIED_SAYS}.", next_step=_CHECK_PATH, reason=Reason.ACCESS_DENIED)
    if _IS_LOCKED.search(text):
        return TransientError("the catalog is in use.", next_step=_AGAIN, reason=Reason.LOCKED)
    if type(error).__name__ in _LOST_CONNECTIONS:
        return TransientError(f"the connection failed: {_said(error)}.", next_step=_AGAIN, reason=Reason.NETWORK)
    return None


def _of_a_service(error: BaseException) -> OpsError | None:
    response = getattr(error, "response", None)
    fault = response.get("Error") if isinstance(response, dict) else None
    code = str(fault.get("Code", "")) if isinstance(fault, dict) else ""
    if code in _THROTTLING:
        return TransientError(f"the service wants fewer calls: {code}.", next_step=_AGAIN, reason=Reason.THROTTLED)
    if code in _FAILING:
        return TransientError(f"the service failed: {code}.", next_step=_AGAIN, reason=Reason.NETWORK)
    if _DENIED.search(code):
        return ConfigError(
            f"the service refused: {_said(error)}.",
            next_step="Check the credentials and what they allow.",
            reason=Reason.ACCESS_DENIED,
        )
    return None


def _said(error: BaseException) -> str:
    """Return what the error says, on one line and no longer than one reads."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:_LONGEST].rstrip(".")
