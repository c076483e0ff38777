from __future__ import annotations

from healthcare_ops.core.series import Series


def test_what_is_told_late_stands_where_it_belongs():
    series = Series()

    for at_s in (30.0, 10.0, 20.0):
        series.add(at_s, at_s / 10)

    assert (series.times_s, series.values) == ([10.0, 20.0, 30.0], [1.0, 2.0, 3.0])


def test_a_window_has_its_end_and_not_its_beginning():
    series = Series([10.0, 20.0, 30.0], [1.0, 2.0, 3.0])

    assert series.within(10.0, 30.0) == ([20.0, 30.0], [2.0, 3.0])
    assert series.within(30.0, 40.0) == ([], [])
