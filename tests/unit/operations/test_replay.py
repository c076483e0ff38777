from __future__ import annotations

import csv
import gzip
import io
import json
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from healthcare_ops.adapters.local_raw import LocalRaw
from healthcare_ops.core.clock import VirtualClock
from healthcare_ops.core.errors import ConfigError, DataError, NotFoundError
from healthcare_ops.core.feed import Feed
from healthcare_ops.core.validated import read_toml
from healthcare_ops.operations.replay import ReplayOrder, in_format, plan_replay
from healthcare_ops.pipeline.sources.readers import read_records
from hospital import FLOW, SITE, VISITS, event, visit, write_rows

# Three o'clock in UTC.
FIRST = datetime.fromisoformat("2026-03-01T00:00:00-03:00")


def order_of(folder, files, feed=VISITS, *, days=2, **different):
    """Return an order to replay files by a feed, hourly unless it says something else."""
    (folder / "feed.toml").write_text(feed)
    (folder / "site.toml").write_text(SITE)
    usual = {"first": FIRST, "until": FIRST + timedelta(days=days), "every_min": None}
    return ReplayOrder(folder / "feed.toml", folder / "site.toml", files, **usual | different)


def visits(folder, *rows, name="visits.csv"):
    path = folder / name
    write_rows(path, rows)
    return path


def told(arrival, **different):
    """Return a visit that is told about when it is over."""
    left = different.get("left", datetime.fromisoformat(arrival) + timedelta(hours=3))
    return visit(f"V-{arrival}", arrival, **{"changed": left, "left": left} | different)


TIMELESS = told("2026-03-01T09:10:00") | {"arrival": "?", "care": "", "left": "", "changed": ""}


def hours(replay):
    """Return of each delivery how many hours after midnight of the first day it comes, and the visits in it."""
    return [((part.moment - FIRST) / timedelta(hours=1), part.rows["visit"].to_pylist()) for part in replay.parts]


@pytest.mark.parametrize(
    ("row", "hour"),
    [
        (told("2026-03-01T08:10:00"), 12),
        (told("2026-03-01T08:00:00"), 12),  # it left at eleven, and what comes at eleven was written before
        (told("2026-03-01T08:10:00", left=""), 9),
        (told("2026-03-01T08:10:00", changed="2026-03-01T20:30:00"), 21),
        (told("2026-03-01T08:10:00-05:00", left="", care="", changed=""), 11),
        (told("2026-02-27T08:10:00"), 0),
        (TIMELESS, 0),
        (told("2026-03-01T08:10:00", left="2206-03-01T11:00:00", changed=""), 9),  # no plausible time
    ],
)
def test_a_visit_comes_with_the_first_delivery_after_everything_that_it_tells(tmp_path, row, hour):
    file = visits(tmp_path, row, told("2026-03-02T08:10:00", visit="other"))

    replay = plan_replay(order_of(tmp_path, [file]))

    assert hours(replay) == [(hour, [row["visit"]]), (36, ["other"])]


def test_nothing_is_dropped_and_what_comes_is_counted(tmp_path):
    rows = [
        told("2026-03-01T08:10:00"),
        told("2026-02-27T08:10:00"),
        TIMELESS,
        told("2026-03-02T23:10:00"),
    ]

    replay = plan_replay(order_of(tmp_path, [visits(tmp_path, *rows)]))

    assert replay.counts == {"records": 4, "due": 3, "earlier": 1, "without_time": 1, "later": 1}
    assert sum(part.rows.num_rows for part in replay.parts) == 3


@pytest.mark.parametrize(
    ("every_min", "cadence", "expected"),
    [(None, 60, 60), (30, 60, 30), (None, 1440, 1440), (None, 525600, 1440)],
)
def test_deliveries_are_as_often_as_asked_for_or_as_the_feed_says_but_daily_at_least(
    tmp_path, every_min, cadence, expected
):
    feed = VISITS.replace("every_min = 60", f"every_min = {cadence}")
    file = visits(tmp_path, told("2026-03-01T08:10:00"))

    replay = plan_replay(order_of(tmp_path, [file], feed, every_min=every_min))

    assert replay.every_min == expected


def test_a_day_that_the_clocks_shorten_has_a_delivery_less(tmp_path):
    zone = 'zone = "Europe/Stockholm"'
    feed = VISITS.replace('zone = "America/Sao_Paulo"', zone)
    first = datetime.fromisoformat("2026-03-29T00:00:00+01:00")
    file = visits(tmp_path, told("2026-03-29T22:30:00", left="", care="", changed=""))

    day = order_of(tmp_path, [file], feed, first=first, until=datetime.fromisoformat("2026-03-30T00:00:00+02:00"))
    (part,) = plan_replay(day).parts

    assert (part.moment - first) / timedelta(hours=1) == 22


def test_moves_come_with_the_first_delivery_after_each(tmp_path):
    codes = [("IN", "08:10"), ("MD", "09:20"), ("OUT", "09:40")]
    file = visits(tmp_path, *(event("F", code, f"2026-03-01T{at}:00") for code, at in codes), name="flow.ndjson")

    replay = plan_replay(order_of(tmp_path, [file], FLOW))

    assert [(part.moment - FIRST, part.rows["code"].to_pylist()) for part in replay.parts] == [
        (timedelta(hours=9), ["IN"]),
        (timedelta(hours=10), ["MD", "OUT"]),
    ]


# Files as they were


def table_text(rows, **dialect):
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), **dialect)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


ODD = [
    told("2026-03-01T08:10:00", visit=' padded, "quoted"', place="über\nzwei Zeilen"),
    told("2026-03-01T09:10:00", visit="NA", patient="", place="semicolon;tab\t"),
    told("2026-03-01T12:10:00", visit="0012", level="", place="Observação"),
]


