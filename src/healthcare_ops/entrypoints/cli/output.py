"""What commands print: a table for people, one JSON document for machines; progress only on a terminal."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from textwrap import TextWrapper
from typing import TYPE_CHECKING, Any

from healthcare_ops.core.language import Language, as_written

if TYPE_CHECKING:
    from rich.console import Console

SCHEMA_VERSION = 1
_FILE_WIDTH = 140
# What JSON may hold as it is and a terminal may obey: control characters, marks that reverse text; and halves of
# surrogate pairs (bytes of a file name that are no UTF-8), which no stream takes.
_UNSAFE_IN_JSON = re.compile("[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")


def emit_json(document: Mapping[str, Any]) -> None:
    """Print one JSON document on stdout."""
    text = json.dumps({"schema_version": SCHEMA_VERSION, **document}, indent=2, ensure_ascii=False, default=str)
    sys.stdout.write(_UNSAFE_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n")


def inert(text: str, keep: str = "") -> str:
    r"""Return the text with each character that is not printable written out, such as `\x1b`, but for those to keep."""
    return "".join(c if c.isprintable() or c in keep else c.encode("unicode_escape").decode() for c in text)


def console() -> Console:
    """Return the console for results: stdout, plain where it is not a terminal."""
    from healthcare_ops.entrypoints.cli.terminal import Terminal

    # Redirected output has no width of its own: wide enough that no table breaks its words.
    return Terminal(width=None if sys.stdout.isatty() else _FILE_WIDTH)


def print_hanging(line: str, *, inset: int = 0) -> None:
    """Print a line, so far from the left, and what of it the width does not hold four columns further in."""
    out, before = console(), " " * inset
    # Names of rules and files are not torn.
    shape = TextWrapper(out.width, before, f"{before}    ", break_on_hyphens=False, break_long_words=False)
    for part in shape.wrap(inert(line)):
        out.print(part, soft_wrap=True)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], language: Language = "en") -> Any:
    """Return a titled table; numbers stand right, nothing of the data is read as markup."""
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=box.SIMPLE_HEAD, header_style="bold")
    materialised = [list(row) for row in rows]
    for number, name in enumerate(columns):
        is_number = bool(materialised) and all(isinstance(row[number], int | float | None) for row in materialised)
        shown.add_column(name, justify="right" if is_number else "left", overflow="fold")
    for row in materialised:
        shown.add_row(*(Text(display(value, language)) for value in row))
    # Not the table's own title, which would break lines at the width of a narrow table.
    return Group(Text(inert(title), style="bold"), shown)


def accounts(feeds: Iterable[Mapping[str, Any]]) -> Any:
    """Return a table of what became of the records of each feed."""
    from healthcare_ops.core.tables import ACCOUNT

    whole, *parts = ACCOUNT
    rows = [[feed["feed_id"], *(feed[fate] for fate in ACCOUNT)] for feed in feeds]
    return table(f"Records: {whole} = {' + '.join(parts)}", ["feed", *ACCOUNT], rows)


def display(value: Any, language: Language = "en") -> str:
    """Return a value as people read it: thousands apart, two decimals, a dash for null."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return as_written(f"{value:,}", language)
    if isinstance(value, float):
        return as_written(f"{value:,.2f}", language)
    return inert(str(value), keep="\n")


@contextmanager
def steps(title: str, total: int | None = None) -> Iterator[Callable[[str], None]]:
    """Yield what begins the next step by its name; a progress bar on stderr, if that is a terminal, shows it."""
    if not sys.stderr.isatty():
        yield lambda name: None
        return
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from healthcare_ops.entrypoints.cli.terminal import Terminal

    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Terminal(stderr=True), transient=True) as progress:
        task = progress.add_task(title, total=total)
        started = False

        def advance(name: str) -> None:
            nonlocal started
            progress.update(task, description=f"{title}: {inert(name)}", advance=1 if started else 0)
            started = True

        yield advance
