from __future__ import annotations

import pytest

from healthcare_ops.pipeline.quality.rules.custom_sql import at, columns_read, require_query_of
from healthcare_ops.pipeline.quality.rules.refusals import SqlRefusedError
from healthcare_ops.pipeline.quality.rules.where import PRIMARY
from unit.pipeline.builders import at as instant

QUERIES = [
    "select count(*) from primary",
    "select * from primary where level > 1",
    "SELECT sector, count(*) FROM primary GROUP BY sector HAVING count(*) > 1",
    "select p.level from primary p join primary q on p.name = q.name",
    "select count(*) from (select distinct sector from primary)",
    "with urgent as (select * from primary where is_urgent), named as (select name from urgent) select * from named",
    "select * from primary where exists (select 1 from primary q where q.level > primary.level)",
    "select name from primary union all select sector from primary",
    "select rank() over (partition by sector order by came_at) from primary",
    "select percentile_approx(level, 0.5) from primary",
    "select explode(split(name, ',')) from primary",
    "select count(*) from primary where came_at < current_timestamp() and day <= current_date",
    "-- all of them\nselect count(*) from primary;",
    "(select name from primary)",
    "select * from primary where level is null or nvl(level, 1) = 2 or level <=> share",
    "select substring(name, 1, 2), concat(name, sector), regexp_replace(name, 'a', ''), instr(name, 'a') from primary",
    "select date_format(day, 'y'), to_date(name), to_timestamp(name), hour(came_at), datediff(day, day) from primary",
    "select date_trunc('month', came_at), add_months(day, 1), extract(day from day), last_day(day) from primary",
    "select size(collect_set(name)), stddev(level), median(level), count_if(is_urgent) from primary",
    "select max_by(name, level), min_by(name, level) from primary",
    "select case when level > 1 then 'a' else 'b' end, if(is_urgent, 1, 0), greatest(1, 2), round(1.5) from primary",
    "select lag(level) over (order by came_at), row_number() over (order by name), bool_and(is_urgent) from primary",
    "select cast(level as string), try_cast(name as int), came_at + interval 1 day from primary",
]


@pytest.mark.parametrize("sql", QUERIES)
def test_a_query_may_ask_anything_of_the_rule_s_own_table(sql):
    assert require_query_of(sql, [PRIMARY]) is not None


