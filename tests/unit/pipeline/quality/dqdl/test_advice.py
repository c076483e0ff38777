"""What people write in the place of DQDL is refused with how to write it."""

from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from healthcare_ops.pipeline.quality.dqdl.fault import DqdlError
from healthcare_ops.pipeline.quality.dqdl.parser import parse


def fault_of(text):
    with pytest.raises(DqdlError) as raised:
        parse(text)
    return raised.value


@pytest.mark.parametrize(
    ("rule", "column", "fault"),
    [
        ('Completeness "a" >= 0,95', 21, "found 0,95; numbers have a decimal point: 0.95."),
        ('Completeness "a" >= 0,95, IsComplete "b"', 21, "found 0,95; numbers have a decimal point: 0.95."),
        ('ColumnValues "a" between 0,5 and 1,5', 26, "found 0,5; numbers have a decimal point: 0.5."),
        ("RowCount => 5", 10, "found =>; write >=."),
        ("RowCount =< 5", 10, "found =<; write <=."),
        ("RowCount == 5", 10, "found ==; write =."),
        ("RowCount <> 5", 10, "found <>; write !=."),
        ('ColumnValues "a" == "x"', 18, "found ==; write =."),
        ("RowCount ≥ 5", 10, "found ≥; write >=."),
        (
            "RowCount > 1.000,5",
            12,
            "found 1.000,5; numbers have a decimal point, and nothing between thousands: 1000.5.",
        ),
        ("RowCount > 1.000.000", 12, "found 1.000.000; nothing stands between thousands: 1000000."),
        (
            "RowCount > 1,000",
            12,
            "found 1,000; numbers have a decimal point, and nothing between thousands: 1000, or 1.000.",
        ),
        ("RowCount > 95%", 12, "found 95 %; a share is a number from 0 to 1: 0.95."),
        ('Completeness "a" > 95 %', 20, "found 95 %; a share is a number from 0 to 1: 0.95."),
        ('ColumnValues "a" in ("x", "y")', 21, 'found ( where [ or a $constant can stand; write in ["a", "b"].'),
        ('ColumnValues "a" in "x", "y"', 21, 'found "x" where [ or a $constant can stand; write in ["a", "b"].'),
        ('ColumnValues "a" in {"x", "y"}', 21, 'found { where [ or a $constant can stand; write in ["a", "b"].'),
        (
            'IsComplete "a" IsComplete "b"',
            16,
            "found IsComplete; a comma is missing before it, or rules joined by and or or stand in brackets.",
        ),
        ('RowCount > 5 IsComplete "b"', 14, "found IsComplete; a comma is missing before it."),
        ('IsComplete "a"; IsComplete "b"', 15, "found a semicolon; rules are parted by commas."),
        ('IsComplet "a"', 1, "there is no rule type IsComplet; IsComplete is the nearest."),
        ('isComplete "a"', 1, "there is no rule type isComplete; IsComplete is the nearest."),
        ('ISCOMPLETE "a"', 1, "there is no rule type ISCOMPLETE; IsComplete is the nearest."),
        ('ColumnValues "a" Between 1 and 5', 18, "found Between; write between, in small letters."),
        ('ColumnValues "a" BETWEEN 1 AND 5', 18, "found BETWEEN; write between, in small letters."),
        ('ColumnValues "a" IN ["x"]', 18, "found IN; write in, in small letters."),
        ('ColumnValues "a" NOT IN ["x"]', 18, "found NOT IN; write not in, in small letters."),
        ('ColumnValues "a" Matches "x"', 18, "found Matches; write matches, in small letters."),
        ('ColumnValues "a" like "x"', 18, 'found like; write matches "…", a regular expression of the whole text.'),
        ('ColumnValues "a" is null', 18, "found is; write = NULL or != NULL, or the rule IsComplete."),
        ('ColumnValues "a" = Null', 20, "found Null; write NULL."),
        ('ColumnValues "a" = none', 20, "found none; write NULL."),
        ('ColumnValues "a" = x', 20, 'found x; a text stands in double quotes: "x".'),
        ('ColumnValues "a" = true', 20, 'found true; a text stands in double quotes: "true".'),
        ('ColumnValues "a" in [x, y]', 22, 'found x; a text stands in double quotes: "x".'),
        ('IsComplete "a" WHERE "b > 1"', 16, "found WHERE; write where, in small letters."),
        ('IsComplete "a" where b > 1', 22, 'found b; what where takes stands in double quotes: where "…".'),
        ("IsComplete \"a\" where 'b > 1'", 22, 'found \'; texts stand in double quotes: "b > 1".'),
        ("IsComplete 'a'", 12, 'found \'; texts stand in double quotes: "a".'),
        (
            "IsComplete triage level",
            1,
            "IsComplete takes 1 parameter, and 2 stand there; "
            'a name with blanks stands in double quotes: "triage level".',
        ),
        ("IsComplete triage-level", 12, 'found triage-level; a name with - stands in double quotes: "triage-level".'),
        ("IsComplete (a)", 12, 'found (; parameters stand without brackets: IsComplete "…".'),
        ('IsComplete("a")', 11, 'found (; parameters stand without brackets: IsComplete "…".'),
        (
            'ColumnValues "a" > 5 with threshold 0.9',
            37,
            "found 0.9 where a comparison can stand; write with threshold > 0.9.",
        ),
        ('ColumnValues "a" > 5 threshold > 0.9', 22, "found threshold; write with threshold."),
        ('ColumnValues "a" > 5 WITH THRESHOLD > 0.9', 22, "found WITH; write with, in small letters."),
        (
            'ColumnValues "a" with threshold > 0.9',
            1,
            "ColumnValues needs a condition behind its parameters, such as >= 1.",
        ),
        (
            'ColumnValues "a" > 5 with threshold > 0.9 where "b > 1"',
            43,
            "found where; it stands before labels and with.",
        ),
        ('IsComplete "a" labels=["x"="y"] where "b > 1"', 33, "found where; it stands before labels and with."),
        ('IsComplete "a" labels=["x":"y"]', 27, 'found : where = can stand; a label is written "key"="value".'),
        ('IsComplete "a" labels=[x="y"]', 24, 'found x; it stands in double quotes: "x".'),
        ('IsComplete "a" labels=["x"=y]', 28, 'found y; it stands in double quotes: "y".'),
        ('IsComplete "a" labels={"x"="y"}', 23, 'found { where [ can stand; write labels=["key"="value"].'),
        ('IsComplete "a" label=["x"="y"]', 16, 'found label; write labels=["key"="value"].'),
        ('IsComplete "a" labels ["x"="y"]', 23, 'found [ where = can stand; write labels=["key"="value"].'),
        ("Completeness “a” > 0.95", 14, 'found “; texts stand in straight double quotes: "a".'),
        ("IsComplete ‘a’", 12, 'found ‘; texts stand in double quotes: "a".'),
        ("Completeness «a» > 0.95", 14, 'found «; texts stand in straight double quotes: "a".'),
        ('IsComplete "a",, IsComplete "b"', 16, "found a second comma; take it away."),
        (', IsComplete "a"', 1, "found a comma before the first rule; take it away."),
        ('Completeness "a" 0.9', 18, "found 0.9 where a comparison can stand; write > 0.9."),
        ("Completeness > 0.9", 1, 'Completeness takes 1 parameter, and 0 stand there; write Completeness "…".'),
        ('RowCount > "5"', 12, 'found "5"; a number stands without quotes: 5.'),
        ("RowCount 5", 10, "found 5 where a comparison can stand; write > 5."),
        ("RowCount > five", 12, 'found five; a text stands in double quotes: "five".'),
        ("RowCount between 1, 5", 19, "found , where and can stand; write between 1 and 10."),
        ("RowCount between 1 to 5", 20, "found to where and can stand; write between 1 and 10."),
        ('DataFreshness "a" <= 24h', 22, "found 24h; write 24 hours."),
        ('DataFreshness "a" <= 1 day', 24, "found day; write days, also of one."),
        ('DataFreshness "a" <= 1 hour', 24, "found hour; write hours, also of one."),
        (
            'DataFreshness "a" <= 24',
            19,
            "DataFreshness is compared with a duration such as 24 hours, not with a number.",
        ),
        ('DataFreshness "a" <= 24 Hours', 25, "found Hours; write hours."),
        ('ColumnValues "a" > now() - 3 days', 20, "found now() -; write (now() - 3 days), in brackets."),
        (
            'ColumnValues "a" > "01/02/2026"',
            20,
            'found "01/02/2026"; a date is written year, month, day: "2026-03-31", and a time of day "21:45".',
        ),
        ('ColumnValues "a" > now', 20, "found now; write now()."),
        ("-- comment", 1, "found --; a comment begins with #."),
        ("/* comment */ RowCount > 5", 1, "found /*; a comment begins with #."),
        ("// comment", 1, "found //; a comment begins with #."),
        ('RowCount > 5 && IsComplete "a"', 14, "found &&; rules are joined by and, each in brackets: (…) and (…)."),
        (
            'IsComplete "a" and IsComplete "b"',
            20,
            "found IsComplete; a comma is missing before it, or rules joined by and or or stand in brackets.",
        ),
        (
            '(IsComplete "a") && (IsComplete "b")',
            18,
            "found &&; rules are joined by and, each in brackets: (…) and (…).",
        ),
        ('not IsComplete "a"', 1, "found not; it stands before in, between and matches alone."),
        ('IsComplete "a" > 0.9', 16, "IsComplete takes no condition; Completeness does."),
        (
            'ColumnValues "a" > 5 and < 10',
            26,
            "found <; a rule has one condition: write between 5 and 10, or two rules.",
        ),
        ('ColumnValues "a" > 5, < 10', 23, "found <; a rule has one condition: write between 5 and 10, or two rules."),
        (
            'IsComplete "a" where "b = "home""',
            28,
            "found home right behind a quote; within where texts stand in single quotes: 'home'.",
        ),
        ('ColumnValues "a" matches [0-9]+', 26, 'found [; a pattern stands in double quotes: matches "…".'),
        ('ColumnValues "a" matches /x/', 26, 'found /; a pattern stands in double quotes: matches "…".'),
        ('IsComplete "a', 12, "the quoted text that begins here does not end."),
        ('IsComplete a"', 13, "the quoted text that begins here does not end."),
        ('IsUnique "a", "b"', 15, 'found "b" where a rule can stand; parameters are parted by blanks, without commas.'),
        ('IsUnique ["a", "b"]', 10, 'found [; parameters stand without brackets: IsUnique "…".'),
        ("IsComplete [a]", 12, 'found [; parameters stand without brackets: IsComplete "…".'),
        ("IsComplete `a`", 12, 'found `; texts stand in double quotes: "a".'),
        ('ColumnValues "a" >> 5', 18, "found >>; a comparison is one of = != > >= < <=."),
        ('ColumnValues "a" !in ["x"]', 18, "found !; not equal is !=, and not stands before in, between and matches."),
        ('Unique "a"', 1, "there is no rule type Unique; IsUnique is the nearest."),
    ],
)
def test_a_rule_with_a_slip_is_refused_with_how_to_write_it(rule, column, fault):
    error = fault_of(f"Rules = [\n  {rule}\n]")

    assert (error.line, error.column - 2, error.fault) == (2, column, fault)


