from __future__ import annotations

from datetime import date

import ibis
import pyarrow as pa
import pytest

from healthcare_ops.pipeline.quality.rules.refusals import SqlRefusedError
from healthcare_ops.pipeline.quality.rules.where import where
from unit.pipeline.builders import at as instant

ROWS = pa.table(
    {
        "name": ["a", "b", "c", "d"],
        "sector": ["ED", "WARD", " ", None],
        "level": pa.array([1, 3, -2, None], pa.int64()),
        "share": pa.array([0.5, 0.0, 1.0, None], pa.float64()),
        "is_urgent": [True, False, True, None],
        "came_at": [instant(text) if text else None for text in ("2026-03-01 10:00", "2026-03-02", "2025-12-31", "")],
        "day": [date(2026, 3, 1), date(2026, 3, 2), date(2025, 12, 31), None],
    }
)
TABLE = ibis.table(ibis.Schema.from_pyarrow(ROWS.schema), name="rows")


@pytest.fixture(scope="module")
def rows(engine):
    return engine.table(ROWS)


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("sector = 'ED'", "a"),
        ('sector = "ED"', "a"),
        ("sector != 'ED'", "bc"),
        ("sector <> 'ED'", "bc"),
        ("not sector = 'ED'", "bc"),
        ("sector is null", "d"),
        ("sector is not null", "abc"),
        ("sector in ('ED', 'WARD')", "ab"),
        ("sector not in ('ED', 'WARD')", "c"),
        ("sector like '%D'", "ab"),
        ("sector not like '_D'", "bc"),
        ("not sector like '_D'", "bc"),
        ("sector rlike '^W.*D$'", "b"),
        ("trim(sector) = ''", "c"),
        ("lower(sector) = 'ed' or upper(sector) = 'WARD'", "ab"),
        ("length(sector) > 1", "ab"),
        ("coalesce(sector, '?') = '?'", "d"),
        ("level > 1", "b"),
        ("level >= 1 and level <= 3", "ab"),
        ("level between 1 and 3", "ab"),
        ("level not between 1 and 2", "bc"),
        ("level = -2", "c"),
        ("abs(level) = 2", "c"),
        ("level + 1 = 2 or level - 1 = 2 or level * 2 = 99", "ab"),
        ("level / 2 = 1.5", "b"),
        ("level % 2 = 1", "ab"),
        ("1 / share > 1", "a"),
        ("1 % share = 0 or share = 0", "abc"),
        ("is_urgent", "ac"),
        ("not is_urgent", "b"),
        ("is_urgent = false", "b"),
        ("is_urgent and (level > 0 or sector = ' ') and true", "ac"),
        ("came_at >= '2026-03-01 10:00'", "ab"),
        ("came_at > timestamp '2026-03-01 09:59:59.999999'", "ab"),
        ("came_at >= timestamp '2026-03-01 10:00:00+01:00'", "ab"),
        ("came_at >= timestamp '2026-03-01 09:00:00-03:00'", "b"),
        ("came_at between '2026-03-01' and '2026-03-02'", "ab"),
        ("came_at in (timestamp '2026-03-02')", "b"),
        ("cast(came_at as date) = date '2026-03-01'", "a"),
        ("date(came_at) = '2026-03-01'", "a"),
        ("day > '2026-03-01'", "b"),
        ("came_at >= day", "abc"),
        ("year(came_at) = 2025 or month(day) = 12", "c"),
        ("primary.level = 3", "b"),
        ("`level` = 3", "b"),
        ("level = 3 -- urgent ones apart", "b"),
    ],
)
def test_a_condition_chooses_the_rows_of_which_it_is_true(engine, rows, sql, names):
    found = engine.collect(rows.filter(where(sql, rows)).select("name"))

    assert "".join(sorted(found["name"].to_pylist())) == names


@pytest.mark.parametrize(
    "sql",
    [
        "",
        "level",
        "level + 1",
        "not level",
        "level and is_urgent",
        "is_urgent + 1 > 1",
        "sector > 5",
        "length(level) = 1",
        "came_at - came_at > 1",
        "came_at > 'soon'",
        "day = date '2026-13-01'",
        "year(sector) = 2026",
        "level = 99999999999999999999",
        "floor = 1",
        "LEVEL = 1",
        "other.level = 1",
        "spark.primary.level = 1",
        "sector = null",
        "sector in ('ED', null)",
        "coalesce(sector, null) = 'ED'",
        "sector like name",
        r"sector like 'a\\%'",
        "sector like 'a' escape 'b'",
        "sector like any ('a', 'b')",
        "sector ilike 'ed'",
        "sector rlike '(?<=E)D'",
        "sector rlike name",
        "trim(both 'x' from sector) = ''",
        "ltrim(sector) = ''",
        "level between symmetric 3 and 1",
        "cast(level as string) = '1'",
        "level = 1 limit 1",
        "level = 1 group by level",
        "level = 1 union select 1",
        "level = 1; drop table rows",
        "1 = 1) or (1 = 1",
        "level = (select max(level) from primary)",
        "exists (select 1)",
        "level in (select 1)",
        "sum(level) > 1",
        "row_number() over (order by level) = 1",
        "rand() > 0.5",
        "came_at < current_timestamp",
        "getenv('HOME') = '/root'",
        "read_text('/etc/passwd') = ''",
        "level = ?",
        "level = :level",
        "level = $1",
        "case when is_urgent then true end",
        "(" * 1000 + "is_urgent" + ")" * 1000,
        "not " * 60 + "is_urgent",
        " and ".join(["is_urgent"] * 10_000),
        "sector = '",
        "\x00",
        "🚑",
    ],
    ids=lambda sql: sql[:40].encode("unicode_escape").decode(),
)
def test_whatever_else_sql_can_say_is_refused(sql):
    with pytest.raises(SqlRefusedError):
        where(sql, TABLE)


@pytest.mark.parametrize(("word", "names"), [("or", "abc"), ("and", "")])
def test_a_condition_may_have_a_thousand_parts(engine, rows, word, names):
    sql = f" {word} ".join(f"level = {number}" for number in range(-500, 500))

    found = engine.collect(rows.filter(where(sql, rows)).select("name"))

    assert "".join(sorted(found["name"].to_pylist())) == names
