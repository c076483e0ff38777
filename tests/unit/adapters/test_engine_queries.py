"""SQL of a rule's author in a database of its own: what it can ask, and what it cannot reach."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path
from threading import Event, Thread

import pyarrow as pa
import pytest

from healthcare_ops.adapters.engines import DuckDBEngine
from healthcare_ops.core.errors import ConfigError
from healthcare_ops.pipeline.quality.rules.custom_sql import require_query_of
from healthcare_ops.pipeline.quality.rules.refusals import SqlRefusedError
from healthcare_ops.pipeline.quality.rules.where import PRIMARY

SECRET = "hush-2f7a"
STAYS = pa.table(
    {
        "name": ["a", "b", "c", None],
        "level": pa.array([1, 2, None, 0], pa.int64()),
        "came_at": [datetime.fromisoformat(f"2026-03-0{day}T10:00:00") for day in (1, 2, 3, 4)],
        "day": [date(2026, 3, day) for day in (1, 2, 3, 4)],
    }
)


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    return DuckDBEngine(tmp_path_factory.mktemp("engine") / "it's spill", memory_limit_mb=300, threads=1)


@pytest.fixture(scope="module")
def ask(engine):
    with engine.from_arrow(STAYS) as rows:
        yield lambda sql: engine.query(sql, {PRIMARY: rows}).to_pylist()


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("select count(*) as n from primary", [{"n": 4}]),
        ("select name from primary where level > 1", [{"name": "b"}]),
        ("select sum(level) as n from primary where day between '2026-03-01' and '2026-03-02'", [{"n": 3}]),
        ("select count(*) as n from primary where came_at >= timestamp '2026-03-02 10:00:00'", [{"n": 3}]),
        ("select `name` from primary where name rlike '^[ab]$' order by name desc", [{"name": "b"}, {"name": "a"}]),
        ("select date_add(day, 1) as next from primary where name = 'a'", [{"next": date(2026, 3, 2)}]),
        ("select name from primary where 1 = 2", []),
        ("with named as (select * from primary where name is not null) select count(*) as n from named", [{"n": 3}]),
    ],
)
def test_a_query_in_spark_s_words_is_answered(ask, sql, rows):
    found = ask(require_query_of(sql, [PRIMARY]).sql("spark"))

    assert [{name: _plain(value) for name, value in row.items()} for row in found] == rows


def _plain(value):
    return value.date() if isinstance(value, datetime) else value


def test_a_query_that_changes_its_table_changes_nobody_else_s(ask):
    ask("drop view primary")

    assert ask("select count(*) as n from primary") == [{"n": 4}]


def test_nothing_of_a_query_stays_on_the_disk(engine, tmp_path):
    engine = DuckDBEngine(tmp_path / "spill", memory_limit_mb=300)

    with engine.from_arrow(STAYS) as rows:
        engine.query("select * from primary", {PRIMARY: rows})
        with pytest.raises(ConfigError):
            engine.query("select * from nothing", {PRIMARY: rows})

    assert list((tmp_path / "spill").iterdir()) == []


@contextmanager
def watched(folder: Path) -> Iterator[set[Path]]:
    """Yield the files that are seen below a folder, whoever leaves them and for however short a time."""
    seen: set[Path] = set()
    is_over = Event()

    def look() -> None:
        while not is_over.wait(0.002):
            # Unlike `rglob`, it does not mind a folder that goes in between.
            seen.update(Path(where) / name for where, _, names in os.walk(folder) for name in names)

    watch = Thread(target=look)
    watch.start()
    try:
        yield seen
    finally:
        is_over.set()
        watch.join()


@pytest.fixture(scope="module")
def many_stays():
    """Return names of 64 MB in no order, which a sort has to copy."""
    return pa.table({"name": [sha256(str(number).encode()).hexdigest() * 4 for number in range(250_000)]})


def test_a_query_larger_than_its_memory_is_spilled_to_the_engine_s_folder_and_nowhere_else(
    tmp_path, monkeypatch, many_stays
):
    called_in, spill = tmp_path / "called in", tmp_path / "spill"
    called_in.mkdir()
    monkeypatch.chdir(called_in)
    engine = DuckDBEngine(spill, memory_limit_mb=100, threads=1)
    numbered = "select name, row_number() over (order by name) as number from primary"

    with engine.from_arrow(many_stays) as rows, watched(tmp_path) as seen:
        found = engine.query(f"select count(*) as n from ({numbered}) where number > 5", {PRIMARY: rows})

    assert found.to_pylist() == [{"n": 249_995}]
    assert [file for file in seen if file.is_relative_to(called_in)] == []
    assert any(file.name.startswith("duckdb_temp") and file.parent.parent == spill for file in seen)
    assert [file.name for file in spill.iterdir() if file.is_dir()] == []


def test_a_query_has_the_memory_and_the_threads_of_its_engine(tmp_path):
    engine = DuckDBEngine(tmp_path, memory_limit_mb=512, threads=3)

    with engine.from_arrow(STAYS) as rows:
        found = engine.query("select current_setting('threads'), current_setting('memory_limit')", {PRIMARY: rows})

    assert list(found.to_pylist()[0].values()) == [3, "488.2 MiB"]


def test_a_query_cannot_read_what_the_engine_spills_for_others(tmp_path):
    (tmp_path / "others.csv").write_text(SECRET)
    engine = DuckDBEngine(tmp_path, memory_limit_mb=300)

    with engine.from_arrow(STAYS) as rows, pytest.raises(ConfigError, match="SQL of a rule fails: permission"):
        engine.query(f"select * from read_text('{tmp_path}/others.csv')", {PRIMARY: rows})


def test_a_query_does_not_find_its_rows_as_a_file(ask):
    assert ask("select filename from read_blob(current_setting('temp_directory') || '/*.parquet')") == []


def test_a_query_sees_an_instant_of_any_zone_as_naive_utc(engine):
    instant = datetime(2026, 3, 1, 10, tzinfo=UTC)
    zoned = pa.array([instant, None], pa.timestamp("us", "America/Sao_Paulo"))

    with engine.from_arrow(pa.table({'came "at"': zoned, "level": [1, 2]})) as rows:
        found = engine.query("select * from primary where level < 3", {PRIMARY: rows})

    assert found.column(0).to_pylist() == [instant.replace(tzinfo=None), None]


@pytest.mark.parametrize(
    ("sql", "n"),
    [
        ("select count(*) as n from primary as t(day) where day is null", 1),
        ("select count(*) as n from primary t(id, grade) where grade is null", 1),
        ("select count(*) as n from (primary) as t(id, grade) where grade > 1", 1),
        ("select count(*) as n from primary t(a, b, c, name) where name = date '2026-03-02'", 1),
        ("select count(*) as n from (select * from primary) as t(a, level) where level > 0", 2),
    ],
)
def test_a_query_may_name_the_columns_by_their_position(ask, sql, n):
    assert ask(require_query_of(sql, [PRIMARY]).sql("spark")) == [{"n": n}]


def test_a_query_that_fails_says_why_and_what_to_do(ask):
    with pytest.raises(ConfigError, match=r"SQL of a rule fails: .*floor") as failure:
        ask("select floor_no from primary")

    assert failure.value.next_step == "Correct the rule's SQL."


@pytest.fixture
def secret(tmp_path, monkeypatch):
    """Lay a secret into files, the environment and the folder that the process works in."""
    monkeypatch.setenv("HOPS_SECRET", SECRET)
    monkeypatch.chdir(tmp_path)
    for name in ("secret.csv", "secret.json", "secret.txt"):
        (tmp_path / name).write_text(SECRET, encoding="utf-8")
    return tmp_path


# `{folder}` is a folder that holds secrets. Not even without the check of its text does a query get at them.
ATTACKS = {
    "a file as a table": "select * from '{folder}/secret.csv'",
    "a file of the working folder": "select * from `secret.csv`",
    "a reader": "select * from read_csv('{folder}/secret.csv')",
    "a reader of text": "select * from read_text('{folder}/secret.txt')",
    "a reader of bytes": "select * from read_blob('{folder}/secret.txt')",
    "a reader of JSON": "select * from read_json('{folder}/secret.json')",
    "a reader of Parquet": "select * from parquet_metadata('{folder}/secret.csv')",
    "a look at a file": "select * from sniff_csv('{folder}/secret.csv')",
    "a list of files": "select file from glob('{folder}/*')",
    "a query in a query": "select * from query('select * from read_text(''{folder}/secret.txt'')')",
    "a table by name": "select * from query_table('{folder}/secret.csv')",
    "the network": "select * from read_csv('http://127.0.0.1:9/x')",
    "a bucket": "select * from 's3://bucket/x.parquet'",
    "the environment": "select getenv('HOPS_SECRET')",
    "secrets of the database": "select * from duckdb_secrets()",
    "a table of the engine": "select * from hops_0",
    "a variable of the program": "select * from rows",
    "another variable": "select * from tables",
    "a database": "attach '{folder}/other.duckdb'",
    "a copy": "copy primary to '{folder}/out.csv'",
    "a copy of a query": "copy (select 1) to '{folder}/out.csv'",
    "an export": "export database '{folder}/out'",
    "an extension": "install httpfs",
    "an extension that is there": "load httpfs",
    "the lock of files": "set enable_external_access = true",
    "the lock of settings": "set lock_configuration = false",
    "the memory": "set memory_limit = '64GB'",
    "the folder of the database": "set temp_directory = '{folder}'",
    "the allowed folders": "set allowed_directories = ['{folder}']",
    "a list of settings": "call duckdb_settings()",
    "two statements": "select 1; select * from read_text('{folder}/secret.txt')",
    "a macro": "create macro peek() as table select * from read_text('{folder}/secret.txt')",
    "a view": "create view peek as select * from read_text('{folder}/secret.txt')",
    "a comment": "select 1 /* */ from /* '; */ '{folder}/secret.csv' -- '",
    "a string that ends": "select '\\'' from `{folder}/secret.csv` where '' = ''",
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_database_of_a_query_gives_no_secret_away_whatever_it_is_asked(ask, secret, attack):
    sql = ATTACKS[attack].format(folder=secret)
    before = sorted(path.name for path in secret.iterdir())

    try:
        told = str(ask(sql))
    except Exception as error:  # noqa: BLE001  # any refusal will do
        told = str(error).replace(sql, "")

    assert SECRET not in told
    assert sorted(path.name for path in secret.iterdir()) == before


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_check_of_a_query_refuses_what_the_database_would_have_to(secret, attack):
    with pytest.raises(SqlRefusedError):
        require_query_of(ATTACKS[attack].format(folder=secret), [PRIMARY])


@pytest.mark.parametrize(
    "sql",
    [
        "set enable_external_access = true",
        "set lock_configuration = false",
        "set memory_limit = '64GB'",
        "set temp_directory = '.'",
        "load httpfs",
        "select * from read_text('secret.txt')",
        "copy primary to 'out.csv'",
        "attach 'other.duckdb' as other",
    ],
)
def test_the_database_of_a_query_stays_locked(engine, secret, sql):
    with engine.from_arrow(STAYS) as rows, pytest.raises(Exception, match=r"disabled|locked|fails|cannot be read"):
        engine.query(sql, {PRIMARY: rows})


@pytest.mark.parametrize("sql", ["select rowid from primary", "select p.rowid from primary p"])
def test_a_query_cannot_ask_in_which_order_an_engine_handed_its_rows_over(ask, sql):
    with pytest.raises(ConfigError, match="SQL of a rule fails"):
        ask(sql)


def test_a_query_that_would_never_end_is_cut_off(tmp_path):
    engine = DuckDBEngine(tmp_path, memory_limit_mb=300, threads=1, query_within_s=0.2)
    with engine.from_arrow(pa.table({"n": list(range(1000))})) as rows:
        endless = "select count(*) from primary a, primary b, primary c, primary d where a.n * b.n + c.n * d.n = 7"

        with pytest.raises(ConfigError, match=r"takes longer than 0\.2 s"):
            engine.query(endless, {PRIMARY: rows})


@pytest.mark.parametrize("sql", ["select 1; select 2", "select (", "", "attach"])
def test_what_is_not_one_statement_is_refused(engine, sql):
    with engine.from_arrow(STAYS) as rows, pytest.raises(ConfigError, match="SQL of a rule"):
        engine.query(sql, {PRIMARY: rows})
