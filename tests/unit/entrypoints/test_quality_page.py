from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from importlib.resources import files
from typing import get_args

import pytest
from jsonschema import Draft202012Validator

from healthcare_ops.core.errors import ConfigError
from healthcare_ops.core.reasons import Reason
from healthcare_ops.core.tables import FATES
from healthcare_ops.entrypoints.page import svg
from healthcare_ops.entrypoints.page.quality import render_quality, write_quality_page
from healthcare_ops.entrypoints.page.quality_texts import QUALITY_PAIRS, TERMINAL_PAIRS
from healthcare_ops.entrypoints.page.quality_views import next_step
from healthcare_ops.entrypoints.page.texts import Words
from healthcare_ops.pipeline.quality.history import expectations
from unit.entrypoints.english import english_sentences
from unit.pipeline.quality.wording.sections import report_of_every_kind

# Markup, quotes, a mark that reverses what follows, an escape of terminals, half of a surrogate pair.
HOSTILE = "<script>alert(1)</script> \"'& \u202eexe.csv \x1b[31m \udcff"
INERT = "<script>alert(1)</script> \"'& \\u202eexe.csv \\x1b[31m \\udcff"


class Page(HTMLParser):
    """What a browser would see: tags, attributes, text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text += data

    def part(self, start, end):
        return self.text.split(start, 1)[1].split(end, 1)[0]


def make_rule(**different):
    usual = {
        "rule_id": "encounters.triage_level.complete",
        "table": "silver.encounters",
        "columns": ["triage_level"],
        "rule": 'Completeness "triage_level" >= 0.80',
        "severity": "warn",
        "verdict": "pass",
        "checked": 1250,
        "null_count": 0,
        "share": 0.0,
        "values": [1.0],
        "thresholds": [">= 0.8"],
        "tolerated": 0,
        "reason": "most encounters should have it",
        "next_step": "Contact the supplier.",
        "places": [],
        "samples": [],
        "trend": [],
    }
    return usual | different


def make_broken(**different):
    usual = {
        "verdict": "warn",
        "null_count": 580,
        "share": 0.464,
        "values": [0.536],
        "places": [{"feed_id": "visits", "sector_id": "ED", "checked": 960, "violations": 420}],
        "samples": [{"feed_id": "visits", "source_file": "visits.csv", "record_no": 1068, "encounter_id": "k1.42"}],
    }
    return make_rule(**usual | different)


def make_feed(**different):
    usual = {
        "feed_id": "visits",
        "owner": "Desk",
        "contact": "desk@hospital.example",
        "counts": {
            "delivered": 1340,
            "applied": 1250,
            "superseded": 20,
            "duplicate": 30,
            "quarantined": 36,
            "ignored": 4,
        },
        "quarantined_by_reason": {"TIME_UNREADABLE": 6, "SECTOR_UNKNOWN": 30},
        "delay": {
            "last_ingested_at": "2026-03-08T06:00:00+00:00",
            "since_min": 180,
            "late_after_min": 240,
            "is_late": False,
        },
        "diagnosis": "36 of 1340 records are held.",
        "next_step": "Send Desk the list.",
        "notice": None,
    }
    return usual | different


def make_report(**different):
    usual = {
        "schema_version": 2,
        "run_id": "hourly-7",
        "as_of": "2026-03-08T09:00:00+00:00",
        "written_at": "2026-03-08T09:00:01+00:00",
        "days": {"first": "2026-03-06", "last": "2026-03-08", "count": 3},
        "verdict": "warn",
        "error": None,
        "dq_risk_score": 15.5,
        "contributions": {"encounters.triage_level.complete": 14.64, "quarantine": 0.86},
        "rule_versions": {"silver.encounters": "b05c932e56e4"},
        "rules": [make_broken()],
        "feeds": [make_feed()],
        "path": "/state/gold/data_quality_runs/dt=2026-03-08/hourly-7.json",
        "assignments": [],
    }
    return usual | different


def make_empty(verdict="not_applicable", **different):
    score = None if verdict == "error" else 0.0
    return make_report(
        verdict=verdict, dq_risk_score=score, contributions={}, rule_versions={}, rules=[], feeds=[], **different
    )


def given(judgement, reason):
    return {
        "run_id": "hourly-7",
        "rule_id": "encounters.triage_level.complete",
        "steward": "Ana",
        "assigned_at": "2026-03-08T10:00:00+00:00",
        "judgement": judgement,
        "reason": reason,
        "judged_at": "",
    }


def test_the_page_needs_nothing_and_runs_nothing():
    page = Page(render_quality(make_report()))

    names = {name for name, _ in page.attributes}
    assert not {"src", "href", "action", "xlink:href"} & names
    assert not [name for name in names if name.startswith("on")]
    assert not {"script", "link", "iframe", "img", "object", "form"} & set(page.tags)
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in page.attributes


def hostile_report(place):
    report = make_report()
    rule, feed = report["rules"][0], report["feeds"][0]
    match place:
        case "error" | "path" | "run_id":
            report[place] = HOSTILE
        case "rule_id":
            rule["rule_id"] = HOSTILE
            report["contributions"] = {HOSTILE: 14.64}
        case "threshold":
            rule["thresholds"] = [HOSTILE]
        case "sector_id" | "feed of a place":
            rule["places"][0]["feed_id" if place == "feed of a place" else place] = HOSTILE
        case "source_file" | "encounter_id":
            rule["samples"][0][place] = HOSTILE
        case "steward" | "judgement's reason":
            report["assignments"] = [given("data corrupted", "") | {place.rpartition(" ")[2]: HOSTILE}]
        case "feed_id" | "owner" | "contact" | "diagnosis" | "next step of a feed":
            feed[place.replace("next step of a feed", "next_step")] = HOSTILE
        case "to" | "subject" | "text":
            notice = {"to": "", "subject": "", "text": HOSTILE} | {place: HOSTILE}
            feed["notice"] = notice | {"text": {"en": notice["text"]}}
        case "table of a version":
            report["rule_versions"] = {HOSTILE: "b05c"}
        case _:
            rule[place] = HOSTILE
    return report


@pytest.mark.parametrize(
    "place",
    [
        *("error", "path", "run_id", "rule_id", "table", "rule", "reason", "next_step", "threshold"),
        *("sector_id", "feed of a place", "source_file", "encounter_id", "steward", "judgement's reason"),
        *("feed_id", "owner", "contact", "diagnosis", "next step of a feed", "to", "subject", "text"),
        "table of a version",
    ],
)
def test_a_hostile_text_of_the_report_stays_text(place):
    shown = render_quality(hostile_report(place))
    page = Page(shown)

    assert "script" not in page.tags
    assert INERT in page.text
    assert all(character.isprintable() or character == "\n" for character in shown)


def test_a_page_of_hostile_names_can_be_written(tmp_path):
    write_quality_page(hostile_report("source_file"), tmp_path / "page.html")

    assert "\\u202eexe.csv" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_a_page_takes_the_place_of_the_one_before_whole(tmp_path):
    page = tmp_path / "page.html"
    page.write_text("the page before")

    write_quality_page(make_report(), page, language="pt-BR")

    assert page.read_text(encoding="utf-8") == render_quality(make_report(), "pt-BR")
    assert list(tmp_path.iterdir()) == [page]


@pytest.mark.parametrize("form", [1, 3, None])
def test_a_report_of_another_form_is_refused_and_the_page_before_stays(tmp_path, form):
    page = tmp_path / "page.html"
    page.write_text("the page before")

    with pytest.raises(ConfigError, match=f"run hourly-7 has schema_version {form}; .* Next: Judge the days again"):
        write_quality_page(make_report(schema_version=form), page)

    assert page.read_text() == "the page before"


@pytest.mark.parametrize(
    ("verdict", "english", "portuguese"),
    [
        ("pass", "✓ passVerdictEvery rule", "✓ aprovadoVereditoToda regra"),
        ("warn", "▲ warningVerdictThe run went on", "▲ alertaVereditoA execução"),
        ("fail", "✗ failedVerdictGold keeps", "✗ reprovadoVereditoA camada gold"),
        ("error", "◆ not judged to the endVerdictWhat is below", "◆ não avaliado até o fimVereditoO que está"),
        ("not_applicable", "· nothing to judgeVerdictNo rule", "· nada a avaliarVereditoNenhuma regra"),
    ],
)
def test_a_verdict_is_told_by_shape_and_word_and_what_it_means(verdict, english, portuguese):
    report = make_empty(verdict)

    assert english in Page(render_quality(report, "en")).text
    assert portuguese in Page(render_quality(report, "pt-BR")).text


def test_a_report_without_rules_and_feeds_says_so():
    page = Page(render_quality(make_empty()))

    assert "No rule is broken." in page.text
    assert "No rule was judged." in page.text
    assert "What the risk is made of" not in page.text


def test_a_job_that_ended_early_shows_why_and_no_score_but_what_it_found():
    report = make_report(verdict="error", dq_risk_score=None, error="TimeoutError: 900 s", rules=[make_rule()])

    page = Page(render_quality(report))

    assert "◆ The job ended before all rules were judged, so there is no risk score: TimeoutError: 900 s" in page.text
    assert "–data-quality risk" in page.text
    assert "What the risk is made of" not in page.text
    assert "No rule is broken among those that were judged." in page.text
    assert "encounters.triage_level.complete" in page.text


def test_the_score_has_its_bar_and_what_adds_to_it_the_most_first():
    drawn = render_quality(make_report())

    made_of = Page(drawn).part("What the risk is made of", "What broke")
    widths = re.findall(r'<rect class="part (\w+)" x="0.0" y="0" width="([\d.]+)"', drawn)
    assert made_of.index("encounters.triage_level.complete14.64") < made_of.index("records held in quarantine0.86")
    # Of 1,000: the score, its two contributions, then the feed's applied records.
    assert widths[:4] == [("warn", "155.0"), ("warn", "146.4"), ("quarantined", "8.6"), ("applied", "932.8")]


# clocks, clocks that disagree, figures


def make_past(**different):
    """Return a report that nothing but the site's own past says to have failed."""
    report = make_report(
        verdict="fail",
        dq_risk_score=80.0,
        contributions=dict(zip(FOUND, (30.0, 30.0, 20.0), strict=True)),
        rules=[],
        feeds=[],
        expectations=[make_figure("2026-03-06"), make_figure("2026-03-07", verdict="fail")],
        clocks=[make_clock()],
        shifts=[make_shift()],
    )
    kept = {name: value for name, value in report.items() if name not in ("path", "assignments")}
    schema = json.loads(files("healthcare_ops.pipeline.quality.report").joinpath("report.schema.json").read_bytes())
    Draft202012Validator(schema).validate(kept)
    return report | different


