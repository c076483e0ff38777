from __future__ import annotations

from dataclasses import replace

import pytest

from healthcare_ops.pipeline.quality.evaluate import Finding, Place
from healthcare_ops.pipeline.quality.report.notice import missing_of, notice
from healthcare_ops.pipeline.quality.report.report import SourceRecord
from unit.pipeline.builders import at, encounter_feed
from unit.pipeline.quality.judging import checks_of

FEED = encounter_feed()
DAYS = [at("2026-03-02").date(), at("2026-03-01").date()]
PLACES = (Place(FEED.feed_id, "ED", 10, 2), Place("another", "ICU", 7, 7))


def finding(rule='IsComplete "triage_level"', verdict="warn", places=PLACES):
    (check,) = checks_of(rule)
    return Finding(check, verdict, 17, 9, places=places, samples=("k1.a", "k1.b"))


def record(file, number, feed=FEED.feed_id, encounter="k1.a"):
    return SourceRecord(feed, file, number, encounter)


def notice_of(*findings, records=None):
    return notice(FEED, missing_of(FEED, findings, records or {}), DAYS)


def test_a_notice_speaks_of_the_feeds_own_sectors_and_days():
    found = notice_of(finding())

    text = found["text"]["en"]
    assert "2026-03-01 to 2026-03-02" in text
    assert "sector ED: 2 of 10 records" in text
    assert "ICU" not in text
    assert "01/03/2026 a 02/03/2026" in found["text"]["pt-BR"]
    assert found["to"] == FEED.owner.email


def test_a_notice_calls_columns_as_the_supplier_does():
    source = FEED.source("triage_level")

    assert source is not None
    assert notice_of(finding())["subject"] == f"{FEED.feed_id}: {source.column}"


def test_a_rule_about_two_columns_names_both():
    found = notice_of(finding('(IsComplete "triage_level") and (IsComplete "bed_id")'))

    assert f"{FEED.source('triage_level').column}, bed_id" in found["text"]["en"]


def test_what_two_rules_say_alike_of_a_column_is_told_once():
    text = notice_of(finding(), finding('Completeness "triage_level" > 0.9'))["text"]["en"]

    assert text.count("2 of 10 records") == 1


def test_records_stand_in_the_order_of_their_files_each_once_and_without_those_of_other_feeds():
    records = {
        "k1.a": [record("b.csv", 2), record("a.csv", 11), record("x.csv", 1, feed="another")],
        "k1.b": [record("a.csv", 9), record("b.csv", 2)],
    }

    text = notice_of(finding(), records=records)["text"]["en"]

    assert [line for line in text.splitlines() if ".csv" in line] == ["- a.csv, 9", "- a.csv, 11", "- b.csv, 2"]
    assert "k1." not in text


@pytest.mark.parametrize(
    "sound",
    [
        finding(verdict="pass"),
        finding(verdict="not_applicable"),
        finding('ColumnValues "triage_level" > 1'),
        finding(places=(PLACES[1],)),
        replace(finding(), places=()),
    ],
)
def test_nobody_is_written_to_about_what_is_not_missing_or_not_theirs(sound):
    assert notice_of(sound) is None
