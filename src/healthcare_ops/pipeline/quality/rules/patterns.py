"""Regular expressions that every engine reads alike."""

from __future__ import annotations

import re

from healthcare_ops.pipeline.quality.rules.refusals import NotCompilableError

# Engines' own regular expressions differ in these; the rest is read alike by RE2 (DuckDB) and Java (Spark): groups
# but (?: and flags, references and rarer escapes, possessive repeats and those of more than a thousand, braces that
# stand for themselves, classes within classes.
_NOT_ALIKE = re.compile(
    r"\(\?(?!:|[ims]+[:)])|\\[0-9ABCGHKNPQRUVXZhkpuvz]|[*+?}]\+|\{(?:[0-9]*,)?[0-9]{4,}|(?<!\\)\{(?![0-9]+(?:,[0-9]*)?\})|\[[^\]]*(?:\[|&&|\\b)"
)


def require_plain_regex(pattern: str) -> None:
    """Raise `NotCompilableError` for a pattern that is no regular expression, or not the same one to every engine."""
    if found := _NOT_ALIKE.search(pattern):
        raise NotCompilableError(f"{found.group()!r} in a regular expression is not read alike by every engine")
    try:
        re.compile(pattern)
    except re.error as error:
        raise NotCompilableError(f"{pattern!r} is not a regular expression: {error}") from error
