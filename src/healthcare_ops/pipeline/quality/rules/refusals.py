"""What the compiler says of a rule that it cannot judge."""

from __future__ import annotations


class NotCompilableError(Exception):
    """A rule of the language that this product cannot judge; the message says what stands in the way."""


class SqlRefusedError(NotCompilableError):
    """An SQL text is not one that a rule may hold; the message says why."""


class NoHistoryError(Exception):
    """A condition needs what the rule measured before, and it has not measured often enough."""
