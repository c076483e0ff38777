"""Whether a document is a report as its JSON Schema says: reports lie in files, which people can change."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

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
    return next((_told(error) for error in _validator().iter_errors(report)), "")


def _told(error: ValidationError) -> str:
    place, kinds = f"report{error.json_path.removeprefix('$')}", error.validator_value
    if error.validator == "type":
        return f"{place} is no {' or '.join(kinds) if isinstance(kinds, list) else kinds}"
    return f"{place} is not as its schema says ({error.validator})"


@cache
def _validator() -> Validator:
    from jsonschema import Draft202012Validator, FormatChecker, validators  # noqa: PLC0415  # a tenth of a second

    formats = FormatChecker(formats=("date",))
    formats.checks("date-time", raises=ValueError)(_is_instant)
    # Python reads NaN as JSON, which has none.
    types = Draft202012Validator.TYPE_CHECKER.redefine("number", lambda _, value: _is_number(value))
    strict = validators.extend(Draft202012Validator, type_checker=types)  # type: ignore[no-untyped-call]  # its stub has no types
    found: Validator = strict(schema(), format_checker=formats)
    return found


def _is_instant(value: object) -> bool:
    return not isinstance(value, str) or bool(datetime.fromisoformat(value))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