@pytest.mark.parametrize(
    ("text", "line", "column", "fault"),
    [
        ("", 1, 1, 'there are no rules and no analyzers; write Rules = [ IsComplete "column" ].'),
        ("Rules [ RowCount > 5 ]", 1, 7, "found [ where = can stand; write Rules = [ … ]."),
        ("Rules: [ RowCount > 5 ]", 1, 6, "found : where = can stand; write Rules = [ … ]."),
        ("Rules = RowCount > 5", 1, 9, "found RowCount where [ can stand; write Rules = [ … ]."),
        ("rules = [ RowCount > 5 ]", 1, 1, "found rules; write Rules = [ … ]."),
        ("Rule = [ RowCount > 5 ]", 1, 1, "found Rule; write Rules = [ … ]."),
        ("Rules = { RowCount > 5 }", 1, 9, "found { where [ can stand; write Rules = [ … ]."),
        ("Rules = ( RowCount > 5 )", 1, 9, "found ( where [ can stand; write Rules = [ … ]."),
        ("RowCount > 5", 1, 1, "found RowCount outside of Rules; write Rules = [ RowCount … ]."),
        ('IsComplete "a"', 1, 1, "found IsComplete outside of Rules; write Rules = [ IsComplete … ]."),
        (
            "Rules = [ RowCount > 5",
            1,
            23,
            "found the end of the text; the [ of line 1, column 9 is not closed; write ].",
        ),
        ("Rules = [ RowCount > 5 }", 1, 24, "found } where ] must close the [ of line 1, column 9."),
        (
            "Rules = [ RowCount > 5, ]",
            1,
            25,
            "found ] behind a comma; take the comma away, or write what should follow it.",
        ),
        ("Rules = [ RowCount > 5 ] Rules = [ RowCount > 6]", 1, 26, "found Rules; they stand once, before Analyzers."),
        ('{"Rules": ["RowCount > 5"]}', 1, 1, "found {; a file of rules is no JSON, and begins with Rules = [."),
        ("Analyzer = [ RowCount ]", 1, 1, "found Analyzer; write Analyzers = [ … ]."),
        ("Analyzers = [ RowCount > 5 ]", 1, 24, "found >; an analyzer has no condition."),
        ("x = 5 Rules = [ RowCount > 5 ]", 1, 5, "found 5 where [ or a quoted text can stand."),
        (
            'x = ["a", ] Rules = [ RowCount > 5 ]',
            1,
            11,
            "found ] behind a comma; take the comma away, or write what should follow it.",
        ),
        ('DefaultLabels = ["a"="b" Rules = [ RowCount > 5 ]', 1, 26, "found Rules where a comma or ] can stand."),
        ("Rules = [ RowCount > 5 ],", 1, 25, "found , behind the ] of Rules, where only Analyzers can stand."),
        ("Rules = [ RowCount > 5 ];", 1, 25, "found ; behind the ] of Rules, where only Analyzers can stand."),
        ('Rules = [\n RowCount > 5\n IsComplete "a"\n]', 3, 2, "found IsComplete; a comma is missing before it."),
        (
            'Rules = [\n IsComplete "a"\n IsComplete "b"\n]',
            3,
            2,
            "found IsComplete; a comma is missing before it, or rules joined by and or or stand in brackets.",
        ),
        (
            'Rules = [\n IsComplete "a"\n RowCount > 5\n]',
            3,
            2,
            "found RowCount; a comma is missing before it, or rules joined by and or or stand in brackets.",
        ),
        (
            'Rules = [\n IsComplete "a" labels=["x"="y"\n]',
            3,
            2,
            "found the end of the text; the [ of line 1, column 9 is not closed, or one behind it; write ].",
        ),
        (
            'Rules = [\n IsComplete "a" labels=["x"="y",\n "z"="w"],\n IsComplete "b"',
            4,
            16,
            "found the end of the text; the [ of line 1, column 9 is not closed, or one behind it; write ].",
        ),
        (
            'Rules = [\n IsComplete "a,\n IsComplete "b"\n]',
            3,
            15,
            "the quoted text that begins here does not end, or the one of line 2, column 13 lacks its last quote.",
        ),
        ('Rules = [\n IsComplete "a" labels=["x"="y]\n]', 2, 29, "the quoted text that begins here does not end."),
        ("\ufeff\ufeffRules = [ RowCount > 5 ]", 1, 1, "found U+FEFF, a blank of word processors; write a plain one."),
        ("Rules = [\xa0RowCount > 5 ]", 1, 10, "found U+00A0, a blank of word processors; write a plain one."),
        ("Regras = [ RowCount > 5 ]", 1, 1, "found Regras; write Rules = [ … ]."),
        ("rules = [ (RowCount > 5) ]", 1, 1, "found rules; write Rules = [ … ]."),
        ("roles = [ nurse ] Rules = [ RowCount > 5 ]", 1, 11, 'found nurse; it stands in double quotes: "nurse".'),
        ("levels = [1, 2] Rules = [ RowCount > 5 ]", 1, 11, 'found 1; it stands in double quotes: "1".'),
        ("Rules = [\n  (RowCount > 5\n]", 3, 1, "found ] where ) must close the ( of line 2, column 3."),
        (
            'Rules = [\n  (RowCount > 5) and (IsComplete "a"\n]',
            3,
            1,
            "found ] where ) must close the ( of line 2, column 22.",
        ),
        (
            'Rules = [\n  ColumnValues "a" in ["x", "y"\n]',
            3,
            2,
            "found the end of the text; the [ of line 1, column 9 is not closed, or one behind it; write ].",
        ),
        (
            'Rules = [\n  IsComplete "a",\n]',
            3,
            1,
            "found ] behind a comma; take the comma away, or write what should follow it.",
        ),
        ("Rules = [\n  RowCount between 1 - 5\n]", 3, 1, "found ] where and can stand; write between 1 and 10."),
        (
            'Rules = [\n  RowCount >5 labels=["severity"="warn"]]\n]',
            3,
            1,
            "found ] behind the ] of Rules, where only Analyzers can stand.",
        ),
        (
            'Rules = [\n  IsComplete "a", # the last one, for now\n]',
            3,
            1,
            "found ] behind a comma; take the comma away, or write what should follow it.",
        ),
        (
            'Rules = [ # (all\n  (IsComplete "a)"\n]',
            3,
            1,
            "found ] where ) must close the ( of line 2, column 3.",
        ),
    ],
)
def test_a_document_with_a_slip_is_refused_with_how_to_write_it(text, line, column, fault):
    error = fault_of(text)

    assert (error.line, error.column, error.fault) == (line, column, fault)


