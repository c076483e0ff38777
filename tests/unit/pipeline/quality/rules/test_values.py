"""A column's values against a condition: on any rows, what a person would count."""

from __future__ import annotations

import math
import operator
import re
from datetime import datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines import PROPERTY
from healthcare_ops.pipeline.quality.rules.patterns import require_plain_regex
from healthcare_ops.pipeline.quality.rules.refusals import NotCompilableError
from unit.pipeline.quality.judging import NOW, counted, judge, judge_one

COMPARE = {
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


def violations(values, is_met):
    """Return what a person counts who goes from row to row: `is_met` of null is asked as well."""
    return sum(not is_met(value) for value in values)


WHOLE = st.lists(st.none() | st.integers(-5, 5), min_size=1, max_size=12)


@given(values=WHOLE, limit=st.integers(-6, 6), width=st.integers(0, 6))
@PROPERTY
def test_numbers_are_compared_as_a_person_would(engine, values, limit, width):
    rows = pa.table({"n": pa.array(values, pa.int64())})
    high, chosen = limit + width, [limit, 3]
    expected = {
        **{
            f"{sign} {limit}": violations(
                values, lambda n, compare=compare, sign=sign: sign == "!=" if n is None else compare(n, limit)
            )
            for sign, compare in COMPARE.items()
        },
        f"between {limit} and {high}": violations(values, lambda n: n is not None and limit < n < high),
        f"not between {limit} and {high}": violations(values, lambda n: n is None or not limit < n < high),
        f"in [{limit}, 3]": violations(values, lambda n: n in chosen),
        f"not in [{limit}, 3]": violations(values, lambda n: n not in chosen),
        f"in [{limit}, 3, NULL]": violations(values, lambda n: n is None or n in chosen),
        f"not in [{limit}, 3, NULL]": violations(values, lambda n: n is not None and n not in chosen),
    }

    found = judge(engine, ", ".join(f'ColumnValues "n" {condition}' for condition in expected), rows)

    assert [counted(finding) for finding in found] == [(len(values), count) for count in expected.values()]


WORDS = st.lists(st.none() | st.sampled_from(["", " ", "\t ", "ED", "WARD", "ED ", "E\nD", "éd", "a'b", 'a"b', "%"]))


@given(values=WORDS.filter(bool))
@PROPERTY
def test_texts_are_compared_as_a_person_would(engine, values):
    rows = pa.table({"s": pa.array(values, pa.string())})
    expected = {
        'ColumnValues "s" = "ED"': violations(values, lambda s: s == "ED"),
        'ColumnValues "s" != "ED"': violations(values, lambda s: s != "ED"),
        'ColumnValues "s" in ["ED", "a\'b", "a\\"b"]': violations(values, lambda s: s in ("ED", "a'b", 'a"b')),
        'ColumnValues "s" = EMPTY': violations(values, lambda s: s == ""),
        'ColumnValues "s" not in [EMPTY, NULL]': violations(values, lambda s: s not in ("", None)),
        'ColumnValues "s" = WHITESPACES_ONLY': violations(values, lambda s: s is not None and s.isspace()),
        'ColumnValues "s" matches "[A-Z]+"': violations(values, lambda s: bool(s and re.fullmatch("[A-Z]+", s))),
        'ColumnValues "s" not matches "[A-Z]+"': violations(
            values, lambda s: s is None or not re.fullmatch("[A-Z]+", s)
        ),
        'ColumnLength "s" > 1': violations(values, lambda s: s is not None and len(s) > 1),
        'IsComplete "s"': violations(values, lambda s: s is not None),
        "RowCount = 0 where \"s = 'ED'\"": violations(values, lambda s: s != "ED"),
    }

    found = judge(engine, ", ".join(expected), rows)

    assert [counted(finding) for finding in found] == [(len(values), count) for count in expected.values()]


AGES = st.timedeltas(timedelta(days=-2), timedelta(days=2))
EDGES = st.sampled_from([timedelta(hours=hours, microseconds=us) for hours in (-1, 0, 1, 24) for us in (-1, 0, 1)])


@given(ages=st.lists(st.none() | AGES | EDGES, min_size=1, max_size=8), hours=st.sampled_from([0, 1, 24]))
@PROPERTY
def test_times_are_compared_to_the_microsecond(engine, ages, hours):
    values = [None if age is None else NOW - age for age in ages]
    rows = pa.table({"t": pa.array(values, pa.timestamp("us"))})
    age, midnight = timedelta(hours=hours), datetime.fromisoformat("2026-03-20")
    expected = {
        f'ColumnValues "t" > (now() - {hours} hours)': violations(values, lambda t: t is not None and t > NOW - age),
        f'ColumnValues "t" <= (now() + {hours} hours)': violations(values, lambda t: t is not None and t <= NOW + age),
        'ColumnValues "t" = "2026-03-20"': violations(values, lambda t: t is not None and t.date() == midnight.date()),
        'ColumnValues "t" < "2026-03-20"': violations(values, lambda t: t is not None and t < midnight),
        f'DataFreshness "t" <= {hours} hours': violations(values, lambda t: t is not None and NOW - t <= age),
        f'DataFreshness "t" not between {hours} hours and 30 hours': violations(
            values, lambda t: t is None or not age < NOW - t < timedelta(hours=30)
        ),
    }

    found = judge(engine, ", ".join(expected), rows)

    assert [counted(finding) for finding in found] == [(len(values), count) for count in expected.values()]


RULES = [
    'IsComplete "n"',
    'ColumnValues "n" > 0',
    'ColumnValues "n" not in [1, 2, NULL]',
    'ColumnValues "n" > 0 where "n < 3"',
    'RowCount = 0 where "n = 5"',
    'IsUnique "n"',
    'IsPrimaryKey "n"',
    '(IsComplete "n") and (ColumnValues "n" < 4 where "n is not null")',
    '(ColumnValues "n" < 0) or (ColumnValues "n" > 3)',
]


@given(values=WHOLE, more=st.none() | st.integers(-5, 5))
@PROPERTY
def test_a_row_more_never_makes_a_rule_less_broken(engine, values, more):
    rows = [pa.table({"n": pa.array(each, pa.int64())}) for each in (values, [*values, more])]

    before, after = (judge(engine, ", ".join(RULES), each) for each in rows)

    assert [
        finding.check.rule
        for finding, later in zip(before, after, strict=True)
        if later.violations < finding.violations or later.checked < finding.checked
    ] == []


@given(values=WHOLE)
@PROPERTY
def test_keys_and_their_entropy_are_counted_as_a_person_would(engine, values):
    filled = [value for value in values if value is not None]
    times = {value: filled.count(value) for value in filled}
    entropy = -sum(count / len(filled) * math.log(count / len(filled)) for count in times.values())
    rules = """IsUnique "n", IsPrimaryKey "n", Uniqueness "n" >= 0, UniqueValueRatio "n" >= 0,
               DistinctValuesCount "n" >= 0, Entropy "n" >= 0"""

    unique, primary, uniqueness, ratio, distinct, measured = judge(
        engine, rules, pa.table({"n": pa.array(values, pa.int64())})
    )

    once = sum(count == 1 for count in times.values())
    assert counted(unique) == (len(filled), len(filled) - len(times))
    assert counted(primary) == (len(values), len(values) - len(times))
    assert uniqueness.measured[0].value == (once / len(filled) if filled else None)
    assert ratio.measured[0].value == (once / len(times) if filled else None)
    assert distinct.measured[0].value == len(times)
    assert measured.measured[0].value == (pytest.approx(entropy, abs=1e-12) if filled else None)


@pytest.mark.parametrize(
    "pattern",
    [
        "[A-Z]{2}[0-9]+",
        "a|b",
        "(a|b)*c?",
        r"\d{3}-\d{2}",
        r"\w+\.\s",
        "",
        "(?:a)",
        "(?i)ed",
        r"[^\]]",
        r"\{a\}",
        "}",
        "(?s:.)",
    ],
)
def test_a_pattern_that_every_engine_reads_alike_is_taken(pattern):
    assert require_plain_regex(pattern) is None


@pytest.mark.parametrize(
    "pattern",
    [
        *(
            "(?=a)",
            "(?!a)",
            "(?<=a)b",
            "(?<!a)b",
            "(?P<name>a)",
            "(?<name>a)",
            "(?>a)",
            "(?#a)",
            "(?x)a",
            "(a)?(?(1)b|c)",
        ),
        *("a++", "a*+", "a?+", "a{2}+", "a{1001}", "a{2,5000}", "a{,3}", "{a}"),
        *(r"(a)\1", r"\0", r"a\Z", r"\Ga", r"\R", r"\h", r"\p{L}", r"\k<a>", r"\u0041", r"\Qa\E", r"[\b]"),
        *("[[:alpha:]]", "[a[b]]", "[a-z&&[^b]]"),
        *("[", "(", "a**", "?"),
    ],
)
def test_a_pattern_that_engines_read_differently_or_not_at_all_is_refused(pattern):
    with pytest.raises(NotCompilableError, match="regular expression"):
        require_plain_regex(pattern)


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("[A-Z]{2}[0-9]+", "a"),
        ("(?i)[a-z]{2}[0-9]+", "ab"),
        (r"\w+", "abc"),
        (r"..\d", "ab"),
        (r"\s*", "de"),
        ("é.*", "f"),
    ],
)
def test_a_pattern_describes_the_whole_text(engine, pattern, names):
    texts = ["ED1", "ed2", "edx", "", "\n", "é9"]
    rows = pa.table({"encounter_id": list("abcdef"), "s": texts})

    finding = judge_one(engine, f'ColumnValues "s" not matches "{pattern}"'.replace("\\", "\\\\"), rows)

    assert "".join(finding.samples) == names
