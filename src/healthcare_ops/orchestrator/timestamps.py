"""Timestamps as the language writes them: RFC 3339 with a capital `T` and a capital `Z` or an offset."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

_FORM = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)", re.ASCII)


def instant(value: Any) -> Fraction | None:
    """Return the seconds since 1970-01-01T00:00:00Z, exact to the last digit; None if it is no timestamp."""
    match = _FORM.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return None
    whole, fraction, zone = match.groups()
    try:
        moment = datetime.fromisoformat(f"{whole}{'+00:00' if zone == 'Z' else zone}")
        seconds = Fraction(round((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()))
    except (ValueError, OverflowError):
        return None
    return seconds + (Fraction(int(fraction), 10 ** len(fraction)) if fraction else 0)


def written(moment: datetime) -> str:
    """Return the instant as the context object shows it: UTC, to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
