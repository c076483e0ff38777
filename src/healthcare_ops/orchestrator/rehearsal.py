"""Run a definition on a virtual clock, with answers to its tasks given beforehand."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from healthcare_ops.core.errors import ConfigError
from healthcare_ops.orchestrator.asl import load
from healthcare_ops.orchestrator.failures import TIMEOUT
from healthcare_ops.orchestrator.interpreter import Attempt, Interpreter, StateEntry, TaskFailure, World
from healthcare_ops.orchestrator.timestamps import instant
from healthcare_ops.orchestrator.values import Json, is_number, read_json
from healthcare_ops.orchestrator.virtual import VirtualClock

INVALID = "INVALID"
_FIELDS = {"id", "definition", "input", "mocks", "context"}
_MOST_STEPS = 25_000
_START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Result:
    """What came of one case: a status of the service, or INVALID if the case could not run; `cause` says why."""

    id: Json
    status: str
    output: Json
    error: str | None
    cause: str | None
    states: tuple[str, ...]

    @property
    def could_run(self) -> bool:
        """Tell whether the case was run to an end, whichever."""
        return self.status != INVALID

    def to_json(self) -> dict[str, Json]:
        """Return the result as the fields of a JSON object."""
        return asdict(self) | {"states": list(self.states)}


def rehearse_line(line: str, number: int) -> Result:
    """Run the case on one line of JSON; whatever is wrong with the case is in its result."""
    try:
        case = read_json(line, is_strict=True)
    except (ValueError, RecursionError) as error:
        return Result(None, INVALID, None, "InvalidCase", f"line {number} is not JSON: {error}", ())
    case_id = case.get("id") if isinstance(case, dict) else None
    try:
        result = rehearse(case)
        json.dumps(result.output)  # what cannot be written ends this case, not the others
    except ConfigError as error:
        return Result(case_id, INVALID, None, "InvalidCase", error.message, ())
    except (ValueError, RecursionError) as error:
        return Result(case_id, INVALID, None, "InvalidCase", f"line {number} cannot be run: {error}", ())
    return result


def rehearse(case: Json) -> Result:
    """Run `{id, definition, input, mocks, context}`; `ConfigError` if it is not such a case.

    Time passes only in waits, retries and mocks with `seconds`, from `context.Execution.StartTime` on.
    """
    if not isinstance(case, dict) or "definition" not in case:
        raise ConfigError("a case is an object with a definition.", next_step="See `hops asl test --help`.")
    if unknown := sorted(set(case) - _FIELDS):
        raise ConfigError(f"field {unknown[0]!r} of the case is not known.", next_step="Take it out.")
    definition, context = case["definition"], case.get("context") or {}
    text = definition if isinstance(definition, str) else json.dumps(definition)
    machine = load(text)
    execution = context.get("Execution", {}) if isinstance(context, dict) else None
    if not isinstance(execution, dict):
        raise ConfigError("context and its Execution must be objects.", next_step="Mend the case.")
    clock = VirtualClock(_start(execution.get("StartTime")))
    tasks = MockTasks(case.get("mocks") or {}, clock)
    world = World(tasks, _Visits(), clock.now, clock.sleep, random.Random(0).random, clock)  # noqa: S311  # no secret
    name = str(execution.get("Name") or case.get("id") or "case")
    try:
        done = Interpreter(machine, world).run(case.get("input", {}), execution_id=name, context=context)
    except OverflowError as error:
        raise ConfigError("the case goes on beyond the year 9999.", next_step="Let it end.") from error
    states = tuple(entry.name for entry in done.history)
    return Result(case.get("id"), done.status, done.output, done.error or None, done.cause or None, states)


def _start(text: Any) -> datetime:
    seconds = instant(text)
    return _START if seconds is None else datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=float(seconds))


class MockTasks:
    """Answers each resource from its list, one answer a call; the last one goes on.

    A list may also be kept under the job or function that the parameters name. An answer is `return` or `throw`,
    and may take `seconds` of virtual time.
    """

    def __init__(self, mocks: Any, clock: VirtualClock) -> None:
        if not isinstance(mocks, Mapping):
            raise ConfigError("mocks are an object of lists by resource.", next_step="Mend the case.")
        self._answers = {resource: [_answer(resource, one) for one in _listed(mocks, resource)] for resource in mocks}
        self._clock = clock

    def run(self, resource: str, parameters: Json, *, timeout_s: float | None) -> Json:
        """Return the next answer for the resource; `ConfigError` if there is none."""
        named = parameters if isinstance(parameters, dict) else {}
        keys = (named.get("JobName"), named.get("FunctionName"), resource)
        key = next((key for key in keys if isinstance(key, str) and key in self._answers), None)
        if key is None:
            raise ConfigError(f"there is no mock for {resource!r}.", next_step="Add it to the case's mocks.")
        answers = self._answers[key]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        seconds = answer.get("seconds", 0)
        if timeout_s is not None and seconds > timeout_s:
            self._clock.sleep(timeout_s)
            raise TaskFailure(TIMEOUT, "")
        self._clock.sleep(seconds)
        if "throw" in answer:
            raise TaskFailure(answer["throw"].get("Error") or "", answer["throw"].get("Cause") or "")
        return answer["return"]


def _listed(mocks: Mapping[str, Any], resource: str) -> list[Any]:
    answers = mocks[resource]
    if not isinstance(answers, list) or not answers:
        raise ConfigError(f"the mocks of {resource!r} are not a list of answers.", next_step="Write [{'return': …}].")
    return answers


def _answer(resource: str, answer: Any) -> Mapping[str, Any]:
    is_one = isinstance(answer, dict) and ("return" in answer) != ("throw" in answer)
    is_known = is_one and set(answer) <= {"return", "throw", "seconds"}
    seconds = answer.get("seconds", 0) if is_known else 0
    thrown = answer.get("throw", {}) if is_known else {}
    if not is_known or not is_number(seconds) or seconds < 0 or not _is_failure(thrown):
        what = f"mock {json.dumps(answer)} of {resource!r} is neither a return nor a throw."
        raise ConfigError(what, next_step='Write {"return": …} or {"throw": {"Error": …, "Cause": …}}.')
    return dict(answer)


def _is_failure(thrown: Any) -> bool:
    if not isinstance(thrown, dict) or not set(thrown) <= {"Error", "Cause"}:
        return False
    return all(value is None or isinstance(value, str) for value in thrown.values())


class _Visits:
    """Ends a case that goes round in circles, which virtual time would never do."""

    def __init__(self) -> None:
        self._count = 0

    def entered(self, entry: StateEntry) -> None:
        self._tell()

    def attempted(self, entry: StateEntry, attempt: Attempt) -> None:
        self._tell()

    def left(self, entry: StateEntry) -> None:
        pass

    def _tell(self) -> None:
        self._count += 1
        if self._count > _MOST_STEPS:
            raise ConfigError(f"there are more than {_MOST_STEPS} visits and attempts.", next_step="Let it end.")
