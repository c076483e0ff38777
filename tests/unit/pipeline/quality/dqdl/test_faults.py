"""What is no DQDL is refused where it goes wrong, whatever it is."""

from __future__ import annotations

import contextlib
import pickle
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from healthcare_ops.core.errors import ConfigError
from healthcare_ops.pipeline.quality.dqdl.fault import DqdlError
from healthcare_ops.pipeline.quality.dqdl.parser import MAX_DEPTH, parse

KEYS_OF_11_LABELS = ", ".join(f'"{key}"="x"' for key in range(11))


def fault_of(text):
    with pytest.raises(DqdlError) as raised:
        parse(text)
    return raised.value


@pytest.mark.parametrize(
    ("text", "line", "column", "fault"),
    [
        ("", 1, 1, "there are no rules and no analyzers"),
        ("\n\n  # nothing yet", 3, 16, "there are no rules and no analyzers"),
        ("Rules = []", 1, 1, "there are no rules and no analyzers"),
        ("Rules = [] Analyzers = []", 1, 1, "there are no rules and no analyzers"),
        ('Metadata = { "Version": "1.0" }', 1, 1, "there are no rules and no analyzers"),
        ("Rules = [", 1, 10, "found the end of the text; the [ of line 1, column 9 is not closed; write ]."),
        ("Rules = {", 1, 9, "found { where [ can stand"),
        (
            "Rules = [\n  RowCount > 0\n",
            3,
            1,
            "found the end of the text; the [ of line 1, column 9 is not closed; write ].",
        ),
        ("Rules = [RowCount > 0]]", 1, 23, "found ] behind the ] of Rules, where only Analyzers can stand."),
        ("Rules = [RowCount > 0,]", 1, 23, "found ] behind a comma"),
        ("rules = [RowCount > 0]", 1, 1, "found rules; write Rules = [ … ]."),
        ("Rules = [(RowCount > 0) (RowCount > 1)]", 1, 25, "found ("),
        ("Rules = [RowCount > 0 # ] end", 1, 30, "found the end of the text"),
        ("RowCount > 0", 1, 1, "found RowCount outside of Rules"),
        ("Analyzers = [RowCount] Rules = [RowCount > 0]", 1, 24, "found Rules; they stand once, before Analyzers."),
        ("Rules = [RowCount > ]", 1, 21, "found ] where"),
        ("Rules = [RowCount > +1]", 1, 21, "found + where"),
        ("Rules = [RowCount > 1e5]", 1, 21, "found 1e5; write 100000."),
        ("Rules = [RowCount > .5]", 1, 21, "found .5; write 0.5."),
        ("Rules = [RowCount between 1]", 1, 28, "found ] where"),
        ("Rules = [RowCount in []]", 1, 23, "found ] where"),
        ("Rules = [RowCount not > 1]", 1, 23, "found > where between, in or matches can stand"),
        ("Rules = [RowCount > 1 with]", 1, 27, "found ] where a name or a quoted text can stand"),
        ("Rules = [ColumnValues a > now() - 1 hours]", 1, 27, "found now() -; write (now() - 3 days), in brackets."),
        ("Rules = [ColumnValues a > (now() - 3 weeks)]", 1, 38, "found weeks where days, hours or minutes can stand"),
        ("Rules = [ColumnValues a > (now() - 1)]", 1, 37, "found ) where days, hours or minutes can stand"),
        ("Rules = [FileSize > 1 ZB]", 1, 23, "found ZB where"),
        ("Rules = [DataFreshness a between 2 and 4 days]", 1, 40, "found a duration"),
        ("Rules = [// every encounter\nRowCount > 0]", 1, 10, "a comment begins with #"),
        ("Rules = [IsComplete 'a']", 1, 21, "found '"),
        ('Rules = [\n  IsComplete "a]', 2, 14, "the quoted text that begins here does not end"),
        ("Rules = [RowCount > 0\x00]", 1, 22, "found U+0000"),
        ("Rules = [\u202eRowCount > 0]", 1, 10, "found U+202E"),
        ("Rules = [\ud800]", 1, 10, "found U+D800"),
    ],
)
def test_a_text_that_is_no_dqdl_is_refused_where_it_goes_wrong(text, line, column, fault):
    error = fault_of(text)

    assert (error.line, error.column) == (line, column)
    assert fault in error.fault


