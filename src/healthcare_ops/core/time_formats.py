"""The formats in which feeds write times: `strptime` directives, as one regular expression for every engine."""

from __future__ import annotations

import re

from healthcare_ops.core.errors import ConfigError

ISO = "ISO"
_DIRECTIVES = {
    "Y": ("year", r"(\d{4})"),
    "y": ("year2", r"(\d{2})"),
    "m": ("month", r"(\d{1,2})"),
    "b": ("month_name", r"([A-Za-z]{3})"),
    "d": ("day", r"(\d{1,2})"),
    "H": ("hour", r"([01]?\d|2[0-3])"),
    "I": ("hour12", r"(1[0-2]|0?[1-9])"),
    "p": ("half", r"([AaPp][Mm])"),
    "M": ("minute", r"(\d{2})"),
    "S": ("second", r"(\d{2})"),
    "f": ("fraction", r"(\d{1,6})"),
}


def format_pattern(time_format: str) -> tuple[str, tuple[str, ...]]:
    """Return the regular expression of a strptime format and the parts that its groups hold.

    Raises
    ------
    ConfigError
        If a directive is unknown, the date is incomplete, or an hour of 12 has no %p.
    """
    pattern, names, position = "^", [], 0
    for match in re.finditer(r"%(.)", time_format):
        pattern += re.escape(time_format[position : match.start()]).replace("\\ ", " ")
        if match.group(1) not in _DIRECTIVES:
            raise ConfigError(
                f"times.formats = {time_format!r}: directive %{match.group(1)} is not supported.",
                next_step=f"Use 'ISO' or the directives {' '.join('%' + d for d in _DIRECTIVES)}.",
            )
        name, group = _DIRECTIVES[match.group(1)]
        names.append(name)
        pattern += group
        position = match.end()
    pattern += re.escape(time_format[position:]) + "$"
    if not ({"year", "year2"} & set(names) and {"month", "month_name"} & set(names) and "day" in names):
        raise ConfigError(f"times.formats = {time_format!r} names no full date.", next_step="Give year, month and day.")
    if "hour12" in names and "half" not in names:
        raise ConfigError(f"times.formats = {time_format!r} has %I without %p.", next_step="Add %p, or use %H.")
    return pattern, tuple(names)
