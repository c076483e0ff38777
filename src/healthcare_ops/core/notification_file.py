"""`notifications.toml`: who is told of alarms, by which way, of which ones, and when rather not."""

from __future__ import annotations

from datetime import datetime, time, tzinfo
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from healthcare_ops.core.alarm_file import Severity
from healthcare_ops.core.language import Language
from healthcare_ops.core.site import Identifier
from healthcare_ops.core.validated import Strict, holds_password, read_toml

NOTIFICATIONS_FILE = "notifications.toml"
# The most urgent first.
SEVERITIES: tuple[Severity, ...] = ("critical", "warning", "info")
LOOPBACK = ("localhost", "127.0.0.1", "::1")
_TimeOfDay = Annotated[str, Field(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$")]
_Address = Annotated[str, Field(pattern=r"^[!-?A-~]+@[!-?A-~]+$", max_length=254)]
_Secret = Annotated[str, Field(pattern=r"^([A-Za-z0-9][A-Za-z0-9_.-]{0,63})?$")]


def address_fault(url: str) -> str:
    """Return what is wrong with the address of a webhook; empty if nothing is. It repeats nothing of the address."""
    try:
        parts = urlsplit(url)
        host, is_clear = parts.hostname, parts.scheme == "http"
        parts.port  # noqa: B018  # reading it is what checks it
    except ValueError:
        return "is no address"
    if parts.scheme not in ("http", "https") or not host or not url.isprintable() or " " in url:
        return "is no address of http or https"
    if is_clear and host not in LOOPBACK:
        return "is not https, which is required of any machine but this one"
    return "names a user, as the addresses of webhooks do not" if "@" in parts.netloc else ""


class _Notified(Strict):
    next_step: ClassVar[str] = "See `hops notify schema`."


class Quiet(_Notified):
    """Hours of each day, in the site's civil time, in which some severities wait until they are over."""

    since: _TimeOfDay = Field(alias="from", description="Beginning, e.g. '22:00'.")
    until: _TimeOfDay = Field(alias="to", description="End, itself outside; before `from` = on the next day.")
    severities: tuple[Severity, ...] = Field(
        default=("warning", "info"), min_length=1, description="Severities that wait."
    )

    @model_validator(mode="after")
    def _is_a_part_of_the_day(self) -> Self:
        if self.since == self.until:
            raise ValueError(f"`from` and `to` are both {self.since}: such hours never end")
        return self

    def holds(self, severity: Severity, at: datetime, zone: tzinfo) -> bool:
        """Tell whether a severity waits at an instant."""
        now = at.astimezone(zone).time()
        since, until = time.fromisoformat(self.since), time.fromisoformat(self.until)
        is_within = since <= now < until if since < until else now >= since or now < until
        return severity in self.severities and is_within


class _Channel(_Notified):
    name: Identifier = Field(description="Name of the channel; another name is another channel, which begins anew.")
    min_severity: Severity = Field(default="warning", description="What is less urgent is not told.")
    language: Language = Field(default="en", description="Language of the message.")
    group_s: int = Field(default=60, ge=0, le=86_400, description="Seconds a message waits, so that others go with it.")
    quiet: tuple[Quiet, ...] = Field(default=(), description="Quiet hours.")

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return the names of the secrets that the channel needs."""
        named = (getattr(self, key, "") for key in ("url_secret", "signing_secret", "password_secret"))
        return tuple(name for name in named if name)

    def tells(self, severity: Severity) -> bool:
        """Tell whether this severity is urgent enough."""
        return SEVERITIES.index(severity) <= SEVERITIES.index(self.min_severity)

    def is_quiet(self, severity: Severity, at: datetime, zone: tzinfo) -> bool:
        """Tell whether this severity waits for the end of quiet hours."""
        return any(quiet.holds(severity, at, zone) for quiet in self.quiet)


class _Networked(_Channel):
    timeout_s: float = Field(default=10, gt=0, le=60, description="Longest wait for the other side, in seconds.")
    ca_file: str = Field(
        default="", description="File with the certificates to trust, if they are not those of this machine."
    )


class Webhook(_Networked):
    """A message posted as JSON, signed if a secret for it is named."""

    kind: Literal["webhook"]
    url: str = Field(default="", description="Address; https, or http on this machine.")
    url_secret: _Secret = Field(default="", description="Name of the secret that is the address, if it tells a token.")
    signing_secret: _Secret = Field(default="", description="Name of the secret with which messages are signed.")

    @model_validator(mode="after")
    def _has_one_good_address(self) -> Self:
        if bool(self.url) == bool(self.url_secret):
            raise ValueError(f"channel {self.name!r} needs `url` or `url_secret`, and not both")
        if self.url and holds_password(self.url):
            raise ValueError(
                f"`url` of channel {self.name!r} holds a password or token; make it a secret: `url_secret`"
            )
        if self.url and (fault := address_fault(self.url)):
            raise ValueError(f"`url` of channel {self.name!r} {fault}")
        return self


class Smtp(_Networked):
    """A mail, by a server of the hospital."""

    kind: Literal["smtp"]
    host: str = Field(pattern=r"^[A-Za-z0-9.:_-]+$", description="Mail server.")
    port: int = Field(default=587, ge=1, le=65_535, description="Its port.")
    security: Literal["starttls", "tls", "none"] = Field(
        default="starttls", description="How the way there is encrypted; `none` carries no password."
    )
    username: str = Field(default="", pattern="^[!-~]*$", description="User, if the server asks for one.")
    password_secret: _Secret = Field(default="", description="Name of the secret that is the password.")
    sender: _Address = Field(description="From whom.")
    recipients: tuple[_Address, ...] = Field(min_length=1, description="To whom.")

    @model_validator(mode="after")
    def _keeps_its_password(self) -> Self:
        if bool(self.username) != bool(self.password_secret):
            raise ValueError(f"channel {self.name!r} needs both `username` and `password_secret`, or neither")
        if self.security == "none" and self.password_secret:
            raise ValueError(f"channel {self.name!r} would send a password in clear text: `security` is 'none'")
        return self


class Apprise(_Channel):
    """Any service that Apprise knows (Slack, Teams, Telegram, SNS …); needs the extra `notify`."""

    kind: Literal["apprise"]
    url_secret: Identifier = Field(description="Name of the secret that is Apprise's address; it tells tokens.")


Channel = Annotated[Webhook | Smtp | Apprise, Field(discriminator="kind")]


class Retry(_Notified):
    """When a message that did not arrive is tried again."""

    attempts: int = Field(default=12, ge=1, le=100, description="After so many a message is dead.")
    first_wait_s: int = Field(default=30, ge=1, le=3600, description="Wait after the first; it doubles each time.")
    longest_wait_s: int = Field(default=3600, ge=1, le=86_400, description="It grows no further.")


class NotificationFile(_Notified):
    """The channels of a site."""

    retry: Retry = Retry()
    channels: tuple[Channel, ...] = ()

    @model_validator(mode="after")
    def _names_each_once(self) -> Self:
        names = [channel.name for channel in self.channels]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"channel {twice[0]!r} stands twice")
        return self


def read_notifications(state: Path) -> NotificationFile:
    """Return the channels of a state directory, none without a file; `ConfigError` names key, value and file."""
    path = state / NOTIFICATIONS_FILE
    return read_toml(path, NotificationFile) if path.exists() else NotificationFile()
