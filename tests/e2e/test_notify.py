"""Who is told of alarms, as an operator sets it up, tries it and looks after it."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import time
import tomllib

import pytest
from jsonschema import Draft202012Validator

from e2e.command import PROGRAM, environment
from healthcare_ops.adapters.local_alarms import ALARMS_FOLDER, AlarmLog, Transition
from healthcare_ops.adapters.local_secrets import LocalSecrets
from healthcare_ops.core.clock import SystemClock
from healthcare_ops.core.notification_file import NOTIFICATIONS_FILE
from healthcare_ops.operations.notify import Post
from receivers import http_receiver

AT = "2026-03-02T12:00:00+00:00"
FILE = """
[retry]
attempts = 1

[[channels]]
name = "on-call"
kind = "webhook"
url = "{url}"
signing_secret = "signing"
group_s = 0

[[channels.quiet]]
from = "22:00"
to = "07:00"
severities = ["info"]
"""


@pytest.fixture
def receiver():
    with http_receiver() as found:
        yield found


@pytest.fixture
def own(hops, desk, receiver, monkeypatch):
    """Return a new hospital with a channel and its secret."""
    hops("init", "--site", desk.site, "--feed", desk.feed, "--state", desk.state)
    (desk.state / NOTIFICATIONS_FILE).write_text(FILE.format(url=receiver.url))
    monkeypatch.setattr(sys, "stdin", io.StringIO("planted\n"))
    assert hops("secrets", "set", "signing", "--state", desk.state).out == "signing is set\n"
    return desk


def ring(desk):
    change = Transition(AT, "FeedSilent", {"FeedId": "visits"}, "OK", "ALARM", "late", [[AT, 12.5]])
    AlarmLog(desk.state / ALARMS_FOLDER).append([change])


def test_a_secret_comes_from_the_standard_input_and_stands_nowhere_in_the_clear(own):
    found = [path for path in own.state.rglob("*") if path.is_file() and b"planted" in path.read_bytes()]

    assert LocalSecrets(own.state / "secrets", SystemClock()).get("signing") == b"planted"
    assert found == []


@pytest.mark.parametrize(("name", "value"), [("pseudonymisation", "x\n"), ("a b", "x\n"), ("signing", "\n")])
def test_a_secret_of_a_wrong_name_or_without_a_value_is_refused(hops, own, monkeypatch, name, value):
    monkeypatch.setattr(sys, "stdin", io.StringIO(value))
    before = (own.state / "secrets" / "store.json").read_bytes()

    outcome = hops("secrets", "set", name, "--state", own.state)

    assert outcome.exit_code == 2
    assert (own.state / "secrets" / "store.json").read_bytes() == before


def test_a_channel_is_tried_out(hops, own, receiver):
    outcome = hops("notify", "test", "on-call", "--state", own.state)

    assert (outcome.exit_code, outcome.out) == (0, "sent to on-call\n")
    assert json.loads(receiver.posts[0][1])["is_test"]


def test_a_channel_that_does_not_work_says_why_and_ends_with_5(hops, own, receiver):
    receiver.answers = [404]

    outcome = hops("notify", "test", "on-call", "--state", own.state, "--json")

    assert outcome.exit_code == 5
    assert outcome.document["error"]["message"] == "127.0.0.1 answered 404."


def test_a_channel_that_there_is_not_ends_with_3(hops, own):
    outcome = hops("notify", "test", "pager", "--state", own.state)

    assert outcome.exit_code == 3
    assert "there is on-call" in outcome.message


def test_the_platform_tells_of_what_rings_and_says_so(own, receiver):
    ring(own)

    with subprocess.Popen(
        [PROGRAM, "up", "--state", own.state, "--json"], stdout=subprocess.PIPE, text=True, env=environment()
    ) as process:
        try:
            until = time.monotonic() + 60
            while not receiver.posts and time.monotonic() < until:
                time.sleep(0.05)
            process.send_signal(signal.SIGTERM)
            told = [json.loads(line) for line in process.stdout]
        finally:
            process.kill()

    sent = [json.loads(body) for _, body in receiver.posts]
    assert "FeedSilent" in {notice["alarm"] for notice in sent[0]["notices"]}
    assert ("notified", "on-call") in {(event["event"], event.get("channel")) for event in told}
    assert [event for event in told if event["event"] == "trouble"] == []


def test_what_is_dead_is_listed_and_put_back(hops, own, receiver):
    ring(own)
    receiver.answers = [500]
    Post(own.state).deliver()

    dead = hops("notify", "list", "--only", "dead", "--state", own.state, "--json").document["notices"]
    people = hops("notify", "list", "--state", own.state)
    put_back = hops("notify", "retry", "--state", own.state, "--json")
    after = hops("notify", "list", "--state", own.state, "--json").document["notices"]

    assert [(one["channel"], one["attempts"], one["detail"]) for one in dead] == [
        ("on-call", 1, "127.0.0.1 answered 500.")
    ]
    assert "FeedSilent, visits" in people.out
    assert (put_back.exit_code, put_back.document["put_back"]) == (0, 1)
    assert [one["state"] for one in after] == ["sent"]


def test_what_is_put_back_and_does_not_arrive_ends_with_5(hops, own, receiver):
    ring(own)
    receiver.answers = [500, 500]
    Post(own.state).deliver()

    outcome = hops("notify", "retry", "--channel", "on-call", "--state", own.state)

    assert outcome.exit_code == 5
    assert outcome.message == "on-call: 127.0.0.1 answered 500."


def test_the_published_schema_takes_a_channel_and_refuses_a_password(hops):
    schema = json.loads(hops("notify", "schema").out)
    Draft202012Validator.check_schema(schema)
    good = tomllib.loads(FILE.format(url="https://example.org/hook"))

    bad = json.loads(json.dumps(good))
    bad["channels"][0]["password"] = "x"

    assert list(Draft202012Validator(schema).iter_errors(good)) == []
    assert list(Draft202012Validator(schema).iter_errors(bad)) != []


def test_the_doctor_names_a_secret_that_a_channel_lacks(hops, own):
    well = hops("doctor", "--state", own.state, "--json").document["checks"][-1]
    (own.state / NOTIFICATIONS_FILE).write_text(FILE.format(url="https://example.org/").replace('"signing"', '"gone"'))
    ill = hops("doctor", "--state", own.state, "--json").document["checks"][-1]

    assert (well["name"], well["is_ok"], well["detail"]) == ("notifications", True, "on-call")
    assert (ill["is_ok"], "hops secrets set gone" in ill["detail"]) == (False, True)