@pytest.mark.parametrize(
    ("sql", "fault"),
    [
        ("", "only one SELECT"),
        ("select", "only one SELECT"),
        ("select 1; select 2", "only one SELECT"),
        ("select 1; drop table primary", "only one SELECT"),
        ("drop table primary", "only one SELECT"),
        ("create table t as select 1", "only one SELECT"),
        ("insert into primary select * from primary", "only one SELECT"),
        ("delete from primary", "only one SELECT"),
        ("update primary set level = 1", "only one SELECT"),
        ("set memory_limit = '1GB'", "only one SELECT"),
        ("pragma database_list", "only one SELECT"),
        ("attach '/etc/passwd' as p", "only one SELECT"),
        ("select 1; load httpfs", "only one SELECT"),
        ("load httpfs", "only one SELECT"),
        ("call duckdb_settings()", "only one SELECT"),
        ("from '/etc/passwd'", "only one SELECT"),
        ("copy primary to 'out.csv'", "only one SELECT"),
        ("install httpfs", "only one SELECT"),
        ("describe primary", "only one SELECT"),
        ("show tables", "only one SELECT"),
        ("explain select 1", "only one SELECT"),
        ("with x as (delete from primary returning *) select * from x", "only one SELECT"),
        ("select * from encounters", "not a table of the rule"),
        ("select * from silver.encounters", "not a table of the rule"),
        ("select * from main.primary", "not a table of the rule"),
        ("select * from `a b`", "not a table of the rule"),
        ("select * from `/etc/passwd`", "not a table of the rule"),
        ("select * from csv.`/etc/passwd`", "not a table of the rule"),
        ("select * from '/etc/passwd'", "not a table of the rule"),
        ("select * from information_schema.tables", "not a table of the rule"),
        ("select * from primary, duckdb_tables", "not a table of the rule"),
        ("select (select count(*) from sqlite_master) from primary", "not a table of the rule"),
        (
            "select * from (with pg_settings as (select 1) select * from pg_settings) p, pg_settings",
            "not a table of the rule",
        ),
        (
            "with a as (select * from pg_settings), pg_settings as (select 1) select * from a",
            "not a table of the rule",
        ),
        ("with `a.b` as (select 1) select * from a.b", "not a table of the rule"),
        ("with recursive r as (select 1 n union all select n + 1 from r) select * from r", "never end"),
        ("select * from read_csv('/etc/passwd')", "not a table of the rule"),
        ("select * from read_text('/etc/passwd')", "not a table of the rule"),
        ("select * from glob('/etc/passwd')", "read"),
        ("select * from range(1000000000)", "not a table of the rule"),
        ("select * from duckdb_settings()", "not a table of the rule"),
        ("select * from values (1)", "may call"),
        ("select * from primary lateral view explode(split(name, ',')) as part", "may call"),
        ("select * from primary, lateral (select 1)", "may call"),
        ("select getenv('HOME')", "may call"),
        ("select current_setting('home_directory')", "may call"),
        ("select current_user()", "may call"),
        ("select current_database()", "may call"),
        ("select java_method('java.lang.System', 'getenv')", "may call"),
        ("select reflect('java.lang.System', 'getenv')", "may call"),
        ("select rand()", "may call"),
        ("select repeat('a', 1000000000)", "may call"),
        ("select lpad('a', 1000000000)", "may call"),
        ("select rpad('a', 1000000000, 'b')", "may call"),
        ("select space(1000000000)", "may call"),
        ("select array_repeat('a', 1000000000)", "may call"),
        ("select format_string('%1000000000d', 1)", "may call"),
        ("select * from primary tablesample (10 percent)", "may call"),
        ("select * from (select * from primary) tablesample (5 rows)", "may call"),
        ("select randn()", "may call"),
        ("select uniform(1, 10)", "may call"),
        ("select version()", "may call"),
        ("select explode(sequence(1, 1000000000))", "may call"),
        ("select uuid()", "may call"),
        ("select unix_timestamp()", "may call"),
        ("select unheard_of(level) from primary", "may call"),
        ("select :level", "may call"),
        ("select * from primary where level = ?", "may call"),
        ("(" * 1000 + "select 1" + ")" * 1000, "read"),
        ("select * from primary where " + " and ".join(["is_urgent"] * 10_000), "longer than"),
        ("select '", "read"),
        ("\x00", "only one SELECT"),
    ],
    ids=lambda text: text[:60].encode("unicode_escape").decode(),
)
def test_a_query_reads_nothing_but_the_rule_s_own_table(sql, fault):
    with pytest.raises(SqlRefusedError, match=fault):
        require_query_of(sql, [PRIMARY])


@pytest.mark.parametrize(
    "sql",
    [
        "select first(name) from primary",
        "select first(name, true) from primary",
        "select first_value(name) from primary",
        "select first(name) over (partition by sector) from primary",
        "select first(name) within group (order by 1) from primary",
        "select rank() over (partition by first(name) order by level) from primary",
        "select last(name) from primary group by sector",
        "select last_value(name) over () from primary",
        "select nth_value(name, 2) over (partition by sector) from primary",
        "select any_value(name) from primary",
        "select any_value(name) filter (where level > 1) from primary",
        "select max_by(name, 1) from primary",
        "select array_agg(name) from primary",
        "select collect_list(name) from primary",
        "select collect_set(name)[0] from primary",
        "select concat_ws(',', collect_list(name)) from primary",
        "select array_sort(collect_list(name), (a, b) -> 0) from primary",
        "select string_agg(name, ',') from primary",
        "select listagg(name) from primary",
        "select row_number() over () from primary",
        "select row_number() over (partition by sector) from primary",
        "select row_number() over (order by 1) from primary",
        "select row_number() over (order by null) from primary",
        "select row_number() over w from primary window w as (partition by sector)",
        "select row_number() over v from primary window v as (partition by sector), w as (order by name)",
        "select ntile(4) over () from primary",
        "select lag(level) over (partition by sector) from primary",
        "select sum(level) over (rows between 1 preceding and current row) from primary",
        "select name from primary limit 3",
        "select name from primary offset 3",
        "select name from primary fetch first 3 rows only",
        "select name from primary sort by name limit 3",
        "select name from primary order by null limit 3",
        "select * from (select name from primary order by name) limit 3",
        "(select name from primary) limit 3",
        "select name from primary union all select sector from primary limit 3",
        "select count(*) from primary where level = (select level from primary limit 1)",
        "select distinct on (sector) name from primary",
    ],
)
def test_a_query_whose_answer_hangs_on_the_order_of_the_rows_says_which_order(sql):
    with pytest.raises(SqlRefusedError, match=r"depends on the order of the rows, .* ORDER BY"):
        require_query_of(sql, [PRIMARY])


