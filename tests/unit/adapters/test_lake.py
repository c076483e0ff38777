from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.catalog.sql import SqlCatalog

from healthcare_ops.adapters.engines import DuckDBEngine
from healthcare_ops.adapters.lake import IcebergLake, arrow_schema
from healthcare_ops.core.errors import ConfigError, NotFoundError, TransientError
from healthcare_ops.core.tables import TABLES, Column, Table

VISITS = Table(
    "silver",
    "visits",
    "one row per visit",
    ("visit",),
    (
        Column("visit", "string", "Visit."),
        Column("beds", "int64", "Beds."),
        Column("share", "float64", "Share."),
        Column("is_urgent", "boolean", "Urgent."),
        Column("seen_at", "timestamp", "Seen.", "UTC"),
        Column("dt", "date", "Day."),
    ),
)
# The same table as a later version of the product declares it.
GROWN = replace(
    VISITS,
    columns=(
        *VISITS.columns[:2],
        Column("left_at", "timestamp", "Left.", "UTC", "still there"),
        *VISITS.columns[2:-1],
        Column("note", "string", "Note.", null="none"),
        VISITS.columns[-1],
    ),
)
FIRST = date(2026, 3, 1)
KEEP = 3


def day(number):
    """Return the day `number` of March 2026."""
    return FIRST + timedelta(days=number - 1)


class BusyEngine(DuckDBEngine):
    """An engine during whose next work on files something else happens."""

    def __init__(self, spill_dir):
        super().__init__(spill_dir, memory_limit_mb=300, threads=1)
        self.meanwhile = None

    def write_files(self, *arguments):
        files = super().write_files(*arguments)
        happens, self.meanwhile = self.meanwhile, None
        if happens:
            happens()
        return files


class Writer:
    """A process that works on the lake: visits are written by name and day number."""

    def __init__(self, root):
        self.engine = BusyEngine(root.parent / "spill")
        self.lake = IcebergLake(root, self.engine, keep_snapshots=KEEP)

    def append(self, visits, **notes):
        with self._table(visits) as rows:
            return self.lake.append(VISITS, rows, notes)

    def replace(self, days, visits, **notes):
        with self._table(visits) as rows:
            return self.lake.replace_days(VISITS, rows, [day(number) for number in days], notes)

    def visits(self, first=None, last=None):
        """Return visit → day number."""
        days = [None if number is None else day(number) for number in (first, last)]
        rows = self.engine.collect(self.lake.read(VISITS, *days))
        return {row["visit"]: row["dt"].day for row in rows.to_pylist()}

    def changes(self, since=""):
        return sorted(changed.day for changed in self.lake.changes(VISITS, since).days)

    def marker(self):
        return self.lake.changes(VISITS, "").marker

    def _table(self, visits):
        records = [{"visit": visit, "dt": day(number)} for visit, number in visits.items()]
        return self.engine.from_arrow(pa.Table.from_pylist(records, schema=arrow_schema(VISITS)))


@pytest.fixture
def root(tmp_path):
    return tmp_path / "lake"


@pytest.fixture
def writer(root):
    return Writer(root)


def snapshots(root):
    """Return how many snapshots the catalog knows."""
    return len(as_others_see(root).snapshots())


def as_others_see(root):
    """Return the table as PyIceberg itself reads it."""
    return SqlCatalog("hops", uri=f"sqlite:///{root / 'catalog.db'}", warehouse=str(root)).load_table("silver.visits")


def manifests(root):
    table = as_others_see(root)
    return table.current_snapshot().manifests(table.io)


def files_of(root):
    return {path.relative_to(root): path.stat().st_mtime_ns for path in root.rglob("*.parquet")}


def test_a_table_that_was_never_written_is_empty_and_has_its_columns(writer):
    rows = writer.engine.collect(writer.lake.read(VISITS))

    assert (rows.num_rows, rows.schema.names) == (0, list(VISITS.column_names))
    assert (writer.marker(), writer.changes(), writer.lake.note(VISITS, "from")) == ("", [], "")


