"""Alarms that ring until somebody hears of them: a state directory, real receivers of this machine, a virtual clock."""

from __future__ import annotations

import base64
import json
import logging
import socket
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from healthcare_ops.adapters.local_alarms import ALARMS_FOLDER, AlarmLog, Transition
from healthcare_ops.adapters.local_incidents import INCIDENTS_FOLDER, LocalIncidents
from healthcare_ops.adapters.local_outbox import DEAD_LETTERS, NOTIFICATIONS_FOLDER, LocalOutbox
from healthcare_ops.adapters.local_secrets import LocalSecrets
from healthcare_ops.adapters.state_lock import Lock, lock_state
from healthcare_ops.adapters.webhook import SIGNATURE, TIMESTAMP, signature
from healthcare_ops.core.clock import VirtualClock
from healthcare_ops.core.config import SITE_FILE
from healthcare_ops.core.errors import ConfigError, LockedError, NotFoundError, OpsError, TransientError
from healthcare_ops.core.incident import IncidentEvent
from healthcare_ops.core.notification_file import NOTIFICATIONS_FILE
from healthcare_ops.operations.notify import Post, Postman
from hospital import SITE
from receivers import PASSWORD, USER, certificate, http_receiver, mail_server

NOON = datetime(2026, 3, 2, 15, tzinfo=UTC)  # 12:00 in São Paulo
PLANTED = "Maria da Silva"
KEY = "a-planted-signing-key"


@dataclass
class House:
    """A state directory, its clock, and who sends its notifications."""

    state: Path
    clock: VirtualClock

    def __post_init__(self):
        (self.state / SITE_FILE).write_text(SITE)
        self.post = Post(self.state, self.clock)
        self.keep("signing", KEY)
        self.keep("password", PASSWORD)

    def keep(self, name, value):
        LocalSecrets(self.state / "secrets", self.clock).put(name, value.encode())

    def channel(self, kind, name="on-call", more="", **keys):
        lines = {"name": name, "kind": kind, "group_s": 0, **keys}
        text = "".join(f"{key} = {json.dumps(value)}\n" for key, value in lines.items())
        with (self.state / NOTIFICATIONS_FILE).open("a") as file:
            file.write(f"[[channels]]\n{text}{more}\n")
        self.post.deliver()

    def mail(self, box, **keys):
        usual = {"host": "127.0.0.1", "port": box.port, "sender": "hops@h.example", "recipients": ["nir@h.example"]}
        self.channel("smtp", **usual | keys)

    def change(self, alarm, state, of=None, reason=""):
        at = self.clock.now().isoformat()
        AlarmLog(self.state / ALARMS_FOLDER).append([Transition(at, alarm, of or {}, "OK", state, reason, [[at, 1]])])

    def ring(self, alarm="PipelineFailure", **keys):
        self.change(alarm, "ALARM", **keys)

    def happens(self, incident, event, **facts):
        told = IncidentEvent(self.clock.now().isoformat(), event, facts=facts)
        LocalIncidents(self.state / INCIDENTS_FOLDER).append(incident, [told])

    def explain(self, incident, *alarms, since=None):
        """Open an incident that explains alarms which began to ring just now, or at another instant."""
        at = (since or self.clock.now()).isoformat()
        self.happens(incident, "opened", section=incident[:6], root_key=incident, began_at=at)
        for alarm in alarms:
            severity = "warning" if alarm == "FeedSilent" else "critical"
            self.happens(incident, "symptom", alarm=alarm, of={}, since=at, severity=severity)

    def after(self, **time):
        self.clock.sleep(timedelta(**time).total_seconds())
        return self.post.deliver()


@pytest.fixture
def house(tmp_path):
    return House(tmp_path, VirtualClock(NOON))


@pytest.fixture
def receiver():
    with http_receiver() as found:
        yield found


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    return certificate(tmp_path_factory.mktemp("tls"))


def told(receiver):
    """Return what each post told of: alarm and state."""
    return [[(one["alarm"], one["state"]) for one in json.loads(body)["notices"]] for _, body in receiver.posts]


# Incidents