@pytest.mark.parametrize(
    "sql",
    [
        "select first(name) over (partition by sector order by came_at) from primary",
        "select first(name) ignore nulls over (order by came_at) from primary",
        "select last_value(name) over w from primary window W as (partition by sector order by came_at)",
        "select row_number() over (w order by name) from primary window w as (partition by sector)",
        "select rank() over (order by count(*) desc) from primary group by sector",
        "select listagg(name) within group (order by name) from primary",
        "select sort_array(collect_list(name)), array_sort(collect_set(name)) from primary",
        "select size(collect_set(name)), array_contains(collect_list(name), 'a') from primary",
        "select sum(level) over (partition by sector) from primary",
        "select sum(level) over (order by came_at rows between 1 preceding and current row) from primary",
        "select name from primary order by came_at desc limit 3 offset 1",
        "select name from primary order by 1 limit 3",
        "select sector from primary group by sector order by count(*) desc limit 1",
        "select name from primary union all select sector from primary order by name limit 3",
        "(select name from primary) order by name limit 3",
    ],
)
def test_a_query_that_says_the_order_may_ask_for_the_first_rows(sql):
    assert require_query_of(sql, [PRIMARY]) is not None


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("select current_timestamp()", "SELECT CAST('2026-03-20 12:00:00.000001' AS TIMESTAMP_NTZ)"),
        ("select current_timestamp", "SELECT CAST('2026-03-20 12:00:00.000001' AS TIMESTAMP_NTZ)"),
        ("select current_date", "SELECT CAST('2026-03-20' AS DATE)"),
        ("select 'current_date'", "SELECT 'current_date'"),
        ("select level / (share + 1) from primary", "SELECT level / NULLIF((share + 1), 0) FROM primary"),
    ],
)
def test_a_query_means_the_run_s_time_and_not_the_machine_s_and_null_by_a_division_by_nothing(sql, said):
    assert at(instant("2026-03-20 12:00:00.000001"), require_query_of(sql, [PRIMARY])) == said


COLUMNS = ("name", "Level", "came_at")


@pytest.mark.parametrize(
    ("sql", "read"),
    [
        ("select count(*) from primary where level > 1", ["Level"]),
        ("select `NAME`, primary.level from primary", ["name", "Level"]),
        ("select count(*) from primary p join primary q using (came_at)", ["came_at"]),
        ("select count(*) from primary where exists (select 1 from primary q where q.name = primary.name)", ["name"]),
        ("with x as (select level from primary) select * from x", list(COLUMNS)),
        ("select * from primary", list(COLUMNS)),
        ("select * except (level) from primary", list(COLUMNS)),
        ("select p.* from primary p where level > 1", list(COLUMNS)),
        ("select level from primary p natural join primary q", list(COLUMNS)),
        ("select count(distinct p) from primary p where level > 1", list(COLUMNS)),
        ("select count(distinct struct(*)) from primary", list(COLUMNS)),
        ("select a from primary pivot (count(level) for name in ('a'))", list(COLUMNS)),
        ("select count(*) from primary as t(level) where level is null", list(COLUMNS)),
        ("select count(*) from primary t(id, grade, level) where level is null", list(COLUMNS)),
        ("select count(*) from (primary) as t(a, name) where name is null", list(COLUMNS)),
        ("select count(*) from (select * from primary) t(a, name) where name is null", list(COLUMNS)),
        ("select count(*) from primary as t where t.level is null", ["Level"]),
        ("select 1 from primary", list(COLUMNS)),
        ("select count(*) from primary", ["name"]),
    ],
)
def test_a_query_reads_the_columns_that_it_names_or_all_if_it_may_mean_others(sql, read):
    assert columns_read(sql, COLUMNS) == read


def test_what_is_refused_is_told_once_and_not_logged(caplog):
    with pytest.raises(SqlRefusedError):
        require_query_of("load httpfs", [PRIMARY])

    assert caplog.records == []