def make_figure(day, verdict="warn"):
    place = {"table": "silver.encounters", "by": "sector_id", "place": "ED", "column": "care_start"}
    numbers = {"observed": 12.0, "expected": 2.0, "lower": 0.0, "upper": 5.0, "score": 9.0, "limit": 6.0}
    hours = {"day": day, "start": f"{day}T14:00:00", "end": f"{day}T20:00:00"}
    told = {"rule_id": FOUND[1], "rule": "nulls", "verdict": verdict, "sentence": "12 are missing"}
    return told | place | hours | numbers


def make_clock():
    lag = {"lag_q05_h": 3.0, "lag_q50_h": 3.1, "log_likelihood_ratio": None}
    told = {"rule_id": "clock.visits", "feed_id": "visits", "day": "2026-03-08", "verdict": "warn"}
    hours = {"window_days": 1, "arrivals": 62, "sentence": "visits is 3 h off"}
    return told | {"offset_h": 3.0, "explanation": "UTC"} | lag | hours


def make_shift():
    feeds = {"feed_id": "flow", "other_feed_id": "visits", "milestone": "arrival", "other_milestone": "arrival"}
    told = {"rule_id": "clock.flow.visits", "day": "2026-03-08", "verdict": "fail", "sentence": "they disagree"}
    return told | feeds | {"offset_h": 3.0, "pairs": 62, "median_h": 3.0, "spread_h": 0.1}