def test_rows_that_are_appended_stand_beside_those_of_the_same_day(writer):
    writer.append({"a": 1})

    counts = [writer.append({"b": 1, "c": 2}), writer.append({})]

    assert counts == [2, 0]
    assert writer.visits() == {"a": 1, "b": 1, "c": 2}


def test_a_day_is_replaced_whole_and_no_other(writer, root):
    writer.append({"a": 1, "b": 2, "c": 2, "d": 3})
    before = files_of(root)

    count = writer.replace([2], {"e": 2})

    assert count == 1
    assert writer.visits() == {"a": 1, "d": 3, "e": 2}
    assert before.items() <= files_of(root).items()  # files are added, never touched


def test_replacing_a_day_again_gives_the_same_rows(writer):
    writer.replace([1, 2], {"a": 1, "b": 2})

    writer.replace([1, 2], {"a": 1, "b": 2})

    assert writer.visits() == {"a": 1, "b": 2}


def test_days_with_others_between_them_are_replaced_in_one_go(writer):
    writer.append({"a": 1, "b": 2, "c": 3, "d": 4})

    writer.replace([1, 3], {"e": 3})

    assert writer.visits() == {"b": 2, "d": 4, "e": 3}


def test_a_day_can_be_replaced_by_nothing(writer):
    writer.append({"a": 1, "b": 2})
    marker = writer.marker()

    count = writer.replace([2], {})

    assert (count, writer.visits()) == (0, {"a": 1})
    assert writer.changes(marker) == [2]


def test_nothing_in_place_of_nothing_changes_nothing_but_the_notes(writer, root):
    writer.append({"a": 1})
    before, marker = snapshots(root), writer.marker()

    writer.replace([5], {}, seen="7")
    writer.replace([], {}, read="8")

    assert (writer.visits(), writer.changes(marker), snapshots(root)) == ({"a": 1}, [], before)
    assert (writer.lake.note(VISITS, "seen"), writer.lake.note(VISITS, "read")) == ("7", "8")


def test_reading_begins_and_ends_with_the_days_asked_for(writer):
    writer.append({"a": 1, "b": 2, "c": 3, "d": 4})
    bounds = [(None, None), (2, None), (None, 2), (2, 3), (3, 3), (5, None), (3, 2)]

    read = {(first, last): "".join(sorted(writer.visits(first, last))) for first, last in bounds}

    assert list(read.values()) == ["abcd", "bcd", "ab", "bc", "c", "", ""]


# Atomic


@pytest.mark.parametrize(
    ("first", "days", "expected"),
    [(None, (1, 3), {"a": 1, "c": 3}), (2, (1, 3), {"c": 3}), (None, (), {}), (None, (9,), {})],
)
@pytest.mark.parametrize("columns", [(), ("visit", "dt")])
def test_of_days_that_lie_apart_those_between_them_are_not_read(writer, first, days, expected, columns):
    writer.append({"a": 1, "b": 2, "c": 3})

    rows = writer.lake.read(VISITS, first and day(first), days=[day(number) for number in days], columns=columns)

    assert {row["visit"]: row["dt"].day for row in writer.engine.collect(rows).to_pylist()} == expected


def test_notes_are_committed_with_the_rows(writer):
    writer.append({"a": 1}, ingested="1", other="x")
    writer.append({"b": 1}, ingested="2")

    assert (writer.lake.note(VISITS, "ingested"), writer.lake.note(VISITS, "other")) == ("2", "x")
    assert writer.lake.note(VISITS, "nothing") == ""


def test_a_write_that_fails_leaves_rows_and_notes_as_they_were(writer):
    writer.append({"a": 1}, ingested="1")

    def power_cut():
        raise RuntimeError("power cut")

    writer.engine.meanwhile = power_cut
    with pytest.raises(RuntimeError, match="power cut"):
        writer.replace([1], {"b": 1}, ingested="2")

    assert (writer.visits(), writer.lake.note(VISITS, "ingested")) == ({"a": 1}, "1")


