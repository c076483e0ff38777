"""The record of a run: which states it entered, what they tried, how it ended."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal, Self

from healthcare_ops.core.emf import Measured
from healthcare_ops.core.errors import (
    BusyError,
    ConfigError,
    DataError,
    LockedError,
    NotFoundError,
    OpsError,
    QualityError,
    Reason,
    StepError,
    TransientError,
)

RunType = Literal["daily", "inference", "weekly_train"]
RUN_TYPES: tuple[RunType, ...] = ("daily", "inference", "weekly_train")
RUNS_PREFIX = "ops/runs/"
LOGS_PREFIX = "ops/logs/"
RUNNING, PENDING_REDRIVE = "RUNNING", "PENDING_REDRIVE"
SUCCEEDED, ABORTED = "SUCCEEDED", "ABORTED"
_KINDS: Mapping[str, type[OpsError]] = {
    kind.__name__: kind
    for kind in (
        BusyError,
        ConfigError,
        DataError,
        LockedError,
        NotFoundError,
        QualityError,
        StepError,
        TransientError,
    )
}


@dataclass(frozen=True)
class Failure:
    """Why a call failed.

    `kind` names the class of the error, `reason` is the code that alarms match. `error_class` is `transient` if the
    same call may succeed later, else `permanent`. `place` is the line of the program where it arose, if that is known.
    """

    kind: str
    reason: str
    message: str
    next_step: str = ""
    error_class: str = "permanent"
    place: str = ""

    @classmethod
    def of(cls, error: OpsError, place: str = "") -> Self:
        """Return the failure as plain values."""
        error_class = "transient" if isinstance(error, TransientError) else "permanent"
        return cls(type(error).__name__, error.reason, error.message, error.next_step, error_class, place)

    @property
    def error(self) -> OpsError:
        """Return the failure as the error that it was; a reason that only another release knows is its kind's own."""
        kind = _KINDS.get(self.kind, StepError)
        known = next((reason for reason in Reason if reason == self.reason), None)
        return kind(self.message, next_step=self.next_step, reason=known)

    @property
    def is_transient(self) -> bool:
        """Tell whether the same call may succeed later."""
        return self.error_class == "transient"


