"""A text of rules without the one that is at fault, so that the others are looked at as well."""

from __future__ import annotations

import re
from itertools import pairwise

# What people write as 0,95 is one number, if a wrong one.
_PARTS = re.compile(r'"(?:\\.|[^"\\])*"|#[^\n]*|\d,\d|[\[\](){},]')


def without_rule(text: str, line: int, column: int) -> str | None:
    """Return the text with blanks in the place of the rule or analyzer that stands there; null if there is no other.

    So positions of the others stay. A rule is what stands between two commas of a list, or between its end and one.

    Parameters
    ----------
    line, column
        A place in the rule, from 1.
    """
    lines = text.split("\n")
    if line > len(lines):
        return None
    at = sum(len(one) + 1 for one in lines[: line - 1]) + column - 1
    for edges in _lists(text):
        for number, (start, end) in enumerate(pairwise(edges)):
            if start < at <= end:
                return _blanked(text, edges, number)
    return None


def _blanked(text: str, edges: list[int], number: int) -> str | None:
    """Return the text without one of a list's rules, and without the comma after it, or before it if it is the last."""
    rules = len(edges) - 1
    if rules < 2:
        return None
    is_last = number == rules - 1
    start, end = (edges[number], edges[number + 1]) if is_last else (edges[number] + 1, edges[number + 1] + 1)
    gap = "".join(sign if sign == "\n" else " " for sign in text[start:end])
    return text[:start] + gap + text[end:]


def _lists(text: str) -> list[list[int]]:
    """Return of each list of the outermost brackets that ends where its bracket, its commas and its end stand."""
    found: list[list[int]] = []
    depth = 0
    for part in _PARTS.finditer(text):
        sign, at = part[0], part.start()
        if sign in ("[", "(", "{"):
            depth += 1
            if depth == 1:
                found.append([at])
        elif sign in ("]", ")", "}"):
            depth -= 1
            if depth == 0 and found:
                found[-1].append(at)
        elif sign == "," and depth == 1:
            found[-1].append(at)
    return found if depth == 0 else found[:-1]