@pytest.mark.parametrize(
    ("rule", "column", "fault"),
    [
        ('IsComplet "a"', 1, "there is no rule type IsComplet; IsComplete is the nearest"),
        ('iscomplete "a"', 1, "IsComplete is the nearest"),
        ("Zzz", 1, "there is no rule type Zzz; docs/dqdl.md lists them."),
        ('AllStatistics "a"', 1, "there is no rule type AllStatistics"),
        ('RowCount "a" > 1', 1, "RowCount takes no parameter, and 1 stands there"),
        ("IsComplete", 1, "IsComplete takes 1 parameter, and 0 stand there"),
        ('IsComplete "a" and IsUnique "a"', 20, "rules joined by and or or stand in brackets"),
        ('ColumnCorrelation "a" > 0.5', 1, "takes 2 parameters"),
        ('DatasetMatch "reference" > 0.9', 1, "takes 2 to 3 parameters"),
        ("DetectAnomalies", 1, "takes 1 parameter or more"),
        ("FileMatch a b c", 1, "takes 0 to 2 parameters"),
        ('Completeness "a"', 1, "Completeness needs a condition"),
        ('ColumnDataType "a" with threshold > 0.7', 1, "ColumnDataType needs a condition"),
        ('SchemaMatch "a"', 1, "SchemaMatch needs a condition"),
        ('FileUniqueness "s3://bucket/"', 1, "FileUniqueness needs a condition"),
        ("FileMatch a", 1, "FileMatch needs a condition"),
        ('IsComplete "a" > 0.05', 16, "IsComplete takes no condition"),
        ('IsPrimaryKey "a" between 1 and 2', 18, "IsPrimaryKey takes no condition"),
        ('FileMatch "a" "b" in ["x"]', 19, "FileMatch takes no condition"),
        ('ColumnValues "a" in [1, "2"]', 25, 'found "2"; a number stands without quotes: 2.'),
        ('ColumnValues "a" between 1 and 2 days', 32, "found a duration such as 24 hours where between takes a number"),
        ('ColumnValues "a" > "home"', 20, "found a text where > takes"),
        ('ColumnValues "a" > EMPTY', 20, "found a text where > takes"),
        ('ColumnValues "a" > 3 days', 18, "ColumnValues is compared with a number or a date or time or a text"),
        ('ColumnValues "a" > "2026-02-30"', 20, "is written like a date or a time of day and is none"),
        ('ColumnValues "a" > "24:30"', 20, "is written like a date or a time of day and is none"),
        ('Completeness "a" = "1.0"', 20, 'found "1.0"; a number stands without quotes: 1.0.'),
        ('Completeness "a" matches "x"', 18, "Completeness is compared with a number, not with a text"),
        ('ColumnDataType "a" = 3', 20, "ColumnDataType is compared with a text, not with a number"),
        ('DataFreshness "a" <= 3', 19, "DataFreshness is compared with a duration"),
        ("FileSize > 1.5", 10, "FileSize is compared with a size"),
        ("FileSize > 1.5 KB", 12, "1.5 is not a whole number"),
        (f"FileSize > {'9' * 5000} KB", 12, "is not a whole number"),
        (f"RowCount > {'9' * 500}", 12, "the number is too large"),
        ("DataFreshness a > 365001 days", 19, "more than a thousand years"),
        ("FileFreshness > 3", 15, "FileFreshness is compared with a date or time"),
        ('RowCount > 0 where ""', 20, "the where is empty"),
        ('ColumnNamesMatchPattern "a" where "b > 1"', 35, "ColumnNamesMatchPattern takes no where"),
        ('ReferentialIntegrity "a" "b.a" = 1 where "b > 1"', 42, "ReferentialIntegrity takes no where"),
        ('Completeness "a" > 0.4 with threshold > 0.4', 29, "Completeness takes no threshold"),
        ('ColumnValues "a" > 1 with threshold > 0.5 with threshold > 0.6', 48, "with threshold stands there twice"),
        ('ColumnValues "a" > 1 with threshold = "x"', 37, "with threshold is compared with a number, not with a text"),
        ("FileSize > 1 KB with recentFiles > 1", 34, "with recentFiles takes = and not >"),
        ('FileSize > 1 KB with failFast in ["true"]', 31, "with failFast takes = and not in"),
        ("FileSize > 1 KB with a = 1 with a = 2", 33, "with a stands there twice"),
        ('RowCount > 0 labels=["a"="1", "a"="2"]', 31, 'the label "a" stands there twice'),
        ('RowCount > 0 labels=[""="1"]', 22, "a label's key has 1 to 128 characters"),
        (f'RowCount > 0 labels=["a"="{"x" * 257}"]', 22, "its value 256 at most"),
        (f"RowCount > 0 labels=[{KEYS_OF_11_LABELS}]", 22, "11 labels; a rule has 10 at most"),
        ('RowCount > 0 labels=["a"="1"] labels=["b"="1"]', 31, "the rule has labels already"),
        ('(RowCount > 0 labels=["a"="1"]) labels=["b"="1"]', 33, "the rule has labels already"),
        ('(RowCount > 0) and (IsUnique "a") labels=["a"="1"]', 35, "labels belong to a whole composite rule"),
        ('(IsUnique "a" labels=["a"="1"]) and (RowCount > 0)', 15, "labels belong to a whole composite rule"),
        ("CustomSql $sql", 11, "the constant $sql is not set"),
        ("ColumnValues a in $codes", 19, "the constant $codes is not set"),
    ],
)
def test_a_rule_that_its_type_does_not_allow_is_refused_where_it_goes_wrong(rule, column, fault):
    error = fault_of(f"Rules = [\n{rule} ]")

    assert (error.line, error.column) == (2, column)
    assert fault in error.fault


