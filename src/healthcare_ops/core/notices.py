"""What people are told of alarms, as it is kept and sent: names of the product and the configuration, and numbers."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Self

from healthcare_ops.core.alarm_file import Severity
from healthcare_ops.core.emf import Dimensions
from healthcare_ops.core.language import Language
from healthcare_ops.core.notification_file import SEVERITIES


@dataclass(frozen=True)
class Notice:
    """One piece of news: `state` is ALARM, or OK again; `value` None where nothing was measured.

    `incident` is the one that explains the alarm, if there is one: it is told of once, whatever else it makes ring.
    """

    at: str
    alarm: str
    of: dict[str, str]
    state: str
    severity: Severity
    runbook: str
    metric: str | None
    value: float | None
    limit: str
    incident: str = ""

    @property
    def notice_id(self) -> str:
        """Return what the same change is always known by."""
        about = [self.at, self.alarm, sorted(self.of.items()), self.state]
        return digest([*about, self.incident] if self.incident else about)

    @property
    def key(self) -> tuple[str, Dimensions]:
        """Return what it is of: the incident, or else the alarm with the value of each dimension."""
        return (self.incident, ()) if self.incident else (self.alarm, tuple(sorted(self.of.items())))

    @classmethod
    def of_document(cls, document: Any) -> Self:
        """Return what `asdict` made plain values of; `ValueError` or `TypeError` if it is none."""
        found = cls(**document)
        if datetime.fromisoformat(found.at).tzinfo is None or found.severity not in SEVERITIES:
            raise ValueError(f"{found.severity!r} at {found.at!r}")
        return found


@dataclass(frozen=True)
class Message:
    """What goes out: several notices, or none in a test; `sent_at` is UTC."""

    message_id: str
    sent_at: datetime
    facility: str
    language: Language
    title: str
    text: str
    severity: Severity
    notices: tuple[Notice, ...] = ()

    @property
    def document(self) -> dict[str, Any]:
        """Return it as plain values, instants in UTC."""
        return {
            "schema_version": 1,
            "message_id": self.message_id,
            "sent_at": self.sent_at.isoformat(),
            "is_test": not self.notices,
            "facility": self.facility,
            "language": self.language,
            "severity": self.severity,
            "title": self.title,
            "text": self.text,
            "notices": [{"notice_id": one.notice_id, **asdict(one)} for one in self.notices],
        }


def digest(parts: Any) -> str:
    """Return a short name that the same JSON values always have."""
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()[:24]
