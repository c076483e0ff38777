"""Forecasts of others that a state directory keeps: taken in whole or not at all."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from healthcare_ops.adapters.local_objects import LocalObjects
from healthcare_ops.adapters.state_lock import Patience, lock_state
from healthcare_ops.core.errors import ConfigError, DataError, LockedError, NotFoundError
from healthcare_ops.jobs.audit_log import entries
from healthcare_ops.operations.regressors import Added, add, drop, regressors_in
from hospital import open_hospital

HEADER = "name,issue_time,target_time,value\n"
BY = {"by": "Ana", "reason": "why"}


@pytest.fixture
def state(tmp_path):
    """Return a state directory that nobody has open."""
    with open_hospital(tmp_path / "closed", "2026-03-13T18:00:00-03:00") as hospital:
        return hospital.state


@pytest.fixture
def written(tmp_path):
    def write(*rows, name="weather.csv", header=HEADER):
        path = tmp_path / name
        path.write_text(header + "\n".join(rows) + "\n")
        return path

    return write


def row(target, value, *, issue="2026-03-01T00:00:00Z", name="heat"):
    return f"{name},{issue},{target},{value}"


def kept(state):
    return {(one.name, value) for one in regressors_in(state) for value in one.value.tolist()}


def test_a_state_directory_knows_no_forecasts_of_others_until_some_are_added(state):
    assert regressors_in(state) == ()


def test_what_is_added_again_is_passed_over_and_what_is_newer_joins_it(state, written):
    first = row("2026-03-01T06:00:00Z", 20)
    add(state, [written(first)])

    again = add(state, [written(first)])
    more = add(state, [written(first, row("2026-03-01T07:00:00Z", 21), row("2026-03-01T07:00:00Z", 3, name="rain"))])

    assert again == [Added("heat", values=1, new=0)]
    assert more == [Added("heat", values=2, new=1), Added("rain", values=1, new=1)]
    assert kept(state) == {("heat", 20.0), ("heat", 21.0), ("rain", 3.0)}


def test_a_file_that_somebody_put_there_counts_with_what_was_added(state, written):
    add(state, [written(row("2026-03-01T06:00:00Z", 20))])
    LocalObjects(state).write("regressors/own.csv", f"{HEADER}{row('2026-03-01T03:00:00-03:00', 20)}\n".encode())
    LocalObjects(state).write("regressors/more.csv", f"{HEADER}{row('2026-03-01T07:00:00', 21)}\n".encode())

    (heat,) = regressors_in(state)

    assert heat.value.tolist() == [20.0, 21.0]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["heat,2026-03-01T00:00:00Z,2026-03-01T06:00:00Z,warm"], "line 4: value 'warm' is not a number"),
        (["heat,2026-03-01T00:00:00Z,2026-03-01T06:00:00Z,inf"], "line 4: value inf is not a number"),
        (["heat,2026-03-01T00:00:00Z,01/03/2026 06:00,20"], "line 4: target_time '01/03/2026 06:00' is not a time"),
        (
            ["heat,2026-03-01T00:00:00,2026-03-01T06:00:00Z,20"],
            "line 4: issue_time '2026-03-01T00:00:00' and the first row differ in having an offset",
        ),
        ([",2026-03-01T00:00:00Z,2026-03-01T06:00:00Z,20"], "line 4: there is no name"),
        (["heat,2026-03-01T00:00:00Z,,20"], "line 4: there is no target_time"),
        (
            ["heat,2026-03-01T00:00:00Z,2026-03-01T06:30:00Z,20"],
            "line 4: target_time 2026-03-01T06:30Z of 'heat' is not a full hour",
        ),
        (
            ["seen,2026-03-01T07:00:00Z,2026-03-01T06:00:00Z,20"],
            "line 4: 'seen' of 2026-03-01T06:00Z was issued at 2026-03-01T07:00Z, after that hour began",
        ),
        (
            ["heat,2026-03-01T00:00:00Z,2026-03-01T05:00:00Z,21"],
            r"line 4: 'heat' of 2026-03-01T05:00Z, issued at 2026-03-01T00:00Z, is 21, and 20 in .*weather.csv, line 3",
        ),
    ],
)
def test_a_file_with_a_fault_is_refused_with_its_line_and_nothing_of_it_is_kept(state, written, rows, message):
    fine = row("2026-03-01T05:00:00Z", 20)
    add(state, [written(row("2026-03-01T04:00:00Z", 19), name="before.csv")])

    with pytest.raises(DataError, match=rf"weather\.csv, {message}"):
        # A line that is empty is none of the rows, but one of the lines.
        add(state, [written("", fine, *rows)])

    assert kept(state) == {("heat", 19.0)}
    assert [path.name for path in (state / "regressors").iterdir()] == ["added.parquet"]


@pytest.mark.parametrize(
    ("header", "rows", "message"),
    [
        ("name,target_time,value\n", ["heat,2026-03-01T06:00:00Z,20"], r"no column of times; it has name, target_time"),
        (HEADER, [], "has no rows"),
        ("", [], "cannot be read"),
    ],
)
def test_a_file_that_is_no_such_table_is_refused(state, written, header, rows, message):
    with pytest.raises(DataError, match=message):
        add(state, [written(*rows, header=header)])

    assert not (state / "regressors").exists()


def test_what_contradicts_the_kept_is_refused_until_that_is_dropped(state, written):
    add(state, [written(row("2026-03-01T06:00:00Z", 68))])
    right = written(row("2026-03-01T06:00:00Z", 20), name="celsius.csv")
    with pytest.raises(DataError, match=r"celsius\.csv, line 2: .* is 20, and 68 in regressors/added\.parquet, row 1"):
        add(state, [right])

    count = drop(state, "heat", **BY)
    add(state, [right])

    assert count == 1
    assert kept(state) == {("heat", 20.0)}
    (entry,) = entries(LocalObjects(state))
    assert (entry.action, entry.who, entry.details) == ("regressors.drop", "Ana", {"regressor": "heat", "values": 1})


def test_of_several_regressors_only_the_one_that_is_named_is_dropped(state, written):
    add(state, [written(row("2026-03-01T06:00:00Z", 20), row("2026-03-01T06:00:00Z", 3, name="rain"))])

    drop(state, "heat", **BY)

    assert kept(state) == {("rain", 3.0)}


@pytest.mark.parametrize(("name", "by", "error"), [("rain", "Ana", NotFoundError), ("heat", " ", ConfigError)])
def test_nothing_is_dropped_that_is_not_there_or_that_nobody_answers_for(state, written, name, by, error):
    add(state, [written(row("2026-03-01T06:00:00Z", 20))])

    with pytest.raises(error):
        drop(state, name, by=by, reason="why")

    assert kept(state) == {("heat", 20.0)}


def test_nothing_is_added_while_another_process_holds_the_directory(state, written):
    file = written(row("2026-03-01T06:00:00Z", 20))

    with ExitStack() as held:
        held.enter_context(lock_state(state))
        with pytest.raises(LockedError):
            add(state, [file], patience=Patience(0.0))

    assert regressors_in(state) == ()


def test_a_file_of_another_kind_is_named(state):
    LocalObjects(state).write("regressors/notes.txt", b"from the weather service")

    with pytest.raises(DataError, match=r"regressors/notes\.txt is none of \.csv"):
        regressors_in(state)