@pytest.mark.parametrize(
    ("before", "line", "column", "fault"),
    [
        ("Metadata = {}", 1, 12, "Metadata is empty"),
        ('Metadata = { "Author": "x" }', 1, 14, 'Metadata has no key "Author"; it has Version'),
        ('DataSources = { "Second": "x" }', 1, 17, "it has Primary and AdditionalDataSources"),
        ('DataSources = { "Primary": ["x"] }', 1, 17, '"Primary" takes a text'),
        ('DataSources = { "AdditionalDataSources": "x" }', 1, 17, "takes a list"),
        ('DataSources = { "Primary": "x", "Primary": "y" }', 1, 33, 'the key "Primary" stands there twice'),
        ("DefaultLabels = []", 1, 18, "found ] where a quoted text can stand"),
        ('a = "x"\na = "y"', 2, 1, "the constant a is set a second time"),
        ('_a = "x"', 1, 1, "begins with . or _"),
        ('a = "x" b = "and $a"', 1, 9, "the constant b refers to a constant"),
        ("a = 3", 1, 5, "found 3 where [ or a quoted text can stand"),
    ],
)
def test_a_section_that_is_wrong_is_refused_where_it_goes_wrong(before, line, column, fault):
    error = fault_of(f"{before} Rules = [RowCount > 0]")

    assert (error.line, error.column) == (line, column)
    assert fault in error.fault


@pytest.mark.parametrize("rule", ["CustomSql $codes", "ColumnValues a = $codes"])
def test_a_list_does_not_stand_where_one_text_does(rule):
    assert "$codes is a list" in fault_of(f'codes = ["a", "b"] Rules = [{rule}]').fault


def test_default_labels_count_among_the_ten():
    error = fault_of(f'DefaultLabels=["owner"="x"] Rules = [RowCount > 0 labels=[{KEYS_OF_11_LABELS[:-10]}]]')

    assert (error.line, "11 labels with the default ones" in error.fault) == (1, True)


