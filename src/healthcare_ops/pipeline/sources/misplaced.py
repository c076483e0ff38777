"""Identifiers that a source writes where a place, a code or a time belongs: their text stays in raw."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from healthcare_ops.core.feed import IDENTIFIERS, Feed
from healthcare_ops.core.reasons import WITHHELD
from healthcare_ops.core.tables import ENCOUNTER_TIMES

_PLACES = ("sector", "transfer_sector", "bed")
_CODES = (*_PLACES, "triage_level", "disposition", "event_type")
_TIMES = (*ENCOUNTER_TIMES, "event_time", "version_time")
# A shorter number is as likely that of a bed; of a form alone more must be there: rooms have four digits, too. Letters
# that times have are those of "T", "Z", "AM" and "PM".
_LEAST_DIGITS, _LEAST_DIGITS_ALONE = 4, 6
# A time as most write it has no room for an identifier; others are looked at one by one. Some number their patients by
# the time at which they came: such a number in a time is the time.
_WITHOUT_ROOM = (
    r"^\s*\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}"  # the day
    r"([T ]\d{1,2}(:\d{2}){1,2}([.,]\d{1,9})?)?"
    r"\s?(Z|[AaPp][Mm]|[+-]\d{2}(:?\d{2})?)?\s*$"
)
_NUMBERED_BY_DAY = re.compile(r"(19|20)\d{2}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])\d{0,9}")
_EPOCH = re.compile(r"1\d{9}(\d{3})?")
_LONG, _LETTER = r"\D|\d{4}", r"[b-lnoqrsu-y]"


def without_identifiers(columns: Mapping[str, Any], feed: Feed) -> dict[str, Any]:
    """Return the columns with `WITHHELD` in place of each text that looks like an identifier of its record.

    A text does if it is one of the record's own identifiers, whatever its case; where a place or a code belongs, also
    if it has four digits and one of them in it, whatever the signs between; where a place belongs, also if it is of the
    form of one of them (letters, digits and signs as there; of digits alone it takes six). Codes that the feed file
    names, and what is constant there, are no such. Of a bed `bed_pattern` says which texts are some: every other is
    withheld. A time does if a number of six digits or more among them stands in it and is none of the time itself.

    Parameters
    ----------
    columns
        Platform columns as text, the identifiers as delivered.
    """
    ids = [columns[name] for name in IDENTIFIERS if name in columns and name in feed.columns]
    bare = [_bare(column) for column in ids]
    found = dict(columns)
    for name in (*_CODES, *_TIMES):
        source = feed.source(name)
        if source is not None and source.column is not None:
            is_it = _is_own(name, columns[name], bare)
            if name in _CODES:
                is_it = _among_codes(name, columns[name], ids, is_it, feed)
            else:
                is_it = pc.or_(is_it, _in_times(columns[name], ids))
            found[name] = pc.if_else(is_it, pa.scalar(WITHHELD, pa.string()), columns[name])
    return found


def _bare(texts: Any) -> Any:
    return pc.utf8_lower(pc.utf8_trim_whitespace(texts))


def _is_own(name: str, texts: Any, ids: Sequence[Any]) -> Any:
    """Tell whether each text is one of its record's identifiers; a short number is as likely a bed's or a level."""
    told = _bare(texts)
    has_form = pc.match_substring_regex(told, _LETTER if name in _TIMES else _LONG)
    found = pa.array(np.zeros(len(texts), dtype=bool))
    for own in ids:
        found = pc.or_(found, pc.fill_null(pc.and_(pc.equal(told, own), has_form), False))
    return found


def _among_codes(name: str, texts: Any, ids: Sequence[Any], is_own: Any, feed: Feed) -> Any:
    """Tell the same of codes, few of which are looked at one by one: those with digits enough to say whose they are."""
    encoded = texts.dictionary_encode()
    distinct = encoded.dictionary.to_pylist()
    is_named, is_foreign = ([tells(name, text, feed) for text in distinct] for tells in (_is_named, _is_foreign))
    may_be = [not named and _digits(text) >= _LEAST_DIGITS for named, text in zip(is_named, distinct, strict=True)]
    found = pc.and_(is_own, pc.invert(_by_record(is_named, encoded.indices)))
    suspects = pc.indices_nonzero(_by_record(may_be, encoded.indices))
    told = [column.take(suspects).to_pylist() for column in (texts, *ids)]
    is_it = np.zeros(len(texts), dtype=bool)
    is_it[suspects.to_numpy()] = [_tells(name, text, own) for text, *own in zip(*told, strict=True)]
    return pc.or_(pc.or_(found, pa.array(is_it)), _by_record(is_foreign, encoded.indices))


def _in_times(texts: Any, ids: Sequence[Any]) -> Any:
    """Tell whether a text of a time has an identifier of its record in it."""
    may_be = pc.fill_null(pc.invert(pc.match_substring_regex(texts, _WITHOUT_ROOM)), False)
    suspects = pc.indices_nonzero(may_be)
    told = [column.take(suspects).to_pylist() for column in (texts, *ids)]
    is_it = np.zeros(len(texts), dtype=bool)
    is_it[suspects.to_numpy()] = [
        any(_is_in_time(text, own) for own in of if own) for text, *of in zip(*told, strict=True)
    ]
    return pa.array(is_it)


def _is_in_time(text: str, own: str) -> bool:
    bare, told = _plain(own), _plain(text)
    is_time = _NUMBERED_BY_DAY.fullmatch(bare) or (told == bare and _EPOCH.fullmatch(bare))
    return _digits(own) >= _LEAST_DIGITS_ALONE and not is_time and bare in told


def _by_record(flags: Sequence[bool], indices: Any) -> Any:
    return pc.fill_null(pa.array(flags, pa.bool_()).take(indices), False)


def _is_named(name: str, text: str, feed: Feed) -> bool:
    if name == "bed":
        return feed.bed_pattern is not None and not _is_foreign(name, text, feed)
    return text.strip() in getattr(feed.values, "sector" if name == "transfer_sector" else name)


def _is_foreign(name: str, text: str, feed: Feed) -> bool:
    pattern = feed.bed_pattern if name == "bed" else None
    return pattern is not None and bool(text.strip()) and re.fullmatch(pattern, text.strip()) is None


def _tells(name: str, text: str, ids: Sequence[str | None]) -> bool:
    return any(_has_in_it(text, own) or (name in _PLACES and _is_of_form(text, own)) for own in ids if own)


def _has_in_it(text: str, own: str) -> bool:
    return _digits(own) >= _LEAST_DIGITS and _plain(own) in _plain(text)


def _is_of_form(text: str, own: str) -> bool:
    least = _LEAST_DIGITS_ALONE if _plain(text).isdigit() else _LEAST_DIGITS
    return _digits(text) >= least and _form(text) == _form(own)


def _digits(text: str) -> int:
    return sum(map(str.isdigit, text))


def _plain(text: str) -> str:
    return "".join(filter(str.isalnum, text)).casefold()


def _form(text: str) -> str:
    return "".join("#" if sign.isdigit() else "a" if sign.isalpha() else sign for sign in text.strip())