FOUND = ["clock.flow.visits", "expected.nulls.silver.encounters.ED.care_start", "clock.visits"]


def test_a_clock_or_a_figure_that_adds_to_the_score_is_no_record_in_quarantine():
    made_of = Page(render_quality(make_past())).part("What the risk is made of", "Files, clocks and figures")

    assert all(name in made_of for name in FOUND)
    assert "records held in quarantine" not in made_of


def test_a_report_that_failed_by_clocks_and_figures_does_not_say_that_nothing_is_broken():
    page = Page(render_quality(make_past()))

    assert "No rule is broken" not in page.text
    assert (
        "3rules that had something to judge, and what was found of files, clocks and figures✗ 2 failed ▲ 1 warned"
        in page.text
    )


def test_a_clock_or_a_figure_stands_once_the_worst_first_with_its_days_and_what_to_do():
    past = Page(render_quality(make_past())).part("Files, clocks and figures", "Feeds")

    assert [past.count(f" {name}\n") for name in FOUND] == [1, 1, 1]
    assert sorted(FOUND, key=past.index) == FOUND
    assert past.index("6 Mar 2026: ") < past.index("7 Mar 2026: ")
    for step in (
        "Ask the owners of feeds flow and visits what their clocks say",
        "Ask the owner of feed visits what its clock says",
        "Ask the feed's owner since when care_start is left out",
    ):
        assert f"Next step{step}" in past


