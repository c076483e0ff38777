"""The terminal as a place that only shows: no text of the data is obeyed, whatever it holds."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from healthcare_ops.entrypoints.cli.output import inert


class Terminal(Console):
    """Rich's console without markup, emoji codes and control characters in what it is given to print."""

    def __init__(self, *, stderr: bool = False, width: int | None = None) -> None:
        super().__init__(stderr=stderr, width=width, markup=False, emoji=False, highlight=False)

    def render_str(self, text: str, **options: Any) -> Text:
        """Return the text, inert."""
        return super().render_str(inert(text), **options)
