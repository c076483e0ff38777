"""What docs/dqdl.md says of the language is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from healthcare_ops.pipeline.quality.dqdl.parser import parse
from healthcare_ops.pipeline.quality.dqdl.rule_types import FORMS, MANY

TEXT = Path(__file__).parents[5].joinpath("docs", "dqdl.md").read_text(encoding="utf-8")


def section(title):
    return TEXT.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def row_of(form):
    many, one = f"{form.least} or more", f"{form.least}"
    parameters = many if form.most == MANY else one if form.least == form.most else f"{form.least} to {form.most}"
    kinds = ", ".join("date or time" if kind == "instant" else kind for kind in form.kinds)
    compared = {"needed": kinds, "optional": f"{kinds}; or none", "none": "none"}[form.condition]
    marks = ["yes" if has else "–" for has in (form.has_where and form.is_rule, form.has_threshold, form.is_analyzer)]
    return [f"`{form.name}`", parameters, compared if form.is_rule else "–", *marks]


def test_the_table_of_rule_types_is_the_one_that_is_applied():
    rows = [line.strip("| ").split(" | ") for line in section("A rule").splitlines() if line.startswith("| `")]

    assert rows == [row_of(form) for form in FORMS]


def test_the_example_can_be_read():
    ruleset = parse(TEXT.partition("```\n")[2].partition("```")[0])

    assert (len(ruleset.rules), len(ruleset.analyzers)) == (3, 1)


@pytest.mark.parametrize(
    ("kind", "rule"),
    [
        ("number", "RowCount > "),
        ("text", "ColumnValues a = "),
        ("date or time", "ColumnValues a = "),
        ("no value", "ColumnValues a = "),
    ],
)
def test_values_can_be_written_as_they_are_shown(kind, rule):
    (line,) = [line for line in section("A condition").splitlines() if line.startswith(f"| {kind} |")]

    shown = re.findall("`([^`]+)`", line)

    assert shown
    assert len(parse(f"Rules = [{', '.join(rule + value for value in shown)}]").rules) == len(shown)
