"""The intrinsic functions of the language, each a function of JSON values."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import math
import random
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from healthcare_ops.orchestrator.values import Json, is_integer, is_number, is_same, read_json, text_of

MAX_ARRAY = 1_000
MAX_TEXT = 10_000
_INTEGERS = range(-(2**31), 2**31)
_ALGORITHMS = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512"}

Chance = Callable[[], float]


class FunctionFault(Exception):
    """A function cannot make a result of what it was given."""


@dataclass(frozen=True)
class Function:
    """An intrinsic function: what it does and how many arguments it takes (no most: any number)."""

    run: Callable[..., Json]
    least: int
    most: int | None
    needs_chance: bool = False


def split_template(template: str) -> list[str]:
    r"""Return the texts around each `{}`; a backslash makes `\{`, `\}`, `\'` and `\\` literal."""
    parts, position = [""], 0
    while position < len(template):
        pair = template[position : position + 2]
        if pair == "{}":
            parts.append("")
            position += 2
        elif pair[0] == "\\" and pair[1:] and pair[1] in "'{}\\":
            parts[-1] += pair[1]
            position += 2
        elif pair[0] in "{}\\":
            raise FunctionFault(f"{pair[0]} must be written \\{pair[0]} in {template!r}")
        else:
            parts[-1] += pair[0]
            position += 1
    return parts


def _format(template: Json, *values: Json) -> Json:
    parts = split_template(_text(template))
    if len(values) != len(parts) - 1:
        raise FunctionFault(f"{len(parts) - 1} placeholders for {len(values)} values")
    return parts[0] + "".join(_shown(value) + part for value, part in zip(values, parts[1:], strict=True))


def _shown(value: Json) -> str:
    """Return the value as the service's Format writes it: arrays and objects as Java does."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return f"[{', '.join(map(_shown, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}={_shown(item)}' for key, item in value.items())}}}"
    return text_of(value)


def _string_to_json(text: Json) -> Json:
    try:
        return read_json(_text(text))
    except (ValueError, RecursionError) as error:
        raise FunctionFault(f"this is not JSON: {error}") from error


def _array_partition(array: Json, size: Json) -> Json:
    items, step = _array(array), _whole(size)
    if step <= 0:
        raise FunctionFault(f"the size of a part, {step}, must be above 0")
    return [items[start : start + step] for start in range(0, len(items), step)]


def _array_range(first: Json, last: Json, step: Json) -> Json:
    start, end, by = _whole(first), _whole(last), _whole(step)
    if by == 0:
        raise FunctionFault("the step must not be 0")
    numbers = range(start, end + (1 if by > 0 else -1), by)
    if len(numbers) > MAX_ARRAY:
        raise FunctionFault(f"{len(numbers)} elements are more than {MAX_ARRAY}")
    return list(numbers)


def _array_get_item(array: Json, index: Json) -> Json:
    items = _array(array)
    if not is_integer(index) or not 0 <= index < len(items):
        raise FunctionFault(f"{text_of(index)} is not an index of an array of {len(items)}")
    return items[index]


def _array_unique(array: Json) -> Json:
    unique: list[Json] = []
    for item in _array(array):
        if not any(is_same(item, seen) for seen in unique):
            unique.append(item)
    return unique


def _base64_encode(text: Json) -> Json:
    return base64.b64encode(_short(text).encode()).decode()