def test_a_reader_sees_the_old_day_until_the_new_one_is_committed(writer, root):
    writer.append({"a": 1}, ingested="1")
    seen = []

    def look():
        reader = Writer(root)
        seen.append((reader.visits(), reader.lake.note(VISITS, "ingested")))

    writer.engine.meanwhile = look
    writer.replace([1], {"b": 1}, ingested="2")

    assert seen == [({"a": 1}, "1")]
    assert (Writer(root).visits(), writer.lake.note(VISITS, "ingested")) == ({"b": 1}, "2")


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        (lambda writer: writer.replace([1], {"mine": 1}, by="me"), lambda other: other.replace([1], {"theirs": 1})),
        # Neither finds a row to replace, and both would add one.
        (lambda writer: writer.replace([9], {"mine": 9}, by="me"), lambda other: other.replace([9], {"theirs": 9})),
        (lambda writer: writer.append({"mine": 1}, by="me"), lambda other: other.append({"theirs": 1})),
    ],
    ids=["the same day", "the same empty day", "appends"],
)
def test_of_two_writers_at_once_the_later_is_told_to_try_again(writer, root, mine, theirs):
    writer.append({"a": 1, "b": 2}, by="nobody")
    other = Writer(root)
    writer.engine.meanwhile = lambda: theirs(other)

    with pytest.raises(TransientError, match=r"another writer changed silver\.visits first"):
        mine(writer)
    after_first = writer.visits(), writer.lake.note(VISITS, "by")
    mine(writer)

    assert "theirs" in after_first[0]
    assert ("mine" in after_first[0], after_first[1]) == (False, "nobody")
    assert ("mine" in writer.visits(), writer.lake.note(VISITS, "by")) == (True, "me")


# What changed


def test_the_days_that_changed_since_a_marker_are_those_written_after_it(writer):
    writer.append({"a": 1, "b": 2})
    marker = writer.marker()
    writer.replace([4, 5], {"c": 4})
    writer.append({"d": 2})

    assert writer.changes(marker) == [2, 4, 5]  # day 5 was replaced, though nothing stands there
    assert writer.changes(writer.marker()) == []


def test_without_a_marker_every_day_that_holds_rows_changed(writer):
    writer.append({"a": 1, "b": 2})
    writer.replace([2], {})

    assert writer.changes() == [1]


def test_a_day_changed_twice_is_one_day(writer):
    writer.append({"a": 1})
    marker = writer.marker()

    for _ in range(3):
        writer.replace([1], {"a": 1})

    assert writer.changes(marker) == [1]


def test_a_marker_that_has_expired_or_was_never_given_means_every_day(writer):
    writer.append({"a": 1, "b": 2})
    marker = writer.marker()
    for _ in range(2 * KEEP + 1):
        writer.append({"c": 3})

    assert writer.changes(marker) == [1, 2, 3]
    assert writer.changes("4711") == [1, 2, 3]


def test_old_snapshots_expire_and_the_rows_stay(writer, root):
    counts = []
    for number in range(1, 11):
        writer.append({f"visit-{number}": number})
        counts.append(snapshots(root))

    assert counts == [1, 2, *[KEEP] * 8]
    assert writer.visits() == {f"visit-{number}": number for number in range(1, 11)}


def test_a_tagged_snapshot_stays_and_can_be_read(writer, root):
    writer.append({"a": 1})
    writer.lake.pin(VISITS, "trained")
    for number in range(2, 8):
        writer.append({f"visit-{number}": number})

    table = as_others_see(root)
    tagged = table.scan(snapshot_id=table.snapshot_by_name("trained").snapshot_id)

    assert tagged.to_arrow()["visit"].to_pylist() == ["a"]
    assert snapshots(root) == KEEP + 1