def test_what_an_incident_makes_ring_is_one_letter_that_names_it_and_one_when_all_of_it_is_over(house, receiver):
    house.channel("webhook", url=receiver.url)
    for alarm in ("FeedSilent", "PipelineFailure"):
        house.ring(alarm)
    house.explain("INC-02-20260302-1a2b", "FeedSilent", "PipelineFailure")
    house.after(minutes=1)
    house.change("FeedSilent", "OK")
    house.after(minutes=1)
    house.change("PipelineFailure", "OK")
    house.happens("INC-02-20260302-1a2b", "mitigated")

    house.after(minutes=1)

    assert told(receiver) == [[("PipelineFailure", "ALARM")], [("PipelineFailure", "OK")]]
    first = json.loads(receiver.posts[0][1])
    assert (first["notices"][0]["incident"], first["notices"][0]["runbook"]) == ("INC-02-20260302-1a2b", "INC-02")
    assert "hops incidents show INC-02-20260302-1a2b" in first["text"]


def test_two_incidents_behind_one_alarm_are_both_told(house, receiver):
    house.channel("webhook", url=receiver.url)
    house.ring()
    house.explain("INC-01-20260302-1a2b", "PipelineFailure")
    house.after(minutes=1)
    house.explain("INC-01-20260302-3c4d", "PipelineFailure", since=NOON)

    house.after(minutes=1)

    incidents = [one["incident"] for _, body in receiver.posts for one in json.loads(body)["notices"]]
    assert incidents == ["INC-01-20260302-1a2b", "INC-01-20260302-3c4d"]


def test_an_alarm_that_no_incident_explains_is_told_by_itself(house, receiver):
    house.channel("webhook", url=receiver.url)
    house.ring()
    house.ring("FeedSilent")
    house.explain("INC-02-20260302-1a2b", "FeedSilent")

    house.after(minutes=1)

    assert sorted(told(receiver)[0]) == [("FeedSilent", "ALARM"), ("PipelineFailure", "ALARM")]


# Webhooks


def test_an_alarm_that_rings_is_posted_once_and_signed(house, receiver):
    house.channel("webhook", url=receiver.url, signing_secret="signing")
    house.ring(of={"RunType": "daily"})

    events = [house.after(minutes=1), house.after(minutes=1)]

    ((headers, body),) = receiver.posts
    document = json.loads(body)
    assert events == [[{"event": "notified", "channel": "on-call", "notices": 1, "detail": ""}], []]
    assert document["schema_version"] == 1
    assert (document["facility"], document["severity"], document["is_test"]) == ("Hospital", "critical", False)
    assert document["notices"][0]["of"] == {"RunType": "daily"}
    assert headers[SIGNATURE] == signature(KEY, headers[TIMESTAMP], body)
    assert headers["Idempotency-Key"] == document["message_id"]


def test_a_post_that_was_altered_no_longer_fits_its_signature():
    assert signature(KEY, "1", b"{}") != signature(KEY, "1", b"[]")
    assert signature(KEY, "1", b"{}") != signature(KEY, "2", b"{}")
    assert signature(KEY, "1", b"{}") != signature("another", "1", b"{}")


def test_a_receiver_that_was_down_is_told_when_it_is_up_again(house, receiver):
    receiver.answers = [503, 500]
    house.channel("webhook", url=receiver.url)
    house.ring()

    events = [event["event"] for _ in range(6) for event in house.after(seconds=30)]

    assert events == ["undelivered", "undelivered", "notified"]
    assert told(receiver) == [[("PipelineFailure", "ALARM")]] * 3


def test_what_happens_while_a_receiver_is_down_goes_out_with_what_waited(house, receiver):
    receiver.answers = [503]
    house.channel("webhook", url=receiver.url)
    house.ring()
    house.after(seconds=1)
    house.change("PipelineFailure", "OK")

    house.after(minutes=1)

    assert told(receiver)[-1] == [("PipelineFailure", "ALARM"), ("PipelineFailure", "OK")]


