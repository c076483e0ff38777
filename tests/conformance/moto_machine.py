"""moto's interpreter of the language, with its tasks answered by a script."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from moto.stepfunctions.parser.api import HistoryEventType, StateMachineType, TaskFailedEventDetails
from moto.stepfunctions.parser.asl.component.common.error_name.custom_error_name import CustomErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import FailureEvent, FailureEventException
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName
from moto.stepfunctions.parser.asl.eval.evaluation_details import (
    AWSExecutionDetails,
    EvaluationDetails,
    ExecutionDetails,
    StateMachineDetails,
)
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails
from moto.stepfunctions.parser.asl.eval.program_state import ProgramEnded, ProgramError
from moto.stepfunctions.parser.backend.execution_worker import SyncExecutionWorker
from moto.stepfunctions.parser.mocking.mock_config import MockedResponseReturn, MockTestCase, StateMockedResponses

_MOST_TRIES = 10
_ARN = "arn:aws:states:eu-west-1:123456789012:stateMachine:m"


@dataclass(frozen=True)
class Ended:
    """How moto says that a run ended."""

    status: str
    output: Any
    error: str | None
    cause: str | None
    states: tuple[str, ...]


class _Answer:
    """One scripted answer; moto copies what a mock returns, and the copy is where it is given."""

    def __init__(self, answer: Mapping[str, Any], worker: list[SyncExecutionWorker]) -> None:
        self._answer = answer
        self._worker = worker

    def __deepcopy__(self, memo: Any) -> Any:
        time.sleep(self._answer.get("seconds", 0))
        if "return" in self._answer:
            return self._answer["return"]
        error, cause = self._answer["throw"]["Error"], self._answer["throw"].get("Cause", "")
        name = StatesErrorName.from_name(error) if error.startswith("States.") else CustomErrorName(error)
        details = EventDetails(taskFailedEventDetails=TaskFailedEventDetails(error=error, cause=cause))
        (worker,) = self._worker
        raise FailureEventException(FailureEvent(worker.env, name, HistoryEventType.TaskFailed, details))


class _Communication:
    def terminated(self) -> None:
        pass


def run_in_moto(definition: str, given: Any, answers: Mapping[str, Sequence[Mapping[str, Any]]], name: str) -> Ended:
    """Run a definition; `answers` are by state, the last one of each going on."""
    worker: list[SyncExecutionWorker] = []
    mocked = [
        StateMockedResponses(
            state,
            state,
            [
                MockedResponseReturn(number, number, _Answer(script[min(number, len(script) - 1)], worker))
                for number in range(_MOST_TRIES)
            ],
        )
        for state, script in answers.items()
    ]
    details = EvaluationDetails(
        AWSExecutionDetails("123456789012", "eu-west-1", "role"),
        ExecutionDetails(f"{_ARN}:{name}", name, "role", given, "2026-01-01T00:00:00.000Z"),
        StateMachineDetails(_ARN, "m", StateMachineType.STANDARD, definition),
    )
    worker.append(SyncExecutionWorker(details, _Communication(), None, {}, MockTestCase("m", "case", mocked)))
    worker[0].start()
    return _ended(worker[0].env)


def _ended(env: Any) -> Ended:
    events = env.event_manager.get_event_history()
    states = tuple(event["stateEnteredEventDetails"]["name"] for event in events if "stateEnteredEventDetails" in event)
    state = env.program_state()
    if isinstance(state, ProgramEnded):
        return Ended("SUCCEEDED", env.states.get_input(), None, None, states)
    if isinstance(state, ProgramError):
        error = state.error or {}
        return Ended("FAILED", None, error.get("error"), error.get("cause"), states)
    return Ended("TIMED_OUT", None, None, None, states)
