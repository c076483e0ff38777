"""SQL of a rule's author in a database of its own: what it can ask, and what it cannot reach."""

from __future__ import annotations

from datetime import date, datetime

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
