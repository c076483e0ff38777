"""What DQDL texts mean, rule by rule."""

from __future__ import annotations

from datetime import date, time, timedelta

import pytest

from healthcare_ops.pipeline.quality.dqdl.parser import parse
from healthcare_ops.pipeline.quality.dqdl.rule_types import RULE_TYPES
from healthcare_ops.pipeline.quality.dqdl.syntax import (
    Arithmetic,
    Call,
    ClockTime,
    Composite,
    Condition,
    Day,
    Duration,
    Keyword,
    Now,
    Number,
    Position,
    Rule,
    Size,
    Text,
    leaves,
)

# Every form in which a rule type can be written.
SOUND = """
AggregateMatch "sum(total_wait_min)" "sum(reference.total_wait_min)" >= 0.95
AggregateMatch "avg(triage_level)" "avg(reference.triage_level)" between 0.8 and 1.0
ColumnCorrelation "occupancy" "total_wait_min" > 0.2
ColumnCorrelation of occupancy and total_wait_min between -0.5 and 0.5
ColumnCorrelation of occupancy and "total wait" < avg(last(10)) where "sector_id = 'resus'"
ColumnCount = 21
ColumnCount >= 20
ColumnDataType "triage_level" = "Integer"
ColumnDataType "arrival_time" in ["Date","Timestamp"] with threshold > 0.9
ColumnDataType "arrival_time" != "Boolean" where "source = 'hl7'"
ColumnExists "encounter_id"
ColumnLength "sector_id" between 2 and 12
ColumnLength "sector_id" = 5 where "sector_id is not null"
ColumnNamesMatchPattern "[a-z][a-z0-9_]*"
ColumnValues "triage_level" between 1 and 5
ColumnValues "triage_level" not between 6 and 9
ColumnValues "triage_level" in [1, 2, 3, 4, 5]
ColumnValues "triage_level" not in [0, NULL]
ColumnValues "triage_level" != NULL with threshold > 0.5
ColumnValues "disposition" in ["home", "ward", NULL, EMPTY, WHITESPACES_ONLY]
ColumnValues "disposition" = empty
ColumnValues "disposition" != whitespaces_only
ColumnValues "disposition" matches "[a-z]+" with threshold between 0.4 and 0.8
ColumnValues "disposition" not matches "\\d+" where "sector_id = 'minors'" with threshold not between 0.1 and 0.2
ColumnValues "arrival_time" > "2026-01-01"
ColumnValues "arrival_time" between "2026-01-01" and "2026-02-01"
ColumnValues "arrival_time" <= now()
ColumnValues "arrival_time" > (now() - 3 days)
ColumnValues "arrival_time" not between (now() - 90 minutes) and (now() + 2 hours)
ColumnValues "arrival_time" in [now(), (now() - 3 hours), "2026-01-01", NULL]
Completeness "triage_level" > 0.95
Completeness of triage_level not between 0.1 and 0.2
CustomSql "select count(*) from primary" between 10 and 20
CustomSql "select encounter_id from primary where total_wait_min < 0"
CustomSql "select encounter_id from primary" with threshold > 0.5
DataFreshness "arrival_time" <= 24 hours
DataFreshness "arrival_time" between 2 days and 4 days
DataFreshness "arrival_time" in [30 minutes, 1 hours] where "sector_id = 'majors'"
DatasetMatch "reference" "encounter_id" >= 0.99
DatasetMatch "reference" "id->encounter_id,source" "triage->triage_level" = 1.0
DetectAnomalies "RowCount"
DetectAnomalies of RowCount
DetectAnomalies of ColumnCorrelation of "occupancy" and "total_wait_min"
DistinctValuesCount "sector_id" between min(last(10))-1 and max(last(10))+1
Entropy "disposition" <= 3.0
FileCount between 1 and 24
FileFreshness "s3://bucket/feed/" > (now() - 24 hours) with threshold > 0.1
FileFreshness "s3://bucket/feed/" between "9:30 AM" and "22:15" with timeZone = "Europe/Paris"
FileFreshness > "21:45"
FileMatch "s3://bucket/a.csv" in ["3ee0d861"] with hashAlgorithm = "MD5"
FileMatch in ["3ee0d861", "7e8617ac"]
FileMatch "s3://bucket/a/" "s3://bucket/b/" with recentFiles = 5 with filterOrder = ["uriRegex","recentFiles"]
FileSize "s3://bucket/" between 2 KB and 1 TB with threshold > 0.7
FileSize < 10 MB
FileSize > 1024
FileUniqueness "s3://bucket/" > 0.5
FileUniqueness = 1
IsComplete "encounter_id"
IsComplete "care_start" where "disposition <> 'left'"
IsPrimaryKey "source" "encounter_id"
IsUnique "encounter_id"
IsUnique "source" "encounter_id" where "source = 'hl7'"
JobDuration between 1 and 60
JobStatus in ["SUCCEEDED", "READY"]
Mean "total_wait_min" between 8 and 100
ReferentialIntegrity "sector_id" "sectors.sector_id" = 1.0
ReferentialIntegrity "source,encounter_id" "encounters.{source,encounter_id}" between 0.98 and 1.0
RowCount > 0
RowCount = -100
RowCount > 0 where "sector_id = 'resus'"
RowCountMatch "reference" >= 0.95
SchemaMatch "reference" = 1.0
StandardDeviation "total_wait_min" < 120.5
Sum "arrivals" > 100
Uniqueness "encounter_id" = 1.0
Uniqueness "source" "encounter_id" >= avg(last(10))
UniqueValueRatio "encounter_id" between 0.9 and 1.0
""".strip().splitlines()