def test_a_redirect_is_a_failure_and_is_not_followed(house, receiver):
    with http_receiver() as elsewhere:
        receiver.answers = [(307, elsewhere.url), (302, elsewhere.url)]
        house.channel("webhook", url=receiver.url)

        for _ in range(2):
            with pytest.raises(
                TransientError, match=r"127\.0\.0\.1 answered 30[27], a redirect, which is not followed"
            ):
                house.post.try_out("on-call")

    assert (len(receiver.posts), elsewhere.posts) == (2, [])


def test_a_receiver_is_believed_by_the_certificates_of_the_file_and_by_no_other(house, tls):
    context, trusted = tls
    with http_receiver(context) as receiver:
        house.channel("webhook", url=receiver.url, name="trusting", ca_file=str(trusted))
        house.channel("webhook", url=receiver.url, name="careful")

        house.post.try_out("trusting")
        with pytest.raises(TransientError, match="its certificate does not hold"):
            house.post.try_out("careful")

    assert len(receiver.posts) == 1


def test_a_receiver_that_says_nothing_is_given_up_in_time(house):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        house.channel("webhook", url=f"http://127.0.0.1:{silent.getsockname()[1]}/", timeout_s=0.2)

        with pytest.raises(TransientError, match="did not answer in time"):
            house.post.try_out("on-call")


def test_an_address_that_is_a_secret_is_used_and_never_told(house, receiver):
    house.keep("hook", f"{receiver.url}/planted-token")
    house.channel("webhook", url_secret="hook")
    house.post.try_out("on-call")
    house.keep("hook", "http://elsewhere.example/planted-token")

    with pytest.raises(ConfigError) as caught:
        house.post.try_out("on-call")

    assert len(receiver.posts) == 1
    assert "planted" not in str(caught.value)


# Mail


def test_a_mail_goes_encrypted_to_a_server_that_is_verified(house, tls):
    context, trusted = tls
    with mail_server(context) as box:
        house.mail(box, ca_file=str(trusted), username=USER, password_secret="password", language="pt-BR")
        house.ring(of={"RunType": "daily"})

        house.after(minutes=1)

    (mail,) = box.mails
    assert box.logins == [(USER, PASSWORD)]
    assert (mail["From"], mail["To"], mail["Auto-Submitted"]) == ("hops@h.example", "nir@h.example", "auto-generated")
    assert mail["Content-Language"] == "pt-BR"
    assert mail["Subject"] == "[crítico] PipelineFailure (daily): ALARM – Hospital"
    assert "Uma execução terminou" in mail.get_content()
    assert mail["Date"].datetime == NOON + timedelta(minutes=1)


def test_a_server_that_speaks_tls_from_the_start_is_met_so(house, tls):
    context, trusted = tls
    with mail_server(context, is_tls_from_the_start=True) as box:
        house.mail(box, ca_file=str(trusted), security="tls", username=USER, password_secret="password")

        house.post.try_out("on-call")

    assert [mail["Subject"] for mail in box.mails] == ["[test] on-call – Hospital"]


@pytest.mark.parametrize("has_tls", [False, True])
def test_no_password_goes_to_a_server_that_does_not_encrypt_or_is_not_whom_it_says(house, tls, has_tls):
    with mail_server(tls[0] if has_tls else None) as box:
        house.mail(box, username=USER, password_secret="password")

        with pytest.raises(TransientError, match="certificate does not hold" if has_tls else "offers no STARTTLS"):
            house.post.try_out("on-call")

    assert (box.logins, box.mails) == ([], [])


def test_a_mail_without_a_password_may_go_in_clear_text_where_the_file_says_so(house):
    with mail_server() as box:
        house.mail(box, security="none")

        house.post.try_out("on-call")

    assert len(box.mails) == 1


def test_a_wrong_password_is_told_without_the_password(house, tls):
    context, trusted = tls
    house.keep("password", "planted-wrong")
    with mail_server(context) as box:
        house.mail(box, ca_file=str(trusted), username=USER, password_secret="password")

        with pytest.raises(TransientError, match="answered 535") as caught:
            house.post.try_out("on-call")

    assert "planted" not in str(caught.value)


def test_a_recipient_that_is_refused_is_told_and_the_others_have_their_mail(house):
    with mail_server() as box:
        box.refuses = {"gone@h.example"}
        house.mail(box, security="none", recipients=["nir@h.example", "gone@h.example"])
        house.ring()

        events = house.after(minutes=1)

    assert (events[0]["event"], events[0]["detail"]) == ("notified", "refused: gone@h.example")
    assert len(box.mails) == 1