@pytest.mark.parametrize(
    "right",
    [
        'Completeness "a" >= 0.95',
        "RowCount >= 5",
        'ColumnValues "a" not in ["x"]',
        'ColumnValues "a" between 1 and 10',
        'ColumnValues "a" matches "[0-9]+"',
        'ColumnValues "a" > (now() - 3 days)',
        'ColumnValues "a" = NULL',
        'IsComplete "triage level" where "b > 1" labels=["key"="value"]',
        '(IsComplete "a") and (IsComplete "b")',
        'ColumnValues "a" > 5 with threshold > 0.9',
        'DataFreshness "a" <= 24 hours',
        "IsComplete where_from",
        'IsUnique "like" "is"',
        "IsUnique like is",
    ],
)
def test_what_the_advice_says_to_write_is_dqdl(right):
    assert len(parse(f"Rules = [ {right} ]").rules) == 1


_SLIPS = """Rules [ ] ( ) , ; : = == => >= < > <> ! % 0,95 1.000,5 95 1e5 24h day now() now - – “a” ‘a’ 'a' "a" `a`
    IN NOT between Between and like is where with threshold labels label a-b ção IsComplete RowCount Completeness
    { } & | // $a \xa0 #"""


@given(st.lists(st.sampled_from(_SLIPS.split())).map(" ".join))
@settings(max_examples=500, deadline=None)
def test_any_slips_are_told_with_a_position_in_the_text(text):
    with contextlib.suppress(DqdlError):
        parse(text)
        return

    error = fault_of(text)
    lines = text.split("\n")
    assert 1 <= error.line <= len(lines)
    assert 1 <= error.column <= len(lines[error.line - 1]) + 1
    assert error.fault.endswith(".")


def test_a_slip_at_the_end_of_a_long_file_is_told_at_once():
    text = f"Rules = [{'(IsComplete a), ' * 5_000} RowCount => 5]"
    began = time.perf_counter()

    error = fault_of(text)

    assert error.fault == "found =>; write >=."
    assert time.perf_counter() - began < 10
