"""The rule types of DQDL: what each takes.

Source: the rule table of awslabs/dqdl (configuration/rules) and the reference of rule types in the Glue guide.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

Kind = Literal["number", "text", "instant", "duration", "size"]
Need = Literal["needed", "optional", "none"]
MANY = 1_000_000


@dataclass(frozen=True)
class Form:
    """One way to write a rule type: so many parameters, such a condition.

    `kinds` are what a condition may compare with, the likeliest first. An analyzer is written in the form, without
    the condition.
    """

    name: str
    least: int
    most: int
    condition: Need
    kinds: tuple[Kind, ...] = ()
    has_threshold: bool = False
    has_where: bool = True
    is_rule: bool = True
    is_analyzer: bool = False


FORMS = (
    Form("AggregateMatch", 2, 2, "needed", ("number",), has_where=False),
    Form("AllStatistics", 1, 1, "none", is_rule=False, is_analyzer=True),
    Form("ColumnCorrelation", 2, 2, "needed", ("number",), is_analyzer=True),
    Form("ColumnCount", 0, 0, "needed", ("number",), has_where=False, is_analyzer=True),
    Form("ColumnDataType", 1, 1, "needed", ("text",), has_threshold=True),
    Form("ColumnExists", 1, 1, "none", has_where=False),
    Form("ColumnLength", 1, 1, "needed", ("number",), has_threshold=True, is_analyzer=True),
    Form("ColumnNamesMatchPattern", 1, 1, "none", has_where=False),
    Form("ColumnValues", 1, 1, "needed", ("number", "instant", "text"), has_threshold=True, is_analyzer=True),
    Form("Completeness", 1, 1, "needed", ("number",), is_analyzer=True),
    Form("CustomSql", 1, 1, "optional", ("number",), has_threshold=True, has_where=False, is_analyzer=True),
    Form("DataFreshness", 1, 1, "needed", ("duration",)),
    Form("DatasetMatch", 2, 3, "needed", ("number",), has_where=False),
    Form("DetectAnomalies", 1, MANY, "none", has_where=False),
    Form("DistinctValuesCount", 1, 1, "needed", ("number",), is_analyzer=True),
    Form("Distribution", 1, 1, "none", is_rule=False, is_analyzer=True),
    Form("Entropy", 1, 1, "needed", ("number",), is_analyzer=True),
    Form("FileCount", 0, 1, "needed", ("number",), has_where=False),
    Form("FileFreshness", 0, 1, "needed", ("instant",), has_threshold=True, has_where=False),
    Form("FileMatch", 0, 1, "needed", ("text",), has_where=False),
    Form("FileMatch", 2, 2, "none", has_where=False),
    Form("FileSize", 0, 1, "needed", ("size",), has_threshold=True, has_where=False),
    Form("FileUniqueness", 0, 1, "needed", ("number",), has_where=False),
    Form("IsComplete", 1, 1, "none"),
    Form("IsPrimaryKey", 1, MANY, "none"),
    Form("IsUnique", 1, MANY, "none"),
    Form("JobDuration", 0, 0, "needed", ("number",), has_where=False),
    Form("JobStatus", 0, 0, "needed", ("text",), has_where=False),
    Form("Mean", 1, 1, "needed", ("number",), is_analyzer=True),
    Form("ReferentialIntegrity", 2, 2, "needed", ("number",), has_where=False),
    Form("RowCount", 0, 0, "needed", ("number",), is_analyzer=True),
    Form("RowCountMatch", 1, 1, "needed", ("number",), has_where=False),
    Form("SchemaMatch", 1, 1, "needed", ("number",), has_where=False),
    Form("StandardDeviation", 1, 1, "needed", ("number",), is_analyzer=True),
    Form("Sum", 1, 1, "needed", ("number",), is_analyzer=True),
    Form("Uniqueness", 1, MANY, "needed", ("number",), is_analyzer=True),
    Form("UniqueValueRatio", 1, 1, "needed", ("number",), is_analyzer=True),
)
RULE_TYPES = tuple(dict.fromkeys(form.name for form in FORMS if form.is_rule))
ANALYZER_TYPES = tuple(dict.fromkeys(form.name for form in FORMS if form.is_analyzer))


def forms_of(name: str) -> tuple[Form, ...]:
    """Return the forms of a type; none if there is no such type."""
    return tuple(form for form in FORMS if form.name == name)


def nearest(name: str, known: tuple[str, ...]) -> str:
    """Return the known name that looks most like this one, whatever its case; "" if none does."""
    by_lower = {one.lower(): one for one in known}
    found = get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[found[0]] if found else ""
