"""The rule types of DQDL: what each takes.

Source: the rule table of awslabs/dqdl (configuration/rules) and the reference of rule types in the Glue guide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from healthcare_ops.pipeline.quality.dqdl.fault import DqdlError
from healthcare_ops.pipeline.quality.dqdl.syntax import Position
from healthcare_ops.pipeline.quality.dqdl.words import nearest, shown, slip_in

Kind = Literal["number", "text", "instant", "duration", "size"]
Need = Literal["needed", "optional", "none"]
MANY = 1_000_000


@dataclass(frozen=True)
class Parameter:
    """What a rule is about, as it stands in the text."""

    value: str
    position: Position
    is_quoted: bool


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
# The types that say with a condition what these say without one.
OF_A_SHARE = {"IsComplete": "Completeness", "IsUnique": "Uniqueness", "IsPrimaryKey": "Uniqueness"}
RULE_TYPES = tuple(dict.fromkeys(form.name for form in FORMS if form.is_rule))
ANALYZER_TYPES = tuple(dict.fromkeys(form.name for form in FORMS if form.is_analyzer))


def form_of(name: str, parameters: Sequence[Parameter], known: Sequence[str], position: Position) -> Form:
    """Return the form in which a type takes so many parameters.

    Raises
    ------
    DqdlError
        The name is not one of those known here (rule types or analyzers), or takes fewer parameters or more.
    """
    if name not in known:
        like = nearest(name, known)
        what = "rule type" if known is RULE_TYPES else "analyzer"
        known_ones = f"{like} is the nearest" if like else "docs/dqdl.md lists them"
        raise DqdlError(f"there is no {what} {shown(name)}; {known_ones}.", position)
    forms = [form for form in FORMS if form.name == name]
    for form in forms:
        if form.least <= len(parameters) <= form.most:
            return form
    _require_no_slip(parameters)
    takes = _count(min(form.least for form in forms), max(form.most for form in forms))
    stand = "stands" if len(parameters) == 1 else "stand"
    raise DqdlError(f"{name} takes {takes}, and {len(parameters)} {stand} there{_hint(name, parameters)}.", position)


def _require_no_slip(parameters: Sequence[Parameter]) -> None:
    """Raise if a name among too many parameters, or too few, is likely to be meant as something else."""
    for one in parameters:
        if one.is_quoted:
            continue
        if one.value in RULE_TYPES:
            fault = f"found {one.value}; a comma is missing before it, or rules joined by and or or stand in brackets."
            raise DqdlError(fault, one.position)
        if slip := slip_in(one.value):
            raise DqdlError(slip, one.position)


def _hint(name: str, parameters: Sequence[Parameter]) -> str:
    if not parameters:
        return f'; write {name} "…"'
    if len(parameters) < 2 or any(one.is_quoted for one in parameters):
        return ""
    together = shown(" ".join(one.value for one in parameters))
    return f'; a name with blanks stands in double quotes: "{together}"'


def _count(least: int, most: int) -> str:
    if most == MANY:
        return f"{least} parameter or more"
    if least == most:
        return {0: "no parameter", 1: "1 parameter"}.get(most, f"{most} parameters")
    return f"{least} to {most} parameters"
