"""What somebody, or the platform itself, changed in a state directory between two instants."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from healthcare_ops.adapters.local_objects import LocalObjects
from healthcare_ops.adapters.local_secrets import LocalSecrets
from healthcare_ops.core.config import FEEDS_DIR, SETTINGS_FILE, SITE_FILE
from healthcare_ops.core.errors import ConfigError
from healthcare_ops.core.runs import RunRecord
from healthcare_ops.forecasting.champions import Use, standing
from healthcare_ops.incidents.evidence import Change, ChangeKind
from healthcare_ops.jobs.audit_log import Entry, entries

_FILES: Mapping[str, ChangeKind] = {
    SITE_FILE: "site",
    SETTINGS_FILE: "settings",
    f"{FEEDS_DIR}/*.toml": "feed",
    "regressors/*": "regressors",
}
# The list of models in use tells of models, of those that training puts to use too.
_BY_ACTION: Mapping[str, ChangeKind] = {
    "dq.rules.adopt": "rules",
    "dq.rules.drop": "rules",
    **dict.fromkeys(("dq.accept", "dq.withdraw", "dq.release", "dq.reject", "dq.hold"), "acceptance"),
    "regressors.drop": "regressors",
}
# What of an entry's details says what it is about.
_ABOUT = ("table", "rule", "rule_id", "version")


@dataclass(frozen=True)
class Span:
    """The time from an instant on, as far as another one."""

    since: datetime
    until: datetime

    def holds(self, at: datetime) -> bool:
        """Tell whether an instant is later than the first, and no later than the last."""
        return self.since < at <= self.until


def changed_within(state: Path, secrets: LocalSecrets, span: Span) -> Iterator[Change]:
    """Yield what changed: files by when they were written last, decisions by the audit log, models, secrets.

    Of a file nobody knows who wrote it, nor what it was before.

    Raises
    ------
    ConfigError
        If the audit log or the list of models in use cannot be read.
    """
    objects = LocalObjects(state)
    yield from _files(state, span)
    yield from (found for entry in entries(objects) if (found := _decision(entry)) and span.holds(found.at))
    uses = standing(objects).uses
    for before, use in zip((None, *uses), uses, strict=False):
        if span.holds(at := datetime.fromisoformat(use.since)):
            yield _put_to_use(at, before, use)
    for name in secrets.names():
        with suppress(ConfigError):  # whoever uses it tells
            if span.holds(at := secrets.set_at(name)):
                yield Change(at, "secret", name)


def changed_between(good: RunRecord | None, bad: RunRecord) -> Iterator[Change]:
    """Yield how the program that carried out a run differs from that of the last good one."""
    at = datetime.fromisoformat(bad.started_at)
    differences: tuple[tuple[ChangeKind, str, Callable[[RunRecord], str]], ...] = (
        ("definition", "orchestrator", lambda run: run.definition[:12]),
        ("release", "healthcare-ops", lambda run: run.release),
    )
    for what, name, of in differences if good else ():
        if good and of(good) and of(bad) and of(good) != of(bad):
            yield Change(at, what, name, before=of(good), after=of(bad))


def _files(state: Path, span: Span) -> Iterator[Change]:
    for pattern, what in _FILES.items():
        for path in sorted(state.glob(pattern)):
            written_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
            if path.is_file() and span.holds(written_at):
                yield Change(written_at, what, path.relative_to(state).as_posix())


def _decision(entry: Entry) -> Change | None:
    """Return the change that a decision made; None for one that changed nothing by which data are judged."""
    what = _BY_ACTION.get(entry.action)
    if what is None:
        return None
    at = datetime.fromisoformat(entry.at).astimezone(UTC)
    about = _first(entry.details, _ABOUT)
    before, after = str(entry.details.get("before", "")), str(entry.details.get("version", ""))
    return Change(at, what, f"{entry.action} {about}".strip(), entry.who, before, after)


def _first(details: Mapping[str, Any], names: tuple[str, ...]) -> str:
    return next((str(details[name]) for name in names if name in details), "")


def _put_to_use(at: datetime, before: Use | None, use: Use) -> Change:
    return Change(at.astimezone(UTC), "model", use.version, use.by, before.version if before else "", use.version)
