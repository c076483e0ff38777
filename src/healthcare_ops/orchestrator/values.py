"""JSON values: their kinds, equality, text and size."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

Json = Any
MAX_PAYLOAD_BYTES = 262_144


def is_number(value: Json) -> bool:
    """Tell whether the value is a JSON number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_integer(value: Json) -> bool:
    """Tell whether the value is a whole number."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_same(left: Json, right: Json) -> bool:
    """Tell whether two values are equal as JSON: numbers by value, true never 1."""
    if is_number(left) and is_number(right):
        return bool(left == right)
    if type(left) is not type(right):
        return False
    if isinstance(left, list):
        return len(left) == len(right) and all(map(is_same, left, right))
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(is_same(value, right[key]) for key, value in left.items())
    return bool(left == right)


def text_of(value: Json) -> str:
    """Return the value as JSON without spaces, as the service writes it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def is_too_large(value: Json) -> bool:
    """Tell whether the value exceeds what the service passes from state to state."""
    return len(text_of(value).encode("utf-8", "surrogatepass")) > MAX_PAYLOAD_BYTES


def read_json(text: str, *, is_strict: bool = False) -> Json:
    """Return the document; `ValueError` if it is not JSON, which knows neither NaN nor infinity.

    Strictly read, a name that stands twice in one object is an error as well.
    """
    hook = _unique if is_strict else None
    return json.loads(text, parse_constant=_refuse, parse_float=_finite, object_pairs_hook=hook)


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    document = dict(pairs)
    if len(document) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} stands twice in one object")
    return document


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number of JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"{digits} is beyond what a number can be")
    return number