def _base64_decode(text: Json) -> Json:
    try:
        return base64.b64decode(_short(text), validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise FunctionFault(f"this is not Base64 of a text: {error}") from error


def _hash(text: Json, algorithm: Json) -> Json:
    if algorithm not in _ALGORITHMS:
        raise FunctionFault(f"{text_of(algorithm)} is none of {', '.join(_ALGORITHMS)}")
    return hashlib.new(_ALGORITHMS[algorithm], _short(text).encode(), usedforsecurity=False).hexdigest()


def _json_merge(first: Json, second: Json, is_deep: Json) -> Json:
    if is_deep is not False:
        raise FunctionFault("only shallow merging is possible: the third argument must be false")
    if not isinstance(first, dict) or not isinstance(second, dict):
        raise FunctionFault("only objects can be merged")
    return first | second


def _math_random(first: Json, end: Json, *seed: Json, chance: Chance) -> Json:
    """Return a number from the first one on, below the end."""
    low, high = _whole(first), _whole(end)
    if low >= high:
        raise FunctionFault(f"there is no number from {low} on below {high}")
    # The numbers are no secrets.
    share = random.Random(_whole(seed[0])).random() if seed else chance()  # noqa: S311
    return min(low + math.floor(share * (high - low)), high - 1)


def _string_split(text: Json, delimiters: Json) -> Json:
    """Split at each character of the delimiters; empty parts are dropped, as the service does."""
    characters = "|".join(map(re.escape, _text(delimiters)))
    parts = re.split(characters, _text(text)) if characters else [_text(text)]
    return [part for part in parts if part]


def _uuid(*, chance: Chance) -> Json:
    number = 0
    for _ in range(4):
        number = number << 32 | math.floor(chance() * 2**32) & 0xFFFFFFFF
    return str(uuid.UUID(int=number, version=4))


def _text(value: Json) -> str:
    if not isinstance(value, str):
        raise FunctionFault(f"{_kind(value)} stands where a string must")
    return value


def _short(value: Json) -> str:
    text = _text(value)
    if len(text) > MAX_TEXT:
        raise FunctionFault(f"{len(text)} characters are more than {MAX_TEXT}")
    return text


def _array(value: Json) -> list[Json]:
    if not isinstance(value, list):
        raise FunctionFault(f"{_kind(value)} stands where an array must")
    return value


def _whole(value: Json) -> int:
    """Return the nearest whole number, halves up, as the service rounds."""
    if not is_number(value):
        raise FunctionFault(f"{_kind(value)} stands where a number must")
    whole = value if isinstance(value, int) else math.floor(value + 0.5)
    if whole not in _INTEGERS:
        raise FunctionFault(f"{whole} is not within 32 bits")
    return whole


def _kind(value: Json) -> str:
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    names: Mapping[Any, str] = {str: "a string", list: "an array", dict: "an object", int: "a number"}
    return names.get(type(value), "a number")


def run(name: str, arguments: Sequence[Json], chance: Chance) -> Json:
    """Return what the function makes of the arguments; `FunctionFault` if it cannot."""
    function = FUNCTIONS[name]
    return function.run(*arguments, **({"chance": chance} if function.needs_chance else {}))


FUNCTIONS: Mapping[str, Function] = {
    "States.Format": Function(_format, 1, None),
    "States.StringToJson": Function(_string_to_json, 1, 1),
    "States.JsonToString": Function(text_of, 1, 1),
    "States.Array": Function(lambda *items: list(items), 0, None),
    "States.ArrayPartition": Function(_array_partition, 2, 2),
    "States.ArrayContains": Function(lambda array, item: any(is_same(item, one) for one in _array(array)), 2, 2),
    "States.ArrayRange": Function(_array_range, 3, 3),
    "States.ArrayGetItem": Function(_array_get_item, 2, 2),
    "States.ArrayLength": Function(lambda array: len(_array(array)), 1, 1),
    "States.ArrayUnique": Function(_array_unique, 1, 1),
    "States.Base64Encode": Function(_base64_encode, 1, 1),
    "States.Base64Decode": Function(_base64_decode, 1, 1),
    "States.Hash": Function(_hash, 2, 2),
    "States.JsonMerge": Function(_json_merge, 3, 3),
    "States.MathRandom": Function(_math_random, 2, 3, needs_chance=True),
    "States.MathAdd": Function(lambda first, second: _whole(first) + _whole(second), 2, 2),
    "States.StringSplit": Function(_string_split, 2, 2),
    "States.UUID": Function(_uuid, 0, 0, needs_chance=True),
}
