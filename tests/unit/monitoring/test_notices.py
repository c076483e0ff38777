from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from healthcare_ops.adapters.local_alarms import Transition
from healthcare_ops.monitoring.notices import PORTUGUESE, message, news, trial
from healthcare_ops.operations.alarms import load_alarms

AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
ZONE = ZoneInfo("America/Sao_Paulo")
PLANTED = "Maria da Silva"
FILE = load_alarms()


def change(alarm, state, *, minute=0, of=None, was="OK", reason="", value=None):
    at = (AT + timedelta(minutes=minute)).isoformat()
    return Transition(at, alarm, of or {}, was, state, reason, [[at, None], [at, value]])


def told(changes):
    return [(notice.alarm, notice.state) for notice in news(FILE, changes)]


def test_that_an_alarm_rings_and_is_over_is_news_and_that_it_was_never_judged_is_not():
    changes = [change("FeedSilent", state) for state in ("OK", "ALARM", "OK", "INSUFFICIENT_DATA", "OK")]

    assert told(changes) == [("FeedSilent", "ALARM"), ("FeedSilent", "OK")]


def test_an_alarm_that_lacks_data_and_rings_again_is_told_once():
    changes = [change("InferenceStale", state) for state in ("ALARM", "INSUFFICIENT_DATA", "ALARM", "OK")]

    assert told(changes) == [("InferenceStale", "ALARM"), ("InferenceStale", "OK")]


def test_each_feed_is_news_of_its_own():
    changes = [change("FeedSilent", "ALARM", of={"FeedId": feed}) for feed in ("visits", "beds", "visits")]

    assert [notice.of["FeedId"] for notice in news(FILE, changes)] == ["visits", "beds"]


def test_a_composite_alarm_is_told_and_none_of_its_parts():
    changes = [change(name, "ALARM", of={"Metric": "wait"}) for name in ("ModelErrorHigh-MAPE", "ModelErrorHigh")]

    assert told(changes) == [("ModelErrorHigh", "ALARM")]


def test_the_same_change_always_has_the_same_number_and_another_has_another():
    changes = [change("FeedSilent", state, of={"FeedId": "visits"}) for state in ("ALARM", "OK", "ALARM")]

    first, again = ([notice.notice_id for notice in news(FILE, changes[:count])] for count in (2, 2))

    assert first == again
    assert len(set(first)) == 2


def test_a_message_says_what_rings_since_when_by_the_sites_clock_and_what_to_read():
    notices = news(FILE, [change("InferenceStale", "ALARM", value=45.5)])

    found = message(notices, FILE, "en", "Santa Casa", ZONE, AT)

    assert found.title == "[critical] InferenceStale: ALARM – Santa Casa"
    assert found.text == (
        "ALARM  InferenceStale · critical · since 2026-03-02 09:00 (America/Sao_Paulo)\n"
        "No forecast was made for two ticks longer than it may take.\n"
        "ForecastLateMin = 45.5 (rings if > 30)\n"
        "runbook: INC-01\n"
        "\n"
        "All incidents: hops incidents list. All alarms: hops alarms\n"
    )


def test_a_message_is_in_portuguese_where_the_channel_asks_for_it():
    notices = news(FILE, [change("InferenceStale", "ALARM", value=45.5)])

    found = message(notices, FILE, "pt-BR", "Santa Casa", ZONE, AT)

    assert found.title == "[crítico] InferenceStale: ALARM – Santa Casa"
    assert "desde 02/03/2026 09:00" in found.text
    assert "ForecastLateMin = 45,5 (soa se > 30)" in found.text
    assert "Nenhuma previsão foi feita" in found.text


def test_every_alarm_that_is_told_has_its_meaning_in_portuguese():
    parts = {child for one in FILE.composite_alarms for child in one.children}
    names = {one.alarm_name for one in (*FILE.metric_alarms, *FILE.composite_alarms)} - parts

    assert set(PORTUGUESE) == names


def test_several_notices_go_in_one_message_as_urgent_as_the_most_urgent():
    changes = [change("FeedSilent", "ALARM", of={"FeedId": "visits"}), change("PipelineFailure", "ALARM", minute=1)]

    found = message(news(FILE, changes), FILE, "en", "Santa Casa", ZONE, AT)

    assert (found.severity, found.title) == ("critical", "[critical] 2 alarms – Santa Casa")
    assert found.text.index("FeedSilent (visits)") < found.text.index("PipelineFailure")


@pytest.mark.parametrize("language", ["en", "pt-BR"])
def test_no_text_of_elsewhere_is_told_so_that_no_patient_can_be(language):
    changes = [
        change("PipelineFailure", "ALARM", of={"RunType": PLANTED}, reason=f"row of {PLANTED}", value=1),
        change("FeedSilent", "ALARM", of={f"Feed {PLANTED}": "visits"}, value=1),
        change(f"Alarm of {PLANTED}", "ALARM"),
    ]

    notices = news(FILE, changes)
    found = message(notices, FILE, language, "Santa Casa", ZONE, AT)

    assert len(notices) == 2
    assert not re.search("Maria|Silva", str(found.document) + str(notices))


@pytest.mark.parametrize(("language", "said"), [("en", "This is a test"), ("pt-BR", "Isto é um teste")])
def test_a_test_says_that_it_is_one(language, said):
    found = trial("on-call", language, "Santa Casa", AT)

    assert said in found.text
    assert found.document["is_test"]