def rules_of(*texts, before="", after=""):
    return parse(f"{before} Rules = [ {', '.join(texts)} ] {after}").rules


def rule_of(text, before=""):
    (rule,) = rules_of(text, before=before)
    assert isinstance(rule, Rule)
    return rule


def condition_of(text, column='ColumnValues "arrival_time"', before=""):
    return rule_of(f"{column} {text}", before=before).condition


def operand_of(text):
    return condition_of(f"> {text}", "RowCount").operands[0]


@pytest.mark.parametrize("text", SOUND)
def test_a_rule_of_the_reference_is_read_as_it_is_written(text):
    rule = rule_of(text)

    assert (rule.rule_type, rule.text) == (text.split()[0], text)


def test_every_rule_type_is_written_somewhere_above():
    assert {text.split()[0] for text in SOUND} == set(RULE_TYPES)


def test_a_rule_has_its_parts():
    rule = rule_of(
        'ColumnValues "triage_level" in [1, 2] where "sector_id = \'resus\'" '
        'with threshold >= 0.9 with note = "x" labels=["severity"="warn"]'
    )

    assert rule == Rule(
        rule_type="ColumnValues",
        parameters=("triage_level",),
        condition=Condition("in", (Number(1), Number(2))),
        where="sector_id = 'resus'",
        threshold=Condition(">=", (Number(0.9),)),
        labels={"severity": "warn"},
        text=rule.text,
        position=Position(1, 12),
        tags={"note": Condition("=", (Text("x"),))},
    )


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("= 3", Condition("=", (Number(3),))),
        ("! = 3", Condition("!=", (Number(3),))),
        ("!= - 3.5", Condition("!=", (Number(-3.5),))),
        ("not between 1 and 5", Condition("not between", (Number(1), Number(5)))),
        ("between\t1\nand (2)", Condition("between", (Number(1), Number(2)))),
        ('not in ["home", EMPTY]', Condition("not in", (Text("home"), Keyword("EMPTY")))),
        ('not matches "a|b"', Condition("not matches", (Text("a|b"),))),
        ("= null", Condition("=", (Keyword("NULL"),))),
        ('= "2026-03-29"', Condition("=", (Day(date(2026, 3, 29)),))),
        ('in ["2026-03-29", NULL]', Condition("in", (Day(date(2026, 3, 29)), Keyword("NULL")))),
        ('in ["2026-03-29", "home"]', Condition("in", (Text("2026-03-29"), Text("home")))),
        ('> "09:30"', Condition(">", (ClockTime(time(9, 30)),))),
        ('<= "9:30 PM"', Condition("<=", (ClockTime(time(21, 30)),))),
        ("< now()", Condition("<", (Now(),))),
        ("> (now() - 3 days)", Condition(">", (Now(timedelta(days=-3)),))),
        ("> ( now() + 90 minutes )", Condition(">", (Now(timedelta(minutes=90)),))),
    ],
)
def test_a_condition_is_an_operator_and_what_it_compares_with(text, condition):
    assert condition_of(text) == condition


