"""Public extracts that nobody here wrote, loaded with the feed and site files under `examples/`.

What is expected is counted here from the files themselves, by the standard library alone.
"""

from __future__ import annotations

import csv
import gzip
import io
import tomllib
from collections import Counter, defaultdict
from datetime import datetime
from pathlib import Path

import pytest

from e2e.command import contents

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
PUBLIC_DATA = ROOT.parent / "shared" / "data" / "hospital" / "csv_events"
FATES = ("delivered", "applied", "superseded", "duplicate", "quarantined", "ignored")


def public_file(name):
    path = PUBLIC_DATA / name
    if not path.exists():
        pytest.skip(f"needs the public data set {name}, which is not part of the repository")
    return path


def read(path):
    content = path.read_bytes()
    text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode()
    return list(csv.DictReader(io.StringIO(text)))


def codes_of(feed):
    text = (EXAMPLES / "feeds" / f"{feed}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)["values"]["event_type"]


def load_twice(hops, path, feed, site, state):
    """Load a file, then again; return the first document once the second load has changed nothing."""
    feed_file, site_file = EXAMPLES / "feeds" / f"{feed}.toml", EXAMPLES / "sites" / f"{site}.toml"
    first = hops("load", path, "--feed", feed_file, "--site", site_file, "--state", state, "--json")
    assert (first.exit_code, first.err) == (0, "")
    (delivery,) = first.document["files"]
    before = contents(state / "lake"), contents(state / "raw")

    second = hops("load", path, "--feed", feed_file, "--site", site_file, "--state", state, "--json")

    (again,) = second.document["files"]
    assert (second.exit_code, second.err) == (0, "")
    assert again == delivery | {"fate": "delivered before"}
    assert (contents(state / "lake"), contents(state / "raw")) == before
    return first.document


def account_of(document):
    """Return the fates of the one file, which are also those of its feed, and why records are held."""
    (delivery,), (feed,) = document["files"], document["feeds"]
    fates = {fate: delivery[fate] for fate in FATES}
    assert fates == {fate: feed[fate] for fate in FATES}
    assert delivery["delivered"] == sum(delivery[fate] for fate in FATES[1:])
    return fates, delivery["quarantined_by_reason"]


def rows_in(document, table):
    return {size["table"]: size["rows"] for size in document["tables"]}[table]


def dirty_log_account(rows):
    """Return fates and reasons of the dirty log, by the words of its feed file and of the reasons."""
    fates, reasons, visits = Counter(delivered=len(rows)), Counter(), defaultdict(list)
    newest, fates["duplicate"], fates["superseded"] = newest_records(rows, codes_of("daqapo_dirty"))
    for row, kind in newest:
        if kind == "ignore":
            fates["ignored"] += 1
        elif kind is None:
            reasons["EVENT_TYPE_UNKNOWN"] += 1
        elif not row["timestamp"]:
            reasons["EVENT_TIME_MISSING"] += 1
        elif row["triagecode"] not in {"", "1", "2", "3", "4", "5"}:
            reasons["TRIAGE_UNKNOWN"] += 1
        else:
            time = datetime.strptime(row["timestamp"], "%d/%m/%Y %H:%M:%S")  # noqa: DTZ007  # only compared
            visits[row["patient_visit_nr"]].append((kind, time))
    for events in visits.values():
        reason = fault_of_visit(events)
        (reasons if reason else fates)[reason or "applied"] += len(events)
    fates["quarantined"] = sum(reasons.values())
    return {fate: fates[fate] for fate in FATES}, dict(reasons)


def newest_records(rows, codes):
    """Return the record that stands for each event with its kind, and how many others say the same, or differ.

    Of the records of one event the last stands. Who did it, the specialization and the match are not mapped:
    they make no difference.
    """
    newest, duplicates, superseded = {}, 0, 0
    for row in rows:
        code = f"{row['activity']}|{row['event_lifecycle_state']}"
        kind = codes.get(code)
        key = (row["patient_visit_nr"], code if kind in {None, "ignore"} else kind, row["timestamp"])
        if key in newest:
            before, _ = newest[key]
            is_same = all(before[name] == row[name] for name in ("activity", "event_lifecycle_state", "triagecode"))
            duplicates, superseded = duplicates + is_same, superseded + (not is_same)
        newest[key] = (row, kind)
    return newest.values(), duplicates, superseded


def fault_of_visit(events):
    """Return why all of a visit's records are held, if they are: no arrival, or milestones in another order."""
    times = defaultdict(list)
    for kind, time in events:
        times[kind].append(time)
    order = ("arrival", "triage_start", "triage_end", "care_start", "discharge")
    # A milestone's time is the first of it, but the last end of triage and the last discharge.
    course = [
        max(times[kind]) if kind in {"triage_end", "discharge"} else min(times[kind]) for kind in order if times[kind]
    ]
    if not times["arrival"]:
        return "ARRIVAL_MISSING"
    return "EVENTS_REVERSED" if course != sorted(course) else ""


def test_the_dirty_emergency_log_is_held_back_where_it_is_dirty(hops, tmp_path):
    path = public_file("daqapo_dirty_ed_events.csv")

    document = load_twice(hops, path, "daqapo_dirty", "daqapo", tmp_path / "state")

    fates, reasons = account_of(document)
    assert (fates, reasons) == dirty_log_account(read(path))
    # 106 records: 'Trage', 'Triaga' and '0' (twice each), triage codes 0 and 7 (14 records, of which 5 are ignored
    # and 2 of those misspelt kinds), one empty time, visits without a registration or in an impossible order.
    assert fates == {
        "delivered": 106,
        "applied": 30,
        "superseded": 0,
        "duplicate": 5,
        "quarantined": 34,
        "ignored": 37,
    }
    assert reasons == {
        "ARRIVAL_MISSING": 8,
        "EVENTS_REVERSED": 12,
        "EVENT_TIME_MISSING": 1,
        "EVENT_TYPE_UNKNOWN": 6,
        "TRIAGE_UNKNOWN": 7,
    }
    assert rows_in(document, "silver.events") == fates["applied"]


def test_the_artificial_log_is_taken_whole(hops, tmp_path):
    path = public_file("bupar_patients_eventlog.csv.gz")

    document = load_twice(hops, path, "bupar_patients", "bupar", tmp_path / "state")

    codes = codes_of("bupar_patients")
    rows = read(path)
    kinds = Counter(codes[f"{row['handling']}|{row['registration_type']}"] for row in rows)
    fates, reasons = account_of(document)
    # 5,442 records: of 500 patients, each activity with a start and an end. Tests, and the ends of what has only
    # a start for us, are ignored (2,955); every other record is a milestone of a visit in order (2,487).
    assert reasons == {}
    assert fates == {
        "delivered": len(rows),
        "applied": len(rows) - kinds["ignore"],
        "superseded": 0,
        "duplicate": 0,
        "quarantined": 0,
        "ignored": kinds["ignore"],
    }
    assert (fates["delivered"], fates["applied"], fates["ignored"]) == (5_442, 2_487, 2_955)
    assert rows_in(document, "silver.encounters") == len({row["patient"] for row in rows}) == 500
    assert rows_in(document, "silver.events") == fates["applied"]


def test_the_shifted_admissions_of_the_next_century_are_taken(hops, tmp_path):
    path = public_file("mimic3_demo_admissions.csv.gz")

    document = load_twice(hops, path, "mimic3_demo", "mimic3", tmp_path / "state")

    rows = read(path)
    direct = [row for row in rows if not row["edregtime"]]
    reversed_ = [row for row in rows if row["edregtime"] and row["admittime"] < row["edregtime"]]
    fates, reasons = account_of(document)
    # 129 admissions: 37 came without passing the emergency department, one was admitted before it registered.
    # Two left the department before they were admitted, which happens.
    assert reasons == {"ARRIVAL_MISSING": len(direct), "EVENTS_REVERSED": len(reversed_)}
    assert reasons == {"ARRIVAL_MISSING": 37, "EVENTS_REVERSED": 1}
    assert fates == {
        "delivered": len(rows),
        "applied": 91,
        "superseded": 0,
        "duplicate": 0,
        "quarantined": 38,
        "ignored": 0,
    }
    assert rows_in(document, "silver.encounters") == 91