def test_what_was_pinned_is_read_as_it_was_until_it_is_let_go(writer, root):
    writer.append({"a": 1, "b": 2})
    writer.lake.pin(VISITS, "trained")
    writer.replace([2], {"c": 2})
    writer.lake.pin(VISITS, "trained")

    then = writer.engine.collect(writer.lake.pinned(VISITS, "trained", day(2)))
    names = writer.lake.pins(VISITS)
    writer.lake.unpin(VISITS, "trained")
    writer.lake.unpin(VISITS, "trained")

    assert then["visit"].to_pylist() == ["b"]
    assert writer.visits() == {"a": 1, "c": 2}
    assert (names, writer.lake.pins(VISITS)) == (["trained"], [])
    with pytest.raises(NotFoundError, match="has no state named 'trained'"):
        writer.lake.pinned(VISITS, "trained")


def test_a_table_that_was_never_written_has_nothing_to_pin(writer):
    writer.lake.pin(VISITS, "trained")

    assert writer.lake.pins(VISITS) == []


@pytest.mark.parametrize("days", [[1], range(1, 29)], ids=["one day again and again", "each day once"])
def test_the_lists_of_files_stay_few_over_many_commits(writer, root, days):
    for turn in range(28):
        number = days[turn % len(days)]
        writer.replace([number], {f"visit-{number}": number})

    assert len(manifests(root)) <= 10
    assert writer.visits() == {f"visit-{number}": number for number in days}
    assert as_others_see(root).scan().to_arrow().num_rows == len(days)


def test_a_replaced_day_makes_only_its_own_list_of_files_new(writer, root):
    many = {f"visit-{number}": number for number in range(1, 151)}
    writer.append(many)
    before = {manifest.manifest_path for manifest in manifests(root)}

    writer.replace([75], {"visit-75": 75})

    assert len(before) == 3
    assert len(before & {manifest.manifest_path for manifest in manifests(root)}) == 2
    assert writer.engine.collect(writer.lake.read(VISITS)).num_rows == 150


def test_the_totals_of_a_snapshot_are_those_of_its_files(writer, root):
    writer.append({"a": 1, "b": 2, "c": 3})
    writer.replace([1, 2], {"d": 2, "e": 2})
    writer.append({"f": 3})

    writer.replace([3], {})

    table = as_others_see(root)
    operations = [snapshot.summary.operation.value for snapshot in table.snapshots()]
    summary = table.current_snapshot().summary
    files = table.inspect.files().to_pylist()

    assert operations == ["overwrite", "append", "delete"]  # the first has expired
    assert (summary["total-records"], summary["total-data-files"]) == ("2", "1")
    assert (sum(file["record_count"] for file in files), len(files)) == (2, 1)
    assert sorted(table.scan().to_arrow()["visit"].to_pylist()) == ["d", "e"]


# What is stored


def test_a_value_is_read_back_as_its_contract_says(writer):
    given = {
        "visit": ["a", None],
        "beds": pa.array([7, None], pa.int32()),
        "share": pa.array([1, None], pa.int64()),
        "is_urgent": [True, None],
        "seen_at": pa.array([datetime.fromisoformat("2026-03-01T23:30:00.000001"), None], pa.timestamp("us")),
        "dt": [day(1), day(1)],
    }

    with writer.engine.from_arrow(pa.table(given)) as rows:
        writer.lake.append(VISITS, rows, {})
    read = writer.engine.collect(writer.lake.read(VISITS)).sort_by("visit")

    assert read.schema.equals(arrow_schema(VISITS))
    assert [list(row.values()) for row in read.to_pylist()] == [
        ["a", 7, 1.0, True, datetime.fromisoformat("2026-03-01T23:30:00.000001"), day(1)],
        [None, None, None, None, None, day(1)],
    ]


