from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import pytest

from databases import DATABASES, database
from healthcare_ops.adapters.durable import DurableRuns
from healthcare_ops.ports import Journal
from runs import MemoryJournal

Story = Callable[[Journal], Any]


class Killed(BaseException):
    """The process ended in the middle of a run, however that came about."""


class Run(Protocol):
    """A run that one process after another takes up."""

    def live(self, story: Story) -> list[Any]:
        """Take it up in a new process; return what came of it, or nothing if the process was killed."""
        ...


class MemoryRun:
    def __init__(self) -> None:
        self._journal = MemoryJournal()

    def live(self, story: Story) -> list[Any]:
        self._journal = MemoryJournal(self._journal.steps)
        try:
            return [story(self._journal)]
        except Killed:
            return []


class DurableRun:
    def __init__(self, database_url: str) -> None:
        self._database_url = database_url

    def live(self, story: Story) -> list[Any]:
        told = []
        runs = DurableRuns(self._database_url, lambda journal, run_id, order: told.append(story(journal)))
        try:
            runs.start("daily-1", {})
            until = time.monotonic() + 30
            while runs.live():
                assert time.monotonic() < until
                runs.wait(0.05)
        finally:
            runs.close()
        return told


@pytest.fixture(params=["memory", *DATABASES])
def run(request, tmp_path) -> Iterator[Run]:
    if request.param == "memory":
        yield MemoryRun()
        return
    with database(request.param, tmp_path, request.getfixturevalue) as url:
        yield DurableRun(url)


def die():
    raise Killed


def test_a_run_that_begins_remembers_nothing(run):
    assert run.live(lambda journal: list(journal.recorded())) == [[]]


def test_what_was_done_is_not_done_again_and_its_result_is_the_same(run):
    done = []

    def job(name):
        done.append(name)
        return {"rows": len(done)}

    def story(journal, *, is_last):
        journal.recorded()
        results = [journal.once(name, lambda name=name: job(name)) for name in ("ingest_bronze", "dq_check")]
        return [*results, journal.once("silver_to_gold", (lambda: job("silver_to_gold")) if is_last else die)]

    first = run.live(lambda journal: story(journal, is_last=False))
    second = run.live(lambda journal: story(journal, is_last=True))

    assert (first, second) == ([], [[{"rows": 1}, {"rows": 2}, {"rows": 3}]])
    assert done == ["ingest_bronze", "dq_check", "silver_to_gold"]


def test_a_run_that_is_taken_up_remembers_its_results_in_their_order(run):
    def begin(journal):
        for number in range(12):
            journal.once(f"step {number}", lambda number=number: {"rows": number})
        die()

    run.live(begin)

    assert run.live(lambda journal: list(journal.recorded())) == [[{"rows": number} for number in range(12)]]


def test_a_step_in_the_middle_of_which_the_process_died_is_done_again(run):
    results = [run.live(lambda journal, work=work: journal.once("dq_check", work)) for work in (die, lambda: "pass")]

    assert results == [[], ["pass"]]


def test_a_step_that_raised_was_not_done(run):
    def refused():
        raise LookupError("no such job")

    def begin(journal):
        journal.once("ingest_bronze", lambda: "done")
        with pytest.raises(LookupError, match="no such job"):
            journal.once("dq_check", refused)
        die()

    run.live(begin)

    def again(journal):
        recorded = list(journal.recorded())
        return recorded, journal.once("ingest_bronze", die), journal.once("dq_check", lambda: "pass")

    assert run.live(again) == [(["done"], "done", "pass")]


def test_results_are_told_again_as_they_were(run):
    results = [
        None,
        False,
        0,
        -0.5,
        "",
        "Emergência São José, 急诊",
        {"told": ["2026-03-01T12:00:00+00:00"], "result": {"rows": [1, 2.5, None, True, {"a": []}]}},
        "x" * 2_000_000,
    ]

    def story(journal, works):
        recorded = list(journal.recorded())
        told = [journal.once(f"job {number}", work) for number, work in enumerate(works)]
        return recorded, told, journal.once("the end", die if works[0] is not die else lambda: None)

    run.live(lambda journal: story(journal, [lambda result=result: result for result in results]))

    recorded, told, _ = run.live(lambda journal: story(journal, [die] * len(results)))[0]
    assert recorded == results
    assert [(type(one), one) for one in told] == [(type(result), result) for result in results]
