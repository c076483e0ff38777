"""A line of a file as an editor shows it, with a mark at the fault."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from healthcare_ops.entrypoints.cli.output import inert

if TYPE_CHECKING:
    from rich.text import Text

_WIDTH = 70
_BEFORE = 40


def excerpt(text: str, line: int, column: int) -> Text:
    """Return the line with its number, and a caret below the character; of a long line the part around it.

    A fault on a line that holds nothing is shown below the last one that does.

    Parameters
    ----------
    line, column
        From 1; the column may be one behind the line's end.
    """
    from rich.cells import cell_len
    from rich.text import Text

    lines = text.split("\n")
    written = _plain(lines[line - 1])
    begin = max(0, column - 1 - _BEFORE) if len(written) > _WIDTH else 0
    cut = "…" if begin else ""
    rest = "…" if begin + _WIDTH < len(written) else ""
    shown = Text(f"{_above(lines, line)}{_numbered(line)}{cut}{inert(written[begin : begin + _WIDTH])}{rest}\n")
    blanks = " " * cell_len(cut + inert(written[begin : column - 1]))
    return shown.append(f"{'│':>8} {blanks}").append("^", "bold red")


def _above(lines: Sequence[str], line: int) -> str:
    """Return the last line that holds anything, if the given one does not."""
    filled = [number for number in range(1, line) if lines[number - 1].strip()]
    if lines[line - 1].strip() or not filled:
        return ""
    written = _plain(lines[filled[-1] - 1])
    return f"{_numbered(filled[-1])}{inert(written[:_WIDTH])}{'…' if len(written) > _WIDTH else ''}\n"


def _numbered(line: int) -> str:
    return f"{line:>6} │ "


def _plain(line: str) -> str:
    return line.rstrip("\r").replace("\t", " ")