@pytest.mark.parametrize("name", FOUND)
def test_who_looks_into_a_clock_or_a_figure_stands_beside_it(name):
    page = Page(render_quality(make_past(assignments=[given("data corrupted", "disk") | {"rule_id": name}])))

    card = page.part("Files, clocks and figures", "Feeds").split(f" {name}\n")[1].split("Steward")[1]
    assert card.startswith("Ana: the data are corrupted – disk")
    assert page.text.count("Steward") == 1


ACCEPTED = {"by": "Ana Souza", "at": "2026-03-08T09:00:00+00:00", "reason": "the <ward> was closed"}


@pytest.mark.parametrize(
    ("language", "accepted", "command"),
    [
        ("en", "accepted by Ana Souza on 8 Mar 2026, 09:00 UTC: the <ward> was closed", "accept it by name"),
        (
            "pt-BR",
            "aceito por Ana Souza em 8 de mar. de 2026, 09:00 UTC: the <ward> was closed",
            "aceite-o em seu nome",
        ),
    ],
)
def test_who_answers_for_a_day_stands_beside_it_and_the_command_names_those_that_are_left(language, accepted, command):
    days = [make_figure(f"2026-03-0{day}", "fail") for day in (6, 7)] + [
        make_figure("2026-03-05") | {"accepted": ACCEPTED}
    ]

    text = Page(render_quality(make_past(expectations=days), language)).text

    assert text.count(accepted) == 1
    assert command in text
    assert f"hops dq accept {FOUND[1]} --day 2026-03-06:2026-03-07 --by NAME --reason WHY" in text


def test_of_what_somebody_answers_for_nothing_is_left_to_do():
    assert next_step([make_figure("2026-03-05") | {"accepted": ACCEPTED}], Words("en")) == ""


def test_every_kind_of_figure_has_its_next_step_in_both_languages():
    kinds = get_args(expectations.Rule)

    steps = {
        next_step([{"rule": kind, "verdict": "warn"}], Words(language))
        for kind in kinds
        for language in ("en", "pt-BR")
    }

    assert len(steps) == 2 * len(kinds) == 8


def test_the_days_and_the_run_stand_at_the_top():
    english, portuguese = (Page(render_quality(make_report(), language)).text for language in ("en", "pt-BR"))

    assert "6 Mar 2026 to 8 Mar 2026 (3 days with data) · judged on 8 Mar 2026, 09:00 UTC · Run hourly-7" in english
    assert "6 de mar. de 2026 a 8 de mar. de 2026 (3 dias com dados)" in portuguese


def test_instants_are_told_in_utc_whatever_offset_they_were_kept_with():
    page = Page(render_quality(make_report(as_of="2026-03-08T22:00:00-03:00")))

    assert "judged on 9 Mar 2026, 01:00 UTC" in page.text


def test_rules_stand_in_the_order_of_their_verdicts_and_points():
    rules = [
        make_rule(rule_id="r.unjudged", verdict="not_applicable", checked=0, values=[]),
        make_rule(rule_id="r.met"),
        make_broken(rule_id="r.few"),
        make_broken(rule_id="r.many"),
        make_broken(rule_id="r.stops", verdict="fail", severity="fail"),
    ]
    points = {"r.few": 10.1, "r.many": 19.0, "r.stops": 40.0}

    page = Page(render_quality(make_report(verdict="fail", rules=rules, contributions=points)))

    table = page.text.split("Every rule")[1]
    assert re.findall(r"r\.(\w+) silver", table) == ["stops", "many", "few", "met", "unjudged"]
    broken = page.part("What broke", "Feeds")
    assert re.findall(r"(\w+) r\.(\w+)", broken) == [("failed", "stops"), ("warning", "many"), ("warning", "few")]
    assert "4rules that had something to judge✗ 1 failed ▲ 2 warned ✓ 1 passed · 1 not judged" in page.text


