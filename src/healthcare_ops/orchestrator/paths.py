"""The reference paths of the Amazon States Language: `$`, `$.a.b[0]`, `$['a b']` and the context `$$`."""

from __future__ import annotations

import copy
import re
from typing import Any

Json = Any

_STEP = re.compile(r"\.([A-Za-z_][\w-]*)|\[(\d+)\]|\['([^']*)'\]")


class PathError(Exception):
    """A path that is not one, or that leads nowhere in its document."""


def parse(path: str) -> tuple[str | int, ...]:
    """Return the steps of a reference path (`$` or `$$` first); `PathError` if it is something else."""
    text = path.removeprefix("$$") if path.startswith("$$") else path.removeprefix("$")
    if not path.startswith("$"):
        raise PathError(f"{path!r} does not start with $")
    steps: list[str | int] = []
    position = 0
    while position < len(text):
        match = _STEP.match(text, position)
        if match is None:
            raise PathError(f"{path!r} is not a reference path: {text[position:]!r}")
        name, index, quoted = match.groups()
        steps.append(int(index) if index is not None else name or quoted)
        position = match.end()
    return tuple(steps)


def get(path: str, document: Json, context: Json) -> Json:
    """Return what the path leads to; `PathError` where there is nothing."""
    value = context if path.startswith("$$") else document
    for step in parse(path):
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError) as error:
            raise PathError(f"{path} leads nowhere: no {step!r}") from error
    return value


def has(path: str, document: Json, context: Json) -> bool:
    """Tell whether the path leads to something, null included."""
    try:
        get(path, document, context)
    except PathError:
        return False
    return True


def put(path: str | None, document: Json, value: Json) -> Json:
    """Return the document with `value` at the path; null as the path discards the value."""
    if path is None:
        return document
    steps = parse(path)
    if not steps:
        return value
    if not all(isinstance(step, str) for step in steps):
        raise PathError(f"{path} writes into an array")
    result = copy.deepcopy(document) if isinstance(document, dict) else {}
    target = result
    for step in steps[:-1]:
        target = target.setdefault(step, {})
        if not isinstance(target, dict):
            raise PathError(f"{path} writes into something that is not an object")
    target[steps[-1]] = value
    return result


def fill(template: Json, document: Json, context: Json) -> Json:
    """Return a payload template with every `name.$` field replaced by what its path leads to."""
    if isinstance(template, list):
        return [fill(item, document, context) for item in template]
    if not isinstance(template, dict):
        return template
    filled: dict[str, Json] = {}
    for name, value in template.items():
        if name.endswith(".$"):
            filled[name.removesuffix(".$")] = get(value, document, context)
        else:
            filled[name] = fill(value, document, context)
    return filled
