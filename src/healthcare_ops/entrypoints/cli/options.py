"""Options that many commands share."""

from __future__ import annotations

import shlex
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from healthcare_ops.core.language import Language

if TYPE_CHECKING:
    from healthcare_ops.adapters.local_objects import LocalObjects
    from healthcare_ops.core.clock import Clock

State = Annotated[Path, typer.Option("--state", envvar="HOPS_STATE", help="State directory.", show_default=True)]
DEFAULT_STATE = Path(".hops")
YEARS = range(1900, 2301)
LOG_LEVELS = ("debug", "info", "warning", "error", "critical")
DEFAULT_LOG_LEVEL = "critical"  # a failed command tells so itself
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Run = Annotated[
    str, typer.Argument(help="Id of a run, as much of it as no other run has, or `last`.", show_default=False)
]
Lang = Annotated[
    Language, typer.Option("--lang", help="Language of what people read; one JSON document is always in English.")
]
By = Annotated[str, typer.Option("--by", help="Who decides: a person's name.", show_default=False)]
Why = Annotated[str, typer.Option("--reason", help="Why, for whoever reads it later.", show_default=False)]
AsOf = Annotated[
    str,
    typer.Option("--as-of", metavar="INSTANT", help="Pretend that now is this instant (ISO 8601 with offset)."),
]


def where(state: Path) -> str:
    """Return what a printed command adds to name the state directory; empty for the usual one."""
    return "" if state == DEFAULT_STATE else f" --state {shlex.quote(str(state))}"


def objects_of(state: Path) -> LocalObjects:
    """Return the objects of a state directory; `NotFoundError` if it is none."""
    from healthcare_ops.adapters.local_objects import LocalObjects
    from healthcare_ops.bootstrap.configuration import require_state

    require_state(state)
    return LocalObjects(state)


def clock_at(as_of: str) -> Clock:
    """Return the clock that `--as-of` asks for; the system's if it is empty."""
    from healthcare_ops.core.clock import AsOfClock, SystemClock

    found = instant(as_of)
    return AsOfClock(found) if found else SystemClock()


def instant(text: str, option: str = "--as-of") -> datetime | None:
    """Return the instant that an option gives, None if it is empty."""
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r}: {error}; write 2017-12-31T23:00:00+01:00.", param_hint=option) from error
    if found.tzinfo is None:
        what = f"{text!r}: it has no time zone; write 2017-12-31T23:00:00+01:00."
        raise typer.BadParameter(what, param_hint=option)
    _require_century(found.date(), text, option)
    return found


def day(text: str, option: str) -> date:
    """Return the day that an option gives."""
    try:
        found = date.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not a day; write 2017-12-31.", param_hint=option) from error
    _require_century(found, text, option)
    return found


def _require_century(found: date, text: str, option: str) -> None:
    """Refuse what calendars, and reckoning with days before and after, cannot reach."""
    if found.year not in YEARS:
        raise typer.BadParameter(f"{text!r} is not of the years {YEARS[0]} to {YEARS[-1]}.", param_hint=option)
