from __future__ import annotations

from dataclasses import replace
from datetime import UTC

import pytest

from healthcare_ops.pipeline.quality.evaluate import Finding, Place
from healthcare_ops.pipeline.quality.report.causes import with_causes
from healthcare_ops.pipeline.quality.report.notice import missing_of, notice, notice_now, troubles_of
from healthcare_ops.pipeline.quality.report.report import SourceRecord
from unit.pipeline.builders import at, encounter_feed
from unit.pipeline.quality.judging import checks_of
from unit.pipeline.quality.wording.sections import clock, figure, refused
from unit.pipeline.quality.wording.sections import feed as section_of_feed

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


# What no rule says


def report_with(*expectations, clocks=(), files=()):
    """Return a report, with its causes, of the feed."""
    feeds = [section_of_feed(FEED.feed_id, refused_files=list(files))]
    found = {"rules": [], "expectations": list(expectations), "clocks": list(clocks), "shifts": [], "feeds": feeds}
    return with_causes(found, UTC)


def written(report):
    found = notice(FEED, [], DAYS, troubles_of(FEED, report))
    return found and (found["subject"].removeprefix(f"{FEED.feed_id}: "), found["text"]["en"], found["text"]["pt-BR"])


OF_FEED = {"by": "feed_id", "place": FEED.feed_id}
CLOCK = clock(feed_id=FEED.feed_id, sentence="a clock")
CUT = figure(**OF_FEED, observed=5.0, sentence="cut")
TRIAGE = figure("nulls", column="triage_level", rows=60.0, observed=12.0, expected=1.0, sentence="missing", place="PS")


@pytest.mark.parametrize(
    ("report", "subject", "english", "portuguese"),
    [
        pytest.param(
            report_with(files=[refused()]),
            "visits-07.csv",
            [
                "- file visits-07.csv was refused on 2026-03-08 07:05 UTC: line 67: a record in it cannot be read",
                "Please send them again",
            ],
            ["- o arquivo visits-07.csv foi recusado em 08/03/2026 07:05 UTC: linha 67: ", "envie-os de novo"],
            id="a refused file",
        ),
        pytest.param(
            report_with(clocks=[CLOCK]),
            "zone",
            [
                f"- 2026-03-07: arrivals of feed {FEED.feed_id} look shifted by −3 h",
                "half of the records came in later than 3.2 h after the times in them",
                "Please check the clock",
            ],
            ["- 07/03/2026: as chegadas da fonte", "mais de 3,2 h depois", "verifique o relógio"],
            id="a wrong clock",
        ),
        pytest.param(
            report_with(CUT),
            "2026-03-07",
            ["has 5 arrivals from 14:00 to 20:00; 40 expected", "deliver what is missing"],
            ["chegadas das 14:00 às 20:00: 5; o esperado era 40", "entregue o que falta"],
            id="a feed that was cut",
        ),
        pytest.param(
            report_with(TRIAGE),
            FEED.source("triage_level").column,
            ["- 2026-03-07: PS: 12 of 60 arrivals from 14:00 to 20:00 are without triage_level", "since when"],
            ["- 07/03/2026: Setor PS: 12 de 60 chegadas das 14:00 às 20:00 sem triage_level", "desde quando"],
            id="missing values of one sector",
        ),
    ],
)
def test_a_notice_tells_what_is_wrong_of_a_feed_and_what_is_asked_in_both_languages(
    report, subject, english, portuguese
):
    found = written(report)

    assert found[0] == subject
    assert [part for part in english if part not in found[1]] == []
    assert [part for part in portuguese if part not in found[2]] == []
    assert "No patient's data" in found[1]


def test_a_notice_of_two_things_asks_for_both_under_one_greeting():
    english = written(report_with(CUT | {"day": "2026-03-01", "start": "2026-03-01T14:00:00"}, clocks=[CLOCK]))[1]

    assert english.count("Dear ") == 1
    assert english.count("Please ") == 2


@pytest.mark.parametrize(
    "report",
    [
        report_with(),
        report_with(CUT | {"accepted": {"by": "Ana"}}),
        report_with(figure(place="PS", sentence="a sector alone")),
        report_with(figure("mean", column="los_min", rows=60.0, sentence="a mean")),
    ],
)
def test_of_what_no_supplier_can_mend_or_somebody_accepted_nothing_is_written(report):
    assert written(report) is None


CLOSED = {"accepted": {"by": "Ana Souza", "at": "2026-03-08T07:00:00+00:00", "entry": 1, "verdict": "fail"}}


def lost(by, place, observed, expected, **different):
    about = {"rule_id": f"expected.volume.silver.encounters.{place}", "by": by, "place": place, "verdict": "warn"}
    return figure(**about, observed=observed, expected=expected, sentence="few came", **different)


@pytest.mark.parametrize(("of_feed", "is_asked"), [(20.0, False), (60.0, True)], ids=["the sectors'", "more than that"])
def test_what_a_feed_misses_because_of_sectors_that_were_accepted_is_not_asked_for(of_feed, is_asked):
    sectors = [lost("sector_id", name, 0.0, 10.0, **CLOSED) for name in ("ED", "OBS")]

    report = report_with(*sectors, lost("feed_id", FEED.feed_id, 100.0 - of_feed, 100.0))

    assert (written(report) is not None) == is_asked


def test_a_notice_asks_no_more_for_what_was_accepted_since_and_still_for_what_a_rule_misses():
    report = report_with(lost("feed_id", FEED.feed_id, 10.0, 100.0)) | {
        "days": {"first": "2026-03-01", "last": "2026-03-02", "count": 2}
    }
    missing = missing_of(FEED, [finding()], {"k1.a": [record("a.csv", 9)]})
    section = report["feeds"][0] | {"notice": notice(FEED, missing, DAYS, troubles_of(FEED, report))}
    accepted = report | {"expectations": [report["expectations"][0] | CLOSED]}

    before, now = (notice_now(FEED, section, told) for told in (report, accepted))

    assert before == section["notice"]
    assert "less has come" in before["text"]["en"]
    assert "less has come" not in now["text"]["en"]
    assert "sector ED: 2 of 10 records" in now["text"]["en"]
    assert "- a.csv, 9" in now["text"]["en"]
