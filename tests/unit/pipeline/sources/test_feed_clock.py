from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from healthcare_ops.adapters.engines import DuckDBEngine
from healthcare_ops.core.civil_time import offset_spans
from healthcare_ops.core.reasons import Reason
from healthcare_ops.pipeline.bronze import bronze_rows
from healthcare_ops.pipeline.records import type_encounters
from healthcare_ops.pipeline.sources.clocks import FeedClock
from healthcare_ops.pipeline.sources.mapping import map_records
from healthcare_ops.pipeline.sources.pseudonyms import Pseudonymiser
from healthcare_ops.ports import Delivery

ISO_TEXTS = [
    "2017-05-01",
    "2017-05-01 10:11",
    "2017-05-01T10:11:12",
    "2017-05-01T10:11:12.1",
    "2017-05-01T10:11:12.999999999",
    "2017-05-01T10:11Z",
    "2017-05-01T10:11 Z",
    "2017-05-01T10:11:12+02:00",
    "2017-05-01T10:11:12-0330",
    "2017-05-01T10:11:12  +0200",
    "2017-05-01T10:11:12+02",
    "2017-05-01T24:00",
    "2017-05-01T24:00:00.0000009",
    "2017-05-01T24:01",
    "2018-01-31T24:00",
    "2017-05-01T23:60:00",
    "2017-05-01T23:59:60",
    "2017-02-30",
    "2017-13-01",
    "2016-12-31T23:59:59",
    "2017-01-01",
    "2018-01-31T23:59:59.9",
    "2018-02-01",
    "2017-03-26T01:59:59",
    "2017-03-26T02:30:00",
    "2017-03-26T03:00:00",
    "2017-10-29T01:59:59",
    "2017-10-29T02:30:00",
    "2017-10-29T03:00:00",
    "2017-10-29T02:30:00+01:00",
    " 2017-05-01 ",
    "\t2017-05-01",
    "2017-5-1",
    "2017-05-01T10",
    "2017-05-01T10:11:12.",
    "2017-05-01T10:11:12,5",
    "2017-05-01t10:11",
    "２０１７-05-01",
    "20170501",
    "infinity",
    "x",
]
OTHER_TEXTS = [
    "01/05/2017 10:11",
    "1/5/2017 9:05",
    "31/02/2017 10:00",
    "01/05/2017 24:00",
    "01/05/2017 10:60",
    "26/03/2017 02:30",
    "29/10/2017 02:30",
    " 01/05/2017 10:11 ",
    "01/05/2017",
    "05-01-2017 10:11 PM",
    "05-01-2017 12:00 AM",
    "05-01-2017 13:00 pm",
    "1-May-2017 10:11:12.5",
    "1-Mai-2017 10:11:12.5",
    "1-xxx-2017 10:11:12.123456",
    "01.05.17",
    "31.12.17",
]
FORMATS = ["%d/%m/%Y %H:%M", "%m-%d-%Y %I:%M %p", "ISO", "%d-%b-%Y %H:%M:%S.%f", "%d.%m.%y"]
YEAR = {"zone": "Europe/Stockholm", "plausible": {"first": "2017-01-01", "last": "2018-01-31"}}


@pytest.fixture
def read_as_silver(tmp_path, make_batch):
    """Return a function that reads arrival times as the silver stage does, on DuckDB."""

    def read(texts, feed):
        batch = make_batch(arrival=texts, place=["ED"] * len(texts))
        mapped = map_records(batch, feed, source_sha256="abc", pseudonymiser=Pseudonymiser("k", b"key"))
        delivery = Delivery(feed.feed_id, 1, "f", "abc", date(2017, 1, 1))
        margin = timedelta(days=1)
        spans = offset_spans(ZoneInfo(feed.zone), feed.plausible.first - margin, feed.plausible.last + margin)
        engine = DuckDBEngine(tmp_path, memory_limit_mb=500)
        with engine.from_batches([mapped]) as rows:
            bronze = bronze_rows(rows, feed, delivery, datetime(2017, 1, 1))  # noqa: DTZ001
            typed = type_encounters(bronze, feed, spans, ("ED",)).order_by("record_no")
            sound = typed.mutate(at=typed.reason_code.isnull().ifelse(typed.arrival_time_at, None))
            found = engine.collect(sound.select("record_no", "at", "reason_code")).to_pylist()
        ordered = sorted(found, key=lambda row: row["record_no"])
        return [row["reason_code"] or row["at"].replace(tzinfo=UTC) for row in ordered]

    return read


@pytest.mark.parametrize(
    "policy",
    [
        {},
        {"skipped_hour": "shift_forward", "repeated_hour": "first"},
        {"repeated_hour": "second"},
    ],
)
@pytest.mark.parametrize(
    ("formats", "texts"),
    [(["ISO"], ISO_TEXTS), (FORMATS, [*OTHER_TEXTS, *ISO_TEXTS]), (["%d/%m/%Y %H:%M"], OTHER_TEXTS)],
)
def test_a_time_is_shown_as_the_silver_stage_will_read_it(make_feed, read_as_silver, policy, formats, texts):
    feed = make_feed(times={"formats": formats} | policy, **YEAR)
    clock = FeedClock(feed)

    shown = [clock.read(text) for text in texts]

    assert dict(zip(texts, shown, strict=True)) == dict(zip(texts, read_as_silver(texts, feed), strict=True))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2017-07-01 12:00", datetime(2017, 7, 1, 10, tzinfo=UTC)),
        ("2017-12-01 12:00", datetime(2017, 12, 1, 11, tzinfo=UTC)),
        ("2017-07-01T12:00:00-03:00", datetime(2017, 7, 1, 15, tzinfo=UTC)),
        ("2017-03-26 02:30", Reason.TIME_IN_SKIPPED_HOUR),
        ("2017-10-29 02:30", Reason.TIME_IN_REPEATED_HOUR),
        ("2017-10-29 02:30 +01:00", datetime(2017, 10, 29, 1, 30, tzinfo=UTC)),
        ("2018-02-01", Reason.TIME_OUT_OF_RANGE),
        ("yesterday", Reason.TIME_UNREADABLE),
        ("0000-01-01", Reason.TIME_UNREADABLE),
        ("9999-12-31T24:00", Reason.TIME_UNREADABLE),
    ],
)
def test_a_civil_time_is_read_in_the_feed_s_zone(make_feed, text, expected):
    clock = FeedClock(make_feed(**YEAR))

    assert clock.read(text) == expected


def test_a_repeated_time_is_the_occurrence_that_the_feed_declares(make_feed):
    first = FeedClock(make_feed(times={"repeated_hour": "first"}, **YEAR))
    second = FeedClock(make_feed(times={"repeated_hour": "second"}, **YEAR))

    assert first.read("2017-10-29 02:30") == datetime(2017, 10, 29, 0, 30, tzinfo=UTC)
    assert second.read("2017-10-29 02:30") == datetime(2017, 10, 29, 1, 30, tzinfo=UTC)
