"""How states fail, and which rules of a Retry or Catch name a failure."""

from __future__ import annotations

from collections.abc import Sequence

ALL = "States.ALL"
TASK_FAILED = "States.TaskFailed"
TIMEOUT = "States.Timeout"
HEARTBEAT_TIMEOUT = "States.HeartbeatTimeout"
RUNTIME = "States.Runtime"
DATA_LIMIT = "States.DataLimitExceeded"
INTRINSIC = "States.IntrinsicFailure"
PARAMETER_PATH = "States.ParameterPathFailure"
RESULT_PATH = "States.ResultPathMatchFailure"
REFERENCE_PATH = "States.ReferencePathConflict"
BRANCH_FAILED = "States.BranchFailed"
NO_CHOICE = "States.NoChoiceMatched"
# No wildcard meets these: only their own name does.
_TERMINAL = {DATA_LIMIT, RUNTIME}


class TaskFailure(Exception):
    """A state or task that ended without a result: an ASL error name and a cause for people.

    `also` are further names by which a Retry or Catch may call it. `is_terminal` says whether States.ALL and
    States.TaskFailed pass it by; by default the error's name decides.
    """

    def __init__(self, error: str, cause: str, *, also: Sequence[str] = (), is_terminal: bool | None = None) -> None:
        super().__init__(error, cause)
        self.error = error
        self.cause = cause
        self.also = tuple(also)
        self.is_terminal = error in _TERMINAL if is_terminal is None else is_terminal


class StateFault(TaskFailure):
    """A failure that the interpreter found in a state itself, not one that its task reported."""

    def within(self, state: str, event: int) -> TaskFailure:
        """Return the failure with the state and the event of its entry in its cause, as the service tells it."""
        cause = (
            f"An error occurred while executing the state '{state}' (entered at the event id #{event}). {self.cause}"
        )
        return TaskFailure(self.error, cause, also=self.also, is_terminal=self.is_terminal)


def is_named(failure: TaskFailure, names: Sequence[str]) -> bool:
    """Tell whether an ErrorEquals list meets the failure."""
    if failure.error in names or any(name in names for name in failure.also):
        return True
    if failure.error == HEARTBEAT_TIMEOUT and TIMEOUT in names:
        return True
    if failure.is_terminal:
        return False
    return ALL in names or (TASK_FAILED in names and failure.error != TIMEOUT)