@pytest.mark.parametrize(
    ("analyzer", "fault"),
    [
        ("IsUnique a", "there is no analyzer IsUnique; Uniqueness is the nearest"),
        ("AggregateMatch a b", "there is no analyzer AggregateMatch"),
        ("Completeness", "Completeness takes 1 parameter"),
        ("Completeness a > 0.5", "found >; an analyzer has no condition."),
        ("Mean a with bins = 20", "Mean has no setting bins"),
        ("Distribution a with bins = 20, size = 3", "Distribution has no setting size; it has bins and rebin"),
        ("RowCount, ", "found ]"),
    ],
)
def test_an_analyzer_that_its_type_does_not_allow_is_refused(analyzer, fault):
    assert fault in fault_of(f"Analyzers = [{analyzer}]").fault


def test_the_error_is_one_of_configuration_and_says_where():
    error = fault_of("Rules = [\n  Zzz]")

    assert isinstance(error, ConfigError)
    assert error.message == "line 2, column 3: there is no rule type Zzz; docs/dqdl.md lists them."
    assert error.next_step
    assert (
        error.about("silver.dqdl").message
        == "silver.dqdl: line 2, column 3: there is no rule type Zzz; docs/dqdl.md lists them."
    )


def test_the_error_goes_from_one_process_to_another():
    error = fault_of("Rules = [\n  Zzz]")

    copy = pickle.loads(pickle.dumps(error))

    assert (copy.line, copy.column, copy.fault, copy.message) == (2, 3, error.fault, error.message)


@pytest.mark.parametrize(
    "text",
    [
        f"Rules = [{'(' * 10_000}RowCount > 1{')' * 10_000}]",
        f"Rules = [RowCount > {'(' * 10_000}1{')' * 10_000}]",
        f"Rules = [RowCount > {'avg(' * 10_000}",
        f"Rules = [{'(' * (MAX_DEPTH + 1)}RowCount > 1{')' * (MAX_DEPTH + 1)}]",
    ],
)
def test_brackets_that_are_too_deep_are_refused(text):
    assert fault_of(text).fault == "brackets are nested more than 100 deep."


def test_a_sum_that_is_too_long_is_refused():
    assert "more than 100 signs" in fault_of(f"Rules = [RowCount > {'1 + ' * 5_000}1]").fault


@pytest.mark.parametrize(
    "text", ["a" * 1_000_000, '"' * 100_001, '"' + "a\\" * 200_000, "[" * 100_000, " " * 1_000_000, "#" * 1_000_000]
)
def test_long_nonsense_is_refused_at_once(text):
    began = time.perf_counter()

    error = fault_of(text)

    assert error.line == 1
    assert time.perf_counter() - began < 5


def test_twice_the_rules_take_about_twice_the_time():
    def seconds(count):
        text = f"Rules = [{', '.join(['ColumnValues triage_level in [1, 2, 3]'] * count)}]"
        best = float("inf")
        for _ in range(3):
            began = time.process_time()
            assert len(parse(text).rules) == count
            best = min(best, time.process_time() - began)
        return best

    seconds(10)

    assert seconds(1_600) < 16 * seconds(200)


_WORDS = """Rules = [ ] ( ) , { } : ! != >= > < + - * / and AND or not in between matches where with threshold labels
    DefaultLabels Analyzers Metadata DataSources now() (now() NULL EMPTY days KB of 1 2.5 007 -3 last( avg( $a a
    RowCount IsComplete ColumnValues Completeness FileSize DataFreshness "a" "2026-03-01" "09:30" "\\" " # \\"""
_BLANKS_AND_ODDITIES = ("\n", "\r\n", "\t", "\x00", "\ufeff", "é", "\u202e", "٣")
PIECES = st.lists(st.sampled_from((*_WORDS.split(), *_BLANKS_AND_ODDITIES)))


@given(st.one_of(st.text(), PIECES.map(" ".join), PIECES.map(lambda pieces: f"Rules=[{' '.join(pieces)}]")))
@example("Rules = [RowCount > ٣]")
@settings(max_examples=300, deadline=None)
def test_any_text_is_read_or_refused_with_a_position_in_it(text):
    with contextlib.suppress(DqdlError):
        assert parse(text).rules is not None
        return

    error = fault_of(text)
    lines = text.removeprefix("\ufeff").split("\n")
    assert 1 <= error.line <= len(lines)
    assert 1 <= error.column <= len(lines[error.line - 1]) + 1
