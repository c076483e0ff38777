from __future__ import annotations

import gc
import weakref
from datetime import UTC, date, datetime
from decimal import Decimal

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from healthcare_ops.adapters.engines import DuckDBEngine

DAY, NEXT_DAY = date(2026, 3, 1), date(2026, 3, 2)


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    return DuckDBEngine(tmp_path_factory.mktemp("engine") / "spill", memory_limit_mb=300, threads=1)


@ibis.udf.scalar.builtin
def current_setting(name: str) -> str: ...


def setting(engine, name):
    with engine.from_arrow(pa.table({"name": [name]})) as one:
        return str(engine.collect(one.select(value=current_setting(name)))["value"].to_pylist()[0])


def batches(*numbers):
    return (pa.record_batch({"n": pa.array(chunk, pa.int64())}) for chunk in numbers)


def test_hours_are_those_of_utc_whatever_the_machine_s_zone(tmp_path, monkeypatch):
    monkeypatch.setenv("TZ", "America/Sao_Paulo")
    engine = DuckDBEngine(tmp_path / "spill", memory_limit_mb=300)

    with engine.from_arrow(pa.table({"at": pa.array([datetime(2026, 3, 1, 23, 30, tzinfo=UTC)])})) as rows:
        seen = engine.collect(rows.select(hour=rows.at.hour(), day=rows.at.date())).to_pylist()

    assert seen == [{"hour": 23, "day": DAY}]


def test_threads_and_memory_are_those_of_the_settings(tmp_path):
    engine = DuckDBEngine(tmp_path / "spill", memory_limit_mb=256, threads=2)

    assert setting(engine, "threads") == "2"
    assert setting(engine, "memory_limit") == "244.1 MiB"  # 256 MB


def test_no_extension_is_ever_fetched(engine):
    assert [setting(engine, f"{verb}_known_extensions") for verb in ("autoinstall", "autoload")] == ["false", "false"]


def test_what_is_larger_than_the_memory_goes_to_the_disk(tmp_path):
    engine = DuckDBEngine(tmp_path / "spill", memory_limit_mb=40, threads=1)

    with engine.from_arrow(pa.table({"n": pa.array(range(600_000))})) as numbers:
        long_texts = numbers.mutate(text=numbers.n.cast("string").hexdigest("sha256"))
        with engine.stage(long_texts) as staged:
            spilled = [path.stat().st_size for path in (tmp_path / "spill").iterdir()]
            counted = engine.collect(staged.aggregate(rows=staged.count(), texts=staged.text.nunique())).to_pylist()

    assert counted == [{"rows": 600_000, "texts": 600_000}]
    assert sum(spilled) > 1_000_000


def test_rows_in_memory_can_be_asked_and_are_gone_afterwards(engine):
    with engine.from_arrow(pa.table({"n": [1, 2, 3]})) as rows:
        total = engine.collect(rows.aggregate(total=rows.n.sum()))["total"].to_pylist()

    assert total == [6]
    with pytest.raises(Exception, match="does not exist"):
        engine.collect(rows)


def test_a_stage_is_computed_once(engine):
    with (
        engine.from_arrow(pa.table({"n": list(range(100))})) as rows,
        engine.stage(rows.mutate(luck=ibis.random())) as staged,
    ):
        first, second = engine.collect(staged), engine.collect(staged)

    assert first.sort_by("n").equals(second.sort_by("n"))


def test_a_stage_is_gone_afterwards(engine):
    with engine.from_arrow(pa.table({"n": [1]})) as rows, engine.stage(rows) as staged:
        there = engine.collect(staged).num_rows

    assert there == 1
    with pytest.raises(Exception, match="does not exist"):
        engine.collect(staged)


def test_nothing_stays_behind_when_a_job_fails(engine):
    with (
        pytest.raises(RuntimeError, match="the job failed"),
        engine.from_arrow(pa.table({"n": [1]})) as rows,
        engine.stage(rows) as staged,
    ):
        raise RuntimeError("the job failed")

    for table in (rows, staged):
        with pytest.raises(Exception, match="does not exist"):
            engine.collect(table)


def test_two_stages_of_the_same_rows_stand_side_by_side(engine):
    with (
        engine.from_arrow(pa.table({"n": [1]})) as rows,
        engine.stage(rows) as first,
        engine.stage(rows.mutate(n=rows.n + 1)) as second,
    ):
        seen = engine.collect(ibis.union(first, second))["n"].to_pylist()

    assert sorted(seen) == [1, 2]


def test_a_stream_is_read_to_its_end_and_kept_until_then(engine, tmp_path):
    with engine.from_batches(batches([1, 2], [], [3])) as rows:
        seen = engine.collect(rows)["n"].to_pylist()

    assert sorted(seen) == [1, 2, 3]


def test_a_stream_without_batches_is_no_table(engine):
    with engine.from_batches(iter(())) as rows:
        assert rows is None


