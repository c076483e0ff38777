"""The findings that people answer for, as the audit log tells of them: it is the only place where they are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from healthcare_ops.core.errors import ConfigError
from healthcare_ops.jobs.audit_log import LOOK, Entry, entries, entry_key
from healthcare_ops.pipeline.quality.report.acceptance import Acceptance, Seen
from healthcare_ops.ports import ObjectStore

ACCEPT, WITHDRAW = "dq.accept", "dq.withdraw"


def acceptances(objects: ObjectStore) -> list[Acceptance]:
    """Return what is accepted now; of a finding and its day, or file, the newest entry counts.

    Raises
    ------
    ConfigError
        If an entry of the audit log can no longer be read.
    """
    told = newest_of_each(objects)
    return [
        Acceptance(rule_id, seen, entry.who, datetime.fromisoformat(entry.at), entry.reason, entry.number)
        for (rule_id, of), entry in told.items()
        if entry.action == ACCEPT
        for seen in _seen(entry)
        if seen.of == of
    ]


def newest_of_each(objects: ObjectStore) -> dict[tuple[str, str], Entry]:
    """Return the newest entry about each finding and its day, or file: it was accepted, or that was taken back."""
    return {
        (str(entry.details["rule"]), seen.of): entry
        for entry in entries(objects)
        if entry.action in (ACCEPT, WITHDRAW)
        for seen in _seen(entry)
    }


def details_of(rule_id: str, seen: Sequence[Seen]) -> Mapping[str, Any]:
    """Return what the audit log keeps of findings of one name."""
    return {
        "rule": rule_id,
        "of": ", ".join(dict.fromkeys(one.of for one in seen)),
        "findings": [asdict(one) for one in seen],
    }


def _seen(entry: Entry) -> list[Seen]:
    try:
        found = [Seen(**row) for row in entry.details["findings"]]
        if not isinstance(entry.details["rule"], str) or not all(map(_is_whole, found)):
            raise TypeError("a value is of another kind")
        return found
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f"the audit log is not whole: {entry_key(entry.number)} does not tell what was accepted.", next_step=LOOK
        ) from error


def _is_whole(seen: Seen) -> bool:
    """Tell whether all values are of their kinds; `ValueError` if hours are not such as the product writes."""
    hours = [seen.start, seen.end] if seen.start or seen.end else []
    texts, numbers = (seen.of, seen.what, seen.verdict, *hours), (seen.share, seen.gap)
    if not all(isinstance(text, str) for text in texts) or not isinstance(seen.is_over, bool):
        return False
    civil = all(datetime.fromisoformat(text).tzinfo is None for text in hours)
    return civil and all(isinstance(number, int | float) for number in numbers)