def test_a_day_is_a_text_where_a_rule_compares_texts():
    assert condition_of('= "2026-03-29"', 'ColumnDataType "arrival_time"').operands == (Text("2026-03-29"),)


@pytest.mark.parametrize(
    ("text", "operand"),
    [("24 hours", timedelta(days=1)), ("2 days", timedelta(days=2)), ("30 minutes", timedelta(minutes=30))],
)
def test_a_duration_is_an_amount_of_time(text, operand):
    assert condition_of(f"<= {text}", 'DataFreshness "arrival_time"').operands == (Duration(operand),)


@pytest.mark.parametrize(("text", "size"), [("5 B", 5), ("2 KB", 2048), ("1 MB", 1024**2), ("1 TB", 1024**4), ("7", 7)])
def test_a_size_is_in_bytes(text, size):
    assert condition_of(f"> {text}", "FileSize").operands == (Size(size),)


@pytest.mark.parametrize(
    ("text", "operand"),
    [
        ("last()", Call("last", ())),
        ("avg(last(10))", Call("avg", (Call("last", (Number(10),)),))),
        ("index(last(3), 0)", Call("index", (Call("last", (Number(3),)), Number(0)))),
        ("1 + 2 * 3", Arithmetic("+", Number(1), Arithmetic("*", Number(2), Number(3)))),
        ("(1 + 2) * 3", Arithmetic("*", Arithmetic("+", Number(1), Number(2)), Number(3))),
        ("8 - 2 - 1", Arithmetic("-", Arithmetic("-", Number(8), Number(2)), Number(1))),
        ("8 / 2 * 3", Arithmetic("*", Arithmetic("/", Number(8), Number(2)), Number(3))),
        ("5 -1", Arithmetic("-", Number(5), Number(1))),
        ("2*-3", Arithmetic("*", Number(2), Number(-3))),
    ],
)
def test_numbers_are_reckoned_as_in_arithmetic(text, operand):
    assert operand_of(text) == operand


@pytest.mark.parametrize(
    ("written", "value"),
    [(r'"a\"b"', 'a"b'), (r'"a\\b"', r"a\b"), (r'"\d+\."', r"\d+\."), ('"a, [b] # c"', "a, [b] # c"), (r'"\\"', "\\")],
)
def test_a_quote_and_a_backslash_are_escaped_in_texts(written, value):
    assert rule_of(f"IsComplete {written}").parameters == (value,)
    assert condition_of(f"= {written}").operands == (Text(value),)


def test_names_need_no_quotes_and_small_words_are_dropped():
    rule = rule_of('ColumnCorrelation of occupancy and "total wait" > 0.5')

    assert rule.parameters == ("occupancy", "total wait")


def test_rules_are_joined_by_or_after_and():
    (node,) = rules_of('(RowCount > 0) or (IsComplete "a") AND (IsUnique "a") and (IsUnique "b")')

    assert isinstance(node, Composite)
    assert (node.operator, [leaf.text for leaf in leaves(node)]) == (
        "or",
        ["RowCount > 0", 'IsComplete "a"', 'IsUnique "a"', 'IsUnique "b"'],
    )
    assert [getattr(part, "operator", None) for part in node.parts] == [None, "and"]
    assert len(node.parts[1].parts) == 3


def test_brackets_come_before_and():
    (node,) = rules_of('((RowCount > 0) or (IsComplete "a")) and (IsUnique "a")')

    assert (node.operator, node.parts[0].operator) == ("and", "or")


def test_rules_with_conditions_are_joined_without_brackets():
    (node,) = rules_of('RowCount between 1 and 5 and Completeness "a" > 0.5 or RowCount = 0')

    assert (node.operator, len(list(leaves(node)))) == ("or", 3)


def test_brackets_around_one_rule_say_nothing():
    assert rule_of('(((IsComplete "a")))').text == 'IsComplete "a"'


def test_the_text_of_a_rule_has_one_blank_for_blanks_and_comments():
    (node,) = rules_of('(IsComplete\t"a  b") # of every\n#encounter\n  and (RowCount>0)\n')

    assert node.text == '(IsComplete "a  b") and (RowCount>0)'