def test_columns_asked_for_are_those_of_all_columns_and_stay_so_when_their_day_is_replaced(writer):
    seen = datetime.fromisoformat("2026-03-01T23:30:00.000001")
    first = [{"visit": "a", "seen_at": seen, "dt": day(1)}, {"visit": "b", "dt": day(2)}]
    for rows, days in ((first, []), ([{"visit": "c", "dt": day(2)}], [day(2)])):
        with writer.engine.from_arrow(pa.Table.from_pylist(rows, schema=arrow_schema(VISITS))) as given:
            writer.lake.replace_days(VISITS, given, days, {})

        few = writer.engine.collect(writer.lake.read(VISITS, columns=("dt", "seen_at", "visit")))
        every = writer.engine.collect(writer.lake.read(VISITS))

        assert few.sort_by("visit").equals(every.select(["visit", "seen_at", "dt"]).sort_by("visit"))


def test_columns_of_a_table_that_was_never_written_are_there_and_empty(writer):
    found = writer.engine.collect(writer.lake.read(VISITS, columns=("dt", "visit")))

    assert (found.column_names, found.num_rows) == (["visit", "dt"], 0)


def test_columns_are_found_by_name_in_whatever_order_they_come(writer):
    schema = pa.schema(list(arrow_schema(VISITS))[::-1])

    with writer.engine.from_arrow(pa.Table.from_pylist([{"visit": "a", "dt": day(1)}], schema=schema)) as rows:
        writer.lake.append(VISITS, rows, {})

    assert writer.visits() == {"a": 1}


def test_an_instant_is_stored_as_utc(writer, root):
    instant = datetime.fromisoformat("2026-03-01T23:30:00")
    given = pa.Table.from_pylist([{"seen_at": instant, "dt": day(1)}], schema=arrow_schema(VISITS))

    with writer.engine.from_arrow(given) as rows:
        writer.lake.append(VISITS, rows, {})
    (file,) = root.rglob("*.parquet")
    stored = pq.ParquetFile(file).read(["seen_at"])

    assert str(stored.schema.field("seen_at").type) == "timestamp[us, tz=UTC]"
    assert stored["seen_at"].to_pylist() == [instant.replace(tzinfo=UTC)]


def test_other_programs_read_the_table_through_its_catalog(writer, root):
    writer.append({"a": 1, "b": 2})
    writer.replace([2], {"c": 2})

    assert sorted(as_others_see(root).scan().to_arrow()["visit"].to_pylist()) == ["a", "c"]


def test_the_next_process_finds_what_the_last_one_wrote(writer, root):
    writer.append({"a": 1}, ingested="1")

    following = Writer(root)

    assert (following.visits(), following.lake.note(VISITS, "ingested")) == ({"a": 1}, "1")
    assert following.marker() == writer.marker()


@pytest.mark.parametrize("name", ["São Paulo", "100%20 #3 what?"])
def test_the_whole_lake_lies_in_its_folder_whatever_its_name(tmp_path, name):
    root = tmp_path / name / "lake"

    writer = Writer(root)
    writer.append({"a": 1})
    writer.replace([1], {"b": 1})

    assert Writer(root).visits() == {"b": 1}
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert list((root / "silver" / "visits" / "metadata").glob("*.metadata.json"))


def test_a_lake_that_was_moved_says_so(writer, root):
    writer.append({"a": 1})
    moved = root.rename(root.parent / "moved")

    with pytest.raises(ConfigError, match=r"^silver.visits is listed, but not there: .*lake/silver/visits/metadata/"):
        Writer(moved).visits()


def test_through_a_copy_of_a_lake_the_original_is_neither_read_nor_changed(writer, root):
    writer.append({"a": 1})
    copy = shutil.copytree(root, root.parent / "copy")

    with pytest.raises(ConfigError, match=rf"^silver.visits of {copy} lies in {root}/silver/visits\."):
        Writer(copy).append({"b": 1})

    assert writer.visits() == {"a": 1}


