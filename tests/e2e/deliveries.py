"""A hospital's site file, feed file and deliveries: three days of emergency visits, some of them hostile."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

# What a terminal would obey, what rich reads as markup, what a browser runs, what turns text around.
HOSTILE = "\x1b[31mEvil\x1b]0;owned\x07 [/red] [bold]x <script>alert(1)</script> \x9b2J \u202egnp"
# Afterwards, and after the last of the visits: the tests' now.
NOW = "2026-03-04T12:00:00-03:00"
# When the hospital with a model has it.
TRAINED = "2026-03-25T07:30:00-03:00"

SITE = f"""\
facility_id = "santa-casa"
name = {json.dumps("Santa Casa " + HOSTILE)}
zone = "America/Sao_Paulo"
max_stay_days = 2

[[sectors]]
sector_id = "PS"
name = "Pronto-socorro"
functional_capacity = 10

[[sectors]]
sector_id = "OBS"
name = "Observação"
kind = "other"
functional_capacity = 6
"""

FEED = f"""\
feed_id = "visits"
format = "csv"
shape = "encounters"
zone = "America/Sao_Paulo"

[owner]
name = {json.dumps("IT " + HOSTILE)}
email = "it@hospital.example"

[plausible]
first = 2025-01-01
last = 2027-12-31

[cadence]
every_min = 60
late_after_min = 120

[columns]
encounter_id = "visit"
patient_id = "patient"
version_time = "changed"
arrival_time = "arrival"
care_start = "care"
discharge_time = "left"
sector = "place"
triage_level = "level"
"""

COLUMNS = ("visit", "patient", "changed", "arrival", "care", "left", "place", "level")
# What becomes of the records of `visits()`, as its lines say.
ACCOUNT = {"delivered": 65, "applied": 60, "superseded": 2, "duplicate": 1, "quarantined": 2, "ignored": 0}
REASONS = {"SECTOR_UNKNOWN": 1, "TIME_UNREADABLE": 1}


def changed(text: str, old: str, new: str) -> str:
    """Return the text with one part replaced, which must be there."""
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in the text"
    return text.replace(old, new)


def visit(number: int, arrival: datetime, **different: str) -> dict[str, str]:
    """Return a row of the feed: seen after half an hour, gone after three, told about at the end."""
    return {
        "visit": f"V-{number}",
        "patient": f"PATIENT-{number}",
        "changed": (arrival + timedelta(hours=4)).isoformat(),
        "arrival": arrival.isoformat(),
        "care": (arrival + timedelta(minutes=30)).isoformat(),
        "left": (arrival + timedelta(hours=3)).isoformat(),
        "place": "OBS" if number % 4 == 0 else "PS",
        "level": str(number % 5 + 1),
    } | different


def visits() -> str:
    """Return the file of three days, 1 to 3 March 2026."""
    start = datetime(2026, 3, 1, 0, 5)  # noqa: DTZ001  # the hospital's wall clock
    rows = [visit(number, start + timedelta(minutes=70 * number)) for number in range(60)]
    early = {"changed": "2026-03-01T00:00:00", "left": ""}
    return csv_text(
        [
            *rows,
            rows[7],  # word for word: a duplicate
            rows[8] | early,  # of before the patients left: superseded
            rows[9] | early,
            visit(60, start, place=HOSTILE),
            visit(61, start) | {"arrival": "soon"},
        ]
    )


def month(first: int = 0, last: int = 490) -> str:
    """Return the file of visits of the hospital that has a model, by default of its first 24 days."""
    start = datetime(2026, 3, 1, 0, 5)  # noqa: DTZ001  # the hospital's wall clock
    return csv_text(visit(number, start + timedelta(minutes=70 * number)) for number in range(first, last))


def csv_text(rows: Iterable[dict[str, Any]]) -> str:
    """Return rows as the feed's CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