def test_positions_are_lines_and_columns_from_1():
    rules = parse('Rules = [\r\n\tRowCount > 0,\r\n  (IsComplete "é") and (IsUnique "é"), IsUnique "é"]').rules

    assert [rule.position for rule in rules] == [Position(2, 2), Position(3, 3), Position(3, 40)]


def test_default_labels_are_on_every_rule_and_give_way_to_its_own():
    plain, own, joined = rules_of(
        "RowCount > 0",
        'IsComplete "a" labels=["severity"="warn"]',
        '((RowCount > 0) and (IsUnique "a")) labels = ["owner" = "front desk"]',
        before='DefaultLabels=["severity"="fail", "team"="flow"]',
    )

    assert plain.labels == {"severity": "fail", "team": "flow"}
    assert own.labels == {"severity": "warn", "team": "flow"}
    assert joined.labels == {"severity": "fail", "team": "flow", "owner": "front desk"}
    assert all(leaf.labels == joined.labels for leaf in leaves(joined))


@pytest.mark.parametrize(
    "text",
    [
        'ColumnValues "a" > 1 labels=["x"="1"] with threshold > 0.5',
        'ColumnValues "a" > 1 with threshold > 0.5 labels=["x"="1"]',
        '(ColumnValues "a" > 1 with threshold > 0.5) labels=["x"="1"]',
    ],
)
def test_labels_stand_before_or_behind_the_threshold(text):
    rule = rule_of(text)

    assert (rule.labels, rule.threshold) == ({"x": "1"}, Condition(">", (Number(0.5),)))


def test_constants_are_put_in_their_places():
    before = 'sql = "select 1" codes = ["a", "b"] one = "c" column = "sector_id"'

    assert rule_of("CustomSql $sql > 0", before).parameters == ("select 1",)
    assert rule_of("IsPrimaryKey source $column", before).parameters == ("source", "sector_id")
    assert condition_of("in $codes", before=before) == Condition("in", (Text("a"), Text("b")))
    assert condition_of("not in $codes", before=before).operator == "not in"
    assert condition_of('in [$one, "d"]', before=before).operands == (Text("c"), Text("d"))
    assert condition_of("= $one", before=before).operands == (Text("c"),)


def test_a_dollar_within_a_text_is_a_dollar():
    assert rule_of('CustomSql "select $id from primary"', 'id = "x"').parameters == ("select $id from primary",)


def test_a_document_has_sections():
    ruleset = parse(
        """
        # Which delivery this is about.
        Metadata = { "Version": "1.0" }
        DataSources = { "Primary": "encounters", "AdditionalDataSources": ["sectors", "reference"] }
        DefaultLabels = ["team"="flow"]
        levels = ["1", "2"]
        Rules = [ RowCount > 0 ]
        Analyzers = [ RowCount, Completeness of "triage_level", AllStatistics AllColumns,
                      Distribution "age" with bins = 20, rebin = false ]"""
    )

    assert ruleset.metadata == {"Version": "1.0"}
    assert ruleset.data_sources == {"Primary": "encounters", "AdditionalDataSources": ("sectors", "reference")}
    assert len(ruleset.rules) == 1
    assert [(one.analyzer_type, one.parameters) for one in ruleset.analyzers] == [
        ("RowCount", ()),
        ("Completeness", ("triage_level",)),
        ("AllStatistics", ("AllColumns",)),
        ("Distribution", ("age",)),
    ]
    assert (ruleset.analyzers[1].text, ruleset.analyzers[1].position.line) == ('Completeness of "triage_level"', 8)


@pytest.mark.parametrize("rules", ["", "Rules = []"])
def test_analyzers_can_stand_alone(rules):
    ruleset = parse(f"{rules} Analyzers = [RowCount]")

    assert (ruleset.rules, len(ruleset.analyzers)) == ((), 1)


@pytest.mark.parametrize("end", ["# last word", "#", "\n\t\r\n"])
def test_a_comment_ends_with_its_line_or_with_the_text(end):
    assert len(parse(f"\ufeffRules = [RowCount > 0]{end}").rules) == 1


def test_brackets_may_be_nested_as_deep_as_anyone_writes():
    deep = "(RowCount > 1 or " * 99 + "RowCount > 2" + ")" * 99

    (node,) = rules_of(deep)

    assert len(list(leaves(node))) == 100
