"""The rule types of DQDL: what each takes.

Source: the rule table of awslabs/dqdl (configuration/rules) and the reference of rule types in the Glue guide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from healthcare_ops.pipeline.quality.dqdl.fault import DqdlError
from healthcare_ops.pipeline.quality.dqdl.syntax import Position

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


def form_of(name: str, parameters: Sequence[str], known: Sequence[str], position: Position) -> Form:
    """Return the form in which a type takes so many parameters.

    Raises
    ------
    DqdlError
        The name is not one of those known here (rule types or analyzers), or takes fewer parameters or more.
    """
    if name not in known:
        like = _nearest(name, known)
        what = "rule type" if known is RULE_TYPES else "analyzer"
        raise DqdlError(f"there is no {what} {name}{f'; {like} is the nearest' if like else ''}.", position)
    forms = [form for form in FORMS if form.name == name]
    for form in forms:
        if form.least <= len(parameters) <= form.most:
            return form
    takes = _count(min(form.least for form in forms), max(form.most for form in forms))
    joined = any(parameter in RULE_TYPES for parameter in parameters)
    hint = "; rules joined by and or or stand in brackets" if joined else ""
    raise DqdlError(f"{name} takes {takes}, and {len(parameters)} stand there{hint}.", position)


def _nearest(name: str, known: Sequence[str]) -> str:
    """Return the known name that looks most like this one, whatever its case; "" if none does."""
    by_lower = {one.lower(): one for one in known}
    found = get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[found[0]] if found else ""


def _count(least: int, most: int) -> str:
    if most == MANY:
        return f"{least} parameter or more"
    if least == most:
        return {0: "no parameter", 1: "1 parameter"}.get(most, f"{most} parameters")
    return f"{least} to {most} parameters"
