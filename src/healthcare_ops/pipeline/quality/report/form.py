"""Whether a document is a report as its JSON Schema says: reports lie in files, which people can change."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from functools import cache
from importlib.resources import files
from typing import Any


def _is_whole(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and float(value).is_integer()


_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": _is_whole,
}
_FORMATS: Mapping[str, Callable[[str], object]] = {"date": date.fromisoformat, "date-time": datetime.fromisoformat}


@cache
def schema() -> Mapping[str, Any]:
    """Return the schema of reports, as it is shipped."""
    found: Mapping[str, Any] = json.loads(files(__package__).joinpath("report.schema.json").read_text("utf-8"))
    return found


def fault_of(report: Any) -> str:
    """Return where a document first differs from a report, and what must stand there; empty if nowhere.

    No value is quoted.
    """
    return next(_faults(report, schema(), "report"), "")


def _faults(value: Any, rule: Mapping[str, Any], path: str) -> Iterator[str]:
    if name := rule.get("$ref"):
        yield from _faults(value, schema()["$defs"][name.removeprefix("#/$defs/")], path)
    kinds = rule.get("type", ())
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(_TYPES[kind](value) for kind in kinds):
        yield f"{path} is no {' or '.join(kinds)}"
        return
    yield from _of_value(value, rule, path)
    if isinstance(value, dict):
        yield from _of_object(value, rule, path)
    if isinstance(value, list):
        yield from _of_list(value, rule, path)
    yield from _of_alternatives(value, rule, path)


def _of_value(value: Any, rule: Mapping[str, Any], path: str) -> Iterator[str]:
    if "const" in rule and not _is_same(value, rule["const"]):
        yield f"{path} is not {rule['const']!r}"
    if "enum" in rule and value not in rule["enum"]:
        yield f"{path} is none of {', '.join(map(str, rule['enum']))}"
    if _TYPES["number"](value):
        if value < rule.get("minimum", value) or value != value:  # noqa: PLR0124  # a NaN
            yield f"{path} is not at least {rule.get('minimum')}"
        if value > rule.get("maximum", value):
            yield f"{path} is more than {rule['maximum']}"
    if isinstance(value, str):
        if len(value) < rule.get("minLength", 0):
            yield f"{path} is empty"
        if "pattern" in rule and not re.search(rule["pattern"], value):
            yield f"{path} is not of the form {rule['pattern']}"
        if "format" in rule and not _is_readable(value, rule["format"]):
            yield f"{path} is no {rule['format']}"


def _is_readable(value: str, form: str) -> bool:
    try:
        _FORMATS[form](value)
    except ValueError:
        return False
    return True


def _of_object(value: Mapping[str, Any], rule: Mapping[str, Any], path: str) -> Iterator[str]:
    yield from (f"{path} lacks {name}" for name in rule.get("required", ()) if name not in value)
    known, others = rule.get("properties", {}), rule.get("additionalProperties", {})
    for name, each in value.items():
        yield from _faults(name, rule.get("propertyNames", {}), f"a name in {path}")
        if name in known:
            yield from _faults(each, known[name], f"{path}.{name}")
        elif others is False:
            yield f"{path} holds something that no report has"
        else:
            yield from _faults(each, others, f"a value of {path}")


def _of_list(value: list[Any], rule: Mapping[str, Any], path: str) -> Iterator[str]:
    if len(value) < rule.get("minItems", 0):
        yield f"{path} is too short"
    if rule.get("uniqueItems") and len({json.dumps(each, sort_keys=True) for each in value}) < len(value):
        yield f"{path} holds something twice"
    for number, each in enumerate(value):
        yield from _faults(each, rule.get("items", {}), f"{path}[{number}]")


def _of_alternatives(value: Any, rule: Mapping[str, Any], path: str) -> Iterator[str]:
    ways = rule.get("oneOf", ())
    if ways and sum(not any(_faults(value, way, path)) for way in ways) != 1:
        yield f"{path} is not one of the things that it may be"
    if "if" in rule:
        is_so = not any(_faults(value, rule["if"], path))
        yield from _faults(value, rule.get("then" if is_so else "else", {}), path)


def _is_same(value: Any, other: Any) -> bool:
    """Tell whether two values are one in JSON, where true is no number."""
    return bool(value == other) and isinstance(value, bool) == isinstance(other, bool)