def test_a_stream_leaves_no_file_behind(tmp_path):
    engine = DuckDBEngine(tmp_path / "spill", memory_limit_mb=300)

    with engine.from_batches(batches([1])) as rows:
        during = [path.name for path in (tmp_path / "spill").rglob("*.parquet")]
        seen = engine.collect(rows)["n"].to_pylist()

    assert (seen, during, list((tmp_path / "spill").iterdir())) == ([1], ["rows.parquet"], [])


def test_a_stream_that_breaks_off_leaves_no_file_behind(tmp_path):
    engine = DuckDBEngine(tmp_path / "spill", memory_limit_mb=300)

    def broken():
        yield from batches([1])
        raise RuntimeError("line 2 is not text")

    with pytest.raises(RuntimeError, match="line 2"), engine.from_batches(broken()):
        pass

    assert list((tmp_path / "spill").iterdir()) == []


def test_an_empty_table_has_the_columns_it_was_asked_for(engine):
    schema = pa.schema([("name", pa.string()), ("at", pa.timestamp("us"))])

    rows = engine.collect(engine.empty(schema))

    assert (rows.num_rows, rows.schema.names) == (0, ["name", "at"])


def test_rows_are_written_one_file_a_day(engine, tmp_path):
    rows = pa.table({"n": [1, 2, 3], "dt": [DAY, NEXT_DAY, DAY]})

    with engine.from_arrow(rows) as table:
        files = engine.write_files(table, tmp_path / "out", "dt", {"n": "int64", "dt": "date"})

    assert [file.parent.name for file in files] == ["dt=2026-03-01", "dt=2026-03-02"]
    written = [pq.ParquetFile(file).read().to_pydict() for file in files]
    assert [sorted(content["n"]) for content in written] == [[1, 3], [2]]
    assert [set(content["dt"]) for content in written] == [{DAY}, {NEXT_DAY}]


def test_no_rows_are_no_files(engine, tmp_path):
    with engine.from_arrow(pa.table({"n": pa.array([], pa.int64()), "dt": pa.array([], pa.date32())})) as table:
        assert engine.write_files(table, tmp_path / "out", "dt", {"n": "int64", "dt": "date"}) == []


def test_a_folder_may_have_any_name(engine, tmp_path):
    folder = tmp_path / "São João's 100 % [beds]"

    with engine.from_arrow(pa.table({"n": [1], "dt": [DAY]})) as table:
        (file,) = engine.write_files(table, folder, "dt", {"n": "int64", "dt": "date"})
    read = engine.collect(engine.read_files([str(file)]))

    assert read.to_pylist() == [{"n": 1, "dt": DAY}]


def test_every_column_is_written_as_its_contract_says(engine, tmp_path):
    types = {
        "name": "string",
        "count": "int64",
        "total": "int64",
        "share": "float64",
        "is_urgent": "boolean",
        "at": "timestamp",
        "dt": "date",
    }
    rows = pa.table(
        {
            "name": pa.array(["a"]).dictionary_encode(),
            "count": pa.array([1], pa.int32()),
            "part": pa.array([2], pa.int64()),
            "share": pa.array([Decimal("0.25")]),
            "is_urgent": [True],
            "at": pa.array([datetime.fromisoformat("2026-03-01T23:30:00.000001")], pa.timestamp("us")),
            "dt": pa.array([datetime.fromisoformat("2026-03-01T00:00:00")], pa.timestamp("us")),
        }
    )

    with engine.from_arrow(rows) as table:
        # A sum of whole numbers is wider than a whole number, and Ibis does not say so.
        summed = table.mutate(total=table.part.sum()).drop("part")
        (file,) = engine.write_files(summed, tmp_path / "out", "dt", types)
    written = pq.ParquetFile(file).read()

    assert written.schema.names == list(types)
    assert dict(zip(written.schema.names, map(str, written.schema.types), strict=True)) == {
        "name": "string",
        "count": "int64",
        "total": "int64",
        "share": "double",
        "is_urgent": "bool",
        "at": "timestamp[us, tz=UTC]",
        "dt": "date32[day]",
    }
    assert written.to_pylist() == [
        {
            "name": "a",
            "count": 1,
            "total": 2,
            "share": 0.25,
            "is_urgent": True,
            "at": datetime(2026, 3, 1, 23, 30, 0, 1, tzinfo=UTC),
            "dt": DAY,
        }
    ]


def test_an_engine_answers_from_its_own_rows_what_another_was_asked_before(tmp_path):
    answers = []
    for number in (1, 2):
        engine = DuckDBEngine(tmp_path / "spill", memory_limit_mb=300, threads=1)
        with engine.from_arrow(pa.table({"beds": [number]})) as rows:
            answers.append(engine.collect(rows.aggregate(beds=rows.beds.sum())).to_pylist())

    assert answers == [[{"beds": 1}], [{"beds": 2}]]


def test_an_engine_that_nobody_uses_any_more_is_let_go(tmp_path):
    engine = DuckDBEngine(tmp_path / "spill", memory_limit_mb=300, threads=1)
    with engine.from_arrow(pa.table({"beds": [1]})) as rows:
        engine.collect(rows.aggregate(beds=rows.beds.sum()))
    left = weakref.ref(engine._con)

    del engine, rows
    gc.collect()

    assert left() is None
