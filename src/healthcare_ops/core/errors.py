"""Errors, sorted by what happens next.

OpsError
├── TransientError   try again: network, throttling, commit conflict  → Retry
│   └── BusyError      a job waited in vain for a lock, or took too long
├── DataError        the delivered data is at fault                   → INC-02
│   └── QualityError   a `fail` rule failed; gold keeps its last state
├── ConfigError      site, feed, setting or credential is wrong       → stop at the door
├── NotFoundError    the named run, table, feed or file does not exist
├── LockedError      another process holds the state
└── StepError        a job of a run failed; carries which one
"""

from __future__ import annotations

from enum import IntEnum, StrEnum

from healthcare_ops.core.reasons import FileFault


class ExitCode(IntEnum):
    """Exit codes of every `hops` command."""

    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    NOT_FOUND = 3
    CONFIG = 4
    STEP_FAILED = 5
    QUALITY_FAILED = 6
    DRIFT = 7
    TIMEOUT_OR_LOCK = 8
    INTERRUPTED = 130


class Reason(StrEnum):
    """Why something failed, more closely than its kind: alarms and runbooks match these codes."""

    NETWORK = "Network"
    THROTTLED = "Throttled"
    COMMIT_CONFLICT = "CommitConflict"
    WORKER_DIED = "WorkerDied"
    TIMEOUT = "Timeout"
    LOCKED = "Locked"
    TRANSIENT = "Transient"
    ACCESS_DENIED = "AccessDenied"
    DISK_FULL = "DiskFull"
    OUT_OF_MEMORY = "OutOfMemory"
    CONFIG = "Config"
    NOT_FOUND = "NotFound"
    DATA = "Data"
    DATA_QUALITY = "DataQuality"
    STEP_FAILED = "StepFailed"
    UNEXPECTED = "Unexpected"


class OpsError(Exception):
    """Base of every error this product raises on purpose.

    Parameters
    ----------
    message
        What was found and which rule it breaks, with the value.
    next_step
        What the operator can do now, as an imperative sentence.
    reason
        Why, if more is known than the kind of error says.
    """

    exit_code = ExitCode.UNEXPECTED
    code = Reason.UNEXPECTED

    def __init__(self, message: str, *, next_step: str = "", reason: Reason | None = None) -> None:
        super().__init__(message, next_step)
        self.message = message
        self.next_step = next_step
        self.reason = reason or self.code

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments do not survive the default exception protocol between processes.
        return (_rebuild, (type(self), self.message, self.next_step, self.reason), self.__dict__)

    def about(self, what: str) -> OpsError:
        """Return the same error with what it is about before its message."""
        return _rebuild(type(self), f"{what}: {self.message}", self.next_step, self.reason)

    def __str__(self) -> str:
        return f"{self.message} Next: {self.next_step}" if self.next_step else self.message


def _rebuild(kind: type[OpsError], message: str, next_step: str, reason: Reason) -> OpsError:
    return kind(message, next_step=next_step, reason=reason)


class TransientError(OpsError):
    """The same call may succeed later; retried with backoff."""

    exit_code = ExitCode.STEP_FAILED
    code = Reason.TRANSIENT


class BusyError(TransientError):
    """A job took longer than it may, or waited in vain for what another process holds (reason `Locked`)."""

    exit_code = ExitCode.TIMEOUT_OR_LOCK
    code = Reason.TIMEOUT


class DataError(OpsError):
    """Delivered data cannot be used as it is; opens INC-02.

    Of a file that is refused whole, `fault` says why and `line` (from 1) where, if in one line: unlike the message,
    neither can hold what stands in the file.
    """

    exit_code = ExitCode.STEP_FAILED
    code = Reason.DATA

    def __init__(
        self,
        message: str,
        *,
        next_step: str = "",
        reason: Reason | None = None,
        fault: FileFault | None = None,
        line: int | None = None,
    ) -> None:
        super().__init__(message, next_step=next_step, reason=reason)
        self.fault = fault
        self.line = line


class QualityError(DataError):
    """A data-quality rule of severity `fail` failed; gold is not touched."""

    exit_code = ExitCode.QUALITY_FAILED
    code = Reason.DATA_QUALITY


class ConfigError(OpsError):
    """A setting, site file, feed file or credential is missing or wrong."""

    exit_code = ExitCode.CONFIG
    code = Reason.CONFIG


class NotFoundError(OpsError):
    """The thing that was named does not exist."""

    exit_code = ExitCode.NOT_FOUND
    code = Reason.NOT_FOUND


class LockedError(OpsError):
    """Another process holds the state directory."""

    exit_code = ExitCode.TIMEOUT_OR_LOCK
    code = Reason.LOCKED


class StepError(OpsError):
    """A job of a run failed; the message names the job and its cause."""

    exit_code = ExitCode.STEP_FAILED
    code = Reason.STEP_FAILED