@dataclass(frozen=True)
class Answer:
    """What came of a call of the state machine: its result, or why there is none, and what each job found."""

    result: Any
    outcomes: Mapping[str, Any] = field(default_factory=dict)
    failure: Failure | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the answer as JSON values."""
        document: dict[str, Any] = json.loads(json.dumps(asdict(self), default=str))
        return document

    @classmethod
    def of_json(cls, document: Mapping[str, Any]) -> Self:
        """Return the answer that `to_json` wrote."""
        failure = document["failure"]
        return cls(document["result"], document["outcomes"], Failure(**failure) if failure else None)


@dataclass(frozen=True)
class AttemptRecord:
    """One try of a state: `error` and `cause` as the state machine has them, `failure` as the job has it."""

    started_at: str
    ended_at: str
    error: str | None = None
    cause: str | None = None
    failure: Failure | None = None


@dataclass
class StateRecord:
    """One visit to a state; instants are ISO text in UTC, of the machine's clock.

    `step` is the first step of the run's journal that belongs to the visit.
    """

    name: str
    entered_at: str
    exited_at: str = ""
    attempts: list[AttemptRecord] = field(default_factory=list)
    input: Any = None
    output: Any = None
    step: int = 1

    @property
    def has_failed(self) -> bool:
        """Tell whether the last attempt failed."""
        return bool(self.attempts and self.attempts[-1].error)

    @property
    def seconds(self) -> float:
        """Return how long the visit took; 0 if it goes on."""
        if not self.exited_at:
            return 0.0
        return (datetime.fromisoformat(self.exited_at) - datetime.fromisoformat(self.entered_at)).total_seconds()


@dataclass
class RunRecord:
    """One run.

    `status` is RUNNING until it is SUCCEEDED, FAILED, TIMED_OUT or ABORTED; PENDING_REDRIVE before it goes on from
    there.

    Instants are ISO text in UTC. `as_of` is the instant that the run took for the present, and that its id names; the
    others are of the machine's clock, also where history is replayed. `definition` is the SHA-256 of the state machine
    that it follows, `release` the version of the product that began it. `resumed_at` tells when another process took it
    up, `redriven_at` when somebody had it tried again.
    """

    run_id: str
    run_type: RunType
    run_date: str
    started_at: str
    as_of: str = field(default="", kw_only=True)
    status: str = RUNNING
    ended_at: str = ""
    error: str = ""
    cause: str = ""
    input: dict[str, Any] = field(default_factory=dict)
    definition: str = ""
    release: str = ""
    trigger: str = "manual"
    resumed_at: list[str] = field(default_factory=list)
    redriven_at: list[str] = field(default_factory=list)
    states: list[StateRecord] = field(default_factory=list)
    outcomes: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Return where the record is stored."""
        return record_key(self.run_id)

    @property
    def is_open(self) -> bool:
        """Tell whether the run has yet to end, for the first time or again."""
        return self.status in (RUNNING, PENDING_REDRIVE)

    @property
    def took_s(self) -> float | None:
        """Return how long the run took, waits and rests included; None if it has not ended."""
        if not self.ended_at:
            return None
        took = datetime.fromisoformat(self.ended_at) - datetime.fromisoformat(self.started_at)
        return round(took.total_seconds(), 2)

    @property
    def failed_state(self) -> StateRecord | None:
        """Return the visit that ended the run: the first one that gave up, else the last; None if it succeeded."""
        if self.status in (RUNNING, SUCCEEDED):
            return None
        return next((state for state in self.states if state.has_failed), self.states[-1] if self.states else None)

    @property
    def failure(self) -> Failure | None:
        """Return why the run failed, as far as a job told."""
        state = self.failed_state
        return state.attempts[-1].failure if state and state.attempts else None

    def measured(self) -> Iterator[Measured]:
        """Yield what is measured of a run that ended, whatever ended it."""
        at = datetime.fromisoformat(self.ended_at)
        yield Measured(at, {"RunType": self.run_type, "Status": self.status}, {"RunsEnded": 1})
        values = {"RunsUnsuccessful": float(self.status != SUCCEEDED), "RunSeconds": self.took_s or 0.0}
        yield Measured(at, {"RunType": self.run_type}, values)

    def to_json(self) -> bytes:
        """Return the record as a JSON document."""
        return json.dumps({"schema_version": 1, **asdict(self)}, indent=1, default=str).encode()

    @classmethod
    def of_json(cls, text: bytes) -> Self:
        """Return the record that `to_json` wrote; fields that only another release knows are left out.

        `ConfigError` if it is none.
        """
        try:
            document = _known(cls, json.loads(text))
            record = cls(**document | {"states": [_state(state) for state in document.get("states", [])]})
            for instant in (record.started_at, record.ended_at):
                if instant or record.status != RUNNING:
                    datetime.fromisoformat(instant)
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise ConfigError(
                f"this is no record of a run: {error}.", next_step="Take the file away, or put it back from a backup."
            ) from error
        return record


def _state(document: Mapping[str, Any]) -> StateRecord:
    known = _known(StateRecord, document)
    return StateRecord(**known | {"attempts": [_attempt(attempt) for attempt in known.get("attempts", [])]})


def _attempt(document: Mapping[str, Any]) -> AttemptRecord:
    known = _known(AttemptRecord, document)
    failure = known.get("failure")
    return AttemptRecord(**known | {"failure": Failure(**_known(Failure, failure)) if failure else None})


def _known(kind: Any, document: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name in kind.__dataclass_fields__}


def record_key(run_id: str) -> str:
    """Return where the record of a run is stored."""
    return f"{RUNS_PREFIX}{run_id}.json"


def log_key(run_id: str) -> str:
    """Return where the log of a run is stored: one JSON object a line."""
    return f"{LOGS_PREFIX}{run_id}.jsonl"
