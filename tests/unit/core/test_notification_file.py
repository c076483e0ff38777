from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from healthcare_ops.core.errors import ConfigError
from healthcare_ops.core.notification_file import NOTIFICATIONS_FILE, address_fault, read_notifications

SAO_PAULO = ZoneInfo("America/Sao_Paulo")
HOOK = '[[channels]]\nname = "on-call"\nkind = "webhook"\nurl = "https://hooks.example.org/x"\n'
MAIL = (
    '[[channels]]\nname = "mail"\nkind = "smtp"\nhost = "mail.example.org"\nsender = "hops@example.org"\n'
    'recipients = ["nir@example.org"]\n'
)


def read(tmp_path, text):
    (tmp_path / NOTIFICATIONS_FILE).write_text(text)
    return read_notifications(tmp_path)


def test_without_a_file_nobody_is_told(tmp_path):
    assert read_notifications(tmp_path).channels == ()


def test_a_mail_is_encrypted_unless_somebody_says_otherwise(tmp_path):
    (mail,) = read(tmp_path, MAIL).channels

    assert (mail.security, mail.port) == ("starttls", 587)


WRONG = {
    "a password in clear text": (
        MAIL + 'security = "none"\nusername = "hops"\npassword_secret = "mail-password"\n',
        "would send a password in clear text",
    ),
    "a user without a password": (MAIL + 'username = "hops"\n', "both `username` and `password_secret`"),
    "a password in the file": (MAIL + 'password = "hunter2"\n', "unknown key `channels.0.smtp.password` = …"),
    "an address in clear text": (HOOK.replace("https", "http"), "is not https"),
    "an address with a password": (HOOK.replace("//", "//me:hunter2@"), "holds a password"),
    "an address with a token": (HOOK.replace("/x", "/x?token=hunter2"), "holds a password or token"),
    "an address with a user": (HOOK.replace("//", "//me@"), "names a user"),
    "an address that is none": (HOOK.replace("https://hooks.example.org", "ftp://hooks"), "no address of http"),
    "no address": (HOOK.replace("url = ", "#"), "needs `url` or `url_secret`"),
    "two addresses": (HOOK + 'url_secret = "hook"\n', "needs `url` or `url_secret`, and not both"),
    "an unknown kind": (HOOK.replace('"webhook"', '"pigeon"'), "pigeon"),
    "two of a name": (HOOK + HOOK, "channel 'on-call' stands twice"),
    "a recipient with a line of its own": (MAIL.replace("nir@", r"nir\nBcc: x@"), "recipients"),
    "hours that never end": (HOOK + '[[channels.quiet]]\nfrom = "22:00"\nto = "22:00"\n', "never end"),
    "an hour that is none": (HOOK + '[[channels.quiet]]\nfrom = "24:00"\nto = "07:00"\n', "`channels.0.webhook.quiet"),
    "an unknown severity": (HOOK + 'min_severity = "urgent"\n', "min_severity"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_file_is_refused_with_the_key_and_without_a_password(tmp_path, what):
    text, said = WRONG[what]

    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)

    assert said in str(caught.value)
    assert NOTIFICATIONS_FILE in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_an_address_of_this_machine_may_be_in_clear_text(host):
    assert address_fault(f"http://{host}:8080/hook") == ""


@pytest.mark.parametrize(
    ("local", "severity", "is_quiet"),
    [
        ("2026-03-02T21:59", "warning", False),
        ("2026-03-02T22:00", "warning", True),
        ("2026-03-03T00:00", "warning", True),
        ("2026-03-03T06:59", "info", True),
        ("2026-03-03T07:00", "warning", False),
        ("2026-03-03T03:00", "critical", False),
    ],
)
def test_quiet_hours_are_of_the_sites_clock_and_of_some_severities(tmp_path, local, severity, is_quiet):
    (hook,) = read(tmp_path, HOOK + '[[channels.quiet]]\nfrom = "22:00"\nto = "07:00"\n').channels
    at = datetime.fromisoformat(local).replace(tzinfo=SAO_PAULO).astimezone(UTC)

    assert hook.is_quiet(severity, at, SAO_PAULO) == is_quiet


def test_quiet_hours_follow_the_change_of_clocks(tmp_path):
    (hook,) = read(tmp_path, HOOK + '[[channels.quiet]]\nfrom = "06:00"\nto = "07:00"\n').channels
    lisbon = ZoneInfo("Europe/Lisbon")

    quiet = [hook.is_quiet("info", datetime(2026, 3, day, 5, 30, tzinfo=UTC), lisbon) for day in (28, 29)]

    assert quiet == [False, True]


@pytest.mark.parametrize(
    ("least", "told"), [("critical", ["critical"]), ("warning", ["critical", "warning"]), ("info", None)]
)
def test_a_channel_is_told_of_what_is_urgent_enough(tmp_path, least, told):
    (hook,) = read(tmp_path, HOOK + f'min_severity = "{least}"\n').channels

    every = ["critical", "warning", "info"]
    assert [one for one in every if hook.tells(one)] == (told or every)
