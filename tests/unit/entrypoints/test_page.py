from __future__ import annotations

import re
import string
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser

import pytest

from healthcare_ops.core.reasons import Reason
from healthcare_ops.entrypoints.page import svg
from healthcare_ops.entrypoints.page.model import Ahead, Days, Hour, Report, SectorView
from healthcare_ops.entrypoints.page.render import render
from healthcare_ops.entrypoints.page.texts import _CAUTIONS_PT, _PAIRS, Words
from healthcare_ops.operations.caution import CAUTIONS, Caution, CautionCode

HOSTILE = "<script>alert(1)</script> \"' & [red]"
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


class Page(HTMLParser):
    """What a browser would see: tags, attributes, text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in {"src", "href", "action", "xlink:href"}]

    def handle_data(self, data):
        self.text += data


def make_quality(verdict, score):
    days = {"first": "2026-03-01", "last": "2026-03-02", "count": 2}
    return {"verdict": verdict, "dq_risk_score": score, "days": days, "rules": ()}


def make_report(**different):
    days = Days((date(2026, 3, 1), date(2026, 3, 2)), (24.0, 12.0), (10.0, None), (30.0, None), (3.0, 4.0), (6.0, 7.0))
    ahead = tuple(
        Ahead("ED", NOW + timedelta(hours=h), h, mean=2.0, q05=0.0, q25=1.0, q75=3.0, q95=5.0) for h in range(49)
    )
    sector = SectorView("ED", "Emergency", 10, days, (Hour(NOW - timedelta(hours=1), 2),), ahead, ((1.0,) * 24,) * 7)
    usual = {
        "facility": "General Hospital",
        "first_day": date(2026, 3, 1),
        "last_day": date(2026, 3, 2),
        "data_as_of": NOW,
        "hours": 36,
        "feeds": (
            {
                "feed_id": "ed",
                "delivered": 1000,
                "applied": 990,
                "superseded": 3,
                "duplicate": 2,
                "quarantined": 4,
                "ignored": 1,
            },
        ),
        "quarantine": (
            {"feed_id": "ed", "reason_code": "STAY_TOO_LONG", "records": 4, "explanation": "the stay exceeds"},
        ),
        "quality": make_quality("warn", 12.3),
        "backtests": (),
        "model_version": "arrivals-1",
        "sectors": (sector,),
        "tables": ({"table": "gold.features", "rows": 36, "path": "/data/lake"},),
    }
    return Report(**usual | different)


def test_the_page_needs_nothing_and_runs_nothing():
    page = Page(render(make_report()))

    assert page.addresses == []
    assert not {"script", "link", "iframe", "img", "object", "form"} & set(page.tags)


@pytest.mark.parametrize("field", ["facility", "model_version", "note"])
def test_a_hostile_text_of_the_data_stays_text(field):
    page = Page(render(make_report(**{field: HOSTILE})))

    assert "script" not in page.tags
    assert HOSTILE in page.text


def test_a_hostile_name_of_a_chart_stays_text():
    drawn = str(svg.level(svg.Frame(HOSTILE, 2, 10.0), 5.0, HOSTILE)) + str(svg.chart(svg.Frame(HOSTILE, 2, 10.0), []))

    assert "<script" not in drawn
    assert "&lt;script&gt;" in drawn


def test_numbers_are_written_as_the_language_writes_them():
    english, portuguese = Page(render(make_report(), "en")).text, Page(render(make_report(), "pt-BR")).text

    assert "1,000" in english
    assert "1.000" in portuguese
    assert "Fluxo de pacientes de 1 de mar. de 2026 a 2 de mar. de 2026" in portuguese


def test_a_reason_is_explained_in_both_languages():
    for code in Reason:
        english, portuguese = Words("en").reason(code), Words("pt-BR").reason(code)

        assert english
        assert portuguese
        assert english != portuguese


def places_of(text):
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("code", CautionCode)
def test_a_caution_is_told_in_both_languages_with_the_same_values(code):
    assert [*map(places_of, CAUTIONS[code])] == [*map(places_of, _CAUTIONS_PT[code])]


@pytest.mark.parametrize(
    ("language", "shown"),
    [
        ("en", "▲ Every hour of the newest forecast is past; it was made at <10:00>. Run `hops predict`."),
        ("pt-BR", "▲ Todas as horas da previsão mais nova já passaram; ela foi feita em <10:00>. Execute"),
    ],
)
def test_what_a_reader_must_know_stands_above_the_figures(language, shown):
    caution = Caution(CautionCode.FORECAST_PAST, {"made_at": "<10:00>"})

    page = Page(render(make_report(cautions=(caution,)), language))

    assert shown in page.text
    assert page.text.index(shown) < page.text.index("1,000" if language == "en" else "1.000")


def test_a_forecast_that_is_past_is_not_shown_as_what_is_to_come():
    caution = Caution(CautionCode.FORECAST_PAST, {"made_at": "10:00"})
    report = make_report(cautions=(caution,), forecast_made_at=NOW)

    page = Page(render(report))

    assert "arrivals expected in 24 h" not in page.text
    assert "Forecast · made on 2 Mar 2026, 12:00" in page.text


@pytest.mark.parametrize("key", _PAIRS)
def test_both_languages_have_the_same_places_to_fill(key):
    english, portuguese = _PAIRS[key]

    assert places_of(english) == places_of(portuguese)
    assert all(_PAIRS[key])


@pytest.mark.parametrize(
    ("verdict", "language", "shown"),
    [
        ("warn", "en", "data-quality riskof 100 · ▲ warning · 1 Mar 2026 to 2 Mar 2026"),
        ("error", "en", "data-quality riskof 100 · ◆ not judged to the end · 1 Mar 2026 to 2 Mar 2026"),
        ("not_applicable", "en", "data-quality riskof 100 · · nothing to judge · 1 Mar 2026 to 2 Mar 2026"),
        ("not_applicable", "pt-BR", "· · nada a avaliar · 1 de mar. de 2026 a 2 de mar. de 2026"),
    ],
)
def test_a_verdict_on_the_data_says_which_days_it_is_of(verdict, language, shown):
    page = Page(render(make_report(quality=make_quality(verdict, 0.0)), language))

    assert shown in page.text


def test_the_next_full_hour_stands_first_in_the_table_of_forecasts():
    page = Page(render(make_report()))

    in_order = [page.text.index(f"Emergency{ahead}") for ahead in ("next full hour", "+1 h", "+4 h", "+24 h")]
    assert in_order == sorted(in_order)


def test_a_lake_without_a_model_says_what_to_do():
    sector = make_report().sectors[0]
    untrained = SectorView(sector.sector_id, sector.name, None, sector.days, sector.recent, (), sector.heat)

    page = Page(render(make_report(sectors=(untrained,), model_version="")))

    assert "No forecast: a model needs 21 days of history" in page.text


def rendered(**different):
    """Return the page of one sector that differs."""
    return render(make_report(sectors=(replace(make_report().sectors[0], **different),)))


def test_a_forecast_stands_in_the_chart_at_its_hours_however_long_before_the_last_arrival_was_seen():
    seen = make_report().sectors[0].recent
    later = (Hour(NOW - timedelta(hours=51), 2),)

    def now_x(page):
        return float(re.search(r'class="now" d="M([\d.]+) ', page)[1])

    # Of 50 hours the first was seen; of 100 the first, and fifty nobody knows.
    assert now_x(rendered(recent=seen)) == pytest.approx(52 + 1 / 50 * 1040, abs=0.1)
    assert now_x(rendered(recent=later)) == pytest.approx(52 + 51 / 100 * 1040, abs=0.1)


def test_a_forecast_long_after_the_last_arrival_is_in_the_table_only():
    page = Page(rendered(recent=(Hour(NOW - timedelta(days=400), 2),)))

    assert "middle 50 %" not in page.text
    assert "Emergencynext full hour" in page.text


def period_of(count):
    days = tuple(date(2026, 3, 1) + timedelta(days=number) for number in range(count))
    nothing = (None,) * count
    return Days(days, (1.0,) * count, nothing, nothing, (1.0,) * count, (1.0,) * count)


@pytest.mark.parametrize(
    ("count", "marks"),
    [(1, ["1 Mar"]), (3, ["1 Mar", "2 Mar", "3 Mar"]), (90, ["Mar", "Apr", "May"]), (1100, ["2027", "2028", "2029"])],
)
def test_a_period_is_marked_by_days_months_or_years_as_it_is_long(count, marks):
    chart = rendered(days=period_of(count)).split("Arrivals per day</title>")[1].split("</svg>")[0]

    assert re.findall(r'text-anchor="middle">([^<]+)<', chart) == marks


def test_where_nobody_tells_when_care_began_there_is_no_chart_of_waits():
    assert "Wait until care" in Page(rendered()).text
    assert "Wait until care" not in Page(rendered(days=period_of(3))).text


def test_an_hour_of_the_week_that_was_never_seen_is_not_one_without_arrivals():
    hours = ((None,) * 23 + (0.0,), *((None,) * 24,) * 6)

    assert rendered(heat=hours).count('<rect class="heat"') == 1


def test_the_days_of_a_long_silence_are_not_days_without_arrivals():
    days = replace(period_of(4), arrivals=(2.0, None, None, 4.0))

    chart = rendered(days=days).split("Arrivals per day</title>")[1].split("</svg>")[0]

    bars, mean = (re.search(rf'class="{style}"[^>]* d="([^"]*)"', chart)[1] for style in ("bars", "line strong"))
    assert (bars.count("M"), mean.count("M")) == (2, 2)


def make_people(mean):
    return tuple(replace(hour, mean=mean, q05=mean - 2, q95=mean + 2) for hour in make_report().sectors[0].ahead)


def test_who_will_be_there_and_wait_stands_beside_the_arrivals_with_its_interval():
    expected = {"occupancy": make_people(12.0), "queue": make_people(4.0), "wait": make_people(33.0)}
    page = Page(rendered(people=expected))

    assert "Emergencynext full hour" in page.text
    assert "2.0 0.0 – 5.012.0 10.0 – 14.04.0 2.0 – 6.033.0 31.0 – 35.0" in page.text
    assert page.text.index("Arrivals per hour") < page.text.index("Patients present") < page.text.index("Waiting for")


def test_a_count_that_is_not_forecast_has_no_chart_and_a_dash_in_the_table():
    page = Page(rendered(people={"occupancy": make_people(12.0)}))

    assert "12.0 10.0 – 14.0––" in page.text
    assert (
        rendered(people={}).count("<figure>") == rendered(people={"occupancy": make_people(12.0)}).count("<figure>") - 1
    )


def test_how_crowded_it_is_and_will_be_stands_before_the_sectors():
    hours = tuple(Hour(NOW - timedelta(hours=back), 2, nedocs=None if back == 2 else 60.0) for back in (3, 2, 1))

    page = Page(render(make_report(crowding=(hours, make_people(80.0)))))

    assert page.text.index("How crowded the emergency sectors are") < page.text.index("The last week and the next two")
    assert "How crowded" not in Page(render(make_report())).text


def test_a_ward_that_nobody_comes_to_first_has_its_patients_forecast():
    ward = rendered(days=replace(period_of(3), arrivals=(0.0,) * 3), ahead=(), people={"occupancy": make_people(12.0)})

    assert "The last week and the next two days" in ward
    assert "Arrivals per hour</title>" not in ward
    assert "Patients present</title>" in ward


def test_several_sectors_are_told_apart():
    first = make_report().sectors[0]
    second = SectorView("OBS", "Observation", 5, first.days, first.recent, first.ahead, first.heat)

    page = Page(render(make_report(sectors=(first, second))))

    assert "· Emergency" in page.text
    assert "· Observation" in page.text


def make_walk(sector_id, origins, model_mae, naive_mae):
    """Return a backtest with what the page shows of it."""
    measures = {
        **dict.fromkeys(("wape", "mase", "mape", "mape_floor", "pinball", "bias"), 0.5),
        **dict.fromkeys(("coverage_90", "coverage_pit"), 0.9),
    }
    overall = {
        "lead_h": None,
        "model": measures | {"mae": model_mae},
        "naive": measures | {"mae": naive_mae},
        "yesterday": measures,
        "better_probability": 1.0,
    }
    return {"sector_id": sector_id, "origins": origins, "comparisons": (overall,)}


def make_second_sector():
    first = make_report().sectors[0]
    ahead = tuple(replace(hour, sector_id="OBS", mean=3.0, q95=9.0) for hour in first.ahead)
    return replace(first, sector_id="OBS", name="Observation", ahead=ahead)


def test_the_arrivals_expected_in_a_day_and_in_an_hour_are_of_the_same_sectors():
    both = (make_report().sectors[0], make_second_sector())

    page = Page(render(make_report(sectors=both)))

    assert "120arrivals expected in 24 hnext full hour: 5.0, all sectors" in page.text


def test_the_forecast_of_one_sector_alone_has_its_interval():
    page = Page(render(make_report()))

    assert "48arrivals expected in 24 hnext full hour: 2.0 (0.0–5.0)" in page.text
    assert "all sectors" not in page.text


def test_the_error_against_last_week_is_that_of_all_sectors_together():
    walks = (make_walk("ED", 100, 1.0, 2.0), make_walk("OBS", 300, 3.0, 4.0))

    page = Page(render(make_report(sectors=(make_report().sectors[0], make_second_sector()), backtests=walks)))

    assert "−29 %error against last week's hourabsolute error, all leads, all sectors" in page.text  # 1000 ÷ 1400


def test_tables_name_the_sector_and_not_its_code():
    walks = (make_walk("ED", 100, 1.0, 2.0), make_walk("OBS", 100, 3.0, 4.0))

    page = Page(render(make_report(sectors=(make_report().sectors[0], make_second_sector()), backtests=walks)))

    assert page.text.count("Observation+") == 3
    assert "How good the forecasts were · Observation" in page.text
    assert "OBS" not in page.text


def test_a_ward_to_which_patients_are_only_moved_shows_who_is_present_and_nothing_else():
    first = make_report().sectors[0]
    ward = replace(first, name="Ward", days=replace(first.days, arrivals=(0.0, 0.0)), ahead=())

    page = Page(render(make_report(sectors=(ward,))))

    assert "patients are moved here from other sectors" in page.text
    assert "Patients present" in page.text
    assert "No forecast" not in page.text
    assert "Arrivals per" not in page.text


@pytest.mark.parametrize(("limit", "is_above"), [(5.0, True), (10.0, False)])
def test_the_name_of_a_limit_stays_within_the_chart(limit, is_above):
    frame = svg.Frame("present", 2, 10.0)

    (name_y,) = re.findall(r'class="limit-name" x="\S+" y="(\S+)"', str(svg.level(frame, limit, "capacity")))

    assert float(name_y) >= 12
    assert (float(name_y) < frame.y(limit)) == is_above


def test_a_line_breaks_where_a_day_has_no_value():
    drawn = str(svg.line(svg.Frame("waits", 4, 10.0), [1.0, None, 2.0, 3.0], "line"))

    assert len(re.findall("M", drawn)) == 2


@pytest.mark.parametrize(("highest", "top"), [(0.0, 1.0), (1.0, 1.0), (13.0, 15.0), (96.0, 100.0), (101.0, 150.0)])
def test_an_axis_ends_at_a_round_number_above_every_value(highest, top):
    assert svg.nice_top([highest, None]) == top


def test_a_caution_writes_days_and_hours_as_its_language_does():
    held = Caution(CautionCode.DAYS_HELD, {"days": "2026-03-11 to 2026-03-12, 2026-03-14, 2 more", "age": "3 h"})
    clock = {"feed_id": "visits", "rule_id": "clock.visits", "day": "2026-03-11", "offset": "-3.5", "age": "3 h"}

    said = [Words("pt-BR").caution(one) for one in (held, Caution(CautionCode.CLOCK_IN_DOUBT, clock))]

    assert "retém 11/03/2026 a 12/03/2026, 14/03/2026, mais 2 antes" in said[0]
    assert "as chegadas de 11/03/2026 parecem deslocadas em −3,5 h" in said[1]
    assert "2026-03-11 to 2026-03-12" in Words("en").caution(held)
