"""Regular expressions that every engine reads alike."""

from __future__ import annotations

import re

from healthcare_ops.pipeline.quality.refusals import NotCompilableError

# Engines' own regular expressions differ in these; the rest is read alike by RE2 (DuckDB) and Java (Spark).
_NOT_ALIKE = re.compile(r"\(\?[=!<>]|\\[1-9]|\(\?P?<|[*+?}]\+|\\[ZGkXRhHvVpP]")


def require_plain_regex(pattern: str) -> None:
    """Raise `NotCompilableError` for a pattern that is no regular expression, or not the same one to every engine."""
    if found := _NOT_ALIKE.search(pattern):
        raise NotCompilableError(f"{found.group()!r} in a regular expression is not read alike by every engine")
    try:
        re.compile(pattern)
    except re.error as error:
        raise NotCompilableError(f"{pattern!r} is not a regular expression: {error}") from error
