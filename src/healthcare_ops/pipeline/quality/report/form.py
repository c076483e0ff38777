"""Whether a document is a report as its JSON Schema says: reports lie in files, which people can change."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from healthcare_ops.pipeline.quality.wording.findings import PAST_LISTS

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError
    from jsonschema.protocols import Validator


@cache
def schema() -> Mapping[str, Any]:
    """Return the schema of reports, as it is shipped."""
    found: Mapping[str, Any] = json.loads(files(__package__).joinpath("report.schema.json").read_text("utf-8"))
    return found


def fault_of(report: Any) -> str:
    """Return where a document first differs from a report, and what must stand there; empty if nowhere.

    No value is quoted.
    """
    fault = next((_told(error) for error in _validator().iter_errors(report)), "")
    return fault or next(_nameless_causes(report), "")


def outline_fault_of(report: Any) -> str:
    """Return the same of a report of any form, by what all forms have."""
    return next((_told(error) for error in _outline_validator().iter_errors(report)), "")


def _nameless_causes(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield the causes by which nothing of the report is told."""
    rules = {rule["rule_id"] for rule in report["rules"]}
    refused = {feed["feed_id"] for feed in report["feeds"] if feed.get("refused_files")}
    found = {one["rule_id"] for name in PAST_LISTS for one in report[name] if "explained_by" not in one}
    for number, cause in enumerate(report.get("causes", ())):
        is_refused = cause["kind"] == "refused"
        is_there = refused.issuperset(cause["feed_ids"]) and cause["feed_ids"] if is_refused else None
        if not (is_there if is_refused else cause["cause_id"] in (rules if cause["kind"] == "rule" else found)):
            yield f"report.causes[{number}] names no finding of the report"


def _told(error: ValidationError) -> str:
    place, kinds = f"report{error.json_path.removeprefix('$')}", error.validator_value
    if error.validator == "type":
        return f"{place} is no {' or '.join(kinds) if isinstance(kinds, list) else kinds}"
    return f"{place} is not as its schema says ({error.validator})"


@cache
def _validator() -> Validator:
    return _validator_of(schema())


@cache
def _outline_validator() -> Validator:
    """Return what all forms of reports have; the details of each may differ."""
    whole = schema()
    rule = {name: whole["$defs"]["rule"]["properties"][name] for name in ("rule_id", "severity", "verdict")}
    listed = {"type": "array", "items": {"type": "object", "properties": rule, "required": list(rule)}}
    names = ("run_id", "days", "verdict", "dq_risk_score")
    known = {name: whole["properties"][name] for name in names} | {"rules": listed}
    return _validator_of({"type": "object", "properties": known, "required": list(known)})


def _validator_of(of: Mapping[str, Any]) -> Validator:
    from jsonschema import Draft202012Validator, FormatChecker, validators  # noqa: PLC0415  # a tenth of a second

    formats = FormatChecker(formats=("date",))
    formats.checks("date-time", raises=ValueError)(_is_instant)
    # Python reads NaN as JSON, which has none.
    types = Draft202012Validator.TYPE_CHECKER.redefine("number", lambda _, value: _is_number(value))
    strict = validators.extend(Draft202012Validator, type_checker=types)  # type: ignore[no-untyped-call]  # its stub has no types
    found: Validator = strict(of, format_checker=formats)
    return found


def _is_instant(value: object) -> bool:
    return not isinstance(value, str) or bool(datetime.fromisoformat(value))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