# Apprise


def test_any_service_of_apprise_is_reached(house, receiver):
    house.keep("service", receiver.url.replace("http://", "json://"))
    house.channel("apprise", url_secret="service")
    house.ring()

    house.after(minutes=1)

    ((_, body),) = receiver.posts
    assert json.loads(body)["title"] == "[critical] PipelineFailure: ALARM – Hospital"


def test_without_the_extra_its_name_is_told(house, monkeypatch):
    house.keep("service", "json://127.0.0.1")
    house.channel("apprise", url_secret="service")
    monkeypatch.setitem(sys.modules, "apprise", None)

    with pytest.raises(ConfigError, match="needs Apprise") as caught:
        house.post.try_out("on-call")

    assert caught.value.next_step == "Run `pip install 'healthcare-ops[notify]'`."


def test_a_service_that_apprise_does_not_know_is_told_without_its_address(house):
    house.keep("service", "pigeon://planted")
    house.channel("apprise", url_secret="service")

    with pytest.raises(ConfigError, match="'service' is no address") as caught:
        house.post.try_out("on-call")

    assert "planted" not in str(caught.value)


# The outbox


def test_a_crash_between_sending_and_noting_it_sends_twice_and_loses_nothing(house, receiver, monkeypatch):
    class Killed(BaseException):
        pass

    def die(self, entries):
        if any(entry.event == "sent" for entry in entries):
            raise Killed
        whole(self, entries)

    house.channel("webhook", url=receiver.url)
    house.ring()
    whole = LocalOutbox.append
    monkeypatch.setattr(LocalOutbox, "append", die)
    with pytest.raises(Killed):
        house.after(minutes=1)
    monkeypatch.undo()

    after = House(house.state, house.clock)
    after.after(minutes=1)
    after.after(minutes=1)

    assert told(receiver) == [[("PipelineFailure", "ALARM")]] * 2
    assert len({json.loads(body)["message_id"] for _, body in receiver.posts}) == 1


@pytest.mark.parametrize("cut", [1, 40, 200])
def test_a_line_that_a_crash_cut_short_loses_nothing(house, receiver, cut):
    house.channel("webhook", url=receiver.url, min_severity="info")
    house.ring()
    receiver.answers = [503]
    house.after(minutes=1)
    path = house.state / NOTIFICATIONS_FOLDER / "2026-03.jsonl"
    path.write_bytes(path.read_bytes()[:-cut])

    house.after(minutes=5)
    house.after(minutes=5)

    assert told(receiver)[1:] == [[("PipelineFailure", "ALARM")]]


def test_a_line_that_somebody_damaged_is_named(house, receiver):
    house.channel("webhook", url=receiver.url)
    path = house.state / NOTIFICATIONS_FOLDER / "2026-03.jsonl"
    path.write_text("nonsense\n" + path.read_text())

    with pytest.raises(ConfigError, match=r"2026-03\.jsonl, line 1"):
        house.post.deliver()


def test_after_the_last_attempt_a_dead_letter_is_kept_that_can_be_put_back(house, receiver):
    (house.state / NOTIFICATIONS_FILE).write_text("[retry]\nattempts = 2\n")
    receiver.answers = [503, 503]
    house.channel("webhook", url=receiver.url)
    house.ring()

    events = [house.after(minutes=5), house.after(minutes=5), house.after(minutes=5)]
    (letter,) = map(json.loads, (house.state / NOTIFICATIONS_FOLDER / DEAD_LETTERS).read_text().splitlines())
    count = house.post.retry("on-call")
    again = house.after(minutes=0)

    assert [[event["dead"] for event in found] for found in events] == [[0], [1], []]
    assert (letter["channel"], letter["notice"]["alarm"]) == ("on-call", "PipelineFailure")
    assert letter["detail"] == "127.0.0.1 answered 503."
    assert (count, again[0]["event"]) == (1, "notified")
    assert house.post.retry() == 0


