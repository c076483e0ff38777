"""What became of what people are to be told: what waits in which channel, what was sent, what is dead, what is due."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Literal

from healthcare_ops.core.notices import Notice
from healthcare_ops.core.notification_file import Channel, Retry

Event = Literal["waiting", "passed", "opened", "failed", "sent", "dead", "retried"]
LetterState = Literal["waiting", "sent", "dead"]
# A message of more is not read.
_MOST_IN_A_MESSAGE = 50
_MOST_DOUBLINGS = 20


@dataclass(frozen=True)
class Entry:
    """One line of the outbox: something became of some notices in a channel.

    `waiting` and `passed` stand once for each notice and channel, with the notice and why it is not told; `opened` says
    that the channel has all that there was before it; `retried` puts dead ones back.
    """

    at: str
    channel: str
    event: Event
    ids: list[str] = field(default_factory=list)
    notices: list[dict[str, Any]] = field(default_factory=list)
    detail: str = ""


@dataclass
class Letter:
    """One notice on its way through one channel; `at` (UTC) is when the newest thing happened to it."""

    channel: str
    notice: Notice
    queued_at: datetime
    at: datetime
    state: LetterState = "waiting"
    attempts: int = 0
    detail: str = ""


class Outbox:
    """What the entries come to, in the order in which they were written."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self._letters: dict[tuple[str, str], Letter] = {}
        self._known: set[tuple[str, str]] = set()
        self._opened: set[str] = set()
        # Of a channel: how often it failed since it last worked, and when last.
        self._failures: dict[str, tuple[int, datetime]] = {}
        for entry in entries:
            self.take(entry)

    def take(self, entry: Entry) -> None:
        """Take one more entry in."""
        at = datetime.fromisoformat(entry.at)
        self._known.update((entry.channel, one) for one in entry.ids)
        if entry.event == "opened":
            self._opened.add(entry.channel)
        elif entry.event == "waiting":
            for document in entry.notices:
                notice = Notice.of_document(document)
                self._letters.setdefault((entry.channel, notice.notice_id), Letter(entry.channel, notice, at, at))
        elif entry.event != "passed":
            self._move(entry, at)

    def _move(self, entry: Entry, at: datetime) -> None:
        if entry.event == "failed":
            self._failures[entry.channel] = (self._failures.get(entry.channel, (0, at))[0] + 1, at)
        elif entry.event != "dead":
            self._failures.pop(entry.channel, None)
        for one in entry.ids:
            letter = self._letters.get((entry.channel, one))
            if letter is None:
                continue
            letter.at, letter.detail = at, entry.detail
            letter.attempts = 0 if entry.event == "retried" else letter.attempts + (entry.event in ("failed", "sent"))
            if entry.event in ("sent", "dead"):
                letter.state = "sent" if entry.event == "sent" else "dead"
            elif entry.event == "retried":
                letter.state = "waiting"

    def letters(self, channel: str = "", state: LetterState | None = None) -> list[Letter]:
        """Return the letters, in the order in which they were queued; all channels, or all states, if none is given."""
        return [
            letter
            for letter in self._letters.values()
            if channel in ("", letter.channel) and state in (None, letter.state)
        ]

    def queue(self, channels: Sequence[Channel], notices: Sequence[Notice], at: datetime) -> list[Entry]:
        """Return the entries of what is new to each channel; a new channel is told of what rings, not of what was."""
        return [entry for channel in channels for entry in self._queue_of(channel, notices, at)]

    def _queue_of(self, channel: Channel, notices: Sequence[Notice], at: datetime) -> list[Entry]:
        is_new = channel.name not in self._opened
        newest = {notice.key: notice for notice in notices}
        waiting: list[Notice] = []
        passed: list[Notice] = []
        for notice in notices:
            if (channel.name, notice.notice_id) in self._known:
                continue
            rings = notice.state == "ALARM" and newest[notice.key] is notice
            is_told = channel.tells(notice.severity) and (rings or not is_new)
            (waiting if is_told else passed).append(notice)
        entries = []
        if waiting:
            documents = [asdict(notice) for notice in waiting]
            entries.append(_entry(channel.name, "waiting", waiting, at, notices=documents))
        if passed:
            entries.append(_entry(channel.name, "passed", passed, at))
        if is_new:  # after the others: until it stands there, a crash has not let it begin
            entries.append(_entry(channel.name, "opened", (), at))
        return entries

    def due(self, channel: Channel, retry: Retry, zone: tzinfo, at: datetime) -> list[Letter]:
        """Return what is to go out in one message now; empty if nothing is, yet.

        What waits goes together once the oldest has waited `group_s`; quiet hours hold each severity by itself; a
        channel that failed is left alone for `backoff`.
        """
        failures, failed_at = self._failures.get(channel.name, (0, at))
        # A clock that was set back must not keep anything waiting.
        if failures and abs(at - failed_at) < backoff(retry, channel.name, failures):
            return []
        loud = [
            one for one in self.letters(channel.name, "waiting") if not channel.is_quiet(one.notice.severity, at, zone)
        ]
        if not loud or max(abs(at - one.queued_at) for one in loud) < timedelta(seconds=channel.group_s):
            return []
        return loud[:_MOST_IN_A_MESSAGE]


def sent(letters: Sequence[Letter], at: datetime, detail: str = "") -> list[Entry]:
    """Return the entry of a message that arrived."""
    return [_entry(letters[0].channel, "sent", [one.notice for one in letters], at, detail=detail)]


def failed(letters: Sequence[Letter], retry: Retry, at: datetime, detail: str) -> list[Entry]:
    """Return the entries of a message that did not arrive: after the last attempt its notices are dead."""
    channel = letters[0].channel
    entries = [_entry(channel, "failed", [one.notice for one in letters], at, detail=detail)]
    dead = [one.notice for one in letters if one.attempts + 1 >= retry.attempts]
    if dead:
        entries.append(_entry(channel, "dead", dead, at, detail=detail))
    return entries


def retried(letters: Sequence[Letter], at: datetime) -> list[Entry]:
    """Return the entries that put dead letters back."""
    channels = sorted({one.channel for one in letters})
    return [_entry(name, "retried", [one.notice for one in letters if one.channel == name], at) for name in channels]


def backoff(retry: Retry, channel: str, failures: int) -> timedelta:
    """Return how long a channel is left alone after so many failures: doubling, less up to a half drawn from its name.

    What is drawn is always the same, and differs between channels: they do not all come back at once.
    """
    longest = min(retry.longest_wait_s, retry.first_wait_s * 2 ** min(failures - 1, _MOST_DOUBLINGS))
    drawn = int.from_bytes(hashlib.sha256(f"{channel} {failures}".encode()).digest()[:4], "big") / 2**32
    return timedelta(seconds=longest * (1 - drawn / 2))


def _entry(
    channel: str,
    event: Event,
    of: Sequence[Notice],
    at: datetime,
    *,
    notices: Sequence[dict[str, Any]] = (),
    detail: str = "",
) -> Entry:
    ids = [one.notice_id for one in of]
    return Entry(at.astimezone(UTC).isoformat(), channel, event, ids, list(notices), detail)
