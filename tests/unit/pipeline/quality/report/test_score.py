from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from healthcare_ops.pipeline.quality.evaluate import Finding
from healthcare_ops.pipeline.quality.report.score import FAIL_FLOOR, risk_score
from unit.pipeline.quality.judging import checks_of

PROPERTY = settings(max_examples=200, deadline=None, derandomize=True)


(CHECK,) = checks_of('ColumnValues "los_min" <= 60')


def finding(name, verdict, violations, *, checked=100):
    return Finding(replace(CHECK, rule_id=name), verdict, checked, violations)


def of_rows(name, severity, violations, *, checked, threshold):
    is_broken = checked and violations / checked > threshold
    return finding(name, severity if is_broken else "pass", violations if checked else 0, checked=checked)


def of_a_number(name, verdict):
    return finding(name, verdict, None)


def findings():
    rows = st.builds(
        of_rows,
        st.uuids().map(str),
        st.sampled_from(["warn", "fail"]),
        st.integers(0, 100),
        checked=st.sampled_from([0, 100]),
        threshold=st.sampled_from([0.0, 0.2, 0.9]),
    )
    numbers = st.builds(of_a_number, st.uuids().map(str), st.sampled_from(["pass", "warn", "fail"]))
    return st.lists(rows | numbers, max_size=12)


def test_sound_data_endanger_nothing():
    assert risk_score([finding("a", "pass", 0), finding("b", "pass", 0)], 0.0) == (0.0, {})


@pytest.mark.parametrize(("violations", "score"), [(1, 10.1), (50, 15.0), (100, 20.0)])
def test_a_broken_warning_adds_ten_points_and_ten_more_with_its_share(violations, score):
    found, contributions = risk_score([finding("a", "warn", violations)], 0.0)

    assert found == pytest.approx(score)
    assert contributions == {"a": pytest.approx(score)}


def test_held_records_add_a_fifth_of_their_share():
    assert risk_score([], 0.25) == (pytest.approx(5.0), {"quarantine": pytest.approx(5.0)})


def test_warnings_alone_stop_at_fifty():
    score, contributions = risk_score([finding(str(number), "warn", 100) for number in range(9)], 1.0)

    assert score == 50.0
    assert sum(contributions.values()) == pytest.approx(50.0)


def test_a_rule_within_its_threshold_adds_nothing():
    assert risk_score([finding("a", "pass", 20)], 0.0) == (0.0, {})


@pytest.mark.parametrize(
    ("verdict", "score"), [("pass", 0.0), ("not_applicable", 0.0), ("warn", 20.0), ("fail", 100.0)]
)
def test_a_rule_that_judges_a_number_is_broken_altogether_or_not_at_all(verdict, score):
    assert risk_score([of_a_number("a", verdict)], 0.0)[0] == pytest.approx(score)


def test_a_rule_that_had_nothing_to_judge_adds_nothing():
    assert risk_score([finding("a", "not_applicable", 0, checked=0)], 0.0) == (0.0, {})


@pytest.mark.parametrize(("violations", "score"), [(1, 64.44), (50, 86.0), (100, 100.0)])
def test_a_broken_rule_that_must_hold_lifts_the_score_to_sixty_and_beyond(violations, score):
    assert risk_score([finding("a", "fail", violations)], 0.0) == (pytest.approx(score), {"a": pytest.approx(score)})


@given(found=findings(), held=st.floats(0, 1))
@PROPERTY
def test_the_score_lies_between_0_and_100_and_is_the_sum_of_its_contributions(found, held):
    score, contributions = risk_score(found, held)

    assert 0.0 <= score <= 100.0
    assert sum(contributions.values()) == pytest.approx(score, abs=1e-9)
    assert min(contributions.values(), default=0.0) >= 0.0


@given(found=findings(), held=st.floats(0, 1))
@PROPERTY
def test_a_broken_rule_that_must_hold_scores_at_least_sixty_and_nothing_else_does(found, held):
    is_failed = any(one.verdict == "fail" for one in found)

    score, _ = risk_score(found, held)

    assert (score >= FAIL_FLOOR) is is_failed


def rows_and_limits():
    one = st.tuples(
        st.uuids().map(str), st.sampled_from(["warn", "fail"]), st.integers(0, 100), st.sampled_from([0.0, 0.2, 0.9])
    )
    return st.lists(one, min_size=1, max_size=12)


@given(rules=rows_and_limits(), held=st.floats(0, 1), more=st.integers(1, 100), data=st.data())
@PROPERTY
def test_the_score_never_falls_when_more_rows_break_a_rule(rules, held, more, data):
    number = data.draw(st.integers(0, len(rules) - 1))
    name, severity, violations, threshold = rules[number]
    worse = [*rules]
    worse[number] = (name, severity, min(violations + more, 100), threshold)

    before, after = (
        risk_score([of_rows(*rule, checked=100, threshold=limit) for *rule, limit in each], held)[0]
        for each in (rules, worse)
    )

    assert after >= before - 1e-9


WORSE = ("pass", "warn", "fail")


@given(rules=rows_and_limits(), held=st.floats(0, 1), verdicts=st.data())
@PROPERTY
def test_the_score_never_falls_when_a_verdict_is_worse_nor_rises_when_a_failure_is_accepted(rules, held, verdicts):
    number = verdicts.draw(st.integers(0, len(rules) - 1))
    found = [finding(name, severity, violations) for name, severity, violations, _ in rules]
    each = [[*found[:number], replace(found[number], verdict=verdict), *found[number + 1 :]] for verdict in WORSE]

    as_passed, as_warned, as_failed = (risk_score(one, held)[0] for one in each)

    assert as_passed <= as_warned + 1e-9
    assert as_warned <= as_failed + 1e-9


@given(found=findings(), held=st.floats(0, 1), more=st.floats(0, 1))
@PROPERTY
def test_the_score_never_falls_when_more_records_are_held(found, held, more):
    assert risk_score(found, max(held, more))[0] >= risk_score(found, held)[0] - 1e-9