def test_a_channel_that_fails_keeps_no_other_from_being_told(house, receiver):
    house.channel("webhook", name="lacks-a-secret", url_secret="nowhere")
    house.channel("webhook", name="works", url=receiver.url)
    house.ring()

    events = house.after(minutes=1)

    assert [(event["channel"], event["event"]) for event in events] == [
        ("lacks-a-secret", "undelivered"),
        ("works", "notified"),
    ]
    assert events[0]["cause"] == "secret 'nowhere' is not set."


def test_a_warning_of_the_night_is_told_at_seven_by_the_sites_clock(house, receiver):
    house.channel("webhook", url=receiver.url, more='[[channels.quiet]]\nfrom = "22:00"\nto = "07:00"\n')
    house.after(hours=12)
    house.ring("FeedSilent", of={"FeedId": "visits"})

    counts = [(house.after(minutes=minutes), len(receiver.posts))[1] for minutes in (1, 418, 1)]

    assert house.clock.now() == NOON + timedelta(hours=19)
    assert counts == [0, 0, 1]


def test_two_processes_do_not_send_at_once(house, receiver):
    house.channel("webhook", url=receiver.url)

    with lock_state(house.state, Lock.NOTIFICATIONS):
        with pytest.raises(LockedError):
            house.post.deliver()
        assert list(Postman(house.post)(NOON, {})) == []


def test_the_platform_does_not_wait_for_a_receiver_and_tells_later_what_came_of_it(house, receiver):
    house.channel("webhook", url=receiver.url)
    house.ring()
    postman = Postman(house.post)

    at_once = list(postman(house.clock.now(), {}))
    at_the_end = postman.close()

    assert (at_once, [event["event"] for event in at_the_end]) == ([], ["notified"])


def test_a_channel_that_there_is_not_is_told_with_those_that_there_are(house, receiver):
    house.channel("webhook", url=receiver.url)

    with pytest.raises(NotFoundError, match=r"no channel 'mail'.*there is on-call"):
        house.post.try_out("mail")


# What must not be told


def test_neither_a_secret_nor_a_patient_is_in_what_is_sent_logged_or_kept(house, receiver, tls, caplog):
    caplog.set_level(logging.DEBUG)
    context, trusted = tls
    house.keep("service", receiver.url.replace("http://", f"json://{USER}:planted-token@"))
    house.keep("hook", f"{receiver.url}?token=planted-token")
    with mail_server(context) as box:
        house.channel("webhook", name="hook", url_secret="hook", signing_secret="signing")
        house.channel("apprise", name="service", url_secret="service")
        house.mail(box, name="mail", ca_file=str(trusted), username=USER, password_secret="password")
        house.ring(of={"RunType": PLANTED}, reason=f"duplicate row of {PLANTED}")
        receiver.answers = [500, 500]
        box.refuses = {"nir@h.example"}
        events = house.after(minutes=1)
        box.refuses = set()
        events += house.after(minutes=5)

    kept = "".join(path.read_text() for path in (house.state / NOTIFICATIONS_FOLDER).iterdir())
    # Less what the mail server itself keeps of what it is told.
    logged = "".join(record.getMessage() for record in caplog.records if record.name != "mail.log")
    sent = "".join(body.decode() for _, body in receiver.posts) + "".join(mail.as_string() for mail in box.mails)
    sent += "".join(mail.get_content() for mail in box.mails)
    everything = json.dumps(events) + kept + logged + sent
    assert [event["event"] for event in events] == ["undelivered"] * 3 + ["notified"] * 3
    for secret in (KEY, PASSWORD, "planted-token", PLANTED, "Silva"):
        assert secret not in everything
        assert base64.b64encode(secret.encode()).decode().rstrip("=") not in kept + logged


def test_what_breaks_in_a_channel_is_told_by_its_kind_alone(house, receiver):
    class Breaking:
        def send(self, message):
            raise RuntimeError("planted")

    house.channel("webhook", url=receiver.url)
    post = Post(house.state, house.clock, lambda channel, secrets: Breaking())

    with pytest.raises(OpsError, match="sending broke: RuntimeError") as caught:
        post.try_out("on-call")

    assert "planted" not in str(caught.value)
