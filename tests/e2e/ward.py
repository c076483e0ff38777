"""A ward of four days, judged day by day, the last one by rules of the hospital's own."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from e2e.command import run_hops
from e2e.deliveries import HOSTILE, csv_text, visit
from e2e.desk import Desk, lay_out

TRIAGE, SHORT = "encounters.triage_level.complete", "stay.short"
# Of 24 visits a day, so many come without a triage level; the rule wants 80 %.
MISSING = {2: 0, 5: 12, 8: 3, 14: 12}
LAST_DELIVERY = "visits-000004"
BY = ("--by", "Ana Souza", "--reason", "seen in the [bold]chart[/bold] <b>")
RULES = f"""
Rules = [
    Completeness "triage_level" >= 0.80
        labels=["id"="{TRIAGE}", "severity"="warn", "needs"="triage_level", "reason"="{HOSTILE}",
                "next_step"="Write to {HOSTILE}"],
    ColumnValues "los_min" <= 600 where "los_min is not null and sector_id <> '{HOSTILE.replace("'", "")}'"
        labels=["id"="{SHORT}", "severity"="warn", "on_failure"="quarantine"]
]
"""
NO_ESCAPES = "Rules = [ RowCount >= 0 ]"


def is_inert(text):
    """Tell whether a terminal would show every character, and break lines only where the command did."""
    return all(character.isprintable() or character == "\n" for character in text)


def delivery(day, missing):
    """Return a day's file: 24 visits in two sectors; on the last day two of them stay for twenty hours."""
    start = datetime(2026, 3, day, 0, 5)  # noqa: DTZ001  # the hospital's wall clock
    rows = []
    for hour in range(24):
        arrival = start + timedelta(minutes=50 * hour)
        different = {"level": ""} if hour < missing else {}
        if day == max(MISSING) and hour in (20, 21):
            different |= {"left": (arrival + timedelta(hours=20)).isoformat()}
        rows.append(visit(day * 100 + hour, arrival, **different))
    return csv_text(rows)


def load_ward(folder: Path) -> Desk:
    """Load the days one by one."""
    desk = lay_out(folder, folder / "state")
    rules = desk.write("silver.encounters.dqdl", RULES)
    for day, missing in MISSING.items():
        file = desk.write(f"visits {day:02}.csv", delivery(day, missing))
        if day == max(MISSING):
            adopted = run_hops("dq", "rules", "adopt", rules, *BY, "--state", desk.state)
            assert adopted.exit_code == 0, adopted.err
        as_of = f"2026-03-{day + 1:02}T12:00:00-03:00"
        options = ("--feed", desk.feed, "--site", desk.site, "--state", desk.state, "--as-of", as_of)
        outcome = run_hops("load", file, *options)
        assert outcome.exit_code == 0, outcome.err
    return desk