def test_a_broken_rule_says_what_where_and_what_to_do():
    section = make_broken(tolerated=2, values=[0.536, None], thresholds=[">= 0.8", "= 1"])

    text = re.sub(r"\s*\n\s*", "|", Page(render_quality(make_report(rules=[section]))).part("What broke", "Feeds"))

    for shown in (
        'RuleCompleteness "triage_level" >= 0.80',
        "Measured0.536; – · must be >= 0.8; = 1",
        "Broken580 of 1,250 rows · up to 2 rows pass",
        "If brokenwarns",
        "Why it mattersmost encounters should have it",
        "Next stepContact the supplier.",
        "Where|FeedSectorBrokenChecked|visitsED420960",
        "FileRecordEncounter (pseudonym)|visits.csv1068k1.42",
    ):
        assert shown in text


def test_a_rule_that_judges_a_number_has_no_rows_that_break_it():
    section = make_rule(verdict="fail", values=[181.25], thresholds=["<= 180"], violations=None)
    del section["null_count"]

    page = Page(render_quality(make_report(rules=[section])))

    assert "Measured181.25 · must be <= 180" in page.text
    assert "Broken1,250 rows checked" in page.text


def past(*shares, verdict="pass"):
    """Return what a rule was in the runs before, the newest first."""
    return [
        {
            "run_id": f"hourly-{n}",
            "as_of": f"2026-03-0{7 - n}T09:00:00+00:00",
            "verdict": verdict,
            "share": share,
            "values": [180.0 + share],
        }
        for n, share in enumerate(shares)
    ]


def heights(drawn):
    """Return how high the marks of the first sparkline stand: 0 at its foot, 1 at its top."""
    chart = drawn.split('class="spark"')[1].split("</svg>")[0]
    return [round((32 - float(y)) / 22, 2) for y in re.findall(r'cy="([\d.]+)"', chart)]


def test_the_trend_goes_from_the_oldest_run_to_this_one():
    drawn = render_quality(make_report(rules=[make_broken(trend=past(0.232, 0.116))]))

    assert heights(drawn) == [0.25, 0.5, 1.0]
    assert "Share of rows that break it, 11.6 % to 46.4 % in 3 runs" in Page(drawn).text
    assert "6 Mar 2026, 09:00 UTC: 11.6 %, pass" in drawn


def test_the_trend_of_a_rule_that_judges_a_number_is_that_of_the_number():
    section = make_broken(values=[182.0], trend=past(1.0, 0.0), violations=None)
    del section["null_count"]

    drawn = render_quality(make_report(rules=[section]))

    assert heights(drawn) == [0.0, 0.5, 1.0]
    assert "What it measured, 180 to 182 in 3 runs" in Page(drawn).text


def test_a_run_in_which_a_rule_was_not_judged_has_no_place_in_its_trend():
    trend = [*past(0.232), *past(0.0, verdict="not_applicable"), *past(0.116)]

    drawn = render_quality(make_report(rules=[make_broken(trend=trend)]))

    assert heights(drawn) == [0.25, 0.5, 1.0]
    assert len(re.findall("M", re.search(r'class="line soft" d="([^"]*)"', drawn)[1])) == 2


def test_a_rule_that_had_nothing_to_judge_in_any_run_has_no_trend():
    unjudged = make_rule(verdict="not_applicable", trend=past(0.0, 0.0, verdict="not_applicable"))

    drawn = render_quality(make_report(rules=[unjudged | {"verdict": "not_applicable"}]))

    assert 'class="spark"' not in drawn
    assert "– to –" not in Page(drawn).text


def test_a_command_to_run_is_shown_as_code_and_a_hostile_one_stays_text():
    step = "Run `hops dq quarantine`, then `<b>x</b>\u202e`."

    drawn = render_quality(make_report(rules=[make_broken(next_step=step)]))

    assert "Run <code>hops dq quarantine</code>, then <code>&lt;b&gt;x&lt;/b&gt;\\u202e</code>." in drawn