def test_every_table_of_the_contract_can_be_made_and_read(writer):
    for table in TABLES:
        row = {name: day(1) for name, kind in table.types().items() if kind == "date"}
        with writer.engine.from_arrow(pa.Table.from_pylist([row], schema=arrow_schema(table))) as rows:
            writer.lake.append(table, rows, {})

    read = {table.id: writer.engine.collect(writer.lake.read(table)) for table in TABLES}
    assert [name for name, rows in read.items() if rows.num_rows != 1] == []
    assert [table.id for table in TABLES if not read[table.id].schema.equals(arrow_schema(table))] == []


def test_a_column_of_the_catalog_is_described_as_in_the_contract(writer, root):
    writer.append({"a": 1})

    catalog = SqlCatalog("hops", uri=f"sqlite:///{root / 'catalog.db'}", warehouse=str(root))
    columns = catalog.load_table("silver.visits").schema().fields

    assert [(column.name, column.doc) for column in columns] == [
        (column.name, column.description) for column in VISITS.columns
    ]


def read_grown(writer):
    return sorted(
        writer.engine.collect(writer.lake.read(GROWN)).select(["visit", "left_at", "beds", "note"]).to_pylist(),
        key=lambda row: row["visit"],
    )


def test_a_column_that_the_contract_did_not_have_is_null_in_rows_of_before(writer):
    writer.append({"a": 1, "b": 2})

    assert read_grown(writer) == [
        {"visit": "a", "left_at": None, "beds": None, "note": None},
        {"visit": "b", "left_at": None, "beds": None, "note": None},
    ]


def test_a_table_takes_new_columns_with_the_first_write_and_keeps_its_rows(writer, root):
    writer.append({"a": 1, "b": 2}, known="yes")
    left = datetime(2026, 3, 3, 5, tzinfo=UTC).replace(tzinfo=None)
    new = [{"visit": "c", "beds": 3, "left_at": left, "note": "well", "dt": day(2)}]
    with writer.engine.from_arrow(pa.Table.from_pylist(new, schema=arrow_schema(GROWN))) as rows:
        writer.lake.replace_days(GROWN, rows, [day(2)], {})

    assert read_grown(writer) == [
        {"visit": "a", "left_at": None, "beds": None, "note": None},
        {"visit": "c", "left_at": left, "beds": 3, "note": "well"},
    ]
    assert (writer.lake.note(GROWN, "known"), writer.changes()) == ("yes", [1, 2])
    others = as_others_see(root)
    assert others.schema().find_field("note").doc == "Note."
    assert sorted(others.scan().to_arrow().select(["visit", "note"]).to_pylist(), key=str) == [
        {"visit": "a", "note": None},
        {"visit": "c", "note": "well"},
    ]


def test_what_was_pinned_before_a_table_grew_stays_readable(writer):
    writer.append({"a": 1})
    writer.lake.pin(VISITS, "then")
    new = [{"visit": "c", "note": "well", "dt": day(2)}]
    with writer.engine.from_arrow(pa.Table.from_pylist(new, schema=arrow_schema(GROWN))) as rows:
        writer.lake.append(GROWN, rows, {})

    pinned = writer.engine.collect(writer.lake.pinned(GROWN, "then")).to_pylist()

    assert [(row["visit"], row["note"]) for row in pinned] == [("a", None)]


def test_the_folder_of_a_table_is_named_after_its_layer_and_name(writer, root):
    writer.append({"a": 1})

    assert writer.lake.location(VISITS) == root / "silver" / "visits"
    assert sorted(path.name for path in writer.lake.location(VISITS).iterdir()) == ["data", "metadata"]
    with closing(sqlite3.connect(root / "catalog.db")) as catalog:
        assert catalog.execute("SELECT table_namespace, table_name FROM iceberg_tables").fetchall() == [
            ("silver", "visits")
        ]
