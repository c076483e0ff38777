"""Which columns of a delivered file a feed's mapping reads, and whether they are there."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Sequence

from healthcare_ops.core.errors import DataError
from healthcare_ops.core.feed import Feed
from healthcare_ops.core.reasons import FileFault

RECORD_NO = "record_no"
_SHOWN = 40


def source_columns(feed: Feed) -> tuple[str, ...]:
    """Return every column of the delivered file that the feed's mapping reads, in order of first use."""
    named: list[str] = []
    for column in feed.columns:
        named += _read_by(feed, column)
    if feed.lifecycle_column:
        named.append(feed.lifecycle_column)
    return tuple(dict.fromkeys(named))


def required_source_columns(feed: Feed) -> tuple[str, ...]:
    """Return those without which no record of the feed can be used."""
    named = [name for column in feed.required_columns for name in _read_by(feed, column)]
    if feed.lifecycle_column:
        named.append(feed.lifecycle_column)
    return tuple(dict.fromkeys(named))


def check_header(file_name: str, feed: Feed, present: Sequence[str]) -> None:
    """Raise `DataError` if a column stands twice in the header, or a mapped one is not in it.

    As `check_present` has it, nothing is shown of what may be no header.
    """
    repeated = [name for name, count in Counter(present).items() if count > 1]
    if repeated and set(present) & set(source_columns(feed)):
        raise DataError(
            f"{file_name}: column {repeated[0]!r} stands twice in the header.",
            next_step="Ask the supplier to rename one.",
            fault=FileFault.FILE_HEADER_UNUSABLE,
            line=1,
        )
    check_present(file_name, feed, source_columns(feed), present)


def check_present(file_name: str, feed: Feed, needed: Iterable[str], present: Sequence[str]) -> None:
    """Raise `DataError` if the file lacks one of the needed columns, suggesting the nearest it has.

    Without any of the feed's columns there may be no header: what stands in its place is not shown.
    """
    missing = [name for name in needed if name not in present]
    if not missing:
        return
    nearest, hint = _nearest(missing[0], present), ""
    if set(present) & set(source_columns(feed)):
        hint = f" (nearest: {nearest!r})" if nearest else ""
        shown = "; it has: " + ", ".join(present[:_SHOWN]) + (", …." if len(present) > _SHOWN else ".")
    else:  # a file without a header: its first record would be shown, and whose it is
        shown = ", nor any other that it maps: is its first line a header?"
    raise DataError(
        f"{file_name} has no column {missing[0]!r}{hint}, which feed {feed.feed_id} maps{shown}",
        next_step="Correct `columns`, `delimiter` or `encoding` in the feed file, or ask the supplier.",
        fault=FileFault.FILE_COLUMN_UNUSABLE,
    )


def _read_by(feed: Feed, column: str) -> list[str]:
    source = feed.source(column)
    if source is None:
        return []
    return [*([source.column] if source.column else []), *source.when]


def _nearest(name: str, present: Sequence[str]) -> str | None:
    plain = {other.strip().casefold(): other for other in present}
    found = difflib.get_close_matches(name.strip().casefold(), plain, n=1)
    return plain[found[0]] if found else None