def test_of_records_that_are_held_too_often_the_next_step_is_to_see_why():
    held = make_figure("2026-03-06") | {"table": "ops.batch_accounts", "column": "quarantined"}

    assert next_step([held], Words("en")).startswith("See with `hops dq quarantine` why they are held")


def test_a_rule_that_was_never_judged_before_has_no_trend():
    page = Page(render_quality(make_report()))

    assert "Trendno run before" in page.text


@pytest.mark.parametrize(
    ("judgement", "reason", "shown"),
    [
        (None, "", "StewardAna: looks into it"),
        ("rule too strict", "nights", "StewardAna: the rule is too strict – nights"),
        ("data corrupted", "disk", "StewardAna: the data are corrupted – disk"),
    ],
)
def test_a_finding_shows_who_looks_into_it_and_what_they_say(judgement, reason, shown):
    rules = [make_broken(), make_broken(rule_id="r.other")]

    page = Page(render_quality(make_report(rules=rules, assignments=[given(judgement, reason)])))

    assert page.text.count("Steward") == page.text.count(shown) == 1
    assert page.text.index("encounters.triage_level.complete") < page.text.index(shown) < page.text.index("r.other")


def test_the_records_of_a_feed_add_up_before_the_reader_s_eyes():
    drawn = render_quality(make_report())

    shown = "1,340 delivered = 1,250 applied + 20 superseded + 30 duplicate + 36 quarantined + 4 ignored"
    assert shown in Page(drawn).text
    assert re.findall(r'class="part (\w+)"', drawn)[-len(FATES) :] == list(FATES)
    assert "differ by" not in Page(drawn).text


def test_records_of_a_feed_that_do_not_add_up_are_a_defect_to_report():
    counts = make_feed()["counts"] | {"applied": 1248}

    page = Page(render_quality(make_report(feeds=[make_feed(counts=counts)])))

    assert "✗ The parts and the whole differ by 2: report it as a defect." in page.text


@pytest.mark.parametrize(
    ("delay", "shown"),
    [
        ({}, "8 Mar 2026, 06:00 UTC (3 h before) · ✓ in time; allowed are 4 h"),
        ({"since_min": 3 * 1440, "is_late": True}, "(3 d before) · ▲ late; allowed are 4 h"),
        (
            {"since_min": -60},
            "8 Mar 2026, 06:00 UTC · ✓ in time",
        ),
        (
            {"last_ingested_at": None, "since_min": None, "late_after_min": 90, "is_late": True},
            "Last deliverynone for a long time · ▲ late; allowed are 90 min",
        ),
    ],
)
def test_a_feed_says_when_it_last_delivered_and_whether_it_is_late(delay, shown):
    page = Page(render_quality(make_report(feeds=[make_feed(delay=make_feed()["delay"] | delay)])))

    assert shown in page.text


@pytest.mark.parametrize("language", ["en", "pt-BR"])
def test_every_reason_of_quarantine_is_explained_the_most_frequent_first(language):
    counts = {reason.value: n for n, reason in enumerate(Reason, 1)}

    page = Page(render_quality(make_report(feeds=[make_feed(quarantined_by_reason=counts)]), language))

    places = [page.text.index(f"{code}{n}{Words(language).reason(code)}") for code, n in counts.items()]
    assert places == sorted(places, reverse=True)


@pytest.mark.parametrize(("language", "to", "other"), [("en", "To: ", "pt-BR"), ("pt-BR", "Para: ", "en")])
def test_the_drafted_message_can_be_read_in_the_page_s_language_without_a_script(language, to, other):
    text = {"en": "Dear Desk,\n\nvalues are missing", "pt-BR": "Prezado Desk,\n\nfaltam valores"}
    notice = {"to": "desk@hospital.example", "subject": "visits: level", "text": text}

    page = Page(render_quality(make_report(feeds=[make_feed(notice=notice)]), language))

    assert page.tags.count("details") == 1
    assert f"{to}desk@hospital.example" in page.text
    assert text[language] in page.text
    assert text[other] not in page.text


def test_a_report_of_a_run_before_there_were_messages_has_none():
    feed = make_feed()
    del feed["notice"]

    assert "details" not in Page(render_quality(make_report(feeds=[feed]))).tags


