"""Where a state reads and writes: paths into its document and the context `$$`, payload templates, ResultPath."""

from __future__ import annotations

import copy
import random

from healthcare_ops.orchestrator import intrinsics, jsonpath
from healthcare_ops.orchestrator.context import root_of
from healthcare_ops.orchestrator.failures import PARAMETER_PATH, REFERENCE_PATH, RESULT_PATH, RUNTIME, StateFault
from healthcare_ops.orchestrator.functions import Chance
from healthcare_ops.orchestrator.jsonpath import PathError
from healthcare_ops.orchestrator.values import Json, text_of

__all__ = ["PathError", "fill", "get", "has", "parse", "put", "value_of"]


def parse(path: str) -> tuple[str | int, ...]:
    """Return the steps of a Reference Path (`$` or `$$` first); `PathError` if it is something else."""
    steps = jsonpath.parse(path).reference
    if steps is None:
        raise PathError(f"{path!r} is not a reference path")
    return steps


def get(path: str, document: Json, context: Json) -> Json:
    """Return what the path leads to: a value, or an array if it is indefinite; `PathError` where there is nothing."""
    parsed = jsonpath.parse(path)
    try:
        return jsonpath.find(parsed, root_of(parsed, document, context))
    except PathError as error:
        raise PathError(f"{path} leads nowhere: {error}") from error


def has(path: str, document: Json, context: Json) -> bool:
    """Tell whether the path leads to something, null included; an indefinite path to at least one thing."""
    parsed = jsonpath.parse(path)
    try:
        found = jsonpath.find(parsed, root_of(parsed, document, context))
    except PathError:
        return False
    return parsed.is_definite or bool(found)


def put(path: str | None, document: Json, value: Json) -> Json:
    """Return the document with `value` at the path; null as the path discards the value.

    `StateFault` (States.ResultPathMatchFailure) if the document has no place of that kind.
    """
    if path is None:
        return document
    steps = parse(path)
    if not steps:
        return value
    result = target = copy.deepcopy(document)
    for step, following in zip(steps, (*steps[1:], None), strict=True):
        if not _is_place(target, step, may_be_new=not isinstance(following, int)):
            cause = f"Unable to apply ReferencePath {path} to input {text_of(document)}"
            raise StateFault(RESULT_PATH, cause, also=(REFERENCE_PATH,))
        if following is None:
            target[step] = value
        else:
            target = target.setdefault(step, {}) if isinstance(target, dict) else target[step]
    return result


def _is_place(target: Json, step: str | int, *, may_be_new: bool) -> bool:
    """Tell whether something can be put there: into any object, into an array only where something stands."""
    if isinstance(step, int):
        return isinstance(target, list) and step < len(target)
    return isinstance(target, dict) and (may_be_new or step in target)


def fill(template: Json, document: Json, context: Json, chance: Chance = random.random) -> Json:
    """Return a payload template with every `name.$` field replaced by what its path or function yields.

    `StateFault` if one of them yields nothing.
    """
    if isinstance(template, list):
        return [fill(item, document, context, chance) for item in template]
    if not isinstance(template, dict):
        return template
    filled: dict[str, Json] = {}
    for name, value in template.items():
        if name.endswith(".$"):
            filled[name.removesuffix(".$")] = value_of(value, document, context, chance, field=name)
        else:
            filled[name] = fill(value, document, context, chance)
    return filled


def value_of(
    expression: str, document: Json, context: Json, chance: Chance = random.random, *, field: str = ""
) -> Json:
    """Return what a path or an intrinsic function yields; `StateFault` tells of the field that lacks it."""
    if intrinsics.is_call(expression):
        return intrinsics.evaluate(intrinsics.parse(expression), document, context, chance)
    try:
        return get(expression, document, context)
    except PathError as error:
        root = context if expression.startswith("$$") else document
        cause = (
            f"The JSONPath '{expression}' specified for the field '{field}' could not be found in the input "
            f"'{text_of(root)}'"
        )
        raise StateFault(RUNTIME, cause, also=(PARAMETER_PATH,)) from error
