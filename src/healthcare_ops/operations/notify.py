"""Telling people of alarms: what is news goes into the outbox, and what is due goes out of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from healthcare_ops.adapters.local_alarms import ALARMS_FOLDER, AlarmLog
from healthcare_ops.adapters.local_incidents import INCIDENTS_FOLDER, LocalIncidents
from healthcare_ops.adapters.local_outbox import NOTIFICATIONS_FOLDER, LocalOutbox
from healthcare_ops.adapters.local_secrets import LocalSecrets
from healthcare_ops.adapters.state_lock import Lock, lock_state
from healthcare_ops.bootstrap.channels import open_channel
from healthcare_ops.core.clock import Clock, SystemClock
from healthcare_ops.core.config import SITE_FILE
from healthcare_ops.core.errors import LockedError, NotFoundError, OpsError, TransientError
from healthcare_ops.core.notices import Message
from healthcare_ops.core.notification_file import (
    NOTIFICATIONS_FILE,
    Channel,
    NotificationFile,
    read_notifications,
)
from healthcare_ops.core.site import Site
from healthcare_ops.core.validated import read_toml
from healthcare_ops.monitoring.notices import message, news, trial
from healthcare_ops.monitoring.outbox import Letter, Outbox, failed, retried, sent
from healthcare_ops.operations.alarms import load_alarms
from healthcare_ops.operations.schedules import Tally
from healthcare_ops.ports import Messenger, SecretStore

# Sending is over soon, unless the other side lets one wait.
_PATIENCE_S = 60.0

Open = Callable[[Channel, SecretStore], Messenger]
Told = dict[str, Any]


class Post:
    """Sends a state directory's notifications; its files are read anew each time."""

    def __init__(self, state: Path, clock: Clock | None = None, open_channel: Open = open_channel) -> None:
        self._state = state
        self._clock = clock or SystemClock()
        self._open = open_channel
        self._secrets = LocalSecrets(state / "secrets", self._clock)
        self._store = LocalOutbox(state / NOTIFICATIONS_FOLDER)

    def deliver(self, *, wait_s: float = 0.0) -> list[Told]:
        """Queue what is news, send what is due, and return an event for each message that was sent or failed.

        What was sent is noted after it was: a crash between the two sends it twice, and none loses it.

        Raises
        ------
        ConfigError
            If notifications.toml, the log of alarms or the outbox cannot be read.
        LockedError
            If another process sends, and does not come to an end.
        """
        file = read_notifications(self._state)
        if not file.channels:
            return []
        with lock_state(self._state, Lock.NOTIFICATIONS, wait_s=wait_s):
            outbox = self._store.read()
            self._queue(outbox, file)
            told = [self._send(channel, file, outbox) for channel in file.channels]
        return [event for event in told if event]

    def outbox(self) -> Outbox:
        """Return what became of everything."""
        return self._store.read()

    def try_out(self, name: str) -> str:
        """Send a test by a channel, whatever the hour; return what there is to know of it.

        `NotFoundError` if there is no such channel; `ConfigError` or `TransientError` say why it did not arrive.
        """
        channel = self._channel(name)
        test = trial(channel.name, channel.language, self._site().name, self._clock.now())
        return self._hand_over(channel, test)

    def retry(self, name: str = "") -> int:
        """Put the dead letters of a channel back, or all, and return how many; `NotFoundError` without the channel."""
        if name:
            self._channel(name)
        with lock_state(self._state, Lock.NOTIFICATIONS, wait_s=_PATIENCE_S):
            dead = self._store.read().letters(name, "dead")
            self._store.append(retried(dead, self._clock.now()))
        return len(dead)

    def _queue(self, outbox: Outbox, file: NotificationFile) -> None:
        changes = AlarmLog(self._state / ALARMS_FOLDER).read()
        incidents = LocalIncidents(self._state / INCIDENTS_FOLDER).read()
        entries = outbox.queue(file.channels, news(load_alarms(), changes, incidents), self._clock.now())
        self._store.append(entries)
        for entry in entries:
            outbox.take(entry)

    def _send(self, channel: Channel, file: NotificationFile, outbox: Outbox) -> Told | None:
        site, now = self._site(), self._clock.now()
        letters = outbox.due(channel, file.retry, site.tz, now)
        if not letters:
            return None
        notices = [letter.notice for letter in letters]
        told: Told = {"channel": channel.name, "notices": len(letters)}
        try:
            detail = self._hand_over(
                channel, message(notices, load_alarms(), channel.language, site.name, site.tz, now)
            )
        except OpsError as error:
            entries = failed(letters, file.retry, self._clock.now(), error.message)
            dead = [letter for letter in letters if letter.attempts + 1 >= file.retry.attempts]
            if dead:
                self._store.bury([_document(letter) | {"detail": error.message} for letter in dead])
            self._store.append(entries)
            return {"event": "undelivered", **told, "dead": len(dead), "cause": error.message}
        self._store.append(sent(letters, self._clock.now(), detail))
        return {"event": "notified", **told, "detail": detail}

    def _hand_over(self, channel: Channel, what: Message) -> str:
        try:
            return self._open(channel, self._secrets).send(what)
        except OpsError:
            raise
        except Exception as error:  # noqa: BLE001  # whatever breaks one channel must not silence the others
            # Its words may hold an address or a password.
            raise TransientError(f"sending broke: {type(error).__name__}.") from None

    def _channel(self, name: str) -> Channel:
        channels = {channel.name: channel for channel in read_notifications(self._state).channels}
        if name not in channels:
            known = ", ".join(channels) or "none"
            raise NotFoundError(
                f"there is no channel {name!r} in {self._state / NOTIFICATIONS_FILE}; there is {known}.",
                next_step="Name one of these, or add the channel: see `hops notify schema`.",
            )
        return channels[name]

    def _site(self) -> Site:
        return read_toml(self._state / SITE_FILE, Site)


class Postman:
    """Delivers beside whatever else is done, as often as it is called: a mail server that hangs delays no run."""

    def __init__(self, post: Post) -> None:
        self._post = post
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="notifications")
        self._at_work: Future[list[Told]] | None = None

    def __call__(self, now: datetime, tallies: Mapping[str, Tally]) -> Iterable[Told]:
        """Begin to deliver, and return the events of the time before; nothing while that is not over."""
        if self._at_work and not self._at_work.done():
            return []
        last, self._at_work = self._at_work, self._pool.submit(self._deliver)
        return last.result() if last else []

    def close(self) -> list[Told]:
        """Wait for what is being sent, and return its events."""
        self._pool.shutdown()
        return self._at_work.result() if self._at_work else []

    def _deliver(self) -> list[Told]:
        try:
            return self._post.deliver()
        except LockedError:  # a command sends just now
            return []


def documents(letters: Sequence[Letter]) -> list[dict[str, Any]]:
    """Return letters as plain values, instants in UTC."""
    return [_document(letter) for letter in letters]


def _document(letter: Letter) -> dict[str, Any]:
    return {
        "channel": letter.channel,
        "state": letter.state,
        "attempts": letter.attempts,
        "queued_at": letter.queued_at.isoformat(),
        "at": letter.at.isoformat(),
        "detail": letter.detail,
        "notice_id": letter.notice.notice_id,
        "notice": asdict(letter.notice),
    }