def test_every_word_of_the_page_is_of_its_language():
    template = files("healthcare_ops.entrypoints.page").joinpath("quality.html.j2").read_text(encoding="utf-8")

    own = re.sub(r"\{%.*?%\}|\{\{.*?\}\}|<[^>]*>", "", template)

    assert re.findall(r"[^\W\d_]+", own) == []
    assert all(english != portuguese for english, portuguese in {**QUALITY_PAIRS, **TERMINAL_PAIRS}.values())


def test_a_page_names_its_language_and_words_what_is_stored_in_english():
    drawn = render_quality(make_report(), "pt-BR")

    assert drawn.startswith('<!doctype html>\n<html lang="pt-BR">')
    assert "Nestes dias, 36 de 1.340 registros estão retidos, a maioria por isto: o local não corresponde" in drawn
    assert "Envie a Desk a lista de <code>hops dq quarantine</code>." in drawn
    assert 'lang="en"' not in drawn
    assert "15,50risco de qualidade" in Page(drawn).text


def test_what_a_report_of_before_has_no_facts_of_keeps_its_english_and_says_so():
    odd = make_figure("2026-03-06") | {"by": "feed_id", "place": "visits"}

    drawn = render_quality(make_past(feeds=[make_feed()], expectations=[odd]), "pt-BR")

    assert '<span lang="en">12 are missing</span>' in drawn
    assert '<dd lang="en">36 of 1340 records are held.</dd>' in drawn
    assert '<dd lang="en">Send Desk the list.</dd>' in drawn


def test_an_english_page_shows_what_is_stored():
    told = make_report(feeds=[make_feed()], shifts=[make_shift()])

    page = Page(render_quality(told, "en"))

    assert "36 of 1340 records are held." in page.text
    assert "they disagree" in page.text


def test_a_site_s_own_rule_is_shown_as_the_site_wrote_it():
    shipped = {"reason": "hardly anybody waits longer than a day", "next_step": "Contact the supplier."}

    page = Page(render_quality(make_report(rules=[make_broken(**shipped)]), "pt-BR"))

    assert "Por que importaquase ninguém espera mais de um dia" in page.text
    assert "Próximo passoContact the supplier." in page.text


def test_no_english_sentence_stands_on_the_portuguese_page_of_a_report_with_every_kind_of_finding():
    english, portuguese = (Page(render_quality(report_of_every_kind(), language)).text for language in ("en", "pt-BR"))

    found = {part for part in english_sentences() if part in english}
    assert len(found) > 60
    assert {part for part in found if part in portuguese} == set()


@pytest.mark.parametrize(
    ("value", "english", "portuguese"),
    [
        (None, "–", "–"),
        (1.0, "1", "1"),
        (0.99996, "0.99996", "0,99996"),
        (0.5, "0.5", "0,5"),
        (1234.5, "1,234.5", "1.234,5"),
        (-2.25, "−2.25", "−2,25"),
        (1000.0, "1,000", "1.000"),
        (1000.00001, "1,000", "1.000"),
    ],
)
def test_a_measure_has_the_decimals_that_tell_it_from_its_limit(value, english, portuguese):
    assert Words("en").measure(value) == english
    assert Words("pt-BR").measure(value) == portuguese


def test_a_part_too_small_to_see_is_seen_at_either_end_of_the_whole():
    parts = [
        svg.Part(1, "first", ""),
        svg.Part(100_000, "middle", ""),
        svg.Part(0, "none", ""),
        svg.Part(1, "last", ""),
    ]

    drawn = str(svg.stack("records", parts, 100_002))

    places = {
        style: (float(x), float(width))
        for style, x, width in re.findall(r'part (\w+)" x="(\S+)" y="0" width="(\S+)"', drawn)
    }
    assert places.keys() == {"first", "middle", "last"}
    assert places["first"][1] == places["last"][1] == 2.0
    assert all(x + width <= 1000.0 for x, width in (places["first"], places["last"]))


def test_a_hostile_name_of_a_bar_or_a_trend_stays_text():
    part = svg.Part(1.0, HOSTILE, HOSTILE)

    drawn = str(svg.stack(HOSTILE, [part], 1.0)) + str(svg.sparkline(HOSTILE, [part, part]))

    assert Page(drawn).tags.count("script") == 0
    assert "<script" not in drawn
