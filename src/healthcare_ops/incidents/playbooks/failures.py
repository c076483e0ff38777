"""What class of fault ended a run, where, and what was refused: from what the record of the run tells."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from healthcare_ops.core.errors import Reason
from healthcare_ops.incidents.diagnosis import Fault
from healthcare_ops.incidents.evidence import FailedRun

_BY_REASON: Mapping[str, Fault] = {
    Reason.NETWORK: "transient",
    Reason.THROTTLED: "transient",
    Reason.COMMIT_CONFLICT: "transient",
    Reason.LOCKED: "transient",
    Reason.TRANSIENT: "transient",
    Reason.TIMEOUT: "timeout",
    Reason.WORKER_DIED: "killed",
    Reason.ACCESS_DENIED: "access_denied",
    Reason.CONFIG: "configuration",
    Reason.NOT_FOUND: "configuration",
    Reason.DISK_FULL: "configuration",
    Reason.OUT_OF_MEMORY: "configuration",
    Reason.DATA: "data",
    Reason.DATA_QUALITY: "data_quality",
}
# What of the machine is at fault, whichever job meets it first.
_OF_THE_MACHINE = {Reason.DISK_FULL: "disk", Reason.OUT_OF_MEMORY: "memory"}
# Of services that no job speaks for, as Step Functions names them.
_TRANSIENT_ERROR = re.compile(
    r"^TransientError$|(ServiceException|SdkClientException|AWSLambdaException|TooManyRequestsException"
    r"|ConcurrentRunsExceededException|InternalServiceException|OperationTimeoutException|ThrottlingException)$"
)
_TIMEOUTS = {"States.Timeout", "States.HeartbeatTimeout"}
_REFUSED = re.compile(r"access ?denied|not authorized|permission denied|operation not permitted|read-only", re.I)
# As AWS says it: "not authorized to perform: s3:GetObject on resource: arn:…", or "calling the GetObject operation".
_ACTIONS = (re.compile(r"perform: ([a-z0-9-]+:[A-Za-z]+)"), re.compile(r"calling the ([A-Za-z]+) operation"))
# Or a path before what the system says of it.
_RESOURCES = (
    re.compile(r"on resource: \"?(arn:[^\s\"]+)"),
    # Each try to write a table makes a folder of its own in the table's: the table's is what is denied.
    re.compile(r"(?:^|: )((?:[a-z0-9]+:/)?/[^:\"']*/lake/[^/]+/[^/]+/(?:data|metadata))/[^:\"']*: "),
    re.compile(r"(?:^|: )((?:[a-z0-9]+:/)?/[^:\"']*): "),
)


@dataclass(frozen=True)
class Failed:
    """A run's end, understood.

    `reason` is the reason code, or the state machine's own error; `action` and `resource` are what was refused, as far
    as the error tells (empty: it does not).
    """

    fault: Fault
    reason: str
    place: str
    action: str = ""
    resource: str = ""


def understand(run: FailedRun) -> Failed:
    """Return what ended a run."""
    fault, reason = _fault(run)
    action, resource = _refused(run) if fault == "access_denied" else ("", "")
    place = _OF_THE_MACHINE.get(Reason(reason), "") if reason in set(Reason) else ""
    return Failed(fault, reason, resource or place or run.job or run.state, action, resource)


def _fault(run: FailedRun) -> tuple[Fault, str]:
    """Return the class of the fault, and its code."""
    if run.status == "ABORTED":
        return "stopped", "Stopped"
    if run.failure:
        return _BY_REASON.get(run.failure.reason, "unknown"), run.failure.reason
    if run.status == "TIMED_OUT" or run.error in _TIMEOUTS:
        return "timeout", Reason.TIMEOUT
    if _TRANSIENT_ERROR.search(run.error):
        return "transient", run.error
    return _by_cause(run)


def _by_cause(run: FailedRun) -> tuple[Fault, str]:
    """Return the class and its code by the text of the cause, before which the state machine has a reason code."""
    told = run.cause.partition(":")[0]
    if told in _BY_REASON:
        return _BY_REASON[told], told
    if _REFUSED.search(run.cause):
        return "access_denied", Reason.ACCESS_DENIED
    return "unknown", run.error or run.status


def _refused(run: FailedRun) -> tuple[str, str]:
    """Return which action on which resource was refused, each empty where the error does not tell."""
    said = run.failure.message if run.failure else run.cause
    return _first(_ACTIONS, said), _first(_RESOURCES, said)


def _first(patterns: Sequence[re.Pattern[str]], text: str) -> str:
    """Return what the first pattern finds that finds anything; empty if none does."""
    return next((found[1] for pattern in patterns if (found := pattern.search(text))), "")
