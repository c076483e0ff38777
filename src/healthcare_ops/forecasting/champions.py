"""Which model is in use, which one waits, and which was in use when: one object, replaced in one write."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from healthcare_ops.core.errors import ConfigError, NotFoundError
from healthcare_ops.forecasting.registry import (
    ROOT,
    StoredModel,
    load_model,
    manifest_path,
    manifest_seal,
    save_model,
)
from healthcare_ops.forecasting.training import TrainedModel
from healthcare_ops.ports import ObjectStore

_KEY = f"{ROOT}/in_use.json"
_SCHEMA_VERSION = 2
_NEXT_STEP = "Run `hops run --type weekly_train`."
TRAINING = "weekly_train"


@dataclass(frozen=True)
class Use:
    """A version was put to use: `since` is an instant with its offset, `by` a person or the job that trains.

    `manifest_sha256` is the hash of its manifest, which holds those of its files.
    """

    version: str
    since: str
    by: str
    reason: str
    manifest_sha256: str


@dataclass(frozen=True)
class Standing:
    """Every use so far, the present one last; and the newest candidate that was not put to use, if there is one."""

    uses: tuple[Use, ...] = ()
    challenger: str = ""

    @property
    def champion(self) -> Use | None:
        """Return the present use."""
        return self.uses[-1] if self.uses else None

    def at(self, instant: datetime) -> Use | None:
        """Return what was in use at an instant."""
        return next((use for use in reversed(self.uses) if datetime.fromisoformat(use.since) <= instant), None)

    @property
    def former(self) -> Use | None:
        """Return the last use of another version than the present one."""
        others = (use for use in reversed(self.uses) if use.version != self.uses[-1].version)
        return next(others, None)


@dataclass(frozen=True)
class Publication:
    """What became of a candidate."""

    version: str
    is_promoted: bool
    reason: str


def standing(objects: ObjectStore) -> Standing:
    """Return which models are and were in use.

    Raises
    ------
    ConfigError
        If that cannot be read.
    """
    if not objects.exists(_KEY):
        return Standing()
    try:
        stored = json.loads(objects.read(_KEY))
        uses = tuple(Use(**{name: str(value) for name, value in use.items()}) for use in stored["uses"])
        for use in uses:
            datetime.fromisoformat(use.since)
        return Standing(uses, str(stored["challenger"]))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f"{objects.path(_KEY)} does not tell which models were in use: {error!r}.",
            next_step="Restore it, or delete it and train again.",
        ) from error


def load_champion(objects: ObjectStore) -> StoredModel:
    """Return the version in use.

    Raises
    ------
    NotFoundError
        If no model was ever promoted.
    ConfigError
        If one of its files was changed.
    """
    champion = standing(objects).champion
    if champion is None:
        raise NotFoundError("no model is in use.", next_step=_NEXT_STEP)
    if manifest_seal(objects, champion.version) != champion.manifest_sha256:
        raise ConfigError(
            f"{manifest_path(objects, champion.version)} does not match the manifest that was promoted.",
            next_step="Restore it, or put another version to use: `hops models rollback`.",
        )
    return load_model(objects, champion.version)


def publish(objects: ObjectStore, trained: TrainedModel, at: datetime, *, pin: str = "") -> Publication:
    """Store a candidate; put it to use if its verdict allows, else it is the challenger.

    `pin` names the state of the tables that it learnt from. The same candidate again changes nothing.
    """
    seals = {use.version: use.manifest_sha256 for use in standing(objects).uses}
    version = save_model(objects, trained.flow, trained.data_as_of, {**trained.facts(), "pin": pin}, seals=seals)
    reason = trained.verdict.reason
    if trained.verdict.is_accepted:
        promote(objects, version, by=TRAINING, reason=reason, at=at)
    else:
        now = standing(objects)
        if now.champion is None or now.champion.version != version:
            _write(objects, now.uses, version)
    return Publication(version, trained.verdict.is_accepted, reason)


def promote(objects: ObjectStore, version: str, *, by: str, reason: str, at: datetime) -> Use:
    """Put a stored version to use; whatever was in use stays in the history.

    Raises
    ------
    NotFoundError
        If there is no such version.
    ConfigError
        If one of its files was changed.
    """
    load_model(objects, version)
    now = standing(objects)
    use = Use(version, at.isoformat(), by, reason, manifest_seal(objects, version))
    champion = now.champion
    if champion and (champion.version, champion.manifest_sha256) == (version, use.manifest_sha256):
        return champion
    _write(objects, (*now.uses, use), "" if now.challenger == version else now.challenger)
    return use


def _write(objects: ObjectStore, uses: Sequence[Use], challenger: str) -> None:
    document = {
        "schema_version": _SCHEMA_VERSION,
        "uses": [asdict(use) for use in uses],
        "challenger": challenger,
    }
    objects.write(_KEY, json.dumps(document, indent=1).encode())