def packed_csv(path):
    path.write_bytes(gzip.compress(table_text(ODD).encode()))


def semicolons(path):
    path.write_bytes(table_text(ODD, delimiter=";", lineterminator="\r\n").encode("latin-1"))


def tabs(path):
    path.write_text(table_text(ODD, delimiter="\t"))


def nested_lines(path):
    lines = [{"who": {"visit": row["visit"], "patient": 7}, "is_new": True, **row} for row in ODD]
    lines[1]["place"] = None
    del lines[2]["level"]
    path.write_text("\n\n".join(json.dumps(line, default=str) for line in lines))


def typed_table(path):
    rows = [row | {"changed": row["changed"].replace(tzinfo=UTC), "level": None, "who": {"visit": 1}} for row in ODD]
    pq.write_table(
        pa.Table.from_pylist([row | {"arrival": datetime.fromisoformat(str(row["arrival"]))} for row in rows]), path
    )


@pytest.mark.parametrize(
    ("write", "name", "changes"),
    [
        (packed_csv, "visits.csv.gz", {}),
        (semicolons, "visits.CSV", {"delimiter": ";", "encoding": "latin-1"}),
        (tabs, "visits.tsv", {"format": "tsv"}),
        (nested_lines, "visits.ndjson", {"format": "ndjson"}),
        (typed_table, "visits.parquet", {"format": "parquet"}),
    ],
)
def test_what_is_delivered_reads_as_the_file_does(tmp_path, write, name, changes):
    settings = "".join(f"{key} = {json.dumps(value)}\n" for key, value in ({"format": "csv"} | changes).items())
    write(tmp_path / name)
    order = order_of(tmp_path, [tmp_path / name], settings + VISITS.replace('format = "csv"\n', ""))
    feed = read_toml(order.feed_file, Feed)

    replay = plan_replay(order)

    assert len(replay.parts) == 3
    delivered = []
    for number, part in enumerate(replay.parts):
        path = tmp_path / str(number)
        path.write_bytes(in_format(part.rows, feed))
        delivered += texts(path, feed)
    assert delivered == texts(tmp_path / name, feed)


def texts(path, feed):
    """Return the records of a file, without what the feed takes for not delivered."""
    rows = [row for batch in read_records(path, feed) for row in batch.drop_columns(["record_no"]).to_pylist()]
    return [{name: value for name, value in row.items() if value not in (None, *feed.null_values)} for row in rows]


def test_a_line_that_lacks_what_every_line_needs_can_come_alone(tmp_path):
    lines = [event("F", "IN", "2026-03-01T08:10:00"), {"visit": "F", "code": "IN"}]
    file = visits(tmp_path, *lines, name="flow.ndjson")
    order = order_of(tmp_path, [file], FLOW)

    first = plan_replay(order).parts[0]

    path = tmp_path / "first.ndjson"
    path.write_bytes(in_format(first.rows, read_toml(order.feed_file, Feed)))
    assert texts(path, read_toml(order.feed_file, Feed)) == [{"visit": "F", "code": "IN"}]


# Into a state directory


def delivered(tmp_path, order):
    clock = VirtualClock(FIRST)
    return plan_replay(order).deliver(tmp_path / "state", clock, clock.sleep, lambda step: None)


def test_files_are_put_into_raw_under_their_name_and_moment_and_not_twice(tmp_path):
    one = visits(tmp_path, told("2026-03-01T08:10:00"), told("2026-03-01T20:10:00"), name="a.csv")
    (tmp_path / "other").mkdir()
    two = visits(tmp_path / "other", told("2026-03-01T08:20:00"), name="a.csv")

    document, again = (delivered(tmp_path, order_of(tmp_path, [one, two, one])) for _ in range(2))

    assert document == {
        "feed_id": "visits",
        "files": ["a.csv", "a.csv"],
        "every_min": 60,
        "deliveries": 3,
        "replayed": 3,
        "already_delivered": 0,
        "records": 3,
        "due": 3,
        "earlier": 0,
        "without_time": 0,
        "later": 0,
    }
    assert [one.source_file for one in LocalRaw(tmp_path / "state" / "raw").deliveries("visits")] == [
        "a-20260301T150000Z.csv",
        "a-20260301T150000Z.csv",
        "a-20260302T030000Z.csv",
    ]
    assert (again["replayed"], again["already_delivered"]) == (0, 3)


# What cannot be replayed


@pytest.mark.parametrize(
    ("rows", "error", "says"),
    [
        ([], DataError, "visits.csv: there is no record."),
        ([TIMELESS], DataError, "names a plausible time"),
        ([told("2026-02-01T08:10:00")], NotFoundError, "of 1 records 1 are of before, and 0 come later; they speak of"),
        ([told("2026-05-01T08:10:00")], NotFoundError, "0 are of before, and 1 come later; they speak of 2026-05-01"),
    ],
)
def test_files_of_which_nothing_new_comes_say_why(tmp_path, rows, error, says):
    with pytest.raises(error, match=says):
        plan_replay(order_of(tmp_path, [visits(tmp_path, *rows)]))


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(NotFoundError, match=r"none\.csv does not exist"):
        plan_replay(order_of(tmp_path, [tmp_path / "none.csv"]))


def test_a_feed_that_maps_to_a_sector_of_nowhere_is_refused_before_anything_is_read(tmp_path):
    feed = VISITS + '\n[values.sector]\nED = "NOWHERE"\n'

    with pytest.raises(ConfigError, match="NOWHERE"):
        plan_replay(order_of(tmp_path, [tmp_path / "none.csv"], feed))
