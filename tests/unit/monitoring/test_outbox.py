from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from healthcare_ops.adapters.local_alarms import Transition
from healthcare_ops.core.notification_file import Retry, Webhook
from healthcare_ops.monitoring.notices import news
from healthcare_ops.monitoring.outbox import Outbox, backoff, failed, retried, sent
from healthcare_ops.operations.alarms import load_alarms

NOON = datetime(2026, 3, 2, 15, tzinfo=UTC)  # 12:00 in São Paulo
ZONE = ZoneInfo("America/Sao_Paulo")
RETRY = Retry(attempts=3, first_wait_s=30, longest_wait_s=100)


def channel(name="on-call", **keys):
    return Webhook.model_validate({"kind": "webhook", "name": name, "url": "https://example.org/", **keys})


def notices(*changes):
    """Return the news of (alarm, state), a minute apart."""
    log = [
        Transition((NOON + timedelta(minutes=n)).isoformat(), alarm, {}, "OK", state, "", [])
        for n, (alarm, state) in enumerate(changes)
    ]
    return news(load_alarms(), log)


def opened(*channels):
    """Return an outbox whose channels began before anything rang."""
    return Outbox(Outbox().queue(channels, [], NOON))


def queue(box, channels, found, at=NOON):
    entries = box.queue(channels, found, at)
    for entry in entries:
        box.take(entry)
    return entries


def waiting(box):
    return [(one.notice.alarm, one.notice.state) for one in box.letters(state="waiting")]


def take_all(box, entries):
    for entry in entries:
        box.take(entry)


RANG = (("FeedSilent", "ALARM"), ("FeedSilent", "OK"), ("PipelineFailure", "ALARM"))


def test_each_piece_of_news_is_queued_once_whoever_asks_how_often():
    box = opened(channel())

    first, second = queue(box, [channel()], notices(*RANG)), queue(box, [channel()], notices(*RANG))

    assert [entry.event for entry in first] == ["waiting"]
    assert second == []
    assert waiting(box) == list(RANG)


def test_a_new_channel_is_told_of_what_rings_and_not_of_what_was():
    box = Outbox()

    queue(box, [channel()], notices(*RANG))
    queue(box, [channel()], notices(*RANG, ("PipelineFailure", "OK")))

    assert waiting(box) == [("PipelineFailure", "ALARM"), ("PipelineFailure", "OK")]


def test_a_crash_before_a_channel_was_opened_whole_brings_no_history_with_it():
    whole = Outbox().queue([channel()], notices(*RANG), NOON)

    for count in range(len(whole)):
        box = Outbox(whole[:count])
        queue(box, [channel()], notices(*RANG))
        assert waiting(box) == [("PipelineFailure", "ALARM")]


def test_what_is_not_urgent_enough_is_passed_over_for_good():
    box = opened(channel(min_severity="critical"))

    queue(box, [channel(min_severity="critical")], notices(*RANG))
    queue(box, [channel(min_severity="info")], notices(*RANG))

    assert waiting(box) == [("PipelineFailure", "ALARM")]


def test_what_waits_goes_together_once_the_oldest_has_waited_long_enough():
    box, hook = opened(channel()), channel(group_s=120)
    queue(box, [hook], notices(*RANG[:1]))
    queue(box, [hook], notices(*RANG), NOON + timedelta(seconds=90))

    due = [len(box.due(hook, RETRY, ZONE, NOON + timedelta(seconds=s))) for s in (100, 119, 120)]

    assert due == [0, 0, 3]


def test_quiet_hours_hold_warnings_until_morning_and_let_what_is_critical_through():
    hook = channel(quiet=[{"from": "22:00", "to": "07:00"}])
    night, morning = NOON + timedelta(hours=12), NOON + timedelta(hours=19)
    box = opened(hook)
    queue(box, [hook], notices(*RANG), night)

    at_night = box.due(hook, RETRY, ZONE, night + timedelta(minutes=5))
    take_all(box, sent(at_night, night))
    before, after = (box.due(hook, RETRY, ZONE, morning - timedelta(seconds=s)) for s in (1, 0))

    assert [one.notice.alarm for one in at_night] == ["PipelineFailure"]
    assert before == []
    assert [one.notice.state for one in after] == ["ALARM", "OK"]


def test_a_channel_that_fails_is_left_alone_ever_longer_and_alike_each_time():
    waits = [backoff(Retry(), "on-call", n).total_seconds() for n in range(1, 40)]

    assert all(most / 2 <= wait <= most for wait, most in zip(waits, (30, 60, 120, 240, 480), strict=False))
    assert all(1800 <= wait <= 3600 for wait in waits[8:])
    assert waits == [backoff(Retry(), "on-call", n).total_seconds() for n in range(1, 40)]
    assert waits != [backoff(Retry(), "mail", n).total_seconds() for n in range(1, 40)]


def test_nothing_goes_out_before_the_wait_after_a_failure_is_over():
    hook = channel(group_s=0)
    box = opened(hook)
    queue(box, [hook], notices(*RANG))
    take_all(box, failed(box.due(hook, RETRY, ZONE, NOON), RETRY, NOON, "no answer"))

    wait = backoff(RETRY, "on-call", 1)
    due = [len(box.due(hook, RETRY, ZONE, NOON + wait + timedelta(seconds=s))) for s in (-1, 0)]

    assert due == [0, 3]


def test_after_the_last_attempt_a_notice_is_dead_until_somebody_puts_it_back():
    hook = channel(group_s=0)
    box, now = opened(hook), NOON
    queue(box, [hook], notices(*RANG))
    for _ in range(3):
        take_all(box, failed(box.due(hook, RETRY, ZONE, now), RETRY, now, "no answer"))
        now += timedelta(minutes=5)

    dead = box.letters("on-call", "dead")
    why = {one.detail for one in dead}
    due_while_dead = box.due(hook, RETRY, ZONE, now)
    take_all(box, retried(dead, now))

    assert (len(dead), why, due_while_dead) == (3, {"no answer"}, [])
    assert [one.attempts for one in box.due(hook, RETRY, ZONE, now)] == [0, 0, 0]


def test_what_was_sent_is_not_due_again_and_the_channel_is_forgiven():
    hook = channel(group_s=0)
    box = opened(hook)
    queue(box, [hook], notices(*RANG[:1]))
    take_all(box, failed(box.due(hook, RETRY, ZONE, NOON), RETRY, NOON, "no answer"))
    later = NOON + timedelta(minutes=5)
    take_all(box, sent(box.due(hook, RETRY, ZONE, later), later))

    queue(box, [hook], notices(*RANG), later)

    assert [one.notice.state for one in box.due(hook, RETRY, ZONE, later)] == ["OK", "ALARM"]
    assert [one.attempts for one in box.letters(state="sent")] == [2]


def test_a_clock_that_was_set_back_keeps_nothing_waiting():
    hook = channel(group_s=60)
    box = opened(hook)
    queue(box, [hook], notices(*RANG))
    take_all(box, failed(box.letters(), RETRY, NOON, "no answer"))

    assert len(box.due(hook, RETRY, ZONE, NOON - timedelta(days=3))) == 3


@pytest.mark.parametrize("channels", [("on-call",), ("on-call", "mail")])
def test_each_channel_has_letters_of_its_own(channels):
    hooks = [channel(name) for name in channels]
    box = opened(*hooks)

    queue(box, hooks, notices(*RANG))

    assert [len(box.letters(name)) for name in channels] == [3] * len(channels)
